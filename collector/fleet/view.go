package fleet

import (
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/faultline/faultline/collector/assign"
	"github.com/faultline/faultline/collector/rollout"
)

// States of a View.
const (
	StateOK         = "ok"
	StateWaiting    = "waiting"     // its stage has not come, or it has not applied it yet
	StateRejected   = "rejected"    // it would not take what it is handed
	StateRolledBack = "rolled_back" // it is kept at the version before
	StateUnheard    = "unheard"     // it never said what it has
)

// View is one agent for people and programs.
type View struct {
	Agent   string    `json:"agent"`
	Site    string    `json:"site"`
	State   string    `json:"state"`
	Wanted  string    `json:"wanted"`            // version of its settings as the files say
	Handed  string    `json:"handed"`            // version that it is handed now
	Applied string    `json:"applied,omitempty"` // version that it says it has
	Why     string    `json:"why,omitempty"`     // why Applied is not Wanted
	Since   time.Time `json:"since,omitzero"`    // since when it differs
	HeardAt time.Time `json:"heard_at,omitzero"`
	Targets int       `json:"targets"`
	Up      int       `json:"up"`
	Program string    `json:"program,omitempty"`         // version it runs
	Release string    `json:"program_wanted,omitempty"`  // version it is to run
	WhyNot  string    `json:"program_problem,omitempty"` // why it does not run that
	Own     []string  `json:"own,omitempty"`             // settings that its own file decides

	Values []assign.Value `json:"values,omitempty"` // each setting and where it comes from
}

// RolloutView is one roll-out for people and programs.
type RolloutView struct {
	Kind    string    `json:"kind"`
	Release string    `json:"release"`
	Phase   string    `json:"phase"`
	Stage   int       `json:"stage"` // from 1; 0: there is none
	Stages  int       `json:"stages"`
	Members int       `json:"members"`
	Given   int       `json:"given"`
	Proven  int       `json:"proven"`
	Began   time.Time `json:"began,omitzero"`
	Since   time.Time `json:"since,omitzero"`
	Reason  string    `json:"reason,omitempty"`
	May     []string  `json:"may"` // commands that would be taken now
}

// Short is a version of settings as people read it.
func Short(version int64) string {
	if version == 0 {
		return ""
	}
	return fmt.Sprintf("%013x", version)
}

// Agents are all agents, by site and name.
func (f *Fleet) Agents() []View {
	f.mu.Lock()
	defer f.mu.Unlock()
	out := make([]View, 0, len(f.handouts))
	for _, id := range slices.Sorted(maps.Keys(f.handouts)) {
		out = append(out, f.viewLocked(id))
	}
	slices.SortStableFunc(out, func(a, b View) int {
		switch {
		case a.Site < b.Site:
			return -1
		case a.Site > b.Site:
			return 1
		}
		return 0
	})
	return out
}

func (f *Fleet) viewLocked(id string) View {
	h := f.handouts[id]
	handed, _ := f.workLocked(id)
	v := View{Agent: id, Site: h.Site, State: StateOK, Wanted: Short(h.Work.Version), Handed: Short(handed.Version), Values: h.Values, Release: h.Program}
	r, heard := f.reports[id]
	if heard {
		v.Applied, v.HeardAt, v.Targets, v.Up, v.Program, v.Own, v.WhyNot = Short(r.Version), r.At, r.Targets, r.Up, r.AgentState.Program, r.Own, r.Why
	}
	m := f.states[Settings].Members[id]
	switch {
	case !heard:
		v.State, v.Why = StateUnheard, "it has not said what it has"
	case r.Rejected != 0 && r.Rejected == handed.Version:
		v.State, v.Why, v.Since = StateRejected, r.Problem, r.differ
	case handed.Version != h.Work.Version:
		s := f.states[Settings]
		v.State, v.Since = StateWaiting, s.Since
		v.Why = fmt.Sprintf("stage %d, the roll-out is at %d", m.Stage+1, s.Stage+1)
		if !s.Active() {
			v.State, v.Why = StateRolledBack, s.Reason
		}
		if m.Held {
			v.State, v.Why = StateRolledBack, "this version was taken back from it before"
		}
	case r.Version != handed.Version:
		v.State, v.Why, v.Since = StateWaiting, "it has not applied it yet", r.differ
	}
	if v.Release != "" && v.Program != v.Release && v.WhyNot == "" {
		v.WhyNot = f.whyNoProgramLocked(id, h)
	}
	return v
}

func (f *Fleet) whyNoProgramLocked(id string, h assign.Handout) string {
	s := f.states[Program]
	if _, there := f.o.Find(h.Program); !there {
		return "there is no signed release " + h.Program
	}
	if r, heard := f.reports[id]; heard && !r.Updatable {
		return "its program is the package manager's, or it knows no key of releases"
	}
	if s.Active() {
		return fmt.Sprintf("stage %d, the roll-out is at %d", s.Members[id].Stage+1, s.Stage+1)
	}
	return s.Reason
}

// Rollouts are the roll-outs, settings first.
func (f *Fleet) Rollouts() []RolloutView {
	f.mu.Lock()
	defer f.mu.Unlock()
	var out []RolloutView
	for _, kind := range Kinds() {
		s := f.states[kind]
		v := RolloutView{Kind: kind, Release: s.Release, Phase: s.Phase, Stages: len(s.Plan.Stages), Members: len(s.Members), Began: s.Began, Since: s.Since, Reason: s.Reason, May: []string{}}
		for id, m := range s.Members {
			if given, _ := s.Given(id); given == m.Want {
				v.Given++
			}
			if m.Proven {
				v.Proven++
			}
		}
		switch s.Phase {
		case rollout.Running:
			v.Stage, v.May = s.Stage+1, []string{"pause", "abort"}
		case rollout.Paused:
			v.Stage, v.May = s.Stage+1, []string{"continue", "abort"}
		case rollout.RolledBack, rollout.Aborted, rollout.Refused:
			v.May = []string{"retry"}
		}
		out = append(out, v)
	}
	return out
}

// meters shows agents by state, and roll-outs that were taken back.
type meters struct{ f *Fleet }

var (
	agentsDesc = prometheus.NewDesc("faultline_fleet_agents", "Agents by how what they have stands to what they are to have.", []string{"state"}, nil)
	backDesc   = prometheus.NewDesc("faultline_fleet_taken_back", "1 while the newest roll-out was taken back by itself.", []string{"kind"}, nil)
)

// Describe implements prometheus.Collector.
func (meters) Describe(ch chan<- *prometheus.Desc) {
	ch <- agentsDesc
	ch <- backDesc
}

// Collect implements prometheus.Collector.
func (m meters) Collect(ch chan<- prometheus.Metric) {
	n := map[string]int{}
	for _, v := range m.f.Agents() {
		n[v.State]++
	}
	for _, state := range []string{StateOK, StateWaiting, StateRejected, StateRolledBack, StateUnheard} {
		ch <- prometheus.MustNewConstMetric(agentsDesc, prometheus.GaugeValue, float64(n[state]), state)
	}
	for _, r := range m.f.Rollouts() {
		back := 0.0
		if r.Phase == rollout.RolledBack {
			back = 1
		}
		ch <- prometheus.MustNewConstMetric(backDesc, prometheus.GaugeValue, back, r.Kind)
	}
}
