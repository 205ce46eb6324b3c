package drill

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/faultline/faultline/collector/engine"
	"github.com/faultline/faultline/collector/evidence"
	"github.com/faultline/faultline/collector/incident"
	"github.com/faultline/faultline/collector/metricstore"
	"github.com/faultline/faultline/collector/process"
	"github.com/faultline/faultline/collector/scenario"
)

// every is how often a drill goes on.
const every = time.Second

// system ends drills in nobody's name.
var system = incident.System

// Run plays the drills that run, those of before a restart too, until ctx ends.
// It is called on the holder of the lease.
func (d *Desk) Run(ctx context.Context) error {
	if err := d.Resume(ctx); err != nil && ctx.Err() == nil {
		return fmt.Errorf("resume drills: %w", err)
	}
	defer d.Leave()
	tick := time.NewTicker(every)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
		case <-ctx.Done():
			return nil
		}
		for _, id := range d.running() {
			if err := d.Round(ctx, id); err != nil && ctx.Err() == nil {
				d.o.Logger.Error("drill", "id", id, "err", err)
			}
		}
	}
}

func (d *Desk) running() []string {
	d.mu.Lock()
	defer d.mu.Unlock()
	var out []string
	for id := range d.played {
		out = append(out, id)
	}
	slices.Sort(out)
	return out
}

// Resume opens the drills that were running when a collector last ruled.
func (d *Desk) Resume(ctx context.Context) error {
	kept, err := d.o.Store.KVList(ctx, keyPrefix)
	if err != nil {
		return err
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	for name, text := range kept {
		r, err := decode(name, text)
		if err != nil {
			return err
		}
		if r.State != Running || d.played[r.ID] != nil {
			continue
		}
		pl, err := d.open(r)
		if err != nil { // the inventory has changed under it: it cannot go on
			d.o.Logger.Error("drill cannot go on after the restart and is ended", "id", r.ID, "err", err)
			pl = &played{rec: r}
			if err := d.end(ctx, pl, ReasonStopped, system); err != nil {
				return err
			}
			continue
		}
		d.played[r.ID] = pl
	}
	return nil
}

// Leave closes what is played here; another collector, or this one, goes on.
func (d *Desk) Leave() {
	d.mu.Lock()
	defer d.mu.Unlock()
	for id, pl := range d.played {
		if err := d.drop(pl); err != nil {
			d.o.Logger.Warn("close drill", "id", id, "err", err)
		}
		delete(d.played, id)
	}
}

// open prepares a drill's evidence, anew: it is a function of its record.
func (d *Desk) open(r Record) (*played, error) { return d.openAt(r, filepath.Join(d.o.Dir, r.ID)) }

func (d *Desk) openAt(r Record, dir string) (*played, error) {
	s, err := scenario.ParseAt(r.Story+".yaml", r.Scenario, d.o.Inventory(), r.Site)
	if err != nil {
		return nil, err
	}
	pl := &played{rec: r, dir: dir}
	if err := errors.Join(os.RemoveAll(pl.dir), os.MkdirAll(pl.dir, 0o700)); err != nil {
		return nil, fmt.Errorf("drill %s: %w", r.ID, err)
	}
	pl.live, err = scenario.OpenLive(scenario.LiveOptions{Scenario: s, Rules: d.o.Rules(), Dir: pl.dir, ID: r.ID, Start: r.StartedAt, Limit: r.Limit.Sub(r.StartedAt)})
	if err != nil {
		return nil, errors.Join(err, os.RemoveAll(pl.dir))
	}
	return pl, nil
}

// drop closes a drill's evidence and removes it.
func (d *Desk) drop(pl *played) error {
	if pl.live == nil {
		return nil
	}
	return errors.Join(pl.live.Close(), os.RemoveAll(pl.dir))
}

// Round lets one drill go on to the present, and ends it when its end has come.
func (d *Desk) Round(ctx context.Context, id string) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	pl := d.played[id]
	if pl == nil {
		return nil
	}
	now := d.o.Now().UTC()
	if by := pl.rec.RepairBy; !by.IsZero() && !now.Before(by) && pl.rec.MendedAt.IsZero() {
		if err := d.mend(ctx, pl, system.Name); err != nil {
			return err
		}
	}
	if !now.Before(pl.rec.Limit) {
		return d.end(ctx, pl, ReasonLimit, system)
	}
	round, err := d.advance(ctx, pl, now)
	if err != nil {
		return err
	}
	if err := d.o.Engine.HandleDrill(ctx, round); err != nil {
		return err
	}
	open, err := d.note(ctx, pl)
	if err != nil {
		return err
	}
	if open == 0 && len(pl.rec.Incidents) > 0 && !pl.rec.MendedAt.IsZero() && len(round.Firing) == 0 {
		return d.end(ctx, pl, ReasonFinished, system)
	}
	return nil
}

// advance plays on. One that was opened again is mended at the moment at which
// it was.
func (d *Desk) advance(ctx context.Context, pl *played, now time.Time) (r engine.DrillRound, err error) {
	if at := pl.rec.MendedAt; !at.IsZero() {
		if _, err := pl.live.Advance(ctx, at); err != nil {
			return r, err
		}
		pl.live.Mend(at)
	}
	r, err = pl.live.Advance(ctx, now)
	r.ID = pl.rec.ID
	return r, err
}

// note writes down the incidents that were opened and returns how many are open.
func (d *Desk) note(ctx context.Context, pl *played) (open int, err error) {
	list, err := d.o.Engine.Incidents(ctx)
	if err != nil {
		return 0, err
	}
	next := pl.rec
	next.Incidents = slices.Clone(next.Incidents)
	for _, i := range list {
		if i.Drill != pl.rec.ID {
			continue
		}
		open++
		if !slices.ContainsFunc(next.Incidents, func(c Chain) bool { return c.ID == i.ID }) {
			next.Incidents = append(next.Incidents, Chain{ID: i.ID, Number: i.Number})
		}
	}
	if len(next.Incidents) == len(pl.rec.Incidents) {
		return open, nil
	}
	if err := d.keep(ctx, next); err != nil {
		return open, err
	}
	pl.rec = next
	return open, nil
}

// end closes what is left, scores the drill and files it. d.mu is held. Done
// again after a failure it goes on where it stopped.
func (d *Desk) end(ctx context.Context, pl *played, reason string, by incident.Actor) error {
	if pl.live != nil {
		if _, err := d.note(ctx, pl); err != nil {
			return err
		}
	}
	words := map[string]string{ReasonFinished: "演练结束 / end of the drill", ReasonLimit: "演练时间已到 / the drill's time is over", ReasonStopped: "演练终止 / the drill was stopped"}[reason]
	if pl.rec.Words != "" {
		words += "：" + pl.rec.Words
	}
	if _, err := d.o.Engine.EndDrill(ctx, pl.rec.ID, by, words); err != nil {
		return err
	}
	next := pl.rec
	next.State, next.Reason, next.EndedAt = Ended, reason, d.o.Now().UTC()
	next.Incidents = slices.Clone(next.Incidents)
	if next.MendedAt.IsZero() {
		next.MendedAt = next.EndedAt
	}
	list, err := d.courses(ctx, &next)
	if err != nil {
		return err
	}
	next.add(next.EndedAt, by.Name, ActEnded, reason)
	score := Rate(next, list, d.judge())
	sum, err := digest(score)
	if err != nil {
		return err
	}
	next.Score = &score
	next.add(next.EndedAt, system.Name, ActScored, fmt.Sprintf("%d %s", score.Points, sum))
	if err := d.keep(ctx, next); err != nil {
		return err
	}
	delete(d.played, next.ID)
	return d.drop(pl)
}

// courses reads the incidents of a drill with their logs, and notes the heads.
func (d *Desk) courses(ctx context.Context, r *Record) ([]Course, error) {
	var out []Course
	for n := range r.Incidents {
		c := &r.Incidents[n]
		i, err := d.o.Store.Incident(ctx, c.ID)
		if err != nil {
			return nil, err
		}
		events, err := d.o.Store.Events(ctx, c.ID)
		if err != nil {
			return nil, err
		}
		c.Number, c.Version, c.Head = i.Number, i.Version, i.LastHash
		out = append(out, Course{i, events})
	}
	return out, nil
}

// judge asks the processes.
func (d *Desk) judge() Judge {
	def := func(i incident.Incident) (*process.Definition, bool) {
		return d.o.Processes().Version(i.ProcessVersion)
	}
	return Judge{
		Suggest: func(step string, i incident.Incident) string {
			p, ok := def(i)
			if !ok {
				return ""
			}
			said, err := process.Suggestion(p, i, step)
			if err != nil {
				d.o.Logger.Warn("judge a decision of a drill", "number", i.Number, "step", step, "err", err)
			}
			return said
		},
		Counts: func(i incident.Incident, clock string) bool {
			p, ok := def(i)
			if !ok {
				return false
			}
			c, ok := p.Clock(clock)
			return ok && !c.ReportOnly && clock != "vendor" // a vendor that plays no part breaks no limit
		},
	}
}

// live is the evidence of a drill that is played here, or nil.
func (d *Desk) live(id string) (*scenario.Live, Record) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if pl := d.played[id]; pl != nil {
		return pl.live, pl.rec
	}
	return nil, Record{}
}

// ErrAway says that a drill's evidence is not here: it is opened just now, or its
// site has changed so that it cannot be played again.
var ErrAway = errors.New("the drill's evidence is not here")

// Evidence is a drill's own measurements, as a metricstore.Querier's Range.
type Evidence struct {
	desk *Desk
	id   string
}

// Of returns the measurements of a drill.
func (d *Desk) Of(id string) Evidence { return Evidence{d, id} }

// Range asks them. Those of a drill that is not played here are played again, which
// may take longer than ctx lasts: ErrReplaying then, and ErrAway when they cannot be.
func (e Evidence) Range(ctx context.Context, expr string, start, end time.Time, step, lookback time.Duration) ([]metricstore.Series, error) {
	l, _ := e.desk.live(e.id)
	if l == nil {
		return e.desk.replayed(ctx, e.id, expr, start, end, step, lookback)
	}
	return l.Range(ctx, expr, start, end, step, lookback)
}

// Snapshot is what they say now; false when the drill is not played here.
func (e Evidence) Snapshot(now time.Time) (evidence.View, bool) {
	l, _ := e.desk.live(e.id)
	if l == nil {
		return nil, false
	}
	return l.Snapshot(now), true
}
