package register

import (
	"fmt"
	"slices"
	"strconv"
	"time"

	"github.com/faultline/faultline/collector/incident"
	"github.com/faultline/faultline/collector/inventory"
	"github.com/faultline/faultline/collector/process"
	"github.com/faultline/faultline/collector/sla"
)

// Duty tells when a vendor's people are reached, at the place of a fault.
type Duty struct {
	Calendar *sla.Calendar // says which days are worked; nil: nobody knows
	Zone     *time.Location
}

// dutyHorizon is how many days ahead somebody's next hour is looked for.
const dutyHorizon = 40

// On tells whether somebody with these hours is reached at t. The error says that
// the calendar does not know the day.
func (d Duty) On(h inventory.Hours, t time.Time) (bool, error) {
	if h.Always() {
		return true, nil
	}
	if h.Work {
		if d.Calendar == nil {
			return false, errNoCalendar
		}
		worked, err := sla.Elapsed(d.Calendar, t, t.Add(time.Second))
		return worked > 0, err
	}
	t = t.In(d.Zone)
	for _, back := range []int{0, -1} {
		day := midday(t, back)
		for _, s := range h.Spans {
			from, to := stretch(day, s)
			if t.Before(from) || !t.Before(to) {
				continue
			}
			if on, err := d.counts(s, day); on || err != nil {
				return on, err
			}
		}
	}
	return false, nil
}

// Next is when somebody with these hours is reached at t or after it; zero: not
// within dutyHorizon days.
func (d Duty) Next(h inventory.Hours, t time.Time) (time.Time, error) {
	on, err := d.On(h, t)
	switch {
	case err != nil:
		return time.Time{}, err
	case on:
		return t, nil
	case h.Work:
		at, err := sla.Due(d.Calendar, t, sla.Span{Time: time.Second})
		return at.Add(-time.Second), err
	}
	t = t.In(d.Zone)
	for ahead := range dutyHorizon {
		day, first := midday(t, ahead), time.Time{}
		for _, s := range h.Spans {
			from, _ := stretch(day, s)
			if from.Before(t) || !first.IsZero() && !from.Before(first) {
				continue
			}
			on, err := d.counts(s, day)
			if err != nil {
				return time.Time{}, err
			}
			if on {
				first = from
			}
		}
		if !first.IsZero() {
			return first, nil
		}
	}
	return time.Time{}, nil
}

var errNoCalendar = fmt.Errorf("no working calendar is known")

// counts tells whether the stretch is of this day.
func (d Duty) counts(s inventory.DaySpan, day time.Time) (bool, error) {
	if !s.Workdays && !s.Freedays {
		return s.Days[day.Weekday()], nil
	}
	if d.Calendar == nil {
		return false, errNoCalendar
	}
	worked, _, err := d.Calendar.Day(day)
	return worked == s.Workdays, err
}

// midday is noon of the date of t, so many days on.
func midday(t time.Time, days int) time.Time {
	y, m, day := t.Date()
	return time.Date(y, m, day+days, 12, 0, 0, 0, t.Location())
}

func stretch(day time.Time, s inventory.DaySpan) (from, to time.Time) {
	y, m, d := day.Date()
	over := 0
	if s.To <= s.From {
		over = 1
	}
	return time.Date(y, m, d, 0, s.From, 0, 0, day.Location()), time.Date(y, m, d+over, 0, s.To, 0, 0, day.Location())
}

// Standing is whether a contact is reached now.
type Standing struct {
	inventory.Contact
	On     bool
	From   time.Time // when he is next, if he is not now; zero: nobody can say
	Unsure string    // why his hours could not be told; he counts as reached then
}

// Stand tells how a contact stands at the time, by the contact's own hours. Hours that cannot be read, and
// days that no calendar knows, keep nobody from being called.
func (d Duty) Stand(c inventory.Contact, now time.Time) Standing {
	out := Standing{Contact: c, On: true}
	h, err := inventory.ParseHours(c.Hours)
	if err == nil {
		if out.On, err = d.On(h, now); err == nil && !out.On {
			if out.From, err = d.Next(h, now); err != nil {
				return out // when he is next cannot be told; that he is not reached now can
			}
		}
	}
	if err != nil {
		out.On, out.Unsure = true, err.Error()
	}
	return out
}

// All tells how all contacts of a vendor stand at the time, by level.
func (d Duty) All(v inventory.Vendor, now time.Time) []Standing {
	out := make([]Standing, 0, len(v.Contacts))
	for _, c := range v.Contacts {
		out = append(out, d.Stand(v.Reached(c), now))
	}
	slices.SortStableFunc(out, func(a, b Standing) int { return a.Level - b.Level })
	return out
}

// Call is whom of a vendor's contacts a ticket goes to because nobody answered.
type Call struct {
	To      Standing   // told now; without a level when nobody is reached
	Away    []Standing // whose turn it was, and who are not reached now
	Rung    int        // how many were told before
	Waiting time.Time  // with nobody reached: when the first of Away is; zero: nobody can say
}

// Nobody tells that it is time to call somebody and nobody is reached.
func (c Call) Nobody() bool { return c.To.Level == 0 && len(c.Away) > 0 }

// NextContact returns whom of the vendor's contacts the ticket goes to next
// because nobody answered, if it is time: the lowest level above the first that
// was not told yet and is reached now, after the time the vendor has for an
// answer and after as much again for each further one, none before its own time
// (after). limit tells when so many times the answer's time are over.
func NextContact(v inventory.Vendor, t incident.Ticket, limit func(times int) (time.Time, error), duty Duty, now time.Time) (c Call, due bool, err error) {
	ladder := furtherContacts(v)
	told := toldLevels(t, ladder)
	if len(told) >= len(ladder) {
		return c, false, nil
	}
	c.Rung = len(told)
	at, err := limit(c.Rung + 1)
	if err != nil {
		return c, false, fmt.Errorf("vendor %s: time for an answer: %w", v.ID, err)
	}
	if now.Before(at) {
		return c, false, nil
	}
	for _, level := range ladder {
		if slices.Contains(told, level[0].Level) {
			continue
		}
		ready, err := readyNow(v, t, level, now)
		if err != nil || len(ready) == 0 {
			return c, c.Nobody(), err // he has a time of his own, and those behind him come after him
		}
		for _, x := range ready {
			s := duty.Stand(v.Reached(x), now)
			if s.On {
				c.To = s
				return c, true, nil
			}
			c.Away = append(c.Away, s)
			if !s.From.IsZero() && (c.Waiting.IsZero() || s.From.Before(c.Waiting)) {
				c.Waiting = s.From
			}
		}
	}
	return c, c.Nobody(), nil
}

// readyNow returns those of a level whose own time has come.
func readyNow(v inventory.Vendor, t incident.Ticket, level []inventory.Contact, now time.Time) ([]inventory.Contact, error) {
	var out []inventory.Contact
	for _, c := range level {
		after, err := inventory.ParseSpan(c.After)
		if err != nil {
			return nil, fmt.Errorf("vendor %s: contact %s: after: %w", v.ID, c.Name, err)
		}
		if !now.Before(t.OpenedAt.Add(after)) {
			out = append(out, c)
		}
	}
	return out, nil
}

// toldLevels are the levels that the ticket has gone to. Messages of collectors
// that did not keep the level went to the levels in order.
func toldLevels(t incident.Ticket, ladder [][]inventory.Contact) []int {
	var out []int
	unnamed := 0
	for _, m := range t.Messages {
		if m.Reason != process.ReasonVendorLate {
			continue
		}
		if level, err := strconv.Atoi(m.Level); err == nil {
			out = append(out, level)
		} else {
			unnamed++
		}
	}
	for _, level := range ladder {
		if unnamed > 0 && !slices.Contains(out, level[0].Level) {
			out, unnamed = append(out, level[0].Level), unnamed-1
		}
	}
	return out
}
