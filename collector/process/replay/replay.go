// Package replay plays what really happened to incidents against a draft of
// their process and says what would have been otherwise: breaches, calls and
// tickets. It is pure; the export of the incidents' events is handed in.
package replay

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"time"

	"github.com/faultline/faultline/collector/incident"
	"github.com/faultline/faultline/collector/process"
	"github.com/faultline/faultline/collector/sla"
)

// Past is one incident's events, from its first on.
type Past []incident.Event

// maxEvents bounds an export.
const maxEvents = 2_000_000

// Read reads an export: a list of events, one object of them a line, or
// {"incidents":[{"events":[…]}]}. Events may come in any order.
func Read(r io.Reader) ([]Past, error) {
	var all []incident.Event
	dec := json.NewDecoder(r)
	for {
		var raw json.RawMessage
		if err := dec.Decode(&raw); errors.Is(err, io.EOF) {
			return group(all)
		} else if err != nil {
			return nil, fmt.Errorf("read incidents: %w", err)
		}
		list, err := events(raw)
		if err != nil {
			return nil, fmt.Errorf("read incidents: %w", err)
		}
		if all = append(all, list...); len(all) > maxEvents {
			return nil, fmt.Errorf("read incidents: more than %d events", maxEvents)
		}
	}
}

// events reads one value of an export.
func events(raw json.RawMessage) ([]incident.Event, error) {
	var list []incident.Event
	if bytes.HasPrefix(bytes.TrimSpace(raw), []byte("[")) {
		return list, json.Unmarshal(raw, &list)
	}
	var box struct {
		Kind      string
		Events    []incident.Event
		Incidents []struct{ Events []incident.Event }
	}
	if err := json.Unmarshal(raw, &box); err != nil {
		return nil, err
	}
	if box.Kind != "" {
		var e incident.Event
		err := json.Unmarshal(raw, &e)
		return []incident.Event{e}, err
	}
	list = box.Events
	for _, i := range box.Incidents {
		list = append(list, i.Events...)
	}
	return list, nil
}

func group(all []incident.Event) ([]Past, error) {
	by, order := map[string]Past{}, []string{}
	for _, e := range all {
		if by[e.IncidentID] == nil {
			order = append(order, e.IncidentID)
		}
		by[e.IncidentID] = append(by[e.IncidentID], e)
	}
	var out []Past
	for _, id := range order {
		p := by[id]
		slices.SortStableFunc(p, func(a, b incident.Event) int { return int(a.Seq - b.Seq) })
		if err := incident.VerifyChain(p); err != nil {
			return nil, fmt.Errorf("read incidents: %w", err)
		}
		out = append(out, p)
	}
	return out, nil
}

// World is what incidents are replayed in.
type World struct {
	Set          *process.Set // the draft in force in it, the other processes beside it
	Calendars    *sla.Calendars
	WorkCalendar func(site string) string // nil: the definition's
}

// player replays one incident.
type player struct {
	w       World
	past    Past
	i       incident.Incident
	events  []incident.Event
	now     time.Time
	refused []string
	vendors map[string]incident.Ticket // by kind, as they were called
	hold    time.Duration

	remedies map[string]incident.Remedy // by name, as they were proposed; others the company did not have
}

// fact tells what came from outside from what the process made of it.
func fact(e incident.Event) bool {
	switch e.Kind {
	case incident.Opened, incident.Diagnosed, incident.AlertJoined, incident.AlertResolved, incident.AlertUnknown, incident.Acked, incident.Decided,
		incident.Approved, incident.Rejected, incident.Done, incident.Commented, incident.Attached, incident.VendorReported, incident.VendorViewed, incident.RecoverySeen,
		incident.RecoveryLost, incident.EffectDone, incident.EffectFailed, incident.Folded, incident.Adopted,
		incident.RemedyApproved, incident.RemedyRejected, incident.RemedyHalted, incident.RemedySettled:
		return true
	case incident.Closed, incident.Reopened, incident.RemedyProposed:
		return e.Actor.Kind != incident.System.Kind
	case incident.ClockPaused, incident.ClockResumed:
		return e.Clock != nil && e.Clock.Name == ""
	}
	return false
}

// Play replays the incident and returns what would have happened, until the
// last thing that did. Facts the draft has no place for are in Refused.
func Play(w World, past Past) (Outcome, error) {
	if len(past) == 0 || past[0].Kind != incident.Opened {
		return Outcome{}, errors.New("an incident's events begin with opened")
	}
	p := &player{w: w, past: past, vendors: map[string]incident.Ticket{}, remedies: map[string]incident.Remedy{}}
	for _, e := range past {
		switch {
		case e.Kind == incident.TicketChanged:
			p.vendors[e.Ticket.VendorKind] = *e.Ticket
		case e.Kind == incident.RemedyProposed:
			p.remedies[e.Remedy.Name] = *e.Remedy
		case e.Kind == incident.EffectQueued && e.Effect.Kind == incident.EffectVerify:
			p.hold, _ = time.ParseDuration(e.Effect.Params["hold"]) // the setting it was verified by
		}
	}
	for _, e := range past {
		if !fact(e) {
			continue
		}
		if err := p.until(e.At); err != nil {
			return Outcome{}, err
		}
		p.now = e.At
		if err := p.tell(e); err != nil {
			return Outcome{}, err
		}
	}
	if err := p.until(past[len(past)-1].At.Add(1)); err != nil {
		return Outcome{}, err
	}
	out := Summarise(p.events)
	out.Refused = p.refused
	return out, nil
}

// until fires the timers that are due before the time.
func (p *player) until(at time.Time) error {
	for range 10_000 {
		if len(p.i.Timers) == 0 {
			return nil
		}
		t := slices.MinFunc(p.i.Timers, func(a, b incident.Timer) int { return a.Due.Compare(b.Due) })
		if !t.Due.Before(at) {
			return nil
		}
		if t.Due.After(p.now) {
			p.now = t.Due
		}
		if err := p.step(incident.Event{IncidentID: p.i.ID, At: p.now, Kind: incident.TimerFired, Timer: &t}); err != nil {
			return err
		}
	}
	return fmt.Errorf("incident %s: timers fire without end", p.i.Number)
}

// tell brings one fact of the past to the draft.
func (p *player) tell(e incident.Event) error {
	e.Seq, e.PrevHash, e.Hash = 0, "", ""
	switch e.Kind {
	case incident.Opened:
		e.Process, e.ProcessVersion = e.Diagnosis.Process, ""
	case incident.Diagnosed:
		d, ok := p.w.Set.Latest(e.Diagnosis.Process)
		if !ok {
			return nil
		}
		e.Process, e.ProcessVersion = d.ID, d.Ref()
	case incident.RemedyApproved, incident.RemedyRejected, incident.RemedyHalted, incident.RemedySettled:
		e.Remedy = p.sameRemedy(*e.Remedy)
	case incident.EffectDone, incident.EffectFailed:
		ref, ok := p.pending(e.Effect.Kind)
		if !ok {
			return nil
		}
		effect := *e.Effect
		effect.Key = ref
		e.Effect = &effect
	}
	return p.step(e)
}

// pending is the effect whose outcome it may be: the oldest of its kind, of
// verifications the newest.
func (p *player) pending(kind string) (key string, ok bool) {
	for _, ref := range p.i.Pending {
		if ref.Kind == kind {
			key, ok = ref.Key, true
			if kind != incident.EffectVerify {
				return key, ok
			}
		}
	}
	return key, ok
}

func (p *player) step(f incident.Event) error {
	id := p.i.Process
	if f.Diagnosis != nil {
		id = f.Diagnosis.Process
	}
	d, ok := p.w.Set.Latest(id)
	if !ok {
		return fmt.Errorf("incident %s: no process %s is loaded", p.past[0].Number, id)
	}
	env := process.Env{Now: p.now, Calendars: p.w.Calendars, Documents: true, Hold: p.hold, Remedy: p.remedy, Vendor: func(kind string, _ incident.Diagnosis) (string, string) {
		return p.vendors[kind].Vendor, p.vendors[kind].VendorName
	}}
	if p.w.WorkCalendar != nil {
		env.WorkCalendar = p.w.WorkCalendar(p.i.Diagnosis.Site)
	}
	res, err := process.Step(d, p.i, []incident.Event{f}, env)
	var no *process.Refusal
	if errors.As(err, &no) {
		p.refused = append(p.refused, fmt.Sprintf("%s %s %s %s: %s", f.At.UTC().Format("2006-01-02 15:04"), f.Kind, f.Choice, p.i.Step, no.Text.EN))
		return nil
	}
	if err != nil {
		return fmt.Errorf("incident %s: %w", p.past[0].Number, err)
	}
	p.events = append(p.events, res.Events...)
	p.i, err = incident.Fold(p.events)
	return err
}
