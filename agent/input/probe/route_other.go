//go:build !linux

package probe

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"time"
)

// Large packets and routes are tested on Linux only.

func dontFragment(*echoConn) error { return errors.ErrUnsupported }

func recordRoute(context.Context, net.IPAddr, time.Duration) ([]netip.Addr, bool) { return nil, false }
