package scenario

import (
	"maps"
	"time"

	"github.com/faultline/faultline/collector/inventory"
	"github.com/faultline/faultline/collector/metricstore"
	"github.com/faultline/faultline/plugins/base"
)

// maker collects the samples of one measurement.
type maker struct {
	net    *network
	labels map[string]string
	agent  string
	site   string // the agent's own, which its samples are forced to bear; "" at head office
	out    []metricstore.Series
}

func (m *maker) put(name string, v float64, extra ...string) {
	ls := make(map[string]string, len(m.labels)+2+len(extra)/2)
	maps.Copy(ls, m.labels)
	ls["agent"] = m.agent
	if m.site != "" {
		ls["site"] = m.site
	}
	for i := 0; i < len(extra); i += 2 {
		ls[extra[i]] = extra[i+1]
	}
	for _, s := range m.net.on {
		for _, w := range s.set {
			if w.fits(name, ls) {
				v = w.at(m.net.now.Sub(m.net.start.Add(s.At.Duration)))
			}
		}
	}
	m.out = append(m.out, sampleOf(name, ls, v, m.net.now))
}

func sampleOf(name string, labels map[string]string, v float64, at time.Time) metricstore.Series {
	return metricstore.Series{Labels: base.LabelsFrom(name, labels), Points: []metricstore.Point{{T: at.UnixMilli(), V: v}}}
}

// measure makes the samples of one measurement of a target, and tells whether
// the target answered.
func (n *network) measure(a inventory.Agent, t base.Target) ([]metricstore.Series, bool) {
	m := &maker{net: n, labels: t.Labels, agent: a.ID}
	if site, ok := n.graph.Site(a.Site); ok && site.Kind != "hq" {
		m.site = a.Site
	}
	device, part := t.Labels["device"], t.Labels["component"]
	switch {
	case t.Input == "host":
		m.put("up", 1)
		return m.out, true
	case t.Input == "snmp":
		ok := n.way(a.Device, device) && !n.is(func(s *Step) []string { return s.Mute }, device)
		m.put("up", number(ok))
		if ok {
			m.walk(device)
		}
		return m.out, ok
	case t.Labels["role"] == inventory.RoleLine:
		l, _ := n.graph.Line(device)
		return m.out, m.line(a, l)
	case t.Input == "database":
		return m.out, m.database(a.Device, device, part)
	default:
		stopped := part != "" && n.is(func(s *Step) []string { return s.Stopped }, device+"/"+part)
		ok := n.way(a.Device, device) && !stopped
		m.put("probe_success", number(ok))
		return m.out, ok
	}
}

// line measures across a line, from the agent's end of it.
func (m *maker) line(a inventory.Agent, l inventory.Line) bool {
	n := m.net
	near := l.AEnd.Device
	if a.Site == l.Site {
		near = l.BEnd.Device
	}
	ok := n.way(a.Device, near) && n.carries(l, n.now) && !n.off[l.AEnd.Device] && !n.off[l.BEnd.Device]
	m.put("probe_success", number(ok))
	loss := number(!ok)
	if ok && n.is(func(s *Step) []string { return s.Lossy }, l.ID) {
		loss = 1. / 3
	}
	m.put("faultline_probe_loss_ratio", loss)
	if ok {
		rtt := 0.002
		if n.is(func(s *Step) []string { return s.Slow }, l.ID) {
			rtt = 0.3
		}
		m.put("probe_icmp_duration_seconds", rtt, "phase", "rtt")
	}
	return ok
}

// database makes the samples of the input database.
func (m *maker) database(from, device, part string) bool {
	n, name := m.net, device+"/"+part
	reason := ""
	switch {
	case !n.way(from, device):
		reason = "timeout"
	case n.is(func(s *Step) []string { return s.Stopped }, name):
		reason = "port_closed"
	case n.is(func(s *Step) []string { return s.Exhausted }, name):
		reason = "too_many_connections"
	case n.is(func(s *Step) []string { return s.Refused }, name):
		reason = "password"
	}
	m.put("faultline_database_login_success", number(reason == ""))
	m.put("faultline_database_serving", number(reason == "" || reason == "password"))
	for _, r := range []string{"timeout", "port_closed", "too_many_connections", "password"} {
		m.put("faultline_database_failed", number(r == reason), "reason", r)
	}
	if reason != "" {
		return false
	}
	waiting, wait := 0.0, 0.0
	if s := n.since(func(s *Step) []string { return s.Blocked }, name); s != nil {
		waiting, wait = 12, n.now.Sub(n.start.Add(s.At.Duration)).Seconds()
	}
	m.put("faultline_database_blocked_sessions", waiting)
	m.put("faultline_database_longest_wait_seconds", wait)
	m.put("faultline_database_connections_used_ratio", 0.3)
	return true
}

// walk makes the samples of a device's SNMP tables.
func (m *maker) walk(device string) {
	n := m.net
	d, _ := n.graph.Device(device)
	m.put("sysUpTime", n.now.Sub(n.boot(device)).Seconds()*100)
	for _, p := range d.Ports {
		ref := device + ":" + p.Name
		admin, oper := 1.0, 1.0
		if n.is(func(s *Step) []string { return s.Shut }, ref) {
			admin, oper = 2, 2
		}
		if n.broken[ref] || !n.link(device, p) {
			oper = 2
		}
		m.put("ifAdminStatus", admin, "ifName", p.Name)
		m.put("ifOperStatus", oper, "ifName", p.Name)
		m.put("ifInErrors", m.counted(func(s *Step) []string { return s.Errors }, ref, 40), "ifName", p.Name)
	}
	switch d.Kind {
	case "ups":
		source := 3.0
		if n.is(func(s *Step) []string { return s.Battery }, device) {
			source = 5
		}
		m.put("upsOutputSource", source)
		m.put("upsBatteryStatus", 2)
		m.put("upsEstimatedMinutesRemaining", 6)
	case "environment":
		temp, alarm := 23.5, 1.0
		if n.is(func(s *Step) []string { return s.Hot }, device) {
			temp = 38
		}
		if n.is(func(s *Step) []string { return s.Cooling }, device) {
			temp, alarm = 38, 3
		}
		m.put("faultline_sensor_value", temp, "class", "temperature", "place", "room", "sensor", "room")
		m.put("faultline_sensor_status", alarm, "class", "state", "place", "room", "sensor", "air conditioner alarm")
	}
	m.put("snmpInBadCommunityNames", m.counted(func(s *Step) []string { return s.Guessed }, device, 10))
	m.parts(device)
}

// parts reports the parts of the device that any step speaks of.
func (m *maker) parts(device string) {
	done := map[string]bool{}
	for i := range m.net.steps {
		for _, ref := range m.net.steps[i].Parts {
			if of, part := cutAt(ref); of == device && !done[part] {
				done[part] = true
				status := 1.0
				if m.net.is(func(s *Step) []string { return s.Parts }, ref) {
					status = 3
				}
				m.put("faultline_sensor_status", status, "class", "state", "sensor", part)
			}
		}
	}
}

// counted is a counter that grows by perSecond while a step says so.
func (m *maker) counted(list func(*Step) []string, name string, perSecond float64) float64 {
	if s := m.net.since(list, name); s != nil {
		return perSecond * m.net.now.Sub(m.net.start.Add(s.At.Duration)).Seconds()
	}
	return 0
}

func number(b bool) float64 {
	if b {
		return 1
	}
	return 0
}
