package syslog

import "github.com/prometheus/client_golang/prometheus"

// meters are the receiver's own metrics.
type meters struct {
	lines   *prometheus.CounterVec
	dropped *prometheus.CounterVec
	events  prometheus.Counter
	folded  prometheus.Counter
	checks  prometheus.Counter
	conns   prometheus.Gauge
}

func newMeters(r prometheus.Registerer) *meters {
	m := &meters{
		lines:   prometheus.NewCounterVec(prometheus.CounterOpts{Name: "faultline_syslog_lines_total", Help: "Lines heard, by what became of them."}, []string{"outcome"}),
		dropped: prometheus.NewCounterVec(prometheus.CounterOpts{Name: "faultline_syslog_dropped_total", Help: "Lines, events and connections refused, by the bound they met."}, []string{"reason"}),
		events:  prometheus.NewCounter(prometheus.CounterOpts{Name: "faultline_syslog_events_total", Help: "Events made of lines."}),
		folded:  prometheus.NewCounter(prometheus.CounterOpts{Name: "faultline_syslog_folded_total", Help: "Lines counted as repeats of an event."}),
		checks:  prometheus.NewCounter(prometheus.CounterOpts{Name: "faultline_syslog_checks_total", Help: "Devices measured at once because of a line."}),
		conns:   prometheus.NewGauge(prometheus.GaugeOpts{Name: "faultline_syslog_connections", Help: "TCP connections open."}),
	}
	if r != nil {
		r.MustRegister(m.lines, m.dropped, m.events, m.folded, m.checks, m.conns)
	}
	return m
}
