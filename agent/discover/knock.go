package discover

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"slices"
	"strconv"
	"sync"
	"syscall"
	"time"
)

// knockPorts are the few TCP ports that tell servers, databases and printers
// apart.
var knockPorts = []int{22, 53, 80, 443, 445, 1433, 1521, 3306, 3389, 5236, 5432, 9100}

// alivePorts are tried where ICMP may not be sent.
var alivePorts = []int{22, 80, 443}

// nobodysPort is a UDP port at which nothing listens (traceroute begins there):
// a machine that is there says so by ICMP.
const nobodysPort = 33434

// knock tries TCP ports of an address, a few at a time, and returns those that
// are open; alive tells that anything answered, a refusal too. What ctx cuts off
// counts as closed.
func knock(ctx context.Context, a netip.Addr, ports []int, p *pace, wait time.Duration) (open []int, alive bool) {
	var mu sync.Mutex
	var group sync.WaitGroup
	slots := make(chan struct{}, 4)
	for _, port := range ports {
		if p.wait(ctx) != nil {
			break
		}
		slots <- struct{}{}
		group.Go(func() {
			defer func() { <-slots }()
			d := net.Dialer{Timeout: wait}
			c, err := d.DialContext(ctx, "tcp", net.JoinHostPort(a.String(), strconv.Itoa(port)))
			mu.Lock()
			defer mu.Unlock()
			switch {
			case err == nil:
				_ = c.Close()
				open, alive = append(open, port), true
			case refusal(err):
				alive = true
			}
		})
	}
	group.Wait()
	slices.Sort(open)
	return open, alive
}

// refuses tells whether an address says by ICMP that nobody listens at a UDP
// port: it is there. It needs no privilege.
func refuses(ctx context.Context, a netip.Addr, p *pace, wait time.Duration) bool {
	if p.wait(ctx) != nil {
		return false
	}
	c, err := net.DialUDP("udp", nil, net.UDPAddrFromAddrPort(netip.AddrPortFrom(a, nobodysPort)))
	if err != nil {
		return false
	}
	defer func() { _ = c.Close() }()
	stop := context.AfterFunc(ctx, func() { _ = c.SetReadDeadline(time.Unix(1, 0)) })
	defer stop()
	if _, err := c.Write(make([]byte, 8)); err != nil || c.SetReadDeadline(time.Now().Add(wait)) != nil {
		return refusal(err)
	}
	n, err := c.Read(make([]byte, 64))
	return n > 0 || refusal(err)
}

// refusal tells whether an address answered that nobody listens there; Windows
// has numbers of its own (WSAECONNREFUSED, WSAECONNRESET).
func refusal(err error) bool {
	return errors.Is(err, syscall.ECONNREFUSED) || errors.Is(err, syscall.Errno(10061)) || errors.Is(err, syscall.Errno(10054))
}
