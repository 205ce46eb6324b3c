package engine

import (
	"cmp"
	"context"
	"slices"
	"strconv"
	"time"

	"github.com/faultline/faultline/collector/incident"
	"github.com/faultline/faultline/collector/process"
	"github.com/faultline/faultline/internal/lang"
)

// What the auditor finds.
const (
	FoundForgotten = "forgotten"      // an open incident with neither a future timer nor a person whose turn it is
	FoundOverdue   = "timer_overdue"  // a timer that should have fired
	FoundUntold    = "effect_lost"    // triggered, and neither delivered, failed, suppressed, called off nor waiting
	FoundStuck     = "effect_stuck"   // waits for longer than its kind ever takes
	FoundProcess   = "process_absent" // its process's version is not loaded, so that no step can be taken
)

// FindingKinds are all kinds of findings, in the order they are told.
var FindingKinds = []string{FoundForgotten, FoundOverdue, FoundUntold, FoundStuck, FoundProcess}

// How late things are before the auditor says so: longer than a judge's round
// and longer than an executor's patience.
const (
	timerGrace  = 2 * time.Minute
	effectGrace = 30 * time.Minute
)

// Finding is something the auditor holds against an incident.
type Finding struct {
	Kind       string    `json:"kind"`
	IncidentID string    `json:"incident_id"`
	Number     string    `json:"number"`
	Site       string    `json:"site"`
	Text       lang.Text `json:"text"`
	Since      time.Time `json:"since"`  // the first pass that found it; see Carry
	Advice     lang.Text `json:"advice"` // what a person does about it
}

// EffectCount counts an incident's rows of effects.
type EffectCount struct {
	Rows       int
	Done       int
	Failed     int
	Unfinished int       // queued or sending
	Oldest     time.Time // since when the oldest unfinished row has been due; zero: none is
}

// Audit looks at open incidents: each has a future timer or a human owner, and
// everything it triggered was delivered, failed or was suppressed. Effects of
// incidents that the counts do not name are not looked at. It is pure.
func Audit(open []*incident.Incident, effects map[string]EffectCount, processes *process.Set, now time.Time) []Finding {
	var out []Finding
	for _, i := range open {
		say := func(kind, zh, en string) {
			out = append(out, Finding{Kind: kind, IncidentID: i.ID, Number: i.Number, Site: i.Diagnosis.Site, Text: lang.Text{ZH: zh, EN: en}, Advice: Advice(kind)})
		}
		auditOwner(*i, processes, now, say)
		if n, counted := effects[i.ID]; counted {
			auditEffects(*i, n, now, say)
		}
	}
	slices.SortStableFunc(out, func(a, b Finding) int {
		return cmp.Or(cmp.Compare(slices.Index(FindingKinds, a.Kind), slices.Index(FindingKinds, b.Kind)), cmp.Compare(a.Number, b.Number))
	})
	return out
}

// auditOwner looks for what moves the incident on.
func auditOwner(i incident.Incident, processes *process.Set, now time.Time, say func(kind, zh, en string)) {
	future := false
	for _, t := range i.Timers {
		future = future || t.Due.After(now.Add(-timerGrace))
		if late := now.Sub(t.Due); late > timerGrace {
			say(FoundOverdue, "定时器 "+t.Kind+" "+t.Name+" 已过期 "+late.Round(time.Second).String()+" 仍未触发",
				"timer "+t.Kind+" "+t.Name+" should have fired "+late.Round(time.Second).String()+" ago")
		}
	}
	def, ok := processes.Version(i.ProcessVersion)
	if !ok {
		say(FoundProcess, "流程版本 "+i.ProcessVersion+" 未加载，无法推进", "process "+i.ProcessVersion+" is not loaded: no step can be taken")
		return
	}
	if !future && i.ParentID == "" && !owned(def, i) {
		say(FoundForgotten, "停在步骤 "+i.Step+"，既没有未到期的定时器，也没有责任人", "it stands in step "+i.Step+" with neither a future timer nor an owner")
	}
}

// owned tells whether it is a person's turn: a role of ours, in a step that
// waits for people and not for measurements.
func owned(def *process.Definition, i incident.Incident) bool {
	role, ok := def.Role(i.StepRole)
	s, known := def.Step(i.Step)
	return ok && known && !role.External && s.Guard == nil
}

// auditEffects compares what the log says with the rows.
func auditEffects(i incident.Incident, n EffectCount, now time.Time, say func(kind, zh, en string)) {
	if !n.Oldest.IsZero() && now.Sub(n.Oldest) > effectGrace {
		since := now.Sub(n.Oldest).Round(time.Minute).String()
		say(FoundStuck, "有动作已到期 "+since+" 仍未完成", "an effect has been due for "+since+" and is not carried out")
	}
	t := i.Effects
	if !t.Kept {
		return
	}
	lost := max(i.Unaccounted(), t.Triggered-t.Suppressed-n.Rows, len(i.Pending)-n.Unfinished, t.Delivered-n.Done, t.Failed-n.Failed)
	if lost > 0 {
		k := strconv.Itoa(lost)
		say(FoundUntold, "触发的动作与其结果不符，相差 "+k+" 个", "what was triggered and what became of it differ by "+k)
	}
}

// EffectCounter counts the rows of open incidents' effects.
type EffectCounter func(ctx context.Context) (map[string]EffectCount, error)

// Audit looks at the incidents that are open. Counting takes a while in which
// others go on: the effects of an incident that changed meanwhile are left to the
// next pass, since the count may be of before or after the change.
func (e *Engine) Audit(ctx context.Context, count EffectCounter) ([]Finding, error) {
	before, err := e.Incidents(ctx)
	if err != nil {
		return nil, err
	}
	versions := make(map[string]int64, len(before))
	for _, i := range before {
		versions[i.ID] = i.Version
	}
	effects, err := count(ctx)
	if err != nil {
		return nil, err
	}
	open, err := e.Incidents(ctx)
	if err != nil {
		return nil, err
	}
	e.mu.Lock()
	processes, now := e.o.Processes, e.o.Now()
	e.mu.Unlock()
	still := make(map[string]EffectCount, len(open))
	for _, i := range open {
		if versions[i.ID] == i.Version {
			still[i.ID] = effects[i.ID] // none counted: none is there
		}
	}
	return Audit(open, still, processes, now), nil
}
