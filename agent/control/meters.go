package control

import (
	"errors"

	"github.com/faultline/faultline/internal/selfmetric"
)

// meters are the control's own metrics.
type meters struct {
	polls      *selfmetric.CounterVec
	checks     *selfmetric.CounterVec
	saveErrors *selfmetric.Counter
	refused    *selfmetric.Counter
	version    *selfmetric.Gauge
}

func newMeters() *meters {
	return &meters{
		polls:      selfmetric.NewCounterVec(selfmetric.Opts{Name: "faultline_control_polls_total", Help: "Polls for work by outcome."}, []string{"outcome"}),
		checks:     selfmetric.NewCounterVec(selfmetric.Opts{Name: "faultline_control_checks_total", Help: "Check requests by what became of them."}, []string{"outcome"}),
		saveErrors: selfmetric.NewCounter(selfmetric.Opts{Name: "faultline_control_save_errors_total", Help: "New work that could not be written to disk."}),
		refused:    selfmetric.NewCounter(selfmetric.Opts{Name: "faultline_control_refused_total", Help: "Work that was refused because it cannot be measured here."}),
		version:    selfmetric.NewGauge(selfmetric.Opts{Name: "faultline_control_work_version", Help: "Version of the work in force, 0 if none."}),
	}
}

func (m *meters) register(r selfmetric.Registerer) error {
	return errors.Join(r.Register(m.polls), r.Register(m.checks), r.Register(m.saveErrors), r.Register(m.refused), r.Register(m.version))
}
