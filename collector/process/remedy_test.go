package process

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/faultline/faultline/collector/incident"
	"github.com/faultline/faultline/collector/sla"
	"github.com/faultline/faultline/internal/lang"
)

const remedyBlock = `    remedy:
      names: [restart-access]
      propose: [branch_it, hq_network]
      approve: {by: hq_network, min: 1, deny_self: true, delegates: [hq_it_manager]}
      suggest:
        - {when: diagnosis.class == "device", name: restart-access}
`

// withRemedy is the network process with remedies in one of its steps.
func withRemedy(t *testing.T, step, block string) (*Definition, error) {
	t.Helper()
	text := definition(t, "network").Text()
	at := strings.Index(text, "  - id: "+step+"\n")
	if at < 0 {
		t.Fatalf("no step %s", step)
	}
	at += strings.Index(text[at:], "    role:")
	return Parse("network.yaml", []byte(text[:at]+block+text[at:]))
}

var (
	wang = incident.Actor{Kind: "person", ID: "wang", Role: "branch_it"}
	li   = incident.Actor{Kind: "person", ID: "li", Role: "hq_network"}
)

// play takes facts one after another.
type played struct {
	t    *testing.T
	d    *Definition
	i    incident.Incident
	now  time.Time
	cals *sla.Calendars
	sent []incident.Effect
}

func (p *played) take(f incident.Event) error {
	p.t.Helper()
	p.now = p.now.Add(time.Second)
	f.At, f.IncidentID = p.now, "i1"
	env := Env{Now: p.now, Calendars: p.cals, Remedy: func(name string, _ incident.Incident) (incident.Remedy, bool) {
		return incident.Remedy{Name: name, Checked: true, Parameters: map[string]string{"device": "rtr-2"}}, name == "restart-access"
	}}
	r, err := Step(p.d, p.i, []incident.Event{f}, env)
	if err != nil {
		return err
	}
	for _, e := range r.Events {
		if p.i, err = incident.Apply(p.i, e); err != nil {
			p.t.Fatal(err)
		}
	}
	p.sent = r.Effects
	return nil
}

func (p *played) must(f incident.Event) {
	p.t.Helper()
	if err := p.take(f); err != nil {
		p.t.Fatal(err)
	}
}

func (p *played) refused(f incident.Event, want string) {
	p.t.Helper()
	var r *Refusal
	if err := p.take(f); !errors.As(err, &r) || !strings.Contains(r.Text.EN, want) {
		p.t.Errorf("%s: %v, want %q refused", f.Kind, err, want)
	}
}

func (p *played) state(want string) {
	p.t.Helper()
	if m, _ := p.i.RemedyOf("r1"); m.State != want {
		p.t.Errorf("remedy is %q, want %q", m.State, want)
	}
}

func (p *played) effect(kind string) incident.Effect {
	p.t.Helper()
	for _, e := range p.sent {
		if e.Kind == kind {
			return e
		}
	}
	p.t.Fatalf("no effect %s among %v", kind, p.sent)
	return incident.Effect{}
}

func ended(e incident.Effect, outcome string, result map[string]string) incident.Event {
	e.Outcome, e.Result = outcome, result
	return incident.Event{Kind: incident.EffectDone, Effect: &e}
}

// opened is an incident in triage.
func opened(t *testing.T, class string) *played {
	t.Helper()
	d, err := withRemedy(t, "triage", remedyBlock)
	if err != nil {
		t.Fatal(err)
	}
	_, cals := shipped(t)
	p := &played{t: t, d: d, cals: cals, now: time.Date(2026, 11, 23, 2, 0, 0, 0, time.UTC)}
	p.must(incident.Event{ID: "o", Kind: incident.Opened, Diagnosis: diagnosisOf(class, incident.VendorNone, "network"), Number: "n"})
	p.must(incident.Event{Kind: incident.Acked, Actor: wang})
	if p.i.Step != "triage" {
		t.Fatalf("in step %s", p.i.Step)
	}
	return p
}

var proposal = incident.Event{Kind: incident.RemedyProposed, Actor: wang, Remedy: &incident.Remedy{ID: "new", Name: "restart-access", Checked: true}}

func of(kind incident.Kind, by incident.Actor) incident.Event {
	return incident.Event{Kind: kind, Actor: by, Remedy: &incident.Remedy{ID: "r1"}}
}

// TestRemedyRunsOnlyAfterApproval: dry run, approval by another, one run, its end.
func TestRemedyRunsOnlyAfterApproval(t *testing.T) {
	p := opened(t, incident.ClassConfiguration)
	other := proposal
	other.Remedy = &incident.Remedy{ID: "new", Name: "format-disk"}
	p.refused(other, "does not allow")
	p.must(proposal)
	p.state(incident.RemedyOpen)
	check := p.effect(incident.EffectRemedyCheck)
	p.refused(proposal, "another remedy waits")
	p.refused(of(incident.RemedyApproved, li), "dry run")
	p.must(ended(check, incident.RemedyDone, map[string]string{"changed": "1", "pin": "p1"}))
	p.effect(incident.EffectNotify)
	p.refused(of(incident.RemedyApproved, wang), "they proposed")
	p.must(of(incident.RemedyApproved, li))
	p.state(incident.RemedyGranted)
	run := p.effect(incident.EffectRemedyRun)
	if run.Step != "" || run.Params["remedy"] != "r1" {
		t.Errorf("run %+v", run)
	}
	p.refused(of(incident.RemedyApproved, li), "does not wait")
	p.must(ended(run, incident.RemedyDone, map[string]string{"summary": "ok", incident.ResultSummaryZH: "完成"}))
	p.state(incident.RemedyDone)
	if m, _ := p.i.RemedyOf("r1"); m.Run.Said() != (lang.Text{ZH: "完成", EN: "ok"}) {
		t.Errorf("the run says %+v", m.Run.Said())
	}
	if !remedied(p.i) {
		t.Error("not remedied")
	}
}

// TestRemedyOfUnknownEnd: nothing else is proposed until a person has found out.
func TestRemedyOfUnknownEnd(t *testing.T) {
	p := opened(t, incident.ClassConfiguration)
	p.must(proposal)
	p.must(ended(p.effect(incident.EffectRemedyCheck), incident.RemedyDone, nil))
	p.must(of(incident.RemedyApproved, li))
	p.must(ended(p.effect(incident.EffectRemedyRun), incident.RemedyUnknown, nil))
	p.state(incident.RemedyUnknown)
	p.effect(incident.EffectNotify)
	p.refused(proposal, "not known")
	settled := of(incident.RemedySettled, li)
	settled.Choice = "maybe"
	p.refused(settled, "ran or not_run")
	settled.Choice = incident.RemedyNotBegun
	p.refused(settled, "how you know")
	settled.Comment = "looked at the device"
	p.must(settled)
	p.state(incident.RemedyNotBegun)
	p.must(proposal)
}

// TestRemedyEndsWithItsStep: what nobody approved lapses, what was approved goes on.
func TestRemedyEndsWithItsStep(t *testing.T) {
	leave := incident.Event{Kind: incident.Decided, Actor: wang, Choice: "unknown", Comment: "x"}
	p := opened(t, incident.ClassConfiguration)
	p.must(proposal)
	p.must(leave)
	p.state(incident.RemedyWithdrawn)
	p = opened(t, incident.ClassConfiguration)
	p.must(proposal)
	p.must(ended(p.effect(incident.EffectRemedyCheck), incident.RemedyDone, nil))
	p.must(of(incident.RemedyApproved, li))
	run := p.effect(incident.EffectRemedyRun)
	p.must(leave)
	p.state(incident.RemedyGranted)
	failed := run
	failed.Problem = "not begun: nothing fails any more"
	p.must(incident.Event{Kind: incident.EffectFailed, Effect: &failed})
	p.state(incident.RemedyNotBegun)
}

// TestProcessProposesRemedy: the step proposes what fits, and who decided the way
// to it does not approve it.
func TestProcessProposesRemedy(t *testing.T) {
	p := opened(t, incident.ClassDevice)
	m, ok := p.i.RemedyOf("r1")
	if !ok || m.By != incident.System || m.Parameters["device"] != "rtr-2" || m.State != incident.RemedyOpen {
		t.Fatalf("proposed %+v", m)
	}
	p.must(ended(p.effect(incident.EffectRemedyCheck), incident.RemedyDone, nil))
	p.i.DecidedBy = li
	p.refused(of(incident.RemedyApproved, li), "they proposed")
}

// TestRemedyIsStopped: whoever has a word in it ends its dry run or its run, once,
// while it goes on; a dry run that was stopped leads to no run.
func TestRemedyIsStopped(t *testing.T) {
	p := opened(t, incident.ClassConfiguration)
	p.must(proposal)
	check := p.effect(incident.EffectRemedyCheck)
	p.must(of(incident.RemedyHalted, wang))
	p.refused(of(incident.RemedyHalted, li), "being stopped already")
	p.must(ended(check, incident.RemedyDone, nil)) // it had gone through just before
	p.state(incident.RemedyRefused)
	p.refused(of(incident.RemedyHalted, li), "not running")
	p = opened(t, incident.ClassConfiguration)
	p.must(proposal)
	p.must(ended(p.effect(incident.EffectRemedyCheck), incident.RemedyDone, nil))
	p.refused(of(incident.RemedyHalted, li), "not running")
	p.must(of(incident.RemedyApproved, li))
	run := p.effect(incident.EffectRemedyRun)
	for role, want := range map[string]bool{"branch_it": true, "hq_network": true, "hq_it_manager": true, "carrier": false, "user": false} {
		if err := CheckAction(p.d, p.i, []string{role}, of(incident.RemedyHalted, incident.Actor{Kind: "person", ID: "x"})); (err == nil) != want {
			t.Errorf("%s: %v, want %v", role, err, want)
		}
	}
	p.must(of(incident.RemedyHalted, wang))
	p.state(incident.RemedyGranted)
	p.must(ended(run, incident.RemedyStopped, nil))
	p.state(incident.RemedyStopped)
	if m, _ := p.i.RemedyOf("r1"); m.StopBy != wang || m.StopAt.IsZero() {
		t.Errorf("stopped by %+v at %s", m.StopBy, m.StopAt)
	}
	p.must(proposal) // it may be tried again
}

func TestNothingIsCarriedOutInADrill(t *testing.T) {
	p := opened(t, incident.ClassConfiguration)
	p.i.Drill = "d1"
	p.refused(proposal, "drill")
}

func TestWhoMayDealWithRemedies(t *testing.T) {
	p := opened(t, incident.ClassConfiguration)
	if err := CheckAction(p.d, p.i, []string{"hq_it_manager"}, proposal); err == nil {
		t.Error("the manager proposes")
	}
	p.must(proposal)
	p.must(ended(p.effect(incident.EffectRemedyCheck), incident.RemedyDone, nil))
	p.i.Remedies[0].Approvers = []string{"hq_it_manager"}
	for roles, want := range map[string]bool{"branch_it": false, "hq_network": false, "hq_it_manager": true, "carrier": false} {
		if err := CheckAction(p.d, p.i, []string{roles}, of(incident.RemedyApproved, incident.Actor{Kind: "person", ID: "x"})); (err == nil) != want {
			t.Errorf("%s: %v, want %v", roles, err, want)
		}
	}
}

func TestRemedyFaultsAreFound(t *testing.T) {
	for block, want := range map[string]string{
		"    remedy: {approve: {by: nobody, min: 1}}\n":                                                                      "no role",
		"    remedy: {approve: {by: hq_network}}\n":                                                                          "at least one approves",
		"    remedy: {names: [Bad], approve: {by: hq_network, min: 1}}\n":                                                    "want a word",
		"    remedy: {names: [a], approve: {by: hq_network, min: 1}, suggest: [{when: acked, name: b}]}\n":                   "none of the step's",
		"    remedy: {names: [a], approve: {by: hq_network, min: 1}, suggest: [{when: diagnosis.clas == \"x\", name: a}]}\n": "has no field",
	} {
		if _, err := withRemedy(t, "triage", block); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", block, err, want)
		}
	}
	if _, err := withRemedy(t, "verify", remedyBlock); err == nil || !strings.Contains(err.Error(), "nothing is carried out there") {
		t.Errorf("in a step that measures: %v", err)
	}
}
