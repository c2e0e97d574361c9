package integration

import (
	"bytes"
	"encoding/binary"
	"io"
	"net"
	"sync/atomic"
	"testing"
	"time"
)

// commitProxy is a proxy for MySQL that hands COMMIT to the server and not the answer to the client, whose connection it
// cuts, until it has done so n times. The server gets every second one of these only a while after the client's
// connection is gone: then the COMMIT is still in flight when the client looks what became of it.
type commitProxy struct {
	addr, upstream string
	n              int64
	late           time.Duration
	seen, lost     atomic.Int64
}

func newCommitProxy(t testing.TB, upstream string, n int64) *commitProxy {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	p := &commitProxy{addr: l.Addr().String(), upstream: upstream, n: n, late: 300 * time.Millisecond}
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go p.serve(c)
		}
	}()
	return p
}

func (p *commitProxy) serve(client net.Conn) {
	defer func() { _ = client.Close() }()
	server, err := net.Dial("tcp", p.upstream)
	if err != nil {
		return
	}
	defer func() { _ = server.Close() }()
	var cut atomic.Bool
	go func() { // answers
		defer func() { _ = client.Close() }()
		buf := make([]byte, 64<<10)
		for {
			k, err := server.Read(buf)
			if err != nil || cut.Load() { // the server has committed: it answers
				return
			}
			if _, err := client.Write(buf[:k]); err != nil {
				return
			}
		}
	}()
	header := make([]byte, 4)
	for {
		if _, err := io.ReadFull(client, header); err != nil {
			return
		}
		size := binary.LittleEndian.Uint32(append(header[:3:3], 0))
		packet := make([]byte, 4+size)
		copy(packet, header)
		if _, err := io.ReadFull(client, packet[4:]); err != nil {
			return
		}
		if bytes.Equal(packet[4:], []byte("\x03COMMIT")) && p.lose() { // 3 is COM_QUERY
			cut.Store(true)
			if p.lost.Load()%2 == 0 {
				_ = client.Close()
				<-time.After(p.late)
			}
		}
		if _, err := server.Write(packet); err != nil {
			return
		}
	}
}

// lose reports whether the answer to this COMMIT is lost: every third, so that some batches go through and the job moves.
func (p *commitProxy) lose() bool {
	if p.seen.Add(1)%3 != 0 {
		return false
	}
	for {
		lost := p.lost.Load()
		if lost >= p.n {
			return false
		}
		if p.lost.CompareAndSwap(lost, lost+1) {
			return true
		}
	}
}
