package incident

import (
	"slices"
	"strconv"
	"time"

	"github.com/faultline/faultline/collector/sla"
)

// LedgerAfter returns the ledger as it stands once the clock event is applied.
func (i Incident) LedgerAfter(e Event) []sla.Entry {
	c, ok := i.ClockNamed(e.Clock.Name)
	if !ok {
		c = Clock{Name: e.Clock.Name}
	}
	i.Ledger = slices.Clone(i.Ledger)
	return i.entries(c, e)
}

// entries returns the ledger with what a clock event adds; c is the clock
// before it. Clocks that wait together, for the same reason and owner, share one
// wait. An incident from before ledgers were kept begins with its clocks' marks.
func (i Incident) entries(c Clock, e Event) []sla.Entry {
	l := book{list: i.Ledger, version: e.Clock.Version}
	if len(l.list) == 0 {
		l.list = written(i.Clocks)
	}
	mark, at := c.next(e), e.At
	if mark.At.After(at) { // a mark never counts before its event was written
		at = mark.At
	}
	switch e.Kind {
	case ClockStarted:
		l.release(c.Name, at)
		l.add(sla.Entry{At: at, What: sla.EntryStart, Clock: c.Name, Target: e.Clock.Target, Measured: otherThan(at, mark.At)})
	case ClockPaused:
		l.release(c.Name, at)
		l.pause(c.Name, at, mark)
	case ClockResumed:
		if c.Phase() == ClockEnded && len(c.Marks) > 0 {
			l.add(sla.Entry{At: at, What: sla.EntryContinue, Clock: c.Name})
			break
		}
		l.release(c.Name, at)
	case ClockStopped:
		l.release(c.Name, at)
		l.add(sla.Entry{At: at, What: sla.EntryStop, Clock: c.Name, Measured: otherThan(at, mark.At)})
	case ClockComputed:
		if n := len(l.list); n > 0 && l.version != "" && l.list[n-1].Version != l.version {
			l.add(sla.Entry{At: at, What: sla.EntryCalendar, By: nameOf(e.Actor)})
		}
	}
	return l.list
}

// book is a ledger that is being written.
type book struct {
	list    []sla.Entry
	version string // of the calendars in force
}

// add appends an entry. Entries count in their order, never backwards in time.
func (b *book) add(e sla.Entry) {
	e.Seq, e.Version = int64(len(b.list)+1), b.version
	if n := len(b.list); n > 0 && e.At.Before(b.list[n-1].At) {
		e.At = b.list[n-1].At
	}
	b.list = append(b.list, e)
}

// pause begins a wait for the clock, or lets it join the one that began just now.
func (b *book) pause(clock string, at time.Time, m ClockMark) {
	by := m.By
	if by == "" {
		by = System.Kind
	}
	if n := len(b.list) - 1; n >= 0 {
		last := b.list[n]
		if last.What == sla.EntryPause && last.At.Equal(at) && last.Reason == m.Reason && last.Owner == m.Owner && last.By == by {
			last.Clocks = append(slices.Clone(last.Clocks), clock)
			b.list[n] = last
			return
		}
	}
	b.add(sla.Entry{At: at, What: sla.EntryPause, Clocks: []string{clock}, Wait: "w" + strconv.Itoa(len(b.list)+1),
		Reason: m.Reason, Owner: m.Owner, By: by, Text: m.Text})
}

// release ends the waits that hold the clock, for this clock alone.
func (b *book) release(clock string, at time.Time) {
	held := map[string]bool{}
	for _, e := range b.list {
		if e.Wait == "" || !slices.Contains(e.Clocks, clock) {
			continue
		}
		held[e.Wait] = e.What == sla.EntryPause
	}
	for _, e := range slices.Clone(b.list) {
		if e.What == sla.EntryPause && held[e.Wait] {
			held[e.Wait] = false
			b.let(e.Wait, clock, at)
		}
	}
}

// let writes that a wait holds the clock no more.
func (b *book) let(wait, clock string, at time.Time) {
	if n := len(b.list) - 1; n >= 0 {
		last := b.list[n]
		if last.What == sla.EntryResume && last.Wait == wait && last.At.Equal(at) {
			last.Clocks = append(slices.Clone(last.Clocks), clock)
			b.list[n] = last
			return
		}
	}
	b.add(sla.Entry{At: at, What: sla.EntryResume, Clocks: []string{clock}, Wait: wait})
}

// next is the mark a clock event makes, without effect on the clock.
func (c Clock) next(e Event) ClockMark {
	c.Marks = slices.Clone(c.Marks)
	c.mark(e, "")
	return c.Marks[len(c.Marks)-1]
}

// written is the ledger that marks alone make.
func written(clocks []Clock) []sla.Entry {
	type line struct {
		clock Clock
		mark  ClockMark
		prior string
	}
	var lines []line
	for _, c := range clocks {
		prior := ""
		for _, m := range c.Marks {
			lines = append(lines, line{c, m, prior})
			prior = m.What
		}
	}
	slices.SortStableFunc(lines, func(a, b line) int { return a.mark.At.Compare(b.mark.At) })
	var b book
	for _, l := range lines {
		switch name := l.clock.Name; l.mark.What {
		case MarkStart:
			b.add(sla.Entry{At: l.mark.At, What: sla.EntryStart, Clock: name, Target: l.clock.Target})
		case MarkPause:
			b.release(name, l.mark.At)
			b.pause(name, l.mark.At, l.mark)
		case MarkResume:
			if l.prior == MarkStop {
				b.add(sla.Entry{At: l.mark.At, What: sla.EntryContinue, Clock: name})
				continue
			}
			b.release(name, l.mark.At)
		case MarkStop:
			b.release(name, l.mark.At)
			b.add(sla.Entry{At: l.mark.At, What: sla.EntryStop, Clock: name})
		}
	}
	return b.list
}

// otherThan is the time where it is not the one it is compared with.
func otherThan(written, measured time.Time) time.Time {
	if measured.Equal(written) {
		return time.Time{}
	}
	return measured
}

func nameOf(a Actor) string {
	for _, s := range []string{a.Name, a.ID, a.Kind} {
		if s != "" {
			return s
		}
	}
	return System.Kind
}
