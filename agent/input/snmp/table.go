package snmp

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/gosnmp/gosnmp"

	"github.com/faultline/faultline/internal/profile"
	"github.com/faultline/faultline/plugins/base"
)

// table is one table of a device: what was learned about reading it, and its
// rows with their names and the labels of their series, which are made once.
type table struct {
	def        *profile.Table
	tuning     tuning // of the columns read at every poll
	slowTuning tuning // of those read seldom

	static   []staticColumn
	staticAt map[string]int // position in static by label or meta name
	labels   int            // of static, how many are labels
	fast     []int          // positions in def.Columns read at every poll
	statusOf []int          // by position in def.Columns: that of the sensor it is the state of, or -1

	rows     map[string]*row
	number   uint64 // of the poll under way
	expected int    // rows there were
	readAt   time.Time
	ok       bool // the last reading was whole
}

// staticColumn is read seldom: a label, meta, or a column marked slow.
type staticColumn struct {
	oid, format string
	column      int // position in def.Columns, or -1
}

// row is one row of a table.
type row struct {
	index  string
	static []string // by position in table.static
	seen   uint64   // number of the last poll that saw it
	named  bool     // its labels were read

	parts  []base.Label // of the index and the labels; nil: to be made
	series []base.Labels
	texts  []string // of infos: the text that the series was made for
	sensor []*rowSensor
}

func newTable(def *profile.Table) *table {
	t := &table{def: def, staticAt: map[string]int{}, rows: map[string]*row{}, labels: len(def.Labels), statusOf: make([]int, len(def.Columns))}
	for _, l := range slices.Concat(def.Labels, def.Meta) {
		t.staticAt[l.Name] = len(t.static)
		t.static = append(t.static, staticColumn{l.OID, l.Format, -1})
	}
	for i, c := range def.Columns {
		t.statusOf[i] = -1
		if c.Slow {
			t.static = append(t.static, staticColumn{c.OID, c.Format, i})
		} else {
			t.fast = append(t.fast, i)
		}
		if c.StatusOf != nil {
			t.statusOf[i] = slices.IndexFunc(def.Columns, func(o profile.Value) bool { return o.Metric == c.StatusOf.Column })
		}
	}
	return t
}

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
	t.readAt, t.ok = p.opts.Now(), false
	var unnamed []instance
	cols := make([]*column, len(t.fast))
	for k, i := range t.fast {
		cols[k] = &column{oid: t.def.Columns[i].OID}
	}
	expected := t.expected
	lost := p.read.walk(ctx, &t.tuning, cols, func(k int, index string, v gosnmp.SnmpPDU) {
		if r := t.rows[index]; r != nil && !p.slow {
			r.seen = t.number
			t.emit(p, r, t.fast[k], v, p.read.at)
			return
		}
		unnamed = append(unnamed, instance{t.fast[k], index, v, p.read.at})
	})
	faults := t.faults(cols, expected, lost)
	if len(unnamed) > 0 && lost == nil {
		var fault error
		if fault, lost = t.name(ctx, p, unnamed); fault != nil {
			faults = append(faults, fault)
		}
	}
	for _, in := range unnamed {
		if r := t.rows[in.index]; r != nil {
			r.seen = t.number
			t.emit(p, r, in.column, in.value, in.at)
		}
	}
	t.emitStatic(p)
	t.ok = len(faults) == 0 && lost == nil
	if len(faults) > 0 {
		p.faults = append(p.faults, fmt.Errorf("%s: %w", t.def.Name, joined(faults)))
	}
	if lost != nil {
		return fmt.Errorf("%s: %w", t.def.Name, lost)
	}
	return nil
}

// faults returns what went wrong in a walk; a table that lost all its rows
// counts, since an agent that cannot read it any more looks alike.
func (t *table) faults(cols []*column, expected int, lost error) []error {
	var faults []error
	rows := 0
	for k, c := range cols {
		rows = max(rows, c.rows)
		if c.fault != nil {
			faults = append(faults, fmt.Errorf("%s: %w", t.def.Columns[t.fast[k]].Metric, c.fault))
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

// name reads the static columns for the rows of the instances. Rows whose
// labels could not be read are left out: a wrong name is worse than none. The
// first error is about the columns, the second says that the device was lost.
func (t *table) name(ctx context.Context, p *poll, of []instance) (fault, lost error) {
	fresh := map[string]*row{}
	for _, in := range of {
		if fresh[in.index] == nil {
			fresh[in.index] = &row{index: in.index, static: make([]string, len(t.static))}
		}
	}
	cols := make([]*column, len(t.static))
	for i, s := range t.static {
		cols[i] = &column{oid: s.oid}
	}
	lost = p.read.walk(ctx, &t.slowTuning, cols, func(i int, index string, v gosnmp.SnmpPDU) {
		if r := fresh[index]; r != nil {
			r.static[i] = text(v, t.static[i].format)
		}
	})
	var faults []error
	for i, c := range cols {
		if c.fault != nil {
			faults = append(faults, fmt.Errorf("%s: %w", c.oid, c.fault))
		}
		for _, r := range fresh {
			r.named = lost == nil && (i == 0 || r.named) && (i >= t.labels || c.fault == nil || r.static[i] != "")
		}
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

// replace puts a row newly read in the place of the one known; an unchanged one
// keeps its labels.
func (t *table) replace(index string, r *row) {
	if old := t.rows[index]; old != nil && slices.Equal(old.static, r.static) {
		return
	}
	n := len(t.def.Columns)
	r.series, r.texts, r.sensor = make([]base.Labels, n), make([]string, n), make([]*rowSensor, n)
	t.rows[index] = r
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

// emit hands over one instance of a column: its metric, and its sensor or state.
func (t *table) emit(p *poll, r *row, col int, v gosnmp.SnmpPDU, at time.Time) {
	if absent(v) {
		return
	}
	def := &t.def.Columns[col]
	if def.Type == profile.Info {
		p.sample(t.infoLabels(r, col, infoText(def, v)), 1, at)
		return
	}
	raw, ok := number(v)
	if !ok {
		return
	}
	p.sample(t.metricLabels(r, col), scaled(raw, def.Scale), at)
	if def.Sensor != nil {
		s := t.sensorOf(p, r, col)
		if s.value != nil {
			p.sample(s.value, s.reading(raw), at)
		}
		if s.status != nil && def.Sensor.Status != nil {
			p.sample(s.status, statusValue(def.Sensor.Status, raw), at)
		}
	}
	if k := t.statusOf[col]; k >= 0 {
		if s := t.sensorOf(p, r, k); s.status != nil {
			p.sample(s.status, statusValue(def.StatusOf.Map, raw), at)
		}
	}
}

func (t *table) sensorOf(p *poll, r *row, col int) *rowSensor {
	if r.sensor[col] == nil {
		r.sensor[col] = p.rowSensor(t, r, col)
	}
	return r.sensor[col]
}

// emitStatic repeats the slow columns of every row seen in this poll.
func (t *table) emitStatic(p *poll) {
	for _, r := range t.rows {
		if r.seen != t.number {
			continue
		}
		for i := len(t.def.Labels) + len(t.def.Meta); i < len(t.static); i++ {
			col, value := t.static[i].column, r.static[i]
			def := &t.def.Columns[col]
			if value == "" {
				continue
			}
			if def.Type == profile.Info {
				if name, ok := def.Enum[value]; ok {
					value = name
				}
				p.sample(t.infoLabels(r, col, value), 1, t.readAt)
			} else if f, err := strconv.ParseFloat(value, 64); err == nil {
				p.sample(t.metricLabels(r, col), scaled(f, def.Scale), t.readAt)
			}
		}
	}
}

func (t *table) metricLabels(r *row, col int) base.Labels {
	if r.series[col] == nil {
		r.series[col] = t.make(r, base.Label{Name: base.MetricName, Value: t.def.Columns[col].Metric})
	}
	return r.series[col]
}

func (t *table) infoLabels(r *row, col int, text string) base.Labels {
	if r.series[col] == nil || r.texts[col] != text {
		def := &t.def.Columns[col]
		r.texts[col] = text
		r.series[col] = t.make(r, base.Label{Name: base.MetricName, Value: def.Metric}, base.Label{Name: def.InfoLabel(), Value: text})
	}
	return r.series[col]
}

// make joins the labels of a row with more; empty ones are left out.
func (t *table) make(r *row, more ...base.Label) base.Labels {
	if r.parts == nil {
		r.parts = indexLabels(t.def.Index, r.index)
		for i, l := range t.def.Labels {
			if r.static[i] != "" {
				r.parts = append(r.parts, base.Label{Name: l.Name, Value: r.static[i]})
			}
		}
	}
	ls := make(base.Labels, 0, len(r.parts)+len(more))
	ls = append(ls, r.parts...)
	for _, l := range more {
		if l.Value != "" {
			ls = append(ls, l)
		}
	}
	ls.Sort()
	return ls
}

// indexLabels splits an index into its components; the last takes the rest.
func indexLabels(names []string, index string) []base.Label {
	var ls []base.Label
	for i, name := range names {
		part := index
		if i < len(names)-1 {
			part, index, _ = strings.Cut(index, ".")
		}
		ls = append(ls, base.Label{Name: name, Value: part})
	}
	return ls
}
