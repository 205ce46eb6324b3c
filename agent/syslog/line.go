package syslog

import (
	"slices"
	"strings"
)

// match tries one line's form. The literals spare most lines the expression.
func (l *Line) match(m *Message, subject string) (map[string]string, bool) {
	if l.Vendor != "" && families[l.Vendor] != m.Vendor || l.Level != nil && (m.Level < 0 || m.Level > *l.Level) {
		return nil, false
	}
	if l.re == nil {
		return map[string]string{}, true
	}
	if !slices.ContainsFunc(l.literals, func(s string) bool { return strings.Contains(subject, s) }) {
		return nil, false
	}
	found := l.re.FindStringSubmatchIndex(subject)
	if found == nil {
		return nil, false
	}
	groups := map[string]string{}
	for i, name := range l.re.SubexpNames() {
		if name != "" && found[2*i] >= 0 {
			groups[name] = strings.TrimSpace(subject[found[2*i]:found[2*i+1]])
		}
	}
	return groups, true
}
