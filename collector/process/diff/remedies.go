package diff

import (
	"slices"
	"strings"

	"github.com/faultline/faultline/collector/process"
	"github.com/faultline/faultline/internal/lang"
)

// remedy compares what may be carried out in a step and who has a word in it.
func (d *differ) remedy(a, b *process.StepDef) {
	x, y, t := a.Remedy, b.Remedy, b.Title
	if x == nil && y == nil {
		return
	}
	d.from("“%s”可执行的处置", "remedies that may be carried out in %q", remedyNames(x), remedyNames(y), t)
	if x == nil || y == nil {
		if y != nil {
			d.remedyPeople(&process.Remedy{}, y, "", d.people(b.Proposers()), t)
		}
		return
	}
	d.remedyPeople(x, y, d.people(a.Proposers()).EN, d.people(b.Proposers()), t)
}

// remedyPeople compares who proposes and approves, and what the process proposes
// by itself; before is who proposed, in English, "" nobody.
func (d *differ) remedyPeople(x, y *process.Remedy, before string, proposers, t lang.Text) {
	if before != proposers.EN {
		d.say("“%s”可提议处置的角色：%s", "who may propose remedies in %q: %s", t, proposers)
	}
	p, q := x.Approve, y.Approve
	d.from("“%s”的处置由谁批准", "who approves remedies in %q", d.role(p.By), d.role(q.By), t)
	d.from("“%s”的处置谁可代为批准", "who may approve remedies in %q in place", d.people(p.Delegates), d.people(q.Delegates), t)
	if p.Min != q.Min {
		d.say("“%s”的处置所需批准人数：由 %d 改为 %d", "how many approve a remedy in %q: from %d to %d", t, p.Min, q.Min)
	}
	d.from("“%s”的处置提议人不得自批", "who proposes a remedy in %q may not approve it", yes(p.DenySelf), yes(q.DenySelf), t)
	d.from("“%s”中流程自行提议的处置", "remedies that the process proposes by itself in %q", remedySuggests(x), remedySuggests(y), t)
}

func remedyNames(m *process.Remedy) lang.Text {
	switch {
	case m == nil:
		return lang.Text{}
	case len(m.Names) == 0:
		return lang.Text{ZH: "所有已配置的处置", EN: "all that are configured"}
	}
	names := slices.Sorted(slices.Values(m.Names))
	return lang.Text{ZH: strings.Join(names, "、"), EN: strings.Join(names, ", ")}
}

func remedySuggests(m *process.Remedy) lang.Text {
	var out []string
	for _, c := range m.Suggest {
		out = append(out, c.When+" ⇒ "+c.Name)
	}
	return lang.Same(strings.Join(out, "; "))
}
