package snmp

import (
	"maps"
	"slices"
	"time"

	protocol "github.com/faultline/faultline/agent/snmp"
	"github.com/faultline/faultline/internal/profile"
	"github.com/faultline/faultline/plugins/base"
)

// layout is how one table of a profile is read; devices share it.
type layout struct {
	def      *profile.Table
	static   []staticColumn
	staticAt map[string]int // position in static by name of label or cell
	foreign  []foreignCell  // cells from other tables' columns, after static in a row's texts
	labels   []string       // names of labels, sorted
	index    []string       // names of the index components
	fast     []fastColumn
	fastOIDs []protocol.OID
	fastAt   map[string]int // position in fast by OID
	numbers  []string       // metric names of the block's columns of numbers
	infos    []int          // positions in def.Columns of the block's infos
	counters int            // how many of the numbers count up in 32 bits at times

	discontinuity, highSpeed, speed int // positions in numbers of metrics that tell about counters, or -1
}

// table is one table of a device, or the scalars of one profile (one row): what
// was learned about reading it, and its rows with their names and the labels of
// their series, which are made once.
type table struct {
	*layout
	outer   *table // of the same profile's scalars; nil in that itself
	learned *tableMemory

	rows     map[string]*row // by encoded index
	number   uint64          // of the poll under way
	expected int             // rows there were
	version  int             // grows when the texts of a row change
	slowAt   time.Time       // when names are to be read again
	labelled bool            // all labels could be read then
	namedAt  uint64          // number of the last poll that read names
	namedIn  uint32          // restarts of the device before that
	empty    bool            // the device said that there are no rows
	wait     time.Duration   // until it is asked for them again
	polled   bool            // read in the poll under way
	ok       bool            // the last reading was whole
	block    base.Block      // of the poll under way
	guess    []*row          // by position in fast: the row that likely comes next
	last     []*row          // by position in fast: the row that came last
	slots    []int           // by fastMetric.count: where a row keeps that counter, from 1; 0: none has come in 32 bits
	used     int             // how many slots are taken
	state    []uint8         // of scalars, by position in fast: notAsked, there, notThere

	neighbours   []base.Labels // as read last
	neighboursAt time.Time
}

// staticColumn is read seldom: a label, a cell, or a column marked slow.
type staticColumn struct {
	oid    protocol.OID
	format string
	cell   *profile.Cell // nil: a slow column
	column int           // position in def.Columns, or -1
	number int           // position in numbers, or -1
	info   int           // position in infos, or -1
}

// foreignCell is a cell of which the instance has another index than the row.
type foreignCell struct {
	name string
	cell *profile.Cell
}

// fastColumn is read at every poll.
type fastColumn struct {
	oid     string
	metrics []fastMetric
	kept    bool // sensors or pools need the value after the walk
}

// fastMetric is a raw metric of a column.
type fastMetric struct {
	column int // position in def.Columns
	number int // position in numbers; -1: no plain number
	info   int // position in infos; -1: none
	count  int // from 1: position in a table's slots; 0: it is no counter
	scale  float64
}

// Whether a scalar exists, as far as known.
const (
	notAsked = iota
	there
	notThere
)

// row is one row of a table.
type row struct {
	key     string   // encoded index
	index   string   // dotted
	shown   string   // what the series show in place of index; "": index
	static  []string // texts of static and foreign cells
	seen    uint64   // number of the last poll that saw it
	byName  bool     // found by its labels, not by a value
	named   uint64   // number of the last poll that read its names
	moved   bool     // its counters came with it from another number
	resumed bool     // its counters were looked for among those kept
	next    *row     // that came after it last time
	place   int      // in the block of the poll under way

	values   []value   // by position in table.fast; nil where none is kept
	counters []counter // by the table's slots
	counts   epoch     // since when the counters count on
	at       int64     // when the last value was read, ms

	labels   base.Labels // of the index and the labels
	infos    []infoText  // by position in table.infos; nil where none is read at every poll
	derived  *derived
	outerWas int // version of the outer table for which derived was made
}

// infoText is what an info shows for a value, so that it is worked out once.
type infoText struct {
	kind      byte   // BER tag of the value; 0: there was none
	raw, text string // content of the value, and what is shown
}

func newTable(l *layout) *table {
	return &table{layout: l, rows: map[string]*row{}, guess: make([]*row, len(l.fast)), last: make([]*row, len(l.fast)),
		state: make([]uint8, len(l.fast)), slots: make([]int, l.counters)}
}

// newLayout works out how a table is read; all keeps every value.
func newLayout(def *profile.Table, all bool) *layout {
	t := &layout{def: def, staticAt: map[string]int{}, fastAt: map[string]int{}}
	t.index = def.IndexNames()
	t.labels = slices.Sorted(maps.Keys(def.Labels))
	for _, cells := range []map[string]*profile.Cell{def.Labels, def.Cells} {
		for _, name := range slices.Sorted(maps.Keys(cells)) {
			if c := cells[name]; c.Key == nil {
				t.staticAt[name] = len(t.static)
				t.static = append(t.static, staticColumn{protocol.MustParseOID(c.OID), c.Format, c, -1, -1, -1})
			} else {
				t.foreign = append(t.foreign, foreignCell{name, c})
			}
		}
	}
	for i := range def.Columns {
		t.metric(i, all)
	}
	for i, f := range t.foreign {
		t.staticAt[f.name] = len(t.static) + i
	}
	t.needs()
	t.discontinuity, t.highSpeed, t.speed = slices.Index(t.numbers, metricDiscontinuity), slices.Index(t.numbers, metricHighSpeed), slices.Index(t.numbers, metricSpeed)
	for k := range t.fast {
		t.fastOIDs = append(t.fastOIDs, protocol.MustParseOID(t.fast[k].oid))
	}
	return t
}

// metric adds one raw metric.
func (t *layout) metric(i int, all bool) {
	c := &t.def.Columns[i]
	number, info := -1, -1
	switch c.Type {
	case profile.Gauge, profile.Counter:
		number = len(t.numbers)
		t.numbers = append(t.numbers, c.Metric)
	case profile.Info:
		info = len(t.infos)
		t.infos = append(t.infos, i)
	}
	if c.Slow {
		t.static = append(t.static, staticColumn{protocol.MustParseOID(c.OID), c.Format, nil, i, number, info})
		return
	}
	m := fastMetric{column: i, number: number, info: info, scale: 1}
	if c.Scale != 0 {
		m.scale = c.Scale
	}
	if c.Type == profile.Counter {
		t.counters++
		m.count = t.counters
	}
	k := t.column(c.OID, all)
	t.fast[k].metrics = append(t.fast[k].metrics, m)
}

// needs notes the columns that sensors, processors and pools are made of.
func (t *layout) needs() {
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
func (t *layout) column(oid string, kept bool) int {
	k, ok := t.fastAt[oid]
	if !ok {
		k = len(t.fast)
		t.fastAt[oid] = k
		t.fast = append(t.fast, fastColumn{oid: oid})
	}
	t.fast[k].kept = t.fast[k].kept || kept
	return k
}

func (t *table) newRow(key string) *row {
	r := &row{key: key, index: string(protocol.AppendIndex(nil, key)), static: make([]string, len(t.static)+len(t.foreign))}
	if slices.ContainsFunc(t.fast, func(f fastColumn) bool { return f.kept }) {
		r.values = make([]value, len(t.fast))
	}
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

// labelsOf are the labels of all series of a row, without the metric's name.
func (t *table) labelsOf(r *row) base.Labels {
	if r.labels == nil {
		r.labels = make(base.Labels, 0, len(t.index)+len(t.labels))
		index := r.index
		if r.shown != "" {
			index = r.shown
		}
		for i, name := range t.index {
			if part := t.def.IndexPart(index, i); part != "" {
				r.labels = append(r.labels, base.Label{Name: name, Value: part})
			}
		}
		for _, name := range t.labels {
			if text := r.static[t.staticAt[name]]; text != "" {
				r.labels = append(r.labels, base.Label{Name: name, Value: text})
			}
		}
		r.labels.Sort()
	}
	return r.labels
}

// rowAt finds a row by its dotted index.
func (t *table) rowAt(index string) *row {
	for _, r := range t.rows {
		if r.index == index {
			return r
		}
	}
	return nil
}
