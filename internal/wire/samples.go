package wire

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"math/bits"

	"github.com/golang/snappy"

	"github.com/faultline/faultline/plugins/base"
)

// First bytes of batches: what is inside and in which version.
const (
	samplesV1 = 0x01
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
// which makes round numbers short).
type SampleEncoder struct {
	strs             map[string]uint64
	pairOf           map[base.Label]uint64
	text, pair, body []byte
}

// EncodeSamples encodes one batch. Callers with many use a SampleEncoder.
func EncodeSamples(samples []base.Sample) ([]byte, error) {
	var e SampleEncoder
	return e.Encode(samples)
}

// Encode returns the batch in memory of its own. Samples keep their order.
func (e *SampleEncoder) Encode(samples []base.Sample) ([]byte, error) {
	e.reset()
	labels := 0
	last := int64(0)
	for i := range samples {
		s := &samples[i]
		if len(s.Labels) > MaxLabelsPerSample {
			return nil, fmt.Errorf("encode samples: %s has %d labels, at most %d: %w", s.Labels.Name(), len(s.Labels), MaxLabelsPerSample, ErrTooLarge)
		}
		labels += len(s.Labels)
		e.body = binary.AppendUvarint(e.body, uint64(len(s.Labels)))
		for _, l := range s.Labels {
			e.body = binary.AppendUvarint(e.body, e.pairNumber(l))
		}
		e.body = binary.AppendVarint(e.body, s.Time-last)
		last = s.Time
		e.body = binary.AppendUvarint(e.body, bits.ReverseBytes64(math.Float64bits(s.Value)))
	}
	raw := make([]byte, 0, len(e.text)+len(e.pair)+len(e.body)+4*binary.MaxVarintLen64)
	raw = binary.AppendUvarint(raw, uint64(len(e.strs)))
	raw = append(raw, e.text...)
	raw = binary.AppendUvarint(raw, uint64(len(e.pairOf)))
	raw = append(raw, e.pair...)
	raw = binary.AppendUvarint(raw, uint64(len(samples)))
	raw = binary.AppendUvarint(raw, uint64(labels))
	raw = append(raw, e.body...)
	if len(raw) > MaxBatchBytes {
		return nil, fmt.Errorf("encode samples: %d samples take %d bytes, at most %d, split them: %w", len(samples), len(raw), MaxBatchBytes, ErrTooLarge)
	}
	out := make([]byte, 1+snappy.MaxEncodedLen(len(raw)))
	out[0] = samplesV1
	return out[:1+len(snappy.Encode(out[1:], raw))], nil
}

func (e *SampleEncoder) reset() {
	if e.strs == nil {
		e.strs = map[string]uint64{}
		e.pairOf = map[base.Label]uint64{}
	}
	clear(e.strs)
	clear(e.pairOf)
	e.text, e.pair, e.body = e.text[:0], e.pair[:0], e.body[:0]
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

// DecodeSamples reads a batch written by EncodeSamples. What it allocates is
// bounded by the batch's size; the samples share one string and one array of
// labels and do not refer to batch.
func DecodeSamples(batch []byte) ([]base.Sample, error) {
	raw, err := openSamples(batch)
	if err != nil {
		return nil, fmt.Errorf("decode samples: %w", err)
	}
	r := reader{b: raw}
	pairs := readPairs(&r, readStrings(&r))
	samples := readSamples(&r, pairs)
	if r.bad != "" {
		return nil, fmt.Errorf("decode samples: %s at byte %d: %w", r.bad, r.at, ErrCorrupt)
	}
	if r.at != len(r.b) {
		return nil, fmt.Errorf("decode samples: %d bytes left over: %w", len(r.b)-r.at, ErrCorrupt)
	}
	return samples, nil
}

func openSamples(batch []byte) ([]byte, error) {
	if len(batch) == 0 {
		return nil, fmt.Errorf("empty: %w", ErrCorrupt)
	}
	if batch[0] != samplesV1 {
		return nil, fmt.Errorf("first byte %#02x: %w", batch[0], ErrVersion)
	}
	n, err := snappy.DecodedLen(batch[1:])
	if err != nil {
		return nil, fmt.Errorf("snappy length: %w", ErrCorrupt)
	}
	if n > MaxBatchBytes {
		return nil, fmt.Errorf("%d bytes, at most %d: %w", n, MaxBatchBytes, ErrTooLarge)
	}
	raw, err := snappy.Decode(nil, batch[1:])
	if err != nil {
		return nil, fmt.Errorf("snappy block: %w", ErrCorrupt)
	}
	return raw, nil
}

// readStrings reads the table of strings; all share one copy of the section.
func readStrings(r *reader) []string {
	n := r.count("strings", 1)
	start := r.at
	for range n {
		r.skip(r.count("string length", 1))
	}
	if r.bad != "" {
		return nil
	}
	section := string(r.b[start:r.at])
	table := make([]string, n)
	back := reader{b: r.b[:r.at], at: start}
	for i := range table {
		size := back.count("string length", 1)
		from := back.at - start
		back.skip(size)
		table[i] = section[from : from+size]
	}
	return table
}

func readPairs(r *reader, table []string) []base.Label {
	n := r.count("label pairs", 2)
	pairs := make([]base.Label, n)
	for i := range pairs {
		name, value := r.index("label name", len(table)), r.index("label value", len(table))
		if r.bad != "" {
			return nil
		}
		pairs[i] = base.Label{Name: table[name], Value: table[value]}
	}
	return pairs
}

func readSamples(r *reader, pairs []base.Label) []base.Sample {
	n := r.count("samples", 3)
	all := make([]base.Label, 0, r.count("labels", 1))
	if r.bad != "" {
		return nil
	}
	samples := make([]base.Sample, n)
	last := int64(0)
	for i := range samples {
		labels := r.count("labels of a sample", 1)
		if labels > MaxLabelsPerSample || len(all)+labels > cap(all) {
			r.fail("labels of a sample")
		}
		if r.bad != "" {
			return nil
		}
		from := len(all)
		for range labels {
			p := r.index("label pair", len(pairs))
			if r.bad != "" {
				return nil
			}
			all = append(all, pairs[p])
		}
		last += r.varint("time")
		samples[i] = base.Sample{
			Labels: base.Labels(all[from:len(all):len(all)]),
			Time:   last,
			Value:  math.Float64frombits(bits.ReverseBytes64(r.uvarint("value"))),
		}
	}
	return samples
}
