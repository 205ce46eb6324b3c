package process

import (
	"fmt"
	"regexp"
	"slices"

	"github.com/faultline/faultline/collector/incident"
)

// Remedy lets remedies be proposed in a step, and says who approves them. They
// run beside the step; what is proposed and not approved ends with it.
type Remedy struct {
	Names   []string       `yaml:"names"`   // of the configuration; none: any
	Propose []string       `yaml:"propose"` // roles; none: the step's own and who is accountable
	Approve Approve        `yaml:"approve"`
	Suggest []RemedyChoice `yaml:"suggest"` // what the process proposes by itself on entering; the first that holds
}

// RemedyChoice names a remedy for a condition.
type RemedyChoice struct {
	When string `yaml:"when"`
	Name string `yaml:"name"`

	when guard
}

// maxRemedies bounds what is proposed for one incident.
const maxRemedies = 20

var remedyName = regexp.MustCompile(`^[a-z][a-z0-9-]{0,39}$`)

// remedy checks a step's remedies.
func (c *checker) remedy(path string, s *StepDef, names vocabulary) {
	m := s.Remedy
	if m == nil {
		return
	}
	path += ".remedy"
	if s.Final || s.Guard != nil {
		c.fault(path, "%s ends the process or measures: nothing is carried out there", s.ID)
	}
	for n, name := range m.Names {
		if !remedyName.MatchString(name) {
			c.fault(at(path+".names", n), "%q: want a word of a-z, 0-9 and hyphens", name)
		}
	}
	c.rolesOf(path+".propose", m.Propose)
	c.role(path+".approve.by", m.Approve.By)
	c.rolesOf(path+".approve.delegates", m.Approve.Delegates)
	if m.Approve.Min < 1 {
		c.fault(path+".approve.min", "%d: at least one approves", m.Approve.Min)
	}
	for n := range m.Suggest {
		p := at(path+".suggest", n)
		m.Suggest[n].when = c.guard(p+".when", m.Suggest[n].When, names)
		if !remedyName.MatchString(m.Suggest[n].Name) || len(m.Names) > 0 && !slices.Contains(m.Names, m.Suggest[n].Name) {
			c.fault(p+".name", "%q is none of the step's remedies", m.Suggest[n].Name)
		}
	}
}

// remedied tells whether a remedy proposed since the step was entered went through.
func remedied(i incident.Incident) bool {
	return slices.ContainsFunc(i.Remedies, func(r incident.Remedy) bool {
		return r.Step == i.Step && !r.At.Before(i.StepAt) && (r.State == incident.RemedyDone || r.State == incident.RemedyRan)
	})
}

// Proposers are the roles that may propose remedies in the step.
func (s *StepDef) Proposers() []string {
	switch {
	case s.Remedy == nil:
		return nil
	case len(s.Remedy.Propose) > 0:
		return s.Remedy.Propose
	case s.RACI.A != "":
		return []string{s.Role, s.RACI.A}
	}
	return []string{s.Role}
}

// mayRemedy tells whether one of somebody's roles may do this to a remedy.
func (d *Definition) mayRemedy(s *StepDef, i incident.Incident, f incident.Event, has func(...string) bool) bool {
	if f.Remedy == nil {
		return false
	}
	if f.Kind == incident.RemedyProposed {
		return has(s.Proposers()...)
	}
	r, ok := i.RemedyOf(f.Remedy.ID)
	if !ok {
		return false
	}
	at, ok := d.Step(r.Step)
	if !ok || at.Remedy == nil { // the incident went on in another process
		return (f.Kind == incident.RemedySettled || f.Kind == incident.RemedyHalted) && has(d.Owner)
	}
	a := at.Remedy.Approve
	switch f.Kind {
	case incident.RemedySettled:
		return has(a.By, d.Owner) || has(a.Delegates...)
	case incident.RemedyHalted: // whoever has a word in it: what goes wrong is ended by the first who sees it
		return has(a.By, d.Owner) || has(a.Delegates...) || has(r.Approvers...) || has(at.Proposers()...)
	case incident.RemedyRejected:
		return has(a.By) || has(a.Delegates...) || has(at.Proposers()...)
	}
	return (has(a.By) || has(a.Delegates...)) && (len(r.Approvers) == 0 || has(r.Approvers...))
}

// allowRemedy refuses what makes no sense for a remedy now, whoever says it.
func (d *Definition) allowRemedy(s *StepDef, i incident.Incident, f incident.Event) error {
	if f.Remedy == nil {
		return refuse("未指明处置", "which remedy?")
	}
	if f.Kind == incident.RemedyProposed {
		return s.allowProposal(i, f)
	}
	r, ok := i.RemedyOf(f.Remedy.ID)
	if !ok {
		return refuse("没有此处置", "there is no such remedy")
	}
	if f.Kind == incident.RemedySettled {
		switch {
		case r.State != incident.RemedyUnknown:
			return refuse("该处置的结果无需人工确认", "what became of it is known")
		case f.Choice != incident.RemedyRan && f.Choice != incident.RemedyNotBegun:
			return refuse("请选择已执行或未执行", "say ran or not_run")
		case f.Comment == "":
			return refuse("请说明依据", "say in a comment how you know")
		}
		return nil
	}
	if f.Kind == incident.RemedyHalted {
		return allowHalt(r)
	}
	switch {
	case r.State != incident.RemedyOpen || !i.Open():
		return refuse("该处置不再等待审批", "this remedy does not wait for approval any more")
	case f.Kind == incident.RemedyRejected && f.Comment == "":
		return refuse("请说明驳回理由", "say in a comment why it is rejected")
	case f.Kind == incident.RemedyRejected:
		return nil
	}
	return d.allowGrant(i, r, f)
}

// allowHalt refuses to end what does not run, or is being ended already. A closed
// incident is no reason: what runs may still do harm.
func allowHalt(r incident.Remedy) error {
	switch {
	case !r.Runs():
		return refuse("该处置没有在执行", "this remedy is not running")
	case !r.StopAt.IsZero():
		return refuse("已请求停止该处置", "it is being stopped already")
	}
	return nil
}

// allowProposal refuses a proposal that the step has no place for.
func (s *StepDef) allowProposal(i incident.Incident, f incident.Event) error {
	switch {
	case !i.Open() || s.Remedy == nil:
		return refuse("此步骤不能提议处置", "no remedy can be proposed in this step")
	case i.Drill != "":
		return refuse("演练中不执行处置", "nothing is carried out in a drill")
	case len(s.Remedy.Names) > 0 && !slices.Contains(s.Remedy.Names, f.Remedy.Name):
		return refuse("流程不允许在此步骤执行该处置", "the process does not allow this remedy in this step")
	case slices.ContainsFunc(i.Remedies, func(r incident.Remedy) bool { return r.State == incident.RemedyUnknown }):
		return refuse("上一处置的结果尚不明确，请先确认", "what became of the remedy before is not known: say so first")
	case slices.ContainsFunc(i.Remedies, incident.Remedy.Waits):
		return refuse("已有处置在等待审批或执行中", "another remedy waits or runs")
	case len(i.Remedies) >= maxRemedies:
		return refuse("该故障单提议的处置过多", "too many remedies were proposed for this incident")
	}
	return nil
}

// allowGrant refuses an approval of what was not looked at, or by who asked.
func (d *Definition) allowGrant(i incident.Incident, r incident.Remedy, f incident.Event) error {
	s, ok := d.Step(r.Step)
	if !ok || s.Remedy == nil {
		return refuse("此步骤不需要审批", "there is nothing to approve in this step")
	}
	asked := r.By
	if asked.Kind == incident.System.Kind {
		asked = i.DecidedBy // whose decision led to where the process proposed it
	}
	same := func(a incident.Actor) bool { return a.ID != "" && a.ID == f.Actor.ID && a.Kind == f.Actor.Kind }
	switch {
	case r.Checked && r.Check.State != incident.RemedyDone:
		return refuse("试运行尚未通过，不能批准", "its dry run has not gone through: it cannot be approved")
	case s.Remedy.Approve.DenySelf && same(asked):
		return refuse("不能批准自己提议的处置", "nobody approves the remedy they proposed")
	case slices.ContainsFunc(r.Approvals, same):
		return refuse("您已批准过该处置", "you approved it already")
	}
	return nil
}

// proposal fills in what a proposal does not say itself.
func (r *run) proposal(p incident.Remedy, f incident.Event) *incident.Remedy {
	p.ID, p.Step, p.State = fmt.Sprintf("r%d", len(r.i.Remedies)+1), r.i.Step, incident.RemedyOpen
	p.By, p.At, p.Why, p.Approvals, p.Check, p.Run = f.Actor, f.At, f.Comment, nil, incident.RemedyRun{}, incident.RemedyRun{}
	return &p
}

// suggestRemedy proposes what the step suggests for what is known.
func (r *run) suggestRemedy(s *StepDef) error {
	if s.Remedy == nil || r.env.Remedy == nil {
		return nil
	}
	f := factsOf(s, r.i)
	for _, x := range s.Remedy.Suggest {
		ok, err := x.when.holds(f)
		if err != nil {
			return err
		}
		if !ok {
			continue
		}
		if answered(r.i, x.Name) {
			return nil
		}
		p, ok := r.env.Remedy(x.Name, r.i)
		e := incident.Event{Kind: incident.RemedyProposed, At: r.env.Now, Actor: incident.System, Remedy: &p}
		if !ok || s.allowProposal(r.i, e) != nil {
			return nil
		}
		e.Remedy = r.proposal(p, e)
		if err := r.record(e); err != nil {
			return err
		}
		return r.remedyProposed(e.Remedy.ID)
	}
	return nil
}

// answered tells whether people said no to the remedy in this incident, or it was
// carried out: the process does not ask for it again, people may.
func answered(i incident.Incident, name string) bool {
	return slices.ContainsFunc(i.Remedies, func(m incident.Remedy) bool {
		return m.Name == name && m.State != incident.RemedyWithdrawn && m.State != incident.RemedyNotBegun
	})
}

// remedyProposed asks for the dry run, or for the approval where there is none.
func (r *run) remedyProposed(id string) error {
	m, _ := r.i.RemedyOf(id)
	if !m.Checked {
		return r.askApproval(m)
	}
	key, err := r.effect(incident.EffectRemedyCheck, m.Step, map[string]string{"remedy": m.ID})
	if err != nil {
		return err
	}
	m.Check = incident.RemedyRun{Key: key, State: "queued"}
	return r.record(incident.Event{Kind: incident.RemedyChanged, Remedy: &m})
}

func (r *run) askApproval(m incident.Remedy) error {
	s, ok := r.d.Step(m.Step)
	if !ok || s.Remedy == nil {
		return nil
	}
	return r.notify(s.Remedy.Approve.By, ReasonRemedyProposed, "remedy", m.Name)
}

// remedyApproved has the remedy run once enough have approved it.
func (r *run) remedyApproved(id string) error {
	m, ok := r.i.RemedyOf(id)
	s, known := r.d.Step(m.Step)
	if !ok || !known || s.Remedy == nil || m.State != incident.RemedyOpen || len(m.Approvals) < s.Remedy.Approve.Min {
		return nil
	}
	key, err := r.effect(incident.EffectRemedyRun, "", map[string]string{"remedy": m.ID})
	if err != nil {
		return err
	}
	m.State, m.Run = incident.RemedyGranted, incident.RemedyRun{Key: key, State: "queued"}
	return r.record(incident.Event{Kind: incident.RemedyChanged, Remedy: &m})
}

// remedyOutcome takes what a dry run or a run came to.
func (r *run) remedyOutcome(f incident.Event) error {
	for _, m := range r.i.Remedies {
		got := incident.RemedyRun{Key: f.Effect.Key, State: f.Effect.Outcome, Summary: f.Effect.Result["summary"], SummaryZH: f.Effect.Result[incident.ResultSummaryZH], Changed: f.Effect.Result["changed"],
			Pin: f.Effect.Result["pin"], Document: f.Effect.Result["document"], At: f.At}
		if f.Kind == incident.EffectFailed {
			got.State, got.Summary, got.SummaryZH = incident.RemedyFailed, f.Effect.Problem, ""
			if f.Effect.Kind == incident.EffectRemedyRun {
				got.State = incident.RemedyNotBegun
			}
		}
		switch f.Effect.Key {
		case m.Check.Key:
			m.Check = got
			if !m.StopAt.IsZero() && m.State == incident.RemedyOpen {
				m.State = incident.RemedyRefused // who stops the trial does not want the run
			}
		case m.Run.Key:
			m.Run, m.State = got, got.State
		default:
			continue
		}
		if err := r.record(incident.Event{Kind: incident.RemedyChanged, Remedy: &m}); err != nil {
			return err
		}
		return r.tellRemedy(m, f.Effect.Kind)
	}
	return nil
}

// tellRemedy tells who approves that there is something to look at, or whose turn
// it is what a run came to.
func (r *run) tellRemedy(m incident.Remedy, kind string) error {
	switch {
	case kind == incident.EffectRemedyCheck && m.State != incident.RemedyOpen:
		return nil
	case kind == incident.EffectRemedyCheck && m.Check.State == incident.RemedyDone:
		return r.askApproval(m)
	case kind == incident.EffectRemedyCheck:
		return r.notify(r.insideRole(), ReasonRemedyEnded, "remedy", m.Name, "says", m.Check.State)
	case m.State == incident.RemedyUnknown:
		return r.notify(r.d.Owner, ReasonRemedyUnknown, "remedy", m.Name)
	}
	return r.notify(r.insideRole(), ReasonRemedyEnded, "remedy", m.Name, "says", m.State)
}
