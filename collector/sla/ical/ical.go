// Package ical reads and writes the part of RFC 5545 that calendars and rotas
// here need: components, properties with parameters, dates with a zone and
// recurrence rules. It is bounded: what it cannot represent it refuses with the
// line, instead of dropping it. It knows nothing of working time or people.
package ical

import (
	"bytes"
	"fmt"
	"strings"
	"unicode/utf8"
)

// Bounds of a text that is read; a rota of ten years has a few hundred lines.
const (
	MaxBytes = 2 << 20
	maxLines = 60_000
	maxDepth = 4
)

// Component is BEGIN:NAME to END:NAME with what is between.
type Component struct {
	Name     string
	Line     int // of its BEGIN; 0 in components that are built
	Props    []Property
	Children []*Component
}

// Property is one content line.
type Property struct {
	Name   string // upper case
	Params []Param
	Value  string // as written: escaped text is read by Text
	Line   int
}

// Param is one parameter of a property.
type Param struct{ Name, Value string }

// Fault is something in the text that cannot be taken.
type Fault struct {
	Line int
	What string
}

// Error says the line and what is wrong there.
func (f *Fault) Error() string { return fmt.Sprintf("line %d: %s", f.Line, f.What) }

func faultf(line int, format string, args ...any) error {
	return &Fault{Line: line, What: fmt.Sprintf(format, args...)}
}

// Parse reads one VCALENDAR.
func Parse(data []byte) (*Component, error) {
	if len(data) > MaxBytes {
		return nil, fmt.Errorf("calendar text has %d bytes, at most %d are read", len(data), MaxBytes)
	}
	if !utf8.Valid(data) {
		return nil, fmt.Errorf("calendar text is not UTF-8")
	}
	lines, err := unfold(data)
	if err != nil {
		return nil, err
	}
	root, stack := (*Component)(nil), []*Component{}
	for _, l := range lines {
		p, err := property(l)
		if err != nil {
			return nil, err
		}
		if root != nil && len(stack) == 0 {
			return nil, faultf(l.at, "%s after the end of the calendar", p.Name)
		}
		switch p.Name {
		case "BEGIN":
			c := &Component{Name: strings.ToUpper(p.Value), Line: l.at}
			switch n := len(stack); {
			case n == 0 && c.Name != "VCALENDAR":
				return nil, faultf(l.at, "BEGIN:%s: want BEGIN:VCALENDAR first", p.Value)
			case n == 0:
				root = c
			case n == maxDepth:
				return nil, faultf(l.at, "components are nested deeper than %d", maxDepth)
			default:
				stack[n-1].Children = append(stack[n-1].Children, c)
			}
			stack = append(stack, c)
		case "END":
			n := len(stack)
			if n == 0 || stack[n-1].Name != strings.ToUpper(p.Value) {
				return nil, faultf(l.at, "END:%s ends nothing that is open", p.Value)
			}
			stack = stack[:n-1]
		default:
			if len(stack) == 0 {
				return nil, faultf(l.at, "%s before BEGIN:VCALENDAR", p.Name)
			}
			c := stack[len(stack)-1]
			c.Props = append(c.Props, p)
		}
	}
	if root == nil {
		return nil, fmt.Errorf("calendar text has no BEGIN:VCALENDAR")
	}
	if len(stack) > 0 {
		return nil, faultf(stack[len(stack)-1].Line, "%s is never ended: the text is cut off", stack[len(stack)-1].Name)
	}
	return root, nil
}

type line struct {
	at   int
	text string
}

// unfold joins continued lines.
func unfold(data []byte) ([]line, error) {
	data = bytes.TrimPrefix(data, []byte("\xef\xbb\xbf"))
	var out []line
	for n, raw := range strings.Split(string(data), "\n") {
		raw = strings.TrimSuffix(raw, "\r")
		switch {
		case n >= maxLines:
			return nil, faultf(n+1, "more than %d lines", maxLines)
		case raw == "":
		case (raw[0] == ' ' || raw[0] == '\t') && len(out) > 0:
			out[len(out)-1].text += raw[1:]
		default:
			out = append(out, line{n + 1, raw})
		}
	}
	return out, nil
}

// property reads NAME;PARAM=VALUE:VALUE; values in quotes may hold ; and :.
func property(l line) (Property, error) {
	p := Property{Line: l.at}
	quoted, start, parts := false, 0, []string{}
	colon := -1
	for i := 0; i < len(l.text) && colon < 0; i++ {
		switch c := l.text[i]; {
		case c == '"':
			quoted = !quoted
		case quoted:
		case c == ';':
			parts, start = append(parts, l.text[start:i]), i+1
		case c == ':':
			parts, colon = append(parts, l.text[start:i]), i
		}
	}
	if colon < 0 || parts[0] == "" {
		return p, faultf(l.at, "%.40q is no NAME:VALUE", l.text)
	}
	p.Name, p.Value = strings.ToUpper(parts[0]), l.text[colon+1:]
	for _, s := range parts[1:] {
		name, value, ok := strings.Cut(s, "=")
		if !ok {
			return p, faultf(l.at, "parameter %.40q has no value", s)
		}
		p.Params = append(p.Params, Param{strings.ToUpper(name), strings.Trim(value, `"`)})
	}
	return p, nil
}

// Prop returns the first property of the name.
func (c *Component) Prop(name string) (Property, bool) {
	for _, p := range c.Props {
		if p.Name == name {
			return p, true
		}
	}
	return Property{}, false
}

// Text returns the first property of the name as text, or "".
func (c *Component) Text(name string) string {
	p, _ := c.Prop(name)
	return Unescape(p.Value)
}

// Param returns the parameter, or "".
func (p Property) Param(name string) string {
	for _, q := range p.Params {
		if q.Name == name {
			return q.Value
		}
	}
	return ""
}

// Add appends a property with its value as it is written.
func (c *Component) Add(name, value string, params ...Param) {
	c.Props = append(c.Props, Property{Name: name, Value: value, Params: params})
}

// AddText appends a property whose value is text.
func (c *Component) AddText(name, text string) { c.Add(name, Escape(text)) }

var escaper = strings.NewReplacer(`\`, `\\`, ";", `\;`, ",", `\,`, "\r\n", `\n`, "\n", `\n`, "\r", `\n`)

// Escape writes text as a TEXT value.
func Escape(s string) string { return escaper.Replace(s) }

// Unescape reads a TEXT value.
func Unescape(s string) string {
	if !strings.Contains(s, `\`) {
		return s
	}
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		if s[i] != '\\' || i+1 == len(s) {
			b.WriteByte(s[i])
			continue
		}
		i++
		if s[i] == 'n' || s[i] == 'N' {
			b.WriteByte('\n')
		} else {
			b.WriteByte(s[i])
		}
	}
	return b.String()
}

// Encode writes the component with CRLF and lines of at most 75 bytes.
func (c *Component) Encode() []byte {
	var b bytes.Buffer
	c.encode(&b)
	return b.Bytes()
}

func (c *Component) encode(b *bytes.Buffer) {
	fold(b, "BEGIN:"+c.Name)
	for _, p := range c.Props {
		s := p.Name
		for _, q := range p.Params {
			v := q.Value
			if strings.ContainsAny(v, ":;,") {
				v = `"` + v + `"`
			}
			s += ";" + q.Name + "=" + v
		}
		fold(b, s+":"+p.Value)
	}
	for _, child := range c.Children {
		child.encode(b)
	}
	fold(b, "END:"+c.Name)
}

// fold writes a content line, broken before a byte too many but within no rune.
func fold(b *bytes.Buffer, s string) {
	for limit := 75; len(s) > limit; limit = 74 {
		cut := limit
		for cut > 1 && !utf8.RuneStart(s[cut]) {
			cut--
		}
		b.WriteString(s[:cut] + "\r\n ")
		s = s[cut:]
	}
	b.WriteString(s + "\r\n")
}
