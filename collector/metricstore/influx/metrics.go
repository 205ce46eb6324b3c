package influx

import "github.com/prometheus/client_golang/prometheus"

type metrics struct {
	queued, written, skipped        prometheus.Counter
	quarantined, unreadable, errors prometheus.Counter
	dropped                         *prometheus.CounterVec
	gauges                          []prometheus.Collector
}

func newMetrics(m *Mirror, reg prometheus.Registerer) *metrics {
	counter := func(name, help string) prometheus.Counter {
		return prometheus.NewCounter(prometheus.CounterOpts{Name: "faultline_influx_" + name, Help: help})
	}
	gauge := func(name, help string, f func() float64) prometheus.Collector {
		return prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: "faultline_influx_" + name, Help: help}, f)
	}
	s := &metrics{
		queued:      counter("points_queued_total", "Points put into the queue."),
		written:     counter("points_written_total", "Points InfluxDB took, repeats included."),
		skipped:     counter("points_skipped_total", "Values InfluxDB does not have: NaN, infinities, stale markers."),
		quarantined: counter("points_quarantined_total", "Points InfluxDB refused for good."),
		unreadable:  counter("queue_files_unreadable_total", "Files of the queue set aside because they were damaged."),
		errors:      counter("write_errors_total", "Writes that failed and are repeated."),
		dropped: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "faultline_influx_points_dropped_total", Help: "Points given up: backlog_full (the queue's bound) or retention (older than InfluxDB keeps).",
		}, []string{"reason"}),
		gauges: []prometheus.Collector{
			gauge("backlog_points", "Points waiting.", func() float64 { p, _ := m.queue.waiting(); return float64(p) }),
			gauge("backlog_bytes", "Bytes of the queue's files.", func() float64 { _, b := m.queue.waiting(); return float64(b) }),
		},
	}
	if reg != nil {
		reg.MustRegister(s.all()...)
	}
	return s
}

func (s *metrics) all() []prometheus.Collector {
	return append([]prometheus.Collector{s.queued, s.written, s.skipped, s.quarantined, s.unreadable, s.errors, s.dropped}, s.gauges...)
}

func (s *metrics) unregister(reg prometheus.Registerer) {
	if reg == nil {
		return
	}
	for _, c := range s.all() {
		reg.Unregister(c)
	}
}
