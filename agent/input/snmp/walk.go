package snmp

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sort"
	"strconv"
	"strings"
	"time"

	"github.com/gosnmp/gosnmp"

	"github.com/faultline/faultline/internal/profile"
)

// instance is one value of a row whose names are not known yet.
type instance struct {
	column int
	index  string
	value  gosnmp.SnmpPDU
	at     time.Time
}

// poll reads the table once. It returns an error only when the device was lost.
func (t *table) poll(ctx context.Context, p *poll) error {
	t.number++
	t.polled, t.ok = true, false
	var faults []error
	var lost error
	if t.def.Scalar() {
		faults, lost = t.readScalars(ctx, p)
	} else {
		faults, lost = t.readRows(ctx, p)
	}
	t.emitStatic(p)
	t.derive(p)
	t.ok = len(faults) == 0 && lost == nil
	name := t.def.Name
	if t.def.Scalar() {
		name = "scalars of " + name
	}
	if len(faults) > 0 {
		kept := 0
		for _, r := range t.rows {
			if r.seen == t.number {
				kept++
			}
		}
		p.problems = append(p.problems, Problem{What: t.def.Name, Error: joined(faults).Error(), RowsKept: kept})
		p.faults = append(p.faults, fmt.Errorf("%s: %w", name, joined(faults)))
	}
	if lost != nil {
		return fmt.Errorf("%s: %w", name, lost)
	}
	return nil
}

// readRows walks the table; rows not known yet are named before they count.
func (t *table) readRows(ctx context.Context, p *poll) (faults []error, lost error) {
	var unnamed []instance
	cols := make([]*column, len(t.fast))
	for k := range t.fast {
		cols[k] = &column{oid: t.fast[k].oid}
	}
	expected := t.expected
	if len(cols) == 0 { // names only: rows are found by them
		if p.slow {
			fault, err := t.name(ctx, p, nil)
			faults, lost = append(faults, fault), err
		}
		return slices.DeleteFunc(faults, func(e error) bool { return e == nil }), lost
	}
	lost = p.read.walk(ctx, &t.tuning, cols, func(k int, index string, v gosnmp.SnmpPDU) {
		if r := t.rows[index]; r != nil && !p.slow {
			t.take(p, r, k, v, p.read.at)
			return
		}
		unnamed = append(unnamed, instance{k, index, v, p.read.at})
	})
	faults = t.faults(cols, expected, lost)
	if (len(unnamed) > 0 || p.keepAll) && lost == nil {
		var fault error
		if fault, lost = t.name(ctx, p, unnamed); fault != nil {
			faults = append(faults, fault)
		}
	}
	for _, in := range unnamed {
		if r := t.rows[in.index]; r != nil {
			t.take(p, r, in.column, in.value, in.at)
		}
	}
	return faults, lost
}

// faults returns what went wrong in a walk; a table that lost all its rows
// counts, since an agent that cannot read it any more looks alike.
func (t *table) faults(cols []*column, expected int, lost error) []error {
	var faults []error
	rows := 0
	for k, c := range cols {
		rows = max(rows, c.rows)
		if c.fault != nil {
			faults = append(faults, fmt.Errorf("%s: %w", t.nameOf(k), c.fault))
		}
	}
	if rows == 0 && expected > 0 && !t.def.MayBeEmpty && lost == nil {
		faults = append(faults, fmt.Errorf("no rows, there were %d", expected))
	}
	if rows > 0 {
		t.expected = rows
	}
	return faults
}

// nameOf is what people know a column by.
func (t *table) nameOf(fast int) string {
	if m := t.fast[fast].metrics; len(m) > 0 {
		return t.def.Columns[m[0]].Metric
	}
	return t.fast[fast].oid
}

// name reads the static columns for the rows of the instances. Rows whose
// labels could not be read are left out: a wrong name is worse than none. The
// first error is about the columns, the second says that the device was lost.
func (t *table) name(ctx context.Context, p *poll, of []instance) (fault, lost error) {
	fresh := map[string]*row{}
	for _, in := range of {
		if fresh[in.index] == nil {
			fresh[in.index] = t.newRow(in.index)
		}
	}
	cols := make([]*column, len(t.static))
	for i, s := range t.static {
		cols[i] = &column{oid: s.oid}
	}
	lost = p.read.walk(ctx, &t.slowTuning, cols, func(i int, index string, v gosnmp.SnmpPDU) {
		r := fresh[index]
		if r == nil && (len(t.fast) == 0 || p.keepAll && i < len(t.labels)) {
			r = t.newRow(index)
			r.seen = t.number
			fresh[index] = r
		}
		if r != nil {
			r.static[i] = t.static[i].text(v)
		}
	})
	var faults []error
	for i, c := range cols {
		if c.fault != nil {
			faults = append(faults, fmt.Errorf("%s: %w", c.oid, c.fault))
		}
		for _, r := range fresh {
			r.named = lost == nil && (i == 0 || r.named) && (i >= len(t.labels) || c.fault == nil || r.static[i] != "")
		}
	}
	if lost == nil {
		var f error
		f, lost = t.readForeign(ctx, p, fresh)
		faults = append(faults, f)
	}
	left := 0
	for index, r := range fresh {
		if len(cols) == 0 || r.named {
			t.replace(index, r)
		} else if t.rows[index] == nil {
			left++
		}
	}
	if p.slow && lost == nil {
		t.forget()
	}
	if left > 0 && lost == nil {
		faults = append(faults, fmt.Errorf("%d rows left out: their names could not be read", left))
	}
	return errors.Join(faults...), lost
}

// text is what a static column's value says.
func (s *staticColumn) text(v gosnmp.SnmpPDU) string {
	if absent(v) {
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

// column reads a whole column as texts by index, once in a poll.
func (p *poll) column(ctx context.Context, oid, format string) (texts map[string]string, fault, lost error) {
	if texts, ok := p.columns[oid]; ok {
		return texts, nil, nil
	}
	texts = map[string]string{}
	c := &column{oid: oid}
	lost = p.read.walk(ctx, &tuning{}, []*column{c}, func(_ int, index string, v gosnmp.SnmpPDU) {
		if !absent(v) {
			texts[index] = text(v, format)
		}
	})
	if lost != nil {
		return nil, nil, lost
	}
	if p.columns == nil {
		p.columns = map[string]map[string]string{}
	}
	p.columns[oid] = texts
	return texts, c.fault, nil
}

// replace puts a row newly read in the place of the one known; an unchanged one
// keeps its labels.
func (t *table) replace(index string, r *row) {
	if old := t.rows[index]; old != nil && slices.Equal(old.static, r.static) {
		old.seen = max(old.seen, r.seen)
		return
	}
	t.rows[index] = r
	t.version++
}

// forget drops rows that were not seen for long.
func (t *table) forget() {
	const polls = 100
	for index, r := range t.rows {
		if r.seen+polls < t.number {
			delete(t.rows, index)
		}
	}
}

// take hands over one instance of a column as raw metrics and keeps what
// sensors need of it.
func (t *table) take(p *poll, r *row, k int, v gosnmp.SnmpPDU, at time.Time) {
	if r.seen != t.number {
		r.seen = t.number
		clear(r.values)
	}
	if absent(v) {
		return
	}
	f := &t.fast[k]
	if f.kept {
		r.values[k] = valueOf(v)
		r.at = at.UnixMilli()
	}
	for _, col := range f.metrics {
		t.metric(p, r, col, v, at)
	}
}

func (t *table) metric(p *poll, r *row, col int, v gosnmp.SnmpPDU, at time.Time) {
	def := &t.def.Columns[col]
	switch def.Type {
	case profile.Info:
		p.sample(t.infoLabels(r, col, infoText(def, text(v, def.Format))), 1, at)
	case profile.ClockOffset:
		if offset, ok := clockOffset(v, at); ok {
			p.sample(t.metricLabels(r, col), offset, at)
		}
	default:
		if raw, ok := number(v); ok {
			p.sample(t.metricLabels(r, col), scaled(raw, def.Scale), at)
		}
	}
}

// infoText is an info's label value: the enumerated name, or the text itself.
func infoText(def *profile.Value, text string) string {
	if name, ok := def.Enum[text]; ok {
		return name
	}
	return text
}

func scaled(v, scale float64) float64 {
	if scale == 0 {
		return v
	}
	return v * scale
}

// emitStatic repeats the slow columns of every row seen in this poll.
func (t *table) emitStatic(p *poll) {
	for _, r := range t.rows {
		if r.seen != t.number {
			continue
		}
		for i, s := range t.static {
			text := r.static[i]
			if s.cell != nil || text == "" {
				continue
			}
			def := &t.def.Columns[s.column]
			if def.Type == profile.Info {
				p.sample(t.infoLabels(r, s.column, infoText(def, text)), 1, p.walkAt)
			} else if f, err := strconv.ParseFloat(text, 64); err == nil {
				p.sample(t.metricLabels(r, s.column), scaled(f, def.Scale), p.walkAt)
			}
		}
	}
}

// readScalars reads the profile's scalars: the slow ones, and those that were
// not there, only with the slow things.
func (t *table) readScalars(ctx context.Context, p *poll) (faults []error, lost error) {
	r := t.rows[""]
	if r == nil {
		r = t.newRow("")
		t.rows[""] = r
	}
	r.seen = t.number
	clear(r.values)
	if p.slow {
		static := make([]string, len(r.static))
		oids := make([]string, len(t.static))
		for i, s := range t.static {
			oids[i] = s.oid
		}
		fault := p.read.get(ctx, opGet, oids, func(i int, v gosnmp.SnmpPDU) { static[i] = t.static[i].text(v) })
		if silent(fault) || ctx.Err() != nil {
			return nil, fault
		}
		if fault != nil {
			faults = append(faults, fault)
		}
		if !slices.Equal(static, r.static) {
			r.static, r.derived = static, nil
			t.version++
		}
	}
	var oids []string
	var asked []int
	for k := range t.fast {
		if p.slow || t.fast[k].state != notThere {
			oids, asked = append(oids, t.fast[k].oid), append(asked, k)
		}
	}
	got := make([]bool, len(t.fast))
	fault := p.read.get(ctx, opGet, oids, func(i int, v gosnmp.SnmpPDU) {
		got[asked[i]] = true
		t.take(p, r, asked[i], v, p.read.at)
	})
	if silent(fault) || ctx.Err() != nil {
		return faults, fault
	}
	return append(faults, t.gone(asked, got, fault)...), nil
}

// gone notes which scalars are there and tells which of them vanished.
func (t *table) gone(asked []int, got []bool, fault error) []error {
	var gone []string
	for _, k := range asked {
		f := &t.fast[k]
		switch {
		case got[k]:
			f.state = there
		case f.state == there && fault == nil:
			gone = append(gone, t.nameOf(k))
		case f.state != there:
			f.state = notThere
		}
	}
	var faults []error
	if fault != nil {
		faults = append(faults, fault)
	}
	if len(gone) > 0 {
		sort.Strings(gone)
		faults = append(faults, fmt.Errorf("no longer there: %s", strings.Join(gone, ", ")))
	}
	return faults
}
