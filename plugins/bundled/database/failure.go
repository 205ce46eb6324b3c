package database

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"os"
	"slices"
	"syscall"

	"github.com/faultline/faultline/plugins/bundled/database/pgwire"
)

// reason says in one word why a database does not answer queries; it is the
// label reason of faultline_database_failed.
type reason string

const (
	noFailure    reason = ""
	portClosed   reason = "port_closed"
	unreachable  reason = "unreachable" // no way to the host
	unresolved   reason = "unresolved"  // its name is not known
	timedOut     reason = "timeout"
	lost         reason = "lost" // the server ended the connection
	noTLS        reason = "tls"
	password     reason = "password"
	refused      reason = "refused" // this user from this host, whatever the password
	hostBlocked  reason = "host_blocked"
	noDatabase   reason = "database_missing"
	exhausted    reason = "too_many_connections"
	starting     reason = "starting"
	recovering   reason = "recovering"
	stopping     reason = "stopping"
	misset       reason = "settings" // ours: a file or variable is missing
	queryFailed  reason = "query"
	otherFailure reason = "other"
)

// reasons are all reasons, with what they mean to people and what they say of
// the server: whether it serves others, as far as its answer tells.
var reasons = []struct {
	reason reason
	words  string
	serves verdict
}{
	{portClosed, "the port is closed", no},
	{unreachable, "the host is not reached", no},
	{unresolved, "the host's name is not known", unknown},
	{timedOut, "no answer in time", no},
	{lost, "the server ended the connection", no},
	{noTLS, "no secure connection", unknown},
	{password, "user or password is wrong", yes},
	{refused, "the server refuses this user from this host", yes},
	{hostBlocked, "the server has blocked this host after many broken connections", yes},
	{noDatabase, "the database does not exist", yes},
	{exhausted, "all connections are in use", no},
	{starting, "the server is starting", no},
	{recovering, "the server is recovering", no},
	{stopping, "the server is shutting down", no},
	{misset, "the settings cannot be used", unknown},
	{queryFailed, "the query failed", no},
	{otherFailure, "unexpected answer", unknown},
}

// verdict is a three-valued answer.
type verdict int

const (
	unknown verdict = iota
	yes
	no
)

// serves tells what the reason says of the server. Who is refused by name was
// answered by a server that works.
func (r reason) serves() verdict {
	for _, k := range reasons {
		if k.reason == r {
			return k.serves
		}
	}
	return unknown
}

func (r reason) words() string {
	for _, k := range reasons {
		if k.reason == r {
			return k.words
		}
	}
	return string(r)
}

// Failure is the error of a Gather that got no answer to a query.
type Failure struct {
	Kind, Address string
	Op            string // connect, log in, ask
	Reason        string // as in faultline_database_failed
	Err           error  // the server's or the system's own word

	reason reason
}

// Error says what was tried, what it means and what was answered. It holds no
// times, so that a lasting failure keeps its words.
func (f *Failure) Error() string {
	return fmt.Sprintf("%s %s: %s: %s: %v", f.Kind, f.Address, f.Op, f.reason.words(), f.Err)
}

// Unwrap returns the cause.
func (f *Failure) Unwrap() error { return f.Err }

// What Windows calls these errors; no other system has such numbers.
const (
	wsaNetUnreachable  = syscall.Errno(10051)
	wsaRefused         = syscall.Errno(10061)
	wsaHostUnreachable = syscall.Errno(10065)
)

// commonReason classifies what does not come from the server itself.
func commonReason(err error) reason {
	var dns *net.DNSError
	var pgTLS *pgwire.TLSError
	var record tls.RecordHeaderError
	var alert tls.AlertError
	var verification *tls.CertificateVerificationError
	var unknownCA x509.UnknownAuthorityError
	var wait net.Error
	switch {
	case errors.As(err, &dns) && !dns.IsTimeout:
		return unresolved
	case errors.As(err, &pgTLS), errors.As(err, &record), errors.As(err, &alert), errors.As(err, &verification), errors.As(err, &unknownCA):
		if errors.Is(err, context.DeadlineExceeded) || errors.Is(err, os.ErrDeadlineExceeded) {
			return timedOut
		}
		return noTLS
	case isAny(err, syscall.ECONNREFUSED, wsaRefused):
		return portClosed
	case isAny(err, syscall.EHOSTUNREACH, syscall.ENETUNREACH, syscall.ENETDOWN, syscall.EHOSTDOWN, wsaNetUnreachable, wsaHostUnreachable):
		return unreachable
	case isAny(err, context.DeadlineExceeded, os.ErrDeadlineExceeded), errors.As(err, &wait) && wait.Timeout():
		return timedOut
	default:
		return noFailure
	}
}

func isAny(err error, targets ...error) bool {
	return slices.ContainsFunc(targets, func(t error) bool { return errors.Is(err, t) })
}
