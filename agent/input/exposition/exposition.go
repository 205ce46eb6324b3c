// Package exposition reads what exporters say: Prometheus' text format 0.0.4
// and OpenMetrics 1.0. It takes a page whole or says at which line it is wrong,
// and is bounded in all it keeps. Help, types, units and exemplars are read over:
// nothing downstream has a place for them. It fetches nothing.
package exposition

import (
	"bytes"
	"errors"
	"fmt"
	"math"
	"strconv"
	"unicode/utf8"

	"github.com/faultline/faultline/plugins/base"
)

// Bounds of one sample.
const (
	MaxLine   = 64 << 10 // bytes
	maxLabels = 64
)

// Format is which of the two formats a page is in.
type Format int

// The formats.
const (
	Text        Format = iota // timestamps in milliseconds
	OpenMetrics               // timestamps in seconds; ends in "# EOF"
)

// Sample is one line of a page. Series is the name and labels as they stand
// there, valid until the page is changed.
type Sample struct {
	Series []byte
	Value  float64
	Time   int64 // milliseconds since the Unix epoch; 0: the page gives none
}

// Error says which line of a page is wrong.
type Error struct {
	Line int
	Err  error
}

// Error returns the text with the line's number.
func (e *Error) Error() string { return fmt.Sprintf("line %d: %v", e.Line, e.Err) }

// Unwrap returns the wrapped error.
func (e *Error) Unwrap() error { return e.Err }

// Samples appends the samples of a page to into. A page with a fault gives none.
// More than most samples are a fault as well.
func Samples(page []byte, f Format, most int, into []Sample) ([]Sample, error) {
	start, ended, n := len(into), false, 0
	for len(page) > 0 {
		var line []byte
		line, page, _ = bytes.Cut(page, []byte{'\n'})
		n++
		line = bytes.TrimSuffix(line, []byte{'\r'})
		line = bytes.Trim(line, " \t")
		switch {
		case len(line) == 0:
			continue
		case ended:
			return into[:start], &Error{n, errors.New("text after # EOF")}
		case line[0] == '#':
			ended = f == OpenMetrics && string(line) == "# EOF"
			continue
		case len(line) > MaxLine:
			return into[:start], &Error{n, fmt.Errorf("longer than %d bytes", MaxLine)}
		case len(into)-start >= most:
			return into[:start], &Error{n, ErrTooMany}
		}
		s, err := sample(line, f)
		if err != nil {
			return into[:start], &Error{n, err}
		}
		into = append(into, s)
	}
	if f == OpenMetrics && !ended {
		return into[:start], &Error{n, errors.New("the page ends without # EOF: it was cut off")}
	}
	return into, nil
}

// ErrTooMany says that a page has more samples than are taken.
var ErrTooMany = errors.New("more samples than are taken")

// sample reads one line that is neither empty nor a comment.
func sample(line []byte, f Format) (Sample, error) {
	end, err := seriesEnd(line)
	if err != nil {
		return Sample{}, err
	}
	s := Sample{Series: line[:end]}
	rest := line[end:]
	if i := bytes.IndexByte(rest, '#'); i >= 0 && f == OpenMetrics { // an exemplar
		rest = rest[:i]
	}
	value, rest := word(rest)
	at, rest := word(rest)
	if len(rest) > 0 || len(value) == 0 {
		return Sample{}, errors.New("want a value and at most a timestamp after the series")
	}
	if s.Value, err = number(value); err != nil {
		return Sample{}, err
	}
	if len(at) > 0 {
		if s.Time, err = timestamp(at, f); err != nil {
			return Sample{}, err
		}
	}
	return s, nil
}

// seriesEnd finds where the name and labels end, looking into no more than
// quotes; Labels reads them closely.
func seriesEnd(line []byte) (int, error) {
	i := 0
	for i < len(line) && line[i] != '{' && line[i] != ' ' && line[i] != '\t' {
		i++
	}
	for j := i; j < len(line); j++ { // spaces may stand before the brace
		if line[j] == '{' {
			i = j
			break
		}
		if line[j] != ' ' && line[j] != '\t' {
			return i, nil
		}
	}
	if i >= len(line) || line[i] != '{' {
		return i, nil
	}
	quoted := false
	for i++; i < len(line); i++ {
		switch c := line[i]; {
		case quoted && c == '\\':
			i++
		case c == '"':
			quoted = !quoted
		case c == '}' && !quoted:
			return i + 1, nil
		}
	}
	return 0, errors.New("labels have no end")
}

// word cuts the first word off.
func word(b []byte) (first, rest []byte) {
	b = bytes.TrimLeft(b, " \t")
	if i := bytes.IndexAny(b, " \t"); i >= 0 {
		return b[:i], bytes.TrimLeft(b[i:], " \t")
	}
	return b, nil
}

// number reads a value as Go writes floats, NaN and infinities included.
func number(b []byte) (float64, error) {
	if bytes.IndexByte(b, '_') >= 0 {
		return 0, fmt.Errorf("value %.40q is no number", b)
	}
	v, err := strconv.ParseFloat(string(b), 64)
	if err != nil {
		return 0, fmt.Errorf("value %.40q is no number", b)
	}
	return v, nil
}

// maxTime is the last timestamp that is taken, in milliseconds: the year 2262.
const maxTime = math.MaxInt64 / 1_000_000

func timestamp(b []byte, f Format) (int64, error) {
	if f == Text {
		t, err := strconv.ParseInt(string(b), 10, 64)
		if err != nil || t < -maxTime || t > maxTime {
			return 0, fmt.Errorf("timestamp %.40q is no number of milliseconds", b)
		}
		return t, nil
	}
	t, err := strconv.ParseFloat(string(b), 64)
	if err != nil || !(math.Abs(t) <= maxTime/1000) {
		return 0, fmt.Errorf("timestamp %.40q is no number of seconds", b)
	}
	return int64(math.Round(t * 1000)), nil
}

// Labels reads the name and labels of a series as a page has them. Labels with
// empty values are left out, as they mean nothing.
func Labels(series []byte) (base.Labels, error) {
	name, rest := series, []byte(nil)
	if i := bytes.IndexByte(series, '{'); i >= 0 {
		name, rest = bytes.TrimRight(series[:i], " \t"), series[i+1:]
	}
	if !isName(name, true) {
		return nil, fmt.Errorf("%.60q is no name of a metric", name)
	}
	ls := base.Labels{{Name: base.MetricName, Value: string(name)}}
	if rest == nil {
		return ls, nil
	}
	for {
		rest = bytes.TrimLeft(rest, " \t")
		if len(rest) == 1 && rest[0] == '}' {
			break
		}
		l, after, err := label(rest)
		if err != nil {
			return nil, err
		}
		if len(ls) > maxLabels {
			return nil, fmt.Errorf("more than %d labels", maxLabels)
		}
		if ls.Get(l.Name) != "" {
			return nil, fmt.Errorf("label %s is there twice", l.Name)
		}
		if l.Value != "" {
			ls = append(ls, l)
		}
		rest = bytes.TrimLeft(after, " \t")
		if len(rest) > 0 && rest[0] == ',' {
			rest = rest[1:]
		} else if len(rest) != 1 || rest[0] != '}' {
			return nil, errors.New("want a comma or } after a label")
		}
	}
	ls.Sort()
	return ls, nil
}

// label reads name="value" and returns what follows.
func label(b []byte) (l base.Label, rest []byte, err error) {
	i := bytes.IndexByte(b, '=')
	if i < 0 {
		return l, nil, errors.New("a label has no value")
	}
	name := bytes.TrimRight(b[:i], " \t")
	if !isName(name, false) || string(name) == base.MetricName {
		return l, nil, fmt.Errorf("%.60q is no name of a label", name)
	}
	b = bytes.TrimLeft(b[i+1:], " \t")
	if len(b) == 0 || b[0] != '"' {
		return l, nil, fmt.Errorf("value of label %s is not in quotes", name)
	}
	value, rest, err := quoted(b[1:])
	if err != nil {
		return l, nil, fmt.Errorf("label %s: %w", name, err)
	}
	return base.Label{Name: string(name), Value: value}, rest, nil
}

// quoted reads up to the closing quote; \\, \" and \n are escapes.
func quoted(b []byte) (value string, rest []byte, err error) {
	var out []byte
	for i := 0; i < len(b); i++ {
		switch c := b[i]; {
		case c == '"':
			if out == nil {
				out = b[:i]
			}
			if !utf8.Valid(out) {
				return "", nil, errors.New("its value is not UTF-8")
			}
			return string(out), b[i+1:], nil
		case c == '\\' && i+1 < len(b):
			if out == nil {
				out = append(make([]byte, 0, len(b)), b[:i]...)
			}
			i++
			switch b[i] {
			case 'n':
				out = append(out, '\n')
			case '\\', '"':
				out = append(out, b[i])
			default: // as Prometheus does: the backslash stands for itself
				out = append(out, '\\', b[i])
			}
		case out != nil:
			out = append(out, c)
		}
	}
	return "", nil, errors.New("its value has no end")
}

// isName tells whether b is a metric's name, or a label's, which has no colons.
func isName(b []byte, colons bool) bool {
	for i, c := range b {
		switch {
		case c == '_', c >= 'a' && c <= 'z', c >= 'A' && c <= 'Z', c == ':' && colons, c >= '0' && c <= '9' && i > 0:
		default:
			return false
		}
	}
	return len(b) > 0
}
