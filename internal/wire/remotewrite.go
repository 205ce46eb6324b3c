package wire

import (
	"bytes"
	"cmp"
	"math"
	"slices"
	"strings"

	"github.com/golang/snappy"
	"google.golang.org/protobuf/encoding/protowire"

	"github.com/faultline/faultline/plugins/base"
)

// Headers and content types of Prometheus remote write, from its specifications
// 1.0 and 2.0 (https://prometheus.io/docs/specs/prw/).
const (
	HeaderWriteVersion   = "X-Prometheus-Remote-Write-Version"
	HeaderSamplesWritten = "X-Prometheus-Remote-Write-Samples-Written"

	WriteV1Version     = "0.1.0"
	WriteV2Version     = "2.0.0"
	WriteV1ContentType = "application/x-protobuf"
	WriteV2ContentType = "application/x-protobuf;proto=io.prometheus.write.v2.Request"
)

// MetricType is a metric's type as remote write 2.0 numbers it.
type MetricType uint8

// The types that samples of this product can have.
const (
	TypeUnknown MetricType = 0
	TypeCounter MetricType = 1
	TypeGauge   MetricType = 2
)

// TypeByName tells the type where the name alone proves it: names ending in
// _total are counters, up and names ending in _ratio, _celsius, _percent or
// _info are gauges.
func TypeByName(name string) MetricType {
	switch {
	case strings.HasSuffix(name, "_total"):
		return TypeCounter
	case name == "up", strings.HasSuffix(name, "_ratio"), strings.HasSuffix(name, "_celsius"),
		strings.HasSuffix(name, "_percent"), strings.HasSuffix(name, "_info"):
		return TypeGauge
	default:
		return TypeUnknown
	}
}

// WriteBody is the body of one remote write request.
type WriteBody struct {
	Data    []byte // snappy block, owned by the caller
	Samples int    // in Data: the request's samples without repeats of one series and time
	Series  int
}

// WriteEncoder makes remote write bodies and keeps its buffers between calls.
// The zero value is ready. It is used from one goroutine at a time.
type WriteEncoder struct {
	order    []int
	symbols  map[string]uint32
	msg, sub []byte
	out      []byte
	refs     []byte
	ends     []int
	item     []byte
	group    rowGroups
}

// keepBuffer bounds the buffers that encoders keep, in bytes.
const keepBuffer = 1 << 20

// packed returns the message compressed, in memory of its own.
func (e *WriteEncoder) packed() []byte {
	e.out = slices.Grow(e.out[:0], snappy.MaxEncodedLen(len(e.msg)))
	data := bytes.Clone(snappy.Encode(e.out[:cap(e.out)], e.msg))
	if cap(e.out) > keepBuffer {
		e.out, e.msg = nil, nil
	}
	return data
}

// V1 encodes the samples as prometheus.WriteRequest (remote write 1.0). Samples
// of one series stand together, oldest first; of two with the same time the
// later in the slice remains.
func (e *WriteEncoder) V1(samples []base.Sample) WriteBody {
	e.msg = e.msg[:0]
	body := e.eachSeries(samples, func(series []int) {
		e.sub = e.sub[:0]
		for _, l := range samples[series[0]].Labels {
			e.item = appendString(e.item[:0], 1, l.Name)
			e.item = appendString(e.item, 2, l.Value)
			e.sub = appendBytes(e.sub, 1, e.item)
		}
		e.appendSamples(samples, series)
		e.msg = appendBytes(e.msg, 1, e.sub)
	})
	body.Data = e.packed()
	return body
}

// V2 encodes loose samples as V2Batches does.
func (e *WriteEncoder) V2(samples []base.Sample, typeOf func(name string) MetricType) WriteBody {
	return e.V2Batches([]base.Batch{{Samples: samples}}, typeOf)
}

// V2Batches encodes the batches as io.prometheus.write.v2.Request (remote write 2.0),
// grouped as V1 does; no series may stand both in a block and loose. typeOf may
// be nil; it names a metric's type where known.
func (e *WriteEncoder) V2Batches(batches []base.Batch, typeOf func(name string) MetricType) WriteBody {
	samples, blocks := apart(batches)
	if e.symbols == nil {
		e.symbols = map[string]uint32{}
	}
	clear(e.symbols)
	e.msg = appendBytes(e.msg[:0], 4, nil) // symbol 0 is the empty string
	e.symbols[""] = 0
	body := e.eachSeries(samples, func(series []int) {
		labels := samples[series[0]].Labels
		e.refs = e.refs[:0]
		for _, l := range labels {
			e.refs = protowire.AppendVarint(e.refs, uint64(e.symbol(l.Name)))
			e.refs = protowire.AppendVarint(e.refs, uint64(e.symbol(l.Value)))
		}
		e.sub = appendBytes(e.sub[:0], 1, e.refs)
		e.appendSamples(samples, series)
		if typeOf != nil {
			e.appendType(typeOf(labels.Name()))
		}
		e.msg = appendBytes(e.msg, 5, e.sub)
	})
	e.blocks(blocks, typeOf, &body)
	body.Data = e.packed()
	return body
}

// apart returns the loose samples of all batches, and the blocks.
func apart(batches []base.Batch) (samples []base.Sample, blocks []*base.Block) {
	if len(batches) == 1 {
		samples = batches[0].Samples
	}
	for i := range batches {
		if len(batches) > 1 {
			samples = append(samples, batches[i].Samples...)
		}
		for k := range batches[i].Blocks {
			blocks = append(blocks, &batches[i].Blocks[k])
		}
	}
	return samples, blocks
}

// symbol numbers a string and appends new ones to the message: fields of a
// protobuf message may stand in any order.
func (e *WriteEncoder) symbol(s string) uint32 {
	if n, ok := e.symbols[s]; ok {
		return n
	}
	n := uint32(len(e.symbols))
	e.symbols[s] = n
	e.msg = appendString(e.msg, 4, s)
	return n
}

// eachSeries calls do once per series with the indexes of its samples in time
// order, and counts.
func (e *WriteEncoder) eachSeries(samples []base.Sample, do func(series []int)) WriteBody {
	e.order = e.order[:0]
	for i := range samples {
		e.order = append(e.order, i)
	}
	slices.SortFunc(e.order, func(a, b int) int {
		return cmp.Or(compareLabels(samples[a].Labels, samples[b].Labels), cmp.Compare(samples[a].Time, samples[b].Time), a-b)
	})
	var body WriteBody
	for rest := e.order; len(rest) > 0; {
		n, kept := 1, 1
		for ; n < len(rest) && slices.Equal(samples[rest[n]].Labels, samples[rest[0]].Labels); n++ {
			if samples[rest[n]].Time == samples[rest[kept-1]].Time {
				kept--
			}
			rest[kept] = rest[n]
			kept++
		}
		do(rest[:kept])
		body.Series++
		body.Samples += kept
		rest = rest[n:]
	}
	return body
}

func (e *WriteEncoder) appendSamples(samples []base.Sample, series []int) {
	for _, i := range series {
		e.item = protowire.AppendTag(e.item[:0], 1, protowire.Fixed64Type)
		e.item = protowire.AppendFixed64(e.item, math.Float64bits(samples[i].Value))
		e.item = protowire.AppendTag(e.item, 2, protowire.VarintType)
		e.item = protowire.AppendVarint(e.item, uint64(samples[i].Time))
		e.sub = appendBytes(e.sub, 2, e.item)
	}
}

func (e *WriteEncoder) appendType(t MetricType) {
	if t == TypeUnknown {
		return
	}
	e.item = protowire.AppendTag(e.item[:0], 1, protowire.VarintType)
	e.item = protowire.AppendVarint(e.item, uint64(t))
	e.sub = appendBytes(e.sub, 5, e.item)
}

func compareLabels(a, b base.Labels) int {
	return slices.CompareFunc(a, b, func(x, y base.Label) int {
		if c := strings.Compare(x.Name, y.Name); c != 0 {
			return c
		}
		return strings.Compare(x.Value, y.Value)
	})
}

func appendBytes(b []byte, field protowire.Number, v []byte) []byte {
	return protowire.AppendBytes(protowire.AppendTag(b, field, protowire.BytesType), v)
}

func appendString(b []byte, field protowire.Number, v string) []byte {
	return protowire.AppendString(protowire.AppendTag(b, field, protowire.BytesType), v)
}
