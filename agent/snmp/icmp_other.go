//go:build !linux

package snmp

import (
	"net"
	"net/netip"
)

func hearICMP(*net.UDPConn, bool) {}

func readICMP(*net.UDPConn, func(netip.AddrPort, error)) {}

func unreachable(error) bool { return false }
