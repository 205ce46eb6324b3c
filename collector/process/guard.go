package process

import (
	"fmt"
	"slices"

	"github.com/expr-lang/expr"
	"github.com/expr-lang/expr/ast"
	"github.com/expr-lang/expr/parser"
	"github.com/expr-lang/expr/vm"

	"github.com/faultline/faultline/collector/incident"
)

// guard is a compiled condition; the zero guard always holds.
type guard struct{ program *vm.Program }

// facts is what conditions can ask of an incident. A field that is not here is
// an error when the file is loaded.
type facts struct {
	Acked     bool      `expr:"acked"`
	Done      bool      `expr:"done"`
	Choice    string    `expr:"choice"`
	Approved  bool      `expr:"approved"`
	Rejected  bool      `expr:"rejected"`
	Recovered bool      `expr:"recovered"` // no alert fires any more, none is unknown
	Verified  bool      `expr:"verified"`  // measurements held for the guard's time
	Practice  bool      `expr:"practice"`
	Remedied  bool      `expr:"remedied"` // a remedy proposed since the step was entered went through
	Reopened  int       `expr:"reopened"`
	Vendor    vendor    `expr:"vendor"`
	Diagnosis diagnosis `expr:"diagnosis"`

	Evidence func(element string) string `expr:"evidence"` // of the diagnosis, by its letter: ok, bad or unknown
	Attached func(kind string) bool      `expr:"attached"` // a document of this kind was handed in
	Visited  func(step string) bool      `expr:"visited"`  // the step was entered at any time
}

// vendor is what the vendor said since the present step was entered.
type vendor struct {
	Accepted      bool `expr:"accepted"`
	ReportedFixed bool `expr:"reported_fixed"`
	Returned      bool `expr:"returned"`
}

type diagnosis struct {
	Class       string `expr:"class"`
	Site        string `expr:"site"`
	Device      string `expr:"device"`
	Component   string `expr:"component"`
	Circuit     string `expr:"circuit"`
	VendorKind  string `expr:"vendor_kind"`
	Severity    string `expr:"severity"`
	Rule        string `expr:"rule"`
	Provisional bool   `expr:"provisional"`
}

// factsOf reads the incident for conditions of its present step.
func factsOf(s *StepDef, i incident.Incident) facts {
	d := i.Diagnosis
	says := func(what string) bool { return i.VendorSays == what && i.VendorSaysAt.After(i.StepAt) }
	return facts{
		Acked: i.Acked, Done: i.WorkDone, Choice: i.Choice, Rejected: i.Rejected,
		Approved:  s != nil && s.Approve != nil && len(i.Approvals) >= max(1, s.Approve.Min),
		Recovered: !i.RecoveredAt.IsZero(), Verified: i.State == incident.StateVerified,
		Practice: i.Practice, Reopened: i.Reopened, Remedied: remedied(i),
		Vendor: vendor{says(VendorAccepted), says(VendorFixed), says(VendorReturned)},
		Diagnosis: diagnosis{d.Class, d.Site, d.Device, d.Component, d.Circuit, d.VendorKind, d.Severity,
			d.Rule, d.Provisional},
		Evidence: func(element string) string { return evidence(d.Evidence, element) },
		Attached: func(kind string) bool {
			return slices.ContainsFunc(i.Attachments, func(a incident.Attachment) bool { return a.Kind == kind })
		},
		Visited: func(step string) bool { return slices.Contains(i.Visited, step) },
	}
}

// evidence is the worst that the element's observations say.
func evidence(list []incident.Observation, element string) string {
	worst := ""
	for _, o := range list {
		if o.Element == element && (worst == "" || o.Truth == "bad" || worst == "ok") {
			worst = o.Truth
		}
		if worst == "bad" {
			break
		}
	}
	if worst == "" {
		return "unknown"
	}
	return worst
}

// compile checks the condition's types and the names it mentions.
func compile(text string, names vocabulary) (guard, error) {
	if text == "" {
		return guard{}, nil
	}
	program, err := expr.Compile(text, expr.Env(facts{}), expr.AsBool(), expr.MaxNodes(200))
	if err != nil {
		return guard{}, err
	}
	tree, err := parser.Parse(text)
	if err != nil {
		return guard{}, err
	}
	v := &nameCheck{names: names}
	ast.Walk(&tree.Node, v)
	return guard{program}, v.err
}

// holds evaluates the condition.
func (g guard) holds(f facts) (bool, error) {
	if g.program == nil {
		return true, nil
	}
	out, err := expr.Run(g.program, f)
	if err != nil {
		return false, err
	}
	return out.(bool), nil
}

// vocabulary is what strings in conditions may say.
type vocabulary struct{ steps, choices []string }

// nameCheck finds strings that can never be true: a step, choice, class or
// element that does not exist.
type nameCheck struct {
	names vocabulary
	err   error
}

// Visit looks at calls and comparisons.
func (c *nameCheck) Visit(node *ast.Node) {
	switch n := (*node).(type) {
	case *ast.CallNode:
		name, ok := n.Callee.(*ast.IdentifierNode)
		if !ok || len(n.Arguments) != 1 {
			return
		}
		if arg, ok := n.Arguments[0].(*ast.StringNode); ok {
			c.check(name.Value, arg.Value, arg.Location().From)
		}
	case *ast.BinaryNode:
		if n.Operator != "==" && n.Operator != "!=" {
			return
		}
		if s, ok := n.Right.(*ast.StringNode); ok {
			c.check(n.Left.String(), s.Value, s.Location().From)
		}
	}
}

// nameError is a word that can never be, at the character it begins with.
type nameError struct {
	offset int
	text   string
}

// Error returns the text.
func (e *nameError) Error() string { return e.text }

func (c *nameCheck) check(what, word string, offset int) {
	allowed := map[string][]string{
		"visited": c.names.steps, "choice": c.names.choices,
		"evidence":              {"A", "L", "W", "P", "D", "S", "N", "U", "T", "R", "H", "V", "C", "B"},
		"attached":              documentKinds,
		"diagnosis.class":       {incident.ClassCarrierLine, incident.ClassDevice, incident.ClassPower, incident.ClassConfiguration, incident.ClassServer, incident.ClassDatabase, incident.ClassEnvironment, incident.ClassSecurity},
		"diagnosis.vendor_kind": vendorKinds,
	}
	if list, ok := allowed[what]; ok && c.err == nil && !slices.Contains(list, word) {
		c.err = &nameError{offset, fmt.Sprintf("%s can never be %q: want one of %s", what, word, quote(list))}
	}
}

var (
	documentKinds = []string{"inspection_report", "running_report", "photo", "config_backup", "load_data", "opinion", "plan", "test_report", "incident_summary", "other"}
	vendorKinds   = []string{incident.VendorCarrier, incident.VendorSupplier, incident.VendorUPS, incident.VendorDB, incident.VendorNone}
)
