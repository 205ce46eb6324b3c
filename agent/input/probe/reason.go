package probe

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"os"
	"syscall"
)

// failed says why there is no success, in one word: a port that refuses proves
// that its host lives, silence proves nothing.
func (r *result) failed(err error) {
	r.put("faultline_probe_failure_info", 1, "reason", reasonOf(err))
}

func reasonOf(err error) string {
	var dns *net.DNSError
	var certificate *tls.CertificateVerificationError
	var alert tls.AlertError
	var record tls.RecordHeaderError
	var timeout net.Error
	switch {
	case errors.As(err, &dns):
		return "name"
	case errors.As(err, &certificate):
		return "certificate"
	case errors.As(err, &alert), errors.As(err, &record):
		return "tls"
	case errors.Is(err, syscall.ECONNREFUSED), isCode(err, 10061):
		return "refused"
	case errors.Is(err, syscall.ECONNRESET), isCode(err, 10054):
		return "reset"
	case errors.Is(err, syscall.EHOSTUNREACH), errors.Is(err, syscall.ENETUNREACH), isCode(err, 10065), isCode(err, 10051):
		return "unreachable"
	case errors.Is(err, os.ErrDeadlineExceeded), errors.Is(err, context.DeadlineExceeded), errors.As(err, &timeout) && timeout.Timeout():
		return "timeout"
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return "closed"
	}
	return "other"
}

// isCode tells whether the system gave this number: Windows has numbers of its
// own for sockets, which package syscall does not name.
func isCode(err error, code syscall.Errno) bool { return errors.Is(err, code) }
