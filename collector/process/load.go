package process

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"slices"

	"github.com/faultline/faultline/collector/sla"
	"github.com/faultline/faultline/internal/yamlfile"
)

// Load reads every *.yaml file at the top of fsys. All faults of all files are
// reported, with file and line; then nothing is loaded.
func Load(fsys fs.FS) (*Set, error) {
	files, err := yamlfile.ParseAll(fsys)
	faults := []error{err}
	set := &Set{latest: map[string]*Definition{}, byRef: map[string]*Definition{}}
	versions := map[string]string{}
	for _, f := range files {
		d, err := read(f)
		if err != nil {
			faults = append(faults, err)
			continue
		}
		key := fmt.Sprintf("%s@%d", d.ID, d.Version)
		if other, taken := versions[key]; taken {
			faults = append(faults, f.Faultf("version", "%s is in %s already", key, other))
			continue
		}
		versions[key] = f.Name
		set.byRef[d.Ref()] = d
		if before, ok := set.latest[d.ID]; !ok || before.Version < d.Version {
			set.latest[d.ID] = d
		}
	}
	if err := errors.Join(faults...); err != nil {
		return nil, fmt.Errorf("load processes: %w", err)
	}
	return set, nil
}

// Parse reads one definition, as Load does; name is used in errors.
func Parse(name string, data []byte) (*Definition, error) {
	f, err := yamlfile.Parse(name, data)
	if err != nil {
		return nil, NewLocator(name, data).faults(err)
	}
	return read(f)
}

func read(f *yamlfile.File) (*Definition, error) {
	d := &Definition{}
	at := NewLocator(f.Name, f.Data)
	if err := f.Decode(d); err != nil {
		return nil, at.faults(err)
	}
	sum := sha256.Sum256(f.Data)
	d.hash, d.text = hex.EncodeToString(sum[:6]), f.Data
	c := &checker{at: at, d: d}
	c.all()
	if len(c.faults) > 0 {
		return nil, errors.Join(c.faults...)
	}
	return d, nil
}

// CheckCalendars tells whether every calendar the process names is loaded and
// every limit has one meaning on it.
func (d *Definition) CheckCalendars(cals *sla.Calendars) error {
	var faults []error
	need := func(word string, span sla.Span) {
		cal, ok := cals.Get(d.Calendars[word])
		if !ok {
			faults = append(faults, fmt.Errorf("process %s: no calendar %q", d.ID, d.Calendars[word]))
			return
		}
		if err := span.Check(cal); err != nil {
			faults = append(faults, fmt.Errorf("process %s: %w", d.ID, err))
		}
	}
	for _, c := range d.Clocks {
		need(c.Calendar, c.target)
		if c.Late.After != "" {
			need(c.Calendar, c.late)
		}
	}
	for _, s := range d.Steps {
		for _, r := range s.Timeout {
			need(r.Calendar, r.after)
		}
	}
	return errors.Join(faults...)
}

func sortedKeys[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }
