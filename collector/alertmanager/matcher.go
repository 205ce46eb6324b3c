package alertmanager

import (
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Matcher compares one label. A label that is missing has the value "".
type Matcher struct {
	Name    string `json:"name"`
	Value   string `json:"value"`
	IsRegex bool   `json:"isRegex"`
	IsEqual bool   `json:"isEqual"`

	re *regexp.Regexp // of a compiled regular expression
}

// maxMatcher bounds a matcher's name and value, in bytes.
const maxMatcher = 4096

// UnmarshalJSON reads a matcher; isEqual is true when it is missing, as senders
// older than that field mean it.
func (m *Matcher) UnmarshalJSON(b []byte) error {
	type plain Matcher
	p := plain{IsEqual: true}
	if err := json.Unmarshal(b, &p); err != nil {
		return err
	}
	*m = Matcher(p)
	return nil
}

// compiled checks the matcher and makes it ready.
func (m Matcher) compiled() (Matcher, error) {
	switch {
	case m.Name == "":
		return m, errors.New("a matcher has no label name")
	case len(m.Name) > maxMatcher || len(m.Value) > maxMatcher:
		return m, fmt.Errorf("matcher %q is longer than %d bytes", m.Name[:min(40, len(m.Name))], maxMatcher)
	case !utf8.ValidString(m.Name) || !utf8.ValidString(m.Value):
		return m, errors.New("a matcher is not UTF-8")
	case !m.IsRegex:
		return m, nil
	}
	re, err := regexp.Compile("^(?:" + m.Value + ")$")
	if err != nil {
		return m, fmt.Errorf("matcher %s: %w", m.Name, err)
	}
	m.re = re
	return m, nil
}

// Matches tells whether the labels fit. A regular expression must be compiled.
func (m Matcher) Matches(labels map[string]string) bool {
	v := labels[m.Name]
	if m.IsRegex {
		return m.re != nil && m.re.MatchString(v) == m.IsEqual
	}
	return (v == m.Value) == m.IsEqual
}

func matchAll(ms []Matcher, labels map[string]string) bool {
	for _, m := range ms {
		if !m.Matches(labels) {
			return false
		}
	}
	return true
}

// String writes the matcher as ParseMatchers reads it.
func (m Matcher) String() string {
	op := map[[2]bool]string{{true, false}: "=", {true, true}: "=~", {false, false}: "!=", {false, true}: "!~"}[[2]bool{m.IsEqual, m.IsRegex}]
	name := m.Name
	if !plainName(name) {
		name = strconv.Quote(name)
	}
	return name + op + strconv.Quote(m.Value)
}

func plainName(s string) bool {
	for i, r := range s {
		if r != '_' && r != ':' && !(r < 128 && unicode.IsLetter(r)) && (i == 0 || r < '0' || r > '9') {
			return false
		}
	}
	return s != ""
}

// ParseMatchers reads matchers in PromQL's form, braces optional: both the older
// form (names of letters, digits and _) and the one in which names are any UTF-8
// and may be quoted.
func ParseMatchers(s string) ([]Matcher, error) {
	p := &scanner{rest: strings.TrimSpace(s)}
	closed := !strings.HasPrefix(p.rest, "{")
	if !closed {
		p.rest = p.rest[1:]
	}
	var out []Matcher
	for {
		p.space()
		if p.rest == "" || p.rest == "}" {
			break
		}
		m, err := p.matcher()
		if err != nil {
			return nil, fmt.Errorf("matcher %q: %w", s, err)
		}
		out = append(out, m)
		p.space()
		if rest, more := strings.CutPrefix(p.rest, ","); more {
			p.rest = rest
			continue
		}
		break
	}
	if !closed {
		rest, ok := strings.CutPrefix(p.rest, "}")
		if !ok {
			return nil, fmt.Errorf("matcher %q: the closing brace is missing", s)
		}
		p.rest = rest
	}
	if p.space(); p.rest != "" {
		return nil, fmt.Errorf("matcher %q: unexpected %q", s, p.rest)
	}
	if len(out) == 0 && closed {
		return nil, fmt.Errorf("matcher %q: empty", s)
	}
	return out, nil
}

// scanner reads from the front of rest.
type scanner struct{ rest string }

func (p *scanner) space() { p.rest = strings.TrimLeftFunc(p.rest, unicode.IsSpace) }

func (p *scanner) matcher() (Matcher, error) {
	var m Matcher
	var err error
	if m.Name, err = p.word("{}!=~,"); err != nil {
		return m, err
	}
	if m.Name == "" {
		return m, errors.New("a label name is missing")
	}
	p.space()
	m.IsEqual = true
	switch {
	case p.take("=~"):
		m.IsRegex = true
	case p.take("!~"):
		m.IsRegex, m.IsEqual = true, false
	case p.take("!="):
		m.IsEqual = false
	case p.take("="):
	default:
		return m, errors.New("one of = != =~ !~ is missing")
	}
	p.space()
	if m.Value, err = p.word("{},"); err != nil {
		return m, err
	}
	return m.compiled()
}

func (p *scanner) take(op string) bool {
	rest, ok := strings.CutPrefix(p.rest, op)
	if ok {
		p.rest = rest
	}
	return ok
}

// word reads a quoted string, or up to one of the stops.
func (p *scanner) word(stops string) (string, error) {
	if strings.HasPrefix(p.rest, `"`) {
		q, err := quoted(p.rest)
		if err != nil {
			return "", err
		}
		p.rest = p.rest[len(q):]
		return unquote(q)
	}
	end := strings.IndexAny(p.rest, stops)
	if end < 0 {
		end = len(p.rest)
	}
	w := strings.TrimRightFunc(p.rest[:end], unicode.IsSpace)
	p.rest = p.rest[end:]
	if strings.ContainsAny(w, "\"\x00") {
		return "", fmt.Errorf("a quotation mark inside %q", w)
	}
	return w, nil
}

// quoted returns the quoted string at the front of s, marks included.
func quoted(s string) (string, error) {
	for i := 1; i < len(s); i++ {
		switch s[i] {
		case '\\':
			i++
		case '"':
			return s[:i+1], nil
		}
	}
	return "", errors.New("a closing quotation mark is missing")
}

// unquote reads \" \\ and \n; other escapes stay as they are, since regular
// expressions are full of them.
func unquote(q string) (string, error) {
	var b strings.Builder
	in := q[1 : len(q)-1]
	for i := 0; i < len(in); i++ {
		if in[i] != '\\' || i+1 == len(in) {
			b.WriteByte(in[i])
			continue
		}
		i++
		switch in[i] {
		case 'n':
			b.WriteByte('\n')
		case '"', '\\':
			b.WriteByte(in[i])
		default:
			b.WriteByte('\\')
			b.WriteByte(in[i])
		}
	}
	return b.String(), nil
}
