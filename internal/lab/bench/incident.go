package main

import (
	"context"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/faultline/faultline/internal/wire"
	"github.com/faultline/faultline/plugins/base"
	"github.com/faultline/faultline/rules"
)

// The rule whose incidents are timed. A service that stops while its host
// answers needs no further evidence, so nothing is waited for but the rule.
const (
	ruleFile = "reachability.yaml"
	ruleFor  = 4 * time.Second // of ServiceNotServing, as shipped
	lookEach = 10 * time.Millisecond
)

// measureIncidents times the way from a sample that shows a stopped service to
// the incident that the API shows: with the shipped rules, and with the same
// rules without their holds.
func measureIncidents(ctx context.Context, o options) (table, error) {
	t := table{Name: fmt.Sprintf("incident: from the failing sample to the committed incident, %d faults each, rules evaluated every 1s", o.faults)}
	overlay, err := withoutHolds(o.work)
	if err != nil {
		return t, err
	}
	bare, err := timeFaults(ctx, o, settings{estate: estate{branches: o.faults, writers: 1}, rules: overlay, holds: "{open: 1ms}"}, 0)
	if err != nil {
		return t, fmt.Errorf("without holds: %w", err)
	}
	addLatency(&t, "without the rule's hold", "≤ 1 s", bare)
	whole, err := timeFaults(ctx, o, settings{estate: estate{branches: o.faults, writers: 1}}, ruleFor)
	if err != nil {
		return t, fmt.Errorf("shipped rules: %w", err)
	}
	addLatency(&t, "shipped rule, its 4s hold included", "", whole)
	for i := range whole {
		whole[i] -= ruleFor
	}
	addLatency(&t, "shipped rule, its 4s hold taken off", "≤ 1 s", whole)
	t.note("Faults come 0.2 to 0.8 s apart, at no particular moment of the evaluation. The clock starts before the request with the sample is sent and stops when an answer of GET /api/v1/incidents, asked every %s, shows the incident.", lookEach)
	return t, nil
}

func addLatency(t *table, what, asked string, took []time.Duration) {
	slices.Sort(took)
	at := func(q float64) float64 { return took[min(int(q*float64(len(took))), len(took)-1)].Seconds() }
	t.add(what+", p50", "", at(0.5), "s", "")
	t.add(what+", p99", asked, at(0.99), "s", "")
}

var holdLine = regexp.MustCompile(`(?m)^\s+for: .*\n`)

// withoutHolds writes the shipped reachability rules without any `for` into a
// directory to be laid over the shipped ones.
func withoutHolds(work string) (string, error) {
	shipped, err := fs.ReadFile(rules.FS(), "alerts/"+ruleFile)
	if err != nil {
		return "", err
	}
	dir := filepath.Join(work, "rules")
	if err := os.MkdirAll(filepath.Join(dir, "alerts"), 0o700); err != nil {
		return "", err
	}
	return dir, os.WriteFile(filepath.Join(dir, "alerts", ruleFile), holdLine.ReplaceAll(shipped, nil), 0o600)
}

// timeFaults stops one service after the other and returns how long each took
// to become an incident. hold is the time before which none can.
func timeFaults(ctx context.Context, o options, s settings, hold time.Duration) ([]time.Duration, error) {
	c, err := startCollector(ctx, o, s)
	if err != nil {
		return nil, err
	}
	defer c.stop()
	w := &world{collector: c, stopped: make([]bool, s.branches)}
	g, ctx := errgroup.WithContext(ctx)
	polling, done := context.WithCancel(ctx)
	g.Go(func() error { return w.poll(polling) })
	took := make([]time.Duration, s.branches)
	g.Go(func() error {
		defer done()
		if err := sleep(ctx, 2*writeInterval); err != nil { // all is known to be well
			return err
		}
		var waiting errgroup.Group
		for i := range s.branches {
			if err := sleep(ctx, 200*time.Millisecond+rand.N(600*time.Millisecond)); err != nil {
				break
			}
			waiting.Go(func() (err error) { took[i], err = w.fault(ctx, i, hold); return err })
		}
		return waiting.Wait()
	})
	if err := g.Wait(); err != nil {
		return nil, c.failed(err)
	}
	return took, nil
}

// world is what the made-up agent sees of the estate: every server answers, and
// so does its service until it is stopped.
type world struct {
	*collector

	mu      sync.Mutex // guards the fields below
	stopped []bool     // by branch
	encoder wire.WriteEncoder
}

// poll writes what is seen of all branches at every interval until ctx ends.
func (w *world) poll(ctx context.Context) error {
	for {
		var all []base.Sample
		w.mu.Lock()
		for i := range w.stopped {
			all = append(all, w.seenLocked(i)...)
		}
		w.mu.Unlock()
		if err := w.write(ctx, all); err != nil && ctx.Err() == nil {
			return err
		}
		if sleep(ctx, writeInterval) != nil {
			return nil
		}
	}
}

// seenLocked are the samples of one branch.
func (w *world) seenLocked(i int) []base.Sample {
	now := time.Now().UnixMilli()
	sample := func(role, component string, ok bool) base.Sample {
		s := base.Sample{Time: now, Labels: base.LabelsFrom("probe_success", map[string]string{
			"job": "blackbox", "instance": server(i), "site": branch(i), "device": server(i), "role": role, "component": component})}
		if ok {
			s.Value = 1
		}
		return s
	}
	return []base.Sample{sample("device", "", true), sample("service", "web", !w.stopped[i])}
}

func (w *world) write(ctx context.Context, samples []base.Sample) error {
	w.mu.Lock()
	body := w.encoder.V2(samples, nil)
	w.mu.Unlock()
	return post(ctx, w.url+"/api/v1/write", tokenOf(writer(0)), writeV2, body.Data)
}

// fault stops the service of one branch and returns how long it took until the
// API showed its incident.
func (w *world) fault(ctx context.Context, i int, hold time.Duration) (time.Duration, error) {
	w.mu.Lock()
	w.stopped[i] = true
	samples := w.seenLocked(i)
	w.mu.Unlock()
	start := time.Now()
	if err := w.write(ctx, samples); err != nil {
		return 0, err
	}
	if err := sleep(ctx, hold-time.Since(start)); err != nil {
		return 0, err
	}
	for {
		var answer struct {
			Incidents []struct {
				Device string `json:"device"`
			} `json:"incidents"`
		}
		if err := w.get(ctx, "/api/v1/incidents?state=open&site="+branch(i), &answer); err != nil {
			return 0, err
		}
		took := time.Since(start)
		if len(answer.Incidents) > 0 && answer.Incidents[0].Device == server(i) {
			return took, nil
		}
		if took > hold+30*time.Second {
			return 0, fmt.Errorf("no incident of %s after %s", server(i), strconv.FormatFloat(took.Seconds(), 'f', 1, 64)+"s")
		}
		if err := sleep(ctx, lookEach); err != nil {
			return 0, err
		}
	}
}
