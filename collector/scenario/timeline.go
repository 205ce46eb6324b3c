package scenario

import (
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/faultline/faultline/collector/engine"
	"github.com/faultline/faultline/plugins/base"
)

// Step is something that is so for a time: from At until Until, or for For, or
// to the end of the story. Several keys of one step hold together.
type Step struct {
	At    duration `yaml:"at"`
	Until duration `yaml:"until"`
	For   duration `yaml:"for"`

	// What fails.
	Off       []string `yaml:"off"`       // devices without life; their links are down
	Cut       []string `yaml:"cut"`       // lines that carry nothing; the ports at their ends stay up
	Dark      []string `yaml:"dark"`      // lines without signal at the branch's end
	Lossy     []string `yaml:"lossy"`     // lines that lose a third of all packets
	Slow      []string `yaml:"slow"`      // lines with 300 ms instead of 2
	Shut      []string `yaml:"shut"`      // device:port, by configuration
	Unplugged []string `yaml:"unplugged"` // device:port without link
	Flap      []string `yaml:"flap"`      // device:port, 3 s down of 7
	Errors    []string `yaml:"errors"`    // device:port that counts input errors
	Mute      []string `yaml:"mute"`      // devices that do not answer SNMP
	Stopped   []string `yaml:"stopped"`   // agents that ended; device/component: services, databases
	Hung      []string `yaml:"hung"`      // agents that do not measure and keep their connection
	Held      []string `yaml:"held_back"` // agents that measure, and whose data arrives when the step ends
	Battery   []string `yaml:"battery"`   // UPSs on battery
	Hot       []string `yaml:"hot"`       // environment units that measure 38 °C in the room
	Cooling   []string `yaml:"cooling"`   // environment units whose air conditioner alarms
	Guessed   []string `yaml:"guessed"`   // devices whose SNMP community is guessed
	Parts     []string `yaml:"parts"`     // device:part that the device reports as failed
	Blocked   []string `yaml:"blocked"`   // device/database whose sessions wait for each other
	Exhausted []string `yaml:"exhausted"` // device/database without free connections
	Refused   []string `yaml:"refused"`   // device/database that refuses the monitoring user

	// What is measured, written out: name{label="value",...} 5, or 5+2/s, which grows.
	Set []string `yaml:"set"` // in place of what the simulated company would give
	Add []string `yaml:"add"` // besides that, at every measurement of the agent in the label agent

	Event map[string]string `yaml:"event"` // kind, agent, device, component, text; the rest are its attributes

	// What is announced: nothing is opened about these devices, lines, carriers, sites.
	Maintenance []string `yaml:"maintenance"`
	Works       []string `yaml:"works"`
	Silence     []string `yaml:"silence"`
	Reason      string   `yaml:"reason"`

	set, add []written
}

// written is a sample as a scenario writes it.
type written struct {
	name   string
	labels map[string]string
	value  float64
	rate   float64 // per second since the step began
}

var (
	sampleText = regexp.MustCompile(`^([a-zA-Z_:][a-zA-Z0-9_:]*)(?:\{([^}]*)\})?\s+(-?[0-9.eE+]+?)(?:([+-][0-9.]+)/s)?$`)
	labelText  = regexp.MustCompile(`\s*([a-zA-Z_][a-zA-Z0-9_]*)\s*=\s*"((?:[^"\\]|\\.)*)"\s*(?:,|$)`)
)

func parseSample(text string) (written, bool) {
	m := sampleText.FindStringSubmatch(strings.TrimSpace(text))
	if m == nil {
		return written{}, false
	}
	w := written{name: m[1], labels: map[string]string{}}
	rest := m[2]
	for rest != "" {
		l := labelText.FindStringSubmatchIndex(rest)
		if l == nil || l[0] != 0 {
			return w, false
		}
		value, err := strconv.Unquote(`"` + rest[l[4]:l[5]] + `"`)
		if err != nil {
			return w, false
		}
		w.labels[rest[l[2]:l[3]]] = value
		rest = rest[l[1]:]
	}
	var err error
	if w.value, err = strconv.ParseFloat(m[3], 64); err != nil {
		return w, false
	}
	if m[4] != "" {
		if w.rate, err = strconv.ParseFloat(m[4], 64); err != nil {
			return w, false
		}
	}
	return w, true
}

// fits tells whether a series is the written one: all labels written are its.
func (w written) fits(name string, labels map[string]string) bool {
	if w.name != name {
		return false
	}
	for k, v := range w.labels {
		if labels[k] != v {
			return false
		}
	}
	return true
}

// at is the written value when the step has lasted for d.
func (w written) at(d time.Duration) float64 { return w.value + w.rate*d.Seconds() }

// check finds names that are not in the inventory and samples that are none.
func (t *Step) check(n names, bad func(key, format string, args ...any)) {
	part := func(id string) bool {
		device, _, ok := strings.Cut(id, "/")
		return ok && n.devices[device]
	}
	sensor := func(id string) bool {
		device, _, ok := strings.Cut(id, ":")
		return ok && n.devices[device]
	}
	in := func(set map[string]bool) func(string) bool { return func(id string) bool { return set[id] } }
	for _, c := range []struct {
		key   string
		ids   []string
		known func(string) bool
		want  string
	}{
		{"off", t.Off, in(n.devices), "a device"}, {"cut", t.Cut, in(n.lines), "a line"}, {"dark", t.Dark, in(n.lines), "a line"},
		{"lossy", t.Lossy, in(n.lines), "a line"}, {"slow", t.Slow, in(n.lines), "a line"}, {"shut", t.Shut, in(n.ports), "device:port"},
		{"unplugged", t.Unplugged, in(n.ports), "device:port"}, {"flap", t.Flap, in(n.ports), "device:port"}, {"errors", t.Errors, in(n.ports), "device:port"},
		{"mute", t.Mute, in(n.devices), "a device"}, {"stopped", t.Stopped, func(id string) bool { return n.agents[id] || part(id) }, "an agent or device/component"}, {"hung", t.Hung, in(n.agents), "an agent"},
		{"held_back", t.Held, in(n.agents), "an agent"}, {"battery", t.Battery, in(n.devices), "a device"}, {"hot", t.Hot, in(n.devices), "a device"},
		{"cooling", t.Cooling, in(n.devices), "a device"}, {"guessed", t.Guessed, in(n.devices), "a device"}, {"parts", t.Parts, sensor, "device:part"},
		{"blocked", t.Blocked, part, "device/database"}, {"exhausted", t.Exhausted, part, "device/database"}, {"refused", t.Refused, part, "device/database"},
		{"maintenance", t.Maintenance, n.known, "a name"}, {"works", t.Works, n.known, "a name"}, {"silence", t.Silence, n.known, "a name"},
	} {
		for _, id := range c.ids {
			if !c.known(id) {
				bad(c.key, "%q: want %s of the inventory", id, c.want)
			}
		}
	}
	for key, list := range map[string][]string{"set": t.Set, "add": t.Add} {
		for i, text := range list {
			w, ok := parseSample(text)
			switch {
			case !ok:
				bad(key+"["+strconv.Itoa(i)+"]", `%q: want name{label="value"} 5 or 5+2/s`, text)
			case key == "add" && !n.agents[w.labels["agent"]]:
				bad(key+"["+strconv.Itoa(i)+"]", "the label agent names no agent of the inventory")
			case key == "set":
				t.set = append(t.set, w)
			default:
				t.add = append(t.add, w)
			}
		}
	}
	if t.Event != nil && t.Event["kind"] == "" {
		bad("event", "has no kind: state, last_gasp, trap, syslog, change or restart")
	}
}

// event is the event that the step tells of.
func (t *Step) event(at time.Time, id string) base.Event {
	e := base.Event{ID: id, At: at, Attrs: map[string]string{}}
	for k, v := range t.Event {
		switch k {
		case "kind":
			e.Kind = v
		case "agent":
			e.Agent = v
		case "device":
			e.Device = v
		case "component":
			e.Component = v
		case "text":
			e.Text = v
		default:
			e.Attrs[k] = v
		}
	}
	return e
}

// quiets are what the step announces.
func (t *Step) quiets(start time.Time, id string) []engine.Quiet {
	var out []engine.Quiet
	for _, q := range []struct {
		kind  string
		names []string
	}{{engine.QuietMaintenance, t.Maintenance}, {engine.QuietWorks, t.Works}, {engine.QuietSilence, t.Silence}} {
		if len(q.names) == 0 {
			continue
		}
		one := engine.Quiet{ID: id + "-" + q.kind, Kind: q.kind, From: start.Add(t.At.Duration), Subjects: slices.Clone(q.names), Reason: t.Reason, By: "scenario"}
		if t.Until.set {
			one.Until = start.Add(t.Until.Duration)
		}
		out = append(out, one)
	}
	return out
}
