package rpc

import (
	"errors"
	"fmt"
	"time"

	"github.com/faultline/faultline/plugins/base"
	"github.com/faultline/faultline/plugins/input"
	"github.com/faultline/faultline/plugins/rpc/pluginpb"
)

// errMalformed says that a part contradicts itself.
var errMalformed = errors.New("malformed part")

// reader turns one part into samples. Nothing in a part is believed: places
// outside it are an error and never a panic.
type reader struct {
	symbols []string
}

// read hands the part's contents to sink.
func read(p *pluginpb.GatherPart, sink input.Sink) error {
	r := &reader{symbols: p.GetSymbols()}
	if err := r.samples(p.GetSamples(), sink); err != nil {
		return fmt.Errorf("%w: samples: %w", errMalformed, err)
	}
	for _, b := range p.GetBlocks() {
		block, err := r.block(b)
		if err != nil {
			return fmt.Errorf("%w: block: %w", errMalformed, err)
		}
		sink.Block(block)
	}
	for _, e := range p.GetEvents() {
		ev := base.Event{ID: e.GetId(), Kind: e.GetKind(), Device: e.GetDevice(), Component: e.GetComponent(), Text: e.GetText(), Attrs: e.GetAttrs()}
		if e.GetAtMs() != 0 {
			ev.At = time.UnixMilli(e.GetAtMs())
		}
		sink.Event(ev)
	}
	return nil
}

func (r *reader) text(i uint32) (string, error) {
	if int(i) >= len(r.symbols) {
		return "", fmt.Errorf("symbol %d of %d", i, len(r.symbols))
	}
	return r.symbols[i], nil
}

// labels takes n labels off the front of refs.
func (r *reader) labels(refs []uint32, n uint32) (base.Labels, []uint32, error) {
	if uint64(n)*2 > uint64(len(refs)) {
		return nil, nil, fmt.Errorf("%d labels, %d places left", n, len(refs))
	}
	ls := make(base.Labels, n)
	for i := range ls {
		var err error
		if ls[i].Name, err = r.text(refs[2*i]); err != nil {
			return nil, nil, err
		}
		if ls[i].Value, err = r.text(refs[2*i+1]); err != nil {
			return nil, nil, err
		}
	}
	return ls, refs[2*n:], nil
}

func (r *reader) samples(s *pluginpb.Samples, sink input.Sink) error {
	counts, refs, times, values := s.GetLabelCounts(), s.GetLabels(), s.GetTimes(), s.GetValues()
	if len(counts) != len(times) || len(counts) != len(values) {
		return fmt.Errorf("%d counts, %d times, %d values", len(counts), len(times), len(values))
	}
	for i, n := range counts {
		var ls base.Labels
		var err error
		if ls, refs, err = r.labels(refs, n); err != nil {
			return err
		}
		sink.Sample(base.Sample{Labels: ls, Time: times[i], Value: values[i]})
	}
	return nil
}

func (r *reader) block(b *pluginpb.Block) (base.Block, error) {
	var out base.Block
	rows := len(b.GetRowLabelCounts())
	if len(b.GetRowTimes()) != rows {
		return out, fmt.Errorf("%d rows, %d times", rows, len(b.GetRowTimes()))
	}
	for _, n := range b.GetNames() {
		name, err := r.text(n)
		if err != nil {
			return out, err
		}
		out.Names = append(out.Names, name)
	}
	refs := b.GetRowLabels()
	out.Rows = make([]base.BlockRow, rows)
	for i, n := range b.GetRowLabelCounts() {
		var err error
		if out.Rows[i].Labels, refs, err = r.labels(refs, n); err != nil {
			return out, err
		}
		out.Rows[i].Time = b.GetRowTimes()[i]
	}
	out.Values = b.GetValues()
	for _, at := range b.GetMissing() {
		if int(at) >= len(out.Values) {
			return out, fmt.Errorf("missing value %d of %d", at, len(out.Values))
		}
		out.Values[at] = base.Missing()
	}
	for _, in := range b.GetInfos() {
		info, err := r.info(in)
		if err != nil {
			return out, err
		}
		out.Infos = append(out.Infos, info)
	}
	if !out.Whole() {
		return out, fmt.Errorf("%d rows of %d columns with %d values", rows, len(out.Names), len(out.Values))
	}
	return out, nil
}

func (r *reader) info(in *pluginpb.BlockInfo) (info base.BlockInfo, err error) {
	if info.Name, err = r.text(in.GetName()); err != nil {
		return info, err
	}
	if info.Label, err = r.text(in.GetLabel()); err != nil {
		return info, err
	}
	info.Texts = make([]string, len(in.GetTexts()))
	for i, t := range in.GetTexts() {
		if info.Texts[i], err = r.text(t); err != nil {
			return info, err
		}
	}
	return info, nil
}

// targetTo is the target as the plugin is handed it.
func targetTo(t base.Target) *pluginpb.Target {
	return &pluginpb.Target{Id: valid(t.ID), Input: valid(t.Input), Address: valid(t.Address), IntervalMs: t.Interval.Milliseconds(), TimeoutMs: t.Timeout.Milliseconds(),
		Labels: validMap(t.Labels), Options: validMap(t.Options)}
}

func targetFrom(t *pluginpb.Target) base.Target {
	return base.Target{ID: t.GetId(), Input: t.GetInput(), Address: t.GetAddress(), Interval: time.Duration(t.GetIntervalMs()) * time.Millisecond,
		Timeout: time.Duration(t.GetTimeoutMs()) * time.Millisecond, Labels: t.GetLabels(), Options: t.GetOptions()}
}
