package app

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/faultline/faultline/collector/alert"
	"github.com/faultline/faultline/collector/diagnose"
	"github.com/faultline/faultline/collector/engine"
	"github.com/faultline/faultline/collector/evidence"
	"github.com/faultline/faultline/collector/heartbeat"
	"github.com/faultline/faultline/collector/incident"
	"github.com/faultline/faultline/collector/inspection"
	"github.com/faultline/faultline/collector/lease"
	"github.com/faultline/faultline/collector/process"
	"github.com/faultline/faultline/collector/route"
	"github.com/faultline/faultline/collector/ruler"
	"github.com/faultline/faultline/collector/scenario"
	"github.com/faultline/faultline/collector/selfwatch"
	"github.com/faultline/faultline/collector/sla"
)

// ruleSet is everything under rules/, checked.
type ruleSet struct {
	alerts    *ruler.Rules
	elements  *evidence.Elements
	causes    *diagnose.Rules
	routes    *route.Table
	processes *process.Set
	calendars *sla.Calendars
	stories   []*scenario.Story // for drills

	inspections []inspection.List
}

// loadRuleSet reads all rules; the error names every fault of every file.
func loadRuleSet(fsys fs.FS) (ruleSet, error) {
	var s ruleSet
	var errs []error
	load := func(dir string, read func(fs.FS) error) {
		sub, err := fs.Sub(fsys, dir)
		if err == nil {
			err = read(sub)
		}
		if err != nil {
			errs = append(errs, fmt.Errorf("rules/%s: %w", dir, err))
		}
	}
	load("alerts", func(f fs.FS) (err error) { s.alerts, err = ruler.Load(f); return })
	load("diagnosis", func(f fs.FS) (err error) { s.elements, err = evidence.LoadElements(f); return })
	load("diagnosis", func(f fs.FS) (err error) { s.causes, err = diagnose.Load(f); return })
	load("routes", func(f fs.FS) (err error) { s.routes, err = route.Load(f); return })
	load("inspection", func(f fs.FS) (err error) { s.inspections, err = inspection.Load(f); return })
	load("calendars", func(f fs.FS) (err error) { s.calendars, err = sla.Load(f); return })
	load("drills", func(f fs.FS) (err error) { s.stories, err = scenario.LoadStories(f); return })
	load("processes", func(f fs.FS) (err error) { s.processes, err = process.Load(f); return })
	if err := errors.Join(errs...); err != nil {
		return s, err
	}
	for _, id := range route.Processes() {
		if _, ok := s.processes.Latest(id); !ok {
			errs = append(errs, fmt.Errorf("rules/processes: no file has the process %q, which routes may lead to", id))
		}
	}
	for _, id := range s.processes.IDs() {
		def, _ := s.processes.Latest(id)
		if err := def.CheckCalendars(s.calendars); err != nil {
			errs = append(errs, fmt.Errorf("rules/processes: %s: %w", def.Ref(), err))
		}
	}
	return s, errors.Join(errs...)
}

// keepProcesses stores the text of every process version in force and returns
// the set together with those that open incidents began on and whose files have
// changed since.
func (a *App) keepProcesses(ctx context.Context, set *process.Set) (*process.Set, error) {
	set, err := a.signedProcesses(ctx, set)
	if err != nil {
		return nil, err
	}
	for _, id := range set.IDs() {
		def, _ := set.Latest(id)
		if _, err := a.store.KVInit(ctx, "process/"+def.Ref(), def.Text()); err != nil {
			return nil, err
		}
	}
	open, err := a.store.OpenIncidents(ctx)
	if err != nil {
		return nil, err
	}
	for _, i := range open {
		if _, ok := set.Version(i.ProcessVersion); ok {
			continue
		}
		text, err := a.store.KVGet(ctx, "process/"+i.ProcessVersion)
		if err != nil {
			return nil, fmt.Errorf("incident %s is on process %s: %w", i.Number, i.ProcessVersion, err)
		}
		def, err := process.Parse(i.ProcessVersion, []byte(text))
		if err != nil {
			return nil, fmt.Errorf("incident %s is on process %s: %w", i.Number, i.ProcessVersion, err)
		}
		set = set.With(def)
	}
	return set, nil
}

// buildJudging makes evidence, ruler, lease and engine.
func (a *App) buildJudging(ctx context.Context) error {
	var err error
	horizon := 3*a.pollInterval() + 5*time.Second
	if a.evidence, err = evidence.New(evidence.Options{Elements: a.rules().elements, Horizon: horizon, Now: time.Now, Turned: a.wakeJudge, Registerer: a.reg}); err != nil {
		return err
	}
	parallel := max(1, runtime.GOMAXPROCS(0)-1) // one core stays for those who wait for an answer
	if a.ruler, err = ruler.New(ruler.Options{Querier: a.metrics, Rules: a.rules().alerts, Horizon: horizon, Settle: 2 * time.Second,
		Parallel: parallel, Registerer: a.reg, Logger: a.log}); err != nil {
		return err
	}
	known, err := a.agentsHeard(ctx)
	if err != nil {
		return err
	}
	a.alive = heartbeat.New(heartbeat.Options{Agents: a.watched, Interval: a.pollInterval(), Now: time.Now, Known: known})
	a.judging = prometheus.NewHistogram(prometheus.HistogramOpts{Name: "faultline_judge_round_seconds", Help: "Time from the evaluation of the rules until what follows is committed.",
		Buckets: prometheus.ExponentialBuckets(0.005, 3, 8)})
	a.failed = prometheus.NewCounter(prometheus.CounterOpts{Name: "faultline_judge_failed_rounds_total", Help: "Rounds of alerts that could not be judged or committed; each is repeated."})
	a.topology = selfwatch.NewTopology(a.metrics, a.graph, time.Now, a.log)
	a.reg.MustRegister(a.failed, a.judging, selfwatch.NewIncidents(a.store, time.Now), a.topology)
	if a.rules().processes, err = a.keepProcesses(ctx, a.rules().processes); err != nil {
		return err
	}
	id, err := a.nodeID()
	if err != nil {
		return err
	}
	if a.lease, err = lease.New(lease.Options{Store: a.store, ID: id, TTL: a.cfg.Lease.TTL, Every: 3 * a.cfg.Lease.TTL / 10, OnGain: a.rule, Logger: a.log, Registerer: a.reg}); err != nil {
		return err
	}
	if a.quiets, err = engine.OpenQuiets(ctx, a.store); err != nil {
		return err
	}
	a.auditor = newAuditor(a.reg)
	history, err := a.publishCalendars(ctx, a.rules().calendars, "start")
	if err != nil {
		return err
	}
	a.engine, err = engine.New(engine.Options{History: history, Promise: a.promise, Remedy: a.proposed, Store: a.store, Lease: a.lease.Generation, Diagnose: a.diagnose, Route: a.route,
		Processes: a.rules().processes, Calendars: a.rules().calendars, Site: a.site, Vendor: a.vendor, Now: time.Now, OnChange: a.changed,
		Settle: a.cfg.Holds.Settle, Hold: a.cfg.Holds.Verify, Logger: a.log, Graph: a.graph, Documents: true, Quiet: a.quiets.Around, Checked: a.checked, Reconsider: a.reconsider})
	a.judged = newJudgements()
	a.reg.MustRegister(fates{a}, a.judged)
	return err
}

// nodeID names this collector in the lease: the same after a restart, another
// on every node, so it is kept in the data directory and not in the database.
func (a *App) nodeID() (string, error) {
	path := filepath.Join(a.cfg.Data, "node-id")
	b, err := os.ReadFile(path)
	if err == nil && len(bytes.TrimSpace(b)) > 0 {
		return string(bytes.TrimSpace(b)), nil
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return "", err
	}
	id := newID()
	return id, os.WriteFile(path, []byte(id+"\n"), 0o600)
}

// rule is what the lease holder does: judge, fire timers, deliver.
func (a *App) rule(ctx context.Context, generation int64) error {
	stored, err := a.store.Alerts(ctx)
	if err != nil {
		return fmt.Errorf("restore alerts: %w", err)
	}
	a.ruler.Restore(stored)
	a.recount(ctx)
	if err := errors.Join(a.post.Begin(ctx, generation), a.startClimbing(ctx), a.quiets.Reload(ctx)); err != nil {
		return fmt.Errorf("restore notices, escalations and quiet times: %w", err)
	}
	told := make(chan error, 1)
	go func() { told <- a.tell(ctx) }()
	done := make(chan error, 1)
	go func() { done <- a.outbox.Run(ctx, generation) }()
	spoken := make(chan error, 1)
	go func() { spoken <- a.speak(ctx) }()
	reported := make(chan error, 1)
	go func() { reported <- a.reporter.Run(ctx, 10*time.Second) }()
	reminded := make(chan error, 1)
	go func() { reminded <- a.remindReviews(ctx) }()
	read := make(chan struct{})
	go func() { defer close(read); a.readQuiets(ctx) }()
	windows := make(chan error, 1)
	go func() { windows <- a.keepWindows(ctx) }()
	drilled := make(chan error, 1)
	go func() { drilled <- a.drills.Run(ctx) }()
	audited, sealed := make(chan struct{}), make(chan struct{})
	go func() { defer close(audited); a.auditor.run(ctx, a) }()
	go func() { defer close(sealed); a.sealDays(ctx) }()
	a.judgeUntil(ctx)
	<-read
	<-audited
	<-sealed
	return errors.Join(<-done, <-spoken, <-told, <-reported, <-reminded, <-windows, <-drilled)
}

// judgeUntil evaluates a round at every interval, and early when evidence turned
// bad or good, until ctx ends.
func (a *App) judgeUntil(ctx context.Context) {
	rounds(ctx, a.cfg.Interval, a.wake, func() {
		if err := a.judge(ctx); err != nil && ctx.Err() == nil {
			a.failed.Inc()
			a.log.Error("judge", "err", err)
		}
	})
}

// wakeJudge asks for a round before the next tick. It never blocks.
func (a *App) wakeJudge() {
	select {
	case a.wake <- struct{}{}:
	default:
	}
}

// judge evaluates the rules once, lets the engine commit what follows, and only
// then accepts the alerts' new state.
func (a *App) judge(ctx context.Context) error {
	defer func(begun time.Time) { a.judging.Observe(time.Since(begun).Seconds()) }(time.Now())
	round, evalErr := a.ruler.Eval(ctx, time.Now())
	if ctx.Err() != nil {
		return ctx.Err()
	}
	firing, err := a.firing(ctx, round.Firing, round.Now)
	if err != nil {
		return errors.Join(evalErr, err)
	}
	err = a.engine.HandleAlerts(ctx, engine.Round{Now: round.Now, Firing: firing, Changed: round.Changed, Dropped: round.Dropped})
	if err == nil {
		err = a.ruler.Accept(round)
	}
	return errors.Join(evalErr, err, a.engine.Tick(ctx))
}

// diagnose asks the evidence what the firing alerts mean.
func (a *App) diagnose(firing []alert.Alert, now time.Time) engine.Diagnosis {
	out := a.rules().causes.Causes(diagnose.Input{View: a.picture(now), Inventory: a.graph().Inventory(), Graph: a.graph(), Firing: firing, Now: now, HoldOff: a.cfg.Holds.Open})
	d := engine.Diagnosis{Causes: out.Causes, Held: map[string]bool{}}
	for _, h := range out.Held {
		d.Held[h.Fingerprint] = true
	}
	return d
}

// checked is when the thing an alert is about was last measured.
func (a *App) checked(now time.Time) func(alert.Alert) time.Time {
	return engine.CheckedBy(a.picture(now))
}

// picture is the evidence as it stood when the round of now asked for it first:
// whoever judges in a round looks at the same.
func (a *App) picture(now time.Time) evidence.View {
	a.looked.Lock()
	defer a.looked.Unlock()
	if a.looked.view == nil || !a.looked.at.Equal(now) {
		a.looked.view, a.looked.at = a.evidence.Snapshot(now), now
	}
	return a.looked.view
}

// reconsider asks the evidence once more about a provisional incident that is over.
func (a *App) reconsider(i incident.Incident, now time.Time) (incident.Diagnosis, bool) {
	out := a.rules().causes.Causes(diagnose.Input{View: a.picture(now), Inventory: a.graph().Inventory(), Graph: a.graph(), Firing: engine.AlertsOf(i), Now: now})
	for _, d := range out.Causes {
		if d.Cause == i.Diagnosis.Cause && !d.Provisional {
			return d, true
		}
	}
	return incident.Diagnosis{}, false
}

func (a *App) route(d incident.Diagnosis, now time.Time) route.Decision {
	return a.rules().routes.Decide(d, a.graph(), now)
}

// changed is told of every committed change.
func (a *App) changed(i incident.Incident, events []incident.Event) {
	countJudgements(a.judged, i, events)
	a.outbox.Wake()
	a.post.Changed(i)
	if a.hooks != nil {
		a.hooks.Wake()
	}
	if i.Process == processChange {
		a.wakeWindows()
	}
	a.tellPages(i)
	for _, e := range events {
		if e.Kind == incident.Opened {
			a.log.Info("incident opened", "number", i.Number, "class", i.Diagnosis.Class, "device", i.Diagnosis.Device, "title", i.Diagnosis.Title.EN)
		}
	}
}

func (a *App) site(id string) engine.SiteFacts {
	s, _ := a.graph().Site(id)
	return engine.SiteFacts{Practice: s.Practice, Calendar: s.Calendar, Zone: a.graph().Location(id)}
}

// pollInterval is the longest interval of any agent: what freshness is judged by.
func (a *App) pollInterval() time.Duration {
	longest := time.Duration(0)
	for _, ag := range a.graph().Inventory().Agents {
		longest = max(longest, ag.Interval)
	}
	if longest == 0 {
		return 15 * time.Second
	}
	return longest
}

func (a *App) watched() []heartbeat.Agent {
	var out []heartbeat.Agent
	for _, ag := range a.graph().Inventory().Agents {
		out = append(out, heartbeat.Agent{ID: ag.ID, Site: ag.Site, Device: ag.Device, Interval: ag.Interval})
	}
	return out
}

// agentsHeard asks the store which agents were heard before this start.
func (a *App) agentsHeard(ctx context.Context) (map[string]bool, error) {
	found, err := a.metrics.Instant(ctx, "group by (agent) (last_over_time("+heartbeat.Metric+"[7d]))", time.Now(), 0)
	if err != nil {
		return nil, fmt.Errorf("agents heard before: %w", err)
	}
	known := map[string]bool{}
	for _, v := range found {
		known[v.Labels.Get("agent")] = true
	}
	return known, nil
}
