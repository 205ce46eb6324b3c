package selfmetric

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"maps"
	"math"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
)

// Registerer takes collectors. A name is taken once; whoever ends gives it back.
type Registerer interface {
	Register(c Collector) error
	MustRegister(all ...Collector)
	Unregister(c Collector) bool
}

// Registry holds collectors and shows them. It may be used from any goroutine.
type Registry struct {
	mu    sync.Mutex
	named map[string]Collector // by the metrics' names
}

// NewRegistry returns an empty registry.
func NewRegistry() *Registry { return &Registry{named: map[string]Collector{}} }

// Register adds a collector, unless one of its names is taken.
func (r *Registry) Register(c Collector) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	descs := c.Describe()
	for _, d := range descs {
		if _, taken := r.named[d.name]; taken {
			return fmt.Errorf("metric %s is registered already", d.name)
		}
	}
	for _, d := range descs {
		r.named[d.name] = c
	}
	return nil
}

// MustRegister is Register for names that cannot be taken; it panics if one is.
func (r *Registry) MustRegister(all ...Collector) {
	for _, c := range all {
		if err := r.Register(c); err != nil {
			panic(err)
		}
	}
}

// Unregister takes a collector out and says whether it was there.
func (r *Registry) Unregister(c Collector) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	before := len(r.named)
	for _, d := range c.Describe() {
		delete(r.named, d.name)
	}
	return len(r.named) < before
}

// Family is one metric with all its series.
type Family struct {
	Name    string
	Metrics []Metric
}

// Value is what a metric stands at; of a histogram the sum.
func (m Metric) Value() float64 { return m.value }

// Gather returns what there is to show, by name; metrics without a series are left
// out.
func (r *Registry) Gather() []Family {
	r.mu.Lock()
	all := map[Collector]bool{}
	for _, c := range r.named {
		all[c] = true
	}
	r.mu.Unlock()
	families := map[string]*Family{}
	for c := range all {
		c.Collect(func(m Metric) {
			f := families[m.desc.name]
			if f == nil {
				f = &Family{Name: m.desc.name}
				families[m.desc.name] = f
			}
			f.Metrics = append(f.Metrics, m)
		})
	}
	var out []Family
	for _, name := range slices.Sorted(maps.Keys(families)) {
		f := families[name]
		slices.SortFunc(f.Metrics, func(a, b Metric) int { return slices.Compare(a.values, b.values) })
		out = append(out, *f)
	}
	return out
}

// Text is everything in Prometheus' text format, version 0.0.4.
func (r *Registry) Text() []byte {
	var b bytes.Buffer
	for _, f := range r.Gather() {
		d := f.Metrics[0].desc
		fmt.Fprintf(&b, "# HELP %s %s\n# TYPE %s %s\n", d.name, helpText.Replace(d.help), d.name, f.Metrics[0].kind)
		for _, m := range f.Metrics {
			m.write(&b)
		}
	}
	return b.Bytes()
}

var (
	helpText  = strings.NewReplacer(`\`, `\\`, "\n", `\n`)
	labelText = strings.NewReplacer(`\`, `\\`, "\n", `\n`, `"`, `\"`)
)

func (m Metric) write(b *bytes.Buffer) {
	if m.kind != histogramValue {
		m.line(b, "", "", m.value)
		return
	}
	total := uint64(0)
	for i, n := range m.counts {
		total += n
		bound := math.Inf(1)
		if i < len(m.buckets) {
			bound = m.buckets[i]
		}
		m.line(b, "_bucket", number64(bound), float64(total))
	}
	m.line(b, "_sum", "", m.value)
	m.line(b, "_count", "", float64(total))
}

// line writes one series; le is the bound of a bucket.
func (m Metric) line(b *bytes.Buffer, suffix, le string, value float64) {
	b.WriteString(m.desc.name + suffix)
	before := "{"
	label := func(name, value string) {
		b.WriteString(before + name + `="` + labelText.Replace(value) + `"`)
		before = ","
	}
	for i, l := range m.desc.labels {
		label(l, m.values[i])
	}
	if le != "" {
		label("le", le)
	}
	if before == "," {
		b.WriteByte('}')
	}
	b.WriteString(" " + number64(value) + "\n")
}

func number64(v float64) string {
	if math.IsInf(v, 1) {
		return "+Inf"
	}
	return strconv.FormatFloat(v, 'g', -1, 64)
}

// ServeHTTP shows everything as text, packed where the asker takes that.
func (r *Registry) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	w.Header().Set("Content-Type", "text/plain; version=0.0.4; charset=utf-8")
	text := r.Text()
	if !strings.Contains(req.Header.Get("Accept-Encoding"), "gzip") {
		_, _ = w.Write(text)
		return
	}
	w.Header().Set("Content-Encoding", "gzip")
	z := gzip.NewWriter(w)
	_, _ = z.Write(text)
	_ = z.Close()
}

// Sum adds up what a collector shows: the value of a single metric.
func Sum(c Collector) float64 {
	total := 0.0
	c.Collect(func(m Metric) { total += m.value })
	return total
}
