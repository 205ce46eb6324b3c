package snmp

import (
	"errors"
	"fmt"
	"net/netip"
	"syscall"
	"time"
)

// Reason is why an agent refuses us.
type Reason string

// The reasons, as they stand in labels.
const (
	UnknownUser   Reason = "unknown_user"
	WrongPassword Reason = "wrong_password"
	WrongPrivacy  Reason = "wrong_privacy"
	WrongLevel    Reason = "security_level"
	NotAuthorized Reason = "authorization"
)

// Reasons returns every reason.
func Reasons() []Reason {
	return []Reason{UnknownUser, WrongPassword, WrongPrivacy, WrongLevel, NotAuthorized}
}

// Hint says in words what the device complains about.
func (r Reason) Hint() string {
	switch r {
	case UnknownUser:
		return "the device does not know the user"
	case WrongPassword:
		return "the authentication password or protocol is wrong"
	case WrongPrivacy:
		return "the privacy password or protocol is wrong"
	case WrongLevel:
		return "the device does not offer this security level to the user"
	case NotAuthorized:
		return "the user or community may not read (access control of the device)"
	}
	return string(r)
}

// Refusal is the error of a device that answers but does not let us read.
type Refusal struct {
	Reason Reason
}

// Error says what the device complains about.
func (r Refusal) Error() string { return "refused: " + r.Reason.Hint() }

// Silence is the error of a device that does not answer.
type Silence struct {
	Address   netip.AddrPort
	Tries     int
	After     time.Duration  // since the first try
	Elsewhere netip.AddrPort // from where an answer came that AnySource would have taken, if any
	Unheard   string         // why what came was not taken for an answer, "" where nothing came
	Cause     error          // why nothing could be sent, or what ICMP said of it; nil: nothing
}

// Error says how long was waited and, where something else came, what.
func (s Silence) Error() string {
	if s.Cause != nil {
		if errors.Is(s.Cause, syscall.ECONNREFUSED) {
			return fmt.Sprintf("no agent listens at %s: %v", s.Address, s.Cause)
		}
		return fmt.Sprintf("cannot reach %s: %v", s.Address, s.Cause)
	}
	text := fmt.Sprintf("no answer from %s after %d tries in %v", s.Address, s.Tries, s.After.Round(time.Millisecond))
	if s.Elsewhere.IsValid() {
		text += fmt.Sprintf("; an answer came from %s, another address than the one asked", s.Elsewhere)
	}
	if s.Unheard != "" {
		text += "; " + s.Unheard
	}
	return text
}

// Unwrap returns the cause.
func (s Silence) Unwrap() error { return s.Cause }

// Silent tells whether the error is that the device did not answer.
func Silent(err error) bool {
	var s Silence
	return errors.As(err, &s)
}

// ErrClosed is the error of requests on a closed Transport.
var ErrClosed = errors.New("transport is closed")

// Status is the error-status of a reply (RFC 3416, section 3).
type Status int

// The statuses that are acted upon.
const (
	NoError            Status = 0
	TooBig             Status = 1
	NoSuchName         Status = 2
	GenErr             Status = 5
	AuthorizationError Status = 16
)

// String returns the status by its name in RFC 3416.
func (s Status) String() string {
	names := [...]string{"noError", "tooBig", "noSuchName", "badValue", "readOnly", "genErr", "noAccess", "wrongType", "wrongLength", "wrongEncoding",
		"wrongValue", "noCreation", "inconsistentValue", "resourceUnavailable", "commitFailed", "undoFailed", "authorizationError", "notWritable", "inconsistentName"}
	if s < 0 || int(s) >= len(names) {
		return fmt.Sprintf("error-status %d", int(s))
	}
	return names[s]
}

// Error makes a Status an error.
func (s Status) Error() string { return s.String() }
