// Package base holds the few types that every plugin contract shares: labelled
// samples, events and targets. It imports the standard library only, so that a
// plugin author pulls in nothing of Faultline's own. It does no I/O and knows
// no wire format (internal/wire) and no store.
package base

import (
	"maps"
	"slices"
	"strings"
	"time"
)

// MetricName is the label that carries a series' name, as in Prometheus.
const MetricName = "__name__"

// Label is one name-value pair of a series.
type Label struct {
	Name, Value string
}

// Labels identify a series. They are sorted by name and names are unique; the
// metric's name is the label MetricName. Labels handed to a Sink are not
// modified afterwards by either side.
type Labels []Label

// LabelsFrom makes Labels from a metric name and a map; empty values are left out.
func LabelsFrom(name string, m map[string]string) Labels {
	ls := make(Labels, 0, len(m)+1)
	if name != "" {
		ls = append(ls, Label{MetricName, name})
	}
	for _, k := range slices.Sorted(maps.Keys(m)) {
		if v := m[k]; v != "" && k != MetricName {
			ls = append(ls, Label{k, v})
		}
	}
	ls.Sort()
	return ls
}

// Sort orders the labels by name, in place.
func (ls Labels) Sort() {
	slices.SortFunc(ls, func(a, b Label) int { return strings.Compare(a.Name, b.Name) })
}

// Get returns the value of the label name, or "".
func (ls Labels) Get(name string) string {
	for i := range ls {
		if ls[i].Name == name {
			return ls[i].Value
		}
	}
	return ""
}

// Name returns the metric's name.
func (ls Labels) Name() string { return ls.Get(MetricName) }

// Map returns the labels as a map, the metric's name included.
func (ls Labels) Map() map[string]string {
	m := make(map[string]string, len(ls))
	for _, l := range ls {
		m[l.Name] = l.Value
	}
	return m
}

// Sample is one measured value of one series.
type Sample struct {
	Labels Labels
	Time   int64 // milliseconds since the Unix epoch, the moment of measuring
	Value  float64
}

// Event kinds that the core understands. Inputs may send others; they are kept
// in the timeline and judge nothing.
const (
	EventState     = "state"        // something observed changed between ok and bad (Attrs: element, truth, value)
	EventTrap      = "trap"         // an SNMP trap or inform
	EventSyslog    = "syslog"       // a log line that matched a pattern
	EventChange    = "change"       // a configuration or identity changed
	EventLastGasp  = "last_gasp"    // the sender expects to vanish (Attrs: reason)
	EventCheckDone = "check_result" // answer to a check request (Attrs: request)
	EventRestart   = "restart"      // a device or agent started anew
)

// Event is something that happened at a moment, other than a sample.
type Event struct {
	ID        string            `json:"id"` // unique for all time, made by the sender; repeats are folded by it
	Kind      string            `json:"kind"`
	At        time.Time         `json:"at"`
	Site      string            `json:"site,omitempty"`
	Agent     string            `json:"agent,omitempty"`
	Device    string            `json:"device,omitempty"`
	Component string            `json:"component,omitempty"`
	Text      string            `json:"text,omitempty"`
	Attrs     map[string]string `json:"attrs,omitempty"`
}

// Target is one thing that one input polls.
type Target struct {
	ID       string            `json:"id" yaml:"id"`       // unique within an agent
	Input    string            `json:"input" yaml:"input"` // the input's name: host, snmp, probe, ...
	Address  string            `json:"address,omitempty" yaml:"address"`
	Interval time.Duration     `json:"interval,omitempty" yaml:"interval"`         // zero: the agent's default
	Timeout  time.Duration     `json:"timeout,omitempty" yaml:"timeout"`           // deadline of one Gather; zero: the agent's default
	Labels   map[string]string `json:"labels,omitempty" yaml:"labels,omitempty"`   // put on every sample: job, instance, site, device, role, ...
	Options  map[string]string `json:"options,omitempty" yaml:"options,omitempty"` // the input's own settings; values of keys that end in password, community or token are secrets
}

// SecretOption tells whether the value of a target's option is a secret.
func SecretOption(key string) bool {
	return strings.HasSuffix(key, "password") || strings.HasSuffix(key, "community") || strings.HasSuffix(key, "token")
}
