package control

import (
	"errors"

	"github.com/prometheus/client_golang/prometheus"
)

// meters are the control's own metrics.
type meters struct {
	polls      *prometheus.CounterVec
	checks     *prometheus.CounterVec
	saveErrors prometheus.Counter
	version    prometheus.Gauge
}

func newMeters() *meters {
	return &meters{
		polls:      prometheus.NewCounterVec(prometheus.CounterOpts{Name: "faultline_control_polls_total", Help: "Polls for work by outcome."}, []string{"outcome"}),
		checks:     prometheus.NewCounterVec(prometheus.CounterOpts{Name: "faultline_control_checks_total", Help: "Check requests by what became of them."}, []string{"outcome"}),
		saveErrors: prometheus.NewCounter(prometheus.CounterOpts{Name: "faultline_control_save_errors_total", Help: "New work that could not be written to disk."}),
		version:    prometheus.NewGauge(prometheus.GaugeOpts{Name: "faultline_control_work_version", Help: "Version of the work in force, 0 if none."}),
	}
}

func (m *meters) register(r prometheus.Registerer) error {
	return errors.Join(r.Register(m.polls), r.Register(m.checks), r.Register(m.saveErrors), r.Register(m.version))
}
