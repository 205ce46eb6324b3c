package trap

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"syscall"
	"time"

	"golang.org/x/net/ipv4"
	"golang.org/x/net/ipv6"
)

// socket is one address that is listened at.
type socket struct {
	conn    *net.UDPConn
	six     bool
	any     bool   // bound to all addresses: answers must say from which they are
	dropped uint32 // by the kernel, as it said last
}

// Listen opens the sockets and counts a start of the engine. Run calls it where
// that was not done; whoever calls it without Run must Close.
func (r *Receiver) Listen() (err error) {
	if r.ready {
		return nil
	}
	e, err := openEngine(r.opts.Dir)
	if err != nil {
		return fmt.Errorf("listen for notifications: %w", err)
	}
	r.mu.Lock()
	r.usm = newUSM(&r.opts, e)
	r.mu.Unlock()
	for _, address := range r.opts.Listen {
		if err := r.open(address); err != nil {
			err = errors.Join(fmt.Errorf("listen for notifications at %s: %w%s", address, err, hint(err)), r.Close())
			r.sockets = nil
			return err
		}
	}
	r.ready = true
	return nil
}

// hint says what may help.
func hint(err error) string {
	switch {
	case errors.Is(err, syscall.EACCES):
		return " (a port below 1024 needs root or CAP_NET_BIND_SERVICE)"
	case errors.Is(err, syscall.EADDRINUSE):
		return " (another receiver of traps runs there)"
	}
	return ""
}

// open opens an address: one without a host in both families, as far as the
// machine has them.
func (r *Receiver) open(address string) error {
	host, port, _ := net.SplitHostPort(address) // Options were validated
	networks := []string{"udp4", "udp6"}
	if a, err := netip.ParseAddr(host); err == nil {
		networks = networks[:1]
		if a.Unmap().Is6() {
			networks = []string{"udp6"}
		}
	}
	var faults []error
	for _, network := range networks {
		s, err := listen(network, host, port, r.opts.ReceiveBuffer)
		if err != nil {
			faults = append(faults, err)
			continue
		}
		r.sockets = append(r.sockets, s)
		_, port, _ = net.SplitHostPort(s.conn.LocalAddr().String()) // the other family takes the same
	}
	if len(faults) < len(networks) && !errors.Is(errors.Join(faults...), syscall.EADDRINUSE) {
		return nil // a machine without IPv6
	}
	return errors.Join(faults...)
}

func listen(network, host, port string, buffer int) (*socket, error) {
	pc, err := (&net.ListenConfig{}).ListenPacket(context.Background(), network, net.JoinHostPort(host, port))
	if err != nil {
		return nil, err
	}
	s := &socket{conn: pc.(*net.UDPConn), six: network == "udp6"}
	_ = s.conn.SetReadBuffer(buffer) // what the kernel gives will do
	enlarge(s.conn, buffer)
	if local := s.conn.LocalAddr().(*net.UDPAddr); local.IP.IsUnspecified() {
		s.any = true
		if s.six {
			err = ipv6.NewPacketConn(s.conn).SetControlMessage(ipv6.FlagDst, true)
		} else {
			err = ipv4.NewPacketConn(s.conn).SetControlMessage(ipv4.FlagDst, true)
		}
		s.any = err == nil // where the system cannot, it chooses the address
	}
	return s, nil
}

// Addrs returns the addresses that are listened at, after Listen.
func (r *Receiver) Addrs() []netip.AddrPort {
	var all []netip.AddrPort
	for _, s := range r.sockets {
		all = append(all, s.conn.LocalAddr().(*net.UDPAddr).AddrPort())
	}
	return all
}

// Close closes the sockets of a Receiver that does not run. It may be called
// twice.
func (r *Receiver) Close() error {
	var faults []error
	for _, s := range r.sockets {
		if err := s.conn.Close(); err != nil && !errors.Is(err, net.ErrClosed) {
			faults = append(faults, err)
		}
	}
	return errors.Join(faults...)
}

// interrupt ends the reading; what was read can still be answered.
func (r *Receiver) interrupt() {
	for _, s := range r.sockets {
		_ = s.conn.SetReadDeadline(time.Unix(1, 0))
	}
}

// read takes datagrams until ctx ends.
func (r *Receiver) read(ctx context.Context, s *socket) error {
	buf, oob := make([]byte, 1<<16), make([]byte, 256)
	for {
		n, m, _, from, err := s.conn.ReadMsgUDPAddrPort(buf, oob)
		switch {
		case err == nil:
			in := answer{socket: s, to: netip.AddrPortFrom(from.Addr().Unmap(), from.Port())}
			if s.any {
				in.from = s.reached(oob[:m])
			}
			if lost, ok := overflow(oob[:m]); ok && lost != s.dropped {
				r.metrics.lost.Add(float64(lost - s.dropped))
				s.dropped = lost
			}
			if again := r.receive(buf[:n], in); again != nil {
				in.send(again)
			}
		case ctx.Err() != nil:
			return nil
		case errors.Is(err, net.ErrClosed), errors.Is(err, os.ErrDeadlineExceeded):
			return fmt.Errorf("read notifications: %w", err)
		default: // out of memory for a moment, or an answer that nobody took
			select {
			case <-ctx.Done():
				return nil
			case <-time.After(10 * time.Millisecond):
			}
		}
	}
}

// reached returns which of our addresses a datagram was sent to, from what the
// kernel says besides it.
func (s *socket) reached(oob []byte) netip.Addr {
	var dst net.IP
	if s.six {
		var cm ipv6.ControlMessage
		if cm.Parse(oob) == nil {
			dst = cm.Dst
		}
	} else {
		var cm ipv4.ControlMessage
		if cm.Parse(oob) == nil {
			dst = cm.Dst
		}
	}
	a, _ := netip.AddrFromSlice(dst)
	if a = a.Unmap(); a.IsMulticast() || a == netip.AddrFrom4([4]byte{255, 255, 255, 255}) {
		return netip.Addr{}
	}
	return a
}

// send sends a message from the address that was asked, as far as the system
// lets; senders repeat what gets no answer.
func (a answer) send(message []byte) {
	var oob []byte
	if a.from.IsValid() {
		src := net.IP(a.from.AsSlice())
		if a.socket.six {
			oob = (&ipv6.ControlMessage{Src: src}).Marshal()
		} else {
			oob = (&ipv4.ControlMessage{Src: src}).Marshal()
		}
	}
	_, _, err := a.socket.conn.WriteMsgUDPAddrPort(message, oob, a.to)
	if err != nil && oob != nil { // an address that is not ours, as that of a broadcast
		_, _, _ = a.socket.conn.WriteMsgUDPAddrPort(message, nil, a.to)
	}
}
