package process

import (
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// checker collects a definition's faults and compiles what it holds.
type checker struct {
	at     *Locator
	d      *Definition
	faults []error
}

var idPattern = regexp.MustCompile(`^[a-z][a-z0-9_]{0,39}$`)

func (c *checker) fault(path, format string, args ...any) {
	c.faults = append(c.faults, c.at.At(path, format, args...))
}

func (c *checker) all() {
	d := c.d
	if d.APIVersion != "faultline/v1" || d.Kind != "Process" {
		c.fault("apiVersion", "want apiVersion faultline/v1 and kind Process")
		return
	}
	c.id("id", d.ID)
	c.title("title", d.Title)
	if d.Version < 1 {
		c.fault("version", "%d: versions count from 1", d.Version)
	}
	for _, word := range []string{"work", "always"} {
		if d.Calendars[word] == "" {
			c.fault("calendars", "no calendar for %q", word)
		}
	}
	c.index()
	c.role("owner", d.Owner)
	for n := range d.Reasons {
		c.reason(at("reasons", n), &d.Reasons[n])
	}
	for n := range d.Clocks {
		c.clock(at("clocks", n), &d.Clocks[n])
	}
	for n := range d.Steps {
		c.step(at("steps", n), &d.Steps[n])
	}
	c.shape()
}

// index makes the look-ups, so that the rest can refer forwards.
func (c *checker) index() {
	d := c.d
	d.roles, d.steps = map[string]*Role{}, map[string]*StepDef{}
	for n := range d.Roles {
		r := &d.Roles[n]
		c.id(at("roles", n)+".id", r.ID)
		c.title(at("roles", n), r.Title)
		if d.roles[r.ID] != nil {
			c.fault(at("roles", n)+".id", "%s is there twice", r.ID)
		}
		d.roles[r.ID] = r
	}
	for n := range d.Steps {
		s := &d.Steps[n]
		path := at("steps", n) + ".id"
		c.id(path, s.ID)
		if d.steps[s.ID] != nil || slices.Contains(words, s.ID) {
			c.fault(path, "%s is there twice, or is a word that clocks use", s.ID)
		}
		d.steps[s.ID] = s
		if s.Guard != nil {
			if d.guard != nil {
				c.fault(path, "%s has a guard, and so has %s: one step proves recovery", s.ID, d.guard.ID)
			}
			d.guard = s
		}
	}
	if d.Type == "" {
		d.Type = TypeFault
	}
	switch {
	case d.Type != TypeFault && d.Type != TypeRequest:
		c.fault("type", "%q: want fault or request", d.Type)
	case d.guard == nil && d.Type == TypeFault:
		c.fault("steps", "no step has a guard: nothing would prove recovery")
	}
}

func (c *checker) clock(path string, k *Clock) {
	c.id(path+".id", k.ID)
	c.title(path, k.Title)
	if first, _ := c.d.Clock(k.ID); first != k {
		c.fault(path+".id", "%s is there twice", k.ID)
	}
	k.target = c.span(path+".target", k.Target)
	c.calendar(path+".calendar", k.Calendar)
	if k.Role != "" {
		c.role(path+".role", k.Role)
	}
	if len(k.Starts) == 0 || len(k.Stops) == 0 {
		c.fault(path, "a clock needs starts and stops")
	}
	c.moments(path+".starts", k.Starts)
	c.moments(path+".stops", k.Stops)
	c.waits(path, k)
	c.share(path, k)
	c.outcome(path+".breach", k.Breach.Notify, k.Breach.To)
	if k.Late.After != "" {
		k.late = c.span(path+".late.after", k.Late.After)
	}
	c.outcome(path+".late", k.Late.Notify, k.Late.To)
	if k.Late.To != "" {
		c.fault(path+".late.to", "a clock that is late tells people; breach leads to a step")
	}
}

func (c *checker) share(path string, k *Clock) {
	if k.Warn != "" {
		pct, err := strconv.ParseFloat(strings.TrimSuffix(k.Warn, "%"), 64)
		if err != nil || !strings.HasSuffix(k.Warn, "%") || pct <= 0 || pct >= 100 {
			c.fault(path+".warn", "%q: want a share like 80%%", k.Warn)
		}
		k.warn = pct / 100
	}
}

func (c *checker) step(path string, s *StepDef) {
	c.title(path, s.Title)
	names := vocabulary{steps: sortedKeys(c.d.steps)}
	if s.Decide != nil {
		for _, choice := range s.Decide.Choices {
			names.choices = append(names.choices, choice.ID)
		}
	}
	c.people(path, s)
	c.needs(path, s.Needs, names)
	if len(s.Needs) > 0 && s.Done.IsZero() {
		c.fault(path+".needs", "documents are needed for done, which this step does not offer")
	}
	c.decisions(path, s, names)
	for n := range s.Next {
		p := at(path+".next", n)
		s.Next[n].when = c.guard(p+".when", s.Next[n].When, names)
		c.target(p+".to", s.Next[n].To)
	}
	for n := range s.Timeout {
		r, p := &s.Timeout[n], at(path+".timeout", n)
		r.after = c.span(p+".after", r.After)
		c.calendar(p+".calendar", r.Calendar)
		c.outcome(p, r.Notify, r.To)
		if len(r.Notify) == 0 && r.To == "" {
			c.fault(p, "nothing follows when the time is up")
		}
	}
	if t := s.Ticket; t != nil {
		t.when = c.guard(path+".ticket.when", t.When, names)
		for kind := range t.Templates {
			if !slices.Contains(vendorKinds, kind) {
				c.fault(path+".ticket.templates", "%q is no kind of vendor", kind)
			}
		}
		if t.VendorKind != "" && !slices.Contains(vendorKinds, t.VendorKind) {
			c.fault(path+".ticket.vendor_kind", "%q is no kind of vendor", t.VendorKind)
		}
	}
	c.remedy(path, s, names)
	c.guardStep(path, s)
	c.final(path, s)
}

// people checks who acts in the step.
func (c *checker) people(path string, s *StepDef) {
	if !s.Final {
		c.role(path+".role", s.Role)
	}
	if s.RACI.A != "" {
		c.role(path+".raci.A", s.RACI.A)
	}
	c.rolesOf(path+".raci.C", s.RACI.C)
	c.rolesOf(path+".raci.I", s.RACI.I)
	c.rolesOf(path+".notify", s.Notify)
	if a := s.Approve; a != nil {
		c.role(path+".approve.by", a.By)
		c.rolesOf(path+".approve.delegates", a.Delegates)
		if a.Min < 1 {
			c.fault(path+".approve.min", "%d: at least one approves", a.Min)
		}
	}
	for n, kind := range s.Documents {
		c.document(at(path+".documents", n), kind)
	}
	if !s.Done.IsZero() {
		c.title(path+".done", s.Done)
	}
}

func (c *checker) decisions(path string, s *StepDef, names vocabulary) {
	for n := range s.Suggest {
		p := at(path+".suggest", n)
		s.Suggest[n].when = c.guard(p+".when", s.Suggest[n].When, names)
		if !slices.Contains(names.choices, s.Suggest[n].Choice) {
			c.fault(p+".choice", "%q is none of the choices %s", s.Suggest[n].Choice, quote(names.choices))
		}
	}
	if s.Decide == nil {
		return
	}
	c.title(path+".decide.prompt", s.Decide.Prompt)
	if o := s.Decide.OnOverride; o != "" && o != "comment_required" {
		c.fault(path+".decide.on_override", "%q: want comment_required or nothing", o)
	}
	if len(s.Decide.Choices) == 0 {
		c.fault(path+".decide", "nothing to choose from")
	}
	seen := map[string]bool{}
	for n := range s.Decide.Choices {
		choice, p := &s.Decide.Choices[n], at(path+".decide.choices", n)
		c.id(p+".id", choice.ID)
		if seen[choice.ID] {
			c.fault(p+".id", "%s is there twice", choice.ID)
		}
		seen[choice.ID] = true
		c.title(p, choice.Title)
		c.target(p+".to", choice.To)
		c.needs(p, choice.Needs, names)
		if choice.Comment != "" && choice.Comment != "required" {
			c.fault(p+".comment", "%q: want required or nothing", choice.Comment)
		}
	}
}

func (c *checker) guardStep(path string, s *StepDef) {
	g := s.Guard
	if g == nil {
		return
	}
	g.hold = c.span(path+".guard.hold", g.Hold)
	if g.hold.Days > 0 {
		c.fault(path+".guard.hold", "%s: measurements hold for minutes or hours", g.Hold)
	}
	if g.OnNoData != "unknown" && g.OnNoData != "person" {
		c.fault(path+".guard.on_no_data", "%q: no data is unknown, it proves nothing; want unknown or person", g.OnNoData)
	}
	if g.Failed != "back" {
		c.target(path+".guard.failed", g.Failed)
	}
	if !slices.ContainsFunc(s.Next, func(n Next) bool { return n.When == "verified" }) {
		c.fault(path+".next", "the step that proves recovery leads on when: verified")
	}
}

func (c *checker) final(path string, s *StepDef) {
	switch {
	case s.Final && (len(s.Next) > 0 || len(s.Timeout) > 0 || s.Decide != nil || s.Approve != nil || s.Guard != nil):
		c.fault(path, "a final step leads nowhere")
	case !s.Final && len(s.Next) == 0 && s.Decide == nil && len(s.Timeout) == 0:
		c.fault(path, "%s has no way out and no timeout", s.ID)
	case !s.Final && len(s.Timeout) == 0 && (c.external(s.Role) || s.Guard != nil):
		c.fault(path, "%s waits for somebody outside or for measurements and has no timeout", s.ID)
	}
	for n, p := range s.Produce {
		if !slices.Contains(produced, p) {
			c.fault(at(path+".produce", n), "%q: want one of %s", p, quote(produced))
		}
	}
	if s.Reopen != nil {
		s.Reopen.within = c.span(path+".reopen.within", s.Reopen.Within)
		c.target(path+".reopen.to", s.Reopen.To)
	}
}

// shape checks the process as a whole: every step can be reached, and a final
// one from each.
func (c *checker) shape() {
	if len(c.faults) > 0 {
		return
	}
	steps := c.d.Steps
	if steps[0].Final {
		c.fault("steps[0]", "the first step is final")
	}
	reached := c.d.reach(steps[0].ID)
	if c.d.guard != nil { // measured recovery leads there from everywhere
		for id := range c.d.reach(c.d.guard.ID) {
			reached[id] = true
		}
	}
	for n, s := range steps {
		if !reached[s.ID] {
			c.fault(at("steps", n), "nothing leads to %s", s.ID)
		}
		ends := slices.ContainsFunc(sortedKeys(c.d.reach(s.ID)), func(id string) bool { return c.d.steps[id].Final })
		if !ends {
			c.fault(at("steps", n), "no final step can be reached from %s", s.ID)
		}
	}
}

// reach returns the steps that can follow the step, itself included.
func (d *Definition) reach(from string) map[string]bool {
	seen, todo := map[string]bool{from: true}, []string{from}
	for len(todo) > 0 {
		s := d.steps[todo[0]]
		todo = todo[1:]
		for _, e := range d.edges(s) {
			if !seen[e.To] {
				seen[e.To] = true
				todo = append(todo, e.To)
			}
		}
	}
	return seen
}
