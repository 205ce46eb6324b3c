package wire

import (
	"encoding/binary"
	"math"
	"slices"

	"google.golang.org/protobuf/encoding/protowire"

	"github.com/faultline/faultline/plugins/base"
)

// rowGroups are the rows of many blocks, those with the same labels together,
// so that each series stands once in a request.
type rowGroups struct {
	at   map[string]int // number of a row's first entry, by the encoded labels
	rows []blockRow
	last []int // by number of a group's first entry: its last entry
}

// blockRow is one row of one block, and the next of the same labels.
type blockRow struct {
	block *base.Block
	row   int
	names []columnName // of the numbers, then of the infos
	refs  []byte       // label references, without the metric's name
	ends  []int        // where each label's references end in refs
	name  int          // position in refs where the name belongs
	first bool         // of its group
	next  int          // entry of the same labels, or -1
}

// labels are the row's own.
func (r *blockRow) labels() base.Labels { return r.block.Rows[r.row].Labels }

// time is of the row's samples.
func (r *blockRow) time() int64 { return r.block.Rows[r.row].Time }

// value is that of a column of numbers.
func (r *blockRow) value(c int) float64 { return r.block.Values[r.row*len(r.block.Names)+c] }

// columnName is a metric's name in a request.
type columnName struct {
	symbol uint64
	typ    MetricType
}

// columnNames numbers a block's metric names.
func (e *WriteEncoder) columnNames(b *base.Block, typeOf func(string) MetricType) []columnName {
	names := make([]columnName, 0, len(b.Names)+len(b.Infos))
	add := func(name string) {
		c := columnName{symbol: uint64(e.symbol(name))}
		if typeOf != nil {
			c.typ = typeOf(name)
		}
		names = append(names, c)
	}
	for _, n := range b.Names {
		add(n)
	}
	for i := range b.Infos {
		add(b.Infos[i].Name)
	}
	return names
}

// blocks encodes blocks; the rows' labels are encoded once for all columns.
func (e *WriteEncoder) blocks(blocks []*base.Block, typeOf func(string) MetricType, body *WriteBody) {
	g := &e.group
	if g.at == nil {
		g.at = map[string]int{}
	}
	clear(g.at)
	clear(g.rows)
	g.rows, g.last = g.rows[:0], g.last[:0]
	e.refs, e.ends = e.refs[:0], e.ends[:0]
	for _, b := range blocks {
		names := e.columnNames(b, typeOf)
		for r := range b.Rows {
			e.addRow(b, r, names)
		}
	}
	metric := uint64(e.symbol(base.MetricName))
	for i := range g.rows {
		if g.rows[i].first {
			e.rowSeries(i, metric, body)
		}
	}
}

// addRow encodes a row's labels and finds the rows of the same.
func (e *WriteEncoder) addRow(b *base.Block, r int, names []columnName) {
	g := &e.group
	row := blockRow{block: b, row: r, names: names, name: -1, first: true, next: -1}
	from, ends := len(e.refs), len(e.ends)
	var before *blockRow // most labels are those of the row before
	if r > 0 {
		before = &g.rows[len(g.rows)-1]
	}
	for i, l := range b.Rows[r].Labels {
		if row.name < 0 && l.Name > base.MetricName {
			row.name = len(e.refs) - from
		}
		if before != nil && i < len(before.ends) && before.labels()[i] == l {
			start := 0
			if i > 0 {
				start = before.ends[i-1]
			}
			e.refs = append(e.refs, before.refs[start:before.ends[i]]...)
		} else {
			e.refs = protowire.AppendVarint(e.refs, uint64(e.symbol(l.Name)))
			e.refs = protowire.AppendVarint(e.refs, uint64(e.symbol(l.Value)))
		}
		e.ends = append(e.ends, len(e.refs)-from)
	}
	row.refs, row.ends = e.refs[from:len(e.refs):len(e.refs)], e.ends[ends:len(e.ends):len(e.ends)]
	if row.name < 0 {
		row.name = len(row.refs)
	}
	n := len(g.rows)
	if first, ok := g.at[string(row.refs)]; ok {
		row.first = false
		g.rows[g.last[first]].next = n
		g.last[first] = n
	} else {
		g.at[string(row.refs)] = n
	}
	g.rows = append(g.rows, row)
	g.last = append(g.last, n)
}

// rowSeries encodes the series of one group of rows.
func (e *WriteEncoder) rowSeries(at int, metric uint64, body *WriteBody) {
	row := &e.group.rows[at]
	if row.next < 0 {
		e.singleRow(row, metric, body)
		return
	}
	for c, name := range row.block.Names {
		e.sub = e.sub[:0]
		if kept := e.cells(at, c, name); kept > 0 {
			e.series(row.refs, row.name, metric, row.names[c])
			body.Series++
			body.Samples += kept
		}
	}
	e.otherNames(at, metric, body)
	e.groupInfos(at, metric, body)
}

// singleRow encodes the series of a row that stands alone, each with one sample.
// They differ in the metric's name and the value; what they share is made once.
func (e *WriteEncoder) singleRow(row *blockRow, metric uint64, body *WriteBody) {
	e.sub = e.sub[:0]
	e.cell(0, row.time())
	sample, msg := e.sub, e.msg // local: this is the hottest loop of sending
	before, after := row.refs[:row.name], row.refs[row.name:]
	fixed := len(row.refs) + protowire.SizeVarint(metric)
	for c, name := range row.names[:len(row.block.Names)] {
		v := row.value(c)
		if base.IsMissing(v) {
			continue
		}
		binary.LittleEndian.PutUint64(sample[cellValue:], math.Float64bits(v))
		refs := fixed + protowire.SizeVarint(name.symbol)
		size := 1 + protowire.SizeVarint(uint64(refs)) + refs + len(sample)
		if name.typ != TypeUnknown {
			size += metadataSize
		}
		msg = binary.AppendUvarint(append(msg, tagSeries), uint64(size))
		msg = binary.AppendUvarint(append(msg, tagRefs), uint64(refs))
		msg = append(msg, before...)
		msg = binary.AppendUvarint(binary.AppendUvarint(msg, metric), name.symbol)
		msg = append(msg, after...)
		msg = append(msg, sample...)
		if name.typ != TypeUnknown {
			msg = append(msg, tagMetadata, 2, tagType, byte(name.typ))
		}
		body.Series++
		body.Samples++
	}
	e.msg = msg
	for i := range row.block.Infos {
		if row.block.Infos[i].Texts[row.row] != "" {
			binary.LittleEndian.PutUint64(e.sub[cellValue:], math.Float64bits(1))
			e.infoSeries(row, i, metric)
			body.Series++
			body.Samples++
		}
	}
}

// Tags of fields in a request of remote write 2.0, and what they take.
const (
	tagSeries    = 5<<3 | 2 // Request.timeseries
	tagRefs      = 1<<3 | 2 // TimeSeries.labels_refs
	tagSamples   = 2<<3 | 2 // TimeSeries.samples
	tagMetadata  = 5<<3 | 2 // TimeSeries.metadata
	tagType      = 1 << 3   // Metadata.type
	tagValue     = 1<<3 | 1 // Sample.value
	tagTime      = 2 << 3   // Sample.timestamp
	metadataSize = 4        // of metadata with a type
	cellValue    = 3        // where the value stands in what cell appends
)

// cells encodes the samples of one column of a group of rows, by time; of two at
// the same time the later remains.
func (e *WriteEncoder) cells(at, c int, name string) int {
	type cell struct {
		time  int64
		value float64
	}
	var found []cell
	for i := at; i >= 0; i = e.group.rows[i].next {
		r := &e.group.rows[i]
		k := c
		if k >= len(r.block.Names) || r.block.Names[k] != name {
			k = slices.Index(r.block.Names, name)
		}
		if k < 0 {
			continue
		}
		if v := r.value(k); !base.IsMissing(v) {
			found = append(found, cell{r.time(), v})
		}
	}
	slices.SortStableFunc(found, func(a, b cell) int {
		switch {
		case a.time < b.time:
			return -1
		case a.time > b.time:
			return 1
		}
		return 0
	})
	kept := 0
	for i, f := range found {
		if i+1 < len(found) && found[i+1].time == f.time {
			continue
		}
		e.cell(f.value, f.time)
		kept++
	}
	return kept
}

// otherNames encodes what later rows of a group have and the first has not: the
// device showed other columns, or another table has rows of the same labels.
func (e *WriteEncoder) otherNames(at int, metric uint64, body *WriteBody) {
	done := map[string]bool{}
	for _, n := range e.group.rows[at].block.Names {
		done[n] = true
	}
	for i := e.group.rows[at].next; i >= 0; i = e.group.rows[i].next {
		for c, name := range e.group.rows[i].block.Names {
			if done[name] {
				continue
			}
			done[name] = true
			e.sub = e.sub[:0]
			if kept := e.cells(i, c, name); kept > 0 {
				first := &e.group.rows[at]
				e.series(first.refs, first.name, metric, e.group.rows[i].names[c])
				body.Series++
				body.Samples += kept
			}
		}
	}
}

// cell appends one sample to the series under way.
func (e *WriteEncoder) cell(v float64, at int64) {
	sub := append(e.sub, tagSamples, byte(1+8+1+protowire.SizeVarint(uint64(at))), tagValue)
	sub = binary.LittleEndian.AppendUint64(sub, math.Float64bits(v))
	e.sub = binary.AppendUvarint(append(sub, tagTime), uint64(at))
}

// series appends the series of which e.sub holds the samples to the message. labels
// are references, and at is where the metric's name belongs among them.
func (e *WriteEncoder) series(labels []byte, at int, metric uint64, name columnName) {
	refs := len(labels) + protowire.SizeVarint(metric) + protowire.SizeVarint(name.symbol)
	size := 1 + protowire.SizeBytes(refs) + len(e.sub)
	if name.typ != TypeUnknown {
		size += metadataSize
	}
	msg := binary.AppendUvarint(append(e.msg, tagSeries), uint64(size))
	msg = binary.AppendUvarint(append(msg, tagRefs), uint64(refs))
	msg = append(msg, labels[:at]...)
	msg = binary.AppendUvarint(binary.AppendUvarint(msg, metric), name.symbol)
	msg = append(msg, labels[at:]...)
	msg = append(msg, e.sub...)
	if name.typ != TypeUnknown {
		msg = append(msg, tagMetadata, 2, tagType, byte(name.typ))
	}
	e.msg = msg
}
