// Package ruler evaluates alert rules over an instant query and keeps the state
// of their alerts. Results have three values: a label set that matches is bad,
// one that is present without matching is ok, and one that is known but absent
// is unknown, which changes no state. The state becomes current only when the
// caller says that it was committed (Accept), so that alerts and incidents are
// stored together. Nothing here opens an incident or sends anything.
package ruler

import (
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"path"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/rulefmt"
	"github.com/prometheus/prometheus/promql/parser"

	"github.com/faultline/faultline/internal/yamlfile"
)

// Annotations by which a rule file carries settings of ours; promtool refuses
// fields it does not know, but no annotations.
const (
	AnnotationPresence = "faultline_presence" // PromQL that returns every label set known not to match
	AnnotationHorizon  = "faultline_horizon"  // how old a sample may be and still count: 20s
	AnnotationElement  = "faultline_element"  // letter of the evidence vector the alert is about
	AnnotationSymptom  = "faultline_symptom"  // what is wrong, in one word diagnosis knows
)

// Rule is one alert rule, checked.
type Rule struct {
	Name          string
	Group         string
	File          string
	Line          int
	Expr          string
	Presence      string // "" only for severity info
	For           time.Duration
	KeepFiringFor time.Duration
	Horizon       time.Duration // zero: the ruler's default
	Labels        map[string]string
	Annotations   map[string]string

	labels, annotations templates
	siblings            bool // Presence asks for other series of the metric
}

// Rules is a loaded, checked set in order of file, group and place.
type Rules struct {
	List []*Rule
}

// Load reads every .yaml and .yml file at the top of dir and checks all of it.
// The error joins every fault, each with file and line.
func Load(dir fs.FS) (*Rules, error) {
	l := loader{parser: parser.NewParser(parser.Options{}), names: map[string]string{}}
	for _, pattern := range []string{"*.yaml", "*.yml"} {
		files, err := fs.Glob(dir, pattern)
		if err != nil {
			return nil, fmt.Errorf("list rule files: %w", err)
		}
		for _, f := range files {
			b, err := fs.ReadFile(dir, f)
			if err != nil {
				return nil, fmt.Errorf("read rules %s: %w", f, err)
			}
			l.file(f, b)
		}
	}
	if err := errors.Join(l.faults...); err != nil {
		return nil, err
	}
	return &Rules{List: l.rules}, nil
}

// loader collects rules and faults.
type loader struct {
	parser parser.Parser
	rules  []*Rule
	names  map[string]string // rule name → where
	faults []error
}

func (l *loader) fault(file string, line int, format string, args ...any) {
	l.faults = append(l.faults, fmt.Errorf("%s:%d: %w", file, line, fmt.Errorf(format, args...)))
}

// position is how rulefmt and yaml begin their errors.
var position = regexp.MustCompile(`(?:line )?(\d+)(?::\d+)?: `)

func (l *loader) file(name string, content []byte) {
	tree, err := yamlfile.Parse(name, content)
	if err != nil {
		l.faults = append(l.faults, err)
		return
	}
	content = l.durations(tree, content)
	groups, errs := rulefmt.Parse(content, false, model.UTF8Validation, l.parser, slog.New(slog.DiscardHandler))
	for _, err := range errs {
		line := 1
		if m := position.FindStringSubmatch(err.Error()); m != nil {
			line, _ = strconv.Atoi(m[1])
		}
		l.fault(name, line, "%w", err)
	}
	if groups == nil || len(errs) > 0 {
		return
	}
	for gi, g := range groups.Groups {
		for ri, r := range g.Rules {
			line := tree.Line(fmt.Sprintf("groups[%d].rules[%d].%s", gi, ri, map[bool]string{true: "record", false: "alert"}[r.Record != ""]))
			l.rule(name, line, g, r)
		}
	}
}

// durations finds what is no duration: rulefmt says neither where it stands nor
// what else is wrong with the file. It returns the content with a sound duration
// in each such place, on the same lines.
func (l *loader) durations(tree *yamlfile.File, content []byte) []byte {
	lines := strings.Split(string(content), "\n")
	check := func(path string) {
		v := tree.Text(path)
		if v == "" {
			return
		}
		if _, err := model.ParseDuration(v); err != nil {
			l.faults = append(l.faults, tree.Faultf(path, "%v", err))
			if n := tree.Line(path) - 1; n < len(lines) {
				lines[n] = strings.Replace(lines[n], v, "1s", 1)
			}
		}
	}
	for gi := range tree.Len("groups") {
		at := fmt.Sprintf("groups[%d]", gi)
		check(at + ".interval")
		check(at + ".query_offset")
		for ri := range tree.Len(at + ".rules") {
			check(fmt.Sprintf("%s.rules[%d].for", at, ri))
			check(fmt.Sprintf("%s.rules[%d].keep_firing_for", at, ri))
		}
	}
	return []byte(strings.Join(lines, "\n"))
}

func (l *loader) rule(file string, line int, g rulefmt.RuleGroup, r rulefmt.Rule) {
	if r.Record != "" {
		l.fault(file, line, "rule %s: recording rules are not evaluated here; put the expression into the alert", r.Record)
		return
	}
	rule := &Rule{Name: r.Alert, Group: g.Name, File: path.Base(file), Line: line, Expr: r.Expr, For: time.Duration(r.For),
		KeepFiringFor: time.Duration(r.KeepFiringFor), Labels: merged(g.Labels, r.Labels), Annotations: r.Annotations}
	if where, twice := l.names[r.Alert]; twice {
		l.fault(file, line, "rule %s: is already defined at %s", r.Alert, where)
	}
	l.names[r.Alert] = fmt.Sprintf("%s:%d", file, line)
	bad := func(err error) {
		if err != nil {
			l.fault(file, line, "rule %s: %w", r.Alert, err)
		}
	}
	bad(rule.setPresence(l.parser))
	bad(rule.setHorizon())
	bad(checkSeverity(rule.Labels["severity"]))
	bad(rule.compile())
	l.rules = append(l.rules, rule)
}

func merged(a, b map[string]string) map[string]string {
	m := make(map[string]string, len(a)+len(b))
	for k, v := range a {
		m[k] = v
	}
	for k, v := range b {
		m[k] = v
	}
	return m
}

func checkSeverity(s string) error {
	switch s {
	case "critical", "major", "minor", "warning", "info":
		return nil
	case "":
		return errors.New("label severity is missing: critical, major, minor, warning or info")
	default:
		return fmt.Errorf("severity %q: want critical, major, minor, warning or info", s)
	}
}

func (r *Rule) setHorizon() error {
	s, ok := r.Annotations[AnnotationHorizon]
	if !ok {
		return nil
	}
	d, err := model.ParseDuration(s)
	if err != nil || d <= 0 {
		return fmt.Errorf("annotation %s %q: want a duration such as 20s", AnnotationHorizon, s)
	}
	r.Horizon = time.Duration(d)
	return nil
}

func (r *Rule) setPresence(p parser.Parser) error {
	if s := strings.TrimSpace(r.Annotations[AnnotationPresence]); s != "" {
		if _, err := p.ParseExpr(s); err != nil {
			return fmt.Errorf("annotation %s: %w", AnnotationPresence, err)
		}
		r.Presence = s
		return nil
	}
	s, err := Presence(p, r.Expr)
	if err == nil {
		r.Presence = s
		return nil
	}
	if s, ok := siblings(p, r.Expr); ok {
		r.Presence, r.siblings = s, true
		return nil
	}
	if r.Labels["severity"] == "info" {
		return nil
	}
	return fmt.Errorf("no presence query can be derived (%w): name one in the annotation %s", err, AnnotationPresence)
}
