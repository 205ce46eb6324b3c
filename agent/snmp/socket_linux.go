package snmp

import (
	"encoding/binary"
	"net"
	"net/netip"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// datagrams is a UDP socket shared by all devices of an address family. It calls
// the kernel without telling Go's scheduler: the calls never block, and being told
// of thousands of them a second costs the scheduler more than the calls cost.
type datagrams struct {
	*net.UDPConn
	raw syscall.RawConn
	six bool
}

func newDatagrams(c *net.UDPConn, six bool) (*datagrams, error) {
	raw, err := c.SyscallConn()
	return &datagrams{c, raw, six}, err
}

// outgoing is room for one message under way, of one session at a time.
type outgoing struct {
	payload []byte
	to      unix.RawSockaddrInet6 // of IPv4 the first part, laid out as RawSockaddrInet4
	size    uintptr
	errno   syscall.Errno
	call    func(fd uintptr) bool // made once
}

func (o *outgoing) sendto(fd uintptr) bool {
	for {
		_, _, o.errno = unix.RawSyscall6(unix.SYS_SENDTO, fd, uintptr(unsafe.Pointer(unsafe.SliceData(o.payload))), uintptr(len(o.payload)),
			unix.MSG_DONTWAIT|unix.MSG_NOSIGNAL, uintptr(unsafe.Pointer(&o.to)), o.size)
		if o.errno != unix.EINTR {
			return o.errno != unix.EAGAIN
		}
	}
}

// send sends a message; it does not wait unless the socket's buffer is full.
func (d *datagrams) send(o *outgoing, payload []byte, to netip.AddrPort) error {
	if len(payload) == 0 || to.Addr().Zone() != "" || to.Addr().Is4() == d.six { // rare: as Go does it
		_, err := d.WriteToUDPAddrPort(payload, to)
		return err
	}
	if o.call == nil {
		o.call = o.sendto
	}
	o.payload = payload
	if d.six {
		o.to, o.size = unix.RawSockaddrInet6{Family: unix.AF_INET6, Addr: to.Addr().As16()}, unix.SizeofSockaddrInet6
		o.to.Port = networkOrder(to.Port())
	} else {
		four := (*unix.RawSockaddrInet4)(unsafe.Pointer(&o.to))
		*four, o.size = unix.RawSockaddrInet4{Family: unix.AF_INET, Port: networkOrder(to.Port()), Addr: to.Addr().As4()}, unix.SizeofSockaddrInet4
	}
	err := d.raw.Write(o.call)
	o.payload = nil
	if err == nil && o.errno != 0 {
		err = &net.OpError{Op: "write", Net: "udp", Source: d.LocalAddr(), Addr: net.UDPAddrFromAddrPort(to), Err: o.errno}
	}
	return err
}

func networkOrder(port uint16) uint16 {
	var b [2]byte
	binary.BigEndian.PutUint16(b[:], port)
	return binary.NativeEndian.Uint16(b[:])
}

// incoming is room for what is received, of one reader.
type incoming struct {
	buf   []byte
	from  unix.RawSockaddrInet6
	n     int
	errno syscall.Errno
	call  func(fd uintptr) bool // made once
}

func (i *incoming) recvfrom(fd uintptr) bool {
	for {
		size := uint32(unix.SizeofSockaddrInet6)
		n, _, errno := unix.RawSyscall6(unix.SYS_RECVFROM, fd, uintptr(unsafe.Pointer(unsafe.SliceData(i.buf))), uintptr(len(i.buf)),
			unix.MSG_DONTWAIT, uintptr(unsafe.Pointer(&i.from)), uintptr(unsafe.Pointer(&size)))
		i.n, i.errno = int(n), errno
		if errno != unix.EINTR {
			return errno != unix.EAGAIN
		}
	}
}

// receive waits for a datagram. The sender's address is unmapped.
func (d *datagrams) receive(i *incoming) (payload []byte, from netip.AddrPort, err error) {
	if i.call == nil {
		i.call = i.recvfrom
	}
	if err := d.raw.Read(i.call); err != nil {
		return nil, netip.AddrPort{}, err
	}
	if i.errno != 0 {
		return nil, netip.AddrPort{}, &net.OpError{Op: "read", Net: "udp", Source: d.LocalAddr(), Err: i.errno}
	}
	if i.from.Family == unix.AF_INET {
		four := (*unix.RawSockaddrInet4)(unsafe.Pointer(&i.from))
		return i.buf[:i.n], netip.AddrPortFrom(netip.AddrFrom4(four.Addr), networkOrder(four.Port)), nil
	}
	a := netip.AddrFrom16(i.from.Addr)
	if i.from.Scope_id != 0 && a.IsLinkLocalUnicast() {
		a = a.WithZone(zone(int(i.from.Scope_id)))
	}
	return i.buf[:i.n], netip.AddrPortFrom(a.Unmap(), networkOrder(i.from.Port)), nil
}

func zone(index int) string {
	if in, err := net.InterfaceByIndex(index); err == nil {
		return in.Name
	}
	return ""
}
