package evidence

import (
	"errors"
	"fmt"
	"io/fs"
	"slices"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"

	"github.com/faultline/faultline/collector/truth"
	"github.com/faultline/faultline/internal/lang"
	"github.com/faultline/faultline/internal/yamlfile"
	"github.com/faultline/faultline/plugins/base"
)

// File is the name of the file of elements in the directory of diagnosis rules.
const File = "elements.yaml"

// Elements says which samples are evidence of what, as read from elements.yaml.
type Elements struct {
	byMetric map[string][]*mapping
	signals  []*signal // what devices send by themselves; the first that fits is taken
	words    map[string]Words
}

// Words are how a reading of an element is said, with the placeholders
// {subject}, {component}, {value}, {age} and {for}.
type Words struct {
	OK      lang.Text `yaml:"ok"`
	Bad     lang.Text `yaml:"bad"`
	Unknown lang.Text `yaml:"unknown"`
}

// Of returns the words for a truth.
func (w Words) Of(t truth.Truth) lang.Text {
	switch t {
	case truth.OK:
		return w.OK
	case truth.Bad:
		return w.Bad
	default:
		return w.Unknown
	}
}

// Words returns how an element's readings are said.
func (e *Elements) Words(element string) Words { return e.words[element] }

// mapping is one way from a sample to a reading. All matchers must hold.
type mapping struct {
	Element   string            `yaml:"element"`
	Metric    string            `yaml:"metric"`
	Match     map[string]string `yaml:"match"`     // label → value
	Subject   string            `yaml:"subject"`   // label that names the subject; default device
	Component string            `yaml:"component"` // label that names the component; "" for the whole
	Part      string            `yaml:"part"`      // fixed component instead of a label
	Index     string            `yaml:"index"`     // label with the number by which notifications call the component
	Scale     float64           `yaml:"scale"`     // the reading's value is the sample's times this; default 1
	Age       bool              `yaml:"age"`       // the value is an age: the reading's value is the moment it began, Unix seconds
	Attr      string            `yaml:"attr"`      // the sample is an attribute of the reading, not its truth
	Bad       *condition        `yaml:"bad"`       // of the raw value
	Unknown   *condition        `yaml:"unknown"`   // of the raw value; else it is ok

	line int
}

// condition holds when the value is in In, above Above, or below Below.
type condition struct {
	In    []float64 `yaml:"in"`
	Above *float64  `yaml:"above"`
	Below *float64  `yaml:"below"`
}

func (c *condition) holds(v float64) bool {
	if c == nil {
		return false
	}
	return slices.Contains(c.In, v) || c.Above != nil && v > *c.Above || c.Below != nil && v < *c.Below
}

// UnmarshalYAML keeps the line the mapping stands in.
func (m *mapping) UnmarshalYAML(node ast.Node) error {
	type plain mapping
	if err := yaml.NodeToValue(node, (*plain)(m), yaml.Strict()); err != nil {
		return err
	}
	m.line = node.GetToken().Position.Line
	return nil
}

// LoadElements reads elements.yaml of dir and checks all of it. The error joins
// every fault, each with file and line.
func LoadElements(dir fs.FS) (*Elements, error) {
	b, err := fs.ReadFile(dir, File)
	if err != nil {
		return nil, fmt.Errorf("read elements: %w", err)
	}
	return parseElements(b)
}

func parseElements(b []byte) (*Elements, error) {
	var doc struct {
		Elements []*mapping       `yaml:"elements"`
		Events   []*signal        `yaml:"events"`
		Words    map[string]Words `yaml:"words"`
	}
	file, err := yamlfile.Parse(File, b)
	if err == nil {
		err = file.Decode(&doc)
	}
	if err != nil {
		return nil, err
	}
	e := &Elements{byMetric: map[string][]*mapping{}, words: doc.Words}
	var faults []error
	for _, m := range doc.Elements {
		if m == nil {
			continue
		}
		if err := m.check(doc.Words); err != nil {
			faults = append(faults, fmt.Errorf("%s:%d: %w", File, m.line, err))
		}
		if m.Subject == "" {
			m.Subject = "device"
		}
		if m.Scale == 0 {
			m.Scale = 1
		}
		e.byMetric[m.Metric] = append(e.byMetric[m.Metric], m)
	}
	for _, g := range doc.Events {
		if g == nil {
			continue
		}
		if err := g.check(doc.Words); err != nil {
			faults = append(faults, fmt.Errorf("%s:%d: %w", File, g.line, err))
			continue
		}
		e.signals = append(e.signals, g)
	}
	return e, errors.Join(faults...)
}

func (m *mapping) check(words map[string]Words) error {
	var faults []error
	if m.Metric == "" {
		faults = append(faults, errors.New("metric is missing"))
	}
	if w, ok := words[m.Element]; !ok {
		faults = append(faults, fmt.Errorf("element %q has no words", m.Element))
	} else if w.OK.IsZero() || w.Bad.IsZero() {
		faults = append(faults, fmt.Errorf("element %q: words for ok and bad are required", m.Element))
	}
	if m.Attr == "" && m.Bad == nil && !m.Age {
		faults = append(faults, errors.New("one of bad, attr and age is required"))
	}
	if m.Attr != "" && m.Bad != nil {
		faults = append(faults, errors.New("an attribute has no truth: bad does not belong here"))
	}
	if m.Component != "" && m.Part != "" {
		faults = append(faults, errors.New("component names a label and part a fixed word: only one of them"))
	}
	return errors.Join(faults...)
}

// key returns what the sample is about, and whether the mapping takes it.
func (m *mapping) key(ls base.Labels) (Key, bool) {
	for name, want := range m.Match {
		if ls.Get(name) != want {
			return Key{}, false
		}
	}
	subject := ls.Get(m.Subject)
	if subject == "" {
		return Key{}, false
	}
	k := Key{Element: m.Element, Subject: subject, Component: m.Part, Vantage: ls.Get("agent")}
	if m.Component != "" {
		k.Component = ls.Get(m.Component)
	}
	return k, true
}

// judge returns the truth and value that a raw value stands for.
func (m *mapping) judge(raw float64, at int64) (truth.Truth, float64) {
	v := raw * m.Scale
	if m.Age {
		v = float64(at)/1000 - v
	}
	switch {
	case raw != raw, m.Unknown.holds(raw):
		return truth.Unknown, v
	case m.Bad.holds(raw):
		return truth.Bad, v
	default:
		return truth.OK, v
	}
}
