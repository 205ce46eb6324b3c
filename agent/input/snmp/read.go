package snmp

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"sort"
	"strings"
	"time"

	protocol "github.com/faultline/faultline/agent/snmp"
	"github.com/faultline/faultline/plugins/base"
)

// instance is one value of a row whose names are not known yet.
type instance struct {
	column int
	key    string
	value  protocol.Value // with bytes of its own
	at     time.Time
}

// poll reads the table once. It returns an error only when the device was lost.
func (t *table) poll(ctx context.Context, p *poll) error {
	t.number++
	t.polled, t.ok = true, false
	t.begin()
	var faults []error
	var lost error
	name := t.def.Name
	if t.def.Scalar() {
		name = "scalars of " + name
		faults, lost = t.readScalars(ctx, p)
	} else {
		faults, lost = t.readRows(ctx, p)
	}
	t.emit(p)
	faults = slices.DeleteFunc(faults, func(e error) bool { return e == nil })
	t.ok = len(faults) == 0 && lost == nil
	if len(faults) > 0 {
		p.problems = append(p.problems, Problem{What: t.def.Name, Error: joined(faults).Error(), RowsKept: t.seen()})
		p.faults = append(p.faults, fmt.Errorf("%s: %w", name, joined(faults)))
	}
	if lost != nil {
		return fmt.Errorf("%s: %w", name, lost)
	}
	return nil
}

// seen is how many rows the poll under way has shown.
func (t *table) seen() int {
	n := 0
	for _, r := range t.rows {
		if r.seen == t.number {
			n++
		}
	}
	return n
}

// readRows walks the table. Names are read first when they are due: what a
// device cut off in the middle has shown can then be told by its name.
func (t *table) readRows(ctx context.Context, p *poll) (faults []error, lost error) {
	due := !p.walkAt.Before(t.slowAt)
	if due {
		if faults, lost = t.rename(ctx, p); lost != nil {
			return faults, lost
		}
	}
	if len(t.fast) == 0 {
		t.again(p)
		return faults, nil
	}
	if t.empty && !due && !t.def.MayBeEmpty { // it is looked at again with the names
		return faults, nil
	}
	var unnamed []instance
	expected := t.expected
	out, lost := p.session.Walk(ctx, &t.learned.Fast, t.fastOIDs, func(k int, key []byte, v protocol.Value) {
		if r := t.rowFor(k, key); r != nil {
			t.take(p, r, k, v, p.session.At())
			return
		}
		v.Raw = bytes.Clone(v.Raw)
		unnamed = append(unnamed, instance{k, string(key), v, p.session.At()})
	})
	clear(t.last)
	t.empty = lost == nil && out.Whole() && out.Rows() == 0 && expected == 0
	if t.wait = t.patience(due); t.wait > 0 && due {
		t.slowAt = p.walkAt.Add(t.wait)
	}
	faults = append(faults, t.faults(out, expected, lost)...)
	if len(unnamed) > 0 && !due && lost == nil {
		var more []error
		more, lost = t.rename(ctx, p)
		faults, due = append(faults, more...), lost == nil
	}
	return append(faults, t.takeUnnamed(p, unnamed, due)), lost
}

// patience is how long an empty table is left alone: a device that has just
// started fills its tables in the first minutes (a net-snmp agent the load of its
// processors after one), so it is asked soon at first and then ever more seldom.
func (t *table) patience(asked bool) time.Duration {
	switch {
	case !t.empty:
		return 0
	case !asked:
		return t.wait
	case t.wait == 0:
		return emptyAgain
	}
	return min(t.wait*3/2, slowEvery)
}

// again shows the rows of last time where nothing is read at every poll.
func (t *table) again(p *poll) {
	for _, r := range t.rows {
		if r.seen == t.number-1 && r.byName {
			t.first(r, p.walkAt)
		}
	}
}

// rename reads the names, and notes when to do so again.
func (t *table) rename(ctx context.Context, p *poll) (faults []error, lost error) {
	fault, lost := t.name(ctx, p)
	switch {
	case lost != nil && len(t.rows) > 0: // let values have their turn
		t.slowAt = p.walkAt.Add(slowAgain)
	case lost == nil && fault == nil:
		t.slowAt, t.namedAt = p.walkAt.Add(slowEvery), t.number
	}
	return []error{fault}, lost
}

// takeUnnamed takes the values of rows that were not known when they came. Where
// names have been read since, a row without any has none.
func (t *table) takeUnnamed(p *poll, of []instance, named bool) error {
	left := map[string]bool{}
	for _, in := range of {
		r := t.rows[in.key]
		if r == nil {
			if !named || !t.labelled {
				left[in.key] = true
				continue
			}
			r = t.newRow(in.key)
			t.rows[in.key] = r
		}
		t.take(p, r, in.column, in.value, in.at)
	}
	if len(left) == 0 || !named {
		return nil
	}
	return fmt.Errorf("%d rows left out: their names could not be read", len(left))
}

// rowFor finds the row of an instance. Rows come in the order of last time, so
// that most often it is known which comes next.
func (t *table) rowFor(k int, key []byte) *row {
	if g := t.guess[k]; g != nil && g.key == string(key) {
		t.guess[k], t.last[k] = g.next, g
		return g
	}
	r := t.rows[string(key)]
	if r != nil {
		if before := t.last[k]; before != nil {
			before.next = r
		}
		t.guess[k], t.last[k] = r.next, r
	}
	return r
}

// faults returns what went wrong in a walk; a table that lost all its rows
// counts, since an agent that cannot read it any more looks alike.
func (t *table) faults(out protocol.Outcome, expected int, lost error) []error {
	var faults []error
	for k, c := range out.Columns {
		if c.Fault != nil && lost == nil {
			faults = append(faults, fmt.Errorf("%s: %w", t.nameOf(k), c.Fault))
		}
	}
	rows := out.Rows()
	if rows == 0 && expected > 0 && !t.def.MayBeEmpty && lost == nil {
		faults = append(faults, fmt.Errorf("no rows, there were %d", expected))
	}
	if rows > 0 {
		t.expected = rows
	}
	return faults
}

// nameOf is what people know a column by.
func (t *layout) nameOf(fast int) string {
	if m := t.fast[fast].metrics; len(m) > 0 {
		return t.def.Columns[m[0].column].Metric
	}
	return t.fast[fast].oid
}

// take puts one instance of a column into the block and keeps what sensors need
// of it.
func (t *table) take(p *poll, r *row, k int, v protocol.Value, at time.Time) {
	if r.seen != t.number {
		t.first(r, at)
	}
	if v.Absent() {
		return
	}
	f := &t.fast[k]
	if f.kept {
		r.values[k] = valueOf(v)
		r.at = at.UnixMilli()
	}
	for i := range f.metrics {
		m := &f.metrics[i]
		switch {
		case m.info >= 0:
			t.block.Infos[m.info].Texts[r.place] = t.fastInfo(r, m.info, v)
			continue
		case m.number < 0:
			t.other(p, r, m.column, v, at)
			continue
		}
		n, ok := number(v)
		if !ok {
			continue
		}
		if m.count > 0 {
			t.width(r, m.count, v.Type == protocol.Counter32)
		}
		t.block.Values[r.place*len(t.numbers)+m.number] = n * m.scale
	}
}

// first gives a row its place in the block.
func (t *table) first(r *row, at time.Time) {
	r.seen = t.number
	clear(r.values)
	r.place = len(t.block.Rows)
	t.block.Rows = append(t.block.Rows, base.BlockRow{Time: at.UnixMilli()})
	for range t.numbers {
		t.block.Values = append(t.block.Values, base.Missing())
	}
	for i := range t.block.Infos {
		t.block.Infos[i].Texts = append(t.block.Infos[i].Texts, "")
	}
}

// other takes raw metrics that are neither a plain number nor a text.
func (t *table) other(p *poll, r *row, col int, v protocol.Value, at time.Time) {
	def := &t.def.Columns[col]
	if offset, ok := clockOffset(v, at); ok {
		p.sample(t.labelsOf(r).Named(def.Metric), offset, at)
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
	t.first(r, p.walkAt)
	if p.slow {
		fault, err := t.scalarTexts(ctx, p, r)
		if faults = append(faults, fault); err != nil {
			return faults, err
		}
	}
	var oids []protocol.OID
	var asked []int
	for k := range t.fast {
		if p.slow || t.state[k] != notThere {
			oids, asked = append(oids, t.fastOIDs[k]), append(asked, k)
		}
	}
	got := make([]bool, len(t.fast))
	missed, lost := p.session.Get(ctx, oids, func(i int, v protocol.Value) {
		got[asked[i]] = true
		t.block.Rows[r.place].Time = p.session.At().UnixMilli()
		t.take(p, r, asked[i], v, p.session.At())
	})
	if lost != nil {
		return faults, lost
	}
	return append(faults, t.gone(asked, got, faultOf(missed))...), nil
}

// scalarTexts reads the cells and slow values of scalars.
func (t *table) scalarTexts(ctx context.Context, p *poll, r *row) (fault, lost error) {
	texts := make([]string, len(r.static))
	oids := make([]protocol.OID, len(t.static))
	for i := range t.static {
		oids[i] = t.static[i].oid
	}
	missed, lost := p.session.Get(ctx, oids, func(i int, v protocol.Value) { texts[i] = t.static[i].text(v) })
	if lost != nil {
		return nil, lost
	}
	for _, f := range missed { // what cannot be read now stays
		for i := range oids {
			if oids[i] == f.OID {
				texts[i] = r.static[i]
			}
		}
	}
	if lost = t.keyed(ctx, p, texts); lost != nil {
		return nil, lost
	}
	if !slices.Equal(texts, r.static) {
		r.static, r.derived = texts, nil
		t.version++
	}
	return faultOf(missed), nil
}

// keyed reads the cells outside tables of which the instance is told by another
// cell.
func (t *table) keyed(ctx context.Context, p *poll, texts []string) error {
	if len(t.foreign) == 0 {
		return nil
	}
	get := t.get(&row{static: texts})
	var oids []protocol.OID
	var at []int
	for i, f := range t.foreign {
		oid, err := protocol.ParseOID(f.cell.OID + "." + f.cell.Key.Expand(get))
		if err == nil {
			oids, at = append(oids, oid), append(at, i)
		}
	}
	_, err := p.session.Get(ctx, oids, func(k int, v protocol.Value) {
		f := t.foreign[at[k]]
		texts[len(t.static)+at[k]] = f.cell.Text(text(v, f.cell.Format))
	})
	return err
}

// gone notes which scalars are there and tells which of them vanished.
func (t *table) gone(asked []int, got []bool, fault error) []error {
	var gone []string
	for _, k := range asked {
		switch {
		case got[k]:
			t.state[k] = there
		case t.state[k] == there && fault == nil:
			gone = append(gone, t.nameOf(k))
		case t.state[k] != there:
			t.state[k] = notThere
		}
	}
	faults := []error{fault}
	if len(gone) > 0 {
		sort.Strings(gone)
		faults = append(faults, errors.New("no longer there: "+strings.Join(gone, ", ")))
	}
	return faults
}
