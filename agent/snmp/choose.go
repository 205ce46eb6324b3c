package snmp

// choose picks columns and the kind of the next request; false when all is done.
func (w *walk) choose() bool {
	w.picked = w.picked[:0]
	first := -1
	for _, i := range w.order {
		c := &w.columns[i]
		if c.done {
			continue
		}
		if c.alone || c.probe {
			first = i
			break
		}
		if first < 0 || w.columns[first].lonely && !c.lonely {
			first = i
		}
	}
	if first < 0 {
		return false
	}
	c := &w.columns[first]
	switch {
	case c.probe:
		w.op = Get
	case w.byNext || c.next:
		w.op = Next
	default:
		w.op = Bulk
	}
	room := w.room()
	most, want := w.shape(first, room)
	w.picked = append(w.picked, first)
	if !c.alone && !c.lonely && !c.probe {
		for _, i := range w.order {
			if o := &w.columns[i]; len(w.picked) < most && i != first && !o.done && !o.lonely && o.next == c.next {
				w.picked = append(w.picked, i)
			}
		}
	}
	w.reps = 1
	if w.op == Bulk && !c.alone {
		w.reps = repetitions(want, room, len(w.picked))
	}
	return true
}

// room is how many variable bindings the next reply may hold.
func (w *walk) room() int {
	n := min(w.l.Varbinds, max(replyBytes/w.l.Bytes, 1))
	if w.probing {
		n = min(n, 2)
	}
	if r := &w.s.rtt; r.known && r.each > 0 { // half of the time-out is what a reply may take
		n = min(n, max(int((w.s.cfg.Timeout/2-r.base)/r.each), 1))
	}
	return n
}

// shape returns how many columns the next request may have, and how many rows of
// the first are still to come, one more included to see the end; 0: unknown.
func (w *walk) shape(first, room int) (most, want int) {
	c := &w.columns[first]
	if w.l.Rows[first] >= 0 {
		want = max(w.l.Rows[first]-c.rows, 1) + 1
	}
	most = min(room, w.l.Columns)
	if w.op != Bulk {
		return most, want
	}
	if w.sideOf != first || w.sideRoom != room || w.l.Repetitions > 0 {
		w.side, w.sideOf, w.sideRoom = w.bestSide(want, room, most), first, room
	}
	return w.side, want
}

// bestSide returns with how many columns at once, at most most, the rest of the
// table takes the fewest requests.
func (w *walk) bestSide(want, room, most int) int {
	if w.l.Repetitions > 0 && (want == 0 || want > w.l.Repetitions) {
		want = w.l.Repetitions
	}
	if want == 0 {
		return min(firstColumns, most)
	}
	todo, best, least := 0, most, 0
	for i := range w.columns {
		if !w.columns[i].done {
			todo++
		}
	}
	for n := most; n >= 1; n-- {
		requests := ceil(todo, n) * ceil(want, room/n)
		if least == 0 || requests < least {
			best, least = n, requests
		}
	}
	return best
}

func ceil(a, b int) int { return (a + b - 1) / b }

// repetitions spreads want rows evenly over as few replies as they need.
func repetitions(want, room, columns int) int {
	most := max(room/columns, 1)
	if want == 0 {
		return most
	}
	replies := ceil(want, most)
	return ceil(want, replies)
}
