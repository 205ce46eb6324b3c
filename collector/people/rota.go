package people

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	"github.com/faultline/faultline/collector/sla/ical"
	"github.com/faultline/faultline/internal/lang"
)

// Rota says who is on call. Its times are wall times of a zone: a shift from
// 20:00 to 08:00 is that on the wall also in the night the clocks change, so
// that hand-overs neither overlap nor leave a gap.
type Rota struct {
	ID        string     `yaml:"id"`
	Title     lang.Text  `yaml:"title"`
	Role      string     `yaml:"role"`
	Sites     []string   `yaml:"sites"` // empty: all
	Zone      string     `yaml:"zone"`
	Shifts    []Shift    `yaml:"shifts"`
	Rotations []Rotation `yaml:"rotations"`
	Overrides []Override `yaml:"overrides"`

	zone   *time.Location
	shifts []shift // Shifts, and Rotations spelled out
}

// Shift is one person's duty, once or by a recurrence rule of RFC 5545.
type Shift struct {
	ID     string   `yaml:"id"`
	Person string   `yaml:"person"`
	Start  string   `yaml:"start"` // 2026-01-05T09:00
	End    string   `yaml:"end"`
	Rule   string   `yaml:"rule"`   // FREQ=WEEKLY;INTERVAL=3; "" once
	Except []string `yaml:"except"` // starts left out
	Level  int      `yaml:"level"`  // 1 is asked first; 0 is 1
	Zone   string   `yaml:"zone"`   // "" is the rota's
}

// Rotation is people who take turns, each as long as Every says: sugar for one
// recurring shift per person.
type Rotation struct {
	ID     string   `yaml:"id"`
	People []string `yaml:"people"`
	Start  string   `yaml:"start"`
	Every  string   `yaml:"every"` // 1d, 1w, 2w: on the wall
	Level  int      `yaml:"level"`
}

// Override puts somebody in for a time, whatever the shifts say.
type Override struct {
	ID        string `yaml:"id"`
	Person    string `yaml:"person"`
	From      string `yaml:"from"`
	To        string `yaml:"to"`
	InsteadOf string `yaml:"instead_of"` // only where this person would serve; "" whoever serves at the level
	Level     int    `yaml:"level"`
	By        string `yaml:"by"`
	Reason    string `yaml:"reason"`
	Swap      string `yaml:"swap"` // both halves of a swap name the same

	from, to time.Time
}

type shift struct {
	id, person string
	start      ical.Wall
	length     time.Duration // on the wall
	rule       *ical.Rule
	except     []ical.Wall
	level      int
	zone       *time.Location
}

// Duty is one person on call for a stretch of time.
type Duty struct {
	Person   string
	Level    int
	From, To time.Time
	Override string // id of the override that put the person there
	Instead  string // who would have served
}

// occurrences returns the shift's stretches that touch [from, to).
func (s *shift) occurrences(from, to time.Time) []Duty {
	var out []Duty
	add := func(w ical.Wall) {
		a, b := w.In(s.zone), w.Add(0, int(s.length/time.Second)).In(s.zone)
		if a.Before(b) && a.Before(to) && b.After(from) && !slices.Contains(s.except, w) {
			out = append(out, Duty{Person: s.person, Level: s.level, From: a, To: b})
		}
	}
	if s.rule == nil {
		add(s.start)
		return out
	}
	last := ical.WallOf(to, s.zone).Add(1, 0)
	first := ical.WallOf(from, s.zone).Add(-2, -int(s.length/time.Second))
	s.rule.EachFrom(s.start, first, s.zone, func(w ical.Wall) bool {
		add(w)
		return w.Before(last)
	})
	return out
}

// OnCall returns who serves at the time, the first level first. It does not
// look at absences: Directory.Who does.
func (r *Rota) OnCall(at time.Time) []Duty {
	return r.at(at, r.occurrences(at, at.Add(time.Nanosecond)))
}

func (r *Rota) occurrences(from, to time.Time) []Duty {
	var out []Duty
	for n := range r.shifts {
		out = append(out, r.shifts[n].occurrences(from, to)...)
	}
	return out
}

func (r *Rota) at(at time.Time, shifts []Duty) []Duty {
	var out []Duty
	for _, d := range shifts {
		if !at.Before(d.From) && at.Before(d.To) {
			out = append(out, d)
		}
	}
	for _, o := range r.Overrides {
		if at.Before(o.from) || !at.Before(o.to) {
			continue
		}
		hit := false
		for n := range out {
			d := &out[n]
			if d.Level != o.Level || o.InsteadOf != "" && d.Person != o.InsteadOf {
				continue
			}
			hit = true
			d.Instead, d.Override, d.Person = cmp.Or(d.Instead, d.Person), o.ID, o.Person
			d.From, d.To = later(d.From, o.from), earlier(d.To, o.to)
		}
		if !hit && o.InsteadOf == "" { // fills a gap
			out = append(out, Duty{Person: o.Person, Level: o.Level, From: o.from, To: o.to, Override: o.ID})
		}
	}
	slices.SortStableFunc(out, func(a, b Duty) int { return cmp.Compare(a.Level, b.Level) })
	return out
}

// Plan returns all duties of the stretch, in order of time and level, cut where
// something changes.
func (r *Rota) Plan(from, to time.Time) []Duty {
	shifts := r.occurrences(from, to)
	var out []Duty
	r.each(from, to, shifts, func(a, b time.Time) {
		for _, d := range r.at(a, shifts) {
			d.From, d.To = a, b
			n := slices.IndexFunc(out, func(o Duty) bool {
				return o.To.Equal(a) && o.Level == d.Level && o.Person == d.Person && o.Override == d.Override && o.Instead == d.Instead
			})
			if n >= 0 {
				out[n].To = b
				continue
			}
			out = append(out, d)
		}
	})
	slices.SortStableFunc(out, func(a, b Duty) int { return cmp.Or(a.From.Compare(b.From), cmp.Compare(a.Level, b.Level)) })
	return out
}

// Gap is a stretch in which nobody serves at the first level.
type Gap struct{ From, To time.Time }

// Gaps returns when nobody serves at the first level.
func (r *Rota) Gaps(from, to time.Time) []Gap {
	shifts := r.occurrences(from, to)
	var out []Gap
	r.each(from, to, shifts, func(a, b time.Time) {
		if on := r.at(a, shifts); len(on) > 0 && on[0].Level == 1 {
			return
		}
		if n := len(out); n > 0 && out[n-1].To.Equal(a) {
			out[n-1].To = b
			return
		}
		out = append(out, Gap{a, b})
	})
	return out
}

// each visits the stretches between which nothing changes.
func (r *Rota) each(from, to time.Time, shifts []Duty, visit func(a, b time.Time)) {
	cuts := []time.Time{from, to}
	add := func(t time.Time) {
		if t.After(from) && t.Before(to) {
			cuts = append(cuts, t)
		}
	}
	for _, d := range shifts {
		add(d.From)
		add(d.To)
	}
	for _, o := range r.Overrides {
		add(o.from)
		add(o.to)
	}
	slices.SortFunc(cuts, time.Time.Compare)
	cuts = slices.CompactFunc(cuts, time.Time.Equal)
	for n := 1; n < len(cuts); n++ {
		visit(cuts[n-1], cuts[n])
	}
}

// Override returns a rota with one more override; it must be checked as one
// that is loaded.
func (r *Rota) Override(o Override, known func(person string) bool) (*Rota, error) {
	if err := r.readOverride(&o); err != nil {
		return nil, err
	}
	if !known(o.Person) || o.InsteadOf != "" && !known(o.InsteadOf) {
		return nil, fmt.Errorf("override %s: no person %q or %q", o.ID, o.Person, o.InsteadOf)
	}
	if slices.ContainsFunc(r.Overrides, func(x Override) bool { return x.ID == o.ID }) {
		return nil, fmt.Errorf("override %s is there already", o.ID)
	}
	out := *r
	out.Overrides = append(slices.Clip(r.Overrides), o)
	return &out, nil
}

// SwapRequest is two duties of a rota that two people want to exchange.
type SwapRequest struct {
	ID         string
	First      string // asks
	FirstAt    time.Time
	Second     string // has to agree
	SecondAt   time.Time
	Agreed     bool // the second said yes
	By, Reason string
}

// Swap returns a rota in which the two serve each other's duty. It refuses when
// the other did not agree, when either does not serve then, and when a person
// would serve twice at once.
func (r *Rota) Swap(s SwapRequest) (*Rota, error) {
	fault := func(format string, args ...any) (*Rota, error) {
		return nil, fmt.Errorf("swap %s: %s", s.ID, fmt.Sprintf(format, args...))
	}
	if !s.Agreed {
		return fault("%s has not agreed yet", s.Second)
	}
	a, okA := r.dutyOf(s.First, s.FirstAt)
	b, okB := r.dutyOf(s.Second, s.SecondAt)
	switch {
	case !okA:
		return fault("%s does not serve at %s", s.First, s.FirstAt.In(r.zone).Format("2006-01-02 15:04"))
	case !okB:
		return fault("%s does not serve at %s", s.Second, s.SecondAt.In(r.zone).Format("2006-01-02 15:04"))
	case s.First == s.Second || a.From.Before(b.To) && b.From.Before(a.To):
		return fault("the two duties are one or overlap")
	}
	out, err := r, error(nil)
	for n, half := range []struct {
		d          Duty
		person, of string
	}{{a, s.Second, s.First}, {b, s.First, s.Second}} {
		o := Override{ID: fmt.Sprintf("%s/%d", s.ID, n+1), Person: half.person, InsteadOf: half.of, Level: half.d.Level, By: s.By, Reason: s.Reason, Swap: s.ID,
			From: ical.WallOf(half.d.From, r.zone).String(), To: ical.WallOf(half.d.To, r.zone).String()}
		if out, err = out.Override(o, func(string) bool { return true }); err != nil {
			return nil, err
		}
	}
	return out, nil
}

func (r *Rota) dutyOf(person string, at time.Time) (Duty, bool) {
	for _, d := range r.OnCall(at) {
		if d.Person == person {
			return d, true
		}
	}
	return Duty{}, false
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

func earlier(a, b time.Time) time.Time {
	if a.Before(b) {
		return a
	}
	return b
}
