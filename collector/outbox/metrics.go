package outbox

import "github.com/prometheus/client_golang/prometheus"

// metrics are the outbox's own.
type metrics struct {
	attempts    *prometheus.CounterVec // kind, result
	ended       *prometheus.CounterVec // kind, state
	seconds     *prometheus.HistogramVec
	inHand      prometheus.Gauge
	full        prometheus.Counter
	storeErrors prometheus.Counter
}

func newMetrics() *metrics {
	return &metrics{
		attempts: prometheus.NewCounterVec(prometheus.CounterOpts{Name: "faultline_outbox_attempts_total",
			Help: "Attempts at effects by kind and result (done, again, failed, error)."}, []string{"kind", "result"}),
		ended: prometheus.NewCounterVec(prometheus.CounterOpts{Name: "faultline_outbox_effects_total",
			Help: "Effects that ended, by kind and state (done, failed)."}, []string{"kind", "state"}),
		seconds: prometheus.NewHistogramVec(prometheus.HistogramOpts{Name: "faultline_outbox_attempt_duration_seconds",
			Help: "Time of one attempt by kind.", Buckets: []float64{.005, .02, .1, .5, 1, 2.5, 5, 10, 30}}, []string{"kind"}),
		inHand: prometheus.NewGauge(prometheus.GaugeOpts{Name: "faultline_outbox_in_hand_effects",
			Help: "Effects claimed and not ended."}),
		full: prometheus.NewCounter(prometheus.CounterOpts{Name: "faultline_outbox_full_total",
			Help: "How often nothing was claimed because too many effects were in hand."}),
		storeErrors: prometheus.NewCounter(prometheus.CounterOpts{Name: "faultline_outbox_store_errors_total",
			Help: "Failed reads, writes and reports; each is repeated."}),
	}
}

func (m *metrics) register(r prometheus.Registerer) error {
	for _, c := range []prometheus.Collector{m.attempts, m.ended, m.seconds, m.inHand, m.full, m.storeErrors} {
		if err := r.Register(c); err != nil {
			return err
		}
	}
	return nil
}

// result is the label of an attempt.
func result(out Outcome, err error) string {
	switch {
	case err != nil:
		return "error"
	case out.again > 0:
		return "again"
	case out.failed:
		return "failed"
	default:
		return "done"
	}
}
