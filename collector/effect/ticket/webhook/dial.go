package webhook

import (
	"errors"
	"net"
)

// neverConnected tells whether the request certainly did not leave: no
// connection came to be.
func neverConnected(err error) bool {
	var op *net.OpError
	var dns *net.DNSError
	return errors.As(err, &op) && op.Op == "dial" || errors.As(err, &dns)
}
