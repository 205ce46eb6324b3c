package trap

import "github.com/faultline/faultline/internal/selfmetric"

// reason is why something that was received is no event.
type reason string

// The reasons, as they stand in labels.
const (
	reasonFlood     reason = "flood"        // more datagrams from one address than are looked at
	reasonSize      reason = "size"         // larger than any notification
	reasonGarbage   reason = "garbage"      // no SNMP
	reasonVersion   reason = "version"      // a version that does not exist
	reasonKind      reason = "not_a_trap"   // SNMP, but no notification
	reasonMalformed reason = "malformed"    // a notification that does not say which
	reasonCommunity reason = "community"    // of nobody
	reasonUser      reason = "unknown_user" // this to reasonTime: version 3
	reasonLevel     reason = "security_level"
	reasonDigest    reason = "wrong_password"
	reasonDecrypt   reason = "wrong_privacy"
	reasonEngine    reason = "unknown_engine"
	reasonTime      reason = "time_window"
	reasonQueue     reason = "queue_full"
	reasonSink      reason = "not_kept"
)

var reasons = []reason{
	reasonFlood, reasonSize, reasonGarbage, reasonVersion, reasonKind, reasonMalformed, reasonCommunity, reasonUser, reasonLevel,
	reasonDigest, reasonDecrypt, reasonEngine, reasonTime, reasonQueue, reasonSink,
}

// hint says in words what the sender or we should do about it.
func (r reason) hint() string {
	switch r {
	case reasonCommunity:
		return "the community is neither listed nor that of a polled device"
	case reasonUser:
		return "the user is neither listed nor that of a polled device"
	case reasonLevel:
		return "the sender protects its messages less, or otherwise, than the user is set up here"
	case reasonDigest:
		return "the authentication password or protocol is wrong"
	case reasonDecrypt:
		return "the privacy password or protocol is wrong"
	case reasonEngine:
		return "an inform to an engine that is not ours"
	case reasonTime:
		return "old: sent again by somebody, or the device forgets its engine boots"
	case reasonKind:
		return "it is SNMP, but neither trap nor inform"
	}
	return ""
}

// metrics are what the receiver tells of itself.
type metrics struct {
	received     *selfmetric.CounterVec // by version: authentic notifications
	rejected     *selfmetric.CounterVec // by reason
	duplicates   *selfmetric.Counter
	suppressed   *selfmetric.Counter
	events       *selfmetric.Counter
	unknown      *selfmetric.Counter
	acknowledged *selfmetric.Counter
	reports      *selfmetric.Counter
	lost         *selfmetric.Counter
	checks       *selfmetric.CounterVec
	sources      *selfmetric.Gauge
}

func newMetrics(r selfmetric.Registerer) *metrics {
	counter := func(name, help string) *selfmetric.Counter {
		return selfmetric.NewCounter(selfmetric.Opts{Name: "faultline_trap_" + name, Help: help})
	}
	vec := func(name, help, label string) *selfmetric.CounterVec {
		return selfmetric.NewCounterVec(selfmetric.Opts{Name: "faultline_trap_" + name, Help: help}, []string{label})
	}
	m := &metrics{
		received:     vec("received_total", "Notifications of somebody who may send them, repeats included.", "version"),
		rejected:     vec("rejected_total", "Datagrams and notifications that were not taken, by reason.", "reason"),
		duplicates:   counter("duplicates_total", "Notifications that repeat one that was taken."),
		suppressed:   counter("suppressed_total", "Notifications beyond the rate of their source or of all."),
		events:       counter("events_total", "Notifications that became events and are kept."),
		unknown:      counter("unknown_sources_total", "Kept notifications of which the device is not known."),
		acknowledged: counter("acknowledged_total", "Responses sent to informs."),
		reports:      counter("reports_total", "Reports sent to senders of version 3 messages, discovery of our engine included."),
		lost:         counter("socket_dropped_total", "Datagrams that the kernel dropped because we read too slowly."),
		checks:       vec("checks_total", "Immediate checks of devices by outcome.", "outcome"),
		sources:      selfmetric.NewGauge(selfmetric.Opts{Name: "faultline_trap_sources", Help: "Sources being remembered."}),
	}
	for _, v := range []string{"1", "2c", "3"} {
		m.received.WithLabelValues(v)
	}
	for _, x := range reasons {
		m.rejected.WithLabelValues(string(x))
	}
	if r != nil {
		r.MustRegister(m.received, m.rejected, m.duplicates, m.suppressed, m.events, m.unknown, m.acknowledged, m.reports, m.lost, m.checks, m.sources)
	}
	return m
}
