package engine

import (
	"context"
	"slices"
	"time"

	"github.com/faultline/faultline/collector/alert"
	"github.com/faultline/faultline/collector/incident"
)

// Round is one evaluation of the alert rules.
type Round struct {
	Now     time.Time
	Firing  []alert.Alert // all that fire
	Changed []alert.Alert // to be stored: state or values that matter changed
	Dropped []string      // fingerprints no longer known
}

// HandleAlerts takes a round of alerts, opens, joins, re-classifies and folds
// incidents. The alert state is committed first, with what the first few
// incidents get of it and all that concerns two incidents at once; in a storm the
// others follow few at a time, so that nobody who acts waits for all of them. On
// an error the round shall be evaluated again: what was committed is not done
// twice, since it follows from how the incidents stand.
func (e *Engine) HandleAlerts(ctx context.Context, r Round) error {
	e.rounds.Lock()
	defer e.rounds.Unlock()
	p, unlock, err := e.meaning(ctx, r)
	if err != nil {
		return err
	}
	shares := p.shares()
	for n, s := range shares {
		if n > 0 {
			unlock = e.lockInTurn()
		}
		err := e.takeLocked(ctx, r, p, s, n == 0)
		if err == nil && n == len(shares)-1 {
			e.fates = p.all
		}
		unlock()
		if err != nil {
			return err
		}
	}
	return nil
}

// meaning finds what a round means for the incidents, and returns with the engine
// locked unless it fails. Both the diagnosis and the correlation are made while
// others go on; should what they do matter to it, the latter is made again.
func (e *Engine) meaning(ctx context.Context, r Round) (p plan, unlock func(), err error) {
	if _, ok := e.o.Lease(); !ok {
		return p, nil, ErrFenced
	}
	few, groups := thin(r.Firing)
	found := whole(e.o.Diagnose(few, r.Now), groups)
	in := round{now: r.Now, causes: found.Causes, held: found.Held, settle: e.o.Settle,
		firing: byFingerprint(r.Firing), known: byFingerprint(r.Changed),
		topology: e.topology(), quiet: e.quiet(r.Now), checked: e.look(r.Now), split: e.o.Split, newID: newID}
	e.mu.Lock()
	if _, err := e.loadLocked(ctx); err != nil {
		e.mu.Unlock()
		return p, nil, err
	}
	incidents, generation, turn := e.facedLocked(&in)
	e.mu.Unlock()
	p = correlate(incidents, in)
	unlock = e.lockInTurn()
	gen, err := e.loadLocked(ctx)
	if err != nil {
		unlock()
		return p, nil, err
	}
	if gen != generation || e.turn != turn {
		incidents, _, _ = e.facedLocked(&in)
		p = correlate(incidents, in)
	}
	e.reconsiderLocked(incidents, &p, r.Now)
	return p, unlock, nil
}

// facedLocked is what a round is held against, and the counters that tell whether
// it is still so.
func (e *Engine) facedLocked(in *round) (incidents []*incident.Incident, generation, turn int64) {
	in.apart, in.hushed, in.moved = e.apart, e.hushed, e.moved
	return e.open.those(fault), e.loaded, e.turn
}

// matters tells whether a change of an incident may change what a round of alerts
// means for it or for others.
func matters(before, after *incident.Incident) bool {
	return before.State != after.State || before.ParentID != after.ParentID || !before.RecoveredAt.Equal(after.RecoveredAt) ||
		!before.VerifiedAt.Equal(after.VerifiedAt) || before.Reclassified != after.Reclassified || before.Diagnosis.Cause != after.Diagnosis.Cause ||
		before.Diagnosis.Provisional != after.Diagnosis.Provisional || len(before.Diagnosis.Affected) != len(after.Diagnosis.Affected)
}

// look returns Options.Checked's answer, asked for when it is needed first.
func (e *Engine) look(now time.Time) func(alert.Alert) time.Time {
	if e.o.Checked == nil {
		return nil
	}
	var seen func(alert.Alert) time.Time
	return func(a alert.Alert) time.Time {
		if seen == nil {
			seen = e.o.Checked(now)
		}
		return seen(a)
	}
}

// takeLocked commits a share of a round, the first with the alert state and what
// is remembered of the round.
func (e *Engine) takeLocked(ctx context.Context, r Round, p plan, s share, first bool) error {
	gen, err := e.loadLocked(ctx)
	if err != nil {
		return err
	}
	c := Commit{Generation: gen}
	if first {
		c.Alerts, c.DropAlerts = r.Changed, r.Dropped
	}
	if err := e.addShareLocked(ctx, &c, p, s, r.Now); err != nil {
		return err
	}
	if !first {
		return e.commitLocked(ctx, c)
	}
	apart, hushed, moved, at := e.apart, e.hushed, e.moved, e.at
	e.apart, e.hushed, e.moved, e.at = p.apart, p.hushed, p.moved, r.Now
	if err := e.commitLocked(ctx, c); err != nil {
		e.apart, e.hushed, e.moved, e.at = apart, hushed, moved, at
		return err
	}
	e.turn++ // the next round begins with what this one remembers
	return nil
}

// addShareLocked makes a share of a plan part of the commit. One incident that
// cannot take its facts must not hold up the others: it is told again in the next
// round.
func (e *Engine) addShareLocked(ctx context.Context, c *Commit, p plan, s share, now time.Time) error {
	for _, id := range s.ids {
		i, ok := e.open.get(id)
		if !ok {
			continue
		}
		if err := e.addLocked(c, *i, e.routed(shorten(bundle(p.facts[id]), len(i.Alerts)), now)); err != nil {
			e.o.Logger.Error("judge incident", "err", err)
		}
	}
	numbers, err := e.numbers(ctx, s.open, now)
	if err != nil {
		return err
	}
	for n, o := range s.open {
		if _, err := e.addOpeningLocked(c, o, numbers[n], now); err != nil {
			e.o.Logger.Error("open incident", "drill", o.drill, "cause", o.diagnosis.Cause, "err", err)
		}
	}
	return nil
}

// share is what one commit takes of a plan.
type share struct {
	ids  []string // whose facts
	open []opening
}

// atOnce is how many incidents one commit of a round changes or opens, beside
// those that belong together.
const atOnce = 16

// whole is the share that is all of the plan.
func (p plan) whole() share { return share{sortedKeys(p.facts), p.open} }

// shares divides a plan. What is told of two incidents at once, a child to its
// parent or alerts that leave one for another, is in the first share.
func (p plan) shares() []share {
	var first, alone share
	for _, id := range sortedKeys(p.facts) {
		if slices.ContainsFunc(p.facts[id], concernsAnother) {
			first.ids = append(first.ids, id)
		} else {
			alone.ids = append(alone.ids, id)
		}
	}
	for _, o := range p.open {
		if o.from != "" {
			first.open = append(first.open, o)
		} else {
			alone.open = append(alone.open, o)
		}
	}
	n := min(atOnce, len(alone.ids))
	first.ids, alone.ids = append(first.ids, alone.ids[:n]...), alone.ids[n:]
	slices.Sort(first.ids)
	n = min(atOnce-n, len(alone.open))
	first.open, alone.open = append(first.open, alone.open[:n]...), alone.open[n:]
	out := []share{first}
	for ids := range slices.Chunk(alone.ids, atOnce) {
		out = append(out, share{ids: ids})
	}
	for open := range slices.Chunk(alone.open, atOnce) {
		out = append(out, share{open: open})
	}
	return out
}

func concernsAnother(e incident.Event) bool {
	switch e.Kind {
	case incident.Adopted, incident.Folded, incident.AlertLeft:
		return true
	}
	return e.ChildID != "" || e.ParentID != ""
}
