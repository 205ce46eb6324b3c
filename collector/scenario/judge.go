package scenario

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"time"

	"github.com/faultline/faultline/collector/alert"
	"github.com/faultline/faultline/collector/diagnose"
	"github.com/faultline/faultline/collector/engine"
	"github.com/faultline/faultline/collector/evidence"
	"github.com/faultline/faultline/collector/heartbeat"
	"github.com/faultline/faultline/collector/incident"
	"github.com/faultline/faultline/collector/inventory"
	"github.com/faultline/faultline/collector/metricstore"
	"github.com/faultline/faultline/collector/metricstore/embedded"
	"github.com/faultline/faultline/collector/process"
	"github.com/faultline/faultline/collector/route"
	"github.com/faultline/faultline/collector/ruler"
	"github.com/faultline/faultline/collector/sla"
)

// Rules are what a scenario is judged by: everything under rules/, loaded.
type Rules struct {
	Alerts    *ruler.Rules
	Causes    *diagnose.Rules
	Routes    *route.Table
	Processes *process.Set
	Calendars *sla.Calendars
}

// judge is a collector without its network: it is handed samples and looks once
// a second.
type judge struct {
	now   func() time.Time
	rules *Rules
	graph *inventory.Graph
	lost  time.Duration // a sample older than this is stale

	store    *sparse
	evidence *evidence.Store
	alive    *heartbeat.Monitor
	ruler    *ruler.Ruler
	engine   *engine.Engine
	options  engine.Options // the engine's
	book     *book
	quiet    []engine.Quiet
	firing   []alert.Alert
	pending  bool // an alert is on its way to fire or to resolve
}

func newJudge(s *Scenario, rules *Rules, dir string, now func() time.Time) (*judge, error) {
	j := &judge{now: now, rules: rules, graph: inventory.NewGraph(s.inv), lost: 3*s.Poll.Duration + 5*time.Second, book: newBook()}
	for i := range s.Timeline {
		j.quiet = append(j.quiet, s.Timeline[i].quiets(s.begins(), fmt.Sprintf("step-%d", i))...)
	}
	tsdb, err := embedded.Open(embedded.Options{Dir: dir, Now: now, MinFree: 1, SyncInterval: time.Hour, Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		return nil, err
	}
	j.store = newSparse(tsdb)
	if j.evidence, err = evidence.New(evidence.Options{Elements: rules.Causes.Elements(), Horizon: j.lost, Now: now}); err != nil {
		return nil, errors.Join(err, j.close())
	}
	if j.ruler, err = ruler.New(ruler.Options{Querier: j.store, Rules: rules.Alerts, Horizon: j.lost, Parallel: 1}); err != nil {
		return nil, errors.Join(err, j.close())
	}
	j.alive = heartbeat.New(heartbeat.Options{Now: now, Interval: s.Poll.Duration, Agents: func() []heartbeat.Agent {
		var out []heartbeat.Agent
		for _, a := range s.inv.Agents {
			if s.sites != nil && !s.sites[a.Site] {
				continue
			}
			out = append(out, heartbeat.Agent{ID: a.ID, Site: a.Site, Device: a.Device, Interval: s.Poll.Duration})
		}
		return out
	}})
	j.options = engine.Options{Store: j.book, Lease: func() (int64, bool) { return 1, true }, Diagnose: j.diagnose, Route: j.route,
		Processes: rules.Processes, Calendars: rules.Calendars, Site: j.site, Now: now, Hold: s.Hold.Duration, Logger: slog.New(slog.DiscardHandler),
		Graph: func() *inventory.Graph { return j.graph }, Quiet: func(time.Time) []engine.Quiet { return j.quiet },
		Checked:    func(at time.Time) func(alert.Alert) time.Time { return engine.CheckedBy(j.evidence.Snapshot(at)) },
		Reconsider: j.reconsider}
	if j.engine, err = engine.New(j.options); err != nil {
		return nil, errors.Join(err, j.close())
	}
	return j, nil
}

func (j *judge) close() error { return j.store.tsdb.Close() }

// feed takes samples as ingest does.
func (j *judge) feed(agent string, series []metricstore.Series) error {
	if len(series) == 0 {
		return nil
	}
	if _, err := j.store.append(series); err != nil {
		return err
	}
	j.evidence.Feed(agent, series)
	if agent != heartbeatVantage {
		j.alive.Heard(agent, series)
	}
	return nil
}

// round does what the collector does once a second.
func (j *judge) round(ctx context.Context) error {
	now := j.now()
	round, err := j.ruler.Eval(ctx, now)
	if err != nil {
		return err
	}
	j.firing = round.Firing
	j.pending = slices.ContainsFunc(round.Changed, func(a alert.Alert) bool { return true }) ||
		slices.ContainsFunc(j.firing, func(a alert.Alert) bool { return !a.GoneAt.IsZero() })
	if err := j.engine.HandleAlerts(ctx, engine.Round{Now: now, Firing: round.Firing, Changed: round.Changed, Dropped: round.Dropped}); err != nil {
		return err
	}
	if err := j.ruler.Accept(round); err != nil {
		return err
	}
	if err := j.engine.Tick(ctx); err != nil {
		return err
	}
	return j.effects(ctx)
}

// busy tells whether the next second may bring something without any change in
// the company: alerts on their way, recoveries being verified.
func (j *judge) busy() bool { return j.pending || len(j.book.verifying()) > 0 }

func (j *judge) diagnose(firing []alert.Alert, now time.Time) engine.Diagnosis {
	out := j.rules.Causes.Causes(diagnose.Input{View: j.evidence.Snapshot(now), Inventory: j.graph.Inventory(), Graph: j.graph, Firing: firing, Now: now})
	d := engine.Diagnosis{Causes: out.Causes, Held: map[string]bool{}}
	for _, h := range out.Held {
		d.Held[h.Fingerprint] = true
	}
	return d
}

// reconsider asks the evidence once more about an incident that is over.
func (j *judge) reconsider(i incident.Incident, now time.Time) (incident.Diagnosis, bool) {
	out := j.rules.Causes.Causes(diagnose.Input{View: j.evidence.Snapshot(now), Inventory: j.graph.Inventory(), Graph: j.graph, Firing: engine.AlertsOf(i), Now: now})
	at := slices.IndexFunc(out.Causes, func(d incident.Diagnosis) bool { return d.Cause == i.Diagnosis.Cause && !d.Provisional })
	if at < 0 {
		return incident.Diagnosis{}, false
	}
	return out.Causes[at], true
}

func (j *judge) route(d incident.Diagnosis, now time.Time) route.Decision {
	return j.rules.Routes.Decide(d, j.graph, now)
}

func (j *judge) site(id string) engine.SiteFacts {
	s, _ := j.graph.Site(id)
	return engine.SiteFacts{Practice: s.Practice, Calendar: s.Calendar, Zone: j.graph.Location(id)}
}

// effects carries out what the engine asked for: messages arrive at once, and
// recoveries are verified by their guard.
func (j *judge) effects(ctx context.Context) error {
	for _, f := range j.book.waiting() {
		outcome := "sent"
		if f.Kind == incident.EffectVerify {
			var err error
			if outcome, err = j.verify(ctx, f); err != nil {
				return err
			}
		}
		if outcome == "" {
			continue
		}
		f.Outcome = outcome
		if err := j.engine.Handle(ctx, incident.Event{ID: f.Key + "/done", IncidentID: f.IncidentID, Kind: incident.EffectDone, At: j.now(), Actor: incident.System, Effect: &f}); err != nil {
			return err
		}
	}
	return nil
}

// verify looks whether the guard of a verification holds, and says recovered
// when it has held long enough, failed when it has not for twice that time.
func (j *judge) verify(ctx context.Context, f incident.Effect) (string, error) {
	hold, err := time.ParseDuration(f.Params["hold"])
	if err != nil {
		return "", fmt.Errorf("effect %s: hold %q", f.Key, f.Params["hold"])
	}
	began, now := j.book.began(f.Key, j.now()), j.now()
	holds := true
	if guard := f.Params["guard"]; guard != "" {
		v, err := j.store.Instant(ctx, guard, now, j.lost)
		if err != nil {
			return "", fmt.Errorf("guard %s: %w", guard, err)
		}
		holds = len(v) > 0 && !slices.ContainsFunc(v, func(e metricstore.Vector) bool { return e.V == 0 })
	}
	since := j.book.heldSince(f.Key, holds, now)
	switch {
	case holds && now.Sub(since) >= hold:
		return "recovered", nil
	case !holds && now.Sub(began) >= 2*hold:
		return "failed", nil
	}
	return "", nil
}
