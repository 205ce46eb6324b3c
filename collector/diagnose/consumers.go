package diagnose

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/faultline/faultline/collector/evidence"
)

const (
	consumersOf    = 2 * time.Minute // what was told longer ago says nothing of now
	consumersNamed = 3
)

// consumer is a process with what it uses of its host.
type consumer struct {
	name            string
	cores, resident float64
}

// consumers names the processes that use most of a host's processors and hold most
// of its memory, as the host told last.
func (s *scene) consumers(host string) (busiest, largest string) {
	var all []consumer
	for _, k := range s.view.Find(evidence.Key{Element: "F", Subject: host}) {
		r := s.view.Get(k)
		if k.Component == "" || s.now.Sub(r.At) > consumersOf {
			continue
		}
		resident, _ := strconv.ParseFloat(r.Attrs["resident"], 64)
		all = append(all, consumer{k.Component, r.Value, resident})
	}
	top := func(of func(consumer) float64, say func(consumer) string) string {
		slices.SortFunc(all, func(a, b consumer) int {
			return cmp.Or(cmp.Compare(of(b), of(a)), strings.Compare(a.name, b.name))
		})
		var names []string
		for _, c := range all {
			if of(c) > 0 && len(names) < consumersNamed && !slices.Contains(names, say(c)) {
				names = append(names, say(c))
			}
		}
		return strings.Join(names, ", ")
	}
	busiest = top(func(c consumer) float64 { return c.cores }, func(c consumer) string { return fmt.Sprintf("%s (%.1f cores)", c.name, c.cores) })
	largest = top(func(c consumer) float64 { return c.resident }, func(c consumer) string { return fmt.Sprintf("%s (%.0f MiB)", c.name, c.resident/(1<<20)) })
	return busiest, largest
}
