package reporter

import (
	"fmt"
	"sync"
	"time"
)

// Limits are how many reports are taken within Per; zero fields are the defaults.
type Limits struct {
	Per     time.Duration // default 10 minutes
	Address int           // from one address; default 10
	Site    int           // of one site; default 40
	All     int           // together; default 400
}

// BusyError says that too many reports came and when the next is taken.
type BusyError struct{ For time.Duration }

// Error says how long to wait.
func (e *BusyError) Error() string {
	return fmt.Sprintf("too many reports at once: wait %s, or telephone", e.For.Round(time.Second))
}

// limiter counts reports in windows. It keeps no more keys than All reports can
// have in a window.
type limiter struct {
	l Limits

	mu   sync.Mutex // guards the fields below
	from time.Time  // of the window
	n    map[string]int
}

func newLimiter(l Limits) *limiter {
	if l.Per == 0 {
		l.Per = 10 * time.Minute
	}
	for _, d := range []struct {
		to *int
		n  int
	}{{&l.Address, 10}, {&l.Site, 40}, {&l.All, 400}} {
		if *d.to == 0 {
			*d.to = d.n
		}
	}
	return &limiter{l: l}
}

// take counts one report, or refuses it. Of people who are known only the limit
// over all counts.
func (l *limiter) take(site, remote string, known bool, now time.Time) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.n == nil || now.Sub(l.from) >= l.l.Per || now.Before(l.from) {
		l.from, l.n = now, map[string]int{}
	}
	keys := map[string]int{"a\x00" + remote: l.l.Address, "s\x00" + site: l.l.Site, "all": l.l.All}
	if known {
		keys = map[string]int{"all": l.l.All}
	}
	for k, most := range keys {
		if l.n[k] >= most {
			return &BusyError{l.from.Add(l.l.Per).Sub(now)}
		}
	}
	for k := range keys {
		l.n[k]++
	}
	return nil
}
