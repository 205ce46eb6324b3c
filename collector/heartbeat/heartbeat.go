// Package heartbeat tells which agents are alive. Only fresh samples prove life:
// neither an open connection nor a replayed backlog does. It makes the series
// faultline_agent_up for every agent that was ever heard, and opens nothing.
package heartbeat

import (
	"sync"
	"time"

	"github.com/faultline/faultline/collector/metricstore"
	"github.com/faultline/faultline/plugins/base"
)

// Metric is the series the Monitor writes: 1 while the agent's samples are fresh.
const Metric = "faultline_agent_up"

// MetricConnected is 1 while the connection stands on which an agent waits for
// work, and 0 after the agent closed it. It proves no life: a program that hangs
// keeps its connections, one that ended has lost them.
const MetricConnected = "faultline_agent_connected"

// Agent is one agent to watch.
type Agent struct {
	ID, Site, Device string
	Interval         time.Duration // between its measurements; zero: the default
}

// Options configure a Monitor.
type Options struct {
	Agents   func() []Agent
	Interval time.Duration // default of agents that name none; zero: 15 s
	Now      func() time.Time
	Known    map[string]bool // agents heard before this start
}

// Monitor keeps the time of each agent's newest sample. Its methods may be
// called from several goroutines.
type Monitor struct {
	o       Options
	started time.Time

	mu     sync.Mutex // guards the fields below
	newest map[string]time.Time
	known  map[string]bool
	open   map[string]bool // whose connection stands or was closed; an agent not in it was never connected
}

// New makes a Monitor that starts now: until an agent had time to report it is
// neither up nor down.
func New(o Options) *Monitor {
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Interval == 0 {
		o.Interval = 15 * time.Second
	}
	known := map[string]bool{}
	for id, heard := range o.Known {
		known[id] = heard
	}
	return &Monitor{o: o, started: o.Now(), newest: map[string]time.Time{}, known: known, open: map[string]bool{}}
}

// Heard takes note of an agent's samples; only their times matter. Samples from
// the future count as of now.
func (m *Monitor) Heard(agent string, series []metricstore.Series) {
	var newest int64
	for _, s := range series {
		if n := len(s.Points); n > 0 && s.Points[n-1].T > newest {
			newest = s.Points[n-1].T
		}
	}
	if newest == 0 {
		return
	}
	at, now := time.UnixMilli(newest), m.o.Now()
	if at.After(now) {
		at = now
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.known[agent] = true
	if at.After(m.newest[agent]) {
		m.newest[agent] = at
	}
}

// Connected takes note that an agent's connection stands, or that the agent closed it.
func (m *Monitor) Connected(agent string, open bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.open[agent] = open
}

// LastHeard returns the time of the agent's newest sample, zero when there was none.
func (m *Monitor) LastHeard(agent string) time.Time {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.newest[agent]
}

// Patience is how long an agent with this interval may be silent: two beats and
// a half, at least 8 s.
func (m *Monitor) Patience(interval time.Duration) time.Duration {
	if interval == 0 {
		interval = m.o.Interval
	}
	return max(interval*5/2, 8*time.Second)
}

// Series returns faultline_agent_up as of now for every agent that can be
// judged: heard of at some time, and given time to report since the start.
func (m *Monitor) Series() []metricstore.Series {
	now := m.o.Now()
	m.mu.Lock()
	defer m.mu.Unlock()
	var out []metricstore.Series
	for _, a := range m.o.Agents() {
		patience := m.Patience(a.Interval)
		newest := m.newest[a.ID]
		alive := !newest.IsZero() && now.Sub(newest) <= patience
		if !alive && (!m.known[a.ID] || now.Sub(m.started) <= 2*patience) {
			continue
		}
		out = append(out, a.series(Metric, alive, now))
		if open, ever := m.open[a.ID]; ever {
			out = append(out, a.series(MetricConnected, open, now))
		}
	}
	return out
}

func (a Agent) series(metric string, is bool, now time.Time) metricstore.Series {
	v := 0.0
	if is {
		v = 1
	}
	return metricstore.Series{Labels: base.LabelsFrom(metric, map[string]string{"agent": a.ID, "site": a.Site, "device": a.Device, "job": "faultline"}),
		Points: []metricstore.Point{{T: now.UnixMilli(), V: v}}}
}
