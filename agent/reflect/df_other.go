//go:build !linux

package reflect

import (
	"errors"
	"net"
)

// DontFragment is done on Linux only.
func DontFragment(*net.UDPConn) error { return errors.ErrUnsupported }
