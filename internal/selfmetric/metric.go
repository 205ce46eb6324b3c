package selfmetric

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
)

// Kind is what a metric is.
type Kind string

// The kinds of metrics, as the text format names them.
const (
	CounterValue   Kind = "counter"
	GaugeValue     Kind = "gauge"
	histogramValue Kind = "histogram"
)

// Opts name a metric.
type Opts struct {
	Name    string
	Help    string
	Buckets []float64 // upper bounds of a histogram, ascending, without +Inf
}

// Desc is a metric's name, what it tells and the names of its labels.
type Desc struct {
	name, help string
	labels     []string
}

// NewDesc returns a Desc.
func NewDesc(name, help string, labels ...string) *Desc { return &Desc{name, help, labels} }

// Metric is one series at one moment.
type Metric struct {
	desc    *Desc
	kind    Kind
	values  []string
	value   float64   // of a histogram the sum
	buckets []float64 // bounds of a histogram
	counts  []uint64  // of its buckets, the last beyond all bounds
}

// Const returns a Metric that was counted elsewhere. It panics unless there is a
// value for each label.
func Const(d *Desc, kind Kind, value float64, labels ...string) Metric {
	if len(labels) != len(d.labels) {
		panic(fmt.Sprintf("metric %s: %d values for labels %v", d.name, len(labels), d.labels))
	}
	return Metric{desc: d, kind: kind, values: labels, value: value}
}

// Collector gives metrics. Collect may be called at any time, from any goroutine.
type Collector interface {
	Describe() []*Desc
	Collect(send func(Metric))
}

// number is a float64 that any goroutine may add to.
type number struct{ bits atomic.Uint64 }

func (n *number) get() float64 { return math.Float64frombits(n.bits.Load()) }

func (n *number) set(v float64) { n.bits.Store(math.Float64bits(v)) }

func (n *number) add(v float64) {
	for {
		was := n.bits.Load()
		if n.bits.CompareAndSwap(was, math.Float64bits(math.Float64frombits(was)+v)) {
			return
		}
	}
}

// Counter only grows. It may be used from any goroutine.
type Counter struct {
	desc   *Desc
	values []string
	n      number
}

// NewCounter returns a counter without labels.
func NewCounter(o Opts) *Counter { return &Counter{desc: NewDesc(o.Name, o.Help)} }

// Inc counts one.
func (c *Counter) Inc() { c.n.add(1) }

// Add counts v, which must not be negative.
func (c *Counter) Add(v float64) {
	if v < 0 {
		panic("counter " + c.desc.name + " cannot fall")
	}
	c.n.add(v)
}

// Describe implements Collector.
func (c *Counter) Describe() []*Desc { return []*Desc{c.desc} }

// Collect implements Collector.
func (c *Counter) Collect(send func(Metric)) {
	send(Metric{desc: c.desc, kind: CounterValue, values: c.values, value: c.n.get()})
}

// Gauge rises and falls. It may be used from any goroutine.
type Gauge struct {
	desc   *Desc
	values []string
	n      number
}

// NewGauge returns a gauge without labels.
func NewGauge(o Opts) *Gauge { return &Gauge{desc: NewDesc(o.Name, o.Help)} }

// Set makes it v.
func (g *Gauge) Set(v float64) { g.n.set(v) }

// Add makes it v more.
func (g *Gauge) Add(v float64) { g.n.add(v) }

// Inc makes it one more.
func (g *Gauge) Inc() { g.n.add(1) }

// Dec makes it one less.
func (g *Gauge) Dec() { g.n.add(-1) }

// Describe implements Collector.
func (g *Gauge) Describe() []*Desc { return []*Desc{g.desc} }

// Collect implements Collector.
func (g *Gauge) Collect(send func(Metric)) {
	send(Metric{desc: g.desc, kind: GaugeValue, values: g.values, value: g.n.get()})
}

// Histogram counts values by size. It may be used from any goroutine.
type Histogram struct {
	desc    *Desc
	values  []string
	buckets []float64
	counts  []atomic.Uint64 // one more than buckets
	sum     number
}

// Observe counts v.
func (h *Histogram) Observe(v float64) {
	i, _ := slices.BinarySearch(h.buckets, v)
	h.counts[i].Add(1)
	h.sum.add(v)
}

// Describe implements Collector.
func (h *Histogram) Describe() []*Desc { return []*Desc{h.desc} }

// Collect implements Collector.
func (h *Histogram) Collect(send func(Metric)) {
	counts := make([]uint64, len(h.counts))
	for i := range h.counts {
		counts[i] = h.counts[i].Load()
	}
	send(Metric{desc: h.desc, kind: histogramValue, values: h.values, value: h.sum.get(), buckets: h.buckets, counts: counts})
}

// vec is a metric's series by the values of its labels.
type vec[M Collector] struct {
	desc *Desc
	make func(values []string) M

	mu  sync.RWMutex
	all map[string]M
}

// WithLabelValues returns the series with these values, made when first asked for.
// It panics unless there is a value for each label.
func (v *vec[M]) WithLabelValues(values ...string) M {
	if len(values) != len(v.desc.labels) {
		panic(fmt.Sprintf("metric %s: %d values for labels %v", v.desc.name, len(values), v.desc.labels))
	}
	key := strings.Join(values, "\xff")
	v.mu.RLock()
	m, ok := v.all[key]
	v.mu.RUnlock()
	if ok {
		return m
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	if m, ok = v.all[key]; !ok {
		m = v.make(slices.Clone(values))
		v.all[strings.Clone(key)] = m
	}
	return m
}

// Describe implements Collector.
func (v *vec[M]) Describe() []*Desc { return []*Desc{v.desc} }

// Collect implements Collector.
func (v *vec[M]) Collect(send func(Metric)) {
	v.mu.RLock()
	defer v.mu.RUnlock()
	for _, m := range v.all {
		m.Collect(send)
	}
}

// CounterVec are counters by labels.
type CounterVec struct{ vec[*Counter] }

// NewCounterVec returns counters with labels of these names.
func NewCounterVec(o Opts, labels []string) *CounterVec {
	d := NewDesc(o.Name, o.Help, labels...)
	return &CounterVec{vec[*Counter]{desc: d, all: map[string]*Counter{},
		make: func(values []string) *Counter { return &Counter{desc: d, values: values} }}}
}

// GaugeVec are gauges by labels.
type GaugeVec struct{ vec[*Gauge] }

// NewGaugeVec returns gauges with labels of these names.
func NewGaugeVec(o Opts, labels []string) *GaugeVec {
	d := NewDesc(o.Name, o.Help, labels...)
	return &GaugeVec{vec[*Gauge]{desc: d, all: map[string]*Gauge{},
		make: func(values []string) *Gauge { return &Gauge{desc: d, values: values} }}}
}

// HistogramVec are histograms by labels.
type HistogramVec struct{ vec[*Histogram] }

// NewHistogramVec returns histograms with labels of these names.
func NewHistogramVec(o Opts, labels []string) *HistogramVec {
	d := NewDesc(o.Name, o.Help, labels...)
	return &HistogramVec{vec[*Histogram]{desc: d, all: map[string]*Histogram{}, make: func(values []string) *Histogram {
		return &Histogram{desc: d, values: values, buckets: o.Buckets, counts: make([]atomic.Uint64, len(o.Buckets)+1)}
	}}}
}
