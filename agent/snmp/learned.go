package snmp

import (
	"slices"
	"time"
)

// Learned is what was learned about reading one table of one device. Walk keeps
// it up to date; whoever calls Walk keeps it, also across restarts if it likes:
// it is small and survives JSON. The zero value knows nothing.
type Learned struct {
	Varbinds    int       `json:"varbinds,omitempty"`    // asked for in one GETBULK at most
	Refused     int       `json:"refused,omitempty"`     // as many were too many
	RefusedAt   time.Time `json:"refused_at,omitzero"`   // when that was found
	Columns     int       `json:"columns,omitempty"`     // in one request at most
	NarrowAt    time.Time `json:"narrow_at,omitzero"`    // when more columns were found not to be answered
	Repetitions int       `json:"repetitions,omitempty"` // that the agent gives whatever is asked; 0: no such bound met
	Bytes       int       `json:"bytes,omitempty"`       // of one variable binding, about
	Rows        []int     `json:"rows,omitempty"`        // of each column when it was read last; -1: not known
	Behind      []int     `json:"behind,omitempty"`      // columns that the last walk, cut short, did not finish, the longest waiting first
	NextSince   time.Time `json:"next_since,omitzero"`   // since when GETBULK is known not to work here
}

const (
	unknown       = -1 // in Rows
	firstVarbinds = 60
	mostVarbinds  = 100
	firstColumns  = 10
	mostColumns   = 40
	firstBytes    = 24               // of a variable binding, where nothing is known
	replyBytes    = 1380             // aimed at in one reply, so that it stays one packet on the line
	relearn       = 10 * time.Minute // until what did not work is tried again
)

// begin readies what is known for a walk of n columns.
func (l *Learned) begin(now time.Time, n int) {
	if l.Varbinds < 1 || l.Varbinds > mostVarbinds {
		l.Varbinds = firstVarbinds
	}
	if l.Columns < 1 || l.Columns > mostColumns || !l.NarrowAt.IsZero() && old(l.NarrowAt, now) {
		l.Columns, l.NarrowAt = firstColumns, time.Time{}
	}
	if l.Bytes < 6 {
		l.Bytes = firstBytes
	}
	if l.Refused != 0 && old(l.RefusedAt, now) {
		l.Refused = 0
	}
	if l.Refused == 0 {
		l.RefusedAt = time.Time{}
	}
	l.Repetitions = max(l.Repetitions, 0)
	if len(l.Rows) != n {
		l.Rows, l.Behind = slices.Repeat([]int{unknown}, n), nil
	}
}

// turn is the place of a column in a walk: those that walks cut short have left
// over come first, so that a device too slow for all shows each of them in turn.
func (l *Learned) turn(column int) int {
	if i := slices.Index(l.Behind, column); i >= 0 {
		return i
	}
	return len(l.Behind)
}

// old tells whether what was found at a time is to be tried again.
func old(at, now time.Time) bool { return now.Sub(at) > relearn || at.After(now) }

// refuse notes that so many variable bindings were too many.
func (l *Learned) refuse(n int, now time.Time) {
	l.Refused, l.RefusedAt = n, now
	l.Varbinds = max(n/2, 1)
}

// grow dares more after a request that used what is allowed and went well.
func (l *Learned) grow() {
	most := mostVarbinds
	if l.Refused > 0 {
		most = max(l.Refused-1, 1)
	}
	l.Varbinds = min(l.Varbinds+4+l.Varbinds/8, most)
}

// narrow notes that only so many columns in one request are answered.
func (l *Learned) narrow(n int, now time.Time) { l.Columns, l.NarrowAt = max(n, 1), now }

// widen dares more columns after a request that had all that is allowed.
func (l *Learned) widen() {
	if l.NarrowAt.IsZero() {
		l.Columns = min(l.Columns+2, mostColumns)
	}
}

// measure takes the size of a reply's variable bindings; growing counts at once.
func (l *Learned) measure(size, n int) {
	if n == 0 {
		return
	}
	each := size/n + 1
	if each > l.Bytes {
		l.Bytes = (l.Bytes + each) / 2
	} else {
		l.Bytes -= (l.Bytes - each) / 4
	}
}
