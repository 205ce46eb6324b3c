package uplink

import (
	"errors"

	"github.com/prometheus/client_golang/prometheus"
)

// meters are the uplink's own metrics.
type meters struct {
	samples     *prometheus.CounterVec
	events      prometheus.Counter
	rejected    prometheus.Counter
	quarantined *prometheus.CounterVec
	resent      *prometheus.CounterVec
	requests    *prometheus.CounterVec
	seconds     *prometheus.HistogramVec
	unsure      *prometheus.GaugeVec
	failing     *prometheus.GaugeVec
	delay       prometheus.Gauge
	version     prometheus.Gauge
}

func newMeters() *meters {
	counter := func(name, help string) prometheus.CounterOpts {
		return prometheus.CounterOpts{Name: "faultline_uplink_" + name, Help: help}
	}
	gauge := func(name, help string) prometheus.GaugeOpts {
		return prometheus.GaugeOpts{Name: "faultline_uplink_" + name, Help: help}
	}
	return &meters{
		samples:     prometheus.NewCounterVec(counter("sent_samples_total", "Samples that the receiver answered it wrote."), []string{"cursor"}),
		events:      prometheus.NewCounter(counter("sent_events_total", "Events that the receiver accepted.")),
		rejected:    prometheus.NewCounter(counter("rejected_samples_total", "Samples that the receiver left out of an accepted request.")),
		quarantined: prometheus.NewCounterVec(counter("quarantined_records_total", "Records that were refused or unreadable and put aside."), []string{"lane"}),
		resent:      prometheus.NewCounterVec(counter("resent_ranges_total", "Ranges given back to be sent again because they may not be durable."), []string{"way"}),
		requests:    prometheus.NewCounterVec(counter("requests_total", "Requests by answer; none if there was no answer."), []string{"way", "status"}),
		seconds: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "faultline_uplink_request_seconds", Help: "Time of requests.", Buckets: []float64{.005, .02, .1, .5, 2, 5},
		}, []string{"way"}),
		unsure:  prometheus.NewGaugeVec(gauge("unsure_requests", "Accepted requests that are not durable at the receiver yet."), []string{"way"}),
		failing: prometheus.NewGaugeVec(gauge("failing", "1 while sending fails."), []string{"way"}),
		delay:   prometheus.NewGauge(gauge("live_delay_seconds", "Age of the newest sample when the receiver had accepted it.")),
		version: prometheus.NewGauge(gauge("remote_write_version", "Remote write in use, 1 or 2; 0 before the first answer.")),
	}
}

func (m *meters) register(r prometheus.Registerer) error {
	var err error
	for _, c := range []prometheus.Collector{m.samples, m.events, m.rejected, m.quarantined, m.resent, m.requests, m.seconds, m.unsure, m.failing, m.delay, m.version} {
		err = errors.Join(err, r.Register(c))
	}
	return err
}
