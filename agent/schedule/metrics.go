package schedule

import "github.com/faultline/faultline/internal/selfmetric"

// metrics are what the scheduler tells of itself.
type metrics struct {
	targets, running, left *selfmetric.Gauge
	polls                  *selfmetric.CounterVec
	skipped                *selfmetric.CounterVec
	delayed, dropped       *selfmetric.Counter
	seconds                *selfmetric.HistogramVec
}

func newMetrics(r selfmetric.Registerer) *metrics {
	m := &metrics{
		targets: selfmetric.NewGauge(selfmetric.Opts{Name: "faultline_schedule_targets", Help: "Targets being polled."}),
		running: selfmetric.NewGauge(selfmetric.Opts{Name: "faultline_schedule_running", Help: "Polls under way."}),
		left:    selfmetric.NewGauge(selfmetric.Opts{Name: "faultline_schedule_left_out_targets", Help: "Targets that are not polled for want of memory."}),
		polls: selfmetric.NewCounterVec(selfmetric.Opts{
			Name: "faultline_schedule_polls_total", Help: "Finished polls by outcome: ok, partial, failed."}, []string{"input", "outcome"}),
		skipped: selfmetric.NewCounterVec(selfmetric.Opts{
			Name: "faultline_schedule_skipped_total", Help: "Beats left out because the poll before had not finished."}, []string{"input"}),
		delayed: selfmetric.NewCounter(selfmetric.Opts{
			Name: "faultline_schedule_delayed_total", Help: "Polls that waited because too many were under way."}),
		dropped: selfmetric.NewCounter(selfmetric.Opts{
			Name: "faultline_schedule_dropped_samples_total", Help: "Samples and events beyond the bound of one poll."}),
		seconds: selfmetric.NewHistogramVec(selfmetric.Opts{
			Name: "faultline_schedule_poll_duration_seconds", Help: "How long polls take.",
			Buckets: []float64{.001, .01, .05, .1, .5, 1, 2.5, 5, 10, 30}}, []string{"input"}),
	}
	if r != nil {
		r.MustRegister(m.targets, m.running, m.left, m.polls, m.skipped, m.delayed, m.dropped, m.seconds)
	}
	return m
}
