package fleet

import (
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/faultline/faultline/internal/wire"
	"github.com/faultline/faultline/plugins/base"
)

// unsureFor is how long a target that did not answer counts as one that may fail
// by itself: its failing later says nothing of a change.
const unsureFor = 10 * time.Minute

// weakShare is one of how many targets may fail after a change of when and with
// what they are measured, but not of what is asked: some always do by chance.
const weakShare = 20

// mostTold bounds the targets named in one reason.
const mostTold = 5

// failures are the targets of an agent that did not answer, and when they did so
// last, after one more report. Nil: the agent does not name them all.
func failures(last map[string]time.Time, st wire.AgentState, now time.Time) map[string]time.Time {
	named := len(st.Failing) + len(st.Pending)
	if len(st.Failing) >= wire.MostNamed || len(st.Pending) >= wire.MostNamed || st.Targets-st.Up > named {
		return nil
	}
	out := make(map[string]time.Time, named)
	for id, at := range last {
		if now.Sub(at) < unsureFor {
			out[id] = at
		}
	}
	for _, id := range st.Failing {
		out[id] = now
	}
	for _, id := range st.Pending { // until the next report
		if _, did := out[id]; !did {
			out[id] = now.Add(-unsureFor)
		}
	}
	return out
}

// impact is what a change of settings does to the targets that stay.
type impact struct {
	strong map[string]bool // something else is asked, or asked of another
	weak   map[string]bool // only when, how fast and by what program
}

// impactOf compares the work that was proven with the one that is to be had.
func impactOf(before, after wire.Work) impact {
	out := impact{strong: map[string]bool{}, weak: map[string]bool{}}
	old := make(map[string]base.Target, len(before.Targets))
	for _, t := range before.Targets {
		old[t.ID] = t
	}
	a, b := settingsOf(before), settingsOf(after)
	profiles := !maps.Equal(a.Profiles, b.Profiles)
	program := !reflect.DeepEqual(a.Plugins, b.Plugins) || a.Concurrency != b.Concurrency
	for _, t := range after.Targets {
		o, stays := old[t.ID]
		switch {
		case !stays:
		case o.Input != t.Input || o.Address != t.Address || !maps.Equal(o.Options, t.Options):
			out.strong[t.ID] = true
		case o.Interval != t.Interval || o.Timeout != t.Timeout || t.Interval == 0 && before.Interval != after.Interval || program || profiles && t.Input == "snmp":
			out.weak[t.ID] = true
		}
	}
	return out
}

func settingsOf(w wire.Work) wire.Settings {
	if w.Settings == nil {
		return wire.Settings{}
	}
	return *w.Settings
}

// worse says what a change did to targets that answered before it, by the agent's
// first words since; "": nothing that is known. failed are those that did not
// answer before; nil: nobody knows.
func worse(before, after wire.Work, failed map[string]time.Time, st wire.AgentState) string {
	if failed == nil {
		return ""
	}
	change := impactOf(before, after)
	answered := func(id string) bool { _, did := failed[id]; return !did }
	broken := func(of map[string]bool, now []string) (out []string) {
		for _, id := range now {
			if of[id] && answered(id) {
				out = append(out, id)
			}
		}
		return out
	}
	if lost := broken(change.strong, st.Failing); len(lost) > 0 {
		return lostText(lost, len(change.strong))
	}
	if lost := broken(change.weak, st.Failing); len(lost) > len(change.weak)/weakShare {
		return lostText(lost, len(change.weak))
	}
	if waits := len(broken(change.strong, st.Pending)); waits > 0 {
		return fmt.Sprintf("%d of %d changed targets were not measured since", waits, len(change.strong))
	}
	return ""
}

func lostText(lost []string, of int) string {
	slices.Sort(lost)
	names, more := lost, ""
	if n := len(lost) - mostTold; n > 0 {
		names, more = lost[:mostTold], fmt.Sprintf(" and %d more", n)
	}
	return fmt.Sprintf("%d of %d changed targets answered before and fail now: %s%s", len(lost), of, strings.Join(names, ", "), more)
}

// silenced names an input of which no target answers any more since the program
// was replaced, while two or more did before; "": there is none.
func silenced(work wire.Work, failed map[string]time.Time, st wire.AgentState) string {
	if failed == nil {
		return ""
	}
	now := map[string]bool{}
	for _, id := range slices.Concat(st.Failing, st.Pending) {
		now[id] = true
	}
	before, after := map[string]int{}, map[string]int{}
	for _, t := range work.Targets {
		if _, did := failed[t.ID]; did {
			continue
		}
		before[t.Input]++
		if !now[t.ID] {
			after[t.Input]++
		}
	}
	for _, input := range slices.Sorted(maps.Keys(before)) {
		if n := before[input]; n >= 2 && after[input] == 0 {
			return fmt.Sprintf("none of %d targets of input %s answers, all did before", n, input)
		}
	}
	return ""
}
