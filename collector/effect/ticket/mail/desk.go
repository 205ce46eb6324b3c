package mail

import (
	"bytes"
	"context"
	"fmt"
	"slices"
	"strings"

	gomail "github.com/wneessen/go-mail"

	"github.com/faultline/faultline/collector/lease"
	"github.com/faultline/faultline/internal/lang"
	"github.com/faultline/faultline/plugins/ticket"
)

// FieldLanguage is the ticket's field that says which language it is in.
const FieldLanguage = "language"

// Desk sends tickets as mail. A message's Message-ID is derived from its key:
// a repeat carries the same one, so that the vendor's mail program shows it once.
type Desk struct{ m *Mailer }

var (
	_ ticket.Desk       = Desk{}
	_ lease.SelfMarking = Desk{}
)

// Desk returns the mailer as a ticket desk.
func (m *Mailer) Desk() Desk { return Desk{m} }

// Name returns "email".
func (Desk) Name() string { return "email" }

// Begins says that Send calls lease.Begin itself: right before the dot that ends a
// mail, without which no server delivers it.
func (Desk) Begins() {}

// Send implements ticket.Desk.
func (d Desk) Send(ctx context.Context, t ticket.Ticket) (ticket.Ref, error) {
	msg, err := d.compose(t)
	if err != nil {
		return ticket.Ref{}, &ticket.Error{Op: "compose mail", Hint: "check the vendor's e-mail addresses in the inventory", Err: err}
	}
	if err := d.m.send(ctx, msg); err != nil {
		return ticket.Ref{}, err
	}
	return ticket.Ref{ID: "<" + d.m.messageID(t.MessageKey) + ">"}, nil
}

// Find implements ticket.Desk: nobody can ask an SMTP server what it took.
func (Desk) Find(context.Context, string) (ticket.Ref, bool, error) {
	return ticket.Ref{}, false, ticket.ErrCannotSearch
}

// compose makes the mail.
func (d Desk) compose(t ticket.Ticket) (*gomail.Msg, error) {
	msg, err := d.m.message(t.To)
	if err != nil {
		return nil, err
	}
	at := t.At
	if at.IsZero() {
		at = d.m.o.Now()
	}
	msg.SetDateWithValue(at)
	msg.SetMessageIDWithValue(d.m.messageID(t.MessageKey))
	d.thread(msg, t.Thread)
	if d.m.o.ReplyTo != "" {
		if err := msg.ReplyTo(d.m.replyTo(t)); err != nil {
			return nil, fmt.Errorf("reply-to: %w", err)
		}
	}
	msg.SetGenHeader("X-Faultline-Incident", t.Number)
	subject := t.Subject
	if t.Repeat {
		subject = markRepeat(subject, t.Fields[FieldLanguage])
		msg.SetGenHeader("X-Faultline-Repeat", "yes")
	}
	msg.Subject(subject)
	msg.SetBodyString(gomail.TypeTextPlain, t.Body)
	if t.HTML != "" {
		msg.AddAlternativeString(gomail.TypeTextHTML, t.HTML)
	}
	for _, a := range t.Attachments {
		if strings.Contains(t.HTML, `"cid:`+a.Name+`"`) { // shown within the text
			err := msg.EmbedReader(a.Name, bytes.NewReader(a.Data), gomail.WithFileContentType(gomail.ContentType(a.ContentType)), gomail.WithFileContentID(a.Name))
			if err != nil {
				return nil, fmt.Errorf("embed %s: %w", a.Name, err)
			}
			continue
		}
		if err := msg.AttachReader(a.Name, bytes.NewReader(a.Data), gomail.WithFileContentType(gomail.ContentType(a.ContentType))); err != nil {
			return nil, fmt.Errorf("attach %s: %w", a.Name, err)
		}
	}
	return msg, nil
}

// thread refers to the earlier messages, one to a line.
func (d Desk) thread(msg *gomail.Msg, refs []string) {
	refs = slices.DeleteFunc(slices.Clone(refs), func(r string) bool {
		return !strings.HasPrefix(r, "<") || strings.ContainsAny(r, " \t\r\n") // another desk's
	})
	if len(refs) == 0 {
		return
	}
	msg.SetGenHeaderPreformatted(gomail.HeaderInReplyTo, refs[len(refs)-1])
	msg.SetGenHeaderPreformatted(gomail.HeaderReferences, strings.Join(refs, "\r\n "))
}

// messageID is the Message-ID of a message, without its angle brackets:
// inc.{incident}.{seq and rest of the key}.{mac}@{domain}.
func (m *Mailer) messageID(key string) string {
	return "inc." + atoms(key) + "." + m.mac("message", key) + "@" + m.domain
}

// replyTo is the address that answers to this ticket go to.
func (m *Mailer) replyTo(t ticket.Ticket) string {
	user, domain, _ := strings.Cut(m.o.ReplyTo, "@")
	return user + "+" + m.ReplyToken(t.Number, t.Key) + "@" + domain
}

// ReplyToken is the part of a ticket's reply address that names it and cannot
// be guessed: the incident's number and a code over the ticket's key.
func (m *Mailer) ReplyToken(number, ticketKey string) string {
	return atoms(number) + "." + m.mac("reply", ticketKey)
}

// atoms turns a key into what may stand left of the @: its parts joined by dots.
func atoms(s string) string {
	parts := strings.FieldsFunc(s, func(r rune) bool {
		return !(r >= '0' && r <= '9' || r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r == '-' || r == '_')
	})
	return strings.Join(parts, ".")
}

// markRepeat says after the ticket's number that the mail may come twice.
func markRepeat(subject, language string) string {
	mark := "[重发] "
	if language == lang.EN {
		mark = "[Repeat 重发] "
	}
	if head, rest, ok := strings.Cut(subject, "] "); ok && strings.HasPrefix(head, "[FL#") {
		return head + "] " + mark + rest
	}
	return mark + subject
}
