package wire

import (
	"fmt"
	"slices"

	"github.com/golang/snappy"

	"github.com/faultline/faultline/plugins/base"
)

// SampleDecoder decodes batches of samples into memory that it keeps, so that a
// steady caller allocates little more than the texts. The zero value is ready. It
// is used from one goroutine at a time.
type SampleDecoder struct {
	raw   []byte       // of the batch being read
	table []string     // its strings
	pairs []base.Label // its label pairs

	samples arena[base.Sample]
	blocks  arena[base.Block]
	rows    arena[base.BlockRow]
	infos   arena[base.BlockInfo]
	labels  arena[base.Label]
	texts   arena[string]
	values  arena[float64]
}

// DecodeSamples reads one batch with a decoder of its own.
func DecodeSamples(batch []byte) (base.Batch, error) {
	var d SampleDecoder
	return d.Decode(batch)
}

// Decode reads a batch written by a SampleEncoder. What it allocates is bounded by
// the batch's size. The result does not refer to batch; it is valid until Reset,
// whatever is decoded before that.
func (d *SampleDecoder) Decode(batch []byte) (base.Batch, error) {
	if err := d.open(batch); err != nil {
		return base.Batch{}, fmt.Errorf("decode samples: %w", err)
	}
	r := reader{b: d.raw}
	d.readStrings(&r)
	d.readPairs(&r)
	b := base.Batch{Samples: d.readSamples(&r)}
	if batch[0] == samplesV2 && r.bad == "" {
		b.Blocks = d.readBlocks(&r)
	}
	if r.bad != "" {
		return base.Batch{}, fmt.Errorf("decode samples: %s at byte %d: %w", r.bad, r.at, ErrCorrupt)
	}
	if r.at != len(r.b) {
		return base.Batch{}, fmt.Errorf("decode samples: %d bytes left over: %w", len(r.b)-r.at, ErrCorrupt)
	}
	return b, nil
}

// Reset takes back the memory of everything decoded since the last Reset.
func (d *SampleDecoder) Reset() {
	d.samples.reset()
	d.blocks.reset()
	d.rows.reset()
	d.infos.reset()
	d.labels.reset()
	d.texts.reset()
	d.values.reset()
	if cap(d.raw) > keepBuffer {
		d.raw, d.table, d.pairs = nil, nil, nil
	}
}

// arena hands out parts of one slice.
type arena[T any] struct{ all []T }

// keepItems bounds what an arena keeps.
const keepItems = 1 << 16

// take returns n zero values, nil for none.
func (a *arena[T]) take(n int) []T {
	if n == 0 {
		return nil
	}
	from := len(a.all)
	a.all = slices.Grow(a.all, n)[:from+n] // parts handed out before stay where they are
	part := a.all[from : from+n : from+n]
	clear(part)
	return part
}

func (a *arena[T]) reset() {
	a.all = a.all[:0]
	if cap(a.all) > keepItems {
		a.all = nil
	}
}

// open uncompresses a batch into d.raw.
func (d *SampleDecoder) open(batch []byte) error {
	if len(batch) == 0 {
		return fmt.Errorf("empty: %w", ErrCorrupt)
	}
	if batch[0] != samplesV1 && batch[0] != samplesV2 {
		return fmt.Errorf("first byte %#02x: %w", batch[0], ErrVersion)
	}
	n, err := snappy.DecodedLen(batch[1:])
	if err != nil {
		return fmt.Errorf("snappy length: %w", ErrCorrupt)
	}
	if n > MaxBatchBytes {
		return fmt.Errorf("%d bytes, at most %d: %w", n, MaxBatchBytes, ErrTooLarge)
	}
	if d.raw, err = snappy.Decode(d.raw[:cap(d.raw)], batch[1:]); err != nil {
		return fmt.Errorf("snappy block: %w", ErrCorrupt)
	}
	return nil
}

// readStrings reads the table of strings; all share one copy of the section.
func (d *SampleDecoder) readStrings(r *reader) {
	d.table = d.table[:0]
	n := r.count("strings", 1)
	start := r.at
	for range n {
		r.skip(r.count("string length", 1))
	}
	if r.bad != "" {
		return
	}
	section := string(r.b[start:r.at])
	d.table = slices.Grow(d.table, n)
	back := reader{b: r.b[:r.at], at: start}
	for range n {
		size := back.count("string length", 1)
		from := back.at - start
		back.skip(size)
		d.table = append(d.table, section[from:from+size])
	}
}

func (d *SampleDecoder) readPairs(r *reader) {
	n := r.count("label pairs", 2)
	d.pairs = slices.Grow(d.pairs[:0], n)
	for range n {
		name, value := r.index("label name", len(d.table)), r.index("label value", len(d.table))
		if r.bad != "" {
			return
		}
		d.pairs = append(d.pairs, base.Label{Name: d.table[name], Value: d.table[value]})
	}
}

func (d *SampleDecoder) readSamples(r *reader) []base.Sample {
	n := r.count("samples", 3)
	labels := d.labels.take(r.count("labels", 1))
	if r.bad != "" {
		return nil
	}
	samples := d.samples.take(n)
	last := int64(0)
	for i := range samples {
		samples[i].Labels = d.readLabels(r, &labels)
		last += r.varint("time")
		samples[i].Time = last
		samples[i].Value = r.value()
		if r.bad != "" {
			return nil
		}
	}
	return samples
}

// readLabels reads the labels of one sample or row into the room left for all.
func (d *SampleDecoder) readLabels(r *reader, room *[]base.Label) base.Labels {
	n := r.count("labels of a sample", 1)
	if n > MaxLabelsPerSample || n > len(*room) {
		r.fail("labels of a sample")
	}
	if r.bad != "" {
		return nil
	}
	labels := (*room)[:n:n]
	*room = (*room)[n:]
	for i := range labels {
		p := r.index("label pair", len(d.pairs))
		if r.bad != "" {
			return nil
		}
		labels[i] = d.pairs[p]
	}
	return labels
}
