package ruler

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/common/model"
	"golang.org/x/sync/errgroup"

	"github.com/faultline/faultline/collector/alert"
	"github.com/faultline/faultline/collector/metricstore"
)

// Querier answers instant queries. Samples older than lookback do not count.
type Querier interface {
	Instant(ctx context.Context, expr string, at time.Time, lookback time.Duration) ([]metricstore.Vector, error)
}

// Options configure a Ruler. Querier and Rules are required.
type Options struct {
	Querier Querier
	Rules   *Rules
	// Horizon is how old a sample may be and still count, for rules that name
	// none. Default 20 s.
	Horizon time.Duration
	// Settle is for how long after the first evaluation nothing fires or
	// resolves: our own start is no evidence. Default none.
	Settle time.Duration
	// Parallel bounds the rules evaluated at once. Default 4.
	Parallel   int
	Registerer prometheus.Registerer // nil: no metrics
	Logger     *slog.Logger
}

// Ruler evaluates a set of rules. Its methods may be called from several
// goroutines; evaluations are carried out one at a time.
type Ruler struct {
	o       Options
	metrics metrics

	evaluating sync.Mutex // one Eval at a time

	mu     sync.Mutex // guards the fields below
	rules  []*Rule
	state  map[string]alert.Alert // by fingerprint: pending, firing and just resolved
	seq    uint64                 // of the state; a Round of an older state cannot be accepted
	began  time.Time              // first evaluation
	health map[string]Health      // by rule name
}

// Health is how a rule's last evaluation went.
type Health struct {
	At   time.Time
	Took time.Duration
	Err  error
}

// Round is what one evaluation found. It changes nothing until it is accepted.
type Round struct {
	Now         time.Time
	Transitions []alert.Transition // to firing or resolved, in order of fingerprint
	Changed     []alert.Alert      // to be stored
	Dropped     []string           // fingerprints to be forgotten
	Firing      []alert.Alert      // all that fire now

	next map[string]alert.Alert
	seq  uint64
}

// New makes a Ruler.
func New(o Options) (*Ruler, error) {
	if o.Querier == nil || o.Rules == nil {
		return nil, errors.New("ruler options: querier and rules are required")
	}
	if o.Horizon <= 0 {
		o.Horizon = 20 * time.Second
	}
	if o.Parallel <= 0 {
		o.Parallel = 4
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	r := &Ruler{o: o, state: map[string]alert.Alert{}, health: map[string]Health{}, metrics: newMetrics(o.Registerer)}
	r.Set(o.Rules)
	return r, nil
}

// Set replaces the rules. Alerts of rules that are gone end at the next
// evaluation, without being called resolved.
func (r *Ruler) Set(rules *Rules) {
	list := make([]*Rule, len(rules.List))
	for i, rule := range rules.List {
		c := *rule
		if c.Horizon == 0 {
			c.Horizon = r.o.Horizon
		}
		list[i] = &c
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.rules = list
}

// Restore replaces the state by what was stored.
func (r *Ruler) Restore(alerts []alert.Alert) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.state = make(map[string]alert.Alert, len(alerts))
	for _, a := range alerts {
		if a.State == alert.Pending || a.State == alert.Firing || a.State == alert.Resolved {
			r.state[a.Fingerprint] = a
		}
	}
	r.seq++
}

// Eval evaluates all rules at now. A rule whose query fails keeps its alerts as
// they are; the error joins those failures and the Round is valid all the same,
// unless ctx ended.
func (r *Ruler) Eval(ctx context.Context, now time.Time) (Round, error) {
	r.evaluating.Lock()
	defer r.evaluating.Unlock()
	rules, before, seq, hold := r.begin(now)
	outcomes, failed := make([][]outcome, len(rules)), make([]error, len(rules))
	var g errgroup.Group
	g.SetLimit(r.o.Parallel)
	for i, rule := range rules {
		g.Go(func() error {
			start := time.Now()
			outcomes[i], failed[i] = r.evalRule(ctx, rule, before[rule.Name], now, hold)
			r.note(rule, Health{At: now, Took: time.Since(start), Err: failed[i]})
			return nil
		})
	}
	_ = g.Wait()
	if err := ctx.Err(); err != nil {
		return Round{}, fmt.Errorf("evaluate rules: %w", err)
	}
	round := Round{Now: now, seq: seq, next: map[string]alert.Alert{}}
	for i, rule := range rules {
		if failed[i] != nil {
			maps.Copy(round.next, before[rule.Name])
		}
		delete(before, rule.Name)
		for _, o := range outcomes[i] {
			round.add(o)
		}
	}
	for _, orphans := range before { // their rules are gone
		round.Dropped = append(round.Dropped, slices.Collect(maps.Keys(orphans))...)
	}
	round.finish()
	r.metrics.firing.Set(float64(len(round.Firing)))
	return round, errors.Join(failed...)
}

// begin takes what an evaluation works on: the rules, and the alerts by rule.
func (r *Ruler) begin(now time.Time) (rules []*Rule, before map[string]map[string]alert.Alert, seq uint64, hold bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.began.IsZero() {
		r.began = now
	}
	before = map[string]map[string]alert.Alert{}
	for fp, a := range r.state {
		if before[a.Name] == nil {
			before[a.Name] = map[string]alert.Alert{}
		}
		before[a.Name][fp] = a
	}
	return r.rules, before, r.seq, now.Sub(r.began) < r.o.Settle
}

// evalRule asks the rule's queries and steps its alerts. The presence query is
// asked only when an alert did not match: else nobody needs the answer.
func (r *Ruler) evalRule(ctx context.Context, rule *Rule, before map[string]alert.Alert, now time.Time, hold bool) ([]outcome, error) {
	vector, err := r.o.Querier.Instant(ctx, rule.Expr, now, rule.Horizon)
	if err != nil {
		return nil, fmt.Errorf("rule %s: %w", rule.Name, err)
	}
	res := results{bad: make(map[string]match, len(vector)), present: map[string]struct{}{}}
	for _, v := range vector {
		source := v.Labels.Map()
		labels := rule.identity(source)
		fp := alert.Fingerprint(labels)
		if _, twice := res.bad[fp]; twice {
			return nil, fmt.Errorf("rule %s: two results have the labels %v", rule.Name, labels)
		}
		res.bad[fp] = match{labels: labels, annotations: rule.annotations.expand(source, v.V), value: v.V}
	}
	missing := func(fp string) bool { _, ok := res.bad[fp]; return !ok }
	if rule.Presence == "" || !slices.ContainsFunc(slices.Collect(maps.Keys(before)), missing) {
		return step(rule, before, res, now, hold), nil
	}
	vector, err = r.o.Querier.Instant(ctx, rule.Presence, now, rule.Horizon)
	if err != nil {
		return nil, fmt.Errorf("rule %s: presence: %w", rule.Name, err)
	}
	if rule.siblings {
		answers := make([]map[string]string, len(vector))
		for i, v := range vector {
			answers[i] = v.Labels.Map()
		}
		gone(before, res, answers)
		return step(rule, before, res, now, hold), nil
	}
	for _, v := range vector {
		res.present[alert.Fingerprint(rule.identity(v.Labels.Map()))] = struct{}{}
	}
	return step(rule, before, res, now, hold), nil
}

// note keeps a rule's health and counts; a failure is logged when it begins.
func (r *Ruler) note(rule *Rule, h Health) {
	r.metrics.evaluations.Inc()
	r.metrics.seconds.Observe(h.Took.Seconds())
	if h.Err != nil {
		r.metrics.failures.WithLabelValues(rule.Name).Inc()
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if h.Err != nil && r.health[rule.Name].Err == nil {
		r.o.Logger.Warn("rule cannot be evaluated; its alerts keep their state", "rule", rule.Name, "err", h.Err)
	}
	r.health[rule.Name] = h
}

func (rd *Round) add(o outcome) {
	if o.drop {
		rd.Dropped = append(rd.Dropped, o.after.Fingerprint)
		return
	}
	rd.next[o.after.Fingerprint] = o.after
	if o.changed {
		rd.Changed = append(rd.Changed, o.after)
	}
	if o.transition != nil {
		rd.Transitions = append(rd.Transitions, *o.transition)
	}
}

func (rd *Round) finish() {
	for _, fp := range slices.Sorted(maps.Keys(rd.next)) {
		if a := rd.next[fp]; a.State == alert.Firing {
			rd.Firing = append(rd.Firing, a)
		}
	}
	slices.Sort(rd.Dropped)
	slices.SortFunc(rd.Changed, func(a, b alert.Alert) int { return strings.Compare(a.Fingerprint, b.Fingerprint) })
	slices.SortFunc(rd.Transitions, func(a, b alert.Transition) int {
		return strings.Compare(a.Alert.Fingerprint, b.Alert.Fingerprint)
	})
}

// Accept makes a Round the current state, once the caller has committed it. A
// Round that is based on another state than the current one is refused.
func (r *Ruler) Accept(rd Round) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if rd.next == nil || rd.seq != r.seq {
		return errors.New("accept round: the state has changed since it was evaluated")
	}
	r.state = rd.next
	r.seq++
	return nil
}

// metrics are the ruler's own.
type metrics struct {
	evaluations prometheus.Counter
	failures    *prometheus.CounterVec
	seconds     prometheus.Histogram
	firing      prometheus.Gauge
}

func newMetrics(reg prometheus.Registerer) metrics {
	m := metrics{
		evaluations: prometheus.NewCounter(prometheus.CounterOpts{Name: "faultline_ruler_evaluations_total", Help: "Evaluations of single rules."}),
		failures: prometheus.NewCounterVec(prometheus.CounterOpts{Name: "faultline_ruler_failures_total",
			Help: "Evaluations that failed; the rule's alerts kept their state."}, []string{model.AlertNameLabel}),
		seconds: prometheus.NewHistogram(prometheus.HistogramOpts{Name: "faultline_ruler_rule_seconds",
			Help: "Time taken by one rule.", Buckets: prometheus.ExponentialBuckets(0.0005, 4, 8)}),
		firing: prometheus.NewGauge(prometheus.GaugeOpts{Name: "faultline_ruler_alerts_firing", Help: "Alerts that fire."}),
	}
	if reg != nil {
		reg.MustRegister(m.evaluations, m.failures, m.seconds, m.firing)
	}
	return m
}
