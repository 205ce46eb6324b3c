package ticket_test

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"path/filepath"
	"testing"
	"time"

	"github.com/jhillyerd/enmime/v2"

	"github.com/faultline/faultline/collector/effect/ticket"
	"github.com/faultline/faultline/collector/effect/ticket/mail"
	"github.com/faultline/faultline/collector/engine"
	"github.com/faultline/faultline/collector/incident"
	"github.com/faultline/faultline/collector/inventory"
	"github.com/faultline/faultline/collector/lease"
	"github.com/faultline/faultline/collector/outbox"
	"github.com/faultline/faultline/collector/sqlstore"
	"github.com/faultline/faultline/internal/lab/mailbox"
	"github.com/faultline/faultline/internal/lang"
	desk "github.com/faultline/faultline/plugins/ticket"
)

// delivery is the whole way of a ticket: a real store, the outbox, the executor
// and a real mail server.
type delivery struct {
	url string
	box *mailbox.Box
	i   incident.Incident
}

const effectKey = "ab12/2/ticket"

func newDelivery(t *testing.T) *delivery {
	t.Helper()
	box, err := mailbox.Open("127.0.0.1:0", t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- box.Run(ctx) }()
	t.Cleanup(func() { cancel(); <-ended })
	d := &delivery{url: "sqlite:" + filepath.Join(t.TempDir(), "f.db"), box: box}
	s, gen := d.open(t)
	defer func() { _ = s.Close() }()
	opened := incident.Event{IncidentID: "ab12", ID: "open", At: time.Now(), Kind: incident.Opened, Actor: incident.System, Number: "20261121-0042", VendorID: "carrier-a",
		Process: "network", ProcessVersion: "network@1#x",
		Diagnosis: &incident.Diagnosis{Class: incident.ClassCarrierLine, Site: "branch-2", Device: "carrier-a:line-2", Title: lang.Same("专线中断")}}
	f := incident.Effect{Key: effectKey, IncidentID: "ab12", Kind: incident.EffectTicket}
	queued := incident.Event{IncidentID: "ab12", At: time.Now(), Kind: incident.EffectQueued, Actor: incident.System, Effect: &f}
	after, sealed, err := incident.Append(incident.Incident{}, []incident.Event{opened, queued})
	if err != nil {
		t.Fatal(err)
	}
	d.i = after
	err = s.Commit(t.Context(), engine.Commit{Generation: gen, Changes: []engine.Change{{After: after, Events: sealed, Effects: []incident.Effect{f}}}})
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// open starts a collector's store and takes the lease; closing it without more
// leaves everything as a killed collector would.
func (d *delivery) open(t *testing.T) (*sqlstore.Store, int64) {
	t.Helper()
	s, err := sqlstore.Open(t.Context(), sqlstore.Options{URL: d.url})
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Migrate(t.Context()); err != nil {
		t.Fatal(err)
	}
	gen, ok, err := s.AcquireLease(t.Context(), lease.Writer, "node-1", time.Minute)
	if err != nil || !ok {
		t.Fatalf("lease: %v %v", ok, err)
	}
	return s, gen
}

// outbox builds an outbox on the store that reports to the given function.
func (d *delivery) outbox(t *testing.T, s outbox.Store, report func(context.Context, incident.Event) error) *outbox.Outbox {
	t.Helper()
	m, err := mail.New(mail.Options{Addr: d.box.Addr(), From: "noc@example.com", ReplyTo: "faultline@example.com", TLS: mail.TLSNone, Secret: []byte("0123456789abcdef")})
	if err != nil {
		t.Fatal(err)
	}
	graph := inventory.NewGraph(&inventory.Inventory{Vendors: []inventory.Vendor{{ID: "carrier-a", Kind: incident.VendorCarrier, Emails: []string{"noc@carrier.example"}}}})
	x, err := ticket.New(ticket.Options{Desks: []desk.Desk{m.Desk()}, Graph: func() *inventory.Graph { return graph }})
	if err != nil {
		t.Fatal(err)
	}
	b, err := outbox.New(outbox.Options{Store: s, Executors: map[string]outbox.Executor{incident.EffectTicket: x}, Report: report, Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// commit is the engine's part: the outcome and the end of the row at once.
func (d *delivery) commit(s *sqlstore.Store, gen int64, done chan<- incident.Event) func(context.Context, incident.Event) error {
	return func(ctx context.Context, e incident.Event) error {
		after, sealed, err := incident.Append(d.i, []incident.Event{e})
		if err != nil {
			return err
		}
		c := engine.Commit{Generation: gen, Changes: []engine.Change{{Base: d.i.Version, After: after, Events: sealed}}, EffectDone: []string{e.Effect.Key}}
		if err := s.Commit(ctx, c); err != nil {
			return err
		}
		done <- e
		return nil
	}
}

// run runs an outbox until stop is closed by the test's step, and returns its error.
func run(t *testing.T, b *outbox.Outbox, gen int64, cause error, wait func(context.Context) error) {
	t.Helper()
	ctx, cancel := context.WithCancelCause(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- b.Run(ctx, gen) }()
	limit, stop := context.WithTimeout(ctx, 20*time.Second)
	defer stop()
	waited := wait(limit)
	cancel(cause)
	if err := errors.Join(waited, <-ended); err != nil {
		t.Fatal(err)
	}
}

func TestTicketIsSentOnceAndRecorded(t *testing.T) {
	d := newDelivery(t)
	s, gen := d.open(t)
	defer func() { _ = s.Close() }()
	done := make(chan incident.Event, 1)
	run(t, d.outbox(t, s, d.commit(s, gen, done)), gen, nil, func(ctx context.Context) error { return recorded(ctx, done) })
	row, err := s.EffectRow(t.Context(), effectKey)
	if err != nil || row.State != outbox.Done || row.Attempts != 1 || len(d.box.Mails()) != 1 {
		t.Fatalf("%+v, %v, %d mails", row, err, len(d.box.Mails()))
	}
}

func recorded(ctx context.Context, done <-chan incident.Event) error {
	select {
	case <-done:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// TestKilledBetweenSendingAndRecording: the mail server has the mail, the
// collector dies before it has written so. The next one cannot know; it sends
// again under the same Message-ID and says that it does.
func TestKilledBetweenSendingAndRecording(t *testing.T) {
	d := newDelivery(t)
	s, gen := d.open(t)
	never := func(context.Context, incident.Event) error { return errors.New("killed before the commit") }
	run(t, d.outbox(t, s, never), gen, lease.ErrLost, func(ctx context.Context) error { _, err := d.box.Wait(ctx, 1); return err })
	if row, err := s.EffectRow(t.Context(), effectKey); err != nil || row.State != outbox.Sending {
		t.Fatalf("%+v, %v", row, err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}

	s, gen = d.open(t)
	defer func() { _ = s.Close() }()
	done := make(chan incident.Event, 2)
	var event incident.Event
	run(t, d.outbox(t, s, d.commit(s, gen, done)), gen, nil, func(ctx context.Context) error {
		select {
		case event = <-done:
			return nil
		case <-ctx.Done():
			return ctx.Err()
		}
	})
	mails := d.box.Mails()
	if len(mails) != 2 {
		t.Fatalf("%d mails, want 2", len(mails))
	}
	var ids, subjects []string
	for _, m := range mails {
		env, err := enmime.ReadEnvelope(bytes.NewReader(m.Raw))
		if err != nil {
			t.Fatal(err)
		}
		ids, subjects = append(ids, env.GetHeader("Message-ID")), append(subjects, env.GetHeader("Subject"))
	}
	if ids[0] != ids[1] || ids[0] == "" {
		t.Errorf("Message-IDs %q differ", ids)
	}
	if subjects[0] != "[FL#20261121-0042] 专线中断" || subjects[1] != "[FL#20261121-0042] [重发] 专线中断" {
		t.Errorf("subjects %q", subjects)
	}
	if !event.Effect.Repeat || event.Effect.Result["ref"] != ids[0] || event.Kind != incident.EffectDone {
		t.Errorf("recorded %+v", event.Effect)
	}
	row, err := s.EffectRow(t.Context(), effectKey)
	if err != nil || row.State != outbox.Done || row.Attempts != 2 {
		t.Fatalf("%+v, %v", row, err)
	}
	events, err := s.Events(t.Context(), "ab12")
	if err != nil || len(events) != 3 {
		t.Fatalf("%d events, %v", len(events), err)
	}
}
