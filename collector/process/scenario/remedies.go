package scenario

import (
	"fmt"
	"slices"

	"github.com/faultline/faultline/collector/incident"
)

// remedy is what the story's company has configured; nil: it has no runner.
func (g *stage) remedy() func(string, incident.Incident) (incident.Remedy, bool) {
	if len(g.s.Remedies) == 0 {
		return nil
	}
	return func(name string, _ incident.Incident) (incident.Remedy, bool) {
		return incident.Remedy{Name: name, Checked: true}, slices.Contains(g.s.Remedies, name)
	}
}

// remedyOf is the remedy that a line of the story means: the one it proposes, or
// the newest there is.
func (g *stage) remedyOf(s Fact) *incident.Remedy {
	if s.Fact == string(incident.RemedyProposed) {
		return &incident.Remedy{ID: "new", Name: s.Choice, Checked: true}
	}
	if n := len(g.i.Remedies); n > 0 {
		return &incident.Remedy{ID: g.i.Remedies[n-1].ID}
	}
	return &incident.Remedy{ID: "none"}
}

// tellRemedy says what became of a remedy.
func tellRemedy(e incident.Event) string {
	m := e.Remedy
	by := e.Actor.Name
	if e.Actor.Kind == incident.System.Kind {
		by = "the process"
	}
	if e.Kind == incident.RemedyProposed {
		return fmt.Sprintf("remedy %s %s proposed by %s", m.ID, m.Name, by)
	}
	return fmt.Sprintf("remedy %s %s: dry run %s, run %s", m.ID, m.State, or(m.Check.State, "-"), or(m.Run.State, "-"))
}
