package intake

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"reflect"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/faultline/faultline/collector/alert"
)

// prefix of the names in the store.
const prefix = "intake/alert/"

// keep is how long a resolved alert is remembered, for senders that come in pairs.
const keep = 15 * time.Minute

// ErrFull says that too many alerts are open already.
var ErrFull = errors.New("too many alerts of other systems are open")

// Store keeps small texts by name; sqlstore.Store is one.
type Store interface {
	// KVList returns all names that begin with the prefix, with their values.
	KVList(ctx context.Context, prefix string) (map[string]string, error)
	// KVPutAll writes all or none.
	KVPutAll(ctx context.Context, values map[string]string) error
	// KVDelete deletes those that are there.
	KVDelete(ctx context.Context, names ...string) error
}

// Options configure a Board. Store is required.
type Options struct {
	Store Store
	Max   int // open alerts; 0 is 10,000
	// Grace is how long alerts live after our own start at least: that their
	// senders could not reach us says nothing about them. 0 is 5 min.
	Grace time.Duration
	// Place finds the inventory's site and device for labels that name none; nil: none.
	Place func(labels map[string]string) (site, device string)
	// Turned is called after alerts opened or resolved, to judge early. It must
	// not block.
	Turned     func()
	Now        func() time.Time
	Logger     *slog.Logger
	Registerer prometheus.Registerer
}

// kept is an alert with what the store knows of it.
type kept struct {
	Alert
	stored time.Time // EndsAt as stored
}

// Board is all alerts of other systems. Its methods may be called from several
// goroutines.
type Board struct {
	o        Options
	taken    *prometheus.CounterVec // source, what
	refused  prometheus.Counter
	open     prometheus.GaugeFunc
	changing sync.Mutex // one Take, Acknowledge or Prune at a time

	mu  sync.Mutex // guards all
	all map[string]kept
}

// Open reads what was kept. Alerts whose time passed while we were down live on
// for Options.Grace.
func Open(ctx context.Context, o Options) (*Board, error) {
	if o.Store == nil {
		return nil, errors.New("intake: a store is required")
	}
	if o.Max <= 0 {
		o.Max = 10_000
	}
	if o.Grace <= 0 {
		o.Grace = 5 * time.Minute
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Logger == nil {
		o.Logger = slog.Default()
	}
	b := &Board{o: o, all: map[string]kept{},
		taken:   prometheus.NewCounterVec(prometheus.CounterOpts{Name: "faultline_intake_alerts_total", Help: "Alerts of other systems by protocol and what they changed (opened, updated, resolved, unknown)."}, []string{"source", "what"}),
		refused: prometheus.NewCounter(prometheus.CounterOpts{Name: "faultline_intake_full_total", Help: "Alerts refused because too many are open."})}
	b.open = prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: "faultline_intake_open_alerts", Help: "Alerts of other systems that are open."},
		func() float64 { return float64(len(b.Alerts())) })
	if err := b.Reload(ctx); err != nil {
		return nil, err
	}
	least := o.Now().Add(o.Grace)
	for fp, k := range b.all {
		if !k.Ended && !k.EndsAt.IsZero() && k.EndsAt.Before(least) {
			k.EndsAt = least
			b.all[fp] = k
		}
	}
	if o.Registerer != nil {
		for _, c := range []prometheus.Collector{b.taken, b.refused, b.open} {
			if err := o.Registerer.Register(c); err != nil {
				return nil, fmt.Errorf("intake: %w", err)
			}
		}
	}
	return b, nil
}

// Reload reads the store again: what other collectors took is known then.
func (b *Board) Reload(ctx context.Context) error {
	b.changing.Lock()
	defer b.changing.Unlock()
	values, err := b.o.Store.KVList(ctx, prefix)
	if err != nil {
		return fmt.Errorf("intake: read alerts: %w", err)
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	for name, raw := range values {
		var a Alert
		if err := json.Unmarshal([]byte(raw), &a); err != nil || name != prefix+a.Fingerprint {
			b.o.Logger.Error("alert in the store is unreadable", "name", name, "err", err)
			continue
		}
		if have, ok := b.all[a.Fingerprint]; !ok || a.UpdatedAt.After(have.UpdatedAt) {
			b.all[a.Fingerprint] = kept{a, a.EndsAt}
		}
	}
	return nil
}

// Take takes what senders report, repeats included; nil means that it is on
// disk. A resolution of an alert that is not open changes nothing.
func (b *Board) Take(ctx context.Context, reports []Alert) error {
	b.changing.Lock()
	defer b.changing.Unlock()
	r := round{now: b.o.Now(), next: map[string]kept{}, write: map[string]string{}}
	b.mu.Lock()
	r.open = b.countLocked(r.now)
	for _, fresh := range reports {
		b.takeLocked(&r, fresh)
	}
	b.mu.Unlock()
	if len(r.write) > 0 {
		if err := b.o.Store.KVPutAll(ctx, r.write); err != nil {
			return fmt.Errorf("intake: keep %d alerts: %w", len(r.write), err)
		}
	}
	b.mu.Lock()
	maps.Copy(b.all, r.next)
	b.mu.Unlock()
	if r.turned && b.o.Turned != nil {
		b.o.Turned()
	}
	return r.err
}

// round is what one Take changes.
type round struct {
	now    time.Time
	open   int
	next   map[string]kept
	write  map[string]string
	turned bool
	err    error
}

// takeLocked adds one report to the round.
func (b *Board) takeLocked(r *round, fresh Alert) {
	have, known := r.next[fresh.Fingerprint]
	if !known {
		have, known = b.all[fresh.Fingerprint]
	}
	was := known && !have.Resolved(r.now)
	switch over := fresh.Resolved(r.now); {
	case !known && over:
		b.taken.WithLabelValues(fresh.Source, "unknown").Inc()
		return
	case was || over:
	case r.open >= b.o.Max:
		b.refused.Inc()
		r.err = fmt.Errorf("%w: %d", ErrFull, r.open)
		return
	default:
		r.open++
	}
	k := kept{fresh, have.stored}
	if known {
		k.Alert = merge(have.Alert, fresh, r.now)
	}
	is := !k.Resolved(r.now)
	b.taken.WithLabelValues(fresh.Source, change(was, is)).Inc()
	r.turned = r.turned || was != is
	if !known || was != is || worthWriting(have, k.Alert, r.now) {
		raw, err := json.Marshal(k.Alert)
		if err != nil {
			panic(fmt.Sprintf("intake: %v", err)) // texts and times
		}
		r.write[prefix+k.Fingerprint], k.stored = string(raw), k.EndsAt
	}
	r.next[k.Fingerprint] = k
}

func change(was, is bool) string {
	switch {
	case was == is:
		return "updated"
	case is:
		return "opened"
	}
	return "resolved"
}

// worthWriting tells whether a repeat says more than that the alert lives on. Its
// new end is written when half of the stored one's time has passed.
func worthWriting(have kept, fresh Alert, now time.Time) bool {
	a, b := have.Alert, fresh
	a.EndsAt, a.UpdatedAt, b.EndsAt, b.UpdatedAt = time.Time{}, time.Time{}, time.Time{}, time.Time{}
	if !reflect.DeepEqual(a, b) {
		return true
	}
	return !fresh.EndsAt.IsZero() && have.stored.Sub(now) < fresh.EndsAt.Sub(now)/2
}

func (b *Board) countLocked(now time.Time) int {
	n := 0
	for _, k := range b.all {
		if !k.Resolved(now) {
			n++
		}
	}
	return n
}

// Alert returns an open alert.
func (b *Board) Alert(fingerprint string) (Alert, bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	k, ok := b.all[fingerprint]
	return k.Alert, ok && !k.Resolved(b.o.Now())
}

// Alerts returns the open alerts in order of their fingerprints.
func (b *Board) Alerts() []Alert {
	now := b.o.Now()
	b.mu.Lock()
	defer b.mu.Unlock()
	out := make([]Alert, 0, len(b.all))
	for _, k := range b.all {
		if !k.Resolved(now) {
			out = append(out, k.Alert)
		}
	}
	slices.SortFunc(out, func(x, y Alert) int { return strings.Compare(x.Fingerprint, y.Fingerprint) })
	return out
}

// Firing returns the open alerts as the engine wants them: add them to what the
// ruler says fires.
func (b *Board) Firing() []alert.Alert {
	open := b.Alerts()
	out := make([]alert.Alert, len(open))
	for i, a := range open {
		out[i] = a.Judged(b.o.Place)
	}
	return out
}

// Acknowledge notes who acknowledged an open alert; false when it is not open.
func (b *Board) Acknowledge(ctx context.Context, fingerprint, by string) (bool, error) {
	b.changing.Lock()
	defer b.changing.Unlock()
	a, ok := b.Alert(fingerprint)
	if !ok {
		return false, nil
	}
	a.AckedBy = by
	raw, err := json.Marshal(a)
	if err == nil {
		err = b.o.Store.KVPutAll(ctx, map[string]string{prefix + fingerprint: string(raw)})
	}
	if err != nil {
		return false, fmt.Errorf("intake: acknowledge: %w", err)
	}
	b.mu.Lock()
	b.all[fingerprint] = kept{a, a.EndsAt}
	b.mu.Unlock()
	return true, nil
}

// Prune forgets what has been over for a while. Call it now and then.
func (b *Board) Prune(ctx context.Context) error {
	b.changing.Lock()
	defer b.changing.Unlock()
	now := b.o.Now()
	var gone []string
	b.mu.Lock()
	for fp, k := range b.all {
		if k.Resolved(now.Add(-keep)) {
			gone = append(gone, prefix+fp)
		}
	}
	b.mu.Unlock()
	if len(gone) == 0 {
		return nil
	}
	if err := b.o.Store.KVDelete(ctx, gone...); err != nil {
		return fmt.Errorf("intake: forget %d alerts: %w", len(gone), err)
	}
	b.mu.Lock()
	for _, name := range gone {
		delete(b.all, strings.TrimPrefix(name, prefix))
	}
	b.mu.Unlock()
	return nil
}
