// Package ticket is the contract of a vendor's ticket desk: e-mail, a webhook
// or a service-desk system. Built-in desks and plugins implement it alike.
package ticket

import (
	"context"
	"fmt"
	"time"
)

// Attachment is a file that goes with a ticket.
type Attachment struct {
	Name        string
	ContentType string
	Data        []byte
}

// Ticket is what the vendor is told. Text is already in the vendor's language.
type Ticket struct {
	Key         string // unique for (incident, vendor); the same for all messages of one ticket
	MessageKey  string // unique for this message; a repeat of the same message has the same key
	Number      string // the incident's number, e.g. 20261121-0042
	To          []string
	Subject     string
	Body        string // plain text
	HTML        string // optional
	Attachments []Attachment
	Thread      []string          // remote ids of the earlier messages of this ticket, oldest first
	Repeat      bool              // an earlier attempt ended without a known outcome: say so (重发)
	Fields      map[string]string // machine-readable facts: class, circuit, device, site, severity, ...
	At          time.Time
}

// Ref is what the desk calls the ticket.
type Ref struct {
	ID  string // Message-ID, issue key, ...
	URL string // where a person can look at it, if there is such a place
}

// Desk sends tickets. All methods may be called from several goroutines.
type Desk interface {
	// Name is the word that vendors in the inventory choose the desk by.
	Name() string
	// Send opens the ticket (Thread empty) or adds a message to it. A nil error
	// means the desk has taken it. Errors of type *Error say whether to retry.
	Send(ctx context.Context, t Ticket) (Ref, error)
	// Find looks for a message with this MessageKey; found is false when the desk
	// is sure it is not there, and err is ErrCannotSearch when it cannot tell.
	Find(ctx context.Context, messageKey string) (ref Ref, found bool, err error)
}

// ErrCannotSearch says a desk has no way to look for a message it may have taken.
var ErrCannotSearch = fmt.Errorf("this desk cannot search")

// Error is a failed Send.
type Error struct {
	Op        string // "smtp data", "webhook post"
	Retryable bool   // the same call may succeed later
	Ambiguous bool   // the desk may have taken it all the same
	Hint      string // what a person can do
	Err       error
}

// Error returns operation, cause and hint.
func (e *Error) Error() string {
	s := e.Op + ": " + e.Err.Error()
	if e.Hint != "" {
		s += " (" + e.Hint + ")"
	}
	return s
}

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Err }
