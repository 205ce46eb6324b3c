package draft

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
)

// sensors writes sensors for rows the names of which tell what they measure, and,
// as comments, for columns that may be a measurement or a state.
func (w *writer) sensors(t *Table, name *Column) {
	var sure, maybe []string
	label := "{index}"
	if name != nil {
		label = "{name|index}"
		for i := range senses {
			sure = append(sure, t.byName(&senses[i], name, label)...)
		}
	}
	sure = append(sure, t.byUnit(label)...)
	for _, c := range t.Columns {
		switch k := c.Kind(); {
		case c.numbersRows():
		case k == Enumeration && len(c.Values) > 0:
			maybe = append(maybe, fmt.Sprintf(`{oid: .%d, class: state, name: "%s", status: {%s}}`, c.Number, label, c.words()))
		case k == Gauge && strings.Contains(c.looks(), "temperature"):
			scale := ""
			if strings.Contains(c.looks(), "tenths") {
				scale = ", scale: 0.1"
			}
			maybe = append(maybe, fmt.Sprintf(`{oid: .%d, class: temperature, name: "%s"%s} # %s`, c.Number, label, scale, c.told()))
		}
	}
	w.processors(t, name, label)
	if len(sure)+len(maybe) == 0 {
		return
	}
	if len(sure) > 0 {
		w.line("    sensors:")
	} else {
		w.line("    # sensors:")
	}
	for _, s := range sure {
		w.line("      - %s", s)
	}
	for _, s := range maybe {
		w.line("      # - %s", s)
	}
}

// byName makes sensors of the columns that hold usual values of a class in the
// rows the names of which have its words.
func (t *Table) byName(s *sense, name *Column, label string) []string {
	rows := map[string]bool{}
	for i, v := range name.Values {
		if s.words.MatchString(v.Text) && !ahead(s, v.Text) {
			rows[name.index[i]] = true
		}
	}
	if len(rows) == 0 {
		return nil
	}
	var all []string
	for _, c := range t.Columns {
		if c.Kind() != Gauge || c.numbersRows() {
			continue
		}
		part := &Column{Number: c.Number}
		for i, v := range c.Values {
			if rows[c.index[i]] {
				part.Values = append(part.Values, v)
			}
		}
		if len(part.Values) == 0 {
			continue
		}
		if scale, ok := s.scale(part); ok {
			factor := ""
			if scale != 1 {
				factor = fmt.Sprintf(", scale: %g", scale)
			}
			all = append(all, fmt.Sprintf(`{oid: .%d, class: %s, name: "%s"%s, when: ['name ~ %s']} # %s`, c.Number, s.Class, label, factor, s.words, part.told()))
		}
	}
	return all
}

// byUnit makes sensors of texts that are a number and a unit.
func (t *Table) byUnit(label string) []string {
	var all []string
	for _, c := range t.Columns {
		if c.Kind() != Reading {
			continue
		}
		for _, u := range units {
			ends := regexp.MustCompile(u.ends + `\s*$`)
			if slices.ContainsFunc(c.Values, func(v *Instance) bool { return ends.MatchString(v.Text) }) {
				all = append(all, fmt.Sprintf(`{oid: .%d, class: %s, name: "%s"%s, when: ['value ~ %s']} # %s`, c.Number, u.class, label, u.extra, ends, c.told()))
			}
		}
	}
	return all
}

// ahead tells whether a surer class has a word in the name too.
func ahead(s *sense, text string) bool {
	for i := range senses {
		if &senses[i] == s {
			return false
		}
		if senses[i].words.MatchString(text) {
			return true
		}
	}
	return false
}

var saysProcessor = regexp.MustCompile(`(?i)\bcpu|processor|处理器`)

// processors writes columns of percent in rows that are called processors.
func (w *writer) processors(t *Table, name *Column, label string) {
	if name == nil || !slices.ContainsFunc(name.Values, func(v *Instance) bool { return saysProcessor.MatchString(v.Text) }) {
		return
	}
	begun := false
	for _, c := range t.Columns {
		low, _, high, ok := c.span()
		if !ok || c.Kind() != Gauge || c.numbersRows() || low < 0 || high > 100 {
			continue
		}
		if !begun {
			w.line("    # processors:")
			begun = true
		}
		w.line(`      # - {oid: .%d, name: "%s", when: ['name ~ %s']} # %s`, c.Number, label, saysProcessor, c.told())
	}
}
