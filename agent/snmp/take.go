package snmp

import "bytes"

// take hands over a reply's instances. A position in the reply belongs to a column
// asked; what stands there is believed only if a right answer can look so. Where
// it cannot, the rest of the reply is not used and columns are asked one by one.
func (w *walk) take(r *Reply) {
	n := len(w.picked)
	for _, i := range w.picked {
		c := &w.columns[i]
		c.ended, c.moved, c.stuck, c.got, c.expects = false, false, false, 0, nil
	}
	k, odd := 0, false
	vb := r.Varbinds()
	for !odd && vb.Next() {
		i := w.picked[k%n]
		c := &w.columns[i]
		c.got++
		k++
		switch {
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
// goes on behind it.
func (w *walk) bad(c *column, oid []byte) {
	w.s.stats.Bad++
	w.note("values that cannot be decoded")
	if under(oid, c.root) && compare(oid, c.cursor) > 0 {
		c.skipped = append(c.skipped, string(AppendIndex(nil, oid[len(c.root):])))
		c.status = undecodable
		c.cursor, c.moved = append(c.cursor[:0], oid...), true
	}
}

// undecodable stands in a SkippedError for a value that came but makes no sense.
const undecodable Status = -1

// place takes what stands at a position of column i; false says that it cannot be
// the answer for that column.
func (w *walk) place(i int, c *column, oid []byte, v Value) bool {
	switch {
	case v.Type == EndOfMIBView || v.Type == NoSuchObject || v.Type == NoSuchInstance:
		c.ended = true
	case bytes.Equal(oid, c.cursor):
		c.stuck = true
	case under(oid, c.root):
		if c.expects != nil && !bytes.Equal(oid, c.expects) {
			return false
		}
		if w.repeated(c, oid) {
			return true
		}
		if c.rows >= w.s.cfg.MaxRows {
			c.fail(TooManyError{c.rows})
			return true
		}
		c.accept(oid)
		w.hand(i, oid[len(c.root):], v)
	case compare(oid, c.cursor) > 0:
		c.ended = true
		return w.plausible(oid)
	default:
		if w.owner(oid) != nil {
			return false
		}
		w.note("the end leads back to the beginning")
		c.ended = true
	}
	return true
}

// hand gives an instance to visit.
func (w *walk) hand(i int, index []byte, v Value) {
	if v.hollow() {
		w.s.stats.Bad++
		w.note("numbers without digits")
	}
	if !v.Absent() {
		w.visit(i, index, v)
	}
}

// repeated tells whether the row is not to be taken: it was there before. One
// that is new but out of order is taken.
func (w *walk) repeated(c *column, oid []byte) bool {
	if c.seen == nil && compare(oid, c.cursor) > 0 {
		return false
	}
	index := oid[len(c.root):]
	switch {
	case c.known(index):
		c.fail(LoopError{string(AppendIndex(nil, index)), c.rows})
		return true
	case len(c.seen) >= mostUnsorted:
		c.fail(TooManyError{c.rows})
		return true
	}
	w.note("rows out of order")
	return false
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
