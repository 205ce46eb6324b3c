package lint

import (
	"fmt"
	"slices"

	"github.com/faultline/faultline/collector/process"
	"github.com/faultline/faultline/collector/sla"
)

func step(n int) string { return fmt.Sprintf("steps[%d]", n) }

// steps finds steps without deadlines, ladders that cannot be climbed, and
// people who have no part they can play.
func (l *linter) steps() {
	for n := range l.d.Steps {
		s, path := &l.d.Steps[n], step(n)
		if s.Final {
			continue
		}
		l.deadline(path, s)
		l.ladder(path, s)
		l.people(path, s)
		l.vendor(path, s)
		l.nexts(path, s)
	}
}

// deadline wants every step to have a time after which somebody else knows.
func (l *linter) deadline(path string, s *process.StepDef) {
	if len(s.Timeout) == 0 {
		l.fault("timeout", path+".id", "%s may take for ever: it has no timeout", s.ID)
		return
	}
	leads, others := false, false
	for _, r := range s.Timeout {
		leads = leads || r.To != ""
		others = others || r.To != "" || slices.ContainsFunc(r.Notify, func(x string) bool { return x != s.Role })
	}
	role, _ := l.d.Role(s.Role)
	switch {
	case !others:
		l.fault("timeout", path+".timeout", "when %s takes too long nobody but its own role is told", s.ID)
	case s.Guard != nil && !leads:
		l.fault("timeout", path+".timeout", "%s waits for measurements: a timeout must lead on", s.ID)
	case role != nil && role.External && !leads:
		l.fault("timeout", path+".timeout", "%s waits for somebody outside: a timeout must lead on", s.ID)
	}
}

// ladder finds rungs that come after the step was left, or before the rung
// above them, and rungs that lead to the step itself.
func (l *linter) ladder(path string, s *process.StepDef) {
	for n, r := range s.Timeout {
		if r.To == s.ID {
			l.fault("timeout", fmt.Sprintf("%s.timeout[%d].to", path, n), "%s leads to itself", s.ID)
		}
		if n == 0 {
			continue
		}
		before := s.Timeout[n-1]
		at := fmt.Sprintf("%s.timeout[%d].after", path, n)
		if before.Calendar != r.Calendar {
			continue
		}
		a, _ := sla.ParseSpan(before.After)
		b, _ := sla.ParseSpan(r.After)
		switch {
		case longer(a, b) || a == b:
			l.fault("timeout", at, "%s is not later than the rung before it, %s", r.After, before.After)
		case before.To != "":
			l.fault("timeout", at, "%s is left after %s already", s.ID, before.After)
		}
	}
}

func longer(a, b sla.Span) bool {
	if a.Days != b.Days {
		return a.Days > b.Days
	}
	return a.Time > b.Time
}

// people finds roles without a part, or with one that is not theirs.
func (l *linter) people(path string, s *process.StepDef) {
	role, ok := l.d.Role(s.Role)
	if !ok {
		return
	}
	if role.External && s.RACI.A == "" {
		l.fault("role", path+".role", "%s is outside the company: somebody inside must be accountable (raci.A)", s.Role)
	}
	if a, ok := l.d.Role(s.RACI.A); ok && a.External {
		l.fault("role", path+".raci.A", "%s is outside the company and cannot be accountable", a.ID)
	}
	if s.RACI.A == s.Role && s.RACI.A != "" {
		l.fault("role", path+".raci.A", "%s is responsible already", s.Role)
	}
	if role.External && s.Approve != nil {
		l.fault("approval", path+".approve", "%s is outside the company and approves nothing", s.Role)
	}
	seen := map[string]bool{}
	for n, r := range s.Notify {
		if seen[r] || r == s.Role {
			l.fault("role", fmt.Sprintf("%s.notify[%d]", path, n), "%s is told twice", r)
		}
		seen[r] = true
	}
	for n, r := range s.Notify {
		if x, ok := l.d.Role(r); ok && x.External {
			l.fault("role", fmt.Sprintf("%s.notify[%d]", path, n), "%s is outside the company: it is told by tickets", r)
		}
	}
}

// vendor wants the ticket to go to whose step it is.
func (l *linter) vendor(path string, s *process.StepDef) {
	role, ok := l.d.Role(s.Role)
	if !ok {
		return
	}
	if s.Ticket != nil && s.Ticket.VendorKind != "" {
		if want := process.VendorRole(s.Ticket.VendorKind); want != s.Role {
			l.fault("role", path+".role", "the step calls the %s, whose lane is %s, not %s", s.Ticket.VendorKind, want, s.Role)
		}
		if s.Ticket.Templates[s.Ticket.VendorKind] == "" {
			l.fault("ticket", path+".ticket", "no template for the %s", s.Ticket.VendorKind)
		}
	} else if role.External {
		l.fault("ticket", path+".role", "%s acts here and is never called: the step has no ticket", s.Role)
	}
	if role.External && !slices.ContainsFunc(s.Next, func(n process.Next) bool { return n.When == "vendor.returned" }) {
		l.fault("path", path+".next", "when %s returns the ticket the step leads nowhere (when: vendor.returned)", s.Role)
	}
}

// nexts finds conditions that can never be the first to hold, and work or
// answers that lead nowhere.
func (l *linter) nexts(path string, s *process.StepDef) {
	seen := map[string]bool{}
	leads := func(when string) bool {
		return slices.ContainsFunc(s.Next, func(n process.Next) bool { return n.When == when })
	}
	for n, x := range s.Next {
		if seen[x.When] {
			l.fault("path", fmt.Sprintf("%s.next[%d].when", path, n), "%q is asked before already: this never leads on", x.When)
		}
		seen[x.When] = true
		if x.To == s.ID {
			l.fault("path", fmt.Sprintf("%s.next[%d].to", path, n), "%s leads to itself", s.ID)
		}
	}
	if !s.Done.IsZero() && !leads("done") {
		l.fault("path", path+".done", "work that is done leads nowhere (when: done)")
	}
	if s.Done.IsZero() && leads("done") {
		l.fault("path", path+".next", "nobody can say that the work is done here: the step has no done")
	}
	if s.Decide == nil && s.Done.IsZero() && s.Approve == nil && s.Guard == nil && len(s.Next) == 0 {
		l.fault("path", path+".id", "nobody can do anything in %s: it only waits for its timeout", s.ID)
	}
}

// decisions finds choices without a way.
func (l *linter) decisions() {
	for n := range l.d.Steps {
		s := &l.d.Steps[n]
		if s.Decide == nil {
			continue
		}
		path := step(n) + ".decide.choices"
		if l.d.Steps[n].Role == "" {
			l.fault("decision", path, "nobody decides: the step has no role")
		}
		for m, c := range s.Decide.Choices {
			if c.To == s.ID {
				l.fault("decision", fmt.Sprintf("%s[%d].to", path, m), "the answer %s leads back to the question", c.ID)
			}
			for _, need := range c.Needs {
				if !slices.Contains(s.Documents, need.Document) {
					l.fault("evidence", fmt.Sprintf("%s[%d].needs", path, m), "%s is needed and not asked for in documents", need.Document)
				}
			}
		}
		if len(s.Suggest) > 0 && s.Decide.OnOverride == "" {
			l.warn("decision", step(n)+".suggest", "the evidence suggests an answer and may be overruled without a word (on_override)")
		}
	}
	for n, s := range l.d.Steps {
		for m, need := range s.Needs {
			if !slices.Contains(s.Documents, need.Document) {
				l.fault("evidence", fmt.Sprintf("%s.needs[%d]", step(n), m), "%s is needed and not asked for in documents", need.Document)
			}
		}
	}
}

// ends wants each final step to leave its row and to be told to somebody, and
// faults to be open to a second look.
func (l *linter) ends() {
	for n, s := range l.d.Steps {
		if !s.Final {
			continue
		}
		if !slices.Contains(s.Produce, "report_row") {
			l.fault("report", step(n)+".id", "%s leaves no row in the report (produce: report_row)", s.ID)
		}
		if len(s.Notify) == 0 {
			l.fault("role", step(n)+".id", "nobody is told that it ends in %s", s.ID)
		}
		switch {
		case s.Reopen == nil:
			l.fault("reopen", step(n)+".id", "what ends in %s cannot be opened again", s.ID)
		case slices.ContainsFunc(l.d.Steps, func(x process.StepDef) bool { return x.ID == s.Reopen.To && (x.Final || x.Guard != nil) }):
			l.fault("reopen", step(n)+".reopen.to", "%s is no step where work goes on", s.Reopen.To)
		}
	}
}
