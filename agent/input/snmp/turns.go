package snmp

import (
	"context"
	"errors"
	"slices"
	"time"
)

// turns are which tables come first on a device that is too slow for all, so that
// each is read at times.
type turns struct {
	lost   bool   // the device was lost at the last poll
	others bool   // interfaces come after the others at the next one
	from   *table // which of the others comes first; nil: as they stand
}

// turn is where a table stands: what is outside tables first, since others need
// it, then interfaces, which most people want to see.
func (t *layout) turn() int {
	switch {
	case t.def.Scalar():
		return 0
	case t.def.Name == ifTable:
		return 1
	}
	return 2
}

// order is the tables in the order of this poll.
func (d *device) order() []*table {
	at := func(turn int) int {
		i := slices.IndexFunc(d.tables, func(t *table) bool { return t.turn() >= turn })
		if i < 0 {
			i = len(d.tables)
		}
		return i
	}
	scalars, interfaces, others := d.tables[:at(1)], d.tables[at(1):at(2)], d.tables[at(2):]
	from := max(slices.Index(others, d.turns.from), 0)
	if d.turns.lost && d.turns.others {
		return slices.Concat(scalars, others[from:], others[:from], interfaces)
	}
	return slices.Concat(scalars, interfaces, others[from:], others[:from])
}

// readTables reads all tables, and tells which were not come to. The device's names
// are read when it is known what stands outside tables.
func (p *poll) readTables(ctx context.Context) error {
	order := p.order()
	lost, reached := error(nil), 0
	for i, t := range order {
		if t.turn() > 0 {
			if lost = p.readIdentity(ctx); lost != nil {
				break
			}
		}
		reached = i + 1
		if lost = t.poll(ctx, p); lost != nil {
			p.lostAt(order, i)
			break
		}
	}
	if lost == nil {
		p.turns = turns{}
		lost = p.readIdentity(ctx) // of a device without tables
	}
	p.notReached(order[reached:])
	for _, t := range p.tables { // when it is known which tables have rows
		if t.polled {
			t.derive(p)
			t.sightings(p)
		}
	}
	return lost
}

// readIdentity reads the device's names if they are due.
func (p *poll) readIdentity(ctx context.Context) error {
	if p.walkAt.Before(p.factsAt) {
		return nil
	}
	p.factsAt = p.walkAt.Add(slowEvery)
	err := p.identifyDevice(ctx)
	if err != nil { // let tables have their turn
		p.factsAt = p.walkAt.Add(slowAgain)
	}
	return err
}

// lostAt decides what comes first after the device was lost at a table: interfaces
// at every second poll, else that table, or the next one if it had all the time.
// What stands outside tables is read whole at the next poll.
func (d *device) lostAt(order []*table, at int) {
	n, t := &d.turns, order[at]
	n.lost, n.others = true, !n.others
	switch t.turn() {
	case 0:
		d.slowAt = time.Time{}
		return
	case 1:
		return
	}
	if first := slices.IndexFunc(order, func(t *table) bool { return t.turn() > 0 }); at == first && at+1 < len(order) {
		t = order[at+1]
	}
	n.from = t
}

// notReached tells which tables were not come to.
func (p *poll) notReached(tables []*table) {
	for _, t := range tables {
		p.problems = append(p.problems, Problem{What: t.def.Name, Error: errNotReached.Error()})
		if !t.def.Scalar() {
			p.unread = append(p.unread, t.def.Name)
		}
	}
}

// errNotReached is the fault of tables that come after the one at which the device
// was lost.
var errNotReached = errors.New("not come to")
