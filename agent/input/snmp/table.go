package snmp

import (
	"maps"
	"slices"

	"github.com/faultline/faultline/internal/profile"
	"github.com/faultline/faultline/plugins/base"
)

// table is one table of a device, or the scalars of one profile (one row): what
// was learned about reading it, and its rows with their names and the labels of
// their series, which are made once.
type table struct {
	def        *profile.Table
	outer      *table // of the same profile's scalars; nil in that itself
	tuning     tuning // of the columns read at every poll
	slowTuning tuning // of those read seldom

	static   []staticColumn
	staticAt map[string]int // position in static by name of label or cell
	foreign  []foreignCell  // cells from other tables' columns, after static in a row's texts
	labels   []string       // names of labels, sorted
	index    []string       // names of the index components
	fast     []fastColumn
	fastAt   map[string]int // position in fast by OID

	rows     map[string]*row
	number   uint64 // of the poll under way
	expected int    // rows there were
	version  int    // grows when the texts of a row of scalars change
	polled   bool   // read in the poll under way
	ok       bool   // the last reading was whole
}

// staticColumn is read seldom: a label, a cell, or a column marked slow.
type staticColumn struct {
	oid    string
	format string
	cell   *profile.Cell // nil: a slow column
	column int           // position in def.Columns, or -1
}

// foreignCell is a cell of which the instance has another index than the row.
type foreignCell struct {
	name string
	cell *profile.Cell
}

// fastColumn is read at every poll.
type fastColumn struct {
	oid     string
	metrics []int // positions in def.Columns
	kept    bool  // sensors or pools need the value after the walk
	state   int   // of a scalar: notAsked, there, notThere
}

// Whether a scalar exists, as far as known.
const (
	notAsked = iota
	there
	notThere
)

// row is one row of a table.
type row struct {
	index  string
	static []string // texts of static and foreign cells
	seen   uint64   // number of the last poll that saw it
	named  bool     // its labels were read

	values []value // by position in table.fast; nil where none is kept
	at     int64   // when the last value was read, ms

	parts    []base.Label // of the index and the labels; nil: to be made
	series   []base.Labels
	texts    []string // of infos: the text that the series was made for
	derived  *derived
	outerWas int // version of the outer table for which derived was made
}

// value is a raw value as it was read last.
type value struct {
	kind   uint8  // 0 none, else as below
	number uint64 // integers exactly, else the bits of a float
	text   string
}

// Kinds of a value.
const (
	kindSigned = iota + 1
	kindUnsigned
	kindFloat
	kindText
)

func newTable(def *profile.Table, all bool) *table {
	t := &table{def: def, staticAt: map[string]int{}, fastAt: map[string]int{}, rows: map[string]*row{}}
	t.index = def.IndexNames()
	t.labels = slices.Sorted(maps.Keys(def.Labels))
	for _, cells := range []map[string]*profile.Cell{def.Labels, def.Cells} {
		for _, name := range slices.Sorted(maps.Keys(cells)) {
			if c := cells[name]; c.Key == nil {
				t.staticAt[name] = len(t.static)
				t.static = append(t.static, staticColumn{c.OID, c.Format, c, -1})
			} else {
				t.foreign = append(t.foreign, foreignCell{name, c})
			}
		}
	}
	for i, c := range def.Columns {
		if c.Slow {
			t.static = append(t.static, staticColumn{c.OID, c.Format, nil, i})
		} else {
			k := t.column(c.OID, all)
			t.fast[k].metrics = append(t.fast[k].metrics, i)
		}
	}
	for i, f := range t.foreign {
		t.staticAt[f.name] = len(t.static) + i
	}
	t.needs()
	return t
}

// needs notes the columns that sensors, processors and pools are made of.
func (t *table) needs() {
	for _, sensors := range [][]profile.Sensor{t.def.Sensors, t.def.Processors} {
		for i := range sensors {
			t.column(sensors[i].OID, true)
			if sensors[i].State != nil {
				t.column(sensors[i].State.OID, true)
			}
		}
	}
	for _, pools := range [][]profile.Pool{t.def.Memory, t.def.Storage} {
		for i := range pools {
			for _, r := range pools[i].Refs() {
				if r.OID != "" {
					t.column(r.OID, true)
				}
			}
		}
	}
}

// column returns the position of a column read at every poll.
func (t *table) column(oid string, kept bool) int {
	k, ok := t.fastAt[oid]
	if !ok {
		k = len(t.fast)
		t.fastAt[oid] = k
		t.fast = append(t.fast, fastColumn{oid: oid})
	}
	t.fast[k].kept = t.fast[k].kept || kept
	return k
}

func (t *table) newRow(index string) *row {
	r := &row{index: index, static: make([]string, len(t.static)+len(t.foreign))}
	for k := range t.fast {
		if t.fast[k].kept {
			r.values = make([]value, len(t.fast))
			break
		}
	}
	n := len(t.def.Columns)
	r.series, r.texts = make([]base.Labels, n), make([]string, n)
	return r
}

// get returns what a row calls a name: a cell, a label, a part of the index or
// a cell of the profile's scalars.
func (t *table) get(r *row) profile.Get {
	return func(name string) string {
		if i, ok := t.staticAt[name]; ok {
			return r.static[i]
		}
		if part, ok := profile.IndexPart(r.index, name); ok {
			return part
		}
		if i := slices.Index(t.index, name); i >= 0 {
			return t.def.IndexPart(r.index, i)
		}
		if t.outer != nil && t.outer.rows[""] != nil {
			return t.outer.get(t.outer.rows[""])(name)
		}
		return ""
	}
}

// metricLabels are the labels of a raw metric's series.
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
		for i, name := range t.index {
			r.parts = append(r.parts, base.Label{Name: name, Value: t.def.IndexPart(r.index, i)})
		}
		for _, name := range t.labels {
			if text := r.static[t.staticAt[name]]; text != "" {
				r.parts = append(r.parts, base.Label{Name: name, Value: text})
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
