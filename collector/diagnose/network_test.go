package diagnose_test

import (
	"slices"
	"time"

	"github.com/faultline/faultline/collector/inventory"
	"github.com/faultline/faultline/collector/metricstore"
)

// fault is something wrong with the world for a time.
type fault struct {
	At        time.Duration `yaml:"at"`
	Until     time.Duration `yaml:"until"` // zero: to the end
	Off       []string      `yaml:"off"`   // devices without life; their links are down
	Cut       []string      `yaml:"cut"`   // lines that carry nothing; their ports stay up
	Dark      []string      `yaml:"dark"`  // lines without signal at the branch's end
	Shut      []string      `yaml:"shut"`  // device:port, by configuration
	Mute      []string      `yaml:"mute"`  // devices that refuse SNMP
	Agents    []string      `yaml:"agents"`
	Stopped   []string      `yaml:"stopped"`   // device/component: services and databases
	Blocked   []string      `yaml:"blocked"`   // device/component: sessions of databases wait for each other
	Exhausted []string      `yaml:"exhausted"` // no connection is left
	Refused   []string      `yaml:"refused"`   // the monitoring user is refused
	Flap      string        `yaml:"flap"`      // device:port, 3 s down of 7
	Battery   string        `yaml:"battery"`   // UPS
	Hot       string        `yaml:"hot"`       // environment unit
	Celsius   float64       `yaml:"celsius"`
	Cooling   bool          `yaml:"cooling"` // its air conditioner alarms
	Errors    string        `yaml:"errors"`  // device:port
	Lossy     string        `yaml:"lossy"`
	Slow      string        `yaml:"slow"`
	Guessed   string        `yaml:"guessed"`
	Part      string        `yaml:"part"` // DEVICE:SENSOR that the device reports as failed
	Say       []utterance   `yaml:"say"`  // series that the world itself does not make
}

// utterance is a series that an agent sends every poll, before and during a fault.
type utterance struct {
	Agent  string            `yaml:"agent"`
	Metric string            `yaml:"metric"`
	Labels map[string]string `yaml:"labels"`
	Before *float64          `yaml:"before"` // its value without the fault; nothing: it is not there
	Value  float64           `yaml:"value"`  // its value in the fault
	Pace   float64           `yaml:"pace"`   // added a second since the fault began
	Moment bool              `yaml:"moment"` // the value is a time: that of the fault, plus value seconds
}

// say returns what is said at a moment.
func (u utterance) say(f fault, w *world, at time.Time) (metricstore.Series, bool) {
	began := w.start.Add(f.At)
	v := u.Value + u.Pace*at.Sub(began).Seconds()
	if u.Moment {
		v = float64(began.Unix()) + u.Value
	}
	if on := !at.Before(began) && (f.Until == 0 || at.Before(w.start.Add(f.Until))); !on {
		if u.Before == nil {
			return metricstore.Series{}, false
		}
		v = *u.Before
	}
	m := maker{labels: u.Labels, agent: u.Agent, at: at}
	m.put(u.Metric, v)
	return m.out[0], true
}

// utter sends what the faults say, at every poll.
func (w *world) utter() {
	if w.now.Unix()%int64(pollEvery/time.Second) != 0 {
		return
	}
	for _, f := range w.faults {
		for _, u := range f.Say {
			if s, ok := u.say(f, w, w.now); ok {
				w.backlog[u.Agent] = append(w.backlog[u.Agent], s)
			}
		}
	}
}

func (w *world) active(at time.Time) []fault {
	var out []fault
	for _, f := range w.faults {
		from, to := w.start.Add(f.At), w.start.Add(f.Until)
		if !at.Before(from) && (f.Until == 0 || at.Before(to)) {
			out = append(out, f)
		}
	}
	return out
}

func (w *world) any(is func(fault) bool) bool { return slices.ContainsFunc(w.active(w.now), is) }

func (w *world) off(device string, at time.Time) bool {
	return slices.ContainsFunc(w.active(at), func(f fault) bool { return slices.Contains(f.Off, device) })
}

// boot is when a device last came to life.
func (w *world) boot(device string, at time.Time) time.Time {
	boot := w.start.Add(-24 * time.Hour)
	for _, f := range w.faults {
		if end := w.start.Add(f.Until); slices.Contains(f.Off, device) && f.Until > 0 && !end.After(at) {
			boot = end
		}
	}
	return boot
}

// lineUp tells whether a line carries packets.
func (w *world) lineUp(line string, at time.Time) bool {
	l, _ := w.graph.Line(line)
	for _, f := range w.active(at) {
		if slices.Contains(f.Cut, line) || slices.Contains(f.Dark, line) || slices.Contains(f.Shut, l.AEnd.Device+":"+l.AEnd.Interface) ||
			slices.Contains(f.Shut, l.BEnd.Device+":"+l.BEnd.Interface) {
			return false
		}
	}
	return true
}

// link tells whether a port has its link.
func (w *world) link(device string, p inventory.Port, at time.Time) bool {
	if l, ok := w.graph.Line(p.To); ok {
		dark := slices.ContainsFunc(w.active(at), func(f fault) bool { return slices.Contains(f.Dark, l.ID) })
		return !dark || device != l.BEnd.Device
	}
	return !w.off(p.To, at) && w.joined(device+":"+p.Name, at) && w.joined(p.To+":"+p.Peer, at)
}

// joined tells whether a port is neither shut nor in the down part of flapping.
func (w *world) joined(ref string, at time.Time) bool {
	for _, f := range w.active(at) {
		if slices.Contains(f.Shut, ref) || f.Flap == ref && at.Sub(w.start)%(7*time.Second) < 3*time.Second {
			return false
		}
	}
	return true
}

// way tells whether packets get from one device to another: inside sites along
// ports, between sites over the line that routing uses at that moment.
func (w *world) way(from, to string, at time.Time) bool {
	if !at.Equal(w.waysAt) {
		w.ways, w.waysAt = map[[2]string]bool{}, at
	}
	key := [2]string{from, to}
	if _, known := w.ways[key]; !known {
		w.ways[key] = w.findWay(from, to, at)
	}
	return w.ways[key]
}

func (w *world) findWay(from, to string, at time.Time) bool {
	if w.off(from, at) || w.off(to, at) {
		return false
	}
	seen := map[string]bool{from: true}
	for queue := []string{from}; len(queue) > 0; queue = queue[1:] {
		if queue[0] == to {
			return true
		}
		for _, n := range w.neighbours(queue[0], at) {
			if !seen[n] && !w.off(n, at) {
				seen[n] = true
				queue = append(queue, n)
			}
		}
	}
	return false
}

func (w *world) neighbours(device string, at time.Time) []string {
	var out []string
	for _, d := range w.inv.Devices {
		for _, p := range d.Ports {
			if _, isLine := w.graph.Line(p.To); isLine || !w.link(d.ID, p, at) {
				continue
			}
			if d.ID == device {
				out = append(out, p.To)
			} else if p.To == device {
				out = append(out, d.ID)
			}
		}
	}
	for _, s := range w.inv.Sites {
		if l, ok := w.route(s.ID, at); ok && w.lineUp(l.ID, at) {
			switch device {
			case l.AEnd.Device:
				out = append(out, l.BEnd.Device)
			case l.BEnd.Device:
				out = append(out, l.AEnd.Device)
			}
		}
	}
	return out
}

// route is the line that routing uses for a site: the best that lived a moment
// ago; a line that has just died still attracts the traffic.
func (w *world) route(site string, at time.Time) (inventory.Line, bool) {
	lines := w.graph.LinesOf(site)
	for _, l := range lines {
		if w.lineUp(l.ID, at.Add(-converge)) {
			return l, true
		}
	}
	for _, l := range lines {
		if w.lineUp(l.ID, at) {
			return l, true
		}
	}
	return inventory.Line{}, false
}
