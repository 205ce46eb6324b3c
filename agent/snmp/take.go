package snmp

import "bytes"

// take hands over a reply's instances. A position in the reply belongs to a column
// asked; what stands there is believed only if a right answer can look so. Where
// it cannot, the rest of the reply is not used and columns are asked one by one.
func (w *walk) take(r *Reply) {
	n := len(w.picked)
	for _, i := range w.picked {
		c := &w.columns[i]
		c.fresh()
	}
	k, odd := 0, false
	vb := r.Varbinds()
	for !odd && vb.Next() {
		i := w.picked[k%n]
		c := &w.columns[i]
		c.got++
		k++
		switch {
		case c.ended && under(vb.OID, c.root) && !vb.Bad: // it does not end after all
			odd = vb.Value.Type < NoSuchObject || vb.Value.Type > EndOfMIBView
		case c.done || c.ended || c.stuck:
		case vb.Bad:
			w.bad(c, vb.OID)
		default:
			odd = !w.place(i, c, vb.OID, vb.Value)
		}
	}
	if vb.Cut() {
		w.s.stats.Cut++
		w.note("answers end before their end")
		w.l.Varbinds = max(k/2, 1)
	}
	w.l.measure(len(r.list), k)
	w.settle(k, odd)
}

// bad counts an instance that cannot be decoded. Where its OID is known the walk
// goes on behind it; where not, and a row follows in the same reply, it is lost.
func (w *walk) bad(c *column, oid []byte) {
	w.s.stats.Bad++
	w.note("values that cannot be decoded")
	if !under(oid, c.root) || compare(oid, c.cursor) <= 0 {
		c.gap = true
		return
	}
	c.skipped, c.status = append(c.skipped, string(AppendIndex(nil, oid[len(c.root):]))), undecodable
	c.cursor, c.moved = append(c.cursor[:0], oid...), true
}

// undecodable stands in a SkippedError for a value that came but makes no sense.
const undecodable Status = -1

// place takes what stands at a position of column i; false says that it cannot be
// the answer for that column.
func (w *walk) place(i int, c *column, oid []byte, v Value) bool {
	exception := v.Type >= NoSuchObject && v.Type <= EndOfMIBView
	if c.expects != nil && (exception || !bytes.Equal(oid, c.expects)) {
		return false
	}
	if exception {
		c.ended = true
		return true
	}
	if !under(oid, c.root) {
		return w.outside(c, oid)
	}
	index := oid[len(c.root):]
	if order := compare(index, c.index()); order <= 0 || c.seen != nil {
		switch {
		case order == 0:
			c.stuck = true
			return true
		case w.repeated(c, index):
			return true
		}
	}
	if c.rows >= w.s.cfg.MaxRows {
		c.fail(TooManyError{c.rows})
		return true
	}
	c.accept(oid)
	w.hand(i, index, v)
	return true
}

// outside acts on an OID that is not below the column's root; false says that it
// cannot be the answer for the column.
func (w *walk) outside(c *column, oid []byte) bool {
	switch order := compare(oid, c.cursor); {
	case order == 0:
		c.stuck = true
		return true
	case order > 0:
		c.ended = true
		return w.plausible(oid)
	case w.ours(oid):
		c.strange = append(c.strange[:0], oid...)
		return false
	}
	w.note("the end leads back to the beginning")
	c.ended, c.wrapped = true, true
	return true
}

// ours tells whether the OID is that of a column of this walk or lies below it.
func (w *walk) ours(oid []byte) bool {
	for i := range w.columns {
		if root := w.columns[i].root; under(oid, root) || string(oid) == string(root) {
			return true
		}
	}
	return false
}

// hand gives an instance to visit.
func (w *walk) hand(i int, index []byte, v Value) {
	if len(v.Raw) == 0 && v.Absent() {
		if v.hollow() {
			w.s.stats.Bad++
			w.note("numbers without digits")
		}
		return
	}
	w.visit(i, index, v)
}

// repeated tells whether a row of a column that is out of order is not to be
// taken: it was there before, or there are too many.
func (w *walk) repeated(c *column, index []byte) bool {
	switch {
	case c.known(index):
		c.fail(LoopError{string(AppendIndex(nil, index)), c.rows})
	case len(c.seen) >= mostUnsorted:
		c.fail(TooManyError{c.rows})
	default:
		w.note("rows out of order")
		return false
	}
	return true
}

// owner returns the column asked that the OID lies below, or nil.
func (w *walk) owner(oid []byte) *column {
	for _, i := range w.picked {
		if c := &w.columns[i]; under(oid, c.root) {
			return c
		}
	}
	return nil
}

// plausible tells whether the OID can follow the end of a column. If it belongs
// to another column asked, it is that one's first row: it was read already, or
// comes next in the same reply. Anything else says that the agent left out
// variable bindings and positions do not count.
func (w *walk) plausible(oid []byte) bool {
	o := w.owner(oid)
	switch {
	case o == nil || o.seen != nil:
		return true
	case o.rows > 0 || len(o.skipped) > 0:
		return compare(oid, o.cursor) <= 0
	case o.ended || o.done:
		return false
	}
	o.expects = bytes.Clone(oid)
	return true
}
