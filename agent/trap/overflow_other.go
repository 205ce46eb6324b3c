//go:build !linux

package trap

import "net"

func enlarge(*net.UDPConn, int) {}

func overflow([]byte) (uint32, bool) { return 0, false }
