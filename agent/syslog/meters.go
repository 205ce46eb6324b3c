package syslog

import "github.com/faultline/faultline/internal/selfmetric"

// meters are the receiver's own metrics.
type meters struct {
	lines   *selfmetric.CounterVec
	dropped *selfmetric.CounterVec
	events  *selfmetric.Counter
	folded  *selfmetric.Counter
	checks  *selfmetric.Counter
	conns   *selfmetric.Gauge
}

func newMeters(r selfmetric.Registerer) *meters {
	m := &meters{
		lines:   selfmetric.NewCounterVec(selfmetric.Opts{Name: "faultline_syslog_lines_total", Help: "Lines heard, by what became of them."}, []string{"outcome"}),
		dropped: selfmetric.NewCounterVec(selfmetric.Opts{Name: "faultline_syslog_dropped_total", Help: "Lines, events and connections refused, by the bound they met."}, []string{"reason"}),
		events:  selfmetric.NewCounter(selfmetric.Opts{Name: "faultline_syslog_events_total", Help: "Events made of lines."}),
		folded:  selfmetric.NewCounter(selfmetric.Opts{Name: "faultline_syslog_folded_total", Help: "Lines counted as repeats of an event."}),
		checks:  selfmetric.NewCounter(selfmetric.Opts{Name: "faultline_syslog_checks_total", Help: "Devices measured at once because of a line."}),
		conns:   selfmetric.NewGauge(selfmetric.Opts{Name: "faultline_syslog_connections", Help: "TCP connections open."}),
	}
	if r != nil {
		r.MustRegister(m.lines, m.dropped, m.events, m.folded, m.checks, m.conns)
	}
	return m
}
