package snmp

import (
	"context"
	"errors"
	"fmt"
	"slices"

	protocol "github.com/faultline/faultline/agent/snmp"
)

// name reads the static columns: for the rows of the instances or, where there
// are none, for all rows that they show. Rows whose labels could not be read are
// left out: a wrong name is worse than none. The first error is about the
// columns, the second says that the device was lost.
func (t *table) name(ctx context.Context, p *poll, of []instance) (fault, lost error) {
	fresh := map[string]*row{}
	for _, in := range of {
		if fresh[in.key] == nil {
			fresh[in.key] = t.newRow(in.key)
		}
	}
	oids := make([]protocol.OID, len(t.static))
	for i := range t.static {
		oids[i] = t.static[i].oid
	}
	if len(oids) == 0 && len(t.foreign) > 0 && of == nil { // rows of which other tables alone tell the names
		oids = t.fastOIDs[:min(len(t.fastOIDs), 1)]
	}
	var out protocol.Outcome
	if len(oids) > 0 {
		out, lost = p.session.Walk(ctx, &t.learned.Slow, oids, func(i int, key []byte, v protocol.Value) {
			r := fresh[string(key)]
			if r == nil && of == nil {
				r = t.newRow(string(key))
				fresh[string(key)] = r
			}
			if r != nil && len(t.static) > 0 {
				r.static[i] = t.static[i].text(v)
				r.byName = r.byName || i < len(t.labels) || len(t.fast) == 0
			}
		})
	}
	faults := t.unnamed(fresh, oids, out, lost)
	if lost == nil {
		var f error
		f, lost = t.readForeign(ctx, p, fresh)
		faults = append(faults, f)
	}
	if lost != nil {
		return errors.Join(faults...), lost
	}
	t.renumbered(p, fresh)
	left := 0
	for key, r := range fresh {
		if r.named {
			t.replace(p, key, r)
		} else if t.rows[key] == nil {
			left++
		}
	}
	if of == nil {
		t.forget()
	}
	if left > 0 {
		faults = append(faults, fmt.Errorf("%d rows left out: their names could not be read", left))
	}
	return errors.Join(faults...), nil
}

// unnamed tells what went wrong with static columns, and marks the rows of which
// all labels are known.
func (t *table) unnamed(fresh map[string]*row, oids []protocol.OID, out protocol.Outcome, lost error) []error {
	var faults []error
	for i, c := range out.Columns {
		if c.Fault != nil && lost == nil {
			faults = append(faults, fmt.Errorf("%s: %w", oids[i], c.Fault))
		}
	}
	for _, r := range fresh {
		r.named = true
		for i := range t.labels {
			r.named = r.named && (r.static[i] != "" || out.Columns[i].Fault == nil)
		}
	}
	return faults
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
func (t *table) readForeign(ctx context.Context, p *poll, rows map[string]*row) (fault, lost error) {
	var faults []error
	for range len(t.foreign) {
		more := false
		for i, f := range t.foreign {
			column, cfault, err := p.column(ctx, f.cell.OID, f.cell.Format)
			if err != nil {
				return errors.Join(faults...), err
			}
			if cfault != nil {
				faults = append(faults, fmt.Errorf("%s: %w", f.cell.OID, cfault))
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
	return errors.Join(faults...), nil
}

// column reads a whole column as texts by dotted index, once in a poll.
func (p *poll) column(ctx context.Context, oid, format string) (texts map[string]string, fault, lost error) {
	if texts, ok := p.columns[oid]; ok {
		return texts, nil, nil
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
		p.columns = map[string]map[string]string{}
	}
	p.columns[oid] = texts
	return texts, out.Columns[0].Fault, nil
}

// replace puts a row newly read in the place of the one known; an unchanged one
// keeps its labels.
func (t *table) replace(p *poll, key string, r *row) {
	old := t.rows[key]
	if old != nil && slices.Equal(old.static, r.static) && old.shown == r.shown {
		t.show(p, old, r.byName)
		return
	}
	if old != nil {
		r.counters, r.counts, r.at = old.counters, old.counts, old.at
	}
	t.show(p, r, r.byName)
	t.rows[key] = r
	t.version++
	clear(t.guess)
}

// show makes a row count that was found by its labels, where no value can do
// that or all that is known is wanted.
func (t *table) show(p *poll, r *row, byName bool) {
	if byName && (len(t.fast) == 0 || p.keepAll) && r.seen != t.number {
		t.first(r, p.walkAt)
	}
}

// forget drops rows that were not seen for long.
func (t *table) forget() {
	const polls = 100
	for key, r := range t.rows {
		if r.seen+polls < t.number {
			delete(t.rows, key)
			clear(t.guess)
		}
	}
}
