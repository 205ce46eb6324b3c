package base

import (
	"iter"
	"math"
)

// Block is the samples of one reading of a table, in the shape of the table:
// the series of a cell has its row's labels and its column's metric name. It
// stands for up to len(Rows)*(len(Names)+len(Infos)) samples and costs little
// more than their values.
type Block struct {
	Names  []string // metric names of the columns of numbers
	Rows   []BlockRow
	Values []float64 // row by row, len(Rows)*len(Names); Missing where a cell has none
	Infos  []BlockInfo
}

// BlockInfo is a column of texts: its series have the value 1 and the text in a
// label. Metric names are unique among all columns of a block.
type BlockInfo struct {
	Name  string   // of the metric
	Label string   // that carries the text, in place of the row's label of that name
	Texts []string // one per row; empty where a cell has none
}

// BlockRow is one row of a Block.
type BlockRow struct {
	Labels Labels // sorted, without MetricName; two rows of a block differ in them
	Time   int64  // of the row's samples, milliseconds since the Unix epoch
}

// missing is the bit pattern of a cell without a value: a NaN that no
// measurement and no staleness marker has.
const missing = 0x7ffb_0000_0000_0000

// Missing is the value of a cell that has none.
func Missing() float64 { return math.Float64frombits(missing) }

// IsMissing tells whether a cell has no value.
func IsMissing(v float64) bool { return math.Float64bits(v) == missing }

// Len is how many samples the block stands for.
func (b *Block) Len() int {
	n := 0
	for _, v := range b.Values {
		if !IsMissing(v) {
			n++
		}
	}
	for i := range b.Infos {
		for _, text := range b.Infos[i].Texts {
			if text != "" {
				n++
			}
		}
	}
	return n
}

// Whole tells whether the block's parts fit each other, and there is a column.
func (b *Block) Whole() bool {
	for i := range b.Infos {
		if len(b.Infos[i].Texts) != len(b.Rows) {
			return false
		}
	}
	return len(b.Values) == len(b.Rows)*len(b.Names) && len(b.Names)+len(b.Infos) > 0
}

// Samples yields the block's samples, each with labels of its own.
func (b *Block) Samples() iter.Seq[Sample] {
	return func(yield func(Sample) bool) {
		for r := range b.Rows {
			for c, name := range b.Names {
				v := b.Values[r*len(b.Names)+c]
				if IsMissing(v) {
					continue
				}
				if !yield(Sample{Labels: b.Rows[r].Labels.Named(name), Time: b.Rows[r].Time, Value: v}) {
					return
				}
			}
			for i := range b.Infos {
				info := &b.Infos[i]
				if info.Texts[r] == "" {
					continue
				}
				ls := b.Rows[r].Labels.With(info.Label, info.Texts[r]).Named(info.Name)
				if !yield(Sample{Labels: ls, Time: b.Rows[r].Time, Value: 1}) {
					return
				}
			}
		}
	}
}

// With returns the labels with one set.
func (ls Labels) With(name, value string) Labels {
	at := ls.position(name)
	out := make(Labels, 0, len(ls)+1)
	out = append(out, ls[:at]...)
	out = append(out, Label{name, value})
	if at < len(ls) && ls[at].Name == name {
		at++
	}
	return append(out, ls[at:]...)
}

// Named returns the labels with a metric's name.
func (ls Labels) Named(name string) Labels { return ls.With(MetricName, name) }

// position is where a name stands, or belongs, among sorted labels.
func (ls Labels) position(name string) int {
	for i := range ls {
		if ls[i].Name >= name {
			return i
		}
	}
	return len(ls)
}

// Batch is samples that belong together: loose ones, and blocks.
type Batch struct {
	Samples []Sample
	Blocks  []Block
}

// Len is how many samples the batch has.
func (b *Batch) Len() int {
	n := len(b.Samples)
	for i := range b.Blocks {
		n += b.Blocks[i].Len()
	}
	return n
}

// All returns every sample by itself.
func (b *Batch) All() []Sample {
	if len(b.Blocks) == 0 {
		return b.Samples
	}
	all := make([]Sample, 0, b.Len())
	all = append(all, b.Samples...)
	for i := range b.Blocks {
		for s := range b.Blocks[i].Samples() {
			all = append(all, s)
		}
	}
	return all
}
