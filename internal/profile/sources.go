package profile

import (
	"fmt"
	"math"
	"regexp"
	"strconv"
	"strings"
)

// refText reads a reference: a column's OID, or a cell in braces.
func refText(text string) (oid, cell string) {
	if n := len(text); n > 2 && text[0] == '{' && text[n-1] == '}' {
		return "", text[1 : n-1]
	}
	return text, ""
}

// UnmarshalYAML takes a number, or a cell in braces.
func (u *UnitBytes) UnmarshalYAML(decode func(any) error) error {
	var text string
	if err := decode(&text); err != nil {
		return err
	}
	if _, u.Cell = refText(text); u.Cell != "" {
		return nil
	}
	var err error
	if u.Bytes, err = strconv.ParseFloat(text, 64); err != nil || !(u.Bytes > 0) || math.IsInf(u.Bytes, 1) {
		return textError{text, fmt.Errorf("unit %q: want a number above 0, or a cell in braces", text)}
	}
	return nil
}

// In returns the bytes of one unit in a row; false when its cell does not say.
func (u *UnitBytes) In(get Get) (float64, bool) {
	if u == nil {
		return 1, true
	}
	if u.Cell == "" {
		return u.Bytes, true
	}
	f, ok := leadingNumber(get(u.Cell))
	return f, ok && f > 0
}

// Sources are where a text of a device's identity comes from; the first that
// yields something counts.
type Sources []Source

// UnmarshalYAML takes one text, one source or a list of sources.
func (s *Sources) UnmarshalYAML(decode func(any) error) error {
	var text string
	if err := decode(&text); err == nil {
		*s = Sources{{Text: text}}
		return nil
	}
	list, err := oneOrMore[Source](decode)
	*s = list
	return err
}

// oneOrMore takes a list, or one without a list around it.
func oneOrMore[T any](decode func(any) error) ([]T, error) {
	if decode(&[]any{}) == nil {
		var list []T
		err := decode(&list)
		return list, err
	}
	var one T
	err := decode(&one)
	return []T{one}, err
}

// Source is one place of a text: exactly one of Text, OID, Column, SysDescr,
// SysName, Cells and SysObjectID.
type Source struct {
	Text        string              `yaml:"text"`
	OID         string              `yaml:"oid"`    // a scalar instance
	Column      string              `yaml:"column"` // the first non-empty row of a column
	When        map[string][]string `yaml:"when"`   // other columns of the row and the values they must have
	SysDescr    string              `yaml:"sys_descr"`
	SysName     string              `yaml:"sys_name"`
	Cells       *Template           `yaml:"cells"`         // text made of the profile's cells outside tables
	SysObjectID map[string]string   `yaml:"sys_object_id"` // text by longest prefix
	Match       string              `yaml:"match"`         // of OID and Column
	Template    string              `yaml:"template"`      // with $1, $2; default group 1
	Map         map[string]string   `yaml:"map"`           // of what was found

	re *regexp.Regexp
}

// Pick returns what the source makes of a text that was read for it, or "".
func (s *Source) Pick(text string) string {
	text = strings.TrimSpace(text)
	if s.re != nil {
		m := s.re.FindStringSubmatchIndex(text)
		switch {
		case m == nil:
			return ""
		case s.Template != "":
			text = string(s.re.ExpandString(nil, s.Template, text, m))
		case len(m) > 2 && m[2] >= 0:
			text = text[m[2]:m[3]]
		case len(m) > 2:
			return ""
		default:
			text = text[m[0]:m[1]]
		}
		text = strings.Join(strings.Fields(text), " ")
	}
	if t, ok := s.Map[text]; ok {
		return t
	}
	return text
}

// Static returns the text of a source that needs no reading.
func (s *Source) Static(id Identification) string {
	switch {
	case s.Text != "":
		return s.Text
	case s.SysDescr != "":
		return s.Pick(id.SysDescr)
	case s.SysName != "":
		return s.Pick(id.SysName)
	}
	best, text := -1, ""
	for prefix, t := range s.SysObjectID {
		if len(prefix) > best && under(id.SysObjectID, prefix) {
			best, text = len(prefix), t
		}
	}
	return text
}

// Identification is what is known of a device when its profiles are chosen.
type Identification struct {
	SysObjectID string
	SysDescr    string
	SysName     string
	Has         map[string]bool // of Probes: those under which the device has an instance
}
