package engine

import (
	"cmp"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/faultline/faultline/collector/incident"
)

// Bounds of what is remembered of incidents that are over.
const (
	pastFor  = 180 * 24 * time.Hour
	mostPast = 2000
)

// memory is what the engine knows besides incidents and alerts. It is committed
// with them, so that a restart or another collector goes on where this one was.
type memory struct {
	Apart  map[string]time.Time    `json:"apart,omitempty"`  // see round.apart
	Hushed map[string]time.Time    `json:"hushed,omitempty"` // see round.hushed; zero: it was kept quiet in the last round
	Moved  map[string]string       `json:"moved,omitempty"`  // see round.moved
	Past   map[string]pastIncident `json:"past,omitempty"`   // by cause: the last verified or closed incident
	Drills map[string]drillMemory  `json:"drills,omitempty"` // of the drills that run
}

// pastIncident is what is remembered of an incident that is over.
type pastIncident struct {
	ID string    `json:"id"`
	At time.Time `json:"at"`
}

// memoryLocked is what is to be remembered now.
func (e *Engine) memoryLocked() memory {
	return memory{Apart: e.apart, Moved: e.moved, Past: e.past, Hushed: resting(e.hushed, e.at), Drills: e.drillsLocked()}
}

// resting is what is quiet, without the moments that change in every round.
func resting(hushed map[string]time.Time, last time.Time) map[string]time.Time {
	out := make(map[string]time.Time, len(hushed))
	for fp, at := range hushed {
		if at.Equal(last) {
			at = time.Time{}
		}
		out[fp] = at
	}
	return out
}

// wakened gives those moments back at a restart.
func wakened(hushed map[string]time.Time, now time.Time) map[string]time.Time {
	out := make(map[string]time.Time, len(hushed))
	for fp, at := range hushed {
		if at.IsZero() {
			at = now.Add(-time.Nanosecond) // not of this round: it does not go on by itself
		}
		out[fp] = at
	}
	return out
}

// with adds what the changes of a commit leave behind.
func (m memory) with(changes []Change) memory {
	cloned := false
	for _, ch := range changes {
		i := ch.After
		if i.VerifiedAt.IsZero() || i.Drill != "" { // nothing real follows a drill
			continue
		}
		if !cloned {
			m.Past, cloned = maps.Clone(m.Past), true
			if m.Past == nil {
				m.Past = map[string]pastIncident{}
			}
		}
		m.Past[i.Diagnosis.Cause] = pastIncident{i.ID, i.VerifiedAt}
	}
	if cloned && len(m.Past) > mostPast {
		m.forget()
	}
	return m
}

// forget drops what is over for longest.
func (m memory) forget() {
	newest := slices.SortedFunc(maps.Keys(m.Past), func(a, b string) int {
		return cmp.Or(m.Past[b].At.Compare(m.Past[a].At), cmp.Compare(a, b))
	})
	for n, cause := range newest {
		if n >= mostPast || m.Past[newest[0]].At.Sub(m.Past[cause].At) > pastFor {
			delete(m.Past, cause)
		}
	}
}

func (m memory) same(o memory) bool {
	at := func(a, b time.Time) bool { return a.Equal(b) }
	return maps.EqualFunc(m.Apart, o.Apart, at) && maps.EqualFunc(m.Hushed, o.Hushed, at) && maps.Equal(m.Moved, o.Moved) &&
		maps.EqualFunc(m.Past, o.Past, func(a, b pastIncident) bool { return a.ID == b.ID && a.At.Equal(b.At) }) &&
		maps.EqualFunc(m.Drills, o.Drills, drillMemory.same)
}

// text is the memory as it is committed, "" when it is as was committed last.
func (m memory) text(last memory) (string, error) {
	if m.same(last) {
		return "", nil
	}
	b, err := json.Marshal(m)
	if err != nil {
		return "", fmt.Errorf("engine's memory: %w", err)
	}
	return string(b), nil
}

// recallLocked takes over what was committed. What was quiet when it was written
// counts as quiet until now: only a check newer than that says otherwise.
func (e *Engine) recallLocked(text string, now time.Time) error {
	var m memory
	if text != "" {
		if err := json.Unmarshal([]byte(text), &m); err != nil {
			return fmt.Errorf("engine's memory: %w", err)
		}
	}
	e.kept = m
	e.apart, e.moved, e.past, e.hushed = m.Apart, m.Moved, maps.Clone(m.Past), wakened(m.Hushed, now)
	if e.past == nil {
		e.past = map[string]pastIncident{}
	}
	e.drills = make(map[string]drillMemory, len(m.Drills))
	for id, d := range m.Drills {
		e.drills[id] = d.recalled(now)
	}
	return nil
}

// previousOf is the last incident of a cause that is over, "" when none is known.
func (e *Engine) previousOf(d incident.Diagnosis) string { return e.past[d.Cause].ID }
