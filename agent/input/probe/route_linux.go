package probe

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"syscall"
	"time"

	"golang.org/x/net/icmp"
	"golang.org/x/net/ipv4"
	"golang.org/x/sys/unix"
)

// dontFragment makes the socket's packets pass whole or not at all, whatever
// the system has learned of the path.
func dontFragment(c *echoConn) error {
	if c.v6 {
		p, ok := c.IPv6PacketConn().PacketConn.(syscall.Conn)
		if !ok {
			return errors.ErrUnsupported
		}
		return control(p, func(fd int) error {
			return unix.SetsockoptInt(fd, unix.IPPROTO_IPV6, unix.IPV6_MTU_DISCOVER, unix.IPV6_PMTUDISC_PROBE)
		})
	}
	p, ok := c.IPv4PacketConn().PacketConn.(syscall.Conn)
	if !ok {
		return errors.ErrUnsupported
	}
	return control(p, func(fd int) error {
		return unix.SetsockoptInt(fd, unix.IPPROTO_IP, unix.IP_MTU_DISCOVER, unix.IP_PMTUDISC_PROBE)
	})
}

func control(c syscall.Conn, f func(fd int) error) error {
	raw, err := c.SyscallConn()
	if err != nil {
		return err
	}
	var inner error
	if err := raw.Control(func(fd uintptr) { inner = f(int(fd)) }); err != nil {
		return err
	}
	return inner
}

// IP option Record Route (RFC 791): kind, length, next slot, nine addresses.
const (
	optionRoute = 7
	routeSlots  = 9
	routeLength = 3 + 4*routeSlots
)

// recordRoute asks the routers on the way there and back to note themselves in
// one echo, and tells whether an answer with notes came. Nine find room.
func recordRoute(ctx context.Context, dst net.IPAddr, wait time.Duration) ([]netip.Addr, bool) {
	if dst.IP.To4() == nil {
		return nil, false
	}
	c, err := listenEcho(dst, 64, 256)
	if err != nil {
		return nil, false
	}
	defer func() { _ = c.Close() }()
	p := c.IPv4PacketConn().PacketConn
	sc, ok := p.(syscall.Conn)
	if !ok {
		return nil, false
	}
	option := make([]byte, routeLength+1) // with the end of options
	option[0], option[1], option[2] = optionRoute, routeLength, 4
	err = control(sc, func(fd int) error {
		if err := unix.SetsockoptString(fd, unix.IPPROTO_IP, unix.IP_OPTIONS, string(option)); err != nil {
			return err
		}
		return unix.SetsockoptInt(fd, unix.IPPROTO_IP, unix.IP_RECVOPTS, 1)
	})
	if err != nil {
		return nil, false
	}
	stop := context.AfterFunc(ctx, func() { _ = p.SetReadDeadline(time.Unix(1, 0)) })
	defer stop()
	const tries = 3 // one packet may be lost on its own account
	for i := range tries {
		if c.send(i, 56) != nil || p.SetReadDeadline(time.Now().Add(wait)) != nil || ctx.Err() != nil {
			return nil, false
		}
		if path, err := c.readRoute(p); err == nil {
			return path, len(path) > 0
		}
	}
	return nil, false
}

// readRoute reads answers until one is ours and returns the addresses noted in it.
func (c *echoConn) readRoute(p net.PacketConn) ([]netip.Addr, error) {
	buf, oob := make([]byte, 512), make([]byte, 256)
	for {
		var n, on int
		var err error
		var from net.Addr
		switch p := p.(type) {
		case *net.UDPConn:
			n, on, _, from, err = p.ReadMsgUDP(buf, oob)
		case *net.IPConn:
			n, on, _, from, err = p.ReadMsgIP(buf, oob)
		default:
			return nil, errors.ErrUnsupported
		}
		if err != nil {
			return nil, err
		}
		b, options := buf[:n], optionsOf(oob[:on])
		if _, raw := p.(*net.IPConn); raw && n >= 20 && b[0]>>4 == 4 {
			length := min(int(b[0]&15)*4, n)
			b, options = b[length:], b[min(20, length):length]
		}
		if c.ours(b, from) {
			return routeOf(options), nil
		}
	}
}

// ours tells whether the ICMP message answers us.
func (c *echoConn) ours(b []byte, from net.Addr) bool {
	m, err := icmp.ParseMessage(1, b)
	if err != nil || m.Type != ipv4.ICMPTypeEchoReply {
		return false
	}
	body, ok := m.Body.(*icmp.Echo)
	return ok && len(body.Data) >= cookieLen && [cookieLen]byte(body.Data[:cookieLen]) == c.cookie && sameIP(from, c.ip)
}

// optionsOf finds the IP options among control messages.
func optionsOf(oob []byte) []byte {
	messages, err := unix.ParseSocketControlMessage(oob)
	if err != nil {
		return nil
	}
	for _, m := range messages {
		if m.Header.Level == unix.IPPROTO_IP && m.Header.Type == unix.IP_RECVOPTS {
			return m.Data
		}
	}
	return nil
}

// routeOf reads the addresses that a Record Route option holds.
func routeOf(options []byte) []netip.Addr {
	for i := 0; i < len(options); {
		switch kind := options[i]; {
		case kind == 0:
			return nil
		case kind == 1:
			i++
			continue
		case i+1 >= len(options) || options[i+1] < 2 || i+int(options[i+1]) > len(options):
			return nil
		case kind == optionRoute && options[i+1] >= 3:
			o := options[i : i+int(options[i+1])]
			var path []netip.Addr
			for at := 3; at+4 <= min(int(o[2])-1, len(o)); at += 4 {
				path = append(path, netip.AddrFrom4([4]byte(o[at:at+4])))
			}
			return path
		default:
			i += int(options[i+1])
		}
	}
	return nil
}
