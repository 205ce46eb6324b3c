package people

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/faultline/faultline/collector/sla/ical"
)

// Own properties; other programs keep them or drop them, and read the rest.
const (
	xPerson  = "X-FAULTLINE-PERSON"
	xLevel   = "X-FAULTLINE-LEVEL"
	xInstead = "X-FAULTLINE-INSTEAD-OF"
	xBy      = "X-FAULTLINE-BY"
	xSwap    = "X-FAULTLINE-SWAP"
)

// ICS writes the rota as a calendar (RFC 5545): one event per shift with its
// rule, one per override, and the zones they use. stamp is DTSTAMP.
func (d *Directory) ICS(r *Rota, stamp time.Time, language string) []byte {
	c := &ical.Component{Name: "VCALENDAR"}
	c.Add("VERSION", "2.0")
	c.Add("PRODID", "-//Faultline//Rota//EN")
	c.AddText("X-WR-CALNAME", r.Title.In(language))
	c.AddText("X-FAULTLINE-ROTA", r.ID)
	zones := map[string]bool{}
	var events []*ical.Component
	for n := range r.shifts {
		s := &r.shifts[n]
		zones[s.zone.String()] = true
		events = append(events, d.shiftEvent(s, stamp))
	}
	for n := range r.Overrides {
		zones[r.zone.String()] = true
		events = append(events, d.overrideEvent(r, &r.Overrides[n], stamp))
	}
	for _, name := range slices.Sorted(keys(zones)) {
		if name != "UTC" {
			c.Children = append(c.Children, timezone(name, r.first()))
		}
	}
	c.Children = append(c.Children, events...)
	return c.Encode()
}

func keys(m map[string]bool) func(func(string) bool) {
	return func(yield func(string) bool) {
		for k := range m {
			if !yield(k) {
				return
			}
		}
	}
}

// first is when the rota's first shift begins.
func (r *Rota) first() time.Time {
	first := r.shifts[0].start.In(r.shifts[0].zone)
	for _, s := range r.shifts {
		first = earlier(first, s.start.In(s.zone))
	}
	return first
}

func (d *Directory) shiftEvent(s *shift, stamp time.Time) *ical.Component {
	ev := d.event(s.id, s.person, s.level, stamp)
	zone := s.zone.String()
	ev.AddWall("DTSTART", s.start, zone)
	ev.AddWall("DTEND", s.start.Add(0, int(s.length/time.Second)), zone)
	if s.rule != nil {
		rule := *s.rule
		if rule.Until != (ical.Wall{}) && !rule.UntilUTC && !rule.UntilDate { // a start with a zone wants UNTIL in UTC
			rule.Until, rule.UntilUTC = ical.WallOf(rule.Until.In(s.zone), time.UTC), true
		}
		ev.Add("RRULE", rule.String())
	}
	for _, w := range s.except {
		ev.AddWall("EXDATE", w, zone)
	}
	return ev
}

func (d *Directory) overrideEvent(r *Rota, o *Override, stamp time.Time) *ical.Component {
	ev := d.event(o.ID, o.Person, o.Level, stamp)
	ev.AddWall("DTSTART", ical.WallOf(o.from, r.zone), r.zone.String())
	ev.AddWall("DTEND", ical.WallOf(o.to, r.zone), r.zone.String())
	ev.Add("CATEGORIES", "OVERRIDE")
	for name, text := range map[string]string{xInstead: o.InsteadOf, xBy: o.By, xSwap: o.Swap, "DESCRIPTION": o.Reason} {
		if text != "" {
			ev.AddText(name, text)
		}
	}
	slices.SortStableFunc(ev.Props, func(a, b ical.Property) int { return strings.Compare(a.Name, b.Name) })
	return ev
}

func (d *Directory) event(uid, person string, level int, stamp time.Time) *ical.Component {
	ev := &ical.Component{Name: "VEVENT"}
	ev.AddText("UID", uid)
	ev.Add("DTSTAMP", ical.WallOf(stamp, time.UTC).Format()+"Z")
	ev.AddText("SUMMARY", d.name(person))
	ev.AddText(xPerson, person)
	ev.Add(xLevel, strconv.Itoa(level))
	if p, ok := d.Person(person); ok && p.Email != "" {
		ev.Add("ATTENDEE", "mailto:"+p.Email)
	}
	return ev
}

// timezone writes the zone's offsets from a year before the rota to ten after.
func timezone(name string, first time.Time) *ical.Component {
	c := &ical.Component{Name: "VTIMEZONE"}
	c.Add("TZID", name)
	zone, err := time.LoadLocation(name)
	if err != nil {
		return c
	}
	at := first.AddDate(-1, 0, 0).In(zone)
	for range 24 {
		abbreviation, offset := at.Zone()
		start, end := at.ZoneBounds()
		before, from := offset, ical.WallOf(at, zone)
		if !start.IsZero() {
			_, before = start.Add(-time.Second).In(zone).Zone()
			// DTSTART is read with the offset before the change.
			from = ical.WallOf(start.UTC().Add(time.Duration(before)*time.Second), time.UTC)
		}
		part := &ical.Component{Name: map[bool]string{false: "STANDARD", true: "DAYLIGHT"}[at.IsDST()]}
		part.Add("DTSTART", from.Format())
		part.Add("TZOFFSETFROM", offsetText(before))
		part.Add("TZOFFSETTO", offsetText(offset))
		part.AddText("TZNAME", abbreviation)
		c.Children = append(c.Children, part)
		if end.IsZero() || end.After(first.AddDate(10, 0, 0)) {
			break
		}
		at = end.In(zone)
	}
	return c
}

func offsetText(seconds int) string {
	sign := "+"
	if seconds < 0 {
		sign, seconds = "-", -seconds
	}
	return fmt.Sprintf("%s%02d%02d", sign, seconds/3600, seconds/60%60)
}

// FromICS reads a calendar as a rota: events of this program as they were
// written, others by the attendee's address or the name in the summary. What
// cannot be understood is a fault with its line; nothing is left out silently.
func (d *Directory) FromICS(base Rota, data []byte) (*Rota, error) {
	root, err := ical.Parse(data)
	if err != nil {
		return nil, fmt.Errorf("rota %s: %w", base.ID, err)
	}
	in := &importer{d: d, r: base, byUID: map[string]int{}}
	in.r.Shifts, in.r.Rotations, in.r.Overrides = nil, nil, nil
	if in.r.zone, err = zoneOf(base.Zone); err != nil {
		return nil, fmt.Errorf("rota %s: %w", base.ID, err)
	}
	for _, changed := range []bool{false, true} { // masters before what changes them
		for _, ev := range root.Children {
			if _, is := ev.Prop("RECURRENCE-ID"); ev.Name == "VEVENT" && is == changed {
				in.event(ev)
			}
		}
	}
	out := in.r
	out.prepare(func(path, format string, args ...any) {
		in.faults = append(in.faults, path+": "+fmt.Sprintf(format, args...))
	}, func(id string) bool { _, ok := d.Person(id); return ok })
	if len(in.faults) > 0 {
		return nil, fmt.Errorf("rota %s: %s", base.ID, strings.Join(in.faults, "; "))
	}
	return &out, nil
}

type importer struct {
	d      *Directory
	r      Rota
	byUID  map[string]int // master events → index in Shifts
	faults []string
}

func (in *importer) fault(line int, format string, args ...any) {
	in.faults = append(in.faults, fmt.Sprintf("line %d: ", line)+fmt.Sprintf(format, args...))
}

func (in *importer) event(ev *ical.Component) {
	s, zone, err := in.times(ev)
	if err != nil {
		in.fault(ev.Line, "%v", err)
		return
	}
	if p, changes := ev.Prop("RECURRENCE-ID"); changes {
		m, err := p.Moment()
		master, ok := in.byUID[ev.Text("UID")]
		if err != nil || !ok {
			in.fault(p.Line, "RECURRENCE-ID changes an event that is not here")
			return
		}
		z, _ := zoneOf(in.r.Shifts[master].Zone)
		in.r.Shifts[master].Except = append(in.r.Shifts[master].Except, ical.WallOf(m.Instant(in.r.zone), z).String())
		s.Rule, s.ID = "", s.ID+"-"+p.Value
	}
	if strings.EqualFold(ev.Text("STATUS"), "CANCELLED") {
		return
	}
	if s.Person = in.person(ev); s.Person == "" {
		in.fault(ev.Line, "nobody here is %q or its attendee", ev.Text("SUMMARY"))
		return
	}
	if strings.EqualFold(ev.Text("CATEGORIES"), "OVERRIDE") {
		in.override(ev, s, zone)
		return
	}
	if _, changes := ev.Prop("RECURRENCE-ID"); !changes {
		in.byUID[ev.Text("UID")] = len(in.r.Shifts)
	}
	in.r.Shifts = append(in.r.Shifts, s)
}

func (in *importer) override(ev *ical.Component, s Shift, zone *time.Location) {
	wall := func(text string) string {
		t, _ := instant(text, zone)
		return ical.WallOf(t, in.r.zone).String()
	}
	in.r.Overrides = append(in.r.Overrides, Override{ID: s.ID, Person: s.Person, From: wall(s.Start), To: wall(s.End), Level: s.Level,
		InsteadOf: ev.Text(xInstead), By: ev.Text(xBy), Swap: ev.Text(xSwap), Reason: ev.Text("DESCRIPTION")})
}

// times reads when an event is.
func (in *importer) times(ev *ical.Component) (Shift, *time.Location, error) {
	p, ok := ev.Prop("DTSTART")
	if !ok {
		return Shift{}, nil, fmt.Errorf("an event without DTSTART")
	}
	start, err := p.Moment()
	if err != nil {
		return Shift{}, nil, err
	}
	zone := in.r.zone
	if start.Zone != nil {
		zone = start.Zone
	}
	end, err := in.end(ev, start, zone)
	if err != nil {
		return Shift{}, nil, err
	}
	level, _ := strconv.Atoi(ev.Text(xLevel))
	s := Shift{ID: ev.Text("UID"), Start: start.Wall.String(), End: end.String(), Level: level, Zone: zone.String()}
	if p, ok := ev.Prop("RRULE"); ok {
		s.Rule = p.Value
	}
	for _, p := range ev.Props {
		switch p.Name {
		case "EXDATE":
			list, err := p.Moments()
			if err != nil {
				return s, zone, err
			}
			for _, m := range list {
				w := ical.WallOf(m.Instant(zone), zone)
				if m.Date {
					w = ical.Wall{Year: m.Year, Month: m.Month, Day: m.Day, Second: start.Second}
				}
				s.Except = append(s.Except, w.String())
			}
		case "RDATE", "EXRULE":
			return s, zone, fmt.Errorf("line %d: %s is not supported: write single events", p.Line, p.Name)
		}
	}
	return s, zone, nil
}

func (in *importer) end(ev *ical.Component, start ical.Moment, zone *time.Location) (ical.Wall, error) {
	if p, ok := ev.Prop("DTEND"); ok {
		m, err := p.Moment()
		if err != nil || m.Date {
			return m.Wall, err
		}
		return ical.WallOf(m.Instant(zone), zone), nil
	}
	if p, ok := ev.Prop("DURATION"); ok {
		seconds, err := duration(p.Value)
		if err != nil {
			return ical.Wall{}, fmt.Errorf("line %d: %w", p.Line, err)
		}
		return start.Add(0, seconds), nil
	}
	if start.Date {
		return start.Add(1, 0), nil
	}
	return ical.Wall{}, fmt.Errorf("an event that has no end")
}

// duration reads P1W, P1DT2H, PT12H30M as seconds on the wall.
func duration(s string) (int, error) {
	unit := map[byte]int{'W': 7 * 86400, 'D': 86400, 'H': 3600, 'M': 60, 'S': 1}
	rest, ok := strings.CutPrefix(s, "P")
	total, digits := 0, ""
	for i := 0; ok && i < len(rest); i++ {
		switch c := rest[i]; {
		case c >= '0' && c <= '9' && len(digits) < 6:
			digits += string(c)
		case c == 'T' && digits == "":
		case unit[c] > 0 && digits != "":
			n, _ := strconv.Atoi(digits)
			total, digits = total+n*unit[c], ""
		default:
			ok = false
		}
	}
	if !ok || digits != "" || total == 0 {
		return 0, fmt.Errorf("duration %.40q: want something like PT12H or P7D", s)
	}
	return total, nil
}

// person finds whose event it is.
func (in *importer) person(ev *ical.Component) string {
	if id := ev.Text(xPerson); id != "" {
		if _, ok := in.d.Person(id); ok {
			return id
		}
	}
	for _, p := range ev.Props {
		if p.Name != "ATTENDEE" {
			continue
		}
		mail := strings.ToLower(strings.TrimPrefix(strings.ToLower(p.Value), "mailto:"))
		for _, q := range in.d.People {
			if q.Email != "" && strings.ToLower(q.Email) == mail {
				return q.ID
			}
		}
	}
	name, found := strings.TrimSpace(ev.Text("SUMMARY")), ""
	for _, q := range in.d.People {
		if name != "" && (q.ID == name || q.Name == name) {
			if found != "" {
				return "" // two of that name: a person has to say which
			}
			found = q.ID
		}
	}
	return found
}
