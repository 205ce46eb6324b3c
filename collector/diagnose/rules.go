package diagnose

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"slices"
	"text/template"
	"time"

	"github.com/expr-lang/expr"
	"github.com/expr-lang/expr/vm"
	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"

	"github.com/faultline/faultline/collector/evidence"
	"github.com/faultline/faultline/collector/incident"
	"github.com/faultline/faultline/internal/lang"
	"github.com/faultline/faultline/internal/yamlfile"
)

// Rule is one hypothesis: when it holds for a subject, what it explains, and
// what is then said.
type Rule struct {
	ID          string              `yaml:"id"`
	Scope       string              `yaml:"scope"` // company, carrier, site, line, device, port, alert
	Rank        int                 `yaml:"rank"`  // the higher, the earlier it takes its alerts
	When        string              `yaml:"when"`
	Wait        string              `yaml:"wait"`     // true while evidence that would decide is still to come
	WaitFor     string              `yaml:"wait_for"` // longest wait; default the hold-off
	Cause       string              `yaml:"cause"`    // first word of the cause's key; default the scope
	Root        string              `yaml:"root"`     // what is named as the root; default the subject itself
	Part        string              `yaml:"part"`     // component, when it is not the subject's own
	Explains    map[string][]string `yaml:"explains"` // relation to the root → symptoms
	Affects     string              `yaml:"affects"`  // behind, site or nothing (default)
	Class       string              `yaml:"class"`
	Process     string              `yaml:"process"`
	VendorKind  string              `yaml:"vendor_kind"`
	Severity    string              `yaml:"severity"` // "" is the worst of the alerts
	Provisional bool                `yaml:"provisional"`
	Settles     bool                `yaml:"settles"` // may rest on alerts whose condition is already gone
	Decides     lang.Text           `yaml:"decides"` // required when provisional
	RunnerUp    string              `yaml:"runner_up"`
	Against     lang.Text           `yaml:"against"`
	Cite        []string            `yaml:"cite"` // elements shown as evidence, in this order
	Title       lang.Text           `yaml:"title"`
	Proof       lang.Text           `yaml:"proof"`
	Recovery    string              `yaml:"recovery"` // PromQL, a template

	file     string
	line     int
	waitFor  time.Duration
	when     *vm.Program
	wait     *vm.Program
	reaches  []reach // Explains, in the order of relations
	texts    map[string]*template.Template
	elements *evidence.Elements
}

// UnmarshalYAML keeps the line the rule stands in.
func (r *Rule) UnmarshalYAML(node ast.Node) error {
	type plain Rule
	if err := yaml.NodeToValue(node, (*plain)(r), yaml.Strict()); err != nil {
		return err
	}
	r.line = node.GetToken().Position.Line
	return nil
}

// Rules is a loaded, checked set of hypotheses.
type Rules struct {
	list     []*Rule
	elements *evidence.Elements
}

// Elements returns the elements and their words, which stand beside the causes.
func (r *Rules) Elements() *evidence.Elements { return r.elements }

// Load reads elements.yaml and every causes*.yaml of dir and checks all of it.
// The error joins every fault, each with file and line.
func Load(dir fs.FS) (*Rules, error) {
	elements, err := evidence.LoadElements(dir)
	if err != nil {
		return nil, err
	}
	files, err := fs.Glob(dir, "causes*.yaml")
	if err != nil {
		return nil, fmt.Errorf("list causes: %w", err)
	}
	if len(files) == 0 {
		return nil, errors.New("diagnosis rules: no causes*.yaml")
	}
	set := &Rules{elements: elements}
	var faults []error
	for _, f := range files {
		b, err := fs.ReadFile(dir, f)
		if err != nil {
			return nil, fmt.Errorf("read causes %s: %w", f, err)
		}
		var doc struct {
			Causes []*Rule `yaml:"causes"`
		}
		file, err := yamlfile.Parse(f, b)
		if err == nil {
			err = file.Decode(&doc)
		}
		if err != nil {
			faults = append(faults, err)
			continue
		}
		for _, r := range doc.Causes {
			if r == nil {
				continue
			}
			r.file, r.elements = f, elements
			set.list = append(set.list, r)
		}
	}
	faults = append(faults, set.check()...)
	if err := errors.Join(faults...); err != nil {
		return nil, err
	}
	return set, nil
}

// check compiles every rule and returns every fault.
func (r *Rules) check() []error {
	var faults []error
	where := map[string]*Rule{}
	for _, rule := range r.list {
		err := rule.check()
		if first := where[rule.ID]; first != nil {
			err = errors.Join(err, fmt.Errorf("is already defined at %s:%d", first.file, first.line))
		}
		where[rule.ID] = rule
		faults = append(faults, rule.blame(err)...)
	}
	for _, rule := range r.list {
		if rule.RunnerUp != "" && where[rule.RunnerUp] == nil {
			faults = append(faults, rule.blame(fmt.Errorf("runner_up %q is no rule", rule.RunnerUp))...)
		}
	}
	return faults
}

// blame gives each fault of a joined error its place.
func (r *Rule) blame(err error) []error {
	if err == nil {
		return nil
	}
	var out []error
	for _, e := range flatten(err) {
		out = append(out, fmt.Errorf("%s:%d: cause %s: %w", r.file, r.line, r.ID, e))
	}
	return out
}

func flatten(err error) []error {
	j, ok := err.(interface{ Unwrap() []error })
	if !ok {
		return []error{err}
	}
	var out []error
	for _, e := range j.Unwrap() {
		out = append(out, flatten(e)...)
	}
	return out
}

// words that rules may use, by field.
var (
	classes = []string{incident.ClassCarrierLine, incident.ClassDevice, incident.ClassPower, incident.ClassConfiguration,
		incident.ClassServer, incident.ClassDatabase, incident.ClassEnvironment, incident.ClassSecurity}
	processes   = []string{"network", "database", "infrastructure", "security"}
	vendorKinds = []string{incident.VendorCarrier, incident.VendorSupplier, incident.VendorUPS, incident.VendorDB, incident.VendorNone}
	severities  = []string{"", incident.SeverityCritical, incident.SeverityMajor, incident.SeverityMinor}
	affects     = []string{"", "behind", "site"}
	rootKinds   = []string{"", "router", "line", "ups", "core", "collector"}
)

func (r *Rule) check() error {
	var faults []error
	bad := func(format string, args ...any) { faults = append(faults, fmt.Errorf(format, args...)) }
	oneOf := func(field, got string, known []string) {
		if !slices.Contains(known, got) {
			bad("%s %q: want one of %q", field, got, known)
		}
	}
	oneOf("class", r.Class, classes)
	oneOf("process", r.Process, processes)
	oneOf("vendor_kind", r.VendorKind, vendorKinds)
	oneOf("severity", r.Severity, severities)
	oneOf("affects", r.Affects, affects)
	oneOf("root", r.Root, rootKinds)
	if r.ID == "" {
		bad("id is missing")
	}
	if r.Title.ZH == "" || r.Title.EN == "" || r.Proof.ZH == "" || r.Proof.EN == "" {
		bad("title and proof are required in zh-CN and en")
	}
	if r.Provisional && (r.Decides.ZH == "" || r.Decides.EN == "") {
		bad("a provisional cause says what decides it, in zh-CN and en")
	}
	if len(r.Explains) == 0 {
		bad("explains nothing")
	}
	for relation, list := range r.Explains {
		oneOf("explains", relation, relations)
		for _, s := range list {
			oneOf("explains "+relation, s, append([]string{"*"}, symptoms...))
		}
	}
	for _, e := range r.Cite {
		if r.elements.Words(e).OK.IsZero() {
			bad("cite: element %q has no words", e)
		}
	}
	return errors.Join(append(faults, r.compile())...)
}

func (r *Rule) compile() error {
	env, ok := environments[r.Scope]
	if !ok {
		return fmt.Errorf("scope %q: want company, carrier, site, line, device, port or alert", r.Scope)
	}
	var faults []error
	program := func(field, source string) *vm.Program {
		if source == "" {
			return nil
		}
		p, err := expr.Compile(source, expr.Env(env), expr.AsBool())
		if err != nil {
			faults = append(faults, fmt.Errorf("%s: %w", field, err))
		}
		return p
	}
	if r.When == "" {
		faults = append(faults, errors.New("when is missing"))
	}
	r.when, r.wait = program("when", r.When), program("wait", r.Wait)
	if r.WaitFor != "" {
		d, err := time.ParseDuration(r.WaitFor)
		if err != nil || d <= 0 {
			faults = append(faults, fmt.Errorf("wait_for %q: want a duration such as 6s", r.WaitFor))
		}
		r.waitFor = d
	}
	r.Cause, r.reaches = cmp.Or(r.Cause, r.Scope), reachesOf(r.Explains)
	r.texts = map[string]*template.Template{}
	for name, text := range map[string]string{"title.zh": r.Title.ZH, "title.en": r.Title.EN, "proof.zh": r.Proof.ZH,
		"proof.en": r.Proof.EN, "recovery": r.Recovery} {
		t, err := template.New(name).Parse(text)
		if err == nil {
			err = t.Execute(io.Discard, phrase{})
		}
		if err != nil {
			faults = append(faults, err)
			continue
		}
		r.texts[name] = t
	}
	return errors.Join(faults...)
}

// holds tells whether the rule's condition is true of a subject. Conditions are
// type-checked at load, so an error can only be a broken invariant.
func (r *Rule) holds(env any) bool { return r.run(r.when, env) }

// waits tells whether evidence that would decide is still to come.
func (r *Rule) waits(env any) bool { return r.wait != nil && r.run(r.wait, env) }

func (r *Rule) run(p *vm.Program, env any) bool {
	v, err := expr.Run(p, env)
	if err != nil {
		panic(fmt.Sprintf("cause %s: condition checked at load failed: %v", r.ID, err))
	}
	b, _ := v.(bool)
	return b
}
