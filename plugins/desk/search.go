package desk

import (
	"context"
	"errors"
	"time"

	"github.com/faultline/faultline/plugins/ticket"
)

// search looks for what an earlier attempt may have left. r.Ref is set when it
// was found, r.Parent when the message turns out to be one of a ticket that
// another message opened: that the ticket is there says nothing of this one.
func (d *Desk) search(ctx context.Context, r *Reservation, messageKey string) (bool, error) {
	if r.Parent == "" {
		opens, err := d.opens(ctx, r, messageKey)
		if err != nil || r.Ref.ID != "" {
			return r.Ref.ID != "", err
		}
		if opens {
			return false, d.unlessYoung(r.At)
		}
		if r.Parent == "" {
			return false, nil // it was never sent
		}
	}
	found, err := d.o.Remote.FindMessage(ctx, r.Parent, messageKey)
	switch {
	case err != nil:
		return false, err
	case found:
		r.Ref = ticket.Ref{ID: messageRef(r.Parent, messageKey)}
		d.known(ctx, *r, messageKey)
		return true, nil
	}
	return false, d.unlessYoung(r.At)
}

// opens tells whether a message without a known ticket was sent to open one, and
// looks for that ticket: r.Ref is set when the message is what opened it,
// r.Parent when another did.
func (d *Desk) opens(ctx context.Context, r *Reservation, messageKey string) (bool, error) {
	kept, known, err := d.o.Book.Look(ctx, d.ticketName(r.Ticket))
	if err != nil || !known {
		return false, err // it is reserved before it is opened
	}
	ours := kept.Parent == messageKey
	if !ours && kept.Ref.ID != "" {
		r.Parent = kept.Ref.ID
		return false, nil
	}
	ref, found, err := d.o.Remote.FindTicket(ctx, r.Ticket)
	switch {
	case err != nil:
		return false, err
	case found && ours:
		r.Ref = ref
		d.known(ctx, *r, messageKey)
	case found:
		r.Parent = ref.ID
	case !ours:
		return false, d.unlessYoung(kept.At)
	}
	return ours, nil
}

// unlessYoung asks for time when the system may still be indexing what came then.
func (d *Desk) unlessYoung(at time.Time) error {
	if d.young(at) {
		return d.later(at)
	}
	return nil
}

// recall asks the system for what the book does not know: what a program left
// that ended before this one began. r.Ref is set when the message was found,
// r.Parent when its ticket was.
func (d *Desk) recall(ctx context.Context, r *Reservation, t ticket.Ticket) (bool, error) {
	if !d.forgets {
		return false, nil // what is not reserved was never sent
	}
	if _, known, err := d.o.Book.Look(ctx, d.name(t.MessageKey)); err != nil || known {
		return false, err
	}
	if kept, known, err := d.o.Book.Look(ctx, d.ticketName(t.Key)); r.Parent == "" && err == nil && known {
		r.Parent = kept.Ref.ID
	}
	if r.Parent == "" {
		ref, found, err := d.o.Remote.FindTicket(ctx, t.Key)
		switch {
		case errors.Is(err, ticket.ErrCannotSearch):
			return false, nil // its repeats do no harm, or say what they are
		case err != nil:
			return false, err
		case found && t.Repeat && t.Fields["reason"] == reasonOpened:
			r.Ref = ref // the message that opens a ticket arrived with it
			d.known(ctx, *r, t.MessageKey)
			return true, nil
		case found:
			r.Parent = ref.ID
		}
	}
	if !t.Repeat || r.Parent == "" {
		return false, nil
	}
	found, err := d.o.Remote.FindMessage(ctx, r.Parent, t.MessageKey)
	switch {
	case errors.Is(err, ticket.ErrCannotSearch):
		return false, nil
	case err != nil || !found:
		return false, err
	}
	r.Ref = ticket.Ref{ID: messageRef(r.Parent, t.MessageKey)}
	d.known(ctx, *r, t.MessageKey)
	return true, nil
}

// reasonOpened is Fields["reason"] of a message that opens its ticket.
const reasonOpened = "opened"
