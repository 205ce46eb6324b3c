package process

import (
	"fmt"
	"slices"

	"github.com/faultline/faultline/collector/incident"
	"github.com/faultline/faultline/collector/sla"
	"github.com/faultline/faultline/internal/lang"
)

// produced are what a final step can ask for.
var produced = []string{incident.EffectReport, DocIncidentReport, DocKnowledge, DocConfigRecord}

// reason checks why clocks may wait.
func (c *checker) reason(path string, r *Reason) {
	c.id(path+".id", r.ID)
	c.title(path, r.Title)
	if first, _ := c.d.Reason(r.ID); first != r {
		c.fault(path+".id", "%s is there twice", r.ID)
	}
	if r.Owner != "" && r.Owner != OwnerSystem && r.Owner != OwnerUser {
		c.role(path+".owner", r.Owner)
	}
	if r.AtMost == "" {
		return
	}
	r.atMost = c.span(path+".at_most", r.AtMost)
	c.calendar(path+".calendar", r.Calendar)
}

// waits checks in which steps a clock waits, and for which reasons a person may
// let it wait.
func (c *checker) waits(path string, k *Clock) {
	for n, p := range k.Pauses {
		at := at(path+".pauses", n)
		for m, s := range p.In {
			c.target(fmt.Sprintf("%s.in[%d]", at, m), s)
		}
		if p.Owner != OwnerSystem {
			c.role(at+".owner", p.Owner)
		}
		if _, ok := c.d.Reason(p.Reason); p.Reason != "" && !ok {
			c.fault(at+".reason", "no reason %q among reasons", p.Reason)
		}
	}
	for n, id := range k.Asked {
		r, ok := c.d.Reason(id)
		switch {
		case !ok:
			c.fault(at(path+".asked", n), "no reason %q among reasons", id)
		case r.Owner == "" || r.AtMost == "":
			c.fault(at(path+".asked", n), "reason %s needs owner and at_most: a person may give it", id)
		}
	}
}

// moments checks what a clock starts or stops at.
func (c *checker) moments(path string, list []string) {
	for n, word := range list {
		if c.d.steps[word] == nil && !slices.Contains(words, word) {
			c.fault(at(path, n), "%q is neither a step nor one of %s", word, quote(words))
		}
	}
}

func (c *checker) needs(path string, needs []Need, names vocabulary) {
	for m := range needs {
		p := at(path+".needs", m)
		needs[m].when = c.guard(p+".when", needs[m].When, names)
		c.document(p+".document", needs[m].Document)
	}
}

func (c *checker) rolesOf(path string, ids []string) {
	for n, id := range ids {
		c.role(at(path, n), id)
	}
}

func (c *checker) external(role string) bool {
	r := c.d.roles[role]
	return r != nil && r.External
}

func (c *checker) id(path, id string) {
	if !idPattern.MatchString(id) {
		c.fault(path, "%q: want a short name of a-z, 0-9 and _", id)
	}
}

func (c *checker) title(path string, t lang.Text) {
	if t.ZH == "" || t.EN == "" {
		c.fault(path, "a title in zh-CN and en is required")
	}
}

func (c *checker) role(path, id string) {
	if c.d.roles[id] == nil {
		c.fault(path, "no role %q", id)
	}
}

func (c *checker) target(path, id string) {
	if c.d.steps[id] == nil {
		c.fault(path, "no step %q", id)
	}
}

func (c *checker) calendar(path, word string) {
	if c.d.Calendars[word] == "" {
		c.fault(path, "no calendar %q among calendars", word)
	}
}

func (c *checker) document(path, kind string) {
	if !slices.Contains(documentKinds, kind) {
		c.fault(path, "%q: want one of %s", kind, quote(documentKinds))
	}
}

func (c *checker) outcome(path string, notify []string, to string) {
	for n, r := range notify {
		c.role(at(path+".notify", n), r)
		if c.external(r) {
			c.fault(at(path+".notify", n), "%s is outside the company: it is told by tickets", r)
		}
	}
	if to != "" {
		c.target(path+".to", to)
	}
}

func (c *checker) span(path, s string) sla.Span {
	span, err := sla.ParseSpan(s)
	if err != nil {
		c.fault(path, "%v", err)
	}
	return span
}

func (c *checker) guard(path, text string, names vocabulary) guard {
	g, err := compile(text, names)
	if err != nil {
		c.faults = append(c.faults, c.at.guardFault(path, err))
	}
	return g
}

func at(path string, n int) string { return fmt.Sprintf("%s[%d]", path, n) }
