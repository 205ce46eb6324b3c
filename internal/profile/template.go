package profile

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
)

// Get returns a row's text by name: a cell, a label, a component of the index,
// "index" for all of it, "1" for its first number or "1-2" for the first two.
type Get func(name string) string

// Template is text with names in braces: "{probe|index} temperature". Of the
// alternatives in braces the first that is not empty counts; one in single
// quotes stands for itself.
type Template struct {
	text  string
	parts []part
}

type part struct {
	literal string
	names   []string // alternatives; nil: literal
}

// String is the template as written.
func (t *Template) String() string {
	if t == nil {
		return ""
	}
	return t.text
}

// UnmarshalYAML reads the template's text.
func (t *Template) UnmarshalYAML(decode func(any) error) error {
	var text string
	if err := decode(&text); err != nil {
		return err
	}
	parsed, err := ParseTemplate(text)
	if err == nil {
		*t = *parsed
	}
	return err
}

// ParseTemplate reads a template.
func ParseTemplate(text string) (*Template, error) {
	t := &Template{text: text}
	fault := func(what string) (*Template, error) {
		return nil, textError{text, fmt.Errorf("template %q: %s", text, what)}
	}
	for rest := text; rest != ""; {
		at := strings.IndexAny(rest, "{}")
		if at < 0 {
			at = len(rest)
		}
		if at > 0 {
			t.parts = append(t.parts, part{literal: rest[:at]})
		}
		if rest = rest[at:]; rest == "" {
			break
		}
		if rest[0] == '}' {
			return fault("} without {")
		}
		names, after, what := alternatives(rest[1:])
		if what != "" {
			return fault(what)
		}
		t.parts = append(t.parts, part{names: names})
		rest = after
	}
	return t, nil
}

// alternatives reads what stands behind an opening brace up to the closing one;
// in quotes bars and braces are text. what is the fault, or "".
func alternatives(text string) (names []string, rest, what string) {
	quoted, start := false, 0
	for i := 0; i < len(text); i++ {
		switch c := text[i]; {
		case c == '\'':
			quoted = !quoted
		case quoted:
		case c == '{':
			return nil, "", "{ inside braces"
		case c == '|', c == '}':
			name := strings.TrimSpace(text[start:i])
			if name == "" {
				return nil, "", "empty name in braces"
			}
			if n := strings.IndexByte(name, '\''); n > 0 || n == 0 && strings.IndexByte(name[1:], '\'') != len(name)-2 {
				return nil, "", name + " is neither a name nor a text in quotes"
			}
			names, start = append(names, name), i+1
			if c == '}' {
				return names, text[start:], ""
			}
		}
	}
	if quoted {
		return nil, "", "' without '"
	}
	return nil, "", "{ without }"
}

// Expand fills the template in. Runs of blanks that empty names leave become
// one.
func (t *Template) Expand(get Get) string {
	if t == nil {
		return ""
	}
	var b strings.Builder
	for _, p := range t.parts {
		if p.names == nil {
			b.WriteString(p.literal)
			continue
		}
		for _, n := range p.names {
			text := ""
			if n[0] == '\'' {
				text = n[1 : len(n)-1]
			} else {
				text = get(n)
			}
			if text != "" {
				b.WriteString(text)
				break
			}
		}
	}
	return strings.Join(strings.Fields(b.String()), " ")
}

// names are what the template asks for.
func (t *Template) names() []string {
	var all []string
	if t != nil {
		for _, p := range t.parts {
			for _, n := range p.names {
				if n[0] != '\'' {
					all = append(all, n)
				}
			}
		}
	}
	return all
}

// ownIndex are the names that every row has.
var ownIndex = regexp.MustCompile(`^(index|[1-9][0-9]?(-[1-9][0-9]?)?)$`)

// IndexPart returns the numbers of an index that a name ("2", "1-3", "index")
// stands for; false when the name is no such thing.
func IndexPart(index, name string) (string, bool) {
	if !ownIndex.MatchString(name) {
		return "", false
	}
	if name == "index" {
		return index, true
	}
	first, last, isRange := strings.Cut(name, "-")
	if !isRange {
		last = first
	}
	from, _ := strconv.Atoi(first)
	to, _ := strconv.Atoi(last)
	parts := strings.Split(index, ".")
	if from > len(parts) || from > to {
		return "", true
	}
	return strings.Join(parts[from-1:min(to, len(parts))], "."), true
}

// Cond is one condition on a row: "type = 1|2", "value > 0", "name !~ ^empty".
type Cond struct {
	text   string
	name   string
	op     string
	values []string
	number float64
	re     *regexp.Regexp
}

// condValue is the name that stands for the raw value.
const condValue = "value"

var condPattern = regexp.MustCompile(`^\s*([\w-]+)\s*(!=|>=|<=|!~|=|>|<|~)\s*(.*?)\s*$`)

// UnmarshalYAML reads the condition's text.
func (c *Cond) UnmarshalYAML(decode func(any) error) error {
	var text string
	if err := decode(&text); err != nil {
		return err
	}
	parsed, err := parseCond(text)
	if err == nil {
		*c = *parsed
	}
	return err
}

func parseCond(text string) (*Cond, error) {
	m := condPattern.FindStringSubmatch(text)
	if m == nil {
		return nil, textError{text, fmt.Errorf("condition %q: want NAME OP VALUES, as in type = 1|2", text)}
	}
	c := &Cond{text: text, name: m[1], op: m[2]}
	var err error
	switch c.op {
	case "=", "!=":
		for _, v := range strings.Split(m[3], "|") {
			c.values = append(c.values, strings.TrimSpace(v))
		}
	case "~", "!~":
		c.re, err = regexp.Compile(m[3])
	default:
		c.number, err = strconv.ParseFloat(m[3], 64)
	}
	if err != nil {
		return nil, textError{text, fmt.Errorf("condition %q: %w", text, err)}
	}
	return c, nil
}

// String is the condition as written.
func (c *Cond) String() string { return c.text }

// holds tells whether the condition is true of a text.
func (c *Cond) holds(text string) bool {
	switch c.op {
	case "=", "!=":
		for _, v := range c.values {
			if v == text {
				return c.op == "="
			}
		}
		return c.op == "!="
	case "~":
		return c.re.MatchString(text)
	case "!~":
		return !c.re.MatchString(text)
	}
	f, ok := leadingNumber(text)
	return ok && c.compares(f)
}

func (c *Cond) compares(f float64) bool {
	switch c.op {
	case ">":
		return f > c.number
	case ">=":
		return f >= c.number
	case "<":
		return f < c.number
	}
	return f <= c.number
}

// hold tells whether all conditions on cells are true; those on the value are
// left to reading.
func hold(when []*Cond, get Get) bool {
	for _, c := range when {
		if c.name != condValue && !c.holds(get(c.name)) {
			return false
		}
	}
	return true
}

// onValue returns the conditions on the raw value.
func onValue(when []*Cond) []*Cond {
	var on []*Cond
	for _, c := range when {
		if c.name == condValue {
			on = append(on, c)
		}
	}
	return on
}

var numberPattern = regexp.MustCompile(`^[-+]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][-+]?[0-9]+)?`)

// leadingNumber reads the number at the beginning of a text: "23.5 C" is 23.5.
func leadingNumber(text string) (float64, bool) {
	text = strings.TrimSpace(text)
	if f, err := strconv.ParseFloat(text, 64); err == nil && text[0] != 'i' && text[0] != 'I' && text[0] != 'n' && text[0] != 'N' {
		return f, true
	}
	f, err := strconv.ParseFloat(numberPattern.FindString(text), 64)
	return f, err == nil
}

// IndexNames are the names of a table's index components; a component written
// "name:text" is an OCTET STRING read as text.
func (t *Table) IndexNames() []string {
	names := make([]string, len(t.Index))
	for i, n := range t.Index {
		names[i] = strings.TrimSuffix(n, textIndex)
	}
	return names
}

const textIndex = ":text"

// IndexPart returns component i of a row's index. The last takes the rest; text
// has its length before it, except where it is last and the MIB implies it.
func (t *Table) IndexPart(index string, i int) string {
	for k, n := range t.Index {
		part, last := index, k == len(t.Index)-1
		text := strings.HasSuffix(n, textIndex)
		switch {
		case text:
			part, index = cutText(index, last)
		case !last:
			part, index, _ = strings.Cut(index, ".")
		}
		if k == i {
			return part
		}
	}
	return ""
}

// cutText splits text off the beginning of an index.
func cutText(index string, last bool) (text, rest string) {
	numbers := strings.Split(index, ".")
	n, err := strconv.Atoi(numbers[0])
	if err == nil && n < len(numbers) && (!last || n == len(numbers)-1) {
		numbers, rest = numbers[1:n+1], strings.Join(numbers[n+1:], ".")
	}
	b := make([]byte, 0, len(numbers))
	for _, s := range numbers {
		c, err := strconv.ParseUint(s, 10, 8)
		if err != nil || c < ' ' {
			return strings.Join(numbers, "."), rest
		}
		b = append(b, byte(c))
	}
	return strings.ToValidUTF8(string(b), "?"), rest
}
