package mailin

import (
	"context"
	"errors"
	"maps"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/faultline/faultline/collector/effect/ticket/mail"
	"github.com/faultline/faultline/collector/incident"
	"github.com/faultline/faultline/internal/lang"
)

var (
	errNotFound = errors.New("not found")
	shanghai    = time.FixedZone("CST", 8*3600)
	arrived     = time.Date(2026, 11, 21, 8, 5, 30, 0, time.UTC)
)

// world is a store, an engine's log and a people's queue in memory, with one
// incident that two vendors have tickets of, and one of another vendor.
type world struct {
	mu     sync.Mutex
	kv     map[string]string
	facts  []incident.Event // each id once, as the engine takes them
	ids    map[string]bool
	blobs  map[string][]byte
	queue  map[string]Event
	fail   func(op string) error
	mailer *mail.Mailer
	byID   map[string]incident.Incident
}

func newWorld(t testing.TB) *world {
	t.Helper()
	m, err := mail.New(mail.Options{Addr: "127.0.0.1:25", From: "noc@example.com", ReplyTo: "faultline@example.com", Secret: []byte("0123456789abcdef")})
	if err != nil {
		t.Fatal(err)
	}
	w := &world{kv: map[string]string{}, ids: map[string]bool{}, blobs: map[string][]byte{}, queue: map[string]Event{}, mailer: m,
		fail: func(string) error { return nil }, byID: map[string]incident.Incident{}}
	const sent = "<inc.ab12.7.ticket.ab402f23c9cd1023@example.com>"
	w.byID["ab12"] = incident.Incident{ID: "ab12", Number: "20261121-0042", State: incident.StateOpen, Diagnosis: incident.Diagnosis{Title: lang.Same("x")},
		Tickets: []incident.Ticket{
			{Key: "ab12/carrier-a", Vendor: "carrier-a", Messages: []incident.TicketMessage{{Key: "ab12/7/ticket", Ref: sent}}},
			{Key: "ab12/supplier-b", Vendor: "supplier-b"}}}
	w.byID["cd34"] = incident.Incident{ID: "cd34", Number: "20261121-0043", State: incident.StateClosed,
		Tickets: []incident.Ticket{{Key: "cd34/supplier-b", Vendor: "supplier-b"}}}
	return w
}

func (w *world) Incident(_ context.Context, id string) (incident.Incident, error) {
	if i, ok := w.byID[id]; ok {
		return i, w.fail("incident")
	}
	return incident.Incident{}, errNotFound
}

func (w *world) IncidentByNumber(_ context.Context, number string) (incident.Incident, error) {
	for _, i := range w.byID {
		if i.Number == number {
			return i, w.fail("number")
		}
	}
	return incident.Incident{}, errNotFound
}

func (w *world) OpenIncidents(context.Context) ([]incident.Incident, error) {
	all := slices.Collect(maps.Values(w.byID))
	return slices.DeleteFunc(all, func(i incident.Incident) bool { return !i.Open() }), w.fail("open")
}

func (w *world) KVGet(_ context.Context, name string) (string, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if v, ok := w.kv[name]; ok {
		return v, w.fail("get")
	}
	return "", errNotFound
}

func (w *world) KVPut(_ context.Context, name, value string) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if err := w.fail("put"); err != nil {
		return err
	}
	w.kv[name] = value
	return nil
}

func (w *world) KVInit(_ context.Context, name, value string) (string, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if err := w.fail("init"); err != nil {
		return "", err
	}
	if _, ok := w.kv[name]; !ok {
		w.kv[name] = value
	}
	return w.kv[name], nil
}

func (w *world) handle(_ context.Context, e incident.Event) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if err := w.fail("handle"); err != nil {
		return err
	}
	if !w.ids[e.ID] {
		w.ids[e.ID] = true
		w.facts = append(w.facts, e)
	}
	return nil
}

type blobs struct{ *world }

func (b blobs) Keep(_ context.Context, p Paper) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if err := b.fail("blob"); err != nil {
		return err
	}
	b.blobs[p.Hash] = p.Data
	return nil
}

type queue struct{ *world }

func (q queue) Put(_ context.Context, e Event, _ []byte) error {
	q.mu.Lock()
	defer q.mu.Unlock()
	if err := q.fail("queue"); err != nil {
		return err
	}
	q.queue[e.ID] = e
	return nil
}

// inbox is an Inbox over the world.
func (w *world) inbox(t testing.TB, change ...func(*Options)) *Inbox {
	t.Helper()
	senders := map[string][]string{"carrier-a": {"noc@carrier-a.example", "zhang@163.com"}, "supplier-b": {"help@supplier-b.example"}}
	o := Options{Papers: blobs{w}, Queue: queue{w}, Handle: w.handle, Zone: shanghai, PerHour: 1000, Now: func() time.Time { return arrived },
		Matcher: &Matcher{Incidents: w, KV: w, NotFound: errNotFound, Token: w.mailer.ReplyToken, ReplyTo: "faultline@example.com",
			Senders: func(v string) []string { return senders[v] }}}
	for _, c := range change {
		c(&o)
	}
	b, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	return b
}
