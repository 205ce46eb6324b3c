package discover

import (
	"context"
	"crypto/rand"
	"errors"
	"net"
	"net/netip"
	"sync"
	"time"

	"golang.org/x/net/icmp"
	"golang.org/x/net/ipv4"
	"golang.org/x/net/ipv6"
)

// echo sends ICMP echo requests to many addresses by one socket of each family
// and hears the answers. It is not safe for concurrent use.
type echo struct {
	v6     bool
	conn   *icmp.PacketConn
	raw    bool
	id     int
	cookie [8]byte
	sent   map[netip.Addr]time.Time
	heard  map[netip.Addr]time.Duration
	mu     sync.Mutex // guards sent and heard
	done   chan struct{}
}

// openEcho opens a socket that anybody may have where the system allows it, or
// else a raw one. The error says that neither is allowed.
func openEcho(v6 bool) (*echo, error) {
	e := &echo{v6: v6, sent: map[netip.Addr]time.Time{}, heard: map[netip.Addr]time.Duration{}, done: make(chan struct{})}
	rand.Read(e.cookie[:])
	e.id = int(e.cookie[0])<<8 | int(e.cookie[1])
	simple, raw, any := "udp4", "ip4:icmp", "0.0.0.0"
	if v6 {
		simple, raw, any = "udp6", "ip6:ipv6-icmp", "::"
	}
	var errs [2]error
	if e.conn, errs[0] = icmp.ListenPacket(simple, any); errs[0] != nil {
		e.raw = true
		if e.conn, errs[1] = icmp.ListenPacket(raw, any); errs[1] != nil {
			return nil, errors.Join(errs[:]...)
		}
	}
	go e.listen()
	return e, nil
}

// close closes the socket and waits for the listener.
func (e *echo) close() {
	_ = e.conn.Close()
	<-e.done
}

// send asks one address. What cannot be sent is not heard.
func (e *echo) send(a netip.Addr, seq int) {
	m := icmp.Message{Type: ipv4.ICMPTypeEcho, Body: &icmp.Echo{ID: e.id, Seq: seq, Data: e.cookie[:]}}
	if e.v6 {
		m.Type = ipv6.ICMPTypeEchoRequest
	}
	b, err := m.Marshal(nil)
	if err != nil {
		return
	}
	var to net.Addr = &net.UDPAddr{IP: a.AsSlice(), Zone: a.Zone()}
	if e.raw {
		to = &net.IPAddr{IP: a.AsSlice(), Zone: a.Zone()}
	}
	e.mu.Lock()
	e.sent[a] = time.Now()
	e.mu.Unlock()
	_, _ = e.conn.WriteTo(b, to)
}

// answer returns how long an address took to answer.
func (e *echo) answer(a netip.Addr) (time.Duration, bool) {
	e.mu.Lock()
	defer e.mu.Unlock()
	d, ok := e.heard[a]
	return d, ok
}

// listen notes who answers until the socket is closed.
func (e *echo) listen() {
	defer close(e.done)
	buf := make([]byte, 1500)
	for {
		n, from, err := e.conn.ReadFrom(buf)
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if err == nil {
			e.take(buf[:n], from, time.Now())
		}
	}
}

// take notes an answer to us; anything else is dropped.
func (e *echo) take(b []byte, from net.Addr, now time.Time) {
	protocol, reply := 1, icmp.Type(ipv4.ICMPTypeEchoReply)
	if e.v6 {
		protocol, reply = 58, ipv6.ICMPTypeEchoReply
	}
	m, err := icmp.ParseMessage(protocol, b)
	if err != nil || m.Type != reply {
		return
	}
	body, ok := m.Body.(*icmp.Echo)
	if !ok || string(body.Data) != string(e.cookie[:]) {
		return
	}
	var a netip.Addr
	switch f := from.(type) {
	case *net.UDPAddr:
		a, _ = netip.AddrFromSlice(f.IP)
	case *net.IPAddr:
		a, _ = netip.AddrFromSlice(f.IP)
	}
	a = a.Unmap()
	e.mu.Lock()
	defer e.mu.Unlock()
	if at, asked := e.sent[a]; asked {
		if _, again := e.heard[a]; !again {
			e.heard[a] = now.Sub(at)
		}
	}
}

// pings asks addresses, those that were silent a second time, and returns those
// that answered. sent is called after each request with how many were sent, how
// many there will be at most, and how many answered yet. The error is ctx's or
// that ICMP may not be sent; what was heard until then is good.
func pings(ctx context.Context, all []netip.Addr, p *pace, wait time.Duration, sent func(n, most, heard int)) (map[netip.Addr]time.Duration, error) {
	sockets := map[bool]*echo{}
	defer func() {
		for _, e := range sockets {
			e.close()
		}
	}()
	for _, a := range all {
		if v6 := a.Is6(); sockets[v6] == nil {
			e, err := openEcho(v6)
			if err != nil {
				return nil, err
			}
			sockets[v6] = e
		}
	}
	heard := map[netip.Addr]time.Duration{}
	left, n := all, 0
	for round := 1; round <= 2 && len(left) > 0; round++ {
		most := n + len(left)
		err := error(nil)
		for _, a := range left {
			if err = p.wait(ctx); err != nil {
				break
			}
			sockets[a.Is6()].send(a, round)
			n++
			sent(n, most, answers(sockets))
		}
		if err == nil {
			err = pause(ctx, wait)
		}
		var silent []netip.Addr
		for _, a := range left {
			if d, ok := sockets[a.Is6()].answer(a); ok {
				heard[a] = d
			} else {
				silent = append(silent, a)
			}
		}
		if left = silent; err != nil {
			return heard, err
		}
	}
	return heard, nil
}

// answers counts the addresses that answered.
func answers(sockets map[bool]*echo) int {
	n := 0
	for _, e := range sockets {
		e.mu.Lock()
		n += len(e.heard)
		e.mu.Unlock()
	}
	return n
}

// pause waits, at most until ctx ends.
func pause(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-t.C:
		return nil
	}
}
