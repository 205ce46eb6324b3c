package diagnose

import (
	"slices"

	"github.com/faultline/faultline/collector/evidence"
	"github.com/faultline/faultline/collector/inventory"
)

func portOf(device, name string) inventory.PortRef {
	return inventory.PortRef{Device: device, Name: name}
}

// among tells whether a sorted list holds a name.
func among(sorted []string, name string) bool {
	_, found := slices.BinarySearch(sorted, name)
	return found
}

// arrange puts the alerts, which are in order of fingerprint, where hypotheses
// look for them: no hypothesis looks at alerts it could not explain.
func (s *scene) arrange() {
	for n, f := range s.alerts {
		f.place, f.site = n, s.siteOf(f)
		s.about[f.subject] = append(s.about[f.subject], f)
		s.at[f.site] = append(s.at[f.site], f)
		if _, onLine := s.graph.Line(f.subject); onLine {
			s.onLines = append(s.onLines, f)
		}
		if from := f.Site(); from != f.site {
			s.from[from] = append(s.from[from], f)
		}
		if f.symptom == "silent" || f.symptom == "mute" {
			s.mute = append(s.mute, f)
		}
	}
}

// explainedBy returns the alerts that a root explains by a rule, in order.
func (s *scene) explainedBy(rule *Rule, r root) []*fact {
	var out []*fact
	for _, f := range s.near(rule, r) {
		for _, reach := range rule.reaches {
			if (reach.all || slices.Contains(reach.symptoms, f.symptom)) && s.stands(reach.relation, f, r) {
				out = append(out, f)
				break
			}
		}
	}
	return out
}

// reach is one relation in which alerts may stand to a root, and with which
// symptoms a rule explains them then.
type reach struct {
	relation string
	symptoms []string
	all      bool
}

func reachesOf(explains map[string][]string) []reach {
	var out []reach
	for _, relation := range relations {
		if list, ok := explains[relation]; ok {
			out = append(out, reach{relation: relation, symptoms: list, all: slices.Contains(list, "*")})
		}
	}
	return out
}

// near returns the alerts that may stand in one of a rule's relations to the
// root, each once and in order.
func (s *scene) near(rule *Rule, r root) []*fact {
	var out []*fact
	take := func(names ...string) {
		for _, name := range names {
			out = append(out, s.about[name]...)
		}
	}
	for _, reach := range rule.reaches {
		switch reach.relation {
		case "self", "part":
			take(r.device)
		case "alert":
			if r.fact != nil {
				out = append(out, r.fact)
			}
		case "behind":
			take(r.behind...)
			take(r.down...)
		case "lines", "answers", "carrier":
			out = append(out, s.onLines...)
		case "peer":
			take(r.down...)
		case "ports":
			take(r.device)
			take(r.behind...)
			for _, to := range append([]string{r.device}, r.down...) {
				for _, p := range s.graph.PortsTowards(to) {
					take(p.Device)
				}
			}
		case "from":
			out = append(out, s.from[r.site]...)
		case "site":
			out = append(out, s.at[r.site]...)
		default: // company
			return s.alerts
		}
	}
	if len(rule.reaches) > 1 || len(out) > 1 {
		slices.SortFunc(out, func(a, b *fact) int { return a.place - b.place })
		out = slices.Compact(out)
	}
	return out
}

// stands tells whether an alert stands in the relation to the root.
func (s *scene) stands(relation string, f *fact, r root) bool {
	switch relation {
	case "self":
		return f.subject == r.device
	case "part":
		return f.subject == r.device && f.Component() == r.component
	case "alert":
		return f == r.fact
	case "behind":
		return among(r.behind, f.subject) || f.subject != r.device && slices.Contains(r.down, f.subject)
	case "lines":
		return s.lineAt(f.subject, r)
	case "answers":
		l, ok := s.graph.Line(f.subject)
		return ok && f.subject != r.device && s.returnsOver(l) == r.device && s.noWorse(f.subject, r.device)
	case "peer":
		return f.element == evidence.Port && f.subject != r.device && slices.Contains(r.down, f.subject) && s.peerOf(r.device, r.component, f)
	case "ports":
		return f.element == evidence.Port && s.portAt(f, r)
	case "from":
		return f.site != r.site && f.Site() == r.site && s.elsewhere(f) != isBad
	case "site":
		return f.site == r.site
	case "carrier":
		l, ok := s.graph.Line(f.subject)
		return ok && l.Carrier == r.device
	default: // company
		return true
	}
}
