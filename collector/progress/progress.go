// Package progress decides when those above are told how an emergency goes on
// (进展上报): at the beginning, when the incident comes to a milestone, and every so
// often while nothing happens. Somebody who writes the emergency report sets how
// often. That an incident is closed everybody who was told anything of it hears
// anyway. The package holds no clock and does no I/O.
package progress

import (
	"strconv"
	"time"

	"github.com/faultline/faultline/collector/incident"
)

// Bounds of how often.
const (
	Least = 15 * time.Minute
	Most  = 24 * time.Hour
)

// apart is how soon after a notice the next may follow: steps that go by in a
// minute are one notice.
const apart = 2 * time.Minute

// Wanted is what a person set for an incident.
type Wanted struct {
	Every time.Duration `json:"every"` // zero: no notices
	By    string        `json:"by"`    // account
	At    time.Time     `json:"at"`
}

// Valid tells whether Every is none or within the bounds.
func (w Wanted) Valid() bool { return w.Every == 0 || w.Every >= Least && w.Every <= Most }

// Told is the last notice of an incident; the zero value is none.
type Told struct {
	Number    int       `json:"number"` // 1, 2, …
	At        time.Time `json:"at"`
	Milestone string    `json:"milestone"`
}

// Milestone names how far an incident has come: another name is worth telling.
func Milestone(i incident.Incident) string {
	return i.State + "/" + i.Step + "/" + strconv.FormatBool(!i.RecoveredAt.IsZero()) + "/" + i.Severity + "/" + i.Diagnosis.Class
}

// Next returns the notice that is due now, and whether one is.
func Next(i incident.Incident, w Wanted, last Told, now time.Time) (Told, bool) {
	if w.Every <= 0 || i.State == incident.StateClosed || i.ParentID != "" {
		return last, false
	}
	m := Milestone(i)
	waited := now.Sub(last.At)
	if last.Number > 0 && waited < w.Every && (m == last.Milestone || waited < apart) {
		return last, false
	}
	return Told{Number: last.Number + 1, At: now.UTC(), Milestone: m}, true
}
