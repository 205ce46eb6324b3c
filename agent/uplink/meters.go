package uplink

import (
	"errors"

	"github.com/faultline/faultline/internal/selfmetric"
)

// meters are the uplink's own metrics.
type meters struct {
	samples     *selfmetric.CounterVec
	events      *selfmetric.Counter
	rejected    *selfmetric.Counter
	quarantined *selfmetric.CounterVec
	resent      *selfmetric.CounterVec
	requests    *selfmetric.CounterVec
	seconds     *selfmetric.HistogramVec
	unsure      *selfmetric.GaugeVec
	failing     *selfmetric.GaugeVec
	delay       *selfmetric.Gauge
	version     *selfmetric.Gauge
}

func newMeters() *meters {
	counter := func(name, help string) selfmetric.Opts {
		return selfmetric.Opts{Name: "faultline_uplink_" + name, Help: help}
	}
	gauge := func(name, help string) selfmetric.Opts {
		return selfmetric.Opts{Name: "faultline_uplink_" + name, Help: help}
	}
	return &meters{
		samples:     selfmetric.NewCounterVec(counter("sent_samples_total", "Samples that the receiver answered it wrote."), []string{"cursor"}),
		events:      selfmetric.NewCounter(counter("sent_events_total", "Events that the receiver accepted.")),
		rejected:    selfmetric.NewCounter(counter("rejected_samples_total", "Samples that the receiver left out of an accepted request.")),
		quarantined: selfmetric.NewCounterVec(counter("quarantined_records_total", "Records that were refused or unreadable and put aside."), []string{"lane"}),
		resent:      selfmetric.NewCounterVec(counter("resent_ranges_total", "Ranges given back to be sent again because they may not be durable."), []string{"way"}),
		requests:    selfmetric.NewCounterVec(counter("requests_total", "Requests by answer; none if there was no answer."), []string{"way", "status"}),
		seconds: selfmetric.NewHistogramVec(selfmetric.Opts{
			Name: "faultline_uplink_request_seconds", Help: "Time of requests.", Buckets: []float64{.005, .02, .1, .5, 2, 5},
		}, []string{"way"}),
		unsure:  selfmetric.NewGaugeVec(gauge("unsure_requests", "Accepted requests that are not durable at the receiver yet."), []string{"way"}),
		failing: selfmetric.NewGaugeVec(gauge("failing", "1 while sending fails."), []string{"way"}),
		delay:   selfmetric.NewGauge(gauge("live_delay_seconds", "Age of the newest sample when the receiver had accepted it.")),
		version: selfmetric.NewGauge(gauge("remote_write_version", "Remote write in use, 1 or 2; 0 before the first answer.")),
	}
}

func (m *meters) register(r selfmetric.Registerer) error {
	var err error
	for _, c := range []selfmetric.Collector{m.samples, m.events, m.rejected, m.quarantined, m.resent, m.requests, m.seconds, m.unsure, m.failing, m.delay, m.version} {
		err = errors.Join(err, r.Register(c))
	}
	return err
}
