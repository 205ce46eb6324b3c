package snmp

import "time"

// settle decides about columns after a reply of k variable bindings; odd says that
// they were not what was asked.
func (w *walk) settle(k int, odd bool) {
	n := len(w.picked)
	believe := !odd && (k >= n || n == 1)
	moved := false
	for _, i := range w.picked {
		c := &w.columns[i]
		c.done = c.done || c.ended && believe && (!c.wrapped || n == 1 && w.op == Next)
		moved = moved || c.moved || c.done
	}
	if moved {
		w.idle = 0
	}
	switch {
	case odd:
		w.note("answers leave out variable bindings")
		w.l.narrow(1, w.now)
	case k == 0 && w.op == Bulk:
	case k < n:
		w.note("answers hold fewer columns than asked")
		w.l.narrow(k, w.now)
	case moved:
		w.wellAnswered(k)
	}
	w.empty = k == 0
	for _, i := range w.picked {
		w.still(&w.columns[i], believe)
	}
}

// wellAnswered notes that a request worked, and dares more.
func (w *walk) wellAnswered(k int) {
	n := len(w.picked)
	if n >= w.l.Columns {
		w.l.widen()
	}
	if w.op == Next {
		if w.suspect {
			w.stopBulk("GETBULK is not answered")
		}
		if w.byNext && 4*n >= 3*w.l.Varbinds {
			w.l.grow()
		}
		return
	}
	if w.probing {
		w.l.NextSince = time.Time{}
	}
	w.bulkWell, w.s.bulkSeen, w.probing, w.s.nextSince = true, true, false, time.Time{}
	if !w.anyAlone() {
		w.before = 0
	}
	asked := n * w.reps
	switch {
	case k >= asked:
		if w.reps > w.l.Repetitions {
			w.l.Repetitions = 0
		}
		if 4*asked >= 3*w.l.Varbinds {
			w.l.grow()
		}
	case w.allEnded(): // it may stop there
	case k%n == 0:
		w.l.Repetitions = k / n
	default: // as much as fits the agent's messages
		w.l.Varbinds = max(k, 1)
	}
}

func (w *walk) anyAlone() bool {
	for i := range w.columns {
		if c := &w.columns[i]; c.alone && !c.done {
			return true
		}
	}
	return false
}

func (w *walk) allEnded() bool {
	for _, i := range w.picked {
		if !w.columns[i].ended {
			return false
		}
	}
	return true
}

// still sees to a column that the reply did not bring forward.
func (w *walk) still(c *column, believe bool) {
	switch {
	case c.done:
	case c.wrapped: // believed of an answer to nothing else only
		c.alone, c.next = true, true
	case c.moved:
		c.alone = c.ended && !believe
		c.next = c.next && !c.lonely
		if c.trial > 0 && w.op == Next {
			if c.trial--; c.trial == 0 {
				w.stopBulk("GETBULK is answered with an error")
			}
		}
	case w.op == Bulk && (len(w.picked) == 1 || w.empty):
		w.bulkUseless(c)
	case len(w.picked) > 1:
		c.alone = true // ask again where position cannot deceive
	case c.got == 0:
		c.fail(errLeftOut)
	case c.stuck:
		c.fail(errStuck)
	case len(c.strange) > 0:
		c.fail(LoopError{string(AppendOID(nil, c.strange)), c.rows})
	default:
		w.skip(c, undecodable)
	}
}

// bulkUseless acts on a GETBULK that did not bring a column forward.
func (w *walk) bulkUseless(c *column) {
	if !w.s.bulkSeen {
		w.stopBulk("GETBULK is answered with nothing new")
		return
	}
	c.next, c.trial = true, 2*w.reps
}

// stopBulk goes over to GETNEXT, for this table, and for the whole device if it
// never answered a GETBULK.
func (w *walk) stopBulk(why string) {
	w.note(why)
	if w.before > 0 { // it was not for being too much
		w.l.Varbinds, w.before = w.before, 0
	}
	w.byNext, w.suspect, w.probing, w.l.NextSince = true, false, false, w.now
	if !w.s.bulkSeen {
		w.s.nextSince = w.now
	}
	for i := range w.columns {
		w.columns[i].next, w.columns[i].trial = false, 0
	}
}
