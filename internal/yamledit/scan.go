package yamledit

import (
	"fmt"
	"regexp"
	"strings"
)

// doc is a YAML text with its lines.
type doc struct {
	text  string
	lines []int // offset at which each line begins; one more for the end
}

func newDoc(text string) doc {
	d := doc{text: text, lines: []int{0}}
	for i := range len(text) {
		if text[i] == '\n' {
			d.lines = append(d.lines, i+1)
		}
	}
	if d.lines[len(d.lines)-1] != len(text) {
		d.lines = append(d.lines, len(text))
	}
	return d
}

func (d doc) count() int { return len(d.lines) - 1 }

// line returns the text of line n without its end.
func (d doc) line(n int) string { return strings.TrimRight(d.text[d.lines[n]:d.lines[n+1]], "\r\n") }

// endOf is the offset behind the last character of line n, its end not counted.
func (d doc) endOf(n int) int { return d.lines[n] + len(d.line(n)) }

// silent tells whether a line says nothing: blank or a comment.
func silent(s string) bool {
	s = strings.TrimSpace(s)
	return s == "" || s[0] == '#'
}

func indentOf(s string) int { return len(s) - len(strings.TrimLeft(s, " ")) }

// list is a block sequence at the top level of the document.
type list struct {
	head     int // line of its key
	empty    bool
	first    int // first line of its body
	last     int // last line of its body that says something
	indent   int // of its dashes
	elements []element
}

// element is one entry of a list, a mapping.
type element struct {
	first, last int // lines; last says something
	flow        bool
	close       int // offset of the closing brace of a flow mapping
	indent      int // of the keys of a block mapping
	entries     []entry
}

// entry is one key with its value.
type entry struct {
	key      string
	start    int // offset of the key
	from, to int // the value, without a comment behind it; from == to is none
	end      int // behind the entry: what a removal takes
	nested   bool
}

// find returns the list of that name; nil when the document has none.
func (d doc) find(name string) (*list, error) {
	for n := range d.count() {
		rest, ok := strings.CutPrefix(d.line(n), name+":")
		if !ok {
			continue
		}
		switch rest = strings.TrimSpace(rest); {
		case rest == "" || rest[0] == '#':
			return d.body(n)
		case strings.HasPrefix(rest, "[]"), strings.HasPrefix(rest, "null"), strings.HasPrefix(rest, "~"):
			return &list{head: n, empty: true}, nil
		}
		return nil, fmt.Errorf("line %d: %s is not written as a list of lines that begin with a dash", n+1, name)
	}
	return nil, nil
}

func (d doc) body(head int) (*list, error) {
	l := &list{head: head, first: head + 1, last: head, indent: -1}
	var starts []int
	for n := head + 1; n < d.count(); n++ {
		s := d.line(n)
		if silent(s) {
			continue
		}
		in := indentOf(s)
		dash := s[in] == '-' && (len(s) == in+1 || s[in+1] == ' ')
		if in == 0 && !dash {
			break
		}
		if l.indent < 0 && dash {
			l.indent = in
		}
		if dash && in == l.indent {
			starts = append(starts, n)
		}
		l.last = n
	}
	if l.indent < 0 {
		l.empty = l.last == head
		if !l.empty {
			return nil, fmt.Errorf("line %d: this is no list", head+1)
		}
		return l, nil
	}
	for i, n := range starts {
		end := l.last
		if i+1 < len(starts) {
			end = starts[i+1] - 1
		}
		e, err := d.element(n, end)
		if err != nil {
			return nil, err
		}
		l.elements = append(l.elements, e)
	}
	return l, nil
}

func (d doc) element(first, last int) (element, error) {
	for last > first && silent(d.line(last)) {
		last--
	}
	e := element{first: first, last: last}
	s := d.line(first)
	in := indentOf(s)
	skip := len(s[in+1:]) - len(strings.TrimLeft(s[in+1:], " "))
	at := d.lines[first] + in + 1 + skip
	if at >= d.endOf(first) {
		return e, fmt.Errorf("line %d: an entry that begins on the next line cannot be changed here", first+1)
	}
	if d.text[at] == '{' {
		e.flow = true
		return e, d.flowEntries(&e, at)
	}
	e.indent = in + 1 + skip
	d.blockEntries(&e, at)
	if len(e.entries) == 0 {
		return e, fmt.Errorf("line %d: this entry is written in a form that cannot be changed here", first+1)
	}
	return e, nil
}

var keyPattern = regexp.MustCompile(`^["']?([A-Za-z_][A-Za-z0-9_ -]*)["']?:( |$)`)

func (d doc) blockEntries(e *element, at int) {
	for n := e.first; n <= e.last; n++ {
		s := d.line(n)
		start := d.lines[n] + e.indent
		if n == e.first {
			start = at
		} else if silent(s) || indentOf(s) != e.indent {
			continue
		}
		m := keyPattern.FindStringSubmatch(d.text[start:d.endOf(n)])
		if m == nil {
			continue
		}
		if k := len(e.entries); k > 0 {
			d.closeBlock(&e.entries[k-1], n-1)
		}
		from := start + len(m[0])
		e.entries = append(e.entries, entry{key: m[1], start: start, from: from, nested: true})
		d.inline(&e.entries[len(e.entries)-1], d.endOf(n))
	}
	if k := len(e.entries); k > 0 {
		d.closeBlock(&e.entries[k-1], e.last)
	}
}

// inline finds the end of a value that stands behind its key.
func (d doc) inline(x *entry, eol int) {
	for x.from < eol && d.text[x.from] == ' ' {
		x.from++
	}
	if x.from >= eol || d.text[x.from] == '#' {
		x.from = eol
		return
	}
	x.nested = d.text[x.from] == '|' || d.text[x.from] == '>'
	switch c := d.text[x.from]; c {
	case '{', '[':
		x.to = d.match(x.from)
	case '"', '\'':
		x.to = d.quoted(x.from)
	default:
		x.to = eol
		if i := strings.Index(d.text[x.from:eol], " #"); i >= 0 && !x.nested {
			x.to = x.from + len(strings.TrimRight(d.text[x.from:x.from+i], " "))
		}
	}
}

// closeBlock ends an entry at the last line before n that says something.
func (d doc) closeBlock(x *entry, last int) {
	for last >= 0 && silent(d.line(last)) && d.lines[last] > x.start {
		last--
	}
	x.end = d.endOf(last)
	if x.to == 0 || x.nested {
		colon := x.start + strings.IndexByte(d.text[x.start:], ':') + 1
		x.from, x.to, x.nested = colon, x.end, true
		return
	}
	if d.lines[last] > x.to { // a plain value over several lines
		x.to = x.end
	}
}

func (d doc) flowEntries(e *element, open int) error {
	e.close = d.match(open) - 1
	if e.close <= open || d.text[e.close] != '}' {
		return fmt.Errorf("line %d: the brace is not closed", e.first+1)
	}
	start := open + 1
	for p := open + 1; p <= e.close; {
		switch c := d.text[p]; {
		case c == ',' || p == e.close:
			if err := d.flowEntry(e, start, p); err != nil {
				return err
			}
			p++
			start = p
		default:
			p = d.step(p, open)
		}
	}
	return nil
}

func (d doc) flowEntry(e *element, start, end int) error {
	for start < end && strings.IndexByte(" \t\r\n", d.text[start]) >= 0 {
		start++
	}
	if start == end {
		return nil
	}
	m := keyPattern.FindStringSubmatch(d.text[start:end])
	if m == nil {
		return fmt.Errorf("line %d: %q is no key with a value", e.first+1, d.text[start:end])
	}
	x := entry{key: m[1], start: start, from: start + len(m[0])}
	x.end = start + len(strings.TrimRight(d.text[start:end], " \t\r\n"))
	for x.from < x.end && d.text[x.from] == ' ' {
		x.from++
	}
	x.to = x.end
	e.entries = append(e.entries, x)
	return nil
}

// match returns the offset behind the bracket that closes the one at p.
func (d doc) match(p int) int {
	open, depth := p, 0
	for p < len(d.text) {
		switch d.text[p] {
		case '{', '[':
			depth++
			p++
		case '}', ']':
			depth--
			p++
			if depth == 0 {
				return p
			}
		default:
			p = d.skip(p, open)
		}
	}
	return len(d.text)
}

// step goes over one character, one quoted text, one comment or one bracketed
// value.
func (d doc) step(p, open int) int {
	if c := d.text[p]; c == '{' || c == '[' {
		return d.match(p)
	}
	return d.skip(p, open)
}

func (d doc) skip(p, open int) int {
	switch c := d.text[p]; {
	case (c == '"' || c == '\'') && d.begins(p, open):
		return d.quoted(p)
	case c == '#' && p > 0 && strings.IndexByte(" \t\n", d.text[p-1]) >= 0:
		if i := strings.IndexByte(d.text[p:], '\n'); i >= 0 {
			return p + i
		}
		return len(d.text)
	}
	return p + 1
}

// begins tells whether a quote at p opens a text: an apostrophe within a word
// does not.
func (d doc) begins(p, open int) bool {
	for q := p - 1; q >= open; q-- {
		if strings.IndexByte(" \t\r\n", d.text[q]) < 0 {
			return strings.IndexByte("{[,:", d.text[q]) >= 0
		}
	}
	return true
}

// quoted returns the offset behind the quote that closes the one at p.
func (d doc) quoted(p int) int {
	q := d.text[p]
	for p++; p < len(d.text); p++ {
		switch {
		case d.text[p] == '\\' && q == '"':
			p++
		case d.text[p] == q && q == '\'' && p+1 < len(d.text) && d.text[p+1] == q:
			p++
		case d.text[p] == q:
			return p + 1
		}
	}
	return len(d.text)
}
