package host

import (
	"cmp"
	"math"
	"slices"
	"strings"
)

const (
	busyFrom      = 0.5  // share of the processors' time in use from which it is asked who uses them
	fullFrom      = 0.8  // share of the memory
	mostProcesses = 5    // names told by each measure
	leastCores    = 0.02 // below this nobody is to blame
	userHZ        = 100  // of /proc/PID/stat, on every Linux
)

// spent is what one process had used at a moment.
type spent struct {
	name    string
	started uint64 // tells a process from an earlier one of its number
	ticks   float64
	bytes   float64
}

// byName sums up what processes of one name used between two looks, in cores, and
// the memory they have. What a process new since used is counted whole.
func byName(was, is map[int]spent, seconds float64) (cores, resident map[string]float64) {
	cores, resident = map[string]float64{}, map[string]float64{}
	for pid, s := range is {
		ticks := s.ticks
		if old, ok := was[pid]; ok && old.started == s.started {
			ticks -= old.ticks
		}
		if seconds > 0 {
			cores[s.name] += math.Max(ticks, 0) / userHZ / seconds
		}
		resident[s.name] += s.bytes
	}
	return cores, resident
}

// leading are the names with the most, those below least left out.
func leading(by map[string]float64, least float64) []string {
	var names []string
	for n, v := range by {
		if v >= least {
			names = append(names, n)
		}
	}
	slices.SortFunc(names, func(a, b string) int { return cmp.Or(cmp.Compare(by[b], by[a]), strings.Compare(a, b)) })
	return names[:min(len(names), mostProcesses)]
}
