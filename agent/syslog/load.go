package syslog

import (
	"errors"
	"fmt"
	"io/fs"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/faultline/faultline/internal/lang"
	"github.com/faultline/faultline/internal/yamlfile"
)

// leastLiteral is how long the fixed text of an expression is at least.
const leastLiteral = 3

// reserved are the attributes of events that groups may not be named as.
var reserved = []string{"pattern", "severity", "element", "truth", "vendor", "level", "facility", "host", "app", "code", "source", "by", "sent_at", "late",
	"repeated", "first_at", "summary_zh", "summary_en", "device", "site", "count"}

// Load reads the *.yaml files at the top of the file systems; a file of a later
// one replaces the file of the same name of an earlier one. Patterns are tried
// in the order of file names and of the files. All faults are reported, each
// with its file and line; on any fault the Set is nil.
func Load(systems ...fs.FS) (*Set, error) {
	byName := map[string][]byte{}
	for _, fsys := range systems {
		names, err := fs.Glob(fsys, "*.yaml")
		if err != nil {
			return nil, fmt.Errorf("load syslog patterns: %w", err)
		}
		for _, name := range names {
			if byName[name], err = fs.ReadFile(fsys, name); err != nil {
				return nil, fmt.Errorf("load syslog patterns %s: %w", name, err)
			}
		}
	}
	return load(byName)
}

// LoadText reads patterns from a text, as Load does from files; name is used in
// messages.
func LoadText(name, text string) (*Set, error) {
	return load(map[string][]byte{name: []byte(text)})
}

func load(byName map[string][]byte) (*Set, error) {
	l := loader{set: &Set{byName: map[string]*Pattern{}, repeats: map[string][]*Pattern{}}, places: map[*Pattern]place{}}
	for _, name := range sorted(byName) {
		l.file(name, byName[name])
	}
	l.references()
	l.examples()
	if len(l.faults) > 0 {
		return nil, errors.Join(l.faults...)
	}
	return l.set, nil
}

func sorted(m map[string][]byte) []string {
	var names []string
	for n := range m {
		names = append(names, n)
	}
	slices.Sort(names)
	return names
}

// loader gathers patterns and what is wrong with them.
type loader struct {
	set    *Set
	places map[*Pattern]place
	faults []error
}

// place is where a pattern stands.
type place struct {
	file *yamlfile.File
	path string
}

func (l *loader) fault(p *Pattern, field, format string, args ...any) {
	at := l.places[p]
	if field != "" && !strings.HasPrefix(field, "[") {
		field = "." + field
	}
	l.faults = append(l.faults, at.file.Faultf(at.path+field, format, args...))
}

func (l *loader) file(name string, text []byte) {
	var doc struct {
		Patterns []*Pattern `yaml:"patterns"`
	}
	f, err := yamlfile.Parse(name, text)
	if err == nil {
		err = f.Decode(&doc)
	}
	if err != nil {
		l.faults = append(l.faults, err)
		return
	}
	for i, p := range doc.Patterns {
		path := fmt.Sprintf("patterns[%d]", i)
		if p == nil {
			l.faults = append(l.faults, f.Faultf(path, "pattern is empty"))
			continue
		}
		l.places[p] = place{f, path}
		l.pattern(p)
		l.set.patterns = append(l.set.patterns, p)
	}
}

var word = regexp.MustCompile(`^[a-z][a-z0-9_]*$`)

// pattern checks one pattern by itself.
func (l *loader) pattern(p *Pattern) {
	if !word.MatchString(p.Name) {
		l.fault(p, "name", "name %q: want small letters, digits and _", p.Name)
	} else if twin := l.set.byName[p.Name]; twin != nil {
		l.fault(p, "name", "pattern %q is also at %s", p.Name, l.where(twin))
	}
	l.set.byName[p.Name] = p
	if !slices.Contains([]string{"critical", "major", "minor", "info"}, p.Severity) {
		l.fault(p, "severity", "severity %q: want critical, major, minor or info", p.Severity)
	}
	if (p.Element == "") != (p.Truth == "") {
		l.fault(p, "", "element and truth come together")
	}
	if p.Truth != "" && p.Truth != "ok" && p.Truth != "bad" {
		l.fault(p, "truth", "truth %q: want ok or bad", p.Truth)
	}
	if p.Text.ZH == "" || p.Text.EN == "" {
		l.fault(p, "text", "text is needed in zh-CN and en")
	}
	if (len(p.Lines) == 0) == (p.Repeats == nil) {
		l.fault(p, "", "one of lines and repeats is needed")
	}
	for i := range p.Lines {
		l.line(p, i)
	}
}

func (l *loader) where(p *Pattern) string {
	at := l.places[p]
	return fmt.Sprintf("%s:%d", at.file.Name, at.file.Line(at.path+".name"))
}

// line checks one vendor's form and compiles it.
func (l *loader) line(p *Pattern, i int) {
	ln, field := &p.Lines[i], fmt.Sprintf("lines[%d]", i)
	if _, ok := families[ln.Vendor]; !ok && ln.Vendor != "" {
		l.fault(p, field+".vendor", "vendor %q is none of %s", ln.Vendor, strings.Join(vendors(), ", "))
	}
	if ln.Level != nil && (*ln.Level < 0 || *ln.Level > 7) {
		l.fault(p, field+".level", "level %d: want 0 to 7", *ln.Level)
	}
	if ln.Example == "" {
		l.fault(p, field, "an example is needed")
	}
	if ln.Regexp == "" {
		if ln.Level == nil {
			l.fault(p, field, "a regexp or a level is needed")
		}
		return
	}
	re, err := regexp.Compile(ln.Regexp)
	if err != nil {
		l.fault(p, field+".regexp", "%v", err)
		return
	}
	ln.re, ln.literals = re, literalsOf(ln.Regexp)
	if shortest(ln.literals) < leastLiteral {
		l.fault(p, field+".regexp", "no fixed text of %d characters in case and order: it would be tried on every line", leastLiteral)
	}
	names := re.SubexpNames()
	for _, name := range names {
		if slices.Contains(reserved, name) || name != "" && !word.MatchString(name) {
			l.fault(p, field+".regexp", "group %q: the name is taken or no word of small letters", name)
		}
	}
	l.placeholders(p, field+".regexp", names)
}

// placeholders checks that the groups that the pattern's texts name exist.
func (l *loader) placeholders(p *Pattern, field string, groups []string) {
	for _, name := range placeholdersOf(p.Text) {
		if !slices.Contains(groups, name) && name != "device" && name != "count" {
			l.fault(p, field, "the text names {%s}, which is no group here", name)
		}
	}
	if p.Component != "" && !slices.Contains(groups, p.Component) {
		l.fault(p, field, "component %q is no group here", p.Component)
	}
}

func vendors() []string {
	var names []string
	for v := range families {
		names = append(names, v)
	}
	slices.Sort(names)
	return names
}

var placeholder = regexp.MustCompile(`\{([a-z0-9_]+)\}`)

func placeholdersOf(t lang.Text) []string {
	var names []string
	for _, found := range placeholder.FindAllStringSubmatch(t.ZH+" "+t.EN, -1) {
		names = append(names, found[1])
	}
	return names
}

// references checks patterns that count others, and links them.
func (l *loader) references() {
	for _, p := range l.set.patterns {
		r := p.Repeats
		if r == nil {
			continue
		}
		if r.Times < 2 || r.Times > 1000 {
			l.fault(p, "repeats.times", "times %d: want 2 to 1000", r.Times)
		}
		if r.Within < time.Second || r.Within > time.Hour {
			l.fault(p, "repeats.within", "within %v: want 1s to 1h", r.Within)
		}
		l.placeholders(p, "repeats.by", r.By)
		if len(r.Of) == 0 {
			l.fault(p, "repeats", "of names no pattern")
		}
		for _, name := range r.Of {
			if of := l.set.byName[name]; of == nil || of.Repeats != nil {
				l.fault(p, "repeats.of", "pattern %q is not there or counts others itself", name)
				continue
			}
			l.set.repeats[name] = append(l.set.repeats[name], p)
		}
	}
}

// examples checks that each example is taken by its own pattern.
func (l *loader) examples() {
	if len(l.faults) > 0 {
		return
	}
	now := time.Date(2026, 11, 22, 0, 0, 0, 0, time.UTC)
	for _, p := range l.set.patterns {
		for i := range p.Lines {
			ln, field := &p.Lines[i], fmt.Sprintf("lines[%d].example", i)
			m := Parse([]byte(ln.Example), now, time.UTC)
			if _, ok := ln.match(&m, m.Subject()); !ok {
				l.fault(p, field, "the example does not match; it was read as %q", m.Subject())
			} else if got := l.set.Match(&m); got.Pattern != p {
				l.fault(p, field, "pattern %s, which stands before, takes the example", got.Pattern.Name)
			}
		}
	}
}
