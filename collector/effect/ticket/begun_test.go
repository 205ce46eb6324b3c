package ticket_test

import (
	"bytes"
	"context"
	"errors"
	"testing"

	"github.com/jhillyerd/enmime/v2"

	"github.com/faultline/faultline/collector/incident"
	"github.com/faultline/faultline/collector/lease"
	"github.com/faultline/faultline/collector/sqlstore"
)

// stalled is a store of a collector that is killed over the mark.
type stalled struct {
	*sqlstore.Store
	late bool          // the mark was written
	here chan struct{} // closed when it is asked for
}

func (s stalled) BeginEffect(ctx context.Context, key string, gen int64) (bool, error) {
	if s.late {
		if ok, err := s.Store.BeginEffect(ctx, key, gen); err != nil || !ok {
			return ok, err
		}
	}
	close(s.here)
	<-ctx.Done()
	return false, ctx.Err()
}

// TestKilledAroundTheBeginning: a mail that was claimed and whose dialogue with
// the server had come to the last dot goes out once and unmarked when the
// collector is killed before the mark is kept; killed after it, nobody can know,
// and the repeat says so.
func TestKilledAroundTheBeginning(t *testing.T) {
	for _, tt := range []struct {
		name    string
		late    bool
		subject string
	}{
		{"before the mark", false, "[FL#20261121-0042] 专线中断"},
		{"after the mark", true, "[FL#20261121-0042] [重发] 专线中断"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			d := newDelivery(t)
			s, gen := d.open(t)
			never := func(context.Context, incident.Event) error { return errors.New("killed") }
			here := make(chan struct{})
			run(t, d.outbox(t, stalled{s, tt.late, here}, never), gen, lease.ErrLost, func(ctx context.Context) error {
				select {
				case <-here:
					return nil
				case <-ctx.Done():
					return ctx.Err()
				}
			})
			if err := s.Close(); err != nil {
				t.Fatal(err)
			}
			s, gen = d.open(t)
			defer func() { _ = s.Close() }()
			done := make(chan incident.Event, 2)
			run(t, d.outbox(t, s, d.commit(s, gen, done)), gen, nil, func(ctx context.Context) error { return recorded(ctx, done) })
			mails := d.box.Mails()
			if len(mails) != 1 {
				t.Fatalf("%d mails, want 1", len(mails))
			}
			env, err := enmime.ReadEnvelope(bytes.NewReader(mails[0].Raw))
			if err != nil {
				t.Fatal(err)
			}
			if got := env.GetHeader("Subject"); got != tt.subject {
				t.Errorf("subject %q, want %q", got, tt.subject)
			}
		})
	}
}
