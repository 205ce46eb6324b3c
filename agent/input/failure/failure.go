// Package failure says in one word why something could not be measured, and
// keeps that word as a series, so that rules and people see it beside up 0. It
// judges nothing.
package failure

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"io/fs"
	"net"
	"os"
	"sync"
	"syscall"

	"github.com/faultline/faultline/plugins/base"
	"github.com/faultline/faultline/plugins/input"
)

// Reasons that inputs give themselves, beside those that Reason finds.
const (
	Refused   = "refused"   // nobody listens there
	Denied    = "denied"    // credentials or rights
	Status    = "status"    // an answer that says it cannot
	Malformed = "malformed" // an answer that is not what was asked for
	TooLarge  = "too_large" // more than is taken
	Missing   = "missing"   // a file or a thing that is not there
	TLS       = "tls"       // it does not speak TLS, or not ours
)

// Error is an error whose reason is known where it arose.
type Error struct {
	Reason string
	Err    error
}

// Error returns the text of the wrapped error.
func (e *Error) Error() string { return e.Err.Error() }

// Unwrap returns the wrapped error.
func (e *Error) Unwrap() error { return e.Err }

// As gives err a reason.
func As(reason string, err error) error { return &Error{Reason: reason, Err: err} }

// Reason returns one word for err: name, certificate, tls, refused, reset,
// unreachable, timeout, closed, missing, denied, what As said, or other.
func Reason(err error) string {
	var known *Error
	var dns *net.DNSError
	var certificate *tls.CertificateVerificationError
	var alert tls.AlertError
	var record tls.RecordHeaderError
	var timeout net.Error
	switch {
	case errors.As(err, &known):
		return known.Reason
	case errors.As(err, &dns):
		return "name"
	case errors.As(err, &certificate):
		return "certificate"
	case errors.As(err, &alert), errors.As(err, &record):
		return TLS
	case errors.Is(err, syscall.ECONNREFUSED), isCode(err, 10061):
		return Refused
	case errors.Is(err, syscall.ECONNRESET), isCode(err, 10054):
		return "reset"
	case errors.Is(err, syscall.EHOSTUNREACH), errors.Is(err, syscall.ENETUNREACH), isCode(err, 10065), isCode(err, 10051):
		return "unreachable"
	case errors.Is(err, os.ErrDeadlineExceeded), errors.Is(err, context.DeadlineExceeded), errors.As(err, &timeout) && timeout.Timeout():
		return "timeout"
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return "closed"
	case errors.Is(err, fs.ErrNotExist):
		return Missing
	case errors.Is(err, fs.ErrPermission):
		return Denied
	}
	return "other"
}

// isCode tells whether the system gave this number: Windows has numbers of its
// own for sockets, which package syscall does not name.
func isCode(err error, code syscall.Errno) bool { return errors.Is(err, code) }

// Metric is 1 for the reason why a target is not measured, with the labels
// input and reason, and 0 once for a reason that no longer holds.
const Metric = "faultline_input_failed"

// Memory remembers by target why it failed last. The zero value is ready; it
// may be used from any goroutine.
type Memory struct {
	mu   sync.Mutex
	last map[string]string // reasons by target id
}

// Put hands over what a Gather of the input ended with and returns err.
func (m *Memory) Put(sink input.Sink, name string, t base.Target, at int64, err error) error {
	reason := ""
	if err != nil && !errors.As(err, new(input.Partial)) {
		reason = Reason(err)
	}
	m.mu.Lock()
	was := m.last[t.ID]
	if reason == "" {
		delete(m.last, t.ID)
	} else {
		if m.last == nil {
			m.last = map[string]string{}
		}
		m.last[t.ID] = reason
	}
	m.mu.Unlock()
	put := func(reason string, v float64) {
		sink.Sample(base.Sample{Labels: base.LabelsFrom(Metric, map[string]string{"input": name, "reason": reason}), Time: at, Value: v})
	}
	if was != "" && was != reason {
		put(was, 0)
	}
	if reason != "" {
		put(reason, 1)
	}
	return err
}
