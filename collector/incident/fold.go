package incident

import (
	"fmt"
	"slices"
	"time"
)

// Apply returns the incident after the event. It is the only way an incident
// changes. The event's Seq must be the next one, or 0 for an event that is not
// sealed yet. The given incident is not modified, nor shared with the result.
func Apply(i Incident, e Event) (Incident, error) {
	if err := check(i, e); err != nil {
		return i, err
	}
	i = i.clone(e)
	i.apply(e)
	i.Version++
	i.LastHash = e.Hash
	return i, nil
}

// Fold returns the incident that the events make, from its first event on.
func Fold(events []Event) (Incident, error) {
	return fold(Incident{}, events)
}

func fold(i Incident, events []Event) (Incident, error) {
	for _, e := range events {
		if err := check(i, e); err != nil {
			return i, err
		}
		i.apply(e)
		i.Version++
		i.LastHash = e.Hash
	}
	return i, nil
}

// Replay returns the incident after further sealed events of its log.
func Replay(i Incident, events []Event) (Incident, error) {
	return fold(i.clone(events...), events)
}

// aboutAlerts tells whether the event changes the list of alerts.
func (e Event) aboutAlerts() bool {
	switch e.Kind {
	case AlertJoined, AlertResolved, AlertUnknown, AlertLeft, AlertsJoined, AlertsResolved:
		return true
	}
	return false
}

// Append seals the events as the continuation of the incident's log and
// returns the incident after them. It neither changes i nor events.
func Append(i Incident, events []Event) (after Incident, sealed []Event, err error) {
	after, sealed = i.clone(events...), make([]Event, 0, len(events))
	for _, e := range events {
		s, err := e.Seal(after.Version+1, after.LastHash)
		if err != nil {
			return i, nil, err
		}
		if after, err = fold(after, []Event{s}); err != nil {
			return i, nil, err
		}
		sealed = append(sealed, s)
	}
	return after, sealed, nil
}

// check tells whether the event can follow: its place, and that it carries
// what its kind needs.
func check(i Incident, e Event) error {
	fault := func(why string) error {
		return fmt.Errorf("apply %s to incident %s at %d: %s", e.Kind, e.IncidentID, i.Version, why)
	}
	switch {
	case e.Seq != 0 && e.Seq != i.Version+1:
		return fault(fmt.Sprintf("event has number %d", e.Seq))
	case i.Version == 0 && e.Kind != Opened:
		return fault("the first event must be opened")
	case i.Version > 0 && e.Kind == Opened:
		return fault("opened already")
	case i.Version > 0 && e.IncidentID != i.ID:
		return fault("it belongs to incident " + i.ID)
	case e.IncidentID == "":
		return fault("it names no incident")
	}
	if what := missing(e); what != "" {
		return fault("it carries no " + what)
	}
	return nil
}

// missing names what the event's kind needs and the event lacks.
func missing(e Event) string {
	switch e.Kind {
	case Opened, Diagnosed:
		return absent(e.Diagnosis == nil, "diagnosis")
	case AlertJoined, AlertResolved, AlertUnknown, AlertLeft:
		return absent(e.Alert == nil, "alert")
	case AlertsJoined, AlertsResolved:
		return absent(len(e.Alerts) == 0, "alerts")
	case Entered:
		return absent(e.Step == "", "step")
	case Decided, VendorReported, VendorEscalated:
		return absent(e.Choice == "", "choice")
	case Attached:
		return absent(e.Attachment == nil, "attachment")
	case ClockStarted, ClockPaused, ClockResumed, ClockStopped, ClockWarned, ClockBreached, ClockComputed:
		return absent(e.Clock == nil, "clock")
	case TimerSet, TimerFired:
		return absent(e.Timer == nil, "timer")
	case EffectQueued, EffectDone, EffectFailed:
		return absent(e.Effect == nil, "effect")
	case TicketChanged:
		return absent(e.Ticket == nil, "ticket")
	case RemedyProposed, RemedyApproved, RemedyRejected, RemedyHalted, RemedyChanged, RemedySettled:
		return absent(e.Remedy == nil || e.Remedy.ID == "" || e.Kind == RemedySettled && e.Choice == "", "remedy")
	case Folded:
		return absent(e.ParentID == "", "parent")
	case Adopted:
		return absent(e.ChildID == "", "child")
	case Rerouted:
		return absent(e.Process == "" || e.ProcessVersion == "", "process and version")
	case Acked, Approved, Rejected, Done, Commented, RecoverySeen, RecoveryLost, Verified, Closed, Reopened, VendorViewed:
		return ""
	}
	return "kind that is known"
}

func absent(is bool, what string) string {
	if is {
		return what
	}
	return ""
}

// apply changes the incident in place; check has passed.
func (i *Incident) apply(e Event) {
	switch e.Kind {
	case Opened:
		i.open(e)
	case Diagnosed:
		i.diagnose(e)
	case AlertJoined, AlertResolved, AlertUnknown:
		i.alert(e.Kind, *e.Alert, e.At, i.alertAt(e.Alert.Fingerprint))
	case AlertsJoined, AlertsResolved:
		i.alerts(e)
	case AlertLeft:
		i.Alerts = slices.DeleteFunc(i.Alerts, func(a AlertRef) bool { return a.Fingerprint == e.Alert.Fingerprint })
	case RecoverySeen:
		i.RecoveredAt = e.At
	case RecoveryLost:
		i.RecoveredAt = time.Time{}
	case VendorReported:
		i.VendorSays, i.VendorSaysAt = e.Choice, e.At
	case TicketChanged:
		i.Tickets = upsert(i.Tickets, *e.Ticket, func(t Ticket) string { return t.Key })
	case RemedyProposed, RemedyApproved, RemedyRejected, RemedyHalted, RemedyChanged, RemedySettled:
		i.remedy(e)
	case Attached:
		i.Attachments = append(i.Attachments, *e.Attachment)
	case Adopted:
		if !slices.Contains(i.Children, e.ChildID) {
			i.Children = append(i.Children, e.ChildID)
		}
	case Entered, Acked, Decided, Approved, Rejected, Done, Rerouted:
		i.walk(e)
	case Verified, Closed, Reopened, Folded:
		i.settle(e)
	case ClockStarted, ClockPaused, ClockResumed, ClockStopped, ClockWarned, ClockBreached, ClockComputed:
		i.clock(e)
	case TimerSet:
		i.Timers = upsert(i.Timers, *e.Timer, func(t Timer) string { return t.ID })
	case TimerFired:
		i.Timers = slices.DeleteFunc(i.Timers, func(t Timer) bool { return t.ID == e.Timer.ID })
	case EffectQueued:
		i.Effects.effect(e, false)
		ref := EffectRef{Key: e.Effect.Key, Kind: e.Effect.Kind, Step: e.Effect.Step}
		i.Pending = upsert(i.Pending, ref, func(r EffectRef) string { return r.Key })
	case EffectDone, EffectFailed:
		i.Effects.effect(e, slices.ContainsFunc(i.Pending, func(r EffectRef) bool { return r.Key == e.Effect.Key }))
		i.Pending = slices.DeleteFunc(i.Pending, func(r EffectRef) bool { return r.Key == e.Effect.Key })
	case Commented, VendorViewed, VendorEscalated:
	}
}

func (i *Incident) open(e Event) {
	d := *e.Diagnosis
	*i = Incident{
		ID: e.IncidentID, Number: e.Number, State: StateOpen, OpenedAt: e.At, FaultAt: e.FaultAt,
		Diagnosis: d, FirstClass: d.Class, Severity: d.Severity,
		Process: e.Process, ProcessVersion: e.ProcessVersion,
		VendorID: e.VendorID, VendorName: e.VendorName,
		PreviousID: e.PreviousID, Practice: e.Practice, Drill: e.Drill, Effects: Tally{Kept: true},
	}
	if i.FaultAt.IsZero() || i.FaultAt.After(e.At) {
		i.FaultAt = e.At
	}
}

func (i *Incident) diagnose(e Event) {
	if e.Diagnosis.Class != i.Diagnosis.Class {
		i.Reclassified++
	}
	i.Diagnosis, i.Severity = *e.Diagnosis, e.Diagnosis.Severity
	i.VendorID, i.VendorName = e.VendorID, e.VendorName
	if !e.FaultAt.IsZero() && e.FaultAt.Before(i.FaultAt) {
		i.FaultAt = e.FaultAt
	}
}

// alertAt returns where the alert stands, or -1.
func (i *Incident) alertAt(fingerprint string) int {
	return slices.IndexFunc(i.Alerts, func(x AlertRef) bool { return x.Fingerprint == fingerprint })
}

// alerts takes what happened to many alerts at once.
func (i *Incident) alerts(e Event) {
	at := make(map[string]int, len(e.Alerts))
	for n := range e.Alerts {
		at[e.Alerts[n].Fingerprint] = -1
	}
	for n := range i.Alerts {
		if _, named := at[i.Alerts[n].Fingerprint]; named {
			at[i.Alerts[n].Fingerprint] = n
		}
	}
	kind := map[Kind]Kind{AlertsJoined: AlertJoined, AlertsResolved: AlertResolved}[e.Kind]
	for _, a := range e.Alerts {
		n := at[a.Fingerprint]
		if n < 0 {
			at[a.Fingerprint] = len(i.Alerts)
		}
		i.alert(kind, a, e.At, n)
	}
}

// alert takes what happened to one alert, which stands at the place or nowhere (-1).
func (i *Incident) alert(kind Kind, a AlertRef, when time.Time, at int) {
	before := AlertRef{}
	if at >= 0 {
		before = i.Alerts[at]
	}
	a.Times = max(a.Times, before.Times)
	switch kind {
	case AlertJoined:
		a.Firing, a.Unknown, a.ResolvedAt = true, false, time.Time{}
		if !before.Firing && a.Times == before.Times {
			a.Times++
		}
		i.RecoveredAt = time.Time{}
	case AlertResolved:
		a.Firing, a.Unknown = false, false
		if a.ResolvedAt.IsZero() {
			a.ResolvedAt = when
		}
	case AlertUnknown:
		a.Firing, a.Unknown = before.Firing, true
	}
	if a.Since.IsZero() {
		a.Since = before.Since
	}
	if at < 0 {
		i.Alerts = append(i.Alerts, a)
		return
	}
	i.Alerts[at] = a
}

// walk moves the incident through its process.
func (i *Incident) walk(e Event) {
	switch e.Kind {
	case Entered:
		i.enter(e)
	case Acked:
		i.Acked = true
		if i.AckedBy == (Actor{}) {
			i.AckedBy = e.Actor
		}
	case Decided:
		i.Choice, i.DecidedBy = e.Choice, e.Actor
	case Approved:
		if !slices.ContainsFunc(i.Approvals, func(a Actor) bool { return a.Kind == e.Actor.Kind && a.ID == e.Actor.ID }) {
			i.Approvals = append(i.Approvals, e.Actor)
			i.Signed = append(i.Signed, Signature{Step: i.Step, By: e.Actor})
		}
	case Rejected:
		i.Rejected = true
	case Done:
		i.WorkDone, i.DecidedBy = true, e.Actor
	case Rerouted:
		i.Process, i.ProcessVersion = e.Process, e.ProcessVersion
	}
}

func (i *Incident) enter(e Event) {
	i.PrevStep, i.Step, i.StepAt, i.StepRole = e.From, e.Step, e.At, e.Role
	i.Choice, i.Approvals, i.Rejected, i.WorkDone = "", nil, false, false
	if !slices.Contains(i.Visited, e.Step) {
		i.Visited = append(i.Visited, e.Step)
	}
	i.Timers = slices.DeleteFunc(i.Timers, func(t Timer) bool { return t.Step != "" })
	i.withdrawRemedies()
	i.callOff()
}

// callOff forgets effects that end with the step.
func (i *Incident) callOff() {
	n := len(i.Pending)
	i.Pending = slices.DeleteFunc(i.Pending, func(r EffectRef) bool { return r.Step != "" })
	i.Effects.CalledOff += n - len(i.Pending)
}

// settle changes the incident's state.
func (i *Incident) settle(e Event) {
	switch e.Kind {
	case Verified:
		i.State, i.VerifiedAt = StateVerified, e.At
	case Closed, Folded:
		i.State, i.ClosedAt = StateClosed, e.At
		i.Timers = nil
		i.withdrawRemedies()
		i.callOff()
		if e.Kind == Folded {
			i.ParentID = e.ParentID
		}
	case Reopened:
		i.State, i.VerifiedAt, i.ClosedAt = StateOpen, time.Time{}, time.Time{}
		i.Signed = nil
		i.Reopened++
	}
}

// upsert replaces the element with the same key, or appends it.
func upsert[T any](list []T, v T, key func(T) string) []T {
	for n := range list {
		if key(list[n]) == key(v) {
			list[n] = v
			return list
		}
	}
	return append(list, v)
}

// clone copies what apply changes in place when it takes the events. Alerts, of
// which a storm makes thousands, are shared by events that are not about alerts.
func (i Incident) clone(events ...Event) Incident {
	i.Visited = slices.Clone(i.Visited)
	i.Approvals = slices.Clone(i.Approvals)
	i.Signed = slices.Clone(i.Signed)
	if slices.ContainsFunc(events, Event.aboutAlerts) {
		i.Alerts = slices.Clone(i.Alerts)
	}
	i.Clocks = slices.Clone(i.Clocks)
	for n := range i.Clocks {
		i.Clocks[n].Marks = slices.Clone(i.Clocks[n].Marks)
	}
	i.Ledger = slices.Clone(i.Ledger)
	i.Tickets = slices.Clone(i.Tickets)
	i.Timers = slices.Clone(i.Timers)
	i.Pending = slices.Clone(i.Pending)
	i.Attachments = slices.Clone(i.Attachments)
	i.Remedies = slices.Clone(i.Remedies)
	i.Children = slices.Clone(i.Children)
	return i
}
