package scoreboard

import (
	"cmp"
	"slices"
	"time"

	"github.com/faultline/faultline/collector/incident"
	"github.com/faultline/faultline/collector/inventory"
	"github.com/faultline/faultline/internal/lang"
)

// Vendor is what one vendor did about the tickets it got in a month.
type Vendor struct {
	ID         string    `json:"id"`
	Name       lang.Text `json:"name"`
	Kind       string    `json:"kind"`
	Incidents  int       `json:"incidents"`
	Response   known     `json:"response"` // from the ticket to the first answer
	Repair     known     `json:"repair"`   // from the ticket to measured recovery, without the time it waited for us
	LateAnswer int       `json:"late_answer"`
	LateRepair int       `json:"late_repair"`
	Claimed    int       `json:"claimed"`  // times it said fixed
	Proven     int       `json:"proven"`   // incidents whose recovery was measured and verified
	Early      int       `json:"early"`    // times it said fixed while the fault was measured
	Returns    int       `json:"returns"`  // tickets it sent back
	Reopened   int       `json:"reopened"` // relapses after verification
	Jobs       []Job     `json:"jobs"`
}

// Job is one ticket behind a vendor's figures.
type Job struct {
	Incident   string    `json:"incident"`
	ID         string    `json:"incident_id"`
	Title      lang.Text `json:"title"`
	Site       string    `json:"site"`
	OpenedAt   time.Time `json:"opened_at"`
	AnsweredAt time.Time `json:"answered_at,omitzero"`
	ClaimedAt  time.Time `json:"claimed_at,omitzero"` // first time it said fixed
	ProvenAt   time.Time `json:"proven_at,omitzero"`  // since when all measurements are good
	Waited     int64     `json:"waited_seconds,omitempty"`
	Response   int64     `json:"response_seconds,omitempty"`
	Repair     int64     `json:"repair_seconds,omitempty"`
	Unknown    string    `json:"unknown,omitempty"` // why times are not known: no calendar
	LateAnswer bool      `json:"late_answer,omitempty"`
	LateRepair bool      `json:"late_repair,omitempty"`
}

// vendors counts the tickets that were opened in the month.
func vendors(in Input, month span) []Vendor {
	by := map[string]*Vendor{}
	for i := range in.Cases {
		c := &in.Cases[i]
		if c.ParentID != "" {
			continue
		}
		for _, t := range c.Tickets {
			if t.Vendor == "" || !month.has(t.OpenedAt) || slices.Contains([]string{"withdrawn", "failed"}, t.State) && len(c.Tickets) > 1 {
				continue
			}
			v := by[t.Vendor]
			if v == nil {
				v = &Vendor{ID: t.Vendor, Name: lang.Same(t.VendorName), Kind: t.VendorKind, Jobs: []Job{}}
				if have, ok := in.Graph.Vendor(t.Vendor); ok && !have.Name.IsZero() {
					v.Name = have.Name
				}
				by[t.Vendor] = v
			}
			v.add(in, c, t)
		}
	}
	out := make([]Vendor, 0, len(by))
	for _, v := range by {
		v.Response.settle()
		v.Repair.settle()
		out = append(out, *v)
	}
	slices.SortFunc(out, func(a, b Vendor) int { return cmp.Compare(a.ID, b.ID) })
	return out
}

func (v *Vendor) add(in Input, c *Case, t incident.Ticket) {
	j := Job{Incident: c.Number, ID: c.ID, Title: c.Diagnosis.Title, Site: c.Diagnosis.Site, OpenedAt: t.OpenedAt}
	v.Incidents++
	down := lost(c, in.Now)
	for _, e := range c.Events {
		if e.Kind == incident.Reopened {
			v.Reopened++
		}
		if e.Kind != incident.VendorReported || e.At.Before(t.OpenedAt) {
			continue
		}
		if j.AnsweredAt.IsZero() {
			j.AnsweredAt = e.At
		}
		switch e.Choice {
		case "reported_fixed":
			v.Claimed++
			if j.ClaimedAt.IsZero() {
				j.ClaimedAt = e.At
			}
			if slices.ContainsFunc(down, func(s lostSpan) bool { return s.has(e.At) }) {
				v.Early++
			}
		case "returned":
			v.Returns++
		}
	}
	if n := len(down); n > 0 && !down[n-1].lasts && !c.VerifiedAt.IsZero() {
		j.ProvenAt = down[n-1].to
		v.Proven++
	}
	v.time(in, c, t, &j)
	v.Jobs = append(v.Jobs, j)
}

// time measures a job by the calendar of its contract.
func (v *Vendor) time(in Input, c *Case, t incident.Ticket, j *Job) {
	terms := termsOf(in, c, t)
	elapsed := func(from, to time.Time) time.Duration {
		if in.Elapsed == nil || j.Unknown != "" {
			return max(0, to.Sub(from))
		}
		d, err := in.Elapsed(terms.calendar, j.Site, from, to)
		if err != nil {
			j.Unknown = err.Error()
		}
		return d
	}
	answered := j.AnsweredAt
	if answered.IsZero() {
		answered = in.Now
	}
	response := elapsed(t.OpenedAt, answered)
	proven := j.ProvenAt
	if proven.IsZero() {
		proven = in.Now
	}
	var waited time.Duration
	for _, p := range pauses(c, in.Now) {
		if s := p.span.within(span{t.OpenedAt, proven}); !s.empty() {
			waited += elapsed(s.from, s.to)
		}
	}
	repair := max(0, elapsed(t.OpenedAt, proven)-waited)
	if j.Unknown != "" {
		return
	}
	j.Waited = int64(waited / time.Second)
	if !j.AnsweredAt.IsZero() {
		j.Response = int64(response / time.Second)
		v.Response.add(response)
	}
	if !j.ProvenAt.IsZero() {
		j.Repair = int64(repair / time.Second)
		v.Repair.add(repair)
	}
	if j.LateAnswer = terms.respond > 0 && response > terms.respond; j.LateAnswer {
		v.LateAnswer++
	}
	if j.LateRepair = terms.repair > 0 && repair > terms.repair; j.LateRepair {
		v.LateRepair++
	}
}

type terms struct {
	respond, repair time.Duration // 0: nothing agreed
	calendar        string
}

// termsOf are what was agreed for the thing that failed.
func termsOf(in Input, c *Case, t incident.Ticket) terms {
	if l, ok := in.Graph.Line(c.Diagnosis.Device); ok {
		return agreed(l.Respond, l.Repair, "always")
	}
	for _, k := range in.Graph.ContractsOf(c.Diagnosis.Device, t.OpenedAt) {
		if k.Vendor == t.Vendor {
			return agreed(k.Respond, k.Repair, cmp.Or(k.Calendar, "always"))
		}
	}
	return terms{calendar: "always"}
}

// agreed reads limits that the inventory's check has let pass.
func agreed(respond, repair, calendar string) terms {
	a, errA := inventory.ParseSpan(respond)
	b, errB := inventory.ParseSpan(repair)
	if errA != nil || errB != nil {
		return terms{calendar: calendar}
	}
	return terms{a, b, calendar}
}
