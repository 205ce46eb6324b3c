// Package scrape is the input that reads what any exporter says at /metrics, in
// Prometheus' text format or OpenMetrics. Names, labels, values and timestamps
// are the exporter's; the target's own labels are added. A page is taken whole
// or not at all, and is bounded in bytes and samples. It rewrites nothing but
// labels that would say who measured: those it calls exported_….
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

// target is one exporter. It belongs to the Gather under way, but used, which
// Input.mu guards.
type target struct {
	address  string
	options  map[string]string
	settings *settings
	client   *http.Client
	cache    exposition.Cache
	page     []byte
	samples  []exposition.Sample
	used     time.Time
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
		err = tg.gather(ctx, at, sink)
	}
	return in.failures.Put(sink, in.Name(), t, at, err)
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
	if old != nil && old.address == t.Address && maps.Equal(old.options, t.Options) {
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
	tg := &target{address: t.Address, options: maps.Clone(t.Options), settings: s, client: s.client(), used: now}
	tg.cache.Rename = exposition.Apart(t.Labels)
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
	if twice+away > 0 {
		return input.Partial{Err: fmt.Errorf("page of %s: %d samples left out because their series was there already, %d because their time is over %s ago or %s ahead",
			tg.settings.shown(), twice, away, maxBehind, maxAhead)}
	}
	return nil
}
