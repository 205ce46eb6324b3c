package ticket

import (
	"slices"
	"strings"

	"github.com/faultline/faultline/collector/effect"
	"github.com/faultline/faultline/collector/incident"
)

// Sheet is a ticket's content for a page: what its mails say, as values.
type Sheet struct {
	Lang                  string
	Number, Title, Vendor string
	Ask                   []string // the paragraphs before the facts
	Facts                 []Fact
	Proof, Decides        string
	Contact, Until        string // whom to call on site
	Sides                 []Side // what was measured of the thing itself
	Answers               []string
	Practice              bool
}

// Fact is one line of a ticket's table.
type Fact struct {
	Name, Value string
	Strong      bool
}

// Side is what was seen from one place.
type Side struct {
	Name  string // "" where nobody knows from where
	Items []Seen
}

// Seen is one observation in words.
type Seen struct {
	Text string
	Bad  bool
}

// Sheet returns the ticket's content. Of the evidence it holds what is about the
// device or line itself and nothing of others.
func (r *Renderer) Sheet(in Input) (Sheet, error) {
	in.Incident.Diagnosis.Evidence = Own(in.Incident.Diagnosis, in.Incident.Diagnosis.Evidence)
	if in.Effect.Params[effect.Reason] == "" {
		in.Effect.Params = map[string]string{effect.Reason: effect.ReasonOpened}
		if in.Incident.State != incident.StateOpen {
			in.Effect.Params[effect.Reason] = effect.ReasonRecovered
		}
	}
	v, l := newView(in), language(in.Vendor)
	lead, err := run(r.pick(in), "lead", v)
	if err != nil {
		return Sheet{}, err
	}
	s := Sheet{Lang: l, Number: v.Number, Title: v.Title, Vendor: v.Vendor, Proof: v.Proof, Decides: v.Decides, Contact: v.Site.Contact, Until: v.Until,
		Answers: answersFor(kindOf(in), l), Practice: v.Practice}
	for line := range strings.Lines(lead) {
		if line = strings.TrimSpace(line); line != "" {
			s.Ask = append(s.Ask, line)
		}
	}
	for _, f := range facts(v, l) {
		s.Facts = append(s.Facts, Fact(f))
	}
	for _, x := range v.Sides {
		side := Side{Name: x.Name}
		for _, y := range x.Items {
			side.Items = append(side.Items, Seen(y))
		}
		s.Sides = append(s.Sides, side)
	}
	return s, nil
}

// Own returns the observations about the diagnosis' own device or line, and the
// parts of it.
func Own(d incident.Diagnosis, all []incident.Observation) []incident.Observation {
	return slices.DeleteFunc(slices.Clone(all), func(o incident.Observation) bool {
		return d.Device == "" || o.Subject != d.Device && !strings.HasPrefix(o.Subject, d.Device+":")
	})
}
