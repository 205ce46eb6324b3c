// Package diagnose says what failed, what kind of fault it is and how we know:
// from the evidence and the alerts that fire it finds the fewest roots that
// explain every alert exactly once. The hypotheses are data
// (rules/diagnosis/causes*.yaml). It is pure: it does no I/O, reads no clock and
// remembers nothing; package engine turns causes into incidents.
package diagnose

import (
	"cmp"
	"slices"
	"time"

	"github.com/faultline/faultline/collector/alert"
	"github.com/faultline/faultline/collector/evidence"
	"github.com/faultline/faultline/collector/incident"
	"github.com/faultline/faultline/collector/inventory"
)

// HoldOff is how long an alert waits for evidence that would decide its cause,
// unless Input or the rule says otherwise.
const HoldOff = 3 * time.Second

// Input is everything a diagnosis is made from.
type Input struct {
	View      evidence.View
	Inventory *inventory.Inventory
	Graph     *inventory.Graph // of Inventory; nil: made here, at every call
	Firing    []alert.Alert    // all that fire, unknown ones too
	Now       time.Time
	HoldOff   time.Duration // zero: HoldOff
}

// Held is an alert that waits for evidence.
type Held struct {
	Fingerprint string
	Until       time.Time
	Reason      string // the rule that waits
}

// Outcome is what the evidence says. Every firing alert that opens incidents is
// in one cause's Alerts at most. One that is in none is held, or is left over
// from an outage that is ending: no ground to say anything new.
type Outcome struct {
	Causes []incident.Diagnosis // in order of Cause
	Held   []Held               // in order of fingerprint
}

// Causes finds the roots. Hypotheses that hold are taken by rank, then by how
// many alerts they explain; each takes the alerts that no better one has taken,
// and one that finds none left is dropped. The order of the input does not matter.
func (r *Rules) Causes(in Input) Outcome {
	s := newScene(in, r.elements)
	if len(s.alerts) == 0 {
		return Outcome{}
	}
	found := r.candidates(s)
	slices.SortFunc(found, func(a, b *candidate) int {
		return cmp.Or(cmp.Compare(b.rule.Rank, a.rule.Rank), cmp.Compare(len(b.explained), len(a.explained)),
			cmp.Compare(a.cause, b.cause), cmp.Compare(a.rule.ID, b.rule.ID))
	})
	var out Outcome
	taken, roots := map[string]bool{}, map[string]*candidate{}
	for _, c := range found {
		left := slices.DeleteFunc(slices.Clone(c.explained), func(f *fact) bool { return taken[f.Fingerprint] })
		if !slices.ContainsFunc(left, func(f *fact) bool { return c.rule.Settles || !f.past }) {
			continue
		}
		for _, f := range left {
			taken[f.Fingerprint] = true
		}
		if first := roots[c.cause]; first != nil {
			first.explained = append(first.explained, left...)
			continue
		}
		c.explained = left
		roots[c.cause] = c
	}
	for _, c := range roots {
		if until, wait := c.waits(s); wait {
			for _, f := range c.explained {
				out.Held = append(out.Held, Held{Fingerprint: f.Fingerprint, Until: until, Reason: c.rule.ID})
			}
			continue
		}
		out.Causes = append(out.Causes, r.conclude(s, c))
	}
	slices.SortFunc(out.Causes, func(a, b incident.Diagnosis) int { return cmp.Compare(a.Cause, b.Cause) })
	slices.SortFunc(out.Held, func(a, b Held) int { return cmp.Compare(a.Fingerprint, b.Fingerprint) })
	return out
}

// candidate is a hypothesis that holds for one subject.
type candidate struct {
	rule      *Rule
	env       any
	root      root
	cause     string
	onset     time.Time
	wait      bool    // evidence that would decide is still to come
	explained []*fact // the alerts it explains, in order of fingerprint
}

// waits tells whether the candidate's alerts are held, and until when: counted
// from the first of them that fired.
func (c *candidate) waits(s *scene) (time.Time, bool) {
	if !c.wait {
		return time.Time{}, false
	}
	first := c.explained[0].FiredAt
	for _, f := range c.explained {
		if f.FiredAt.Before(first) {
			first = f.FiredAt
		}
	}
	until := first.Add(cmp.Or(c.rule.waitFor, s.holdOff))
	return until, s.now.Before(until)
}

// candidates tries every hypothesis on every subject of its scope.
func (r *Rules) candidates(s *scene) []*candidate {
	var out []*candidate
	subjects := map[string][]subject{} // by scope
	for _, rule := range r.list {
		if _, known := subjects[rule.Scope]; !known {
			subjects[rule.Scope] = s.subjects(rule.Scope)
		}
		for _, sub := range subjects[rule.Scope] {
			if !rule.holds(sub.env) {
				continue
			}
			c := &candidate{rule: rule, env: sub.env, onset: sub.onset, wait: rule.waits(sub.env)}
			c.root = s.rootOf(rule, sub)
			c.cause = c.root.key(rule)
			c.explained = s.explainedBy(rule, c.root)
			if slices.ContainsFunc(c.explained, func(f *fact) bool { return rule.Settles || !f.past }) {
				out = append(out, c)
			}
		}
	}
	return out
}
