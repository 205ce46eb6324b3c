package lint

import (
	"fmt"
	"slices"

	"github.com/faultline/faultline/collector/process"
)

// clocks finds clocks that never start, never run or never stop, and waiting
// that is charged to the wrong people.
func (l *linter) clocks() {
	pausable, steady := false, false
	for n := range l.d.Clocks {
		k := &l.d.Clocks[n]
		path := fmt.Sprintf("clocks[%d]", n)
		l.runs(path, k)
		l.outcome(path, k)
		l.pauses(path, k)
		pausable = pausable || len(k.Asked) > 0
		steady = steady || len(k.Asked) == 0 && len(k.Pauses) == 0 && slices.Contains(k.Starts, "opened") && !slices.Contains(k.Stops, "acked")
	}
	if pausable && !steady {
		l.fault("clock", "clocks", "people may let clocks wait: one clock from opening to end must not wait")
	}
	for n, r := range l.d.Reasons {
		used := slices.ContainsFunc(l.d.Clocks, func(k process.Clock) bool {
			return slices.Contains(k.Asked, r.ID) || slices.ContainsFunc(k.Pauses, func(p process.Pause) bool { return p.Reason == r.ID })
		})
		if !used {
			l.warn("clock", fmt.Sprintf("reasons[%d].id", n), "no clock waits because of %s", r.ID)
		}
	}
}

// outcome wants a limit that is passed to have a consequence.
func (l *linter) outcome(path string, k *process.Clock) {
	switch {
	case !k.ReportOnly && len(k.Breach.Notify) == 0 && k.Breach.To == "":
		l.fault("clock", path+".id", "nothing follows when %s is over", k.ID)
	case !k.ReportOnly && k.Warn == "":
		l.warn("clock", path+".id", "nobody is warned before %s is over", k.ID)
	}
	if (k.Late.After == "") != (len(k.Late.Notify) == 0) {
		l.fault("clock", path+".late", "lateness needs a time and somebody who is told")
	}
}

// pauses wants a clock to wait for those whose step it is, and to run in some
// step after it starts.
func (l *linter) pauses(path string, k *process.Clock) {
	seen := map[string]bool{}
	for n, p := range k.Pauses {
		at := fmt.Sprintf("%s.pauses[%d]", path, n)
		if p.Reason == "" {
			l.fault("clock", at, "a clock waits for a reason from the list (reasons)")
		}
		for m, id := range p.In {
			s, _ := l.d.Step(id)
			in := fmt.Sprintf("%s.in[%d]", at, m)
			want := s.Role
			if s.Guard != nil {
				want = process.OwnerSystem
			}
			switch {
			case seen[id]:
				l.fault("clock", in, "%s is there twice", id)
			case s.Final:
				l.fault("clock", in, "every clock ends in %s", id)
			case p.Owner != want:
				l.fault("clock", at+".owner", "in %s it is %s that is waited for, not %s", id, want, p.Owner)
			case k.Role != "" && p.Owner == k.Role:
				l.fault("clock", in, "the limit of %s must not wait for %s", k.Role, k.Role)
			}
			seen[id] = true
		}
	}
}

// runs follows the clock from where it starts.
func (l *linter) runs(path string, k *process.Clock) {
	from := map[string]bool{}
	for n, word := range k.Starts {
		at := l.stepsOf(word)
		if len(at) == 0 {
			l.fault("clock", fmt.Sprintf("%s.starts[%d]", path, n), "%s never happens in this process", word)
		}
		for _, id := range at {
			from[id] = true
		}
		if s, ok := l.d.Step(word); ok && s.Final {
			l.fault("clock", fmt.Sprintf("%s.starts[%d]", path, n), "every clock ends in %s", word)
		}
		if s, ok := l.d.Step(word); ok && k.Role != "" && s.Role != k.Role && s.Approve == nil && !slices.ContainsFunc(k.Starts, func(w string) bool { x, ok := l.d.Step(w); return ok && x.Role == k.Role }) {
			l.fault("clock", path+".role", "the limit of %s starts in steps of %s", k.Role, s.Role)
		}
	}
	surely := map[string]bool{} // entering stops it; words may happen in a step, or not
	for _, word := range k.Stops {
		if _, ok := l.d.Step(word); ok {
			surely[word] = true
		}
	}
	reached := map[string]bool{}
	for id := range from {
		l.reach(id, reached, surely)
	}
	stops := map[string]bool{}
	l.finals(path, k)
	for n, word := range k.Stops {
		at := l.stepsOf(word)
		hit := slices.ContainsFunc(at, func(id string) bool { return reached[id] })
		if !hit {
			l.fault("clock", fmt.Sprintf("%s.stops[%d]", path, n), "%s never happens after the clock starts", word)
		}
		for _, id := range at {
			stops[id] = true
		}
	}
	l.neverStops(path, k, reached, stops)
	paused := map[string]bool{}
	for _, p := range k.Pauses {
		for _, id := range p.In {
			paused[id] = true
		}
	}
	for id := range reached {
		if s, _ := l.d.Step(id); !s.Final && !paused[id] && !stops[id] {
			return
		}
	}
	if len(from) > 0 && len(k.Pauses) > 0 {
		l.fault("clock", path+".pauses", "%s waits in every step: it never runs", k.ID)
	}
}

// finals wants a clock that names one end of the process to name all of them,
// each once: every final step stops it.
func (l *linter) finals(path string, k *process.Clock) {
	named, missing := false, ""
	for n := range l.d.Steps {
		s := &l.d.Steps[n]
		switch in := slices.Contains(k.Stops, s.ID); {
		case s.Final && in:
			named = true
		case s.Final:
			missing = s.ID
		}
	}
	if named && missing != "" {
		l.fault("clock", path+".stops", "%s stops the clock as well, as every end does", missing)
	}
	for n, word := range k.Stops {
		if slices.Contains(k.Stops[:n], word) {
			l.fault("clock", fmt.Sprintf("%s.stops[%d]", path, n), "%s is there twice", word)
		}
	}
}

// neverStops finds steps from which the clock goes on to the end of the process.
func (l *linter) neverStops(path string, k *process.Clock, reached, stops map[string]bool) {
	for n := range l.d.Steps {
		s := &l.d.Steps[n]
		if !reached[s.ID] || stops[s.ID] || s.Final {
			continue
		}
		after := map[string]bool{}
		l.reach(s.ID, after, nil)
		if !slices.ContainsFunc(keys(after), func(id string) bool { return stops[id] }) {
			l.fault("clock", path+".stops", "%s never stops once %s is entered", k.ID, s.ID)
			return
		}
	}
}

// stepsOf are the steps in which the word happens.
func (l *linter) stepsOf(word string) []string {
	var out []string
	for n := range l.d.Steps {
		s := &l.d.Steps[n]
		hit := s.ID == word
		switch word {
		case "opened":
			hit = n == 0
		case "acked":
			hit = !s.Final
		case "verified":
			hit = s.Guard != nil
		case "reopened":
			for _, x := range l.d.Steps {
				hit = hit || x.Reopen != nil && x.Reopen.To == s.ID
			}
		case "ticket_opened", "ticket_withdrawn":
			hit = s.Ticket != nil
		}
		if hit {
			out = append(out, s.ID)
		}
	}
	return out
}

// reach adds the steps that can follow, the step itself included. Measured
// recovery leads to the step that proves it from everywhere. Nothing is followed
// past the steps of halt.
func (l *linter) reach(from string, seen, halt map[string]bool) {
	if seen[from] {
		return
	}
	seen[from] = true
	s, ok := l.d.Step(from)
	if !ok || s.Final || halt[from] {
		return
	}
	if g, ok := l.d.Guard(); ok {
		l.reach(g.ID, seen, halt)
	}
	for _, to := range l.leads[from] {
		l.reach(to, seen, halt)
	}
}

func keys(m map[string]bool) []string {
	var out []string
	for k := range m {
		out = append(out, k)
	}
	return out
}
