package process

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/faultline/faultline/collector/incident"
	"github.com/faultline/faultline/collector/sla"
	"github.com/faultline/faultline/internal/lang"
)

// What vendors report, in the Choice of a VendorReported fact.
const (
	VendorAccepted = "accepted"
	VendorFixed    = "reported_fixed"
	VendorReturned = "returned"
)

// Reasons in the Params of ticket and notify effects.
const (
	ReasonOpened          = "opened"
	ReasonEntered         = "entered" // it is the role's turn
	ReasonReclassified    = "reclassified"
	ReasonWithdrawn       = "withdrawn"
	ReasonRecovered       = "recovered" // proven by measurement
	ReasonNotConfirmed    = "not_confirmed"
	ReasonReopened        = "reopened"
	ReasonClosed          = "closed"
	ReasonFolded          = "folded"
	ReasonTimeout         = "timeout"
	ReasonWarn            = "clock_warn"
	ReasonBreach          = "clock_breach"
	ReasonLate            = "clock_late"
	ReasonVendorSays      = "vendor_says" // Params says: accepted, reported_fixed, returned
	ReasonVendorAsks      = "vendor_asks" // also the Reason of such a comment
	ReasonVendorUnknown   = "vendor_unknown"
	ReasonTicketFailed    = "ticket_failed"
	ReasonVerifyFailed    = "verify_failed"
	ReasonCalendarUnknown = "calendar_unknown"
	ReasonWaitOver        = "wait_over"       // a person's pause ended; Params waited_for: the reason
	ReasonVendorLate      = "vendor_late"     // no answer in the time agreed; Params contact: the level that is told
	ReasonRemedyProposed  = "remedy_proposed" // Params remedy: its name in the configuration
	ReasonVendorAway      = "vendor_away"     // no answer, and none of the vendor's contacts is on duty; Params away: who, and when they are
	ReasonRemedyEnded     = "remedy_ended"    // Params remedy, says: its state
	ReasonRemedyUnknown   = "remedy_unknown"  // a person finds out what it came to
	ReasonNoData          = "no_data"         // nothing is measured that could prove recovery
)

// EffectDocument asks for a document to be drafted; Params document says which.
const EffectDocument = "document"

// Documents that a final step can ask for, besides the report's row.
const (
	DocIncidentReport = "incident_report" // 事故总结报告
	DocKnowledge      = "kb_draft"        // how it was solved, for the knowledge base
	DocConfigRecord   = "config_record"   // the register of device parameters is to be updated
)

// Env is what Step is handed of the world. Vendor is optional; all else but
// Hold and WorkCalendar is required.
type Env struct {
	Now          time.Time
	Calendars    *sla.Calendars
	WorkCalendar string        // calendar id for "work" at the incident's site; "" the definition's
	Hold         time.Duration // overrides the definition's hold of verification; 0: as defined
	Documents    bool          // somebody drafts the documents that final steps ask for; else only the report's row is
	// Vendor names the vendor of another kind than the diagnosis's, for the case
	// that a person overrules it. Empty: nobody is known.
	Vendor func(kind string, d incident.Diagnosis) (id, name string)
	// History is all versions of the calendars that were in force; the zero value
	// knows Calendars only.
	History sla.History
	// Promise is what the contract with the vendor of the kind says; nil: nothing.
	Promise func(kind string, d incident.Diagnosis) Promise
	// Remedy fills in what the configuration says of the remedy of this name for
	// the incident; false: it has none, or the incident lacks what it needs. nil:
	// there are no remedies.
	Remedy func(name string, i incident.Incident) (incident.Remedy, bool)
}

// Result is what follows from the facts.
type Result struct {
	Events  []incident.Event  // the facts, each with its consequences after it; unsealed
	Effects []incident.Effect // to be carried out
	Cancel  []string          // keys of effects that shall not be carried out any more
}

// Refusal is the error of a person's fact that the process does not allow.
type Refusal struct{ Text, Hint lang.Text }

// Error returns what is refused, in English.
func (r *Refusal) Error() string { return "refused: " + r.Text.EN }

func refuse(zh, en string) error { return &Refusal{Text: lang.Text{ZH: zh, EN: en}} }

// errLoop says a definition's transitions chase each other.
var errLoop = errors.New("steps lead in a circle without waiting for anything")

// run is one call of Step.
type run struct {
	d   *Definition
	i   incident.Incident // as it is after the events so far
	env Env
	res Result

	arrived      bool // a step was entered that waits, and its people are not told yet
	first        bool // it was the first of all
	again        bool // it was entered before
	calendarTold bool // the owner knows that a calendar is missing
}

// Step returns what the facts lead to. The incident is the zero value when the
// first fact is Opened. d is the definition the incident runs on or, when a
// Diagnosed fact names another process, that process: the incident then goes on
// there, with its clocks. A timer that is no longer set leads to nothing.
func Step(d *Definition, i incident.Incident, facts []incident.Event, env Env) (Result, error) {
	r := &run{d: d, i: i, env: env}
	if i.Version > 0 && i.ProcessVersion != d.Ref() && !slices.ContainsFunc(facts, func(f incident.Event) bool { return leadsTo(d, f) }) {
		return Result{}, fmt.Errorf("step incident %s: it runs on %s, not on %s", i.ID, i.ProcessVersion, d.Ref())
	}
	if i.Open() && i.ProcessVersion == d.Ref() {
		if err := r.recompute(); err != nil {
			return Result{}, err
		}
	}
	for _, f := range facts {
		if err := r.fact(f); err != nil {
			return Result{}, fmt.Errorf("step incident %s, %s: %w", f.IncidentID, f.Kind, err)
		}
	}
	return r.res, nil
}

// leadsTo tells whether the fact re-routes an incident into the definition.
func leadsTo(d *Definition, f incident.Event) bool {
	return f.Kind == incident.Diagnosed && f.Diagnosis != nil && f.Diagnosis.Process == d.ID
}

// record applies the event and adds it to the result.
func (r *run) record(e incident.Event) error {
	if e.IncidentID == "" {
		e.IncidentID = r.i.ID
	}
	if e.At.IsZero() {
		e.At = r.env.Now
	}
	if e.Actor == (incident.Actor{}) {
		e.Actor = incident.System
	}
	after, err := incident.Apply(r.i, e)
	if err != nil {
		return err
	}
	r.i = after
	r.res.Events = append(r.res.Events, e)
	return nil
}

// next is the number the next event will have; it makes keys unique.
func (r *run) next() int64 { return r.i.Version + 1 }

// effect queues something to be done. Params must not hold an empty value.
func (r *run) effect(kind, step string, params map[string]string) (key string, err error) {
	e := incident.Effect{Key: fmt.Sprintf("%s/%d/%s", r.i.ID, r.next(), kind), IncidentID: r.i.ID, Kind: kind, Step: step, Params: params}
	if err := r.record(incident.Event{Kind: incident.EffectQueued, Effect: &e}); err != nil {
		return "", err
	}
	r.res.Effects = append(r.res.Effects, e)
	return e.Key, nil
}

// notify tells a role; roles outside the company are told by tickets.
func (r *run) notify(role, reason string, more ...string) error {
	if def, ok := r.d.Role(role); !ok || def.External {
		return nil
	}
	params := map[string]string{"role": role, "reason": reason, "step": r.i.Step}
	for n := 0; n+1 < len(more); n += 2 {
		params[more[n]] = more[n+1]
	}
	_, err := r.effect(incident.EffectNotify, "", params)
	return err
}

func (r *run) notifyAll(roles []string, reason string, more ...string) error {
	for _, role := range roles {
		if err := r.notify(role, reason, more...); err != nil {
			return err
		}
	}
	return nil
}

// enter moves the incident to the step: what ended with the old one is
// cancelled, clocks move, the ticket goes out, timers are set.
func (r *run) enter(to, reason string) error {
	for _, p := range r.i.Pending {
		if p.Step != "" {
			r.res.Cancel = append(r.res.Cancel, p.Key)
		}
	}
	s := r.d.steps[to]
	r.arrived, r.first, r.again = !s.Final, r.i.Step == "", slices.Contains(r.i.Visited, to)
	left := r.i.Step
	e := incident.Event{Kind: incident.Entered, Step: to, From: r.i.Step, Reason: reason, Role: s.Role, Choice: r.i.Choice}
	if err := r.record(e); err != nil {
		return err
	}
	if s.Final {
		return r.finish(s, reason)
	}
	if err := r.clocksAt(to); err != nil {
		return err
	}
	if err := r.pauses(s); err != nil {
		return err
	}
	if s.Ticket != nil {
		if err := r.ticketStep(s.Ticket); err != nil {
			return err
		}
	}
	if s.Guard != nil {
		if err := r.verify(s); err != nil {
			return err
		}
	}
	if err := r.timeouts(s); err != nil {
		return err
	}
	if err := r.suggestRemedy(s); err != nil {
		return err
	}
	return r.verifyAgain(left)
}

// verifyAgain sees to it that a verification which was left without a proof is
// tried again while no alert says otherwise: recovery must not need a person.
func (r *run) verifyAgain(left string) error {
	if !r.proves(left) || r.i.Step == left || r.i.State != incident.StateOpen || r.i.RecoveredAt.IsZero() {
		return nil
	}
	return r.setTimer(TimerVerify, "", "", r.env.Now.Add(max(r.hold(), 10*time.Second)))
}

// tell tells those whose turn it is, once the incident has come to rest. While
// measurements decide it is nobody's; the others are told the first time only.
func (r *run) tell() error {
	s, ok := r.d.Step(r.i.Step)
	if !ok || !r.arrived || r.i.State == incident.StateClosed {
		return nil
	}
	r.arrived = false
	reason, roles := ReasonEntered, []string{s.Role}
	if r.first {
		reason = ReasonOpened
	}
	if s.Guard != nil {
		roles = nil
	}
	if !r.again {
		roles = append(roles, s.Notify...)
	}
	slices.Sort(roles)
	return r.notifyAll(slices.Compact(roles), reason)
}

// proves tells whether the step is the one that proves recovery.
func (r *run) proves(step string) bool { return r.d.guard != nil && r.d.guard.ID == step }

// hold is how long recovery must hold.
func (r *run) hold() time.Duration {
	if r.env.Hold > 0 {
		return r.env.Hold
	}
	return r.d.guard.Guard.hold.Time
}

// verify starts the measurement that proves recovery. It has failed when it is
// still false after twice the time it must hold; without data it goes on until
// the step's timeout.
func (r *run) verify(s *StepDef) error {
	params := map[string]string{"hold": r.hold().String(), "on_no_data": s.Guard.OnNoData,
		"since": r.env.Now.UTC().Format(time.RFC3339Nano), "max_wait": (2 * r.hold()).String()}
	if q := r.i.Diagnosis.Recovery; q != "" {
		params["guard"] = q
	}
	_, err := r.effect(incident.EffectVerify, s.ID, params)
	return err
}

// finish closes the incident in a final step.
func (r *run) finish(s *StepDef, reason string) error {
	if err := r.stopClocks(); err != nil {
		return err
	}
	if r.i.State != incident.StateClosed {
		if err := r.record(incident.Event{Kind: incident.Closed, Reason: reason, Step: s.ID}); err != nil {
			return err
		}
	}
	if err := r.updateTicket(ReasonClosed, "closed"); err != nil {
		return err
	}
	for _, kind := range s.Produce {
		if err := r.produce(kind, reason); err != nil {
			return err
		}
	}
	return r.notifyAll(s.Notify, ReasonClosed)
}

// produce asks for the row of the report or for a document.
func (r *run) produce(kind, reason string) error {
	params := map[string]string{"reason": reason}
	if kind != incident.EffectReport {
		if !r.env.Documents {
			return nil
		}
		params["document"], kind = kind, EffectDocument
	}
	_, err := r.effect(kind, "", params)
	return err
}

// settle follows the transitions until the step waits for something.
func (r *run) settle() error {
	for range 32 {
		s, ok := r.d.Step(r.i.Step)
		if !ok || s.Final || r.i.State == incident.StateClosed {
			return nil
		}
		to, reason, err := r.leads(s)
		if err != nil || to == "" {
			return err
		}
		if err := r.enter(to, reason); err != nil {
			return err
		}
	}
	return fmt.Errorf("process %s, step %s: %w", r.d.Ref(), r.i.Step, errLoop)
}

// leads returns where the step leads now, or "".
func (r *run) leads(s *StepDef) (to, reason string, err error) {
	if choice, ok := s.choice(r.i.Choice); ok {
		if choice.Reopens && r.i.State == incident.StateVerified {
			if err := r.record(incident.Event{Kind: incident.Reopened, Reason: ReasonNotConfirmed}); err != nil {
				return "", "", err
			}
			if err := r.clocksAt(wordReopened); err != nil {
				return "", "", err
			}
			if err := r.updateTicket(ReasonReopened, ""); err != nil {
				return "", "", err
			}
		}
		return choice.To, "decided", nil
	}
	f := factsOf(s, r.i)
	for _, n := range s.Next {
		ok, err := n.when.holds(f)
		if err != nil {
			return "", "", fmt.Errorf("step %s, when %s: %w", s.ID, n.When, err)
		}
		if ok {
			return n.To, n.When, nil
		}
	}
	return "", "", nil
}

// back is where a verification that failed leads.
func (r *run) back() string {
	to := r.d.guard.Guard.Failed
	if to != "back" {
		return to
	}
	prev, ok := r.d.Step(r.i.PrevStep)
	if !ok || prev.Final || prev.Guard != nil {
		return r.d.Steps[0].ID
	}
	return prev.ID
}
