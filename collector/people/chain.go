package people

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/faultline/faultline/collector/sla"
	"github.com/faultline/faultline/internal/lang"
)

// Chain is an escalation: who is told after how long, while nobody acts.
type Chain struct {
	ID     string    `yaml:"id"`
	Title  lang.Text `yaml:"title"`
	Rungs  []Rung    `yaml:"rungs"`
	Repeat int       `yaml:"repeat"` // how often the whole chain comes again; 0 once
	Last   string    `yaml:"last"`   // role told when all rungs passed: never nobody
}

// Rung is one step of a chain.
type Rung struct {
	After    string   `yaml:"after"`    // since the rung before: 15m; 0m at once
	Calendar string   `yaml:"calendar"` // work or always; "" is always
	Tell     []string `yaml:"tell"`     // person:ID, role:ROLE, oncall:ROTA, oncall:ROTA/2

	after sla.Span
}

// Snapshot is a chain as it stood when it was triggered, with who was to be told
// then. It is stored with the incident: a chain, rota or override that changes
// later does not change who an escalation under way goes to, only access and
// absence do, at the moment of telling.
type Snapshot struct {
	Chain       string         `json:"chain"`
	Version     string         `json:"version"` // of the directory
	Site        string         `json:"site"`
	TriggeredAt time.Time      `json:"triggered_at"`
	Rungs       []SnapshotRung `json:"rungs"`
}

// SnapshotRung is one rung with its time and people.
type SnapshotRung struct {
	Due     time.Time `json:"due"`
	People  []Told    `json:"people"`
	Round   int       `json:"round"` // 1 is the first time through
	Last    bool      `json:"last,omitempty"`
	Problem string    `json:"problem,omitempty"` // why it has no due time by its calendar: it is due by the wall then
}

// Trigger makes the snapshot. calendar resolves work and always; where it knows
// no time (a year nobody entered) the rung is due by the wall and says why.
func (d *Directory) Trigger(id, site string, at time.Time, calendar func(word string) (*sla.Calendar, error)) (Snapshot, error) {
	c, ok := d.Chain(id)
	if !ok {
		return Snapshot{}, fmt.Errorf("escalate: no chain %q", id)
	}
	out := Snapshot{Chain: id, Version: d.version, Site: site, TriggeredAt: at}
	due := at
	for round := 1; round <= c.Repeat+1; round++ {
		for n := range c.Rungs {
			rung := SnapshotRung{Round: round}
			due, rung.Problem = c.Rungs[n].due(due, calendar)
			rung.Due = due
			for _, word := range c.Rungs[n].Tell {
				rung.People = addTold(rung.People, d.tell(word, site, due)...)
			}
			out.Rungs = append(out.Rungs, rung)
		}
	}
	if c.Last != "" {
		due = due.Add(max(c.Rungs[len(c.Rungs)-1].after.Time, lastAfter))
		out.Rungs = append(out.Rungs, SnapshotRung{Due: due, Round: c.Repeat + 1, Last: true, People: d.Who(c.Last, "", due)})
	}
	return out, nil
}

// lastAfter is the least time between the last rung and the role behind it.
const lastAfter = 15 * time.Minute

func (r *Rung) due(from time.Time, calendar func(string) (*sla.Calendar, error)) (time.Time, string) {
	wall := from.Add(r.after.Time + time.Duration(r.after.Days)*24*time.Hour)
	if r.after == (sla.Span{}) {
		return from, ""
	}
	word := r.Calendar
	if word == "" {
		word = "always"
	}
	cal, err := calendar(word)
	if err != nil {
		return wall, err.Error()
	}
	at, err := sla.Due(cal, from, r.after)
	if err != nil {
		return wall, err.Error()
	}
	return at, ""
}

// tell resolves one word of a rung.
func (d *Directory) tell(word, site string, at time.Time) []Told {
	kind, name, _ := strings.Cut(word, ":")
	switch kind {
	case "person":
		if t, ok := d.stand(name, at, lang.Text{ZH: "指定人员", EN: "named"}); ok {
			return []Told{t}
		}
	case "role":
		return d.Who(name, site, at)
	case "oncall":
		rota, level := rotaLevel(name)
		r, ok := d.Rota(rota)
		if !ok {
			return nil
		}
		for _, duty := range r.OnCall(at) {
			if duty.Level != level {
				continue
			}
			if t, ok := d.stand(duty.Person, at, lang.Text{ZH: "值班：" + r.Title.In(lang.ZH), EN: "on call: " + r.Title.In(lang.EN)}); ok {
				t.OnCall = true
				return []Told{t}
			}
		}
	}
	return nil
}

func rotaLevel(name string) (rota string, level int) {
	rota, n, ok := strings.Cut(name, "/")
	if !ok {
		return rota, 1
	}
	return rota, int(n[0] - '0')
}

func addTold(list []Told, more ...Told) []Told {
	for _, t := range more {
		if !slices.ContainsFunc(list, func(o Told) bool { return o.Person == t.Person }) {
			list = append(list, t)
		}
	}
	return list
}

// Next returns the first rung from n on that is due by now, and its people as
// they can be told now. It is called again after each rung with the next n; ok
// is false while nothing is due. An acknowledgement that holds stops the
// climbing: the caller asks Ack first.
func (s Snapshot) Next(n int, now time.Time) (rung SnapshotRung, ok bool) {
	if n >= len(s.Rungs) || s.Rungs[n].Due.After(now) {
		return SnapshotRung{}, false
	}
	return s.Rungs[n], true
}

// Reach returns who of the rung can be told now: access that was taken away and
// absence count from the moment on, deputies stand in. When nobody is left the
// rung is skipped at once and nobody is true.
func (d *Directory) Reach(r SnapshotRung, now time.Time) (list []Told, nobody bool) {
	for _, t := range r.People {
		if who, ok := d.stand(t.Person, now, t.Because); ok {
			who.OnCall = t.OnCall
			list = addTold(list, who)
		}
	}
	return list, len(list) == 0
}
