package people

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/faultline/faultline/collector/sla/ical"
)

// prepare reads the rota's texts. fault is called for each thing that is wrong,
// with the path of the value.
func (r *Rota) prepare(fault func(path, format string, args ...any), known func(string) bool) {
	zone, err := zoneOf(r.Zone)
	if err != nil {
		fault("zone", "%v", err)
	}
	r.zone, r.shifts = zone, nil
	if r.ID == "" || r.Title.ZH == "" || r.Title.EN == "" || r.Role == "" {
		fault("id", "a rota needs an id, a title in both languages and a role")
	}
	for n := range r.Shifts {
		path := "shifts[" + strconv.Itoa(n) + "]"
		s, err := r.readShift(&r.Shifts[n])
		if err != nil {
			fault(path, "%v", err)
			continue
		}
		if !known(s.person) {
			fault(path+".person", "no person %q", s.person)
		}
		r.shifts = append(r.shifts, s)
	}
	for n := range r.Rotations {
		path := "rotations[" + strconv.Itoa(n) + "]"
		list, err := r.readRotation(&r.Rotations[n])
		if err != nil {
			fault(path, "%v", err)
		}
		for k, s := range list {
			if !known(s.person) {
				fault(path+".people["+strconv.Itoa(k)+"]", "no person %q", s.person)
			}
		}
		r.shifts = append(r.shifts, list...)
	}
	ids := map[string]bool{}
	for n := range r.Overrides {
		o, path := &r.Overrides[n], "overrides["+strconv.Itoa(n)+"]"
		if err := r.readOverride(o); err != nil {
			fault(path, "%v", err)
		}
		if !known(o.Person) || o.InsteadOf != "" && !known(o.InsteadOf) || ids[o.ID] {
			fault(path, "%q names somebody unknown, or its id is taken", o.ID)
		}
		ids[o.ID] = true
	}
	if n := len(r.shifts); n == 0 || n > maxShifts || len(r.Overrides) > maxOverrides {
		fault("shifts", "%d shifts and %d overrides: want 1 to %d, and at most %d", n, len(r.Overrides), maxShifts, maxOverrides)
	}
}

func zoneOf(name string) (*time.Location, error) {
	if name == "" {
		name = "Asia/Shanghai"
	}
	zone, err := time.LoadLocation(name)
	if err != nil || name == "Local" {
		return time.UTC, fmt.Errorf("%q is no time zone", name)
	}
	return zone, nil
}

// Bounds of a rota: every question about who serves looks at all of it.
const (
	maxShifts    = 500
	maxOverrides = 5000
)

// maxShift bounds one turn; a shift of a quarter is a mistake.
const maxShift = 62 * 24 * time.Hour

func (r *Rota) readShift(s *Shift) (shift, error) {
	start, err1 := ical.ParseWall(s.Start)
	end, err2 := ical.ParseWall(s.End)
	zone := r.zone
	if s.Zone != "" {
		z, err := zoneOf(s.Zone)
		if err != nil {
			return shift{}, err
		}
		zone = z
	}
	out := shift{id: s.ID, person: s.Person, start: start, length: end.Sub(start), level: max(s.Level, 1), zone: zone}
	switch {
	case err1 != nil:
		return out, err1
	case err2 != nil:
		return out, err2
	case out.length <= 0 || out.length > maxShift:
		return out, fmt.Errorf("from %s to %s is no shift of up to %d days", s.Start, s.End, maxShift/(24*time.Hour))
	case s.Level < 0 || s.Level > 9:
		return out, fmt.Errorf("level %d: want 1 to 9", s.Level)
	case s.Rule != "":
		rule, err := ical.ParseRule(s.Rule)
		if err != nil {
			return out, err
		}
		ever := false
		rule.Each(start, zone, func(ical.Wall) bool { ever = true; return false })
		if !ever {
			return out, fmt.Errorf("the rule %s never comes true from %s on", s.Rule, s.Start)
		}
		out.rule = rule
	}
	for _, e := range s.Except {
		w, err := ical.ParseWall(e)
		if err != nil {
			return out, err
		}
		out.except = append(out.except, w)
	}
	if out.id == "" {
		out.id = r.ID + "-" + out.person + "-" + start.Format() + "-" + strconv.Itoa(out.level)
	}
	return out, nil
}

// readRotation spells a rotation out: each person's turn comes again after all
// others had theirs.
func (r *Rota) readRotation(t *Rotation) ([]shift, error) {
	start, err := ical.ParseWall(t.Start)
	if err != nil {
		return nil, err
	}
	freq, days := ical.Daily, 1
	unit := strings.TrimLeft(t.Every, "0123456789")
	n, err := strconv.Atoi(strings.TrimSuffix(t.Every, unit))
	switch {
	case unit == "w":
		freq, days = ical.Weekly, 7
	case unit != "d":
		return nil, fmt.Errorf("every %q: want 1d, 1w or 2w", t.Every)
	}
	if err != nil || n < 1 || n*days > 62 || len(t.People) == 0 || len(t.People) > 100 {
		return nil, fmt.Errorf("every %q with %d people: want 1d to 62d and 1 to 100 people", t.Every, len(t.People))
	}
	var out []shift
	for k, person := range t.People {
		first := start.Add(k*n*days, 0)
		out = append(out, shift{id: fmt.Sprintf("%s-%s-%d", r.ID, t.ID, k+1), person: person, start: first, length: time.Duration(n*days) * 24 * time.Hour,
			rule: &ical.Rule{Freq: freq, Interval: n * len(t.People), WeekStart: time.Monday}, level: max(t.Level, 1), zone: r.zone})
	}
	return out, nil
}

func (r *Rota) readOverride(o *Override) error {
	from, err1 := instant(o.From, r.zone)
	to, err2 := instant(o.To, r.zone)
	o.from, o.to, o.Level = from, to, max(o.Level, 1)
	switch {
	case err1 != nil:
		return err1
	case err2 != nil:
		return err2
	case o.ID == "" || o.Person == "" || !from.Before(to) || to.Sub(from) > maxShift:
		return fmt.Errorf("override %q: needs an id, a person and a time that ends after it begins", o.ID)
	}
	return nil
}
