package snmp

import (
	"encoding/binary"
	"errors"
	"net"
	"net/netip"
	"syscall"

	"golang.org/x/sys/unix"
)

// hearICMP has the kernel keep what ICMP says about datagrams sent by c. Without
// it an unconnected socket learns nothing of a host where no agent listens.
func hearICMP(c *net.UDPConn, six bool) {
	raw, err := c.SyscallConn()
	if err != nil {
		return
	}
	_ = raw.Control(func(fd uintptr) { // where that is not to be had silence has to do
		if six {
			_ = unix.SetsockoptInt(int(fd), unix.SOL_IPV6, unix.IPV6_RECVERR, 1)
		} else {
			_ = unix.SetsockoptInt(int(fd), unix.SOL_IP, unix.IP_RECVERR, 1)
		}
	})
}

// readICMP takes what ICMP said off c and calls tell with where the datagram was
// sent to.
func readICMP(c *net.UDPConn, tell func(to netip.AddrPort, cause error)) {
	raw, err := c.SyscallConn()
	if err != nil {
		return
	}
	var payload, control [512]byte
	_ = raw.Control(func(fd uintptr) {
		for {
			_, n, _, to, err := unix.Recvmsg(int(fd), payload[:], control[:], unix.MSG_ERRQUEUE|unix.MSG_DONTWAIT)
			if err != nil {
				return
			}
			if cause := icmpCause(control[:n]); cause != nil {
				tell(addrPort(to), cause)
			}
		}
	})
}

// icmpCause returns the error number that the kernel made of an ICMP message.
func icmpCause(control []byte) error {
	messages, err := unix.ParseSocketControlMessage(control)
	if err != nil {
		return nil
	}
	for _, m := range messages {
		v4 := m.Header.Level == unix.SOL_IP && m.Header.Type == unix.IP_RECVERR
		v6 := m.Header.Level == unix.SOL_IPV6 && m.Header.Type == unix.IPV6_RECVERR
		if (v4 || v6) && len(m.Data) >= 16 {
			if n := syscall.Errno(binary.NativeEndian.Uint32(m.Data)); unreachable(n) {
				return n
			}
		}
	}
	return nil
}

func addrPort(a unix.Sockaddr) netip.AddrPort {
	switch a := a.(type) {
	case *unix.SockaddrInet4:
		return netip.AddrPortFrom(netip.AddrFrom4(a.Addr), uint16(a.Port))
	case *unix.SockaddrInet6:
		return netip.AddrPortFrom(netip.AddrFrom16(a.Addr).Unmap(), uint16(a.Port))
	}
	return netip.AddrPort{}
}

// unreachable tells whether the error of a read or write may be about another
// datagram, sent before.
func unreachable(err error) bool {
	return errors.Is(err, syscall.ECONNREFUSED) || errors.Is(err, syscall.EHOSTUNREACH) || errors.Is(err, syscall.ENETUNREACH) ||
		errors.Is(err, syscall.EACCES) || errors.Is(err, syscall.EHOSTDOWN)
}
