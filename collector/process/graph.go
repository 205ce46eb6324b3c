package process

import (
	"github.com/faultline/faultline/internal/lang"
)

// Graph is a process as a drawing needs it.
type Graph struct {
	Lanes []Lane
	Nodes []Node
	Edges []Edge
}

// Lane is a role.
type Lane struct {
	Role     string
	Title    lang.Text
	External bool
}

// Node is a step.
type Node struct {
	ID    string
	Lane  string // role; a final step lies in the lane it is reached from
	Title lang.Text
	Kind  string // start, task, decision, approval, verify, final
}

// Edge leads from step to step. Kind is choice, next, timeout, failed or reopen.
type Edge struct {
	From, To string
	Label    lang.Text
	Kind     string
}

// Graph returns nodes in the file's order and lanes in order of the roles, of
// which those without a step are left out. Measured recovery leads to the
// verifying step from every step; those edges are not repeated.
func (d *Definition) Graph() Graph {
	var g Graph
	used := map[string]bool{}
	for n := range d.Steps {
		s := &d.Steps[n]
		g.Nodes = append(g.Nodes, Node{ID: s.ID, Lane: d.lane(s), Title: s.Title, Kind: d.kind(n)})
		used[d.lane(s)] = true
		g.Edges = append(g.Edges, d.edges(s)...)
	}
	for _, r := range d.Roles {
		if used[r.ID] {
			g.Lanes = append(g.Lanes, Lane{Role: r.ID, Title: r.Title, External: r.External})
		}
	}
	return g
}

// lane is the step's role; a final step without one lies where it is reached from.
func (d *Definition) lane(s *StepDef) string {
	if s.Role != "" {
		return s.Role
	}
	for n := range d.Steps {
		for _, e := range d.edges(&d.Steps[n]) {
			if e.To == s.ID && d.Steps[n].Role != "" {
				return d.Steps[n].Role
			}
		}
	}
	return d.Owner
}

func (d *Definition) kind(n int) string {
	s := &d.Steps[n]
	switch {
	case s.Final:
		return "final"
	case s.Guard != nil:
		return "verify"
	case s.Approve != nil:
		return "approval"
	case n == 0:
		return "start"
	case s.Decide != nil:
		return "decision"
	}
	return "task"
}

// edges returns where the step can lead, in the order in which it is asked.
func (d *Definition) edges(s *StepDef) []Edge {
	var out []Edge
	add := func(to, kind string, label lang.Text) {
		out = append(out, Edge{From: s.ID, To: to, Kind: kind, Label: label})
	}
	if s.Decide != nil {
		for _, c := range s.Decide.Choices {
			add(c.To, "choice", c.Title)
		}
	}
	for _, n := range s.Next {
		label := n.Label
		if label.IsZero() {
			label = lang.Same(n.When)
		}
		add(n.To, "next", label)
	}
	for _, r := range s.Timeout {
		if r.To != "" {
			add(r.To, "timeout", lang.Text{ZH: "超时 " + r.After, EN: "after " + r.After})
		}
	}
	if s.Guard != nil && s.Guard.Failed != "back" {
		add(s.Guard.Failed, "failed", lang.Text{ZH: "未恢复", EN: "not recovered"})
	}
	return out
}
