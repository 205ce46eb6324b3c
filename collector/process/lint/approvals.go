package lint

import (
	"slices"
	"strings"

	"github.com/faultline/faultline/collector/process"
)

// approvals finds approvals that nobody can give, or nobody but who asks.
func (l *linter) approvals() {
	for n := range l.d.Steps {
		s := &l.d.Steps[n]
		path := step(n)
		for _, word := range []string{"approved", "rejected"} {
			leads := slices.ContainsFunc(s.Next, func(x process.Next) bool { return x.When == word })
			switch {
			case s.Approve != nil && !leads:
				l.fault("approval", path+".approve", "%s leads nowhere (when: %s)", word, word)
			case s.Approve == nil && slices.ContainsFunc(s.Next, func(x process.Next) bool { return strings.Contains(x.When, word) }):
				l.fault("approval", path+".next", "nothing is approved in %s", s.ID)
			}
		}
		if s.Approve != nil {
			l.approval(path, s)
		}
	}
}

func (l *linter) approval(path string, s *process.StepDef) {
	a := s.Approve
	if a.By != s.Role {
		l.fault("approval", path+".approve.by", "%s approves in the lane of %s", a.By, s.Role)
	}
	for _, r := range append([]string{a.By}, a.Delegates...) {
		if role, ok := l.d.Role(r); ok && role.External {
			l.fault("approval", path+".approve", "%s is outside the company and approves nothing", r)
		}
	}
	if slices.Contains(a.Delegates, a.By) {
		l.fault("approval", path+".approve.delegates", "%s stands in for itself", a.By)
	}
	holders, bounded := 0, true
	for _, r := range append([]string{a.By}, a.Delegates...) {
		role, ok := l.d.Role(r)
		bounded = bounded && ok && role.Single
		holders++
	}
	asks := l.askers(s.ID)
	by, _ := l.d.Role(a.By)
	alone := by != nil && by.Single && slices.Contains(asks, a.By)
	switch {
	case bounded && a.Min > holders:
		l.fault("approval", path+".approve.min", "%d approve, and only %d may", a.Min, holders)
	case a.DenySelf && alone && len(a.Delegates) == 0:
		l.fault("approval", path+".approve", "%s is one person, who asks here: nobody but the requester may approve", a.By)
	case !a.DenySelf && slices.Contains(asks, a.By):
		l.fault("approval", path+".approve", "%s asks and may approve its own request (deny_self)", a.By)
	}
}

// askers are the roles that decide or do what leads to the step; approvals in
// between ask for nothing new.
func (l *linter) askers(to string) []string {
	var out []string
	seen := map[string]bool{to: true}
	for todo := []string{to}; len(todo) > 0; todo = todo[1:] {
		for n := range l.d.Steps {
			s := &l.d.Steps[n]
			if seen[s.ID] || !leadsTo(s, todo[0]) {
				continue
			}
			if s.Approve != nil {
				seen[s.ID] = true
				todo = append(todo, s.ID)
				continue
			}
			out = append(out, s.Role)
		}
	}
	return out
}

// leadsTo tells whether a person's word in s leads to the step.
func leadsTo(s *process.StepDef, to string) bool {
	if s.Decide != nil && slices.ContainsFunc(s.Decide.Choices, func(c process.Choice) bool { return c.To == to }) {
		return true
	}
	return slices.ContainsFunc(s.Next, func(n process.Next) bool { return n.To == to })
}
