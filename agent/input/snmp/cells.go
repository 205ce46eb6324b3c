package snmp

import (
	"context"
	"errors"
	"fmt"
	"slices"

	protocol "github.com/faultline/faultline/agent/snmp"
)

// name reads the static columns and takes what they tell of the table's rows. The
// first error is about the columns, the second says that the device was lost.
func (t *table) name(ctx context.Context, p *poll) (fault, lost error) {
	oids := make([]protocol.OID, len(t.static))
	for i := range t.static {
		oids[i] = t.static[i].oid
	}
	if len(oids) == 0 && len(t.foreign) > 0 { // rows of which other tables alone tell the names
		oids = t.fastOIDs[:min(len(t.fastOIDs), 1)]
	}
	fresh := map[string]*row{}
	labels := t.ownLabels()
	last := make([]*row, len(oids)) // of each column
	var out protocol.Outcome
	if len(oids) > 0 {
		out, lost = p.session.Walk(ctx, &t.learned.Slow, oids, func(i int, key []byte, v protocol.Value) {
			r := fresh[string(key)]
			if r == nil {
				r = t.newRow(string(key))
				fresh[string(key)] = r
			}
			if len(t.static) > 0 {
				r.static[i] = t.static[i].text(v)
				r.byName = r.byName || i < labels || len(t.fast) == 0
			}
			last[i] = r
		})
	}
	if lost != nil {
		t.namedSoFar(p, fresh, last[:min(labels, len(last))])
		return nil, lost
	}
	var faults []error
	bad := make([]bool, len(t.static)+len(t.foreign))
	for i, c := range out.Columns {
		if c.Fault != nil {
			faults = append(faults, fmt.Errorf("%s: %w", oids[i], c.Fault))
			bad[i] = true
		}
	}
	fault, lost = t.readForeign(ctx, p, fresh, bad[len(t.static):])
	if lost != nil {
		return errors.Join(append(faults, fault)...), lost
	}
	t.labelled = !slices.ContainsFunc(t.labels, func(name string) bool { return bad[t.staticAt[name]] })
	t.named(p, fresh, bad)
	return errors.Join(append(faults, fault)...), nil
}

// namedSoFar takes the rows of which all labels came before the device was lost;
// last are the rows that the labels' columns came to.
func (t *table) namedSoFar(p *poll, fresh map[string]*row, last []*row) {
	if len(t.foreign) > 0 || slices.Contains(last, nil) {
		return
	}
	for key := range fresh {
		if slices.ContainsFunc(last, func(r *row) bool { return compareKeys(key, r.key) > 0 }) {
			delete(fresh, key)
		}
	}
	bad := slices.Repeat([]bool{true}, len(t.static))
	clear(bad[:len(last)])
	t.labelled = false
	t.named(p, fresh, bad)
}

// ownLabels is how many of the static columns are labels; these come first.
func (t *layout) ownLabels() int {
	n := 0
	for _, name := range t.labels {
		if t.staticAt[name] < len(t.static) {
			n++
		}
	}
	return n
}

// named takes the rows with the names just read; bad tells which columns of these
// could not be read whole. A wrong name is worse than none: a row of which a label
// is not known is left out.
func (t *table) named(p *poll, fresh map[string]*row, bad []bool) {
	began := p.restarts != t.namedIn // since then the device may have given its numbers to others
	for key, r := range fresh {
		if old := t.rows[key]; old != nil && !began {
			for i, text := range old.static {
				if bad[i] && r.static[i] == "" {
					r.static[i] = text
				}
			}
		}
		for _, name := range t.labels {
			if at := t.staticAt[name]; bad[at] && r.static[at] == "" {
				delete(fresh, key)
			}
		}
	}
	t.renumbered(p, fresh)
	for key, r := range fresh {
		t.replace(p, key, r)
		t.rows[key].named = t.number
	}
	for key, r := range t.rows {
		if fresh[key] == nil && (began && !t.labelled || r.seen+forgetAfter < t.number) {
			t.drop(key, r)
		}
	}
	t.namedIn = p.restarts
}

// forgetAfter is how many polls may pass until a row not seen any more is dropped.
const forgetAfter = 100

// drop forgets a row. Another may still guess that it comes next.
func (t *table) drop(key string, r *row) {
	delete(t.rows, key)
	r.key = ""
}

// text is what a static column's value says.
func (s *staticColumn) text(v protocol.Value) string {
	if v.Absent() {
		return ""
	}
	raw := text(v, s.format)
	if s.cell != nil {
		raw = s.cell.Text(raw)
	}
	return raw
}

// readForeign fills in the cells that stand in other tables. A key may itself
// name such a cell, so the rows are gone through until nothing more comes.
func (t *table) readForeign(ctx context.Context, p *poll, rows map[string]*row, bad []bool) (fault, lost error) {
	var faults []error
	for range len(t.foreign) {
		more := false
		for i, f := range t.foreign {
			column, cfault, err := p.column(ctx, f.cell.OID, f.cell.Format)
			if err != nil {
				return errors.Join(faults...), err
			}
			if cfault != nil && !bad[i] {
				faults = append(faults, fmt.Errorf("%s: %w", f.cell.OID, cfault))
				bad[i] = true
			}
			at := len(t.static) + i
			for _, r := range rows {
				if r.static[at] != "" {
					continue
				}
				if raw, ok := column[f.cell.Key.Expand(t.get(r))]; ok {
					r.static[at] = f.cell.Text(raw)
					more = more || r.static[at] != ""
				}
			}
		}
		if !more {
			break
		}
	}
	if len(faults) > 0 { // what others were found by may be missing
		for i := range bad {
			bad[i] = true
		}
	}
	return errors.Join(faults...), nil
}

// textColumn is a whole column as texts by dotted index, and what was wrong with
// reading it.
type textColumn struct {
	texts map[string]string
	fault error
}

// column reads a whole column as texts by dotted index, once in a poll.
func (p *poll) column(ctx context.Context, oid, format string) (texts map[string]string, fault, lost error) {
	if c, ok := p.columns[oid]; ok {
		return c.texts, c.fault, nil
	}
	texts = map[string]string{}
	var index []byte
	out, lost := p.session.Walk(ctx, p.learned.column(oid), []protocol.OID{protocol.MustParseOID(oid)}, func(_ int, key []byte, v protocol.Value) {
		if !v.Absent() {
			index = protocol.AppendIndex(index[:0], key)
			texts[string(index)] = text(v, format)
		}
	})
	if lost != nil {
		return nil, nil, lost
	}
	if p.columns == nil {
		p.columns = map[string]textColumn{}
	}
	p.columns[oid] = textColumn{texts, out.Columns[0].Fault}
	return texts, out.Columns[0].Fault, nil
}

// replace puts a row newly read in the place of the one known; an unchanged one
// keeps its labels.
func (t *table) replace(p *poll, key string, r *row) {
	old := t.rows[key]
	switch {
	case old == nil:
		r.seen = t.number - 1 // it is about to be
		t.rows[key] = r
	case slices.Equal(old.static, r.static) && old.shown == r.shown:
		t.show(p, old, r.byName)
		return
	default: // in its place, since others guess that it comes next
		if !r.moved && (t.def.Name != ifTable || t.identity(old) == t.identity(r)) {
			r.counters, r.counts, r.resumed = old.counters, old.counts, old.resumed
		}
		r.seen, r.place, r.values, r.at, r.next = old.seen, old.place, old.values, old.at, old.next
		byName := r.byName
		*old = *r
		r, r.byName = old, byName
	}
	t.show(p, r, r.byName)
	t.version++
}

// show makes a row count that was found by its labels, where no value can do
// that or all that is known is wanted.
func (t *table) show(p *poll, r *row, byName bool) {
	if byName && (len(t.fast) == 0 || p.keepAll) && r.seen != t.number {
		t.first(r, p.walkAt)
	}
}
