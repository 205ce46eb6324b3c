//go:build !linux

package snmp

import (
	"net"
	"net/netip"
)

// datagrams is a UDP socket shared by all devices of an address family.
type datagrams struct{ *net.UDPConn }

func newDatagrams(c *net.UDPConn, _ bool) (*datagrams, error) { return &datagrams{c}, nil }

// outgoing is nothing here.
type outgoing struct{}

// send sends a message.
func (d *datagrams) send(_ *outgoing, payload []byte, to netip.AddrPort) error {
	_, err := d.WriteToUDPAddrPort(payload, to)
	return err
}

// incoming is room for what is received, of one reader.
type incoming struct{ buf []byte }

// receive waits for a datagram. The sender's address is unmapped.
func (d *datagrams) receive(i *incoming) (payload []byte, from netip.AddrPort, err error) {
	n, from, err := d.ReadFromUDPAddrPort(i.buf)
	return i.buf[:max(n, 0)], netip.AddrPortFrom(from.Addr().Unmap(), from.Port()), err
}
