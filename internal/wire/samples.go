package wire

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"math/bits"
	"slices"

	"github.com/golang/snappy"

	"github.com/faultline/faultline/plugins/base"
)

// First bytes of batches: what is inside and in which version.
const (
	samplesV1 = 0x01 // loose samples
	samplesV2 = 0x02 // loose samples and blocks
	eventsV1  = 0x41
)

// Bounds of one batch. The encoders refuse what the decoders would.
const (
	MaxBatchBytes      = 4 << 20 // before compression
	MaxLabelsPerSample = 256
)

// ErrCorrupt is wrapped by the decoders' errors when the bytes are not a batch
// that the encoders wrote.
var ErrCorrupt = errors.New("batch is corrupt")

// ErrVersion is wrapped by the decoders' errors when the batch has another
// version or kind: most often a newer program wrote it.
var ErrVersion = errors.New("batch has an unknown version")

// ErrTooLarge is wrapped by errors about batches beyond the bounds.
var ErrTooLarge = errors.New("batch is too large")

// SampleEncoder encodes batches of samples and keeps its tables between calls,
// so that a steady caller allocates little. The zero value is ready. It is used
// from one goroutine at a time.
//
// A batch is the version byte and a snappy block of: the strings (count; length
// and bytes each), the label pairs (count; two string numbers each), the number
// of samples and of all their labels, and the samples (count of labels, pair
// numbers, time as difference to the one before, value with its bytes reversed,
// which makes round numbers short). Version 2 goes on with the number of blocks
// and of all their rows' labels, and the blocks (count of names; their string
// numbers; count of rows; rows as samples without a value; values row by row;
// count of infos; each with the string numbers of its name, its label and, plus
// one, its texts, where 0 is none).
type SampleEncoder struct {
	strs             map[string]uint64
	pairOf           map[base.Label]uint64
	text, pair, body []byte
	blocks           []byte
	raw, out         []byte
	last             base.Labels // of the sample or row before
	lastPairs        []uint64    // their numbers, and stale ones behind
}

// EncodeSamples encodes one batch of loose samples. Callers with many, or with
// blocks, use a SampleEncoder.
func EncodeSamples(samples []base.Sample) ([]byte, error) {
	var e SampleEncoder
	return e.Encode(base.Batch{Samples: samples})
}

// Encode returns the batch in memory of its own. Samples and rows keep their
// order.
func (e *SampleEncoder) Encode(b base.Batch) ([]byte, error) {
	e.reset()
	labels, err := e.samples(b.Samples)
	rowLabels, blockErr := e.blockBody(b.Blocks)
	if err = errors.Join(err, blockErr); err != nil {
		return nil, fmt.Errorf("encode samples: %w", err)
	}
	raw := slices.Grow(e.raw[:0], len(e.text)+len(e.pair)+len(e.body)+len(e.blocks)+6*binary.MaxVarintLen64)
	raw = binary.AppendUvarint(raw, uint64(len(e.strs)))
	raw = append(raw, e.text...)
	raw = binary.AppendUvarint(raw, uint64(len(e.pairOf)))
	raw = append(raw, e.pair...)
	raw = binary.AppendUvarint(raw, uint64(len(b.Samples)))
	raw = binary.AppendUvarint(raw, uint64(labels))
	raw = append(raw, e.body...)
	version := byte(samplesV1)
	if len(b.Blocks) > 0 {
		version = samplesV2
		raw = binary.AppendUvarint(raw, uint64(len(b.Blocks)))
		raw = binary.AppendUvarint(raw, uint64(rowLabels))
		raw = append(raw, e.blocks...)
	}
	e.raw = raw
	if len(raw) > MaxBatchBytes {
		return nil, fmt.Errorf("encode samples: %d samples take %d bytes, at most %d, split them: %w", b.Len(), len(raw), MaxBatchBytes, ErrTooLarge)
	}
	e.out = slices.Grow(e.out[:0], 1+snappy.MaxEncodedLen(len(raw)))
	out := e.out[:cap(e.out)]
	out[0] = version
	batch := bytes.Clone(out[:1+len(snappy.Encode(out[1:], raw))])
	if cap(out) > keepBuffer {
		*e = SampleEncoder{}
	}
	return batch, nil
}

// samples encodes loose samples and counts their labels.
func (e *SampleEncoder) samples(samples []base.Sample) (labels int, err error) {
	last := int64(0)
	for i := range samples {
		s := &samples[i]
		if e.body, err = e.labels(e.body, s.Labels); err != nil {
			return 0, err
		}
		labels += len(s.Labels)
		e.body = binary.AppendVarint(e.body, s.Time-last)
		last = s.Time
		e.body = appendValue(e.body, s.Value)
	}
	return labels, nil
}

// blockBody encodes blocks and counts their rows' labels.
func (e *SampleEncoder) blockBody(blocks []base.Block) (labels int, err error) {
	for i := range blocks {
		b := &blocks[i]
		if !b.Whole() {
			return 0, fmt.Errorf("block of %d rows, %d names, %d values and %d infos", len(b.Rows), len(b.Names), len(b.Values), len(b.Infos))
		}
		e.blocks = binary.AppendUvarint(e.blocks, uint64(len(b.Names)))
		for _, n := range b.Names {
			e.blocks = binary.AppendUvarint(e.blocks, e.stringNumber(n))
		}
		e.blocks = binary.AppendUvarint(e.blocks, uint64(len(b.Rows)))
		last := int64(0)
		for r := range b.Rows {
			if e.blocks, err = e.labels(e.blocks, b.Rows[r].Labels); err != nil {
				return 0, err
			}
			labels += len(b.Rows[r].Labels)
			e.blocks = binary.AppendVarint(e.blocks, b.Rows[r].Time-last)
			last = b.Rows[r].Time
		}
		for _, v := range b.Values {
			e.blocks = appendValue(e.blocks, v)
		}
		e.infos(b.Infos)
	}
	return labels, nil
}

// infos encodes a block's columns of texts.
func (e *SampleEncoder) infos(infos []base.BlockInfo) {
	e.blocks = binary.AppendUvarint(e.blocks, uint64(len(infos)))
	for i := range infos {
		e.blocks = binary.AppendUvarint(e.blocks, e.stringNumber(infos[i].Name))
		e.blocks = binary.AppendUvarint(e.blocks, e.stringNumber(infos[i].Label))
		for _, text := range infos[i].Texts {
			n := uint64(0)
			if text != "" {
				n = e.stringNumber(text) + 1
			}
			e.blocks = binary.AppendUvarint(e.blocks, n)
		}
	}
}

func (e *SampleEncoder) labels(to []byte, ls base.Labels) ([]byte, error) {
	if len(ls) > MaxLabelsPerSample {
		return to, fmt.Errorf("%s has %d labels, at most %d: %w", ls.Name(), len(ls), MaxLabelsPerSample, ErrTooLarge)
	}
	to = binary.AppendUvarint(to, uint64(len(ls)))
	for i, l := range ls {
		if i >= len(e.lastPairs) {
			e.lastPairs = append(e.lastPairs, 0)
		}
		if i >= len(e.last) || e.last[i] != l {
			e.lastPairs[i] = e.pairNumber(l)
		}
		to = binary.AppendUvarint(to, e.lastPairs[i])
	}
	e.last = ls
	return to, nil
}

func appendValue(to []byte, v float64) []byte {
	return binary.AppendUvarint(to, bits.ReverseBytes64(math.Float64bits(v)))
}

func (e *SampleEncoder) reset() {
	if e.strs == nil {
		e.strs = map[string]uint64{}
		e.pairOf = map[base.Label]uint64{}
	}
	clear(e.strs)
	clear(e.pairOf)
	e.last = nil
	e.text, e.pair, e.body, e.blocks = e.text[:0], e.pair[:0], e.body[:0], e.blocks[:0]
}

func (e *SampleEncoder) pairNumber(l base.Label) uint64 {
	if n, ok := e.pairOf[l]; ok {
		return n
	}
	n := uint64(len(e.pairOf))
	e.pairOf[l] = n
	e.pair = binary.AppendUvarint(e.pair, e.stringNumber(l.Name))
	e.pair = binary.AppendUvarint(e.pair, e.stringNumber(l.Value))
	return n
}

func (e *SampleEncoder) stringNumber(s string) uint64 {
	if n, ok := e.strs[s]; ok {
		return n
	}
	n := uint64(len(e.strs))
	e.strs[s] = n
	e.text = binary.AppendUvarint(e.text, uint64(len(s)))
	e.text = append(e.text, s...)
	return n
}
