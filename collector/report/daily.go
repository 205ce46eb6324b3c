package report

import (
	"cmp"
	"slices"
	"time"

	"github.com/faultline/faultline/collector/incident"
	"github.com/faultline/faultline/internal/lang"
)

// Daily is the technical report of a day (技术日报): what managers read in a few
// lines. It is made once and kept as it was made.
type Daily struct {
	Day       string       `json:"day"` // 2026-11-21, of the hour it is due
	From      time.Time    `json:"from"`
	To        time.Time    `json:"to"`
	Zone      string       `json:"zone"`
	MadeAt    time.Time    `json:"made_at"`
	Opened    []DailyItem  `json:"opened"`
	Closed    []DailyItem  `json:"closed"`
	Late      []DailyItem  `json:"late"`     // a limit broken, opened in the day or still open
	Capacity  []DailyItem  `json:"capacity"` // open, about something that fills up
	Lines     []DailyLine  `json:"lines"`
	Branches  []DailyPlace `json:"branches"`            // what is open, by site; sites with nothing open are left out
	NoMeasure bool         `json:"no_measure,omitzero"` // availability could not be read
}

// DailyItem is one incident in the report.
type DailyItem struct {
	ID       string    `json:"id"`
	Number   string    `json:"number"`
	Site     string    `json:"site"`
	SiteName lang.Text `json:"site_name"`
	Title    lang.Text `json:"title"`
	Severity string    `json:"severity"`
	State    string    `json:"state"`
	OpenedAt time.Time `json:"opened_at"`
	ClosedAt time.Time `json:"closed_at,omitzero"`
	Minutes  float64   `json:"minutes,omitempty"` // of outage, once over
}

// DailyLine is how much of the day a leased line carried.
type DailyLine struct {
	ID        string    `json:"id"`
	Name      lang.Text `json:"name"`
	Site      string    `json:"site"`
	Available float64   `json:"available"`        // 0 to 1 of the time measured
	Unknown   bool      `json:"unknown,omitzero"` // nothing was measured
}

// DailyPlace counts what is open at a site.
type DailyPlace struct {
	Site     string    `json:"site"`
	Name     lang.Text `json:"name"`
	Open     int       `json:"open"`
	Verified int       `json:"verified"` // recovery proven, confirmation awaited
	Oldest   time.Time `json:"oldest"`
}

// DailyInput is what a report is made of. Incidents are those opened or closed
// in the day and those open at its end; practice and folded ones are left out
// here.
type DailyInput struct {
	From, To, Now time.Time
	Zone          *time.Location
	Incidents     []incident.Incident
	SiteName      func(site string) lang.Text
	Lines         []DailyLine
	NoMeasure     bool
}

// capacity are the symptoms (rules' faultline_symptom) of what fills up.
var capacity = []string{"filling", "full", "exhausted", "busy", "overload"}

// MakeDaily makes the report of [From, To).
func MakeDaily(in DailyInput) Daily {
	d := Daily{Day: in.To.In(in.Zone).Format(time.DateOnly), From: in.From.UTC(), To: in.To.UTC(), Zone: in.Zone.String(), MadeAt: in.Now.UTC(),
		Opened: []DailyItem{}, Closed: []DailyItem{}, Late: []DailyItem{}, Capacity: []DailyItem{}, Lines: in.Lines, Branches: []DailyPlace{}, NoMeasure: in.NoMeasure}
	within := func(t time.Time) bool { return !t.Before(in.From) && t.Before(in.To) }
	places := map[string]*DailyPlace{}
	for _, i := range in.Incidents {
		if i.Practice || i.ParentID != "" || !i.OpenedAt.Before(in.To) {
			continue
		}
		over := !i.ClosedAt.IsZero() && i.ClosedAt.Before(in.To)
		item := dailyItem(i, in.SiteName)
		if within(i.OpenedAt) {
			d.Opened = append(d.Opened, item)
		}
		if within(i.ClosedAt) {
			d.Closed = append(d.Closed, item)
		}
		if (within(i.OpenedAt) || within(i.ClosedAt) || !over) && slices.ContainsFunc(i.Clocks, func(c incident.Clock) bool { return c.Breached }) {
			d.Late = append(d.Late, item)
		}
		if over {
			continue
		}
		if slices.ContainsFunc(i.Alerts, func(a incident.AlertRef) bool { return slices.Contains(capacity, a.Symptom) }) {
			d.Capacity = append(d.Capacity, item)
		}
		p := places[i.Diagnosis.Site]
		if p == nil {
			p = &DailyPlace{Site: i.Diagnosis.Site, Name: item.SiteName, Oldest: i.OpenedAt.UTC()}
			places[p.Site] = p
		}
		p.add(i)
	}
	for _, p := range places {
		d.Branches = append(d.Branches, *p)
	}
	slices.SortFunc(d.Branches, func(a, b DailyPlace) int {
		return cmp.Or(cmp.Compare(b.Open, a.Open), cmp.Compare(b.Verified, a.Verified), cmp.Compare(a.Site, b.Site))
	})
	for _, list := range [][]DailyItem{d.Opened, d.Closed, d.Late, d.Capacity} {
		slices.SortFunc(list, func(a, b DailyItem) int { return cmp.Or(a.OpenedAt.Compare(b.OpenedAt), cmp.Compare(a.ID, b.ID)) })
	}
	slices.SortFunc(d.Lines, func(a, b DailyLine) int {
		return cmp.Or(cmp.Compare(a.Available, b.Available), cmp.Compare(a.ID, b.ID))
	})
	return d
}

func (p *DailyPlace) add(i incident.Incident) {
	if i.State == incident.StateVerified {
		p.Verified++
	} else {
		p.Open++
	}
	if i.OpenedAt.Before(p.Oldest) {
		p.Oldest = i.OpenedAt.UTC()
	}
}

func dailyItem(i incident.Incident, siteName func(string) lang.Text) DailyItem {
	name := lang.Same(i.Diagnosis.Site)
	if siteName != nil {
		name = siteName(i.Diagnosis.Site)
	}
	return DailyItem{ID: i.ID, Number: i.Number, Site: i.Diagnosis.Site, SiteName: name, Title: i.Diagnosis.Title, Severity: i.Severity, State: i.State,
		OpenedAt: i.OpenedAt.UTC(), ClosedAt: i.ClosedAt, Minutes: outage(i).Minutes()}
}

// LastDue returns the newest moment not after now at which a report is due: the
// hour and minute of the day by the zone's wall.
func LastDue(now time.Time, hour, minute int, zone *time.Location) time.Time {
	w := now.In(zone)
	at := time.Date(w.Year(), w.Month(), w.Day(), hour, minute, 0, 0, zone)
	if at.After(now) {
		at = time.Date(w.Year(), w.Month(), w.Day()-1, hour, minute, 0, 0, zone)
	}
	return at
}

// NextDue returns the moment after due at which the next report is due.
func NextDue(due time.Time, hour, minute int, zone *time.Location) time.Time {
	w := due.In(zone)
	return time.Date(w.Year(), w.Month(), w.Day()+1, hour, minute, 0, 0, zone)
}
