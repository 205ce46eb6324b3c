package ingest

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"strings"

	"google.golang.org/protobuf/encoding/protowire"

	"github.com/faultline/faultline/collector/metricstore"
	"github.com/faultline/faultline/plugins/base"
)

// errTooMany is wrapped by the decoders' errors when a request is over a limit.
var errTooMany = errors.New("too many")

const maxSymbols = 1_000_000 // in one request

// decoder decodes one request at a time and keeps its memory for the next one.
// What it returns is valid until the next use.
type decoder struct {
	limits   Limits
	interned *interner
	body     bytes.Buffer
	plain    []byte
	symbols  []symbol // of a 2.0 request
	forced   forced

	labels base.Labels // of all series, one after another
	points []metricstore.Point
	spans  []span
	series []metricstore.Series

	metadata   []metricstore.Metadata
	samples    int // in the request, refused ones included
	histograms int
	exemplars  int
	refused    metricstore.Stats // series refused before any store saw them
}

// span says where a series' labels and points begin.
type span struct{ labels, points int }

func newDecoder(l Limits, in *interner) *decoder { return &decoder{limits: l, interned: in} }

func (d *decoder) reset() {
	d.symbols = d.symbols[:0]
	d.labels, d.points, d.spans = d.labels[:0], d.points[:0], d.spans[:0]
	clear(d.series)
	d.series = d.series[:0]
	d.metadata = d.metadata[:0]
	d.samples, d.histograms, d.exemplars = 0, 0, 0
	d.refused = metricstore.Stats{}
	d.trim()
}

// forced are the labels a source's samples get, sorted by name.
type forced struct {
	labels base.Labels // a label with an empty value only removes the sender's
	soft   string      // name among labels where the sender's value stands
}

func newForced(src Source) forced {
	f := forced{labels: base.Labels{{Name: "agent", Value: src.Agent}}}
	if !src.AnySite || src.Site != "" {
		f.labels = append(f.labels, base.Label{Name: "site", Value: src.Site})
	}
	if src.AnySite {
		f.soft = "site"
	}
	for _, l := range src.Labels {
		if l.Name != "agent" && l.Name != "site" {
			f.labels = append(f.labels, l)
		}
	}
	f.labels.Sort()
	return f
}

// labelBuilder adds one series' labels to d.labels, merging the forced ones in.
type labelBuilder struct {
	d      *decoder
	next   int    // index of the next forced label
	reason string // why the series is refused, or ""
	sorted bool
	named  bool
	start  int
}

func (d *decoder) beginLabels() labelBuilder {
	return labelBuilder{d: d, sorted: true, start: len(d.labels)}
}

// add takes one label of the sender.
func (b *labelBuilder) add(name, value *symbol) {
	switch {
	case value.long || name.long || len(name.s) > b.d.limits.LabelNameBytes:
		b.reason = metricstore.ReasonLabelLimit
		return
	case !name.nameOK || !value.valueOK:
		b.reason = metricstore.ReasonInvalidLabels
		return
	case value.s == "":
		return
	case len(b.d.labels)-b.start > b.d.limits.Labels:
		b.reason = metricstore.ReasonLabelLimit
		return
	}
	if b.sorted {
		for b.next < len(b.d.forced.labels) && b.d.forced.labels[b.next].Name < name.s {
			b.force()
		}
	}
	if b.next < len(b.d.forced.labels) && b.d.forced.labels[b.next].Name == name.s {
		if name.s != b.d.forced.soft {
			return
		}
		b.next++
	} else if !b.sorted && b.isForced(name.s) {
		return
	}
	b.named = b.named || name.s == base.MetricName
	b.push(name.s, value.s)
}

// isForced is asked only for labels that came out of order.
func (b *labelBuilder) isForced(name string) bool {
	for _, l := range b.d.forced.labels {
		if l.Name == name && name != b.d.forced.soft {
			return true
		}
	}
	return false
}

func (b *labelBuilder) force() {
	if l := b.d.forced.labels[b.next]; l.Value != "" {
		b.push(l.Name, l.Value)
	}
	b.next++
}

func (b *labelBuilder) push(name, value string) {
	if n := len(b.d.labels); n > b.start && b.d.labels[n-1].Name >= name {
		b.sorted = false
	}
	b.d.labels = append(b.d.labels, base.Label{Name: name, Value: value})
}

// finish returns the labels, or why they are refused.
func (b *labelBuilder) finish() (base.Labels, string) {
	for b.next < len(b.d.forced.labels) {
		b.force()
	}
	ls := b.d.labels[b.start:]
	if !b.sorted {
		b.repair()
		ls = b.d.labels[b.start:]
	}
	switch {
	case b.reason != "":
	case !b.named:
		b.reason = metricstore.ReasonInvalidLabels
	case len(ls) > b.d.limits.Labels:
		b.reason = metricstore.ReasonLabelLimit
	}
	return ls, b.reason
}

// repair sorts labels that came unsorted. A forced label may then stand beside
// the sender's of the same name, which goes; two of the sender's are a fault.
func (b *labelBuilder) repair() {
	ls := b.d.labels[b.start:]
	ls.Sort()
	kept := ls[:0]
	for _, l := range ls {
		i := b.forcedIndex(l.Name)
		if i >= 0 && b.d.forced.labels[i].Value == "" {
			continue
		}
		if n := len(kept); n == 0 || kept[n-1].Name != l.Name {
			kept = append(kept, l)
			continue
		}
		switch {
		case i < 0:
			b.reason = metricstore.ReasonDuplicateLabels
		case l.Name != b.d.forced.soft:
			kept[len(kept)-1].Value = b.d.forced.labels[i].Value
		case l.Value != b.d.forced.labels[i].Value:
			kept[len(kept)-1].Value = l.Value
		}
	}
	b.d.labels = b.d.labels[:b.start+len(kept)]
}

func (b *labelBuilder) forcedIndex(name string) int {
	for i, l := range b.d.forced.labels {
		if l.Name == name {
			return i
		}
	}
	return -1
}

// addSeries takes the series whose points begin at points; labels are the last
// ones of d.labels. A refused series leaves nothing behind.
func (d *decoder) addSeries(b *labelBuilder, points int) {
	ls, reason := b.finish()
	n := len(d.points) - points
	d.samples += n
	if reason != "" && n > 0 {
		d.refused.Reject(ls, reason, n)
	}
	if reason != "" || n == 0 {
		d.labels, d.points = d.labels[:b.start], d.points[:points]
		return
	}
	d.spans = append(d.spans, span{labels: b.start, points: points})
}

// build makes the series once the arenas no longer move.
func (d *decoder) build() {
	for i, s := range d.spans {
		end := span{labels: len(d.labels), points: len(d.points)}
		if i+1 < len(d.spans) {
			end = d.spans[i+1]
		}
		d.series = append(d.series, metricstore.Series{
			Labels: d.labels[s.labels:end.labels:end.labels],
			Points: d.points[s.points:end.points:end.points],
		})
	}
}

// dropAhead removes points newer than limit (milliseconds): the sender's clock
// is wrong, and such a sample would make everybody else's look old.
func (d *decoder) dropAhead(limit int64) {
	kept := d.series[:0]
	for _, s := range d.series {
		good := s.Points[:0]
		for _, p := range s.Points {
			if p.T <= limit {
				good = append(good, p)
			}
		}
		if n := len(s.Points) - len(good); n > 0 {
			d.refused.Reject(s.Labels, metricstore.ReasonTooFarAhead, n)
		}
		if s.Points = good; len(good) > 0 {
			kept = append(kept, s)
		}
	}
	d.series = kept
}

// fields calls do for each field of a message. For a length-delimited field
// data is its content, else number is its value.
func fields(msg []byte, do func(num protowire.Number, data []byte, number uint64) error) error {
	for len(msg) > 0 {
		num, typ, n := protowire.ConsumeTag(msg)
		if n < 0 {
			return protowire.ParseError(n)
		}
		msg = msg[n:]
		var data []byte
		var number uint64
		switch typ {
		case protowire.BytesType:
			data, n = protowire.ConsumeBytes(msg)
		case protowire.VarintType:
			number, n = protowire.ConsumeVarint(msg)
		case protowire.Fixed64Type:
			number, n = protowire.ConsumeFixed64(msg)
		default:
			n = protowire.ConsumeFieldValue(num, typ, msg)
		}
		if n < 0 {
			return protowire.ParseError(n)
		}
		msg = msg[n:]
		if err := do(num, data, number); err != nil {
			return err
		}
	}
	return nil
}

// point decodes a Sample message, which both versions write alike. The usual
// form, value then time and nothing else, is read without the general loop.
func point(msg []byte) (metricstore.Point, error) {
	if len(msg) > 10 && msg[0] == 1<<3|byte(protowire.Fixed64Type) && msg[9] == 2<<3|byte(protowire.VarintType) {
		if t, n := protowire.ConsumeVarint(msg[10:]); n == len(msg)-10 {
			return metricstore.Point{T: int64(t), V: math.Float64frombits(binary.LittleEndian.Uint64(msg[1:9]))}, nil
		}
	}
	var p metricstore.Point
	err := fields(msg, func(num protowire.Number, _ []byte, number uint64) error {
		switch num {
		case 1:
			p.V = math.Float64frombits(number)
		case 2:
			p.T = int64(number)
		}
		return nil
	})
	return p, err
}

// metricTypes are the names of remote write's numbers for types, which both
// versions share as far as they go.
var metricTypes = [...]string{"unknown", "counter", "gauge", "histogram", "gaugehistogram", "summary", "info", "stateset"}

func metricType(n uint64) string {
	if n < uint64(len(metricTypes)) {
		return metricTypes[n]
	}
	return metricTypes[0]
}

func (d *decoder) text(b []byte) string { return strings.ToValidUTF8(string(b), "�") }

func (d *decoder) checkSeries() error {
	if len(d.spans) > d.limits.Series {
		return fmt.Errorf("%w series: more than %d", errTooMany, d.limits.Series)
	}
	return nil
}

// addPoint decodes a Sample message of the series at hand.
func (d *decoder) addPoint(msg []byte) error {
	if len(d.points) >= d.limits.Samples {
		return fmt.Errorf("%w samples: more than %d", errTooMany, d.limits.Samples)
	}
	p, err := point(msg)
	d.points = append(d.points, p)
	return err
}
