package syslog

import (
	"errors"
	"syscall"
)

func isInUse(err error) bool {
	const wsaeaddrinuse = syscall.Errno(10048)
	return errors.Is(err, wsaeaddrinuse)
}
