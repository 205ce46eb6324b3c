package snmp

import (
	"bytes"
	"cmp"
	"fmt"
)

// mostSilent is how many requests in a row, each with its retries, may be left
// without an answer before the device counts as lost.
const mostSilent = 3

// unanswered decides what to try after a request that was not answered: a smaller
// one, then GETNEXT, then nothing.
func (w *walk) unanswered(err error) error {
	if w.silent++; !Silent(err) || w.silent >= mostSilent {
		return err
	}
	n := len(w.picked) * w.reps
	if w.before == 0 {
		w.before = w.l.Varbinds
	}
	switch {
	case w.op == Get:
		w.columns[w.picked[0]].probe = false
	case w.op == Bulk && !w.bulkWell && (w.silent > 1 || n <= 2):
		w.byNext, w.suspect, w.probing = true, true, false
	case w.silent > 1:
		w.l.Varbinds = 1
	default:
		w.l.Varbinds = max(n/4, 1)
	}
	return nil
}

// objection acts on an error-status.
func (w *walk) objection(r *Reply) {
	bad := r.Index - 1
	if len(w.picked) == 1 {
		bad = 0
	}
	named := bad >= 0 && bad < len(w.picked)
	switch {
	case r.Status == TooBig:
		w.tooBig()
	case w.op == Bulk:
		w.bulkRefused(r.Status)
	case !named:
		w.isolate()
	case r.Status == NoSuchName: // the end of what the agent shows
		w.columns[w.picked[bad]].done, w.idle = true, 0
	default:
		w.skip(&w.columns[w.picked[bad]], r.Status)
	}
}

// isolate has the columns of this request asked one by one.
func (w *walk) isolate() {
	for _, i := range w.picked {
		w.columns[i].alone = true
	}
}

// tooBig asks for less, down to one instance, and steps over that if it is still
// too big.
func (w *walk) tooBig() {
	n := len(w.picked)
	c := &w.columns[w.picked[0]]
	w.note("answers are too big for the agent")
	if w.before == 0 {
		w.before = w.l.Varbinds
	}
	switch {
	case n == 1 && w.op == Next:
		w.skip(c, TooBig)
	case n == 1 && (w.reps == 1 || c.lonely):
		c.next = true
	case w.reps > 1:
		w.l.refuse(n*w.reps, w.now)
	default:
		w.l.refuse(n, w.now)
		w.isolate()
	}
}

// bulkRefused acts on an error that a GETBULK was answered with: where GETBULK has
// worked it may be one instance, which GETNEXT will find.
func (w *walk) bulkRefused(s Status) {
	switch {
	case w.probing:
		w.stopBulk("GETBULK is answered with " + s.String())
		return
	case !w.s.bulkSeen: // perhaps all of it, perhaps one instance: a little one will tell
		w.probing = true
		return
	}
	for _, i := range w.picked {
		c := &w.columns[i]
		c.next, c.trial = true, 2*w.reps
	}
}

// skip steps over the instance that comes next in the column, which the agent
// cannot deliver. Which one that is the other columns tell; where they do not, it
// is taken to be the next number.
func (w *walk) skip(c *column, why Status) {
	w.revive()
	first := !c.lonely
	c.status, c.next = why, !first && c.rows == c.before // several in a row: GETBULK will not do
	c.lonely, c.alone, c.before = true, true, c.rows
	at, sure := w.beyond(c)
	switch {
	case first && !sure && w.othersOpen(c):
		c.alone = false // asked last, when the others are known
	case at == nil && len(c.skipped) == 0:
		c.fail(fmt.Errorf("%w after %d rows", why, c.rows))
	case at == nil || len(c.skipped) >= mostSkips:
		c.fail(fmt.Errorf("%w; given up after %d rows", SkippedError{c.skipped, why}, c.rows))
	default:
		c.skipped = append(c.skipped, string(AppendIndex(nil, at)))
		c.last = append(c.last[:0], c.index()...)
		c.cursor = append(append(c.cursor[:0], c.root...), at...)
		c.probe = sure
		w.idle = 0
	}
}

// probed acts on the answer to a GET of an instance that was stepped over. It may
// be there after all. It may also not belong to the column: then it is unknown
// what was stepped over.
func (w *walk) probed(r *Reply) {
	i := w.picked[0]
	c := &w.columns[i]
	c.probe = false
	vb := r.Varbinds()
	there := r.Status == NoError && vb.Next() && !vb.Bad && bytes.Equal(vb.OID, c.cursor)
	exception := there && vb.Value.Type >= NoSuchObject && vb.Value.Type <= EndOfMIBView
	miss := r.Status == NoSuchName || exception
	if miss || there && !bytes.Equal(c.index(), successor(c.last)) { // there may be rows before it
		c.skipped[len(c.skipped)-1] = "something after " + cmp.Or(string(AppendIndex(nil, c.last)), "the beginning")
	} else if there {
		c.skipped = c.skipped[:len(c.skipped)-1]
	}
	if there && !exception {
		c.accept(vb.OID)
		w.hand(i, c.index(), vb.Value)
	}
	if miss {
		c.misses++
	}
	if c.misses >= mostMisses {
		c.fail(fmt.Errorf("%w; given up after %d rows", SkippedError{c.skipped, c.status}, c.rows))
	}
}

// beyond returns the index that comes after the column's last; sure says that
// another column has it.
func (w *walk) beyond(c *column) (at []byte, sure bool) {
	finished := false
	for i := range w.columns {
		o := &w.columns[i]
		if o == c {
			continue
		}
		finished = finished || o.done && o.fault == nil && o.rows > 0
		if a := o.after(c.index()); a != nil && (at == nil || compare(a, at) < 0) {
			at = a
		}
	}
	if at != nil || finished {
		return at, at != nil
	}
	return successor(c.index()), false
}

// othersOpen tells whether a column that makes no trouble is still to be read.
func (w *walk) othersOpen(c *column) bool {
	for i := range w.columns {
		if o := &w.columns[i]; o != c && !o.done && !o.lonely {
			return true
		}
	}
	return false
}

// revive takes back what was done to all columns because of one.
func (w *walk) revive() {
	if w.before > 0 {
		w.l.Varbinds, w.l.Refused, w.before = w.before, 0, 0
	}
	for i := range w.columns {
		o := &w.columns[i]
		if !o.lonely {
			o.alone, o.next, o.trial = false, false, 0
		}
	}
}
