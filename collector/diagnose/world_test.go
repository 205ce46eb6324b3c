package diagnose_test

import (
	"context"
	"hash/fnv"
	"log/slog"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/faultline/faultline/collector/diagnose"
	"github.com/faultline/faultline/collector/evidence"
	"github.com/faultline/faultline/collector/heartbeat"
	"github.com/faultline/faultline/collector/inventory"
	"github.com/faultline/faultline/collector/metricstore"
	"github.com/faultline/faultline/collector/metricstore/embedded"
	"github.com/faultline/faultline/collector/ruler"
	"github.com/faultline/faultline/plugins/base"
)

// A world is a simulated company: agents poll devices over a network whose parts
// fail, what they measure travels to the collector when there is a way, and the
// shipped rules judge it once a second. Only the measuring is simulated; store,
// ruler, evidence, heartbeat and diagnosis are the real ones.
type world struct {
	t      *testing.T
	inv    *inventory.Inventory
	graph  *inventory.Graph
	now    time.Time
	start  time.Time
	faults []fault

	store *embedded.Store
	ev    *evidence.Store
	beats *heartbeat.Monitor
	rules *ruler.Ruler
	judge *diagnose.Rules

	polls   map[string]*poll
	backlog map[string][]metricstore.Series // of agents that cannot reach the collector
	rounds  []diagnose.Outcome
	ways    map[[2]string]bool // of this second
	waysAt  time.Time
}

// poll is the state of one target.
type poll struct {
	agent  string
	target base.Target
	next   time.Time
}

// converge is how long routes point into a dead line.
const converge = 5 * time.Second

// pollEvery is the interval of the agents.
const pollEvery = 5 * time.Second

func newWorld(t *testing.T, inv *inventory.Inventory, faults []fault) *world {
	t.Helper()
	w := &world{t: t, inv: inv, graph: inventory.NewGraph(inv), faults: faults, polls: map[string]*poll{},
		backlog: map[string][]metricstore.Series{}, start: time.Date(2026, 1, 5, 8, 0, 0, 0, time.UTC)}
	w.now = w.start.Add(-quiet(faults))
	clock := func() time.Time { return w.now }
	var err error
	if w.store, err = embedded.Open(embedded.Options{Dir: t.TempDir(), Now: clock, MinFree: 1, Logger: slog.New(slog.DiscardHandler)}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = w.store.Close() })
	if w.judge, err = diagnose.Load(os.DirFS("../../rules/diagnosis")); err != nil {
		t.Fatal(err)
	}
	alerts, err := ruler.Load(os.DirFS("../../rules/alerts"))
	if err != nil {
		t.Fatal(err)
	}
	horizon := 3*pollEvery + 5*time.Second
	if w.rules, err = ruler.New(ruler.Options{Querier: w.store, Rules: alerts, Horizon: horizon}); err != nil {
		t.Fatal(err)
	}
	if w.ev, err = evidence.New(evidence.Options{Elements: w.judge.Elements(), Horizon: horizon, Now: clock}); err != nil {
		t.Fatal(err)
	}
	w.beats = heartbeat.New(heartbeat.Options{Now: clock, Interval: pollEvery, Agents: func() []heartbeat.Agent {
		var out []heartbeat.Agent
		for _, a := range inv.Agents {
			out = append(out, heartbeat.Agent{ID: a.ID, Site: a.Site, Device: a.Device, Interval: pollEvery})
		}
		return out
	}})
	for _, a := range inv.Agents {
		work, _ := inv.Work(a.ID)
		for _, target := range work.Targets {
			key := a.ID + " " + target.ID
			h := fnv.New32a()
			_, _ = h.Write([]byte(key))
			w.polls[key] = &poll{agent: a.ID, target: target, next: w.now.Add(time.Duration(h.Sum32()%5000) * time.Millisecond)}
		}
	}
	return w
}

// quiet is how long the company runs before the first fault.
func quiet(faults []fault) time.Duration {
	for _, f := range faults {
		if f.Slow != "" {
			return 4 * time.Minute
		}
	}
	return 30 * time.Second
}

// run lets the world go on until d after the start.
func (w *world) run(d time.Duration) {
	for ; !w.now.After(w.start.Add(d)); w.now = w.now.Add(time.Second) {
		for _, key := range sorted(w.polls) {
			w.poll(w.polls[key])
		}
		w.utter()
		w.deliver()
		w.append(heartbeatVantage, w.beats.Series())
		if w.now.Before(w.start.Add(-5*time.Second)) && w.now.Second()%5 != 0 {
			w.rounds = append(w.rounds, diagnose.Outcome{}) // nothing happens yet
			continue
		}
		round, err := w.rules.Eval(context.Background(), w.now)
		if err != nil {
			w.t.Fatal(err)
		}
		out := w.judge.Causes(diagnose.Input{View: w.ev.Snapshot(w.now), Inventory: w.inv, Firing: round.Firing, Now: w.now})
		w.rounds = append(w.rounds, out)
		slices.Reverse(round.Firing)
		if again := w.judge.Causes(diagnose.Input{View: w.ev.Snapshot(w.now), Inventory: w.inv, Firing: round.Firing, Now: w.now}); !cmp.Equal(out, again) {
			w.t.Fatalf("at %s: the order of the alerts matters:\n%s", w.now.Sub(w.start), cmp.Diff(out, again))
		}
		if err := w.rules.Accept(round); err != nil {
			w.t.Fatal(err)
		}
	}
}

const heartbeatVantage = "collector"

func (w *world) append(agent string, series []metricstore.Series) {
	if len(series) == 0 {
		return
	}
	if _, err := w.store.Append(context.Background(), series); err != nil {
		w.t.Fatal(err)
	}
	w.ev.Feed(agent, series)
}

// poll measures a target when it is due: every interval, and a second after a
// failure. A failure takes its time-out to become known.
func (w *world) poll(p *poll) {
	a, _ := w.graph.Agent(p.agent)
	if p.next.After(w.now) || w.off(a.Device, w.now) || w.any(func(f fault) bool { return slices.Contains(f.Agents, p.agent) }) {
		return
	}
	at := w.now
	series, ok := w.measure(a, p.target, at)
	p.next = p.next.Add(pollEvery)
	if !ok {
		p.next = w.now.Add(time.Second)
	}
	w.backlog[p.agent] = append(w.backlog[p.agent], series...)
}

// deliver sends what agents have, newest state and backlog alike, when there is
// a way to the collector.
func (w *world) deliver() {
	hq := w.collector()
	for _, a := range w.inv.Agents {
		if len(w.backlog[a.ID]) == 0 || w.off(a.Device, w.now) || !w.way(a.Device, hq, w.now) {
			continue
		}
		series := w.backlog[a.ID]
		delete(w.backlog, a.ID)
		w.append(a.ID, series)
		w.beats.Heard(a.ID, series)
	}
}

// collector is the device the collector runs on: that of head office's agent,
// or of the only agent.
func (w *world) collector() string {
	for _, a := range w.inv.Agents {
		if s, _ := w.graph.Site(a.Site); s.Kind == "hq" {
			return a.Device
		}
	}
	return w.inv.Agents[0].Device
}

// measure makes the samples of one poll.
func (w *world) measure(a inventory.Agent, t base.Target, at time.Time) ([]metricstore.Series, bool) {
	m := maker{labels: t.Labels, agent: a.ID, at: at}
	switch {
	case t.Input == "host":
		m.put("up", 1)
	case t.Input == "snmp":
		device := t.Labels["device"]
		ok := w.way(a.Device, device, at) && !w.any(func(f fault) bool { return slices.Contains(f.Mute, device) })
		m.put("up", number(ok))
		if ok {
			w.walk(&m, device, at)
		}
		return m.out, ok
	case t.Labels["role"] == inventory.RoleLine:
		l, _ := w.graph.Line(t.Labels["device"])
		ok := w.way(a.Device, w.nearEnd(a, l), at) && w.lineUp(l.ID, at) && !w.off(l.AEnd.Device, at) && !w.off(l.BEnd.Device, at)
		m.put("probe_success", number(ok))
		loss := number(!ok)
		if ok && w.any(func(f fault) bool { return f.Lossy == l.ID }) {
			loss = 1. / 3
		}
		m.put("faultline_probe_loss_ratio", loss)
		if ok {
			rtt := 0.002
			if w.any(func(f fault) bool { return f.Slow == l.ID }) {
				rtt = 0.3
			}
			m.put("probe_icmp_duration_seconds", rtt, "phase", "rtt")
		}
		return m.out, ok
	case t.Input == "database":
		return m.out, w.database(&m, a.Device, t.Labels["device"], t.Labels["component"], at)
	default:
		device, part := t.Labels["device"], t.Labels["component"]
		ok := w.way(a.Device, device, at) && !w.any(func(f fault) bool { return part != "" && slices.Contains(f.Stopped, device+"/"+part) })
		m.put("probe_success", number(ok))
		return m.out, ok
	}
	return m.out, true
}

// database makes the samples of the input database.
func (w *world) database(m *maker, from, device, part string, at time.Time) bool {
	is := func(list func(f fault) []string) bool {
		return w.any(func(f fault) bool { return slices.Contains(list(f), device+"/"+part) })
	}
	reason := ""
	switch {
	case !w.way(from, device, at):
		reason = "timeout"
	case is(func(f fault) []string { return f.Stopped }):
		reason = "port_closed"
	case is(func(f fault) []string { return f.Exhausted }):
		reason = "too_many_connections"
	case is(func(f fault) []string { return f.Refused }):
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
	for _, f := range w.active(at) {
		if slices.Contains(f.Blocked, device+"/"+part) {
			waiting, wait = 12, at.Sub(w.start.Add(f.At)).Seconds()
		}
	}
	m.put("faultline_database_blocked_sessions", waiting)
	m.put("faultline_database_longest_wait_seconds", wait)
	m.put("faultline_database_connections_used_ratio", 0.3)
	return true
}

func (w *world) nearEnd(a inventory.Agent, l inventory.Line) string {
	if a.Site == l.Site {
		return l.BEnd.Device
	}
	return l.AEnd.Device
}

// walk makes the samples of a device's SNMP tables.
func (w *world) walk(m *maker, device string, at time.Time) {
	d, _ := w.graph.Device(device)
	m.put("sysUpTime", at.Sub(w.boot(device, at)).Seconds()*100)
	for _, p := range d.Ports {
		ref := device + ":" + p.Name
		admin, oper := 1.0, 1.0
		if w.any(func(f fault) bool { return slices.Contains(f.Shut, ref) }) {
			admin, oper = 2, 2
		}
		if !w.link(device, p, at) {
			oper = 2
		}
		m.put("ifAdminStatus", admin, "ifName", p.Name)
		m.put("ifOperStatus", oper, "ifName", p.Name)
		m.put("ifInErrors", w.errors(ref, at), "ifName", p.Name)
	}
	if d.Kind == "ups" {
		source := 3.0
		if w.any(func(f fault) bool { return f.Battery == device }) {
			source = 5
		}
		m.put("upsOutputSource", source)
		m.put("upsBatteryStatus", 2)
		m.put("upsEstimatedMinutesRemaining", 6)
	}
	if d.Kind == "environment" {
		temp, alarm := 23.5, 1.0
		for _, f := range w.active(at) {
			if f.Hot == device {
				temp = f.Celsius
				if f.Cooling {
					alarm = 3
				}
			}
		}
		m.put("faultline_sensor_value", temp, "class", "temperature", "place", "room", "sensor", "room")
		m.put("faultline_sensor_status", alarm, "class", "state", "place", "room", "sensor", "air conditioner alarm")
	}
	guesses := 0.0
	for _, f := range w.faults {
		if f.Guessed == device && at.After(w.start.Add(f.At)) {
			guesses = 10 * at.Sub(w.start.Add(f.At)).Seconds()
		}
	}
	m.put("snmpInBadCommunityNames", guesses)
	if d.Kind == "router" || d.Kind == "switch" {
		fan := 1.0
		for _, f := range w.active(at) {
			if f.Part == device+":fan 2" {
				fan = 3
			}
		}
		m.put("faultline_sensor_status", fan, "class", "state", "sensor", "fan 2")
	}
}

// errors is the port's error counter.
func (w *world) errors(ref string, at time.Time) float64 {
	for _, f := range w.faults {
		if f.Errors == ref && at.After(w.start.Add(f.At)) {
			return 40 * at.Sub(w.start.Add(f.At)).Seconds()
		}
	}
	return 0
}

// maker collects samples of one poll.
type maker struct {
	labels map[string]string
	agent  string
	at     time.Time
	out    []metricstore.Series
}

func (m *maker) put(name string, v float64, extra ...string) {
	ls := map[string]string{"agent": m.agent}
	for k, x := range m.labels {
		ls[k] = x
	}
	for i := 0; i < len(extra); i += 2 {
		ls[extra[i]] = extra[i+1]
	}
	m.out = append(m.out, metricstore.Series{Labels: base.LabelsFrom(name, ls), Points: []metricstore.Point{{T: m.at.UnixMilli(), V: v}}})
}

func number(b bool) float64 {
	if b {
		return 1
	}
	return 0
}

func sorted[V any](m map[string]V) []string {
	keys := make([]string, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	slices.SortFunc(keys, strings.Compare)
	return keys
}
