package schedule

import "github.com/prometheus/client_golang/prometheus"

// metrics are what the scheduler tells of itself.
type metrics struct {
	targets, running prometheus.Gauge
	polls            *prometheus.CounterVec
	skipped          *prometheus.CounterVec
	delayed, dropped prometheus.Counter
	seconds          *prometheus.HistogramVec
}

func newMetrics(r prometheus.Registerer) *metrics {
	m := &metrics{
		targets: prometheus.NewGauge(prometheus.GaugeOpts{Name: "faultline_schedule_targets", Help: "Targets being polled."}),
		running: prometheus.NewGauge(prometheus.GaugeOpts{Name: "faultline_schedule_running", Help: "Polls under way."}),
		polls: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "faultline_schedule_polls_total", Help: "Finished polls by outcome: ok, partial, failed."}, []string{"input", "outcome"}),
		skipped: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "faultline_schedule_skipped_total", Help: "Beats left out because the poll before had not finished."}, []string{"input"}),
		delayed: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "faultline_schedule_delayed_total", Help: "Polls that waited because too many were under way."}),
		dropped: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "faultline_schedule_dropped_samples_total", Help: "Samples and events beyond the bound of one poll."}),
		seconds: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "faultline_schedule_poll_duration_seconds", Help: "How long polls take.",
			Buckets: []float64{.001, .01, .05, .1, .5, 1, 2.5, 5, 10, 30}}, []string{"input"}),
	}
	if r != nil {
		r.MustRegister(m.targets, m.running, m.polls, m.skipped, m.delayed, m.dropped, m.seconds)
	}
	return m
}
