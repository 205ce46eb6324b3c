// Package meter shows plugins as metrics, for agent and collector alike. It
// measures nothing itself.
package meter

import (
	"github.com/faultline/faultline/internal/selfmetric"
	"github.com/faultline/faultline/plugins/host/spec"
)

// Collector shows what status returns. It is a selfmetric.Collector.
type Collector struct {
	status func() []spec.Status

	up, resident, seconds, starts, samples, lost *selfmetric.Desc
	ends, calls, refused, lines                  *selfmetric.Desc
}

// New returns a Collector of plugins.
func New(status func() []spec.Status) *Collector {
	desc := func(name, help string, labels ...string) *selfmetric.Desc {
		return selfmetric.NewDesc("faultline_plugin_"+name, help, append([]string{"plugin", "contract"}, labels...)...)
	}
	return &Collector{
		status:   status,
		up:       desc("up", "Whether the plugin runs."),
		resident: desc("resident_bytes", "Memory of the plugin's processes."),
		seconds:  desc("call_seconds_total", "Time spent in calls to the plugin."),
		starts:   desc("starts_total", "Starts of the plugin's program."),
		samples:  desc("samples_total", "Samples taken from the plugin."),
		lost:     desc("log_lines_dropped_total", "Log lines of the plugin beyond its rate."),
		ends:     desc("ends_total", "Ends of the plugin's process, by reason.", "reason"),
		calls:    desc("calls_total", "Calls to the plugin, by outcome.", "outcome"),
		refused:  desc("refused_total", "What the plugin said and was not taken, by reason.", "reason"),
		lines:    desc("log_lines_total", "Log lines of the plugin, by level.", "level"),
	}
}

// Describe implements selfmetric.Collector.
func (c *Collector) Describe() []*selfmetric.Desc {
	return []*selfmetric.Desc{c.up, c.resident, c.seconds, c.starts, c.samples, c.lost, c.ends, c.calls, c.refused, c.lines}
}

// Collect implements selfmetric.Collector.
func (c *Collector) Collect(out func(selfmetric.Metric)) {
	for _, s := range c.status() {
		send := func(d *selfmetric.Desc, t selfmetric.Kind, v float64, more ...string) {
			out(selfmetric.Const(d, t, v, append([]string{s.Name, s.Contract}, more...)...))
		}
		up := 0.0
		if s.State == spec.Running {
			up = 1
		}
		send(c.up, selfmetric.GaugeValue, up)
		send(c.resident, selfmetric.GaugeValue, float64(s.Resident))
		send(c.seconds, selfmetric.CounterValue, s.Seconds)
		send(c.starts, selfmetric.CounterValue, float64(s.Starts))
		send(c.samples, selfmetric.CounterValue, float64(s.Samples))
		send(c.lost, selfmetric.CounterValue, float64(s.LogLost))
		for _, m := range []struct {
			d   *selfmetric.Desc
			all map[string]uint64
		}{{c.ends, s.Ends}, {c.calls, s.Calls}, {c.refused, s.Refusals}, {c.lines, s.LogLines}} {
			for k, n := range m.all {
				send(m.d, selfmetric.CounterValue, float64(n), k)
			}
		}
	}
}
