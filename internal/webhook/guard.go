package webhook

import (
	"fmt"
	"net/netip"
	"strings"
	"syscall"

	"code.dny.dev/ssrf"
)

// Guard says which addresses may be connected to. Callers choose where we send to: without it they could have us reach what
// only this machine can, such as a cloud's metadata or an administrator's page.
type Guard struct {
	allowed  []netip.Prefix
	guardian *ssrf.Guardian
}

// azureHost is public by its number, and leads to the host of a virtual machine at Azure, which tells it its secrets.
var azureHost = netip.MustParsePrefix("168.63.129.16/32")

// NewGuard returns a Guard that allows what is public, and these networks.
func NewGuard(allowed []netip.Prefix) *Guard {
	var v4, v6 []netip.Prefix
	for _, p := range allowed {
		if p.Addr().Is4() {
			v4 = append(v4, p)
		} else {
			v6 = append(v6, p)
		}
	}
	return &Guard{allowed, ssrf.New(ssrf.WithAnyPort(), ssrf.WithDeniedV4Prefixes(azureHost), ssrf.WithAllowedV4Prefixes(v4...), ssrf.WithAllowedV6Prefixes(v6...))}
}

// ParseNetworks reads networks, such as 10.0.0.0/8 or a single address.
func ParseNetworks(list []string) (networks []netip.Prefix, err error) {
	for _, text := range list {
		if text = strings.TrimSpace(text); text == "" {
			continue
		}
		p, err := netip.ParsePrefix(text)
		if addr, e := netip.ParseAddr(text); err != nil && e == nil {
			p, err = netip.PrefixFrom(addr, addr.BitLen()), nil
		}
		if err != nil {
			return nil, fmt.Errorf("%q is no network such as 10.0.0.0/8", text)
		}
		networks = append(networks, p.Masked())
	}
	return networks, nil
}

// Control is net.Dialer's: it is asked about each address at the moment of connecting, whatever DNS answered before.
func (g *Guard) Control(network, address string, c syscall.RawConn) error {
	if ap, err := netip.ParseAddrPort(address); err == nil && ap.Addr().Is4In6() { // ::ffff:127.0.0.1 is 127.0.0.1
		address = netip.AddrPortFrom(ap.Addr().Unmap(), ap.Port()).String()
	}
	return g.guardian.Safe(network, address, c)
}

// mayName reports whether a host may be named: a name always, since only DNS knows who it is, and an address unless it is
// refused anyway.
func (g *Guard) mayName(host string) bool {
	if strings.EqualFold(strings.TrimSuffix(host, "."), "localhost") {
		return g.guardian.SafeAddr(netip.MustParseAddr("127.0.0.1")) == nil
	}
	addr, err := netip.ParseAddr(strings.Trim(host, "[]"))
	return err != nil || g.guardian.SafeAddr(addr.Unmap().WithZone("")) == nil
}
