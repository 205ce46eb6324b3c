package snmp

import (
	"slices"
	"strconv"

	"github.com/faultline/faultline/internal/profile"
	"github.com/faultline/faultline/plugins/base"
)

// emit hands over the block of the poll under way, and the infos of the rows in
// it.
func (t *table) emit(p *poll) {
	if len(t.block.Rows) == 0 {
		return
	}
	rows := make([]*row, len(t.block.Rows))
	for _, r := range t.rows {
		if r.seen == t.number {
			rows[r.place] = r
			t.block.Rows[r.place].Labels = t.labelsOf(r)
			t.count(p, r)
		}
	}
	t.slowNumbers(rows)
	t.infos(p, rows)
	b := t.block
	t.block = base.Block{}
	if b = withoutEmpty(b); len(b.Names) > 0 {
		p.given += b.Len()
		p.sink.Block(b)
	}
}

// slowNumbers repeats the slow columns that are numbers.
func (t *table) slowNumbers(rows []*row) {
	for i := range t.static {
		s := &t.static[i]
		if s.number < 0 {
			continue
		}
		scale := t.def.Columns[s.column].Scale
		if scale == 0 {
			scale = 1
		}
		for at, r := range rows {
			if r == nil || r.static[i] == "" {
				continue
			}
			if f, err := strconv.ParseFloat(r.static[i], 64); err == nil {
				t.block.Values[at*len(t.numbers)+s.number] = f * scale
			}
		}
	}
}

// infos hands over the slow columns that are texts, a block for each.
func (t *table) infos(p *poll, rows []*row) {
	for i := range t.static {
		s := &t.static[i]
		if s.cell != nil || t.def.Columns[s.column].Type != profile.Info {
			continue
		}
		def := &t.def.Columns[s.column]
		b := base.Block{Names: []string{def.Metric}}
		for at, r := range rows {
			if r != nil && r.static[i] != "" {
				b.Rows = append(b.Rows, base.BlockRow{Labels: t.infoLabels(r, s.column, infoText(def, r.static[i])), Time: t.block.Rows[at].Time})
				b.Values = append(b.Values, 1)
			}
		}
		if len(b.Rows) > 0 {
			p.given += len(b.Rows)
			p.sink.Block(b)
		}
	}
}

// infoLabels are the labels of an info's series, without its name.
func (t *table) infoLabels(r *row, col int, text string) base.Labels {
	if r.infos == nil {
		r.infos = make([]infoSeries, len(t.def.Columns))
	}
	s := &r.infos[col]
	if s.labels == nil || s.text != text {
		s.text = text
		name := t.def.Columns[col].InfoLabel()
		s.labels = slices.DeleteFunc(slices.Clone(t.labelsOf(r)), func(l base.Label) bool { return l.Name == name })
		if text != "" {
			s.labels = append(s.labels, base.Label{Name: name, Value: text})
		}
		s.labels.Sort()
	}
	return s.labels
}

// withoutEmpty drops the columns of which no row has a value.
func withoutEmpty(b base.Block) base.Block {
	n := len(b.Names)
	var used []int
	for c := range n {
		for r := range b.Rows {
			if !base.IsMissing(b.Values[r*n+c]) {
				used = append(used, c)
				break
			}
		}
	}
	if len(used) == n {
		return b
	}
	out := base.Block{Rows: b.Rows, Values: make([]float64, 0, len(b.Rows)*len(used))}
	for _, c := range used {
		out.Names = append(out.Names, b.Names[c])
	}
	for r := range b.Rows {
		for _, c := range used {
			out.Values = append(out.Values, b.Values[r*n+c])
		}
	}
	return out
}
