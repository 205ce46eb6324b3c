package wire

import (
	"slices"

	"google.golang.org/protobuf/encoding/protowire"

	"github.com/faultline/faultline/plugins/base"
)

// infoSeries appends a row's series of the ith info, of which e.sub holds the
// samples: the text's label takes its place among the row's.
func (e *WriteEncoder) infoSeries(row *blockRow, i int, metric uint64) {
	info := &row.block.Infos[i]
	labels := row.labels()
	k := 0
	for k < len(labels) && labels[k].Name < info.Label {
		k++
	}
	from := 0
	if k > 0 {
		from = row.ends[k-1]
	}
	rest := from
	if k < len(labels) && labels[k].Name == info.Label {
		rest = row.ends[k]
	}
	e.item = append(e.item[:0], row.refs[:from]...)
	e.item = protowire.AppendVarint(e.item, uint64(e.symbol(info.Label)))
	e.item = protowire.AppendVarint(e.item, uint64(e.symbol(info.Texts[row.row])))
	added := len(e.item) - rest
	e.item = append(e.item, row.refs[rest:]...)
	at := row.name
	if info.Label < base.MetricName {
		at += added
	}
	e.series(e.item, at, metric, row.names[len(row.block.Names)+i])
}

// infoKey tells the series of infos in rows of the same labels apart.
type infoKey struct{ name, label, text string }

// groupInfos encodes the infos of a group of rows: a text that changed makes
// another series.
func (e *WriteEncoder) groupInfos(at int, metric uint64, body *WriteBody) {
	done := map[infoKey]bool{}
	for i := at; i >= 0; i = e.group.rows[i].next {
		row := &e.group.rows[i]
		for k := range row.block.Infos {
			info := &row.block.Infos[k]
			key := infoKey{info.Name, info.Label, info.Texts[row.row]}
			if key.text == "" || done[key] {
				continue
			}
			done[key] = true
			times := e.infoTimes(i, key)
			e.sub = e.sub[:0]
			for _, t := range times {
				e.cell(1, t)
			}
			e.infoSeries(row, k, metric)
			body.Series++
			body.Samples += len(times)
		}
	}
}

// infoTimes are the times, each once, at which rows of a group from one on show
// an info.
func (e *WriteEncoder) infoTimes(from int, key infoKey) []int64 {
	var times []int64
	for i := from; i >= 0; i = e.group.rows[i].next {
		row := &e.group.rows[i]
		for k := range row.block.Infos {
			if info := &row.block.Infos[k]; key == (infoKey{info.Name, info.Label, info.Texts[row.row]}) {
				times = append(times, row.time())
			}
		}
	}
	slices.Sort(times)
	return slices.Compact(times)
}
