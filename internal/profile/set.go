package profile

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"slices"
	"strings"
	"sync"

	"github.com/goccy/go-yaml/ast"
)

// Set is every profile of an installation. It may be used from any goroutine.
type Set struct {
	heads map[string]*Profile // by name: what decides about taking it
	names []string            // sorted
	files fs.FS               // where bodies are read from; nil: all are read

	mu     sync.Mutex // guards the fields below
	bodies map[string]*Profile
	plans  map[string]*Plan // by the names of the profiles taken
}

func newSet() *Set {
	return &Set{heads: map[string]*Profile{}, bodies: map[string]*Profile{}, plans: map[string]*Plan{}}
}

func (s *Set) add(p *Profile) {
	s.heads[p.Name] = p
	at, _ := slices.BinarySearch(s.names, p.Name)
	s.names = slices.Insert(s.names, at, p.Name)
}

// Names returns the names of all profiles, sorted.
func (s *Set) Names() []string { return slices.Clone(s.names) }

// Profile returns the profile of that name whole, or nil.
func (s *Set) Profile(name string) *Profile {
	if s.heads[name] == nil {
		return nil
	}
	p, err := s.body(name)
	if err != nil {
		return nil
	}
	return p
}

// IndexFile is the name of the file with the heads of a directory's profiles.
const IndexFile = "index.json"

// head is a profile as it stands in the index: what decides about taking it.
type head struct {
	Name     string   `json:"profile"`
	File     string   `json:"file"`
	Class    string   `json:"class,omitempty"`
	Extends  []string `json:"extends,omitempty"`
	Replaces []string `json:"replaces,omitempty"`
	Match    Match    `json:"match,omitempty"`
}

// Index returns the index of a set, for IndexFile.
func (s *Set) Index() ([]byte, error) {
	heads := make([]head, 0, len(s.names))
	for _, n := range s.names {
		p := s.heads[n]
		heads = append(heads, head{p.Name, p.file, p.Class, p.Extends, p.Replaces, p.Match})
	}
	var b strings.Builder
	b.WriteString("[\n")
	for i, h := range heads {
		text, err := json.Marshal(h)
		if err != nil {
			return nil, fmt.Errorf("index of profiles: %s: %w", h.Name, err)
		}
		b.Write(text)
		if i < len(heads)-1 {
			b.WriteByte(',')
		}
		b.WriteByte('\n')
	}
	b.WriteString("]\n")
	return []byte(b.String()), nil
}

// Open reads the index of a directory of profiles that were checked when it was
// made; the profiles themselves are read when a device needs them. Hundreds of
// profiles cost next to nothing this way.
func Open(dir fs.FS) (*Set, error) {
	text, err := fs.ReadFile(dir, IndexFile)
	if err != nil {
		return nil, fmt.Errorf("open profiles: %w", err)
	}
	var heads []head
	if err := json.Unmarshal(text, &heads); err != nil {
		return nil, fmt.Errorf("open profiles: %s: %w", IndexFile, err)
	}
	s := newSet()
	s.files = dir
	var faults []error
	for _, h := range heads {
		p := &Profile{Name: h.Name, file: h.File, Class: h.Class, Extends: h.Extends, Replaces: h.Replaces, Match: h.Match}
		c := &checker{file: IndexFile}
		for i := range p.Match {
			c.match("$", &p.Match[i])
		}
		faults = append(faults, c.faults...)
		s.add(p)
	}
	if err := errors.Join(faults...); err != nil {
		return nil, fmt.Errorf("open profiles: %w", err)
	}
	return s, nil
}

// With returns the set with the profiles of a directory added; one that has the
// name of another takes its place. All faults are reported.
func (s *Set) With(dir fs.FS) (*Set, error) {
	files, err := fs.Glob(dir, "*.yaml")
	if err != nil {
		return nil, fmt.Errorf("load profiles: %w", err)
	}
	out := newSet()
	out.files = s.files
	for _, n := range s.names {
		out.add(s.heads[n])
	}
	s.mu.Lock()
	maps.Copy(out.bodies, s.bodies)
	s.mu.Unlock()
	var faults []error
	docs, own := map[string]*ast.File{}, map[string]string{}
	for _, file := range files {
		text, err := fs.ReadFile(dir, file)
		if err != nil {
			return nil, fmt.Errorf("load profile %s: %w", file, err)
		}
		p, doc, err := Parse(file, text)
		if err != nil {
			faults = append(faults, err)
			continue
		}
		if own[p.Name] != "" {
			faults = append(faults, fmt.Errorf("%s:%d: profile %q is also in %s", file, line(doc, "$.profile"), p.Name, own[p.Name]))
			continue
		}
		own[p.Name], docs[p.Name] = file, doc
		if out.heads[p.Name] == nil {
			out.add(p)
		}
		out.heads[p.Name], out.bodies[p.Name] = p, p
	}
	for name, doc := range docs {
		faults = append(faults, out.checkReferences(out.heads[name], &checker{file: own[name], doc: doc})...)
	}
	if err := errors.Join(faults...); err != nil {
		return nil, err
	}
	return out, nil
}

// body returns a profile whole, read at the first time.
func (s *Set) body(name string) (*Profile, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if p := s.bodies[name]; p != nil {
		return p, nil
	}
	file := s.heads[name].file
	text, err := fs.ReadFile(s.files, file)
	if err != nil {
		return nil, fmt.Errorf("read profile %s: %w", name, err)
	}
	p, _, err := Parse(file, text)
	if err != nil {
		return nil, fmt.Errorf("read profile %s: %w", name, err)
	}
	s.bodies[name] = p
	return p, nil
}
