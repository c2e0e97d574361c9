package webhook

import (
	"context"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/net/dns/dnsmessage"
)

// refused are addresses that nothing is ever sent to.
var refused = []string{
	"127.0.0.1", "127.0.0.53", "127.255.255.255", "0.0.0.0", "0.1.2.3", // this machine
	"10.0.0.1", "10.255.255.255", "172.16.0.1", "172.31.255.255", "192.168.0.1", "192.168.255.255", // private
	"100.64.0.1", "100.127.255.255", // shared by carriers, and by clouds for themselves
	"169.254.169.254", "169.254.170.2", "169.254.0.1", "168.63.129.16", // link-local: the metadata of clouds
	"192.0.0.1", "192.0.0.170", "192.0.2.1", "198.51.100.1", "203.0.113.1", "198.18.0.1", "198.19.255.255", // not of the internet
	"224.0.0.1", "239.255.255.255", "240.0.0.1", "255.255.255.255", // to many, to nobody, to all
	"::1", "::", "fe80::1", "fc00::1", "fd00:ec2::254", "ff02::1", "100::1", "2001:db8::1", "fec0::1", // the same of IPv6
	"::ffff:127.0.0.1", "::ffff:10.0.0.1", "::ffff:169.254.169.254", "::ffff:0.0.0.0", // IPv4 inside of IPv6
	"64:ff9b::7f00:1", "64:ff9b::a00:1", "64:ff9b:1::7f00:1", "2002:7f00:1::", "2002:a00:1::1", "2001::1", // and in translation
}

func TestGuardRefuses(t *testing.T) {
	t.Parallel()
	if len(refused) < 40 {
		t.Fatalf("only %d addresses", len(refused))
	}
	g := NewGuard(nil)
	for _, text := range refused {
		addr := netip.MustParseAddr(text)
		if err := g.Control(network(addr), netip.AddrPortFrom(addr, 443).String(), nil); err == nil {
			t.Errorf("%s may be connected to", text)
		}
	}
	for _, text := range []string{"8.8.8.8", "1.1.1.1", "172.15.0.1", "172.32.0.1", "100.63.0.1", "2606:4700::1111", "2a00:1450:4001::1"} {
		addr := netip.MustParseAddr(text)
		if err := g.Control(network(addr), netip.AddrPortFrom(addr, 8443).String(), nil); err != nil {
			t.Errorf("%s: %v", text, err)
		}
	}
}

func network(a netip.Addr) string {
	if a.Is4() {
		return "tcp4"
	}
	return "tcp6"
}

// The same by requests: nothing is connected to, and the log says why.
func TestSendToRefusedAddresses(t *testing.T) {
	t.Parallel()
	s := NewSender(NewGuard(nil))
	for _, text := range append([]string{"localhost", "LOCALHOST.", "2130706433", "0x7f000001", "127.1"}, refused...) {
		if addr, err := netip.ParseAddr(text); err == nil && addr.Is6() {
			text = "[" + text + "]"
		}
		r := s.Send(t.Context(), "http://"+text+":9/", "msg_1", []byte("{}"), []string{NewSecret()}, time.Now())
		if r.Error != ErrRefused && r.Error != ErrName { // some are no address to the resolver
			t.Errorf("%s: %+v", text, r)
		}
		if r.Error == ErrName && strings.Contains(text, ":") {
			t.Errorf("%s was asked for by name", text)
		}
	}
}

func TestGuardAllowsWhatIsSaid(t *testing.T) {
	t.Parallel()
	networks, err := ParseNetworks([]string{" 10.1.0.0/16", "fd00:1::/32", "127.0.0.1", ""})
	if err != nil {
		t.Fatal(err)
	}
	g := NewGuard(networks)
	for text, want := range map[string]bool{
		"10.1.2.3": true, "10.2.0.1": false, "127.0.0.1": true, "127.0.0.2": false, "fd00:1::5": true, "fd00:2::5": false, "::ffff:10.1.2.3": true,
	} {
		addr := netip.MustParseAddr(text)
		if got := g.Control(network(addr), netip.AddrPortFrom(addr, 80).String(), nil) == nil; got != want {
			t.Errorf("%s: allowed %t", text, got)
		}
	}
	for _, bad := range []string{"10.0.0.0/33", "all", "10.0.0"} {
		if _, err := ParseNetworks([]string{bad}); err == nil {
			t.Errorf("%q is taken", bad)
		}
	}
}

func TestCheckURL(t *testing.T) {
	t.Parallel()
	g := NewGuard(nil)
	for _, good := range []string{"https://example.com/x?y=z", "http://example.com:8080", "https://8.8.8.8/", "https://[2606:4700::1111]/"} {
		if fault := g.CheckURL(good); fault != "" {
			t.Errorf("%s %s", good, fault)
		}
	}
	for _, bad := range []string{
		"", "example.com", "ftp://example.com", "file:///etc/passwd", "http://", "https://user:pass@example.com", "https://user@example.com",
		"http://127.0.0.1/", "http://localhost/", "http://Localhost.:80", "http://[::1]/", "http://[::ffff:10.0.0.1]/", "http://169.254.169.254/latest/meta-data",
		"http://[fe80::1%25eth0]/", "https://example.com/#x", "https://example.com/" + strings.Repeat("x", MaxURL),
	} {
		if g.CheckURL(bad) == "" {
			t.Errorf("%.60q is taken", bad)
		}
	}
}

// changingDNS is a server of names that gives an address the first time, and another one later.
func changingDNS(t *testing.T, first, later [4]byte) *net.Resolver {
	t.Helper()
	conn, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	var asked atomic.Int32
	go func() {
		buf := make([]byte, 1500)
		for {
			n, from, err := conn.ReadFrom(buf)
			if err != nil {
				return
			}
			var m dnsmessage.Message
			if m.Unpack(buf[:n]) != nil || len(m.Questions) == 0 {
				continue
			}
			m.Response, m.RecursionAvailable, m.Additionals = true, true, nil
			if q := m.Questions[0]; q.Type == dnsmessage.TypeA {
				a := later
				if asked.Add(1) == 1 {
					a = first
				}
				m.Answers = []dnsmessage.Resource{{
					Header: dnsmessage.ResourceHeader{Name: q.Name, Type: q.Type, Class: q.Class}, Body: &dnsmessage.AResource{A: a},
				}}
			}
			if out, err := m.Pack(); err == nil {
				_, _ = conn.WriteTo(out, from)
			}
		}
	}()
	return &net.Resolver{PreferGo: true, Dial: func(ctx context.Context, _, _ string) (net.Conn, error) {
		var d net.Dialer
		return d.DialContext(ctx, "udp", conn.LocalAddr().String())
	}}
}

// A name that leads to a good address when it is looked up first, and to this machine the next time.
func TestNameThatChanges(t *testing.T) {
	t.Parallel()
	var hits [3]atomic.Int32
	listen := func(addr string, i int) string {
		l, err := net.Listen("tcp", addr)
		if err != nil {
			t.Fatal(err)
		}
		srv := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			hits[i].Add(1)
			w.Header().Set("Connection", "close") // so that the next request looks the name up again
			_, _ = io.Copy(io.Discard, r.Body)
		}))
		srv.Listener = l
		srv.Start()
		t.Cleanup(srv.Close)
		_, port, _ := net.SplitHostPort(l.Addr().String())
		return port
	}
	port := listen("127.0.0.2:0", 0)
	listen("127.0.0.1:"+port, 1)
	g := NewGuard([]netip.Prefix{netip.MustParsePrefix("127.0.0.2/32")}) // stands for the internet
	s := newSender(g, changingDNS(t, [4]byte{127, 0, 0, 2}, [4]byte{127, 0, 0, 1}))
	send := func() Result {
		return s.Send(t.Context(), "http://changing.example:"+port+"/", "msg_1", []byte("{}"), []string{NewSecret()}, time.Now())
	}
	if r := send(); r.Error != "" || hits[0].Load() != 1 {
		t.Fatalf("the first time: %+v", r)
	}
	if r := send(); r.Error != ErrRefused {
		t.Errorf("the second time: %+v", r)
	}
	if hits[1].Load() > 0 {
		t.Error("this machine was reached")
	}
}
