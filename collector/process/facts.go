package process

import (
	"fmt"
	"slices"

	"github.com/faultline/faultline/collector/incident"
	"github.com/faultline/faultline/internal/lang"
)

// fact records one fact and what follows from it.
func (r *run) fact(f incident.Event) error {
	before := r.i
	if f.Kind == incident.TimerFired && !slices.ContainsFunc(before.Timers, func(t incident.Timer) bool { return f.Timer != nil && t.ID == f.Timer.ID }) {
		return nil // its step or clock ended meanwhile
	}
	if f.Kind == incident.Opened && f.ProcessVersion == "" {
		f.Process, f.ProcessVersion = r.d.ID, r.d.Ref()
	}
	if err := r.admit(&f); err != nil {
		return err
	}
	if err := r.record(f); err != nil {
		return err
	}
	if f.Kind != incident.Opened && r.i.ProcessVersion != r.d.Ref() && !leadsTo(r.d, f) {
		return nil // still in the process that is left below
	}
	if err := r.react(before, f); err != nil {
		return err
	}
	if err := r.settle(); err != nil {
		return err
	}
	return r.tell()
}

// admit refuses what the process does not allow and fills in what it knows.
func (r *run) admit(f *incident.Event) error {
	if f.Kind == incident.RemedyProposed && f.Remedy != nil {
		f.Remedy = r.proposal(*f.Remedy, *f)
	}
	if f.Kind == incident.Decided {
		f.Step = r.i.Step
		if s, ok := r.d.Step(r.i.Step); ok {
			suggested, err := suggestion(s, r.i)
			if err != nil {
				return err
			}
			f.Suggested = suggested
		}
	}
	return allowed(r.d, r.i, *f)
}

// react is what the process makes of the fact, before conditions are asked.
func (r *run) react(before incident.Incident, f incident.Event) error {
	switch f.Kind {
	case incident.Opened:
		if err := r.clocksAt(wordOpened); err != nil {
			return err
		}
		return r.enter(r.d.Steps[0].ID, ReasonOpened)
	case incident.Diagnosed:
		return r.diagnosed(before)
	case incident.RecoverySeen:
		return r.recoverySeen()
	case incident.RecoveryLost:
		return r.recoveryLost(ReasonVerifyFailed)
	case incident.Acked:
		return r.clocksAt(wordAcked)
	case incident.ClockPaused, incident.ClockResumed:
		return r.wait(f)
	case incident.VendorReported:
		return r.vendorReported(f)
	case incident.VendorEscalated:
		return r.vendorEscalated(f)
	case incident.Commented:
		if f.Actor.Kind == "vendor" && f.Reason == ReasonVendorAsks && r.i.Open() {
			return r.notify(r.insideRole(), ReasonVendorAsks, "comment", f.Comment)
		}
	case incident.TimerFired:
		return r.timer(f)
	case incident.EffectDone, incident.EffectFailed:
		return r.outcome(before, f)
	case incident.RemedyProposed:
		return r.remedyProposed(f.Remedy.ID)
	case incident.RemedyApproved:
		return r.remedyApproved(f.Remedy.ID)
	case incident.Closed:
		return r.closedByPerson(before)
	case incident.Reopened:
		return r.reopened(before)
	case incident.Folded:
		return r.folded(before)
	}
	return nil
}

// diagnosed follows a diagnosis that changed: into another process, and to
// another vendor.
func (r *run) diagnosed(before incident.Incident) error {
	if r.i.ProcessVersion != r.d.Ref() {
		return r.reroute(before)
	}
	if !changed(before, r.i) || r.i.State == incident.StateClosed {
		return nil
	}
	follow := r.followDiagnosis
	if r.i.State == incident.StateVerified {
		follow = r.notTheirs
	}
	if err := follow(); err != nil {
		return err
	}
	return r.notify(r.insideRole(), ReasonReclassified)
}

// notTheirs withdraws the ticket of a vendor whose fault it was not, as evidence
// says that came after the proof of recovery. Nobody else is called: nothing is
// left to be repaired.
func (r *run) notTheirs() error {
	t, has := current(r.i)
	kind := r.i.Diagnosis.VendorKind
	if !has || t.State == "closed" || t.Vendor == r.i.VendorID && kind != incident.VendorNone && kind != "" {
		return nil
	}
	return r.withdraw()
}

// changed tells whether the diagnosis says something else to those who act.
func changed(a, b incident.Incident) bool {
	x, y := a.Diagnosis, b.Diagnosis
	return x.Class != y.Class || x.VendorKind != y.VendorKind || x.Device != y.Device || x.Component != y.Component ||
		x.Circuit != y.Circuit || a.VendorID != b.VendorID
}

// insideRole is the present step's role, or the owner while outsiders work.
func (r *run) insideRole() string {
	if role, ok := r.d.Role(r.i.StepRole); ok && !role.External {
		return role.ID
	}
	return r.d.Owner
}

// reroute goes on in another process, at the place that corresponds to how far
// the incident has come there. Its clocks go on.
func (r *run) reroute(before incident.Incident) error {
	verifying := slices.ContainsFunc(before.Pending, func(p incident.EffectRef) bool { return p.Kind == incident.EffectVerify })
	err := r.record(incident.Event{Kind: incident.Rerouted, Process: r.d.ID, ProcessVersion: r.d.Ref(), Reason: ReasonReclassified})
	if err != nil || r.i.State == incident.StateClosed {
		return err
	}
	for _, c := range r.i.Clocks {
		if _, known := r.d.Clock(c.Name); !known {
			if err := r.mark(c, incident.ClockStopped, incident.ClockMark{}); err != nil {
				return err
			}
		}
	}
	to := r.d.Steps[0].ID
	switch {
	case r.d.guard == nil: // from the beginning
	case r.i.State == incident.StateVerified:
		to = r.d.guard.verifiedTo()
	case verifying:
		to = r.d.guard.ID
	}
	if err := r.clocksAt(wordOpened); err != nil {
		return err
	}
	if err := r.followDiagnosis(); err != nil {
		return err
	}
	if err := r.enter(to, ReasonReclassified); err != nil {
		return err
	}
	return r.notify(r.d.Owner, ReasonReclassified)
}

// verifiedTo is where the verifying step leads when recovery is proven.
func (s *StepDef) verifiedTo() string {
	for _, n := range s.Next {
		if n.When == wordVerified {
			return n.To
		}
	}
	return s.ID
}

// recoverySeen leads to verification from every step, without a person.
func (r *run) recoverySeen() error {
	if r.i.State != incident.StateOpen || r.d.guard == nil || r.proves(r.i.Step) {
		return nil
	}
	return r.enter(r.d.guard.ID, "recovery_seen")
}

// recoveryLost leaves the verification that runs. Once recovery is proven a
// new fault is another incident.
func (r *run) recoveryLost(reason string) error {
	if r.i.State != incident.StateOpen || !r.proves(r.i.Step) {
		return nil
	}
	return r.enter(r.back(), reason)
}

// outcome takes what an effect came to.
func (r *run) outcome(before incident.Incident, f incident.Event) error {
	ref := slices.IndexFunc(before.Pending, func(p incident.EffectRef) bool { return p.Key == f.Effect.Key })
	switch f.Effect.Kind {
	case incident.EffectRemedyCheck, incident.EffectRemedyRun:
		return r.remedyOutcome(f)
	case incident.EffectTicket:
		return r.ticketOutcome(f)
	case incident.EffectVerify:
		if ref < 0 || r.i.State != incident.StateOpen || !r.proves(r.i.Step) {
			return nil // of a verification that was left
		}
		return r.verifyOutcome(f)
	}
	return nil
}

func (r *run) verifyOutcome(f incident.Event) error {
	switch {
	case f.Kind == incident.EffectDone && f.Effect.Outcome == "recovered":
		proof := lang.Text{ZH: f.Effect.Result["proof.zh-CN"], EN: f.Effect.Result["proof.en"]}
		if proof.IsZero() {
			proof = lang.Text{ZH: "恢复条件在规定时间内由新的测量数据持续证实。", EN: "Fresh measurements showed recovery for the whole time required."}
		}
		if err := r.record(incident.Event{Kind: incident.Verified, Proof: proof}); err != nil {
			return err
		}
		if err := r.clocksAt(wordVerified); err != nil {
			return err
		}
		return r.updateTicket(ReasonRecovered, "")
	case f.Kind == incident.EffectDone && f.Effect.Outcome == "failed":
		return r.recoveryLost(ReasonVerifyFailed)
	}
	if err := r.notify(r.d.Owner, ReasonVerifyFailed); err != nil || r.d.guard.Guard.OnNoData != "person" {
		return err // nobody knows: the step's timeout leads on
	}
	return r.notify(r.d.guard.Role, ReasonNoData)
}

// closedByPerson ends the incident in the final step.
func (r *run) closedByPerson(before incident.Incident) error {
	if !before.Open() {
		return nil
	}
	for _, s := range r.d.Steps {
		if s.Final {
			r.cancelStep(before)
			return r.enter(s.ID, "by_person")
		}
	}
	return fmt.Errorf("process %s has no final step", r.d.Ref())
}

// cancelStep takes back what ends with the step: closing dropped it from the
// incident already.
func (r *run) cancelStep(before incident.Incident) {
	for _, p := range before.Pending {
		if p.Step != "" {
			r.res.Cancel = append(r.res.Cancel, p.Key)
		}
	}
}

// reopened opens a closed incident again.
func (r *run) reopened(before incident.Incident) error {
	if before.State == incident.StateOpen {
		return nil
	}
	to := r.d.Steps[0].ID
	for _, s := range r.d.Steps {
		if s.Reopen != nil && (s.ID == before.Step || before.State == incident.StateVerified) {
			to = s.Reopen.To
			break
		}
	}
	if err := r.clocksAt(wordReopened); err != nil {
		return err
	}
	if err := r.updateTicket(ReasonReopened, "sent"); err != nil {
		return err
	}
	return r.enter(to, ReasonReopened)
}

// folded ends the incident because it is part of another one: the vendor who
// was called for nothing and those who were told are told.
func (r *run) folded(before incident.Incident) error {
	r.cancelStep(before)
	if err := r.stopClocks(); err != nil {
		return err
	}
	if err := r.updateTicket(ReasonFolded, "withdrawn"); err != nil {
		return err
	}
	if !before.Open() {
		return nil
	}
	return r.notify(r.insideRole(), ReasonFolded, "parent", r.i.ParentID)
}
