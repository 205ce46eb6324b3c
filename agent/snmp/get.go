package snmp

import (
	"context"
	"errors"
	"fmt"
)

const (
	firstGet = 16 // OIDs in one GET or GETNEXT, where nothing is known
	mostGet  = 40
)

// Fault is what went wrong with one of the objects asked.
type Fault struct {
	OID OID
	Err error
}

// Error tells the object and the cause.
func (f Fault) Error() string { return f.OID.String() + ": " + f.Err.Error() }

// Unwrap returns the cause.
func (f Fault) Unwrap() error { return f.Err }

// Get reads objects, as many in a request as the agent takes, and calls visit for
// each that is there; the value is valid until visit returns. An object that does
// not exist is no fault. The error says that the device was lost or ctx ended.
func (s *Session) Get(ctx context.Context, oids []OID, visit func(i int, v Value)) ([]Fault, error) {
	g := getter{s: s, op: Get, oids: oids, visit: func(i int, _ []byte, v Value) { visit(i, v) }}
	err := g.run(ctx)
	return g.faults, err
}

// Next reads what follows each OID, as Get does. oid is encoded and valid like
// the value.
func (s *Session) Next(ctx context.Context, oids []OID, visit func(i int, oid []byte, v Value)) ([]Fault, error) {
	g := getter{s: s, op: Next, oids: oids, visit: visit}
	err := g.run(ctx)
	return g.faults, err
}

// getter is a Get or Next under way.
type getter struct {
	s      *Session
	op     Op
	oids   []OID
	visit  func(i int, oid []byte, v Value)
	faults []Fault
	todo   []int // places in oids
	part   []int // the beginning of todo, being asked
	ask    []OID
	silent int
	before int // getMost before a series of refusals; 0: there is none
}

func (g *getter) run(ctx context.Context) error {
	s := g.s
	if s.getMost == 0 {
		s.getMost = firstGet
	}
	if now := s.t.opts.Now(); s.getTop == 0 || old(s.getTopAt, now) {
		s.getTop = mostGet
	}
	g.todo = make([]int, len(g.oids))
	for i := range g.todo {
		g.todo[i] = i
	}
	for len(g.todo) > 0 {
		g.part, g.ask = g.todo[:min(s.getMost, len(g.todo))], g.ask[:0]
		for _, i := range g.part {
			g.ask = append(g.ask, g.oids[i])
		}
		r, err := s.Do(ctx, g.op, g.ask, 0, 0)
		if err != nil {
			if err := g.unanswered(err); err != nil {
				return err
			}
			continue
		}
		g.silent = 0
		g.answered(r)
	}
	return nil
}

// unanswered asks for less once; then the device is lost.
func (g *getter) unanswered(err error) error {
	n := len(g.part)
	if g.silent++; !Silent(err) || g.silent > 1 || n < 4 {
		return err
	}
	g.less(n / 4)
	return nil
}

// less asks for at most n objects at once from now on, and not again for as many
// as now for a while.
func (g *getter) less(n int) {
	s := g.s
	s.getTop, s.getTopAt = max(len(g.part)-1, 1), s.t.opts.Now()
	s.getMost = max(n, 1)
}

// answered takes a reply to the part, and takes off the list what is settled.
func (g *getter) answered(r *Reply) {
	n, bad := len(g.part), r.Index-1
	switch {
	case r.Status == NoError:
		if n == g.s.getMost {
			g.s.getMost = min(n+4, g.s.getTop)
		}
		g.deliver(r)
		g.todo = g.todo[n:]
	case n == 1:
		g.fault(g.part[0], r.Status)
		g.todo = g.todo[1:]
		if g.before > 0 { // it was not for asking too much
			g.s.getMost, g.s.getTop, g.before = g.before, mostGet, 0
		}
	case r.Status == TooBig || bad < 0 || bad >= n:
		if g.before == 0 {
			g.before = g.s.getMost
		}
		g.less(n / 2)
	default:
		g.fault(g.part[bad], r.Status)
		g.todo = append(g.todo[:bad], g.todo[bad+1:]...)
	}
}

// fault notes an error-status; NoSuchName only says that the object is not there.
func (g *getter) fault(i int, s Status) {
	if s != NoSuchName {
		g.faults = append(g.faults, Fault{g.oids[i], s})
	}
}

var (
	errMissing = errors.New("left out of the answer")
	errHollow  = errors.New("undecodable value")
)

// deliver hands over the values of a reply to the part. Of a Get the OID tells
// which object a value is of.
func (g *getter) deliver(r *Reply) {
	k := 0
	vb := r.Varbinds()
	for vb.Next() && k < len(g.part) {
		at := k
		if g.op == Get && !vb.Bad {
			at = g.find(vb.OID, k)
		}
		switch {
		case at < 0:
			g.faults = append(g.faults, Fault{g.oids[g.part[k]], fmt.Errorf("answered with %s", AppendOID(nil, vb.OID))})
			k++
			continue
		case vb.Bad:
			g.s.stats.Bad++
			g.faults = append(g.faults, Fault{g.oids[g.part[k]], errHollow})
		case vb.Value.Absent():
			if vb.Value.hollow() {
				g.s.stats.Bad++
			}
		default:
			g.visit(g.part[at], vb.OID, vb.Value)
		}
		for ; k < at; k++ {
			g.faults = append(g.faults, Fault{g.oids[g.part[k]], errMissing})
		}
		k++
	}
	if vb.Cut() {
		g.s.stats.Cut++
	}
	for ; k < len(g.part); k++ {
		g.faults = append(g.faults, Fault{g.oids[g.part[k]], errMissing})
	}
}

// find returns the place in the part, from k on, of the object; -1: it was not
// asked.
func (g *getter) find(oid []byte, k int) int {
	for at := k; at < len(g.part); at++ {
		if string(oid) == string(g.oids[g.part[at]]) {
			return at
		}
	}
	return -1
}
