package post

import (
	"context"
	"errors"
	"testing"

	"github.com/faultline/faultline/collector/lease"
	"github.com/faultline/faultline/collector/people"
	"github.com/faultline/faultline/plugins/notify"
	"github.com/faultline/faultline/plugins/ticket"
)

// TestClaimedAlone: what a collector had handed out and not begun when it died is
// sent once and unmarked.
func TestClaimedAlone(t *testing.T) {
	o := newOffice(t)
	o.take("1", "opened", 1, "smith")
	if err := o.with(t.Context(), func(k *people.Desk) error { k.Due(o.now, o.o.Directory()); return nil }); err != nil {
		t.Fatal(err)
	}
	o.start()
	o.step()
	if len(o.box.sent) != 1 || o.box.sent[0].Repeat {
		t.Fatalf("sent %+v", o.box.sent)
	}
}

// marking is a channel that begins itself, and keeps what the store knew then.
type marking struct {
	*mailbox
	store *memory
	seen  []people.Message
	err   error
}

func (c *marking) Begins() {}

func (c *marking) Deliver(ctx context.Context, n notify.Notice) error {
	before := c.store.messages[n.Key]
	if c.err != nil {
		err := c.err
		c.err = nil
		return err
	}
	if err := lease.Begin(ctx); err != nil {
		return err
	}
	c.seen = append(c.seen, before, c.store.messages[n.Key])
	return c.mailbox.Deliver(ctx, n)
}

// TestBegunIsStoredBeforeItLeaves: a channel that marks its beginning itself is
// asked with the message stored as claimed and goes on with it stored as begun;
// what was cut off before is not in doubt.
func TestBegunIsStoredBeforeItLeaves(t *testing.T) {
	o := newOffice(t)
	c := &marking{mailbox: o.box, store: o.store, err: &ticket.Error{Op: "smtp connect", Retryable: true, Ambiguous: true, Err: errors.New("cut")}}
	o.Post.o.Channel = c
	o.take("1", "opened", 1, "smith")
	o.step()
	if m := o.store.messages["i1/0/1/smith"]; m.State != people.MessageHeld || m.Repeat {
		t.Fatalf("cut off before it began: %+v", m)
	}
	o.now = o.now.Add(pause(1))
	o.step()
	if len(c.seen) != 2 || !c.seen[0].Claimed || c.seen[1].Claimed || c.seen[1].State != people.MessageSending {
		t.Fatalf("stored before and after the beginning: %+v", c.seen)
	}
	if m := o.store.messages["i1/0/1/smith"]; m.State != people.MessageSent || len(o.box.sent) != 1 || o.box.sent[0].Repeat {
		t.Errorf("at last: %+v, sent %+v", m, o.box.sent)
	}
}
