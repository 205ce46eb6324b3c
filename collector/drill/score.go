package drill

import (
	"cmp"
	"slices"
	"time"

	"github.com/faultline/faultline/collector/incident"
	"github.com/faultline/faultline/collector/scenario"
)

// What a decision was worth.
const (
	Right    = "right"
	Wrong    = "wrong"
	Unjudged = "unjudged" // the truth says nothing about this question
)

// Parts of a score, each with the points it can bring at most.
const (
	PartAnswer    = "answer"    // 25: acknowledged, within the limit
	PartDecisions = "decisions" // 35: of the decisions that the truth judges, how many were right
	PartClocks    = "clocks"    // 25: of the limits that ran, how many were kept
	PartEnd       = "end"       // 15: recovery measured (10) and confirmed by a person (5)
)

var most = map[string]int{PartAnswer: 25, PartDecisions: 35, PartClocks: 25, PartEnd: 15}

// lateAnswer is what a late acknowledgement is worth of a timely one.
const lateAnswer = 0.4

// Score is how a drill went.
type Score struct {
	Points    int        `json:"points"`             // of 100; parts with nothing to judge are left out of both
	Parts     []Part     `json:"parts"`              // in the order above
	FoundIn   *Seconds   `json:"found"`              // from the start to the first incident; absent: none was opened
	FoundAs   string     `json:"found_as,omitempty"` // class of the diagnosis it ended with
	FoundIt   bool       `json:"found_right"`        // class, device and kind of vendor are the truth's
	People    []Person   `json:"people"`
	Decisions []Decision `json:"decisions"`
	Clocks    []Clock    `json:"clocks"`
	Papers    []Paper    `json:"papers"`
}

// Seconds is a length of time, written in seconds.
type Seconds float64

// Part is one part of a score.
type Part struct {
	ID     string `json:"id"`
	Points int    `json:"points"`
	Most   int    `json:"most"` // 0: there was nothing to judge
}

// Person is what somebody did in a role.
type Person struct {
	Name      string   `json:"name"`
	Role      string   `json:"role"`
	FirstAck  *Seconds `json:"first_ack"` // from an incident's opening to this person's acknowledgement
	Acks      int      `json:"acks"`
	Right     int      `json:"right"`
	Wrong     int      `json:"wrong"`
	Unjudged  int      `json:"unjudged"`
	Overruled int      `json:"overruled"` // decisions against what the evidence suggested
	Approvals int      `json:"approvals"`
	Papers    int      `json:"papers"`
}

// Decision is one answer of a person.
type Decision struct {
	At        time.Time `json:"at"`
	Number    string    `json:"number"`
	Step      string    `json:"step"`
	By        string    `json:"by"`
	Role      string    `json:"role"`
	Choice    string    `json:"choice"`
	Truth     string    `json:"truth,omitempty"` // what the truth would have answered
	Worth     string    `json:"worth"`
	Overruled bool      `json:"overruled"`
	Comment   string    `json:"comment,omitempty"`
}

// Clock is how a limit fared.
type Clock struct {
	Number  string  `json:"number"`
	Name    string  `json:"name"`
	Role    string  `json:"role"`
	Target  string  `json:"target"`
	Used    Seconds `json:"used"`
	Kept    bool    `json:"kept"`
	Counted bool    `json:"counted"` // it makes points; those that only report do not
}

// Paper is a document that was handed in.
type Paper struct {
	Number string    `json:"number"`
	Kind   string    `json:"kind"`
	Name   string    `json:"name"`
	By     string    `json:"by"`
	At     time.Time `json:"at"`
}

// Course is one incident with its log.
type Course struct {
	Incident incident.Incident
	Events   []incident.Event
}

// Judge is what a score is made by. Suggest returns what the process of the
// incident suggests in the step for such an incident, "" for nothing; Counts
// tells whether a limit makes points.
type Judge struct {
	Suggest func(step string, i incident.Incident) string
	Counts  func(i incident.Incident, clock string) bool
}

// Rate scores a drill from its incidents' logs. It reads nothing else.
func Rate(r Record, list []Course, j Judge) Score {
	t := &tally{truth: r.Truth, judge: j, people: map[[2]string]*Person{}}
	list = slices.DeleteFunc(slices.Clone(list), func(c Course) bool { return c.Incident.ParentID != "" })
	slices.SortFunc(list, func(a, b Course) int { return a.Incident.OpenedAt.Compare(b.Incident.OpenedAt) })
	for _, c := range list {
		t.course(c)
	}
	if len(list) > 0 {
		in := Seconds(list[0].Incident.OpenedAt.Sub(r.StartedAt).Seconds())
		t.s.FoundIn, t.s.FoundAs = &in, list[0].Incident.Diagnosis.Class
		t.s.FoundIt = slices.ContainsFunc(list, func(c Course) bool { return isTrue(c.Incident, r.Truth) })
	}
	for _, p := range t.people {
		t.s.People = append(t.s.People, *p)
	}
	slices.SortFunc(t.s.People, func(a, b Person) int { return cmp.Or(cmp.Compare(a.Role, b.Role), cmp.Compare(a.Name, b.Name)) })
	t.sum(len(list))
	return t.s
}

func isTrue(i incident.Incident, truth scenario.Truth) bool {
	d := i.Diagnosis
	return d.Class == truth.Class && (truth.Device == "" || d.Device == truth.Device) && (truth.Vendor == "" || cmp.Or(d.VendorKind, incident.VendorNone) == truth.Vendor)
}

// tally adds up.
type tally struct {
	truth  scenario.Truth
	judge  Judge
	s      Score
	people map[[2]string]*Person

	answered, ends float64 // sums over incidents of what each is worth, 0 to 1
	right, judged  int
	kept, counted  int
}

// course takes one incident.
func (t *tally) course(c Course) {
	i := c.Incident
	step := ""
	for n, e := range c.Events {
		if e.Kind == incident.Entered {
			step = e.Step
		}
		if e.Actor.Kind == incident.System.Kind || e.Actor.Kind == "vendor" {
			continue
		}
		if !slices.Contains(scored, e.Kind) {
			continue
		}
		p := t.person(e.Actor)
		switch e.Kind {
		case incident.Acked:
			after := Seconds(e.At.Sub(i.OpenedAt).Seconds())
			if p.Acks++; p.FirstAck == nil || after < *p.FirstAck {
				p.FirstAck = &after
			}
		case incident.Decided:
			t.decision(i, cmp.Or(e.Step, step), e, p)
		case incident.Approved, incident.Rejected:
			p.Approvals++
		case incident.Attached:
			p.Papers++
			t.s.Papers = append(t.s.Papers, Paper{i.Number, e.Attachment.Kind, e.Attachment.Name, e.Actor.Name, c.Events[n].At})
		}
	}
	t.clocks(i, cutShort(c.Events))
	t.answered += answer(i)
	if !i.VerifiedAt.IsZero() {
		t.ends += 2. / 3
		if confirmed(c.Events) {
			t.ends += 1. / 3
		}
	}
}

// scored are the acts of people that a score tells of.
var scored = []incident.Kind{incident.Acked, incident.Decided, incident.Approved, incident.Rejected, incident.Attached}

// cutShort are the clocks that ran until the end of the drill closed the incident:
// whether they would have been kept nobody knows.
func cutShort(events []incident.Event) []string {
	var out []string
	closed := false
	for _, e := range events {
		closed = closed || e.Kind == incident.Closed
		if closed && e.Kind == incident.ClockStopped {
			out = append(out, e.Clock.Name)
		}
	}
	return out
}

// answer is what the acknowledgement is worth.
func answer(i incident.Incident) float64 {
	switch c, has := i.ClockNamed("respond"); {
	case !i.Acked:
		return 0
	case has && c.Breached:
		return lateAnswer
	}
	return 1
}

// confirmed tells whether a person confirmed what measurements had proved.
func confirmed(events []incident.Event) bool {
	verified := false
	for _, e := range events {
		verified = verified || e.Kind == incident.Verified
		if verified && e.Kind == incident.Decided && e.Actor.Kind != incident.System.Kind {
			return true
		}
	}
	return false
}

func (t *tally) decision(i incident.Incident, step string, e incident.Event, p *Person) {
	d := Decision{At: e.At, Number: i.Number, Step: step, By: e.Actor.Name, Role: e.Actor.Role, Choice: e.Choice, Comment: e.Comment, Worth: Unjudged,
		Overruled: e.Suggested != "" && e.Suggested != e.Choice}
	known := i
	known.Diagnosis.Class, known.Diagnosis.Provisional = t.truth.Class, false
	known.Diagnosis.Device, known.Diagnosis.VendorKind = cmp.Or(t.truth.Device, known.Diagnosis.Device), cmp.Or(t.truth.Vendor, known.Diagnosis.VendorKind)
	if d.Truth = t.judge.Suggest(step, known); d.Truth != "" {
		d.Worth = Wrong
		if d.Truth == e.Choice {
			d.Worth = Right
		}
	}
	switch d.Worth {
	case Right:
		p.Right++
		t.right, t.judged = t.right+1, t.judged+1
	case Wrong:
		p.Wrong++
		t.judged++
	default:
		p.Unjudged++
	}
	if d.Overruled {
		p.Overruled++
	}
	t.s.Decisions = append(t.s.Decisions, d)
}

func (t *tally) clocks(i incident.Incident, cut []string) {
	for _, c := range i.Clocks {
		x := Clock{Number: i.Number, Name: c.Name, Role: c.Role, Target: c.Target, Used: Seconds(c.Elapsed.Seconds()), Kept: !c.Breached,
			Counted: t.judge.Counts(i, c.Name) && (c.Breached || !slices.Contains(cut, c.Name))}
		t.s.Clocks = append(t.s.Clocks, x)
		if x.Counted {
			t.counted++
			if x.Kept {
				t.kept++
			}
		}
	}
}

func (t *tally) person(a incident.Actor) *Person {
	key := [2]string{a.Name, a.Role}
	if t.people[key] == nil {
		t.people[key] = &Person{Name: a.Name, Role: a.Role}
	}
	return t.people[key]
}

// sum makes the points.
func (t *tally) sum(incidents int) {
	share := map[string]float64{}
	if incidents > 0 {
		share[PartAnswer], share[PartEnd] = t.answered/float64(incidents), t.ends/float64(incidents)
	}
	if t.judged > 0 {
		share[PartDecisions] = float64(t.right) / float64(t.judged)
	}
	if t.counted > 0 {
		share[PartClocks] = float64(t.kept) / float64(t.counted)
	}
	got, of := 0., 0
	for _, id := range []string{PartAnswer, PartDecisions, PartClocks, PartEnd} {
		part := Part{ID: id}
		if worth, some := share[id]; some {
			part.Most, part.Points = most[id], int(worth*float64(most[id])+.5)
			got, of = got+worth*float64(most[id]), of+most[id]
		}
		t.s.Parts = append(t.s.Parts, part)
	}
	if of > 0 {
		t.s.Points = int(100*got/float64(of) + .5)
	}
}
