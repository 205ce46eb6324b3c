package lint

import (
	"fmt"
	"slices"

	"github.com/faultline/faultline/collector/process"
)

// remedies finds steps whose remedies nobody can propose or approve, or nobody
// but who proposes.
func (l *linter) remedies() {
	for n := range l.d.Steps {
		s := &l.d.Steps[n]
		m := s.Remedy
		if m == nil {
			continue
		}
		path := step(n) + ".remedy"
		for _, r := range append(append([]string{m.Approve.By}, m.Approve.Delegates...), s.Proposers()...) {
			if role, ok := l.d.Role(r); ok && role.External && r != s.Role {
				l.fault("approval", path, "%s is outside the company: it neither proposes nor approves what is carried out here", r)
			}
		}
		if role, ok := l.d.Role(s.Role); ok && role.External && len(m.Propose) == 0 {
			l.fault("approval", path+".propose", "%s is outside the company: say who proposes", s.Role)
		}
		if slices.Contains(m.Approve.Delegates, m.Approve.By) {
			l.fault("approval", path+".approve.delegates", "%s stands in for itself", m.Approve.By)
		}
		l.remedyApproval(path, s)
		seen := map[string]bool{}
		for k, x := range m.Suggest {
			if seen[x.When] {
				l.fault("path", fmt.Sprintf("%s.suggest[%d].when", path, k), "%q is asked before already: this is never proposed", x.When)
			}
			seen[x.When] = true
		}
	}
}

func (l *linter) remedyApproval(path string, s *process.StepDef) {
	a := s.Remedy.Approve
	by, known := l.d.Role(a.By)
	asks := slices.Contains(s.Proposers(), a.By)
	holders, bounded := 0, true
	for _, r := range append([]string{a.By}, a.Delegates...) {
		role, ok := l.d.Role(r)
		bounded = bounded && ok && role.Single
		holders++
	}
	switch {
	case bounded && a.Min > holders:
		l.fault("approval", path+".approve.min", "%d approve, and only %d may", a.Min, holders)
	case !a.DenySelf && asks:
		l.fault("approval", path+".approve", "%s proposes and may approve its own proposal (deny_self)", a.By)
	case a.DenySelf && known && by.Single && len(a.Delegates) == 0 && len(s.Proposers()) == 1 && asks:
		l.fault("approval", path+".approve", "%s is one person, who proposes here: nobody may approve", a.By)
	}
}
