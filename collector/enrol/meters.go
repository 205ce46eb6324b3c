package enrol

import "github.com/prometheus/client_golang/prometheus"

type meters struct {
	issued    *prometheus.CounterVec
	refused   *prometheus.CounterVec
	unaudited prometheus.Counter
}

func newMeters(s *Service, r prometheus.Registerer) *meters {
	m := &meters{
		issued:    prometheus.NewCounterVec(prometheus.CounterOpts{Name: "faultline_enrol_certificates_total", Help: "Certificates given to agents, by occasion: enrol, repeat, renew."}, []string{"occasion"}),
		refused:   prometheus.NewCounterVec(prometheus.CounterOpts{Name: "faultline_enrol_refusals_total", Help: "Requests of agents that were refused, by reason."}, []string{"reason"}),
		unaudited: prometheus.NewCounter(prometheus.CounterOpts{Name: "faultline_enrol_audit_folded_total", Help: "Refusals that were folded into an earlier entry of the audit trail."}),
	}
	if r != nil {
		r.MustRegister(m.issued, m.refused, m.unaudited, prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: "faultline_enrol_twins",
			Help: "Agents whose identity two running programs used in the last ten minutes."}, func() float64 { return float64(len(s.seen.twinsNow(s.opt.Now()))) }))
		r.MustRegister(prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: "faultline_enrol_open_requests", Help: "Requests of agents under way, long polls among them."},
			func() float64 { return float64(s.open.count()) }))
	}
	return m
}
