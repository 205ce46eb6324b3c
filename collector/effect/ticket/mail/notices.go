package mail

import (
	"context"

	gomail "github.com/wneessen/go-mail"

	"github.com/faultline/faultline/collector/lease"
	"github.com/faultline/faultline/plugins/notify"
	"github.com/faultline/faultline/plugins/ticket"
)

// Channel sends notices to our own people as mail.
type Channel struct{ m *Mailer }

var (
	_ notify.Channel    = Channel{}
	_ lease.SelfMarking = Channel{}
)

// Channel returns the mailer as a channel of notices.
func (m *Mailer) Channel() Channel { return Channel{m} }

// Name returns "email".
func (Channel) Name() string { return "email" }

// Begins says that Deliver calls lease.Begin itself, as a Desk's Send does.
func (Channel) Begins() {}

// Deliver implements notify.Channel.
func (c Channel) Deliver(ctx context.Context, n notify.Notice) error {
	msg, err := c.m.message([]string{n.To})
	if err != nil {
		return &ticket.Error{Op: "compose mail", Hint: "check the person's e-mail address in the inventory", Err: err}
	}
	msg.SetDateWithValue(c.m.o.Now())
	msg.SetMessageIDWithValue(c.m.messageID(n.Key))
	subject := n.Subject
	if n.Repeat {
		subject = markRepeat(subject, "")
	}
	msg.Subject(subject)
	body := n.Body
	if n.URL != "" {
		body += "\n" + n.URL + "\n"
	}
	msg.SetBodyString(gomail.TypeTextPlain, body)
	if n.HTML != "" {
		msg.AddAlternativeString(gomail.TypeTextHTML, n.HTML)
	}
	return c.m.send(ctx, msg)
}
