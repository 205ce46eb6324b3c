package snmp

import (
	"slices"
	"strconv"

	protocol "github.com/faultline/faultline/agent/snmp"
	"github.com/faultline/faultline/internal/profile"
	"github.com/faultline/faultline/plugins/base"
)

// emit hands over the block of the poll under way.
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
	t.slowInfos(rows)
	b := t.block
	t.block = base.Block{}
	if b = withoutEmpty(b); len(b.Names)+len(b.Infos) > 0 {
		p.given += b.Len()
		p.sink.Block(b)
	}
}

// begin makes an empty block with room for the rows expected.
func (t *table) begin() {
	n := t.expected
	t.block = base.Block{Names: t.numbers, Rows: make([]base.BlockRow, 0, n), Values: make([]float64, 0, n*len(t.numbers)), Infos: make([]base.BlockInfo, len(t.infos))}
	for i, column := range t.infos {
		def := &t.def.Columns[column]
		t.block.Infos[i] = base.BlockInfo{Name: def.Metric, Label: def.InfoLabel(), Texts: make([]string, 0, n)}
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

// slowInfos repeats the slow columns that are texts.
func (t *table) slowInfos(rows []*row) {
	for i := range t.static {
		s := &t.static[i]
		if s.info < 0 {
			continue
		}
		def, texts := &t.def.Columns[s.column], t.block.Infos[s.info].Texts
		for at, r := range rows {
			if r != nil {
				texts[at] = infoName(def, r.static[i])
			}
		}
	}
}

// fastInfo is what an info shows for a value just read.
func (t *table) fastInfo(r *row, info int, v protocol.Value) string {
	if r.infos == nil {
		r.infos = make([]infoText, len(t.infos))
	}
	s := &r.infos[info]
	if s.kind != v.Type || s.raw != string(v.Raw) {
		def := &t.def.Columns[t.infos[info]]
		s.kind, s.raw, s.text = v.Type, string(v.Raw), infoName(def, text(v, def.Format))
		if s.text == s.raw {
			s.raw = s.text // once in memory
		}
	}
	return s.text
}

// infoName is an info's label value: the enumerated name, or the text itself.
func infoName(def *profile.Value, text string) string {
	if name, ok := def.Enum[text]; ok {
		return name
	}
	return text
}

// withoutEmpty drops the columns of which no row has a value.
func withoutEmpty(b base.Block) base.Block {
	b.Infos = slices.DeleteFunc(b.Infos, func(info base.BlockInfo) bool {
		return !slices.ContainsFunc(info.Texts, func(text string) bool { return text != "" })
	})
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
	out := base.Block{Rows: b.Rows, Infos: b.Infos, Values: make([]float64, 0, len(b.Rows)*len(used))}
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
