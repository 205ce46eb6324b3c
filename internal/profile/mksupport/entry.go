package main

import (
	"slices"
	"strconv"
	"strings"

	"github.com/faultline/faultline/internal/profile"
)

// entry is one profile as the page shows it.
type entry struct {
	Make, Name, Kind, Class, About string
	Reads, Verified, Sources       string
	proof                          string // as the profile says it
}

// Kinds of profile.
const (
	kindOwn   = "own"   // chosen for the device itself
	kindLayer = "layer" // taken beside others, by what the device shows
	kindPart  = "part"  // only read with one that extends it
)

func newEntry(set *profile.Set, p *profile.Profile, text string) entry {
	e := entry{Name: p.Name, Class: p.Class, Kind: kindOwn, About: about(text), Make: maker(p), proof: p.Verified}
	switch {
	case len(p.Match) == 0:
		e.Kind = kindPart
	case p.Layer():
		e.Kind = kindLayer
	}
	e.Reads, e.Sources = reads(set, p), strings.Join(p.Source, ", ")
	if e.Verified = p.Verified; p.Verified == profile.VerifiedNone {
		e.Verified = "written, not tested"
	}
	return e
}

// about is the first sentence of the comment at the file's beginning.
func about(text string) string {
	var words []string
	for line := range strings.Lines(text) {
		comment, ok := strings.CutPrefix(strings.TrimSpace(line), "#")
		if !ok {
			break
		}
		words = append(words, strings.Fields(comment)...)
	}
	sentence, _, _ := strings.Cut(strings.Join(words, " "), ". ")
	return strings.TrimRight(sentence, ".;:")
}

// maker is the vendor's name where the profile itself says it.
func maker(p *profile.Profile) string {
	for i := range p.Identity.Vendor {
		if s := &p.Identity.Vendor[i]; s.Text != "" {
			return s.Text
		}
	}
	return ""
}

// reads says what is read of a device: by the profile and all that it extends.
func reads(set *profile.Set, p *profile.Profile) string {
	var f found
	f.gather(set, p, map[string]bool{})
	var all []string
	if len(f.identity) > 0 {
		all = append(all, "identity ("+strings.Join(f.identity, " ")+")")
	}
	if len(f.classes) > 0 {
		slices.Sort(f.classes)
		all = append(all, "sensors ("+strings.Join(f.classes, " ")+")")
	}
	for _, part := range []struct {
		name string
		is   bool
	}{
		{"processors", f.processors}, {"memory", f.memory}, {"storage", f.storage}, {"neighbours", f.neighbours}, {"raw metrics", f.metrics},
	} {
		if part.is {
			all = append(all, part.name)
		}
	}
	if f.notifications > 0 {
		all = append(all, strconv.Itoa(f.notifications)+" notifications")
	}
	return strings.Join(all, ", ")
}

// found is what profiles read.
type found struct {
	identity, classes                                []string
	processors, memory, storage, neighbours, metrics bool
	notifications                                    int
}

func (f *found) gather(set *profile.Set, p *profile.Profile, seen map[string]bool) {
	if p == nil || seen[p.Name] {
		return
	}
	seen[p.Name] = true
	f.names(&p.Identity)
	f.notifications += len(p.Notifications)
	f.table(&profile.Table{Sensors: p.Sensors, Processors: p.Processors, Memory: p.Memory, Storage: p.Storage, Columns: p.Scalars})
	for i := range p.Scalars {
		if s := p.Scalars[i].Sensor; s != nil {
			f.sensor(s)
		}
	}
	for i := range p.Tables {
		f.table(&p.Tables[i])
	}
	for _, n := range p.Extends {
		f.gather(set, set.Profile(n), seen)
	}
}

// names notes which names of the device are read; the vendor's has a column of
// its own.
func (f *found) names(id *profile.Identity) {
	for _, part := range []struct {
		name    string
		sources profile.Sources
	}{{"model", id.Model}, {"version", id.Version}, {"serial", id.Serial}} {
		if len(part.sources) > 0 && !slices.Contains(f.identity, part.name) {
			f.identity = append(f.identity, part.name)
		}
	}
}

func (f *found) table(t *profile.Table) {
	for i := range t.Sensors {
		f.sensor(&t.Sensors[i])
	}
	f.processors = f.processors || len(t.Processors) > 0
	f.memory = f.memory || len(t.Memory) > 0
	f.storage = f.storage || len(t.Storage) > 0
	f.neighbours = f.neighbours || len(t.Neighbours) > 0
	f.metrics = f.metrics || len(t.Columns) > 0
}

func (f *found) sensor(s *profile.Sensor) {
	f.class(s.Class)
	if s.ClassFrom != nil {
		for _, c := range s.ClassFrom.Map {
			f.class(c)
		}
	}
}

func (f *found) class(c string) {
	if c != "" && !slices.Contains(f.classes, c) {
		f.classes = append(f.classes, c)
	}
}
