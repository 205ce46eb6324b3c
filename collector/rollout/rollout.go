// Package rollout decides which agents may have a new version and when: stage by
// stage, each proven by what its agents report, and back to the version before
// when one of them does not get well. It is pure: reports and now in, the next
// State and notes out. What a version is, a configuration or a program, it does
// not know.
package rollout

import (
	"cmp"
	"crypto/sha256"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"
)

// Phases of a State.
const (
	Idle       = ""            // nothing is to be changed
	Running    = "running"     // stages are given, one after another
	Paused     = "paused"      // a person stopped it where it is; a failure still takes it back
	Done       = "done"        // every stage is proven
	RolledBack = "rolled_back" // an agent did not get well: all are back at the version before
	Aborted    = "aborted"     // the same, by a person
	Refused    = "refused"     // it was taken back before, and does not come again by itself
)

// Stage is who gets a release next. Stages add up: those of earlier stages keep it.
type Stage struct {
	Agents  []string `yaml:"agents" json:"agents,omitempty"`   // ids
	Sites   []string `yaml:"sites" json:"sites,omitempty"`     // all agents of these sites
	Percent int      `yaml:"percent" json:"percent,omitempty"` // so many of all that change, those of earlier stages counted
}

// Plan is how releases are rolled out. The zero Plan gives everything at once and
// watches nothing.
type Plan struct {
	Stages   []Stage       `yaml:"stages" json:"stages"`
	Patience time.Duration `yaml:"patience" json:"patience"` // in which an agent of a stage must have applied it and be well
	Soak     time.Duration `yaml:"soak" json:"soak"`         // for so long it must have been well
}

// Defaults and bounds of a Plan.
const (
	defaultPatience = 5 * time.Minute
	mostStages      = 20
	// freshFor is how old an agent's last report may be for it to count as there.
	freshFor = 2 * time.Minute
	// mostRefused is how many refusals are remembered, the oldest forgotten first.
	mostRefused = 2000
)

// Validate names what is wrong with a plan.
func (p Plan) Validate() error {
	var errs []error
	if len(p.Stages) > mostStages {
		errs = append(errs, fmt.Errorf("rollout: %d stages, at most %d", len(p.Stages), mostStages))
	}
	for i, s := range p.Stages {
		if s.Percent < 0 || s.Percent > 100 {
			errs = append(errs, fmt.Errorf("rollout: stage %d: percent %d is not between 0 and 100", i+1, s.Percent))
		}
		if len(s.Agents) == 0 && len(s.Sites) == 0 && s.Percent == 0 {
			errs = append(errs, fmt.Errorf("rollout: stage %d names nobody: agents, sites or percent", i+1))
		}
	}
	if p.Patience < 0 || p.Soak < 0 || p.Patience > 0 && p.Soak >= p.Patience {
		errs = append(errs, errors.New("rollout: soak must be shorter than patience, and neither negative"))
	}
	return errors.Join(errs...)
}

// Change is an agent whose version is to change.
type Change struct {
	Agent, Site  string
	Before, Want string
}

// Report is the latest that an agent said of itself.
type Report struct {
	Version  string    // in force
	Rejected string    // a version it would not take, or could not start
	Problem  string    // why not, or what is not well
	Well     bool      // by its own measure
	At       time.Time // by the collector's clock
}

// Member is an agent of a release.
type Member struct {
	Site    string    `json:"site,omitempty"`
	Before  string    `json:"before"`
	Want    string    `json:"want"`
	Stage   int       `json:"stage"`
	Held    bool      `json:"held,omitempty"`    // this version was taken back from it before
	Given   time.Time `json:"given,omitzero"`    // when it was offered
	There   bool      `json:"there,omitempty"`   // it was heard of around then, so that silence counts
	Well    time.Time `json:"well,omitzero"`     // since when it has been well with it
	Proven  bool      `json:"proven,omitempty"`  // it has been for the plan's soak
	Trouble string    `json:"trouble,omitempty"` // what it said last, while it is not proven
}

// State is where one roll-out stands. Functions of this package return another
// and leave the one they were handed as it was.
type State struct {
	Release  string            `json:"release,omitempty"`
	Phase    string            `json:"phase,omitempty"`
	Plan     Plan              `json:"plan"`
	Stage    int               `json:"stage"` // index of the stage that is given now
	Began    time.Time         `json:"began,omitzero"`
	Since    time.Time         `json:"since,omitzero"` // of the stage or of the end
	Reason   string            `json:"reason,omitempty"`
	Members  map[string]Member `json:"members,omitempty"`
	Refusals []Refusal         `json:"refusals,omitempty"`
}

// Refusal is a release, or one agent's version of it, that was taken back.
type Refusal struct {
	Release string    `json:"release"`
	Agent   string    `json:"agent,omitempty"` // "": the whole release
	Want    string    `json:"want,omitempty"`
	Reason  string    `json:"reason"`
	At      time.Time `json:"at"`
}

// Note is something that happened, for people: stage, done, rolled_back, aborted,
// refused, paused, continued, retried.
type Note struct{ Kind, Text string }

// Errors of what people ask for.
var (
	ErrOver    = errors.New("no roll-out is under way")
	ErrNotOver = errors.New("nothing was taken back that could be tried again")
)

// Given is the version an agent is to have now; ok is false for agents that the
// release does not change.
func (s State) Given(agent string) (version string, ok bool) {
	m, ok := s.Members[agent]
	switch {
	case !ok:
		return "", false
	case m.Held:
		return m.Before, true
	case s.Phase == Done:
		return m.Want, true
	case (s.Phase == Running || s.Phase == Paused) && !m.Given.IsZero():
		return m.Want, true
	}
	return m.Before, true
}

// Active tells whether stages are being given.
func (s State) Active() bool { return s.Phase == Running || s.Phase == Paused }

// Begin starts a release: changes are the agents it changes. A release that is
// under way, done or taken back already stays as it is.
func Begin(s State, release string, plan Plan, changes []Change, now time.Time) (State, []Note) {
	if s.Release == release && s.Phase != Idle {
		return s, nil
	}
	s = s.clone()
	s.Release, s.Stage, s.Began, s.Since, s.Reason, s.Plan = release, 0, now, now, "", plan
	if s.Plan.Patience == 0 {
		s.Plan.Patience = defaultPatience
	}
	s.Members = members(release, plan, changes)
	for id, m := range s.Members {
		m.Held = s.refused(func(r Refusal) bool { return r.Agent == id && r.Want == m.Want })
		s.Members[id] = m
	}
	if len(s.Members) == 0 {
		s.Phase = Idle
		return s, nil
	}
	if i := slices.IndexFunc(s.Refusals, func(r Refusal) bool { return r.Release == release && r.Agent == "" }); i >= 0 {
		s.Phase, s.Reason = Refused, s.Refusals[i].Reason
		return s, []Note{{Refused, fmt.Sprintf("release %s was taken back before and is not given: %s", release, s.Reason)}}
	}
	s.Phase = Running
	return s, []Note{{"stage", fmt.Sprintf("release %s: stage 1 of %d begins, %d of %d agents", release, len(s.Plan.Stages), s.within(0), len(s.Members))}}
}

// members puts every change into a stage: those named first, then percentages in
// an order that the release's own hash gives, so that not always the same are first.
func members(release string, plan Plan, changes []Change) map[string]Member {
	out := map[string]Member{}
	last := max(len(plan.Stages)-1, 0)
	order := slices.SortedFunc(slices.Values(changes), func(a, b Change) int {
		return cmp.Or(cmp.Compare(rank(release, a.Agent), rank(release, b.Agent)), cmp.Compare(a.Agent, b.Agent))
	})
	for i, st := range plan.Stages {
		put := func(c Change) { out[c.Agent] = Member{Site: c.Site, Before: c.Before, Want: c.Want, Stage: i} }
		for _, c := range order {
			if _, there := out[c.Agent]; !there && (slices.Contains(st.Agents, c.Agent) || slices.Contains(st.Sites, c.Site)) {
				put(c)
			}
		}
		most := (len(order)*st.Percent + 99) / 100
		for _, c := range order {
			if _, there := out[c.Agent]; !there && len(out) < most {
				put(c)
			}
		}
	}
	for _, c := range order { // whom no stage names comes with the last
		if _, there := out[c.Agent]; !there {
			out[c.Agent] = Member{Site: c.Site, Before: c.Before, Want: c.Want, Stage: last}
		}
	}
	return out
}

func rank(release, agent string) string {
	sum := sha256.Sum256([]byte(release + "\x00" + agent))
	return string(sum[:8])
}

// within is how many members the stages up to this one have.
func (s State) within(stage int) (n int) {
	for _, m := range s.Members {
		if m.Stage <= stage && !m.Held {
			n++
		}
	}
	return n
}

func (s State) refused(which func(Refusal) bool) bool { return slices.ContainsFunc(s.Refusals, which) }

// clone copies what Step and the others change.
func (s State) clone() State {
	s.Members, s.Refusals = maps.Clone(s.Members), slices.Clone(s.Refusals)
	return s
}
