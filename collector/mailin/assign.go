package mailin

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/faultline/faultline/collector/incident"
)

// ByPerson is the match that a person made of a mail from the queue.
const ByPerson = "person"

// Assignment is a person's word about where a queued mail belongs.
type Assignment struct {
	Raw     []byte
	At      time.Time // when the mailbox had it
	Filed   int       // how often it was filed before and taken back
	Ticket  Ticket
	By      incident.Actor
	Trusted bool // it is the vendor's own word: it may move the ticket
}

// Assign files a queued mail with the ticket that a person found. Doing the same
// again changes nothing.
func (b *Inbox) Assign(ctx context.Context, a Assignment) (Event, error) {
	m, err := Parse(a.Raw, b.o.Limits)
	if err != nil {
		return Event{}, fmt.Errorf("file queued mail: %w", err)
	}
	e := b.event(m, Match{By: ByPerson, Ticket: a.Ticket, Trusted: a.Trusted}, a.At)
	e.Filed, e.FiledBy = a.Filed, a.By.Name
	if _, err := b.file(ctx, &e, a.Raw); err != nil {
		return Event{}, fmt.Errorf("file queued mail %s: %w", m.Fingerprint, err)
	}
	if err := b.point(ctx, m.MessageID, a.Ticket); err != nil {
		return Event{}, fmt.Errorf("file queued mail %s: %w", m.Fingerprint, err)
	}
	if e.Moves() {
		b.count(a.Ticket.Key)
	}
	_, _, err = b.done(e, OutcomeFiled)
	return e, err
}

// TakeBack notes that a mail was filed with the wrong ticket: nothing is taken
// out of an incident's log, a line in it says so. Answers to the mail go to
// people again.
func (b *Inbox) TakeBack(ctx context.Context, e Event, by incident.Actor) error {
	note := incident.Event{IncidentID: e.Match.Ticket.Incident, ID: fmt.Sprintf("mail/%s/back/%d", e.ID, e.Filed), At: b.o.Now(), Kind: incident.Commented, Actor: by,
		Comment: fmt.Sprintf("[撤销归入 filing taken back] %s · %s", e.From, e.Subject)}
	if err := b.o.Handle(ctx, note); err != nil {
		return fmt.Errorf("take back mail %s: %w", e.ID, err)
	}
	return b.point(ctx, e.MessageID, Ticket{})
}

// point files a Message-ID under the ticket, whatever it was filed under before.
func (b *Inbox) point(ctx context.Context, id string, t Ticket) error {
	if id == "" {
		return nil
	}
	v, err := json.Marshal(t)
	if err != nil {
		return err
	}
	return b.o.Matcher.KV.KVPut(ctx, idName(id), string(v))
}

// TicketsOf returns the tickets of the incident with the number.
func (m *Matcher) TicketsOf(ctx context.Context, number string) ([]Ticket, error) {
	i, found, err := m.number(ctx, number)
	if err != nil || !found {
		return nil, err
	}
	var out []Ticket
	for _, t := range i.Tickets {
		if t.Key != "" {
			out = append(out, ticketOf(i, t))
		}
	}
	return out, nil
}
