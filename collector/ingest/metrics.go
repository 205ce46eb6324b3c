package ingest

import (
	"github.com/prometheus/client_golang/prometheus"

	"github.com/faultline/faultline/collector/metricstore"
)

type metrics struct {
	requests *prometheus.CounterVec
	seconds  *prometheus.HistogramVec
	bytes    prometheus.Counter
	stored   prometheus.Counter
	refused  *prometheus.CounterVec
	dropped  *prometheus.CounterVec
	events   *prometheus.CounterVec
}

func newMetrics(h *Handler, reg prometheus.Registerer) *metrics {
	vec := func(name, help string, labels ...string) *prometheus.CounterVec {
		return prometheus.NewCounterVec(prometheus.CounterOpts{Name: "faultline_ingest_" + name, Help: help}, labels)
	}
	counter := func(name, help string) prometheus.Counter {
		return prometheus.NewCounter(prometheus.CounterOpts{Name: "faultline_ingest_" + name, Help: help})
	}
	m := &metrics{
		requests: vec("requests_total", "Requests by outcome; what is write or events.", "what", "outcome"),
		bytes:    counter("received_bytes_total", "Bytes of remote write bodies, compressed."),
		stored:   counter("samples_stored_total", "Samples appended, repeats included."),
		refused:  vec("samples_refused_total", "Samples refused for good.", "reason"),
		dropped:  vec("dropped_total", "What is taken but not stored: exemplars.", "kind"),
		events:   vec("events_total", "Events stored, repeats included, and refused.", "outcome"),
		seconds: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "faultline_ingest_request_seconds", Help: "Time from the request's head to its answer.",
			Buckets: []float64{.001, .005, .02, .1, .5, 2, 10},
		}, []string{"what"}),
	}
	if reg == nil {
		return m
	}
	reg.MustRegister(m.requests, m.seconds, m.bytes, m.stored, m.refused, m.dropped, m.events)
	reg.MustRegister(prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "faultline_ingest_requests_running", Help: "Requests under way.",
	}, func() float64 { return float64(len(h.places)) }))
	return m
}

func (m *metrics) count(stats metricstore.Stats, d *decoder) {
	m.stored.Add(float64(stats.Appended))
	if d.exemplars > 0 {
		m.dropped.WithLabelValues("exemplars").Add(float64(d.exemplars))
	}
	for reason, n := range stats.ByReason {
		m.refused.WithLabelValues(reason).Add(float64(n))
	}
}
