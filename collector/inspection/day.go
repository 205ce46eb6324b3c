package inspection

import (
	"cmp"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"slices"
	"time"
)

// States of a site's sheet of one day.
const (
	Free    = "free"    // not due: no working day
	Before  = "before"  // not due: inspections had not begun here
	Open    = "open"    // due, its time has not come
	Overdue = "overdue" // its time has passed, the day has not
	Missed  = "missed"  // the day has passed without a signature
	Signed  = "signed"
	Late    = "late"    // signed after its time
	Unknown = "unknown" // no calendar says whether it was due
)

// Works tells whether a day is worked at a site; the error says that nobody
// knows.
type Works func(at time.Time) (bool, error)

// errBefore says of a day that inspections had not begun.
var errBefore = errors.New("inspections had not begun")

// DueAt is when the sheet of the day that at falls on is due, and when its
// lateness is escalated. zone is the site's.
func (l List) DueAt(at time.Time, zone *time.Location) (due, escalate time.Time) {
	y, m, d := at.In(zone).Date()
	due = time.Date(y, m, d, 0, int(l.due/time.Minute), 0, 0, zone)
	return due, due.Add(l.escalate)
}

// Day is a site's sheet of one day as it stands.
type Day struct {
	Site   string  `json:"site"`
	Day    string  `json:"day"`
	State  string  `json:"state"`
	Record *Record `json:"record,omitempty"`
	Checks []Check `json:"checks,omitempty"`
	// Chosen tells that head office is asked to check this one.
	Chosen bool `json:"chosen,omitempty"`
}

// StateOf says how the sheet of a day stands at now.
func (l List) StateOf(day time.Time, r *Record, works Works, zone *time.Location, now time.Time) string {
	switch {
	case r != nil && r.Late:
		return Late
	case r != nil:
		return Signed
	}
	due, _ := l.DueAt(day, zone)
	is, err := works(due)
	y, m, d := due.In(zone).Date()
	switch {
	case errors.Is(err, errBefore):
		return Before
	case err != nil:
		return Unknown
	case !is:
		return Free
	case now.Before(due):
		return Open
	case now.Before(time.Date(y, m, d+1, 0, 0, 0, 0, zone)):
		return Overdue
	}
	return Missed
}

// Stages at which people are told of a sheet that is not signed.
const (
	Remind   = "remind"   // to the role that signs
	Escalate = "escalate" // to those above
	Recorded = "missed"   // to both: the day is over
)

// Telling is a stage that was reached.
type Telling struct {
	Stage string
	Roles []string
	At    time.Time // when it was reached
}

// Tellings are the stages that an unsigned sheet has reached at now, oldest
// first; none while it is signed, not due or unknown.
func (l List) Tellings(day time.Time, r *Record, works Works, zone *time.Location, now time.Time) []Telling {
	due, escalate := l.DueAt(day, zone)
	y, m, d := due.In(zone).Date()
	end := time.Date(y, m, d+1, 0, 0, 0, 0, zone)
	var out []Telling
	switch l.StateOf(day, r, works, zone, now) {
	case Overdue, Missed:
		out = append(out, Telling{Remind, []string{l.Role}, due})
	default:
		return nil
	}
	if !now.Before(escalate) {
		out = append(out, Telling{Escalate, l.EscalateTo, escalate})
	}
	if !now.Before(end) {
		out = append(out, Telling{Recorded, append([]string{l.Role}, l.EscalateTo...), end})
	}
	return out
}

// Choose picks the sheets of a week that head office is asked to check: one
// in five of those signed, one at least, the same whoever asks. salt keeps the choice from
// being foreseen; it is a secret of the collector.
func Choose(week []Record, salt string) []Record {
	rank := func(r Record) uint64 {
		sum := sha256.Sum256([]byte(salt + "\n" + r.Site + "\n" + r.Day + "\n" + r.Hash))
		return binary.BigEndian.Uint64(sum[:])
	}
	all := slices.Clone(week)
	slices.SortFunc(all, func(a, b Record) int { return cmp.Compare(rank(a), rank(b)) })
	n := (len(all) + 4) / 5
	return all[:n]
}

// Month is a site's inspections of one month, counted.
type Month struct {
	Site     string  `json:"site"`
	Due      int     `json:"due"` // days on which one was due and is past
	Signed   int     `json:"signed"`
	Late     int     `json:"late"`
	Missed   int     `json:"missed"`
	Abnormal int     `json:"abnormal"` // items found not in order
	Checked  int     `json:"checked"`  // sheets that head office checked
	Differs  int     `json:"differs"`  // of those, found otherwise
	Rate     float64 `json:"rate"`     // signed in time, of those due; 1 when none was
}

// Count adds up a site's days.
func Count(site string, days []Day) Month {
	m := Month{Site: site, Rate: 1}
	for _, d := range days {
		switch d.State {
		case Signed:
			m.Signed++
			m.Due++
		case Late:
			m.Late++
			m.Due++
		case Missed:
			m.Missed++
			m.Due++
		}
		if d.Record != nil {
			m.Abnormal += d.Record.Abnormal()
		}
		if len(d.Checks) > 0 {
			m.Checked++
			if slices.ContainsFunc(d.Checks, func(c Check) bool { return !c.Agrees }) {
				m.Differs++
			}
		}
	}
	if m.Due > 0 {
		m.Rate = float64(m.Signed) / float64(m.Due)
	}
	return m
}
