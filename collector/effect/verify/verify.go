// Package verify carries out the effect "verify_recovery": it asks the metric
// store whether the guard has held long enough on fresh samples. It proves or
// does not prove; what follows is the process's affair. Absent samples are
// unknown and prove nothing, however long they are absent.
package verify

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/faultline/faultline/collector/effect"
	"github.com/faultline/faultline/collector/incident"
	"github.com/faultline/faultline/collector/metricstore"
	"github.com/faultline/faultline/collector/outbox"
	"github.com/faultline/faultline/collector/truth"
)

// Querier evaluates PromQL over a time.
type Querier interface {
	// Range evaluates expr from start to end inclusive; samples older than
	// lookback do not count as present.
	Range(ctx context.Context, expr string, start, end time.Time, step, lookback time.Duration) ([]metricstore.Series, error)
}

// Options configure an Executor. Querier is required.
type Options struct {
	Querier  Querier
	Lookback time.Duration // age up to which a sample is fresh; 0 is 20 s
	Every    time.Duration // time between looks; 0 is 1 s
	Now      func() time.Time
	Zone     func(site string) *time.Location // of the times in the proof; nil: UTC everywhere
}

// Executor verifies recoveries.
type Executor struct{ o Options }

var _ outbox.Executor = (*Executor)(nil)

// New returns an Executor.
func New(o Options) (*Executor, error) {
	if o.Querier == nil {
		return nil, errors.New("verify effect: a querier is required")
	}
	o.Lookback = cmp.Or(o.Lookback, 20*time.Second)
	o.Every = cmp.Or(o.Every, time.Second)
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Zone == nil {
		o.Zone = func(string) *time.Location { return time.UTC }
	}
	return &Executor{o}, nil
}

// task is one verification as the effect's params ask for it.
type task struct {
	guard    string
	hold     time.Duration
	since    time.Time
	maxWait  time.Duration // 0: for ever
	lookback time.Duration
	zone     *time.Location // of the times in the proof
}

// Execute implements outbox.Executor.
func (e *Executor) Execute(ctx context.Context, j outbox.Job) (outbox.Outcome, error) {
	t, err := e.parse(j)
	if err != nil {
		return outbox.Fail(err.Error()), nil
	}
	now := e.o.Now()
	got := finding{truth: byAlerts(j.Incident)}
	switch {
	case t.guard != "":
		if got, err = e.look(ctx, t, now); err != nil {
			return outbox.Outcome{}, fmt.Errorf("verify recovery of %s: %w", j.Incident.ID, err)
		}
	case got.truth == truth.OK:
		t.since = later(t.since, j.Incident.RecoveredAt)
	}
	held := now.Sub(t.since) >= t.hold
	switch {
	case got.truth == truth.OK && held:
		return outbox.Finish(effect.OutcomeRecovered, t.result(got, now)), nil
	case got.truth == truth.Bad && t.maxWait > 0 && now.Sub(t.since) >= t.maxWait:
		return outbox.Finish(effect.OutcomeFailed, t.result(got, now)), nil
	}
	return outbox.Again(e.o.Every), nil
}

// parse reads the params; without a start the verification began when the
// alerts went, else when the step was entered.
func (e *Executor) parse(j outbox.Job) (task, error) {
	p := j.Effect.Params
	t := task{guard: strings.TrimSpace(p[effect.Guard]), lookback: e.o.Lookback, since: j.Incident.RecoveredAt, zone: e.o.Zone(j.Incident.Diagnosis.Site)}
	if t.since.IsZero() {
		t.since = j.Incident.StepAt
	}
	var errs []error
	for key, to := range map[string]*time.Duration{effect.Hold: &t.hold, effect.MaxWait: &t.maxWait, effect.Lookback: &t.lookback} {
		if p[key] == "" {
			continue
		}
		d, err := time.ParseDuration(p[key])
		if err != nil || d < 0 {
			errs = append(errs, fmt.Errorf("verify recovery: %s %q is not a duration", key, p[key]))
		}
		*to = d
	}
	if s := p[effect.Since]; s != "" {
		at, err := time.Parse(time.RFC3339Nano, s)
		if err != nil {
			errs = append(errs, fmt.Errorf("verify recovery: since %q is not a time", s))
		}
		t.since = at
	}
	return t, errors.Join(errs...)
}

// finding is what a look showed. Its truth is OK only if the guard was true at
// every step; Bad if it is false now or was at any step; else Unknown.
type finding struct {
	truth truth.Truth
	from  time.Time
	steps int
	what  string // the element that is not true, or what is missing
}

// look evaluates the guard over the last hold, not before since.
func (e *Executor) look(ctx context.Context, t task, now time.Time) (finding, error) {
	from := later(now.Add(-t.hold), t.since)
	if from.After(now) {
		return finding{}, nil
	}
	step := min(max(t.hold/60, time.Second), 15*time.Second)
	from = now.Add(-now.Sub(from).Truncate(step)) // so that the last step is now
	// A sample from before since must not pass for a fresh one.
	lookback := min(t.lookback, max(now.Sub(t.since), time.Second))
	series, err := e.o.Querier.Range(ctx, t.guard, from, now, step, lookback)
	if err != nil {
		return finding{}, err
	}
	f := judge(series, from, now, step)
	return f, nil
}

// judge folds the answer. Every element seen at any step must be there, and
// true, at every step.
func judge(series []metricstore.Series, from, now time.Time, step time.Duration) finding {
	f := finding{truth: truth.OK, from: from, steps: int(now.Sub(from)/step) + 1}
	if len(series) == 0 {
		f.truth, f.what = truth.Unknown, "no samples"
		return f
	}
	for _, s := range series {
		switch {
		case anyFalse(s.Points):
			f.truth, f.what = truth.Bad, describe(s)
			return f
		case len(s.Points) < f.steps || anyNaN(s.Points):
			f.truth, f.what = truth.Unknown, "samples missing: "+describe(s)
		}
	}
	return f
}

func anyFalse(points []metricstore.Point) bool {
	for _, p := range points {
		if p.V == 0 {
			return true
		}
	}
	return false
}

func anyNaN(points []metricstore.Point) bool {
	for _, p := range points {
		if math.IsNaN(p.V) {
			return true
		}
	}
	return false
}

// describe names an element by its labels.
func describe(s metricstore.Series) string {
	var parts []string
	for _, l := range s.Labels {
		parts = append(parts, l.Name+"="+l.Value)
	}
	return "{" + strings.Join(parts, ",") + "}"
}

// byAlerts is what the alerts alone say: gone, firing, or nothing known.
func byAlerts(i incident.Incident) truth.Truth {
	switch {
	case !i.RecoveredAt.IsZero():
		return truth.OK
	case i.Firing():
		return truth.Bad
	}
	return truth.Unknown
}

// result is what is kept as proof.
func (t task) result(f finding, now time.Time) map[string]string {
	r := map[string]string{effect.Hold: t.hold.String(), effect.Since: t.since.UTC().Format(time.RFC3339), "until": now.UTC().Format(time.RFC3339)}
	if t.guard != "" {
		r[effect.Guard] = t.guard
		r["steps"] = strconv.Itoa(f.steps)
	}
	if f.what != "" {
		r["what"] = f.what
		return r
	}
	clock := func(at time.Time) string { return at.In(t.zone).Format(time.TimeOnly) }
	from, to, zone := clock(now.Add(-t.hold)), clock(now), now.In(t.zone).Format("UTC-07:00")
	began, lasted := clock(t.since), now.Sub(t.since).Round(time.Second)
	if t.guard == "" {
		r[effect.ResultProofZH] = fmt.Sprintf("全部告警自 %s 起消除，已持续 %s（至 %s，%s）。", began, lasted, to, zone)
		r[effect.ResultProofEN] = fmt.Sprintf("All alerts have been gone since %s, for %s (until %s, %s).", began, lasted, to, zone)
		return r
	}
	r[effect.ResultProofZH] = fmt.Sprintf("恢复条件 %s 在 %s 至 %s（%s，%s）的 %d 个时刻全部由新的测量数据证实。", t.guard, from, to, zone, t.hold, f.steps)
	r[effect.ResultProofEN] = fmt.Sprintf("Fresh measurements showed %s true at all %d moments from %s to %s (%s, %s).", t.guard, f.steps, from, to, zone, t.hold)
	return r
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}
