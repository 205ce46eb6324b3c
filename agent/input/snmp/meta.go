package snmp

import (
	"errors"
	"time"

	protocol "github.com/faultline/faultline/agent/snmp"
	"github.com/faultline/faultline/plugins/base"
	"github.com/faultline/faultline/plugins/input"
)

// own returns the labels of a series about the polling itself, made once.
func (d *device) own(name, label, value string) base.Labels {
	key := name + "\x00" + value
	ls, ok := d.series[key]
	if !ok {
		ls = base.LabelsFrom(name, map[string]string{label: value})
		d.series[key] = ls
	}
	return ls
}

// meta says what the poll cost, which tables it could read, and whether the
// device refused us.
func (p *poll) meta(start time.Time, err error) {
	now := p.opts.Now()
	module := "unknown"
	if p.plan != nil {
		if module = p.plan.Own; module == "" {
			module = "generic"
		}
	}
	var walk float64
	if !p.walkAt.IsZero() {
		walk = now.Sub(p.walkAt).Seconds()
	}
	st := p.session.Stats()
	for _, m := range [...]struct {
		name  string
		value float64
	}{
		{"snmp_scrape_duration_seconds", now.Sub(start).Seconds()},
		{"snmp_scrape_walk_duration_seconds", walk},
		{"snmp_scrape_packets_sent", float64(st.Sent - p.before.Sent)},
		{"snmp_scrape_packets_retried", float64(st.Retried - p.before.Retried)},
		{"snmp_scrape_pdus_returned", float64(st.Varbinds - p.before.Varbinds)},
	} {
		p.sample(p.own(m.name, "module", module), m.value, now)
	}
	var refused protocol.Refusal
	if errors.As(err, &refused) || p.cfg.Version == protocol.V3 && (err == nil || errors.As(err, new(input.Partial))) {
		for _, r := range protocol.Reasons() {
			p.sample(p.own("faultline_snmp_auth_failure", "reason", string(r)), truth(r == refused.Reason), now)
		}
	}
	if p.walkAt.IsZero() {
		return
	}
	for _, t := range p.tables {
		if !t.def.Scalar() {
			p.sample(p.own("faultline_snmp_table_success", "table", t.def.Name), truth(t.polled && t.ok), now)
		}
	}
}

func truth(b bool) float64 {
	if b {
		return 1
	}
	return 0
}
