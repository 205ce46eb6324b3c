package people

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/faultline/faultline/collector/sla/ical"
	"github.com/faultline/faultline/internal/lang"
	"github.com/faultline/faultline/internal/yamlfile"
)

// Policy says who is told what, and how much at once: data of a People file.
type Policy struct {
	On        []Row         `yaml:"on"`
	PerMinute int           `yaml:"per_minute"` // messages to one receiver, all kinds
	Reserve   int           `yaml:"reserve"`    // of these, kept for priority 1
	Fold      int           `yaml:"fold"`       // more than this many waiting for one receiver become one digest
	Ack       AckPolicy     `yaml:"ack"`
	Every     time.Duration `yaml:"digest_every"` // at most one digest to a receiver in this time
}

// Row says who is told of one kind of event, and how.
type Row struct {
	Event      string   `yaml:"event"`      // opened, entered, warned, breached, late, escalated, vendor, reminder, closed, ...
	Tell       []string `yaml:"tell"`       // responsible, accountable, consulted, informed, reporter, or role:ROLE
	Priorities []int    `yaml:"priorities"` // empty: all
}

// words of Row.Tell that stand for the step's RACI and the reporter.
var tellWords = []string{"responsible", "accountable", "consulted", "informed", "reporter"}

// DefaultPolicy tells the responsible of everything, the accountable of what
// goes wrong, and the reporter of the beginning and the end.
func DefaultPolicy() Policy {
	return Policy{
		On: []Row{
			{Event: "opened", Tell: []string{"responsible", "informed", "reporter"}},
			{Event: "entered", Tell: []string{"responsible", "consulted", "informed"}},
			{Event: "warned", Tell: []string{"responsible"}},
			{Event: "breached", Tell: []string{"responsible", "accountable"}},
			{Event: "late", Tell: []string{"accountable", "role:hq_it_manager"}},
			{Event: "escalated", Tell: []string{"responsible", "accountable"}},
			{Event: "vendor", Tell: []string{"responsible"}},
			{Event: "reminder", Tell: []string{"responsible"}},
			{Event: "progress", Tell: []string{"role:hq_it_manager"}},
			{Event: "closed", Tell: []string{"responsible", "accountable", "informed", "reporter"}},
		},
		PerMinute: 15, Reserve: 5, Fold: 5, Every: 5 * time.Minute,
	}
}

func (l *loader) policy(f *yamlfile.File, p *Policy) {
	for n, row := range p.On {
		path := "notices.on[" + strconv.Itoa(n) + "]"
		if row.Event == "" || len(row.Tell) == 0 {
			l.fault(f, path, "a row names an event and who is told")
		}
		for _, word := range row.Tell {
			role, is := strings.CutPrefix(word, "role:")
			if !slices.Contains(tellWords, word) && (!is || len(l.o.Roles) > 0 && !slices.Contains(l.o.Roles, role)) {
				l.fault(f, path+".tell", "%q: want %s or role:ROLE", word, strings.Join(tellWords, ", "))
			}
		}
	}
	if p.PerMinute < 1 || p.Reserve < 1 || p.Reserve >= p.PerMinute || p.Fold < 1 || p.Every <= 0 {
		l.fault(f, "notices", "per_minute, reserve (smaller), fold and digest_every have to be more than 0")
	}
	l.d.Policy = *p
}

// Occasion is what happened in an incident, as far as it decides who is told.
type Occasion struct {
	Event       string
	Priority    int
	Site        string
	Affected    []string
	Responsible string // role ids of the step's RACI
	Accountable string
	Consulted   []string
	Informed    []string
	Reporter    string // person id; "" measurements
}

// Audience returns who is told of the occasion and why. Nobody is told of what
// they may not see, except the reporter and whoever the incident affects.
// missing names roles nobody is present in: the caller tells the process's
// owner.
func (d *Directory) Audience(o Occasion, at time.Time) (list []Told, missing []string) {
	words := map[string][]string{"responsible": {o.Responsible}, "accountable": {o.Accountable}, "consulted": o.Consulted, "informed": o.Informed}
	for _, row := range d.Policy.On {
		if row.Event != o.Event || len(row.Priorities) > 0 && !slices.Contains(row.Priorities, o.Priority) {
			continue
		}
		for _, word := range row.Tell {
			roles := words[word]
			if role, is := strings.CutPrefix(word, "role:"); is {
				roles = []string{role}
			}
			if word == "reporter" && d.Present(o.Reporter, at) {
				list = addTold(list, Told{Person: o.Reporter, Because: lang.Text{ZH: "报告人", EN: "reporter"}})
			}
			for _, role := range roles {
				who := d.allowed(d.Who(role, o.Site, at), o)
				if len(who) == 0 && role != "" && !slices.Contains(missing, role) {
					missing = append(missing, role)
				}
				list = addTold(list, who...)
			}
		}
	}
	return list, missing
}

func (d *Directory) allowed(list []Told, o Occasion) []Told {
	return slices.DeleteFunc(list, func(t Told) bool {
		p := d.byID[t.Person]
		return See(Viewer{Kind: "person", Roles: p.Roles, Sites: p.Sites, Disabled: p.Disabled}, Subject{Site: o.Site, Affected: o.Affected}) == Hidden
	})
}

// Quiet is when a person is not to be woken, by the wall of a zone. It never
// holds back priority 1, nor anything while the person is on call.
type Quiet struct {
	From string `yaml:"from"` // 22:00
	To   string `yaml:"to"`   // 07:30, of the next day if it is earlier than From
	Zone string `yaml:"zone"`

	from, to int // seconds of the day
	zone     *time.Location
}

func (q *Quiet) check() error {
	zone, err := zoneOf(q.Zone)
	if err != nil {
		return err
	}
	from, err1 := time.Parse("15:04", q.From)
	to, err2 := time.Parse("15:04", q.To)
	if err1 != nil || err2 != nil || from.Equal(to) {
		return fmt.Errorf("quiet from %q to %q: want times of day like 22:00 and 07:30", q.From, q.To)
	}
	q.zone = zone
	q.from, q.to = from.Hour()*3600+from.Minute()*60, to.Hour()*3600+to.Minute()*60
	return nil
}

// Until returns when the quiet ends that goes on at the time, if one does.
func (q *Quiet) Until(at time.Time) (time.Time, bool) {
	w := ical.WallOf(at, q.zone)
	in := w.Second >= q.from && w.Second < q.to
	if q.from > q.to {
		in = w.Second >= q.from || w.Second < q.to
	}
	if !in {
		return time.Time{}, false
	}
	end := ical.Wall{Year: w.Year, Month: w.Month, Day: w.Day, Second: q.to}
	if w.Second >= q.to {
		end = end.Add(1, 0)
	}
	return later(end.In(q.zone), at), true
}
