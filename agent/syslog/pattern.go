package syslog

import (
	"regexp"
	"time"

	"github.com/faultline/faultline/internal/lang"
)

// Pattern is one meaning that lines of several vendors have.
type Pattern struct {
	Name      string    `yaml:"name"`
	Severity  string    `yaml:"severity"`  // critical, major, minor, info
	Element   string    `yaml:"element"`   // of the evidence that the line is about; "" for none
	Truth     string    `yaml:"truth"`     // what the line says of it: ok, bad
	Component string    `yaml:"component"` // the group that names the device's part
	Check     *[]string `yaml:"check"`     // inputs whose targets of the device are measured now; default snmp and probe
	Text      lang.Text `yaml:"text"`      // with {group} placeholders
	Lines     []Line    `yaml:"lines"`
	Repeats   *Repeats  `yaml:"repeats"` // instead of Lines
}

// Line is how one vendor says it.
type Line struct {
	Vendor  string `yaml:"vendor"`  // one of the families; "" is any
	Regexp  string `yaml:"regexp"`  // RE2, against Message.Subject; named groups become attributes
	Level   *int   `yaml:"level"`   // syslog level at most; with or without a regexp
	Example string `yaml:"example"` // a whole line, which must match

	re       *regexp.Regexp
	literals []string // every match contains one of them
}

// Repeats is a meaning of its own that many lines of another have together.
type Repeats struct {
	Of     []string      `yaml:"of"`     // patterns
	Times  int           `yaml:"times"`  // at least
	Within time.Duration `yaml:"within"` // of each other
	By     []string      `yaml:"by"`     // groups whose values are alike; the device always is
}

// checks returns the inputs whose targets a match gets measured.
func (p *Pattern) checks() []string {
	if p.Check == nil {
		return []string{"snmp", "probe"}
	}
	return *p.Check
}

// families maps what files name as vendor to the form that its lines have.
var families = map[string]string{
	VendorCisco: VendorCisco, "ruijie": VendorCisco, VendorHuawei: VendorHuawei, VendorH3C: VendorH3C, VendorFortinet: VendorFortinet,
	"juniper": "", "linux": "", "frr": "", "mikrotik": "", "other": "",
}

// Set is all patterns. It does not change.
type Set struct {
	patterns []*Pattern
	byName   map[string]*Pattern
	repeats  map[string][]*Pattern // by the pattern they count
}

// Match is what a line means.
type Match struct {
	Pattern *Pattern
	Groups  map[string]string // named groups that took part
}

// Match finds the first pattern that the line matches, or nil.
func (s *Set) Match(m *Message) *Match {
	subject := m.Subject()
	for _, p := range s.patterns {
		for i := range p.Lines {
			if groups, ok := p.Lines[i].match(m, subject); ok {
				return &Match{Pattern: p, Groups: groups}
			}
		}
	}
	return nil
}

// Len is how many patterns there are.
func (s *Set) Len() int { return len(s.patterns) }
