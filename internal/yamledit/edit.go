// Package yamledit changes single values in the YAML that people wrote and
// leaves every other byte as it is: comments, order, quoting, blank lines. It
// knows one form, lists of mappings at the top level of a document, and refuses
// what it does not understand. Whoever calls it reads the result again and
// compares: the scanner is no YAML parser.
package yamledit

import (
	"errors"
	"fmt"
	"slices"
	"strings"
)

// Pair is a key and the YAML text of its value, on one line.
type Pair struct{ Key, Value string }

// Change is what is done to one element of a list.
type Change struct {
	List   string
	Index  int      // of the element as the text has it; -1: a new one, at the end
	Set    []Pair   // keys that get a value; of a new element all of them, in order
	Unset  []string // keys that go
	Remove bool     // the element goes
}

// ErrRange says that the text has no such element.
var ErrRange = errors.New("no such element")

// splice replaces text[from:to].
type splice struct {
	from, to int
	with     string
}

// Apply returns the text after the changes. Indices are those of the text given.
func Apply(text string, changes []Change) (string, error) {
	d := newDoc(text)
	var out []splice
	lists := map[string]*list{}
	added := map[string][]string{}
	var order []string
	for _, c := range changes {
		l, ok := lists[c.List]
		if !ok {
			var err error
			if l, err = d.find(c.List); err != nil {
				return "", err
			}
			lists[c.List] = l
		}
		if c.Index < 0 {
			if len(added[c.List]) == 0 {
				order = append(order, c.List)
			}
			added[c.List] = append(added[c.List], Flow(c.Set))
			continue
		}
		if l == nil || c.Index >= len(l.elements) {
			return "", fmt.Errorf("%s[%d]: %w", c.List, c.Index, ErrRange)
		}
		out = append(out, d.change(l, c)...)
	}
	for _, name := range order {
		out = append(out, d.add(name, lists[name], added[name]))
	}
	return d.put(out)
}

// Count returns how many elements the list has in the text.
func Count(text, name string) (int, error) {
	l, err := newDoc(text).find(name)
	if err != nil || l == nil {
		return 0, err
	}
	return len(l.elements), nil
}

// Lines returns the first and last line of each element of a list; 1 is the
// text's first line.
func Lines(text, name string) ([][2]int, error) {
	l, err := newDoc(text).find(name)
	if err != nil || l == nil {
		return nil, err
	}
	out := make([][2]int, len(l.elements))
	for i, e := range l.elements {
		out[i] = [2]int{e.first + 1, e.last + 1}
	}
	return out, nil
}

// Flow writes pairs as a mapping on one line.
func Flow(pairs []Pair) string {
	parts := make([]string, len(pairs))
	for i, p := range pairs {
		parts[i] = p.Key + ": " + p.Value
	}
	return "{" + strings.Join(parts, ", ") + "}"
}

func (d doc) change(l *list, c Change) []splice {
	e := l.elements[c.Index]
	if c.Remove {
		return []splice{{d.lines[e.first], d.lines[e.last+1], ""}}
	}
	var out []splice
	for _, key := range c.Unset {
		if i := e.index(key); i >= 0 {
			out = append(out, d.unset(e, i))
		}
	}
	var missing []Pair
	for _, p := range c.Set {
		i := e.index(p.Key)
		if i < 0 {
			missing = append(missing, p)
			continue
		}
		x := e.entries[i]
		value := p.Value
		if x.nested || x.from == x.to || d.text[x.from-1] == ':' {
			value = " " + value
		}
		out = append(out, splice{x.from, x.to, value})
	}
	if len(missing) == 0 {
		return out
	}
	last := e.entries[len(e.entries)-1].end
	var b strings.Builder
	for _, p := range missing {
		if e.flow {
			b.WriteString(", " + p.Key + ": " + p.Value)
			continue
		}
		b.WriteString("\n" + strings.Repeat(" ", e.indent) + p.Key + ": " + p.Value)
	}
	return append(out, splice{last, last, b.String()})
}

func (e element) index(key string) int {
	return slices.IndexFunc(e.entries, func(x entry) bool { return x.key == key })
}

// unset removes an entry with its separator.
func (d doc) unset(e element, i int) splice {
	x := e.entries[i]
	switch {
	case e.flow && i > 0:
		return splice{e.entries[i-1].end, x.end, ""}
	case i+1 < len(e.entries): // the first one: what follows takes its place
		return splice{x.start, e.entries[i+1].start, ""}
	case e.flow:
		return splice{x.start, x.end, ""}
	}
	line := strings.LastIndexByte(d.text[:x.start], '\n') // with the line it begins
	return splice{line, x.end, ""}
}

// add puts new elements behind the last one of a list, or begins the list.
func (d doc) add(name string, l *list, elements []string) splice {
	indent := 2
	if l != nil && l.indent >= 0 && !l.empty {
		indent = l.indent
	}
	var b strings.Builder
	for _, e := range elements {
		b.WriteString("\n" + strings.Repeat(" ", indent) + "- " + e)
	}
	switch {
	case l == nil:
		at := len(strings.TrimRight(d.text, "\r\n "))
		head := "\n" + name + ":"
		if at == 0 {
			head = name + ":"
		}
		return splice{at, len(d.text), head + b.String() + "\n"}
	case l.empty:
		at, end := d.lines[l.head]+len(name)+1, d.endOf(l.head)
		rest := d.text[at:end] // "[]", perhaps with a comment behind it
		if i := strings.IndexByte(rest, '#'); i >= 0 {
			return splice{at, end, " " + rest[i:] + b.String()}
		}
		return splice{at, end, b.String()}
	}
	at := d.endOf(l.last)
	return splice{at, at, b.String()}
}

// put applies splices; removals may overlap, nothing else may.
func (d doc) put(all []splice) (string, error) {
	slices.SortStableFunc(all, func(a, b splice) int {
		if a.from != b.from {
			return a.from - b.from
		}
		return a.to - b.to
	})
	var b strings.Builder
	at := 0
	for _, s := range all {
		if s.from < at {
			if s.with != "" {
				return "", errors.New("two changes meet in one place")
			}
			at = max(at, s.to)
			continue
		}
		b.WriteString(d.text[at:s.from])
		b.WriteString(s.with)
		at = s.to
	}
	b.WriteString(d.text[at:])
	return b.String(), nil
}
