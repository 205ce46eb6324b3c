package engine

import (
	"slices"
	"time"

	"github.com/faultline/faultline/collector/alert"
	"github.com/faultline/faultline/collector/incident"
	"github.com/faultline/faultline/collector/process"
	"github.com/faultline/faultline/collector/truth"
)

// For how long after its recovery an incident's late evidence is waited for, and
// how often it is looked at: often while agents send what they kept, seldom later.
const (
	lateFor   = 24 * time.Hour
	lateOften = 5 * time.Second
	lateLater = time.Minute
)

// reconsiderLocked asks for provisional incidents that are over whether evidence
// that came late settles them. Nothing is opened by it.
func (e *Engine) reconsiderLocked(incidents []*incident.Incident, p *plan, now time.Time) {
	if e.o.Reconsider == nil {
		return
	}
	asked := make(map[string]time.Time, len(e.asked))
	for _, i := range incidents {
		if at, ok := e.asked[i.ID]; ok {
			asked[i.ID] = at
		}
	}
	e.asked = asked // those that were closed are forgotten
	for _, i := range incidents {
		over := now.Sub(i.RecoveredAt)
		if !i.Diagnosis.Provisional || i.RecoveredAt.IsZero() || over > lateFor || len(p.facts[i.ID]) > 0 {
			continue
		}
		every := lateOften
		if over > 10*time.Minute {
			every = lateLater
		}
		if now.Sub(e.asked[i.ID]) < every {
			continue
		}
		e.asked[i.ID] = now
		d, ok := e.o.Reconsider(*i, now)
		if !ok || d.Provisional || d.Cause != i.Diagnosis.Cause {
			continue
		}
		delete(e.asked, i.ID)
		d.Affected = union(i.Diagnosis.Affected, slices.DeleteFunc(slices.Clone(d.Affected), func(a string) bool { return a == d.Device }))
		d.Affected = slices.DeleteFunc(d.Affected, func(a string) bool { return a == d.Device })
		p.facts[i.ID] = append(p.facts[i.ID], incident.Event{IncidentID: i.ID, At: now, Actor: incident.System, Kind: incident.Diagnosed, Diagnosis: &d})
	}
}

// AlertsOf returns the alerts of an incident as they were while they fired, for
// a diagnosis made afterwards: conditions that are gone, so that they are no
// ground for anything new.
func AlertsOf(i incident.Incident) []alert.Alert {
	out := make([]alert.Alert, 0, len(i.Alerts))
	for _, a := range i.Alerts {
		out = append(out, alert.Alert{Fingerprint: a.Fingerprint, Name: a.Name, Labels: a.Labels, State: alert.Firing, Truth: truth.OK,
			ActiveAt: a.Since, FiredAt: a.Since, ResolvedAt: a.ResolvedAt,
			Annotations: map[string]string{"faultline_element": a.Element, "faultline_symptom": a.Symptom, "summary_zh": a.Summary.ZH, "summary_en": a.Summary.EN}})
	}
	return out
}

// heardAnyway are the reasons of notices that no quiet holds back: they say that
// something is over. Whoever was told that it began is told that.
var heardAnyway = []string{process.ReasonRecovered, process.ReasonClosed, process.ReasonFolded, process.ReasonWithdrawn}

// hush keeps notices about an incident from being sent while its root is quiet.
// They stay in its log, as suppressed and why.
func (e *Engine) hush(before incident.Incident, facts []incident.Event, res *process.Result) {
	now := e.o.Now()
	d := before.Diagnosis
	for _, f := range facts {
		if f.Diagnosis != nil {
			d = *f.Diagnosis
		}
	}
	why := ""
	names := e.topology().scopeOfCause(d)
	for _, q := range e.quiet(now) {
		if q.active(now) && q.covers(names, map[string]string{"device": d.Device, "site": d.Site, "component": d.Component}) {
			why = q.why()
			break
		}
	}
	if why == "" {
		return
	}
	res.Effects = slices.DeleteFunc(res.Effects, func(f incident.Effect) bool {
		if f.Kind != incident.EffectNotify || slices.Contains(heardAnyway, f.Params["reason"]) {
			return false
		}
		f.Outcome, f.Result = "suppressed", map[string]string{"reason": why}
		res.Events = append(res.Events, incident.Event{IncidentID: f.IncidentID, At: now, Kind: incident.EffectDone, Actor: incident.System, Effect: &f})
		return true
	})
}

func (e *Engine) topology() topology {
	if e.o.Graph == nil {
		return topology{}
	}
	return topology{e.o.Graph()}
}

func (e *Engine) quiet(now time.Time) []Quiet {
	if e.o.Quiet == nil {
		return nil
	}
	return e.o.Quiet(now)
}
