package embedded

import (
	"fmt"
	"strings"

	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"
)

// metrics are the store's own; those of the engine are passed on by engineMetrics.
type metrics struct {
	appended     prometheus.Counter
	rejected     *prometheus.CounterVec
	appendErrors prometheus.Counter
	syncErrors   prometheus.Counter
	reopened     prometheus.Counter
	undurable    prometheus.GaugeFunc
	engine       prometheus.Collector
}

func newMetrics(s *Store, reg prometheus.Registerer) *metrics {
	counter := func(name, help string) prometheus.Counter {
		return prometheus.NewCounter(prometheus.CounterOpts{Name: "faultline_metricstore_" + name, Help: help})
	}
	m := &metrics{
		appended:     counter("samples_appended_total", "Samples stored, repeats included."),
		appendErrors: counter("append_errors_total", "Appends of which nothing was acknowledged."),
		syncErrors:   counter("sync_errors_total", "Syncs of the log to disk that failed."),
		reopened:     counter("reopened_total", "Times the store was reopened after its log failed."),
		rejected: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "faultline_metricstore_samples_rejected_total", Help: "Samples refused for their own fault.",
		}, []string{"reason"}),
		undurable: prometheus.NewGaugeFunc(prometheus.GaugeOpts{
			Name: "faultline_metricstore_appends_not_synced", Help: "Appends answered for but not yet known to be on disk.",
		}, func() float64 { return float64(s.sequence.Load() - min(s.durable.Load(), s.sequence.Load())) }),
		engine: engineMetrics{s},
	}
	if reg != nil {
		reg.MustRegister(m.all()...)
	}
	return m
}

func (m *metrics) all() []prometheus.Collector {
	return []prometheus.Collector{m.appended, m.rejected, m.appendErrors, m.syncErrors, m.reopened, m.undurable, m.engine}
}

func (m *metrics) unregister(reg prometheus.Registerer) {
	if reg == nil {
		return
	}
	for _, c := range m.all() {
		reg.Unregister(c)
	}
}

// engineMetrics passes on the metrics of whichever generation is open.
type engineMetrics struct{ s *Store }

// Describe implements prometheus.Collector; it says nothing because the set of
// metrics is the engine's.
func (engineMetrics) Describe(chan<- *prometheus.Desc) {}

// Collect implements prometheus.Collector.
func (e engineMetrics) Collect(ch chan<- prometheus.Metric) {
	gen, err := e.s.acquire()
	if err != nil {
		return
	}
	defer e.s.release()
	gen.registry.Collect(ch)
}

// failureWatch keeps hold of the counters of failed writes to the logs, which
// are the only sign that late samples were not logged.
type failureWatch struct {
	prometheus.Registerer
	failures []prometheus.Collector
}

var watched = [...]string{`"prometheus_tsdb_wal_writes_failed_total"`, `"prometheus_tsdb_out_of_order_wbl_writes_failed_total"`}

// Register implements prometheus.Registerer.
func (w *failureWatch) Register(c prometheus.Collector) error {
	descs := make(chan *prometheus.Desc, 64)
	go func() {
		c.Describe(descs)
		close(descs)
	}()
	for d := range descs {
		for _, name := range watched {
			if strings.Contains(d.String(), name) {
				w.failures = append(w.failures, c)
			}
		}
	}
	return w.Registerer.Register(c)
}

// MustRegister implements prometheus.Registerer.
func (w *failureWatch) MustRegister(cs ...prometheus.Collector) {
	for _, c := range cs {
		if err := w.Register(c); err != nil {
			panic(err)
		}
	}
}

// err returns an error once a write to one of the logs has failed.
func (w *failureWatch) err() error {
	ch := make(chan prometheus.Metric, 1)
	for _, c := range w.failures {
		c.Collect(ch)
		var m dto.Metric
		if err := (<-ch).Write(&m); err != nil {
			return fmt.Errorf("read log failures: %w", err)
		}
		if n := m.GetCounter().GetValue(); n > 0 {
			return fmt.Errorf("%.0f writes to the log failed", n)
		}
	}
	return nil
}
