package sla

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"maps"
	"slices"
	"time"
)

// Version names the content of all files together, for ever.
func (c *Calendars) Version() string { return c.version }

// Files returns the texts the calendars were loaded from, by name: what has to
// be kept so that Restore makes the same version again.
func (c *Calendars) Files() map[string]string { return maps.Clone(c.files) }

// IDs returns the calendars' ids, sorted.
func (c *Calendars) IDs() []string { return slices.Sorted(maps.Keys(c.byID)) }

func versionOf(files map[string]string) string {
	h := sha256.New()
	for _, name := range slices.Sorted(maps.Keys(files)) {
		_, _ = fmt.Fprintf(h, "%d %s %d %s", len(name), name, len(files[name]), files[name])
	}
	return hex.EncodeToString(h.Sum(nil)[:8])
}

// Published is one version of the calendars and who put it in force.
type Published struct {
	At        time.Time
	By        string // person, or "start" for what was loaded at a start
	Comment   string
	Calendars *Calendars
}

// History is all versions that were in force, oldest first. It is a value that
// grows only by Publish, which leaves the older value as it was.
type History struct{ versions []Published }

// NewHistory returns a history of the versions, in order of their time.
func NewHistory(versions ...Published) History {
	list := slices.Clone(versions)
	slices.SortStableFunc(list, func(a, b Published) int { return a.At.Compare(b.At) })
	return History{list}
}

// Publish returns the history with a version in force from its time on. The
// version that is in force already changes nothing.
func (h History) Publish(p Published) History {
	if n := len(h.versions); n > 0 && h.versions[n-1].Calendars.version == p.Calendars.version {
		return h
	}
	return NewHistory(append(slices.Clone(h.versions), p)...)
}

// Newest returns the newest version.
func (h History) Newest() (Published, bool) {
	if len(h.versions) == 0 {
		return Published{}, false
	}
	return h.versions[len(h.versions)-1], true
}

// At returns the version in force at the time: the newest published by then,
// the oldest before all of them.
func (h History) At(t time.Time) (Published, bool) {
	if len(h.versions) == 0 {
		return Published{}, false
	}
	for _, p := range slices.Backward(h.versions) {
		if !p.At.After(t) {
			return p, true
		}
	}
	return h.versions[0], true
}

// Version returns the version with the name; "" is the newest.
func (h History) Version(version string) (Published, bool) {
	if version == "" {
		return h.Newest()
	}
	for _, p := range slices.Backward(h.versions) {
		if p.Calendars.version == version {
			return p, true
		}
	}
	return Published{}, false
}

// timeline is versions of one calendar after each other, each in force from an
// instant on.
type timeline struct{ parts []part }

type part struct {
	from time.Time
	cal  *Calendar
}

// add puts a version in force from the instant on.
func (t *timeline) add(from time.Time, cal *Calendar) error {
	if n := len(t.parts); n > 0 {
		last := t.parts[n-1].cal
		if last == cal {
			return nil
		}
		if last.Always != cal.Always || last.Zone.String() != cal.Zone.String() {
			return fmt.Errorf("calendar %s changed its zone or became another kind: a new calendar needs another id", cal.ID)
		}
	}
	t.parts = append(t.parts, part{from, cal})
	return nil
}

func (t *timeline) around() bool         { return t.parts[0].cal.Always }
func (t *timeline) zone() *time.Location { return t.parts[0].cal.Zone }

// intervals cuts each version's working time to when it was in force.
func (t *timeline) intervals(d date, out []interval) ([]interval, error) {
	if len(t.parts) == 1 {
		return t.parts[0].cal.intervals(d, out)
	}
	begin, end := d.at(0, t.zone()), d.next().at(0, t.zone())
	out = out[:0]
	for n, p := range t.parts {
		from, to := begin, end
		if n > 0 {
			from = later(from, p.from)
		}
		if n+1 < len(t.parts) {
			to = earlier(to, t.parts[n+1].from)
		}
		if !from.Before(to) {
			continue
		}
		day, err := p.cal.intervals(d, nil)
		if err != nil {
			return nil, err
		}
		for _, v := range day {
			if v = (interval{later(v.from, from), earlier(v.to, to)}); v.from.Before(v.to) {
				out = append(out, v)
			}
		}
	}
	return out, nil
}
