package app

import (
	"context"
	"time"

	"github.com/faultline/faultline/collector/incident"
	"github.com/faultline/faultline/collector/mailin"
	"github.com/faultline/faultline/collector/mailin/shelf"
	"github.com/faultline/faultline/collector/vendorpage"
	"github.com/faultline/faultline/collector/web"
)

// mailroom is what people at the console do about vendors.
type mailroom struct{ a *App }

var _ web.Vendors = mailroom{}

func (m mailroom) queue() shelf.Queue { return m.a.vendors.shelf.Queue() }

// Mails implements web.Vendors.
func (m mailroom) Mails(ctx context.Context) ([]mailin.Event, []shelf.Handled, error) {
	waiting, err := m.queue().List(ctx)
	if err != nil {
		return nil, nil, err
	}
	handled, err := m.queue().Handled(ctx)
	return waiting, handled, err
}

// Mail implements web.Vendors.
func (m mailroom) Mail(ctx context.Context, id string) (mailin.Event, []byte, error) {
	e, err := m.queue().Event(ctx, id)
	if err != nil {
		return e, nil, err
	}
	raw, err := m.queue().Raw(ctx, id)
	return e, raw, err
}

// FileMail implements web.Vendors.
func (m mailroom) FileMail(ctx context.Context, id string, t mailin.Ticket, by incident.Actor, trusted bool) error {
	waits, raw, err := m.Mail(ctx, id)
	if err != nil {
		return err
	}
	e, err := m.a.vendors.inbox.Assign(ctx, mailin.Assignment{Raw: raw, At: waits.At, Filed: waits.Filed, Ticket: t, By: by, Trusted: trusted})
	if err != nil {
		return refusal(err)
	}
	e.ID = id
	return m.queue().Settle(ctx, shelf.Handled{Event: e, Outcome: shelf.Filed, By: by.Name, At: time.Now().UTC()})
}

// DiscardMail implements web.Vendors.
func (m mailroom) DiscardMail(ctx context.Context, id string, by incident.Actor) error {
	e, err := m.queue().Event(ctx, id)
	if err != nil {
		return err
	}
	return m.queue().Settle(ctx, shelf.Handled{Event: e, Outcome: shelf.Discarded, By: by.Name, At: time.Now().UTC()})
}

// BackMail implements web.Vendors: the incident is told first, since that can be
// told twice.
func (m mailroom) BackMail(ctx context.Context, id string, by incident.Actor) error {
	handled, err := m.queue().Settled(ctx, id)
	if err != nil {
		return err
	}
	if handled.Outcome == shelf.Filed {
		if err := m.a.vendors.inbox.TakeBack(ctx, handled.Event, by); err != nil {
			return refusal(err)
		}
	}
	_, err = m.queue().Back(ctx, id)
	return err
}

// Tickets implements web.Vendors.
func (m mailroom) Tickets(ctx context.Context, number string) ([]mailin.Ticket, error) {
	return m.a.vendors.matcher.TicketsOf(ctx, number)
}

// Links implements web.Vendors.
func (m mailroom) Links(ctx context.Context, ticketKey string) (vendorpage.State, bool, error) {
	l := m.a.vendors.links
	if m.a.cfg.VendorPages.Off || l.Base == "" {
		return vendorpage.State{}, false, nil
	}
	s, err := l.State(ctx, ticketKey)
	return s, true, err
}

// Revoke implements web.Vendors.
func (m mailroom) Revoke(ctx context.Context, ticketKey, by string, renew bool) error {
	return m.a.vendors.links.Revoke(ctx, ticketKey, by, renew)
}
