package probe

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"slices"
	"time"

	"golang.org/x/net/bpf"
	"golang.org/x/sys/unix"
)

// discover asks on the interface and gathers offers until ctx ends. It works
// below the host's own addresses and beside its DHCP client.
func discover(ctx context.Context, iface *net.Interface) ([]offer, error) {
	f, err := packetSocket(iface)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	xid := rand.Uint32()
	question := datagram(discoverMessage(xid, iface.HardwareAddr))
	stop := context.AfterFunc(ctx, func() { _ = f.SetReadDeadline(time.Unix(1, 0)) })
	defer stop()
	begin, asked := time.Now(), time.Time{}
	var offers []offer
	for ctx.Err() == nil {
		if asked.IsZero() || len(offers) == 0 && time.Since(asked) >= time.Second {
			asked = time.Now()
			if err := broadcast(f, iface, question); err != nil {
				return nil, fmt.Errorf("ask for an address on %s: %w", iface.Name, err)
			}
		}
		if err := f.SetReadDeadline(time.Now().Add(time.Second)); err != nil || ctx.Err() != nil {
			break
		}
		b, mac, err := receive(f)
		if errors.Is(err, os.ErrDeadlineExceeded) {
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("hear offers on %s: %w", iface.Name, err)
		}
		data, err := payload(b)
		if err != nil {
			continue
		}
		o, ok := parseOffer(data, xid)
		if !ok || len(offers) == mostOffers || slices.ContainsFunc(offers, func(p offer) bool { return p.server == o.server && slices.Equal(p.mac, mac) }) {
			continue
		}
		o.mac, o.after = mac, time.Since(begin)
		offers = append(offers, o)
	}
	return offers, nil
}

// packetSocket hears IPv4 packets to a DHCP client on one interface.
func packetSocket(iface *net.Interface) (*os.File, error) {
	fd, err := unix.Socket(unix.AF_PACKET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0) // hears nothing before bind
	if err != nil {
		if errors.Is(err, unix.EPERM) {
			return nil, fmt.Errorf("may not ask for addresses: %w (give the agent CAP_NET_RAW)", err)
		}
		return nil, fmt.Errorf("packet socket: %w", err)
	}
	f := os.NewFile(uintptr(fd), "dhcp "+iface.Name)
	program, err := bpf.Assemble([]bpf.Instruction{
		bpf.LoadAbsolute{Off: 9, Size: 1}, // protocol
		bpf.JumpIf{Cond: bpf.JumpNotEqual, Val: 17, SkipTrue: 4},
		bpf.LoadMemShift{Off: 0},
		bpf.LoadIndirect{Off: 2, Size: 2}, // destination port
		bpf.JumpIf{Cond: bpf.JumpNotEqual, Val: 68, SkipTrue: 1},
		bpf.RetConstant{Val: 4096},
		bpf.RetConstant{Val: 0},
	})
	if err == nil {
		filter := make([]unix.SockFilter, len(program))
		for i, in := range program {
			filter[i] = unix.SockFilter{Code: in.Op, Jt: in.Jt, Jf: in.Jf, K: in.K}
		}
		err = unix.SetsockoptSockFprog(fd, unix.SOL_SOCKET, unix.SO_ATTACH_FILTER, &unix.SockFprog{Len: uint16(len(filter)), Filter: &filter[0]})
	}
	if err == nil {
		err = unix.Bind(fd, &unix.SockaddrLinklayer{Protocol: ipv4Ethertype, Ifindex: iface.Index})
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("packet socket on %s: %w", iface.Name, err), f.Close())
	}
	return f, nil
}

// ipv4Ethertype is 0x0800 in network order.
const ipv4Ethertype = 0x0008

func broadcast(f *os.File, iface *net.Interface, b []byte) error {
	to := &unix.SockaddrLinklayer{Protocol: ipv4Ethertype, Ifindex: iface.Index, Halen: 6, Addr: [8]byte{255, 255, 255, 255, 255, 255}}
	return control(f, func(fd int) error { return unix.Sendto(fd, b, 0, to) })
}

// receive reads one packet and the Ethernet address it came from.
func receive(f *os.File) (b []byte, mac net.HardwareAddr, err error) {
	raw, err := f.SyscallConn()
	if err != nil {
		return nil, nil, err
	}
	b = make([]byte, 4096)
	var inner error
	err = raw.Read(func(fd uintptr) bool {
		var n int
		var from unix.Sockaddr
		n, from, inner = unix.Recvfrom(int(fd), b, 0)
		if errors.Is(inner, unix.EAGAIN) {
			return false
		}
		b = b[:max(n, 0)]
		if ll, ok := from.(*unix.SockaddrLinklayer); ok {
			mac = net.HardwareAddr(slices.Clone(ll.Addr[:min(int(ll.Halen), 8)]))
		}
		return true
	})
	if err == nil {
		err = inner
	}
	return b, mac, err
}
