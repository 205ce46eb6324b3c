package replay

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/faultline/faultline/collector/incident"
	"github.com/faultline/faultline/internal/lang"
)

// Outcome is what became of an incident.
type Outcome struct {
	Number   string         `json:"number"`
	Process  string         `json:"process"`
	State    string         `json:"state"`
	Path     []string       `json:"path"`     // steps entered, in order
	Breaches map[string]int `json:"breaches"` // clock → how often its limit was passed
	Calls    map[string]int `json:"calls"`    // "role reason" → how often the role was told
	Tickets  map[string]int `json:"tickets"`  // "vendor reason" → messages to the vendor
	ClosedAt time.Time      `json:"closed_at,omitzero"`
	Refused  []string       `json:"refused,omitempty"` // what people did and the draft has no place for
}

// Summarise reads an outcome from an incident's events.
func Summarise(events []incident.Event) Outcome {
	o := Outcome{Breaches: map[string]int{}, Calls: map[string]int{}, Tickets: map[string]int{}}
	for _, e := range events {
		switch e.Kind {
		case incident.Opened:
			o.Number, o.Process = e.Number, e.Diagnosis.Process
		case incident.Rerouted:
			o.Process = e.Process
		case incident.Entered:
			o.Path = append(o.Path, e.Step)
		case incident.ClockBreached:
			o.Breaches[e.Clock.Name]++
		case incident.EffectQueued:
			o.effect(e.Effect)
		}
	}
	if i, err := incident.Fold(unsealed(events)); err == nil {
		o.State, o.ClosedAt = i.State, i.ClosedAt
	}
	return o
}

func unsealed(events []incident.Event) []incident.Event {
	out := slices.Clone(events)
	for n := range out {
		out[n].Seq = 0
	}
	return out
}

func (o *Outcome) effect(e *incident.Effect) {
	switch e.Kind {
	case incident.EffectNotify:
		o.Calls[e.Params["role"]+" "+e.Params["reason"]]++
	case incident.EffectTicket:
		o.Tickets[e.Params["vendor"]+" "+e.Params["reason"]]++
	}
}

// Text sums the outcome up in both languages.
func (o *Outcome) Text() lang.Text {
	list := func(m map[string]int) string {
		var out []string
		for _, k := range slices.Sorted(maps.Keys(m)) {
			out = append(out, fmt.Sprintf("%s ×%d", k, m[k]))
		}
		return strings.Join(out, ", ")
	}
	path, b, c, t := strings.Join(o.Path, " → "), list(o.Breaches), list(o.Calls), list(o.Tickets)
	return lang.Text{
		ZH: fmt.Sprintf("结果 %s\n  环节：%s\n  超时：%s\n  通知：%s\n  工单：%s\n", o.State, path, b, c, t),
		EN: fmt.Sprintf("outcome %s\n  steps: %s\n  limits passed: %s\n  calls: %s\n  tickets: %s\n", o.State, path, b, c, t),
	}
}

// Change is what the draft would have made otherwise in one incident.
type Change struct {
	Number  string      `json:"number"`
	Lines   []lang.Text `json:"lines"`
	Was     Outcome     `json:"was"`
	Would   Outcome     `json:"would"`
	Skipped bool        `json:"skipped,omitempty"` // it never ran on the draft's process
}

// Compare replays the incident and says what would have been otherwise.
func Compare(w World, id string, past Past) (Change, error) {
	was := Summarise(past)
	c := Change{Number: was.Number, Was: was}
	touches := slices.ContainsFunc(past, func(e incident.Event) bool { return e.Process == id })
	if !touches {
		c.Skipped = true
		return c, nil
	}
	would, err := Play(w, past)
	if err != nil {
		return c, err
	}
	c.Would, c.Lines = would, differences(was, would)
	return c, nil
}

func differences(was, would Outcome) []lang.Text {
	var out []lang.Text
	add := func(zh, en string, args ...any) {
		out = append(out, lang.Text{ZH: fmt.Sprintf(zh, args...), EN: fmt.Sprintf(en, args...)})
	}
	each(was.Breaches, would.Breaches, func(k string, a, b int) {
		add("时限 %s 超时：%d 次变为 %d 次", "limit %s passed: %d times, now %d", k, a, b)
	})
	each(was.Calls, would.Calls, func(k string, a, b int) { add("通知 %s：%d 次变为 %d 次", "calls to %s: %d, now %d", k, a, b) })
	each(was.Tickets, would.Tickets, func(k string, a, b int) {
		add("工单 %s：%d 封变为 %d 封", "ticket messages to %s: %d, now %d", k, a, b)
	})
	if a, b := strings.Join(was.Path, " → "), strings.Join(would.Path, " → "); a != b {
		add("环节：%s；变为 %s", "steps: %s; now %s", a, b)
	}
	if was.State != would.State {
		add("状态：%s 变为 %s", "state: %s, now %s", was.State, would.State)
	}
	for _, r := range would.Refused {
		add("草案中不再可行：%s", "no longer possible: %s", r)
	}
	return out
}

// each calls f for every key that counts differently.
func each(a, b map[string]int, f func(k string, a, b int)) {
	all := maps.Clone(a)
	maps.Copy(all, b)
	for _, k := range slices.Sorted(maps.Keys(all)) {
		if a[k] != b[k] {
			f(k, a[k], b[k])
		}
	}
}

// Total is what changes over all incidents.
type Total struct {
	Incidents, Changed, Skipped      int
	Breaches, Calls, Tickets         int // as it was
	NowBreaches, NowCalls, NowTicket int // with the draft
}

// Add counts one incident.
func (t *Total) Add(c Change) {
	t.Incidents++
	if c.Skipped {
		t.Skipped++
		return
	}
	if len(c.Lines) > 0 {
		t.Changed++
	}
	t.Breaches, t.Calls, t.Tickets = t.Breaches+sum(c.Was.Breaches), t.Calls+sum(c.Was.Calls), t.Tickets+sum(c.Was.Tickets)
	t.NowBreaches, t.NowCalls, t.NowTicket = t.NowBreaches+sum(c.Would.Breaches), t.NowCalls+sum(c.Would.Calls), t.NowTicket+sum(c.Would.Tickets)
}

// Text says the total in both languages.
func (t *Total) Text() lang.Text {
	return lang.Text{
		ZH: fmt.Sprintf("%d 件故障单，%d 件有变化，%d 件不属于该流程。超时 %d → %d，通知 %d → %d，工单消息 %d → %d。",
			t.Incidents, t.Changed, t.Skipped, t.Breaches, t.NowBreaches, t.Calls, t.NowCalls, t.Tickets, t.NowTicket),
		EN: fmt.Sprintf("%d incidents, %d of them otherwise, %d not of this process. Limits passed %d → %d, calls %d → %d, ticket messages %d → %d.",
			t.Incidents, t.Changed, t.Skipped, t.Breaches, t.NowBreaches, t.Calls, t.NowCalls, t.Tickets, t.NowTicket),
	}
}

func sum(m map[string]int) int {
	n := 0
	for _, v := range m {
		n += v
	}
	return n
}
