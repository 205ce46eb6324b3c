// Package meter shows plugins as metrics, for agent and collector alike. It
// measures nothing itself.
package meter

import (
	"github.com/prometheus/client_golang/prometheus"

	"github.com/faultline/faultline/plugins/host/spec"
)

// Collector shows what status returns. It is a prometheus.Collector.
type Collector struct {
	status func() []spec.Status

	up, resident, seconds, starts, samples, lost *prometheus.Desc
	ends, calls, refused, lines                  *prometheus.Desc
}

// New returns a Collector of plugins.
func New(status func() []spec.Status) *Collector {
	desc := func(name, help string, labels ...string) *prometheus.Desc {
		return prometheus.NewDesc("faultline_plugin_"+name, help, append([]string{"plugin", "contract"}, labels...), nil)
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

// Describe implements prometheus.Collector.
func (c *Collector) Describe(ch chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{c.up, c.resident, c.seconds, c.starts, c.samples, c.lost, c.ends, c.calls, c.refused, c.lines} {
		ch <- d
	}
}

// Collect implements prometheus.Collector.
func (c *Collector) Collect(ch chan<- prometheus.Metric) {
	for _, s := range c.status() {
		send := func(d *prometheus.Desc, t prometheus.ValueType, v float64, more ...string) {
			ch <- prometheus.MustNewConstMetric(d, t, v, append([]string{s.Name, s.Contract}, more...)...)
		}
		up := 0.0
		if s.State == spec.Running {
			up = 1
		}
		send(c.up, prometheus.GaugeValue, up)
		send(c.resident, prometheus.GaugeValue, float64(s.Resident))
		send(c.seconds, prometheus.CounterValue, s.Seconds)
		send(c.starts, prometheus.CounterValue, float64(s.Starts))
		send(c.samples, prometheus.CounterValue, float64(s.Samples))
		send(c.lost, prometheus.CounterValue, float64(s.LogLost))
		for _, m := range []struct {
			d   *prometheus.Desc
			all map[string]uint64
		}{{c.ends, s.Ends}, {c.calls, s.Calls}, {c.refused, s.Refusals}, {c.lines, s.LogLines}} {
			for k, n := range m.all {
				send(m.d, prometheus.CounterValue, float64(n), k)
			}
		}
	}
}
