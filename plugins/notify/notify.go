// Package notify is the contract of a channel that tells people of our own
// company: e-mail, a chat robot, a webhook.
package notify

import "context"

// Notice is one message to one receiver.
type Notice struct {
	Key      string // unique; a repeat of the same notice has the same key
	To       string // address in the channel's own form
	Subject  string
	Body     string
	HTML     string // the same as a page, for channels that show one; "" is none
	URL      string // the incident's page
	Severity string
	Repeat   bool // an earlier attempt ended without a known outcome
}

// Channel delivers notices. Deliver may be called from several goroutines; an
// error of type *ticket.Error says whether to retry.
type Channel interface {
	// Name is the word that people's settings choose the channel by.
	Name() string
	// Deliver hands the notice over; nil means the channel has taken it.
	Deliver(ctx context.Context, n Notice) error
}
