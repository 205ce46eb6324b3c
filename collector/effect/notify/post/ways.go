package post

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/faultline/faultline/collector/lease"
	"github.com/faultline/faultline/collector/people"
	"github.com/faultline/faultline/internal/lang"
	"github.com/faultline/faultline/plugins/notify"
	"github.com/faultline/faultline/plugins/ticket"
)

// Way is another way to people. Its methods may be called from several
// goroutines; an error of type *ticket.Error says whether to retry.
type Way interface {
	// Name is what people's channels call it.
	Name() string
	// Reach hands the notice over; nil means the way has taken it.
	Reach(ctx context.Context, p *people.Person, n notify.Notice, language string) error
}

// channels are the ways to a person in the person's order. Mail is the last way
// of who does not name it, so that a gateway that is gone loses nothing.
func channels(p *people.Person) []string {
	if slices.Contains(p.Channels, people.Email) {
		return p.Channels
	}
	return append(slices.Clip(p.Channels), people.Email)
}

// urgent tells whether a message goes every way at once: what begins with
// priority 1 has to wake somebody. Everything else goes the first way that takes it.
func urgent(m people.Message) bool {
	return m.Kind == people.MessageOpening && m.Priority == 1
}

// reach tells by which ways the letter went. The error is that of a way worth
// trying again, if there is one; nil when any way took it.
func (p *Post) reach(ctx context.Context, x letter) (by []string, err error) {
	for _, name := range channels(&x.person) {
		if name == people.Email && len(by) > 0 && !slices.Contains(x.person.Channels, people.Email) {
			break
		}
		switch failed := p.deliver(ctx, name, x); {
		case failed == nil:
			by = append(by, name)
			if !urgent(x.m) {
				return by, nil
			}
		case err == nil, !again(err) && again(failed):
			err = failed
		}
	}
	if len(by) > 0 {
		return by, nil
	}
	return nil, err
}

// again tells whether an attempt that failed may pass by itself.
func again(err error) bool {
	var te *ticket.Error
	return !errors.As(err, &te) || te.Retryable
}

// deliver goes one way, and says what is missing when there is none.
func (p *Post) deliver(ctx context.Context, name string, x letter) error {
	if name != people.Email {
		for _, w := range p.o.Ways {
			if w.Name() == name {
				if err := lease.Begin(ctx); err != nil {
					return err
				}
				return w.Reach(ctx, &x.person, x.notice, x.language)
			}
		}
		return &ticket.Error{Op: "notify", Err: fmt.Errorf("there is no channel %q", name), Hint: "name it in chat.gateways, or take it out of the person's channels"}
	}
	switch {
	case p.o.Channel == nil:
		return &ticket.Error{Op: "notify", Err: errors.New("no mail server is configured"), Hint: "set mail.host"}
	case x.notice.To == "":
		return &ticket.Error{Op: "notify", Err: errors.New("the person has no e-mail address"), Hint: "add it to the people file or the inventory"}
	}
	if err := lease.BeginBy(ctx, p.o.Channel); err != nil {
		return err
	}
	return p.o.Channel.Deliver(ctx, x.notice)
}

// sentBy is what the message's state says beside "sent", of people who have
// several ways.
func sentBy(x letter, by []string) lang.Text {
	if len(x.person.Channels) == 0 {
		return lang.Text{}
	}
	l := lang.Text{}
	for n, name := range by {
		if n > 0 {
			l.ZH, l.EN = l.ZH+"、", l.EN+", "
		}
		l.ZH, l.EN = l.ZH+name, l.EN+name
	}
	return lang.Text{ZH: "方式：" + l.ZH, EN: "by " + l.EN}
}
