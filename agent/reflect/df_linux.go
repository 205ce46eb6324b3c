package reflect

import (
	"errors"
	"net"

	"golang.org/x/sys/unix"
)

// DontFragment makes the socket's packets pass whole or not at all, whatever
// the system has learned of the path, so that large packets that get lost show.
func DontFragment(c *net.UDPConn) error {
	raw, err := c.SyscallConn()
	if err != nil {
		return err
	}
	var v4, v6 error
	err = raw.Control(func(fd uintptr) {
		v4 = unix.SetsockoptInt(int(fd), unix.IPPROTO_IP, unix.IP_MTU_DISCOVER, unix.IP_PMTUDISC_PROBE)
		v6 = unix.SetsockoptInt(int(fd), unix.IPPROTO_IPV6, unix.IPV6_MTU_DISCOVER, unix.IPV6_PMTUDISC_PROBE)
	})
	if v4 == nil || v6 == nil { // a socket is of one family or of both
		return err
	}
	return errors.Join(err, v4, v6)
}
