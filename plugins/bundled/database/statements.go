package database

import (
	"cmp"
	"context"
	"fmt"
	"slices"

	"github.com/faultline/faultline/plugins/bundled/database/sqlmask"
)

// cost is what a statement has cost up to a reading.
type cost struct{ calls, seconds float64 }

// Bounds on what is read of statistics about statements.
const (
	statementsCompared = 500 // from one reading to the next
	statementsShown    = 20  // with series of their own
	statementsTold     = 5   // as events of one reading
)

// spent is a statement and what it cost since the last reading.
type spent struct {
	digest string
	cost
}

// texts finds the text of statements by digest.
type texts func(ctx context.Context, digests []string) (map[string]string, error)

// compare returns the statements whose mean since the last reading reaches the
// bound, in seconds, the dearest first, and remembers the costs. The first
// reading has nothing to compare with. A statement not seen before is new,
// unless there are more than are compared.
func (w *watched) compare(now map[string]cost, bound float64) []spent {
	was := w.costs
	w.costs = now
	if was == nil {
		return nil
	}
	var slow []spent
	for digest, c := range now {
		old, known := was[digest]
		if !known && len(was) >= statementsCompared {
			continue
		}
		if c.calls < old.calls { // statistics were reset
			old = cost{}
		}
		d := cost{c.calls - old.calls, c.seconds - old.seconds}
		if d.calls > 0 && d.seconds/d.calls >= bound {
			slow = append(slow, spent{digest, d})
		}
	}
	slices.SortFunc(slow, func(a, b spent) int {
		return cmp.Or(cmp.Compare(b.seconds, a.seconds), cmp.Compare(a.digest, b.digest))
	})
	return slow
}

// tellSpent reports how many statements were slow on average since the last
// reading, with events for the dearest.
func (r *reading) tellSpent(ctx context.Context, now map[string]cost, d sqlmask.Dialect, find texts) error {
	slow := r.w.compare(now, r.w.set.slowAfter.Seconds())
	r.put("faultline_database_slow_statement_kinds", float64(len(slow)))
	if len(slow) == 0 {
		return nil
	}
	slow = slow[:min(len(slow), statementsTold)]
	digests := make([]string, len(slow))
	for i := range slow {
		digests[i] = slow[i].digest
	}
	known, err := find(ctx, digests)
	for _, s := range slow {
		text := sqlmask.Mask(d, known[s.digest], statementLength)
		mean := s.seconds / s.calls
		r.event(EventSlow, fmt.Sprintf("%.0f calls took %s each: %s", s.calls, seconds(mean), text),
			map[string]string{"statement": text, "digest": s.digest, "calls": decimal(s.calls), "mean_seconds": fmt.Sprintf("%.1f", mean)})
	}
	return err
}
