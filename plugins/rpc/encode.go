package rpc

import (
	"strings"
	"unicode/utf8"

	"github.com/faultline/faultline/plugins/base"
	"github.com/faultline/faultline/plugins/rpc/pluginpb"
)

// partWeight is about how many bytes a part has before it is sent.
const partWeight = 256 << 10

// writer gathers samples, blocks and events into parts. It is an input.Sink for
// one Gather, used from one goroutine.
type writer struct {
	send    func(*pluginpb.GatherPart) error
	part    *pluginpb.GatherPart
	symbols map[string]uint32
	weight  int
	err     error // of send; what comes after it is dropped
}

func newWriter(send func(*pluginpb.GatherPart) error) *writer {
	w := &writer{send: send}
	w.fresh()
	return w
}

func (w *writer) fresh() {
	w.part, w.symbols, w.weight = &pluginpb.GatherPart{}, map[string]uint32{}, 0
}

// symbol is the place of a text. Bytes that are no UTF-8 are replaced: protobuf
// would refuse the whole part for them.
func (w *writer) symbol(s string) uint32 {
	if i, ok := w.symbols[s]; ok {
		return i
	}
	i := uint32(len(w.part.Symbols)) //nolint:gosec // a part has far fewer
	w.symbols[s] = i
	w.part.Symbols = append(w.part.Symbols, valid(s))
	w.weight += len(s) + 2
	return i
}

func valid(s string) string {
	if utf8.ValidString(s) {
		return s
	}
	return strings.ToValidUTF8(s, "\uFFFD")
}

func (w *writer) labels(to []uint32, ls base.Labels) []uint32 {
	for _, l := range ls {
		to = append(to, w.symbol(l.Name), w.symbol(l.Value))
	}
	w.weight += 4 * len(ls)
	return to
}

// Sample implements input.Sink.
func (w *writer) Sample(s base.Sample) {
	to := w.part.GetSamples()
	if to == nil {
		to = &pluginpb.Samples{}
		w.part.Samples = to
	}
	to.LabelCounts = append(to.LabelCounts, uint32(len(s.Labels))) //nolint:gosec // a handful
	to.Labels = w.labels(to.Labels, s.Labels)
	to.Times = append(to.Times, s.Time)
	to.Values = append(to.Values, s.Value)
	w.weight += 16
	w.flushIfFull()
}

// Block implements input.Sink.
func (w *writer) Block(b base.Block) {
	if !b.Whole() {
		return
	}
	to := &pluginpb.Block{}
	for _, n := range b.Names {
		to.Names = append(to.Names, w.symbol(n))
	}
	for i := range b.Rows {
		ls := b.Rows[i].Labels
		to.RowLabelCounts = append(to.RowLabelCounts, uint32(len(ls))) //nolint:gosec // a handful
		to.RowLabels = w.labels(to.RowLabels, ls)
		to.RowTimes = append(to.RowTimes, b.Rows[i].Time)
	}
	to.Values = make([]float64, len(b.Values))
	for i, v := range b.Values {
		if base.IsMissing(v) {
			to.Missing = append(to.Missing, uint32(i)) //nolint:gosec // places of a block
			continue
		}
		to.Values[i] = v
	}
	for i := range b.Infos {
		info := &pluginpb.BlockInfo{Name: w.symbol(b.Infos[i].Name), Label: w.symbol(b.Infos[i].Label)}
		for _, t := range b.Infos[i].Texts {
			info.Texts = append(info.Texts, w.symbol(t))
		}
		w.weight += 2 * len(info.Texts)
		to.Infos = append(to.Infos, info)
	}
	w.part.Blocks = append(w.part.Blocks, to)
	w.weight += 8*len(b.Values) + 8*len(b.Rows)
	w.flushIfFull()
}

// Event implements input.Sink.
func (w *writer) Event(e base.Event) {
	p := &pluginpb.Event{Id: valid(e.ID), Kind: valid(e.Kind), Device: valid(e.Device), Component: valid(e.Component), Text: valid(e.Text), Attrs: validMap(e.Attrs)}
	if !e.At.IsZero() {
		p.AtMs = e.At.UnixMilli()
	}
	w.part.Events = append(w.part.Events, p)
	w.weight += len(e.Text) + 64
	w.flushIfFull()
}

func validMap(m map[string]string) map[string]string {
	if len(m) == 0 {
		return nil
	}
	out := make(map[string]string, len(m))
	for k, v := range m {
		out[valid(k)] = valid(v)
	}
	return out
}

func (w *writer) flushIfFull() {
	if w.weight >= partWeight {
		w.flush()
	}
}

func (w *writer) flush() {
	if w.err == nil {
		w.err = w.send(w.part)
	}
	w.fresh()
}

// finish sends the rest with the outcome.
func (w *writer) finish(o *pluginpb.Outcome) error {
	w.part.Outcome = o
	w.flush()
	return w.err
}
