// Package scrape is the input that reads what any exporter says at /metrics, in
// Prometheus' text format or OpenMetrics. Names, labels, values and timestamps
// are the exporter's; the target's own labels are added. A page is taken whole
// or not at all, and is bounded in bytes and samples. It rewrites nothing but
// labels that would say who measured: those it calls exported_…. Of a series that
// a page no longer has, and of all when there is no page, it says once that it
// ended (base.Stale).
package scrape

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"sync"
	"time"

	"github.com/faultline/faultline/agent/input/exposition"
	"github.com/faultline/faultline/agent/input/failure"
	"github.com/faultline/faultline/plugins/base"
	"github.com/faultline/faultline/plugins/input"
)

// Options are the settings of an Input.
type Options struct {
	SecretDir string           // where password, token and key files must lie; "" allows any path
	Now       func() time.Time // default time.Now
}

// Input scrapes exporters.
type Input struct {
	opts     Options
	failures failure.Memory

	mu      sync.Mutex // guards the fields below
	targets map[string]*target
	gathers int
}

// target is one exporter. Input.mu guards used; mu is held by whoever reads the
// exporter or ends its series, and guards what is not set for good.
type target struct {
	address  string
	options  map[string]string
	labels   map[string]string
	settings *settings
	client   *http.Client
	used     time.Time

	mu      sync.Mutex
	cache   *exposition.Cache
	page    []byte
	samples []exposition.Sample
}

// New makes an Input.
func New(o Options) *Input {
	if o.Now == nil {
		o.Now = time.Now
	}
	return &Input{opts: o, targets: map[string]*target{}}
}

// Name is "scrape".
func (in *Input) Name() string { return "scrape" }

// CheckTarget reports what is wrong with the target's options.
func (in *Input) CheckTarget(t base.Target) error {
	_, err := parseSettings(t, in.opts)
	return err
}

// Gather reads the exporter's page once.
func (in *Input) Gather(ctx context.Context, t base.Target, sink input.Sink) error {
	at := in.opts.Now().UnixMilli()
	tg, err := in.target(t)
	if err == nil {
		tg.mu.Lock()
		err = tg.gather(ctx, at, sink)
		tg.mu.Unlock()
	}
	return in.failures.Put(sink, in.Name(), t, at, err)
}

// End says that the series of a target that is no longer scraped ended, and lets
// go of what is kept of it.
func (in *Input) End(t base.Target, sink input.Sink) {
	in.mu.Lock()
	tg := in.targets[t.ID]
	delete(in.targets, t.ID)
	in.mu.Unlock()
	if tg == nil {
		return
	}
	tg.mu.Lock()
	defer tg.mu.Unlock()
	tg.client.CloseIdleConnections()
	exposition.Stop(tg.cache.End(), in.opts.Now().UnixMilli(), sink)
}

// forgetAfter is how long an exporter that is no longer scraped is remembered.
const forgetAfter = time.Hour

func (in *Input) target(t base.Target) (*target, error) {
	in.mu.Lock()
	defer in.mu.Unlock()
	now := in.opts.Now()
	if in.gathers++; in.gathers%1000 == 0 {
		for id, tg := range in.targets {
			if now.Sub(tg.used) > forgetAfter {
				tg.client.CloseIdleConnections()
				delete(in.targets, id)
			}
		}
	}
	old := in.targets[t.ID]
	if old != nil && old.address == t.Address && maps.Equal(old.options, t.Options) && maps.Equal(old.labels, t.Labels) {
		old.used = now
		return old, nil
	}
	s, err := parseSettings(t, in.opts)
	if err != nil {
		return nil, err
	}
	if old != nil {
		old.client.CloseIdleConnections()
	}
	tg := &target{address: t.Address, options: maps.Clone(t.Options), labels: maps.Clone(t.Labels), settings: s, client: s.client(), used: now,
		cache: &exposition.Cache{Rename: exposition.Apart(t.Labels), OwnTimes: s.honour}}
	if old != nil && maps.Equal(old.labels, t.Labels) { // what the new page has not any more ends
		tg.cache = old.cache
		tg.cache.OwnTimes = s.honour
	}
	in.targets[t.ID] = tg
	return tg, nil
}

// Close lets go of all connections.
func (in *Input) Close() error {
	in.mu.Lock()
	defer in.mu.Unlock()
	for _, tg := range in.targets {
		tg.client.CloseIdleConnections()
	}
	clear(in.targets)
	return nil
}

// keepPage is the largest page whose memory is kept for the next one, in bytes.
const keepPage = 256 << 10

func (tg *target) gather(ctx context.Context, at int64, sink input.Sink) error {
	format, err := tg.fetch(ctx)
	if err == nil {
		tg.samples, err = exposition.Samples(tg.page, format, tg.settings.maxSamples, tg.samples[:0])
		if err != nil {
			err = failure.As(reasonOf(err), fmt.Errorf("page of %s: %w", tg.settings.shown(), err))
		}
	}
	if err == nil {
		err = tg.hand(at, sink)
	}
	if err != nil && !errors.As(err, new(input.Partial)) {
		exposition.Stop(tg.cache.End(), at, sink)
	}
	if cap(tg.page) > keepPage {
		tg.page, tg.samples = nil, nil
	}
	return err
}

func reasonOf(err error) string {
	if errors.Is(err, exposition.ErrTooMany) {
		return failure.TooLarge
	}
	return failure.Malformed
}

// Timestamps further away than this are an exporter's wrong clock or a value
// that nobody measures any more.
const (
	maxAhead  = 10 * time.Minute
	maxBehind = time.Hour
)

// hand gives all samples on. What is left out is counted in a partial error.
func (tg *target) hand(at int64, sink input.Sink) error {
	ready := make([]base.Labels, len(tg.samples))
	twice, away := 0, 0
	tg.cache.Next()
	for i, s := range tg.samples {
		ls, err := tg.cache.Labels(s)
		switch {
		case errors.Is(err, exposition.ErrDuplicate):
			twice++
		case err != nil:
			return failure.As(failure.Malformed, fmt.Errorf("page of %s: %w", tg.settings.shown(), err))
		default:
			ready[i] = ls
		}
	}
	for i, s := range tg.samples {
		ls, when := ready[i], at
		if ls == nil || exposition.Own(ls.Name()) {
			continue
		}
		if s.Time != 0 && tg.settings.honour {
			if when = s.Time; when > at+maxAhead.Milliseconds() || when < at-maxBehind.Milliseconds() {
				away++
				continue
			}
		}
		sink.Sample(base.Sample{Labels: ls, Time: when, Value: s.Value})
	}
	exposition.Stop(tg.cache.Ended(), at, sink)
	if twice+away > 0 {
		return input.Partial{Err: fmt.Errorf("page of %s: %d samples left out because their series was there already, %d because their time is over %s ago or %s ahead",
			tg.settings.shown(), twice, away, maxBehind, maxAhead)}
	}
	return nil
}
