package scenario

import (
	"cmp"
	"context"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/faultline/faultline/collector/alert"
	"github.com/faultline/faultline/collector/engine"
	"github.com/faultline/faultline/collector/incident"
)

// book is an engine's store in memory, with what a real one refuses. It belongs
// to one goroutine.
type book struct {
	incidents map[string]incident.Incident
	order     []string // ids, as opened
	events    map[string][]incident.Event
	effects   map[string]incident.Effect
	queue     []string // keys, as queued
	ended     map[string]bool
	alerts    map[string]alert.Alert
	seen      map[string]bool
	numbers   map[string]int
	since     map[string]time.Time // by verification: when it began
	held      map[string]time.Time // by verification: since when its guard holds
	memory    string
}

// Memory implements engine.Store.
func (b *book) Memory(context.Context) (string, error) { return b.memory, nil }

var _ engine.Store = (*book)(nil)

func newBook() *book {
	return &book{incidents: map[string]incident.Incident{}, events: map[string][]incident.Event{}, effects: map[string]incident.Effect{}, ended: map[string]bool{},
		alerts: map[string]alert.Alert{}, seen: map[string]bool{}, numbers: map[string]int{}, since: map[string]time.Time{}, held: map[string]time.Time{}}
}

// Commit implements engine.Store.
func (b *book) Commit(_ context.Context, c engine.Commit) error {
	for _, id := range c.Seen {
		if b.seen[id] {
			return engine.ErrSeen
		}
	}
	for _, ch := range c.Changes {
		if b.incidents[ch.After.ID].Version != ch.Base {
			return engine.ErrConflict
		}
	}
	for _, ch := range c.Changes {
		b.change(ch)
	}
	for _, a := range c.Alerts {
		b.alerts[a.Fingerprint] = a
	}
	for _, fp := range c.DropAlerts {
		delete(b.alerts, fp)
	}
	b.memory = cmp.Or(c.Memory, b.memory)
	for _, key := range c.EffectDone {
		b.ended[key] = true
	}
	for _, id := range c.Seen {
		b.seen[id] = true
	}
	return nil
}

func (b *book) change(ch engine.Change) {
	id := ch.After.ID
	if ch.Base == 0 {
		b.order = append(b.order, id)
	}
	b.incidents[id] = ch.After
	b.events[id] = append(b.events[id], ch.Events...)
	for _, f := range ch.Effects {
		if _, twice := b.effects[f.Key]; !twice {
			b.effects[f.Key] = f
			b.queue = append(b.queue, f.Key)
		}
	}
	for _, key := range ch.Cancel {
		b.ended[key] = true
	}
}

// OpenIncidents implements engine.Store.
func (b *book) OpenIncidents(context.Context) ([]incident.Incident, error) {
	var out []incident.Incident
	for _, id := range b.order {
		if i := b.incidents[id]; i.Open() {
			out = append(out, i)
		}
	}
	return out, nil
}

// Incident implements engine.Store.
func (b *book) Incident(_ context.Context, id string) (incident.Incident, error) {
	i, ok := b.incidents[id]
	if !ok {
		return i, engine.ErrNotFound
	}
	return i, nil
}

// Alerts implements engine.Store.
func (b *book) Alerts(context.Context) ([]alert.Alert, error) {
	return slices.Collect(maps.Values(b.alerts)), nil
}

// Numbers implements engine.Store.
func (b *book) Numbers(_ context.Context, day string, n int) (int, error) {
	b.numbers[day] += n
	return b.numbers[day] - n + 1, nil
}

// all returns the incidents in the order of their opening.
func (b *book) all() []incident.Incident {
	out := make([]incident.Incident, 0, len(b.order))
	for _, id := range b.order {
		out = append(out, b.incidents[id])
	}
	return out
}

// waiting returns the effects that are not carried out yet, oldest first.
func (b *book) waiting() []incident.Effect {
	b.queue = slices.DeleteFunc(b.queue, func(key string) bool { return b.ended[key] })
	out := make([]incident.Effect, 0, len(b.queue))
	for _, key := range b.queue {
		out = append(out, b.effects[key])
	}
	return out
}

func (b *book) verifying() []incident.Effect {
	return slices.DeleteFunc(b.waiting(), func(f incident.Effect) bool { return f.Kind != incident.EffectVerify })
}

func (b *book) began(key string, now time.Time) time.Time {
	if _, ok := b.since[key]; !ok {
		b.since[key] = now
	}
	return b.since[key]
}

func (b *book) heldSince(key string, holds bool, now time.Time) time.Time {
	if !holds {
		delete(b.held, key)
		return now
	}
	if _, ok := b.held[key]; !ok {
		b.held[key] = now
	}
	return b.held[key]
}

// messages counts the messages to vendors, by vendor.
func (b *book) messages() map[string]int {
	out := map[string]int{}
	for _, f := range b.effects {
		if f.Kind == incident.EffectTicket {
			out[f.Params["vendor"]]++
		}
	}
	return out
}

// notices counts what our own people are told, by reason.
func (b *book) notices() map[string]int {
	out := map[string]int{}
	for _, f := range b.effects {
		if f.Kind == incident.EffectNotify {
			out[strings.TrimSpace(f.Params["reason"])]++
		}
	}
	return out
}
