package plugintest

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/faultline/faultline/plugins/notify"
	"github.com/faultline/faultline/plugins/ticket"
)

// TicketCase is a ticket desk with a stand-in of the vendor's system behind it.
type TicketCase struct {
	Desk   ticket.Desk
	To     []string          // where the desk sends to
	Fields map[string]string // that the desk needs in a ticket
	World  World
}

// NotifyCase is a channel with a stand-in of the service behind it.
type NotifyCase struct {
	Channel notify.Channel
	To      string
	World   World
}

// World is a stand-in of what is behind a desk or channel (StandIn is one).
type World interface {
	// Arrived is what was taken so far.
	Arrived() []Message
	// Break has calls from now on end as Fault says; NoFault mends it.
	Break(f Fault)
}

// Message is something that arrived.
type Message struct {
	Subject, Body string
	Attachments   []string // names
}

// Fault is a way in which a vendor's system goes wrong.
type Fault int

// What may go wrong.
const (
	NoFault Fault = iota
	Refuses       // says no: takes nothing, and never will
	Busy          // 429 or 503: takes nothing now
	Loses         // takes it and answers with an error
	Stalls        // takes it and never answers
)

// Ticket is the suite of ticket desks.
func Ticket(c TicketCase) []Check {
	return []Check{
		named(c.Desk.Name),
		{"a ticket arrives whole", c.arrives},
		{"a message joins its ticket", c.joins},
		{"what was sent is found", c.finds},
		{"a repeat does not double", c.repeats},
		{"tickets are sent at once", c.atOnce},
		{"a refusal is no doubt", c.refused},
		{"a busy desk is tried again", c.busy},
		{"a lost answer is a doubt", c.lost},
		{"a desk that stalls is a doubt in time", c.stalls},
		{"it works again afterwards", c.arrives},
	}
}

var number = struct {
	sync.Mutex
	n int
}{}

// fresh is a text that was not there before.
func fresh(what string) string {
	number.Lock()
	defer number.Unlock()
	number.n++
	return fmt.Sprintf("%s-%d-%d", what, time.Now().UnixNano(), number.n)
}

func (c TicketCase) ticket() ticket.Ticket {
	key := fresh("key")
	return ticket.Ticket{Key: key, MessageKey: key + "/1", Number: "20261121-0042", To: c.To, Subject: "专线中断 " + key, Body: "A 端:郑州\nZ 端:洛阳\n" + key,
		Attachments: []ticket.Attachment{{Name: "证据.svg", ContentType: "image/svg+xml", Data: []byte("<svg/>")}}, Fields: c.Fields, At: time.Now()}
}

// sent sends within half a minute.
func (c TicketCase) sent(ctx context.Context, t ticket.Ticket) (ref ticket.Ref, err error) {
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	ref, err = c.Desk.Send(ctx, t)
	if err == nil && ref.ID == "" {
		return ref, errors.New("the desk took the ticket and gives no id")
	}
	return ref, err
}

// count is how many messages with this subject arrived.
func (c TicketCase) count(subject string) (n int, last Message) {
	for _, m := range c.World.Arrived() {
		if m.Subject == subject {
			n, last = n+1, m
		}
	}
	return n, last
}

func (c TicketCase) arrives(ctx context.Context) error {
	c.World.Break(NoFault)
	t := c.ticket()
	if _, err := c.sent(ctx, t); err != nil {
		return fmt.Errorf("send: %w", err)
	}
	n, m := c.count(t.Subject)
	if n != 1 {
		return fmt.Errorf("%d messages arrived, want 1", n)
	}
	if m.Body != t.Body {
		return fmt.Errorf("body: got %q, want %q", m.Body, t.Body)
	}
	return nil
}

func (c TicketCase) joins(ctx context.Context) error {
	t := c.ticket()
	first, err := c.sent(ctx, t)
	if err != nil {
		return fmt.Errorf("send: %w", err)
	}
	t.MessageKey, t.Subject, t.Thread = t.Key+"/2", t.Subject+" 续", []string{first.ID}
	if _, err := c.sent(ctx, t); err != nil {
		return fmt.Errorf("send the second message: %w", err)
	}
	if n, _ := c.count(t.Subject); n != 1 {
		return fmt.Errorf("the second message arrived %d times", n)
	}
	return nil
}

func (c TicketCase) finds(ctx context.Context) error {
	t := c.ticket()
	ref, err := c.sent(ctx, t)
	if err != nil {
		return fmt.Errorf("send: %w", err)
	}
	got, found, err := c.Desk.Find(ctx, t.MessageKey)
	if errors.Is(err, ticket.ErrCannotSearch) {
		return nil
	}
	if err != nil || !found || got.ID != ref.ID {
		return fmt.Errorf("find: got %q, %v; want %q: %w", got.ID, found, ref.ID, orNone(err))
	}
	if _, found, err := c.Desk.Find(ctx, fresh("never-sent")); err != nil && !errors.Is(err, ticket.ErrCannotSearch) || found {
		return fmt.Errorf("find what was never sent: got %v: %w", found, orNone(err))
	}
	return nil
}

// repeats does what the outbox does after an attempt of unknown outcome.
func (c TicketCase) repeats(ctx context.Context) error {
	t := c.ticket()
	c.World.Break(Loses)
	_, err := c.sent(ctx, t)
	c.World.Break(NoFault)
	if err == nil {
		return errors.New("the answer was lost and there is no error")
	}
	_, found, err := c.Desk.Find(ctx, t.MessageKey)
	switch {
	case errors.Is(err, ticket.ErrCannotSearch):
		return nil // the repeat will say that it is one
	case err != nil:
		return fmt.Errorf("find: %w", err)
	case !found:
		return errors.New("the desk has the message, can search, and does not find it: the repeat would double it")
	}
	return nil
}

func (c TicketCase) atOnce(ctx context.Context) error {
	const n = 20
	var wg sync.WaitGroup
	errs := make([]error, n)
	for i := range n {
		wg.Go(func() {
			t := c.ticket()
			if _, errs[i] = c.sent(ctx, t); errs[i] != nil {
				return
			}
			if got, _ := c.count(t.Subject); got != 1 {
				errs[i] = fmt.Errorf("ticket %d arrived %d times", i, got)
			}
		})
	}
	wg.Wait()
	return errors.Join(errs...)
}

// ends has a fault happen and looks at the error's word for it.
func (c TicketCase) ends(ctx context.Context, f Fault, retryable, ambiguous bool) error {
	c.World.Break(f)
	defer c.World.Break(NoFault)
	_, err := c.sent(ctx, c.ticket())
	return says(err, retryable, ambiguous)
}

// says checks what an error says of itself.
func says(err error, retryable, ambiguous bool) error {
	var e *ticket.Error
	switch {
	case err == nil:
		return errors.New("no error")
	case !errors.As(err, &e):
		return fmt.Errorf("error of type %T, want *ticket.Error: %w", err, err)
	case e.Op == "" || e.Err == nil:
		return fmt.Errorf("the error names no operation or no cause: operation %q, cause %w", e.Op, orNone(e.Err))
	case e.Ambiguous != ambiguous:
		return fmt.Errorf("ambiguous: got %v, want %v: %w", e.Ambiguous, ambiguous, err)
	case e.Retryable != retryable:
		return fmt.Errorf("retryable: got %v, want %v: %w", e.Retryable, retryable, err)
	}
	return nil
}

func (c TicketCase) refused(ctx context.Context) error { return c.ends(ctx, Refuses, false, false) }
func (c TicketCase) busy(ctx context.Context) error    { return c.ends(ctx, Busy, true, false) }
func (c TicketCase) lost(ctx context.Context) error    { return c.ends(ctx, Loses, true, true) }

func (c TicketCase) stalls(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, 1500*time.Millisecond)
	defer cancel()
	return within(1500*time.Millisecond+slack, "send", func() error { return c.ends(ctx, Stalls, true, true) })
}

// Notify is the suite of channels.
func Notify(c NotifyCase) []Check {
	return []Check{
		named(c.Channel.Name),
		{"a notice arrives whole", c.arrives},
		{"notices are delivered at once", c.atOnce},
		{"a refusal is no doubt", func(ctx context.Context) error { return c.ends(ctx, Refuses, false, false) }},
		{"a busy service is tried again", func(ctx context.Context) error { return c.ends(ctx, Busy, true, false) }},
		{"a service that stalls is a doubt in time", c.stalls},
		{"it works again afterwards", c.arrives},
	}
}

func (c NotifyCase) deliver(ctx context.Context) (notify.Notice, error) {
	key := fresh("notice")
	n := notify.Notice{Key: key, To: c.To, Subject: "专线中断 " + key, Body: "洛阳 " + key, URL: "https://faultline.example/incidents/1", Severity: "critical"}
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	return n, c.Channel.Deliver(ctx, n)
}

func (c NotifyCase) arrives(ctx context.Context) error {
	c.World.Break(NoFault)
	n, err := c.deliver(ctx)
	if err != nil {
		return fmt.Errorf("deliver: %w", err)
	}
	got := 0
	for _, m := range c.World.Arrived() {
		if m.Subject == n.Subject && m.Body == n.Body {
			got++
		}
	}
	if got != 1 {
		return fmt.Errorf("the notice arrived %d times, want once", got)
	}
	return nil
}

func (c NotifyCase) atOnce(ctx context.Context) error {
	var wg sync.WaitGroup
	errs := make([]error, 20)
	for i := range errs {
		wg.Go(func() { errs[i] = c.arrives(ctx) })
	}
	wg.Wait()
	return errors.Join(errs...)
}

func (c NotifyCase) ends(ctx context.Context, f Fault, retryable, ambiguous bool) error {
	c.World.Break(f)
	defer c.World.Break(NoFault)
	_, err := c.deliver(ctx)
	return says(err, retryable, ambiguous)
}

func (c NotifyCase) stalls(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, 1500*time.Millisecond)
	defer cancel()
	return within(1500*time.Millisecond+slack, "deliver", func() error { return c.ends(ctx, Stalls, true, true) })
}
