package evidence

import (
	"slices"
	"time"

	"github.com/faultline/faultline/collector/truth"
)

// Bounds of what is kept of the past of one reading: runs of one truth, and the
// times in which nothing was seen.
const (
	mostRuns = 9
	mostGaps = 4
)

// run is a time in which every reading had one truth.
type run struct {
	truth truth.Truth
	since time.Time // its first reading
	last  time.Time // its newest
}

// gap is a time between two readings in which none came. An agent that was cut
// off tells later what it saw then.
type gap struct{ from, to time.Time }

// history is what is known of one key over time, oldest first. Two runs that
// follow each other differ in their truth.
type history struct {
	runs []run
	gaps []gap
}

// newest takes a reading that is newer than all before it. silence is the time
// without readings from which on later ones may fill it.
func (h *history) newest(t truth.Truth, at time.Time, silence time.Duration) {
	n := len(h.runs)
	if n == 0 {
		h.runs = []run{{t, at, at}}
		return
	}
	if from := h.runs[n-1].last; at.Sub(from) > silence {
		h.leave(gap{from, at})
	}
	if h.runs[n-1].truth == t {
		h.runs[n-1].last = at
		return
	}
	h.runs = append(h.runs, run{t, at, at})
	if len(h.runs) > mostRuns {
		h.runs = slices.Clone(h.runs[1:])
	}
}

func (h *history) leave(g gap) {
	h.gaps = append(h.gaps, g)
	if len(h.gaps) > mostGaps {
		h.gaps = slices.Clone(h.gaps[1:])
	}
}

// late takes a reading older than the newest: it counts where nothing was seen,
// in a gap or before the first reading, and corrects what was concluded about
// that time. Elsewhere something was seen already.
func (h *history) late(t truth.Truth, at time.Time, silence time.Duration) {
	if len(h.runs) == 0 || at.Before(h.runs[0].since) {
		h.earlier(t, at, silence)
		return
	}
	n := slices.IndexFunc(h.gaps, func(g gap) bool { return at.After(g.from) && at.Before(g.to) })
	if n < 0 {
		return
	}
	g := h.gaps[n]
	left := slices.IndexFunc(h.runs, func(r run) bool { return !r.since.After(g.from) && !r.last.Before(g.from) })
	if left < 0 {
		return // so long ago that only its end is remembered
	}
	l := &h.runs[left]
	differs := l.truth != t
	switch inside := l.last.After(g.from); {
	case inside && l.truth == t: // it was so before and after; now it is known to have been so between
	case inside && len(h.runs)+2 > mostRuns:
		return
	case inside:
		after := run{l.truth, g.to, l.last}
		l.last = g.from
		h.runs = slices.Insert(h.runs, left+1, run{t, at, at}, after)
	case l.truth == t:
		l.last = at
	case left+1 < len(h.runs):
		h.runs[left+1].since = at
	}
	// What is held back comes in its order: the rest of the gap behind this one is
	// still to be told, that before it only where it was long or something changed.
	h.gaps[n].from = at
	if at.Sub(g.from) > silence || differs {
		h.leave(gap{g.from, at})
	}
}

// earlier takes a reading from before the first.
func (h *history) earlier(t truth.Truth, at time.Time, silence time.Duration) {
	switch {
	case len(h.runs) == 0:
		h.runs = []run{{t, at, at}}
		return
	case len(h.runs) >= mostRuns:
		return
	}
	first := h.runs[0].since
	if h.runs[0].truth == t {
		h.runs[0].since = at
	} else {
		h.runs = slices.Insert(h.runs, 0, run{t, at, at})
	}
	if first.Sub(at) > silence {
		h.leave(gap{at, first})
	}
}

// read fills in what a reading says of the past.
func (h *history) read(r *Reading) {
	n := len(h.runs)
	if n == 0 {
		return
	}
	r.Truth, r.Since = h.runs[n-1].truth, h.runs[n-1].since
	r.Before, r.BeforeAt, r.BeforeSince = truth.Unknown, time.Time{}, time.Time{}
	if n > 1 {
		b := h.runs[n-2]
		r.Before, r.BeforeAt, r.BeforeSince = b.truth, b.last, b.since
	}
}

// changes counts the changes of truth since a moment.
func (h *history) changes(since time.Time) int {
	n := 0
	for i := 1; i < len(h.runs); i++ {
		if !h.runs[i].since.Before(since) {
			n++
		}
	}
	return n
}
