// Package remedy is the catalogue of remedies: what the configuration lets
// people propose against a fault, with which parameters, and who may approve it.
// It is pure: it makes proposals of an incident and of what somebody gave, and
// carries nothing out.
package remedy

import (
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/faultline/faultline/collector/incident"
	"github.com/faultline/faultline/internal/lang"
)

// Entry is one remedy of the configuration.
type Entry struct {
	Name       string        `yaml:"name"` // in the runner's own catalogue: a playbook's
	Plugin     string        `yaml:"plugin"`
	Title      lang.Text     `yaml:"title"`
	Parameters []Parameter   `yaml:"parameters"`
	Approvers  []string      `yaml:"approvers"` // roles; who approves has one of them besides what the process asks for; none: the process alone
	Unchecked  bool          `yaml:"unchecked"` // no dry run before its approval: the playbook has none
	Timeout    time.Duration `yaml:"timeout"`   // 0 is 10 min
}

// Parameter is one value a remedy takes.
type Parameter struct {
	Name     string    `yaml:"name"`
	Title    lang.Text `yaml:"title"`
	From     string    `yaml:"from"`     // of the incident: device, component, circuit, site, number; "" a person gives it
	Pattern  string    `yaml:"pattern"`  // RE2, of the whole value; "" is plainPattern
	Default  string    `yaml:"default"`  // of what a person gives
	Optional bool      `yaml:"optional"` // may be empty, and is left out then
}

// plainPattern is what a value may be where the configuration says nothing.
const plainPattern = `[A-Za-z0-9][A-Za-z0-9._:/-]{0,127}`

const (
	maxValue   = 1000 // bytes
	maxTimeout = 4 * time.Hour
	usual      = 10 * time.Minute
)

var (
	nameForm      = regexp.MustCompile(`^[a-z][a-z0-9-]{0,39}$`)
	parameterForm = regexp.MustCompile(`^[a-z][a-z0-9_]{0,39}$`)
	roleForm      = regexp.MustCompile(`^[a-z][a-z0-9_]{0,39}$`)
)

// sources are what a parameter may be filled in from.
var sources = map[string]func(incident.Incident) string{
	"device":    func(i incident.Incident) string { return i.Diagnosis.Device },
	"component": func(i incident.Incident) string { return i.Diagnosis.Component },
	"circuit":   func(i incident.Incident) string { return i.Diagnosis.Circuit },
	"site":      func(i incident.Incident) string { return i.Diagnosis.Site },
	"number":    func(i incident.Incident) string { return i.Number },
}

// Catalog is all remedies of a configuration.
type Catalog []Entry

// Entry returns the remedy of this name.
func (c Catalog) Entry(name string) (Entry, bool) {
	for _, e := range c {
		if e.Name == name {
			return e, true
		}
	}
	return Entry{}, false
}

// Validate returns every fault of the catalogue; plugins are the runners there are.
func (c Catalog) Validate(plugins []string) error {
	var faults []error
	seen := map[string]bool{}
	for n, e := range c {
		bad := func(format string, args ...any) {
			faults = append(faults, fmt.Errorf("remedies[%d] %s: %w", n, e.Name, fmt.Errorf(format, args...)))
		}
		switch {
		case !nameForm.MatchString(e.Name):
			bad("name: lower-case letters, digits and hyphens, at most 40")
		case seen[e.Name]:
			bad("name: there twice")
		}
		seen[e.Name] = true
		if !slices.Contains(plugins, e.Plugin) {
			bad("plugin: %q is no plugin of contract remedy", e.Plugin)
		}
		if e.Title.ZH == "" || e.Title.EN == "" {
			bad("title: in zh-CN and en")
		}
		if e.Timeout < 0 || e.Timeout > maxTimeout {
			bad("timeout: %s is not between 0 and %s", e.Timeout, maxTimeout)
		}
		for _, r := range e.Approvers {
			if !roleForm.MatchString(r) {
				bad("approvers: %q is no role", r)
			}
		}
		e.parameters(bad)
	}
	return errors.Join(faults...)
}

func (e Entry) parameters(bad func(string, ...any)) {
	seen := map[string]bool{}
	for _, p := range e.Parameters {
		switch {
		case !parameterForm.MatchString(p.Name) || seen[p.Name]:
			bad("parameters: %q is no word of a-z, 0-9 and _, or is there twice", p.Name)
		case p.From != "" && sources[p.From] == nil:
			bad("parameters %s.from: %q is none of device, component, circuit, site, number", p.Name, p.From)
		case p.From != "" && p.Default != "":
			bad("parameters %s.default: it comes from the incident", p.Name)
		}
		seen[p.Name] = true
		if _, err := p.pattern(); err != nil {
			bad("parameters %s.pattern: %w", p.Name, err)
			continue
		}
		if p.Default != "" && p.check(p.Default) != nil {
			bad("parameters %s.default: %q does not fit its own pattern", p.Name, p.Default)
		}
	}
}

func (p Parameter) pattern() (*regexp.Regexp, error) {
	text := p.Pattern
	if text == "" {
		text = plainPattern
	}
	return regexp.Compile(`\A(?:` + text + `)\z`)
}

// Refusal says what is wrong with the values of a proposal.
type Refusal struct{ Text lang.Text }

// Error returns it in English.
func (r *Refusal) Error() string { return r.Text.EN }

func refuse(name, zh, en string) error {
	return &Refusal{lang.Text{ZH: "参数 " + name + " " + zh, EN: "parameter " + name + " " + en}}
}

// check tells whether the parameter may have the value. What would mean something
// to a template is refused whatever the pattern says.
func (p Parameter) check(value string) error {
	form, err := p.pattern()
	switch {
	case err != nil:
		return err
	case value == "" && p.Optional:
		return nil
	case len(value) > maxValue || !utf8.ValidString(value) || strings.ContainsFunc(value, unicode.IsControl):
		return refuse(p.Name, "不是单行文字或太长", "is not one line of text, or too long")
	case strings.Contains(value, "{{") || strings.Contains(value, "{%") || strings.Contains(value, "{#"):
		return refuse(p.Name, "含有模板符号", "has signs of a template")
	case !form.MatchString(value):
		return refuse(p.Name, "不符合规定的格式", "does not have the form that is asked for")
	}
	return nil
}

// Proposal is the remedy as it would be proposed for the incident with what
// somebody gave; what comes from the incident cannot be given. The error is a
// *Refusal.
func (e Entry) Proposal(i incident.Incident, given map[string]string) (incident.Remedy, error) {
	values := map[string]string{}
	known := map[string]bool{}
	for _, p := range e.Parameters {
		v, has := given[p.Name]
		known[p.Name] = true
		switch {
		case p.From != "" && has && v != sources[p.From](i):
			return incident.Remedy{}, refuse(p.Name, "由故障单决定，不能修改", "comes from the incident and cannot be given")
		case p.From != "":
			v = sources[p.From](i)
		case !has:
			v = p.Default
		}
		if err := p.check(v); err != nil {
			return incident.Remedy{}, err
		}
		if v != "" {
			values[p.Name] = v
		}
	}
	for name := range given {
		if !known[name] {
			return incident.Remedy{}, refuse(name, "不存在", "is none of this remedy's")
		}
	}
	return incident.Remedy{Name: e.Name, Title: e.Title, Parameters: values, Checked: !e.Unchecked, Approvers: slices.Clone(e.Approvers)}, nil
}

// Fits tells whether the incident has what the remedy takes of it.
func (e Entry) Fits(i incident.Incident) bool {
	return !slices.ContainsFunc(e.Parameters, func(p Parameter) bool {
		from := sources[p.From]
		return from != nil && p.check(from(i)) != nil
	})
}

// Check tells whether a remedy that was proposed may still be carried out as it
// was: the configuration may have changed since.
func (e Entry) Check(i incident.Incident, m incident.Remedy) error {
	_, err := e.Proposal(i, m.Parameters)
	return err
}

// Limit is how long a run may take.
func (e Entry) Limit() time.Duration {
	if e.Timeout == 0 {
		return usual
	}
	return e.Timeout
}

// What is said of a name that the configuration does not have.
var (
	NoSuch     = lang.Text{ZH: "没有此处置", EN: "there is no such remedy"}
	NoSuchHint = lang.Text{ZH: "见采集中心配置中的 remedies", EN: "see remedies in the collector's configuration"}
)

// Value is what the parameter is for the incident before anybody gives one.
func (p Parameter) Value(i incident.Incident) string {
	if from := sources[p.From]; from != nil {
		return from(i)
	}
	return p.Default
}
