package evidence

import (
	"os"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/faultline/faultline/collector/metricstore"
	"github.com/faultline/faultline/collector/truth"
	"github.com/faultline/faultline/plugins/base"
)

var zero = time.Date(2026, 1, 5, 8, 0, 0, 0, time.UTC)

func at(sec int) time.Time { return zero.Add(time.Duration(sec) * time.Second) }

// newStore has the shipped elements and a clock that stands at 1000 s.
func newStore(t *testing.T, o Options) *Store {
	t.Helper()
	elements, err := LoadElements(os.DirFS("../../rules/diagnosis"))
	if err != nil {
		t.Fatal(err)
	}
	o.Elements, o.Now = elements, func() time.Time { return at(1000) }
	s, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func feed(s *Store, agent, name string, labels map[string]string, sec int, v float64) {
	s.Feed(agent, []metricstore.Series{{Labels: base.LabelsFrom(name, labels), Points: []metricstore.Point{{T: at(sec).UnixMilli(), V: v}}}})
}

var line = map[string]string{"role": "line", "device": "l"}

func TestLateSamplesNeverOverwrite(t *testing.T) {
	s, k := newStore(t, Options{}), Key{Element: Line, Subject: "l", Vantage: "a"}
	feed(s, "a", "probe_success", line, 10, 1)
	feed(s, "a", "probe_success", line, 20, 0)
	feed(s, "a", "probe_success", line, 15, 1) // replayed
	feed(s, "a", "probe_success", line, 20, 1) // repeated, and lying
	feed(s, "a", "probe_success", line, 25, 0)
	got := s.Snapshot(at(30)).Get(k)
	want := Reading{Truth: truth.Bad, At: at(25), Since: at(20), Before: truth.OK, BeforeAt: at(10), BeforeSince: at(10), Changes: 1} // there was no silence that the replayed one could fill
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
}

// TestEndedSeriesSaysNothing: the mark that a series ended is no reading.
func TestEndedSeriesSaysNothing(t *testing.T) {
	s, k := newStore(t, Options{}), Key{Element: UPS, Subject: "u", Vantage: "a"}
	ups := map[string]string{"device": "u"}
	feed(s, "a", "upsOutputSource", ups, 10, 5)
	feed(s, "a", "upsEstimatedMinutesRemaining", ups, 10, 6)
	for _, name := range []string{"upsOutputSource", "upsEstimatedMinutesRemaining"} {
		feed(s, "a", name, ups, 20, base.Stale())
		feed(s, "a", name, map[string]string{"device": "never measured"}, 20, base.Stale())
	}
	if got := s.Snapshot(at(25)).Get(k); got.Truth != truth.Bad || got.At != at(10) || got.Value != 5 || got.Attrs["minutes"] != "6" {
		t.Errorf("got %+v, want what was measured", got)
	}
	if len(s.cells) != 1 {
		t.Errorf("%d readings are kept, want the one that was measured", len(s.cells))
	}
}

func TestReplacedElementsJudgeWhatComesNext(t *testing.T) {
	s, k := newStore(t, Options{}), Key{Element: Line, Subject: "l", Vantage: "a"}
	feed(s, "a", "probe_success", line, 10, 1)
	others, err := parseElements([]byte("elements:\n  - {element: " + Line + ", metric: line_alive, bad: {in: [0]}}\nwords:\n  " + Line + ": {ok: {en: up, zh-CN: 通}, bad: {en: down, zh-CN: 断}}\n"))
	if err != nil {
		t.Fatal(err)
	}
	s.SetElements(others)
	feed(s, "a", "probe_success", line, 20, 0)
	if got := s.Snapshot(at(22)).Get(k); got.Truth != truth.OK || got.At != at(10) {
		t.Errorf("a metric that is no evidence any more changed the reading to %+v", got)
	}
	feed(s, "a", "line_alive", line, 21, 0)
	if got := s.Snapshot(at(22)).Get(k); got.Truth != truth.Bad {
		t.Errorf("the new element's sample left the reading at %+v", got)
	}
}

func TestOldReadingIsUnknownAndKeepsWhatItWas(t *testing.T) {
	s, k := newStore(t, Options{Horizon: 20 * time.Second}), Key{Element: UPS, Subject: "u", Vantage: "a"}
	ups := map[string]string{"device": "u"}
	feed(s, "a", "upsOutputSource", ups, 5, 3)
	feed(s, "a", "upsOutputSource", ups, 10, 5)
	feed(s, "a", "upsEstimatedMinutesRemaining", ups, 10, 6)
	if got := s.Snapshot(at(30)).Get(k); got.Truth != truth.Bad || got.Attrs["minutes"] != "6" {
		t.Errorf("within the horizon: %+v", got)
	}
	got := s.Snapshot(at(31)).Get(k)
	want := Reading{Truth: truth.Unknown, Value: 5, At: at(10), Since: at(30), Before: truth.Bad, BeforeAt: at(10), BeforeSince: at(10),
		Changes: 1, Attrs: map[string]string{"minutes": "6"}}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
	if got := s.Snapshot(at(31)).Get(Key{Element: UPS, Subject: "never"}); got.Truth != truth.Unknown || !got.At.IsZero() {
		t.Errorf("never seen: %+v", got)
	}
}

func TestSnapshotDoesNotChange(t *testing.T) {
	s, k := newStore(t, Options{}), Key{Element: Port, Subject: "sw", Component: "p1", Vantage: "a"}
	port := map[string]string{"device": "sw", "ifName": "p1"}
	feed(s, "a", "ifOperStatus", port, 10, 1)
	feed(s, "a", "ifAdminStatus", port, 10, 1)
	v := s.Snapshot(at(12))
	feed(s, "a", "ifOperStatus", port, 15, 2)
	feed(s, "a", "ifAdminStatus", port, 15, 2)
	if r := v.Get(k); r.Truth != truth.OK || r.Attrs["admin"] != "1" {
		t.Errorf("an old picture changed: %+v", r)
	}
	if r := s.Snapshot(at(16)).Get(k); r.Truth != truth.Bad || r.Attrs["admin"] != "2" {
		t.Errorf("a new one did not: %+v", r)
	}
}

func TestFind(t *testing.T) {
	s := newStore(t, Options{})
	for _, p := range []string{"p2", "p1"} {
		for _, a := range []string{"b", "a"} {
			feed(s, a, "ifOperStatus", map[string]string{"device": "sw", "ifName": p}, 1, 1)
		}
	}
	feed(s, "a", "up", map[string]string{"job": "snmp", "device": "sw"}, 1, 1)
	v := s.Snapshot(at(2))
	got := v.Find(Key{Element: Port, Subject: "sw", Vantage: "a"})
	want := []Key{{Port, "sw", "p1", "a"}, {Port, "sw", "p2", "a"}}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
	if n := len(v.Find(Key{})); n != 5 {
		t.Errorf("everything: %d keys", n)
	}
	if n := len(v.Find(Key{Element: SNMP})); n != 1 {
		t.Errorf("by element: %d keys", n)
	}
}

func TestPartsAreNoSignOfTheWhole(t *testing.T) {
	s := newStore(t, Options{})
	feed(s, "a", "probe_success", map[string]string{"role": "agent_host", "device": "h", "component": "clock"}, 1, 0)
	feed(s, "a", "probe_success", map[string]string{"role": "database", "device": "h", "component": "db:1"}, 1, 0)
	v := s.Snapshot(at(2))
	if n := len(v.Find(Key{Element: Device, Subject: "h"})); n != 0 {
		t.Errorf("a component's probe became a reading of its device")
	}
	if r := v.Get(Key{Element: Database, Subject: "h", Component: "db:1", Vantage: "a"}); r.Truth != truth.Bad {
		t.Errorf("database: %+v", r)
	}
}

func TestRestartIsTheMomentItBegan(t *testing.T) {
	s := newStore(t, Options{})
	feed(s, "a", "sysUpTime", map[string]string{"device": "r"}, 100, 4000)
	r := s.Snapshot(at(101)).Get(Key{Element: Restart, Subject: "r", Vantage: "a"})
	if r.Value != float64(at(60).Unix()) || r.Truth != truth.Bad {
		t.Errorf("began at %v, %v", r.Value, r.Truth)
	}
}

func TestFastClockDoesNotBlockLaterSamples(t *testing.T) {
	s, k := newStore(t, Options{}), Key{Element: Line, Subject: "l", Vantage: "a"}
	feed(s, "a", "probe_success", line, 5000, 1)
	if r := s.Snapshot(at(1000)).Get(k); !r.At.Equal(at(1000)) {
		t.Errorf("measured in the future: %v", r.At)
	}
}

func TestEvents(t *testing.T) {
	s := newStore(t, Options{})
	s.FeedEvent(base.Event{Kind: base.EventState, At: at(5), Agent: "a", Device: "u", Attrs: map[string]string{"element": "U", "truth": "bad", "value": "5", "reason": "trap"}})
	s.FeedEvent(base.Event{Kind: base.EventLastGasp, At: at(6), Agent: "a", Attrs: map[string]string{"reason": "on_battery"}})
	s.FeedEvent(base.Event{Kind: base.EventState, At: at(7), Agent: "a", Device: "u", Attrs: map[string]string{"element": "U", "truth": "perhaps"}})
	v := s.Snapshot(at(8))
	if r := v.Get(Key{Element: UPS, Subject: "u", Vantage: "a"}); r.Truth != truth.Bad || r.Value != 5 || r.Attrs["reason"] != "trap" {
		t.Errorf("state: %+v", r)
	}
	if r := v.Get(Key{Element: LastGasp, Subject: "a", Vantage: "a"}); r.Truth != truth.Bad || r.Attrs["reason"] != "on_battery" {
		t.Errorf("last gasp: %+v", r)
	}
}

func TestTurned(t *testing.T) {
	turns := 0
	s := newStore(t, Options{Turned: func() { turns++ }})
	for n, c := range []struct {
		sec  int
		v    float64
		want int
	}{
		{1, 1, 0}, // first seen, and well
		{2, 1, 0},
		{3, 0, 1},
		{4, 0, 1},
		{2, 1, 1}, // replayed
		{5, 1, 2},
	} {
		feed(s, "a", "probe_success", line, c.sec, c.v)
		if turns != c.want {
			t.Errorf("after sample %d: %d turns, want %d", n, turns, c.want)
		}
	}
	feed(s, "b", "probe_success", line, 6, 0) // first seen, and bad
	s.FeedEvent(base.Event{Kind: base.EventLastGasp, At: at(7), Agent: "a"})
	if turns != 4 {
		t.Errorf("%d turns, want 4", turns)
	}
}

func TestBounds(t *testing.T) {
	reg := prometheus.NewRegistry()
	s := newStore(t, Options{Max: 2, Retain: time.Minute, Registerer: reg})
	for _, d := range []string{"x", "y", "z"} {
		feed(s, "a", "up", map[string]string{"job": "snmp", "device": d}, 1, 1)
	}
	if n := len(s.Snapshot(at(2)).Find(Key{})); n != 2 {
		t.Errorf("%d readings kept, want 2", n)
	}
	if n := len(s.Snapshot(at(62)).Find(Key{})); n != 0 {
		t.Errorf("%d readings kept after their time", n)
	}
}

func TestLoadElementsReportsEveryFault(t *testing.T) {
	_, err := parseElements([]byte(`elements:
  - {element: P, metric: m}
  - {element: Y, metric: m, bad: {in: [0]}}
  - {element: P, attr: x, bad: {in: [0]}, component: c, part: p}
words:
  P: {ok: {en: a}, bad: {en: b}}
`))
	for _, want := range []string{"elements.yaml:2:", "one of bad", "elements.yaml:3:", `"Y" has no words`, "elements.yaml:4:", "metric is missing", "only one of them"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q is not reported in %v", want, err)
		}
	}
	if _, err := parseElements([]byte("elements:\n  - {element: P, metrik: m}\n")); err == nil {
		t.Error("an unknown field was taken")
	}
}

func BenchmarkFeedIrrelevant(b *testing.B) {
	elements, err := LoadElements(os.DirFS("../../rules/diagnosis"))
	if err != nil {
		b.Fatal(err)
	}
	s, err := New(Options{Elements: elements, Now: time.Now})
	if err != nil {
		b.Fatal(err)
	}
	series := []metricstore.Series{{Labels: base.LabelsFrom("node_cpu_seconds_total", map[string]string{"cpu": "0", "mode": "idle", "instance": "h"}),
		Points: []metricstore.Point{{T: 1, V: 1}}}}
	for b.Loop() {
		s.Feed("a", series)
	}
}

// What devices send counts at once, with its time; the measurement it causes overrules it.
func TestNotifications(t *testing.T) {
	s := newStore(t, Options{})
	for i, name := range []string{"GigabitEthernet0/1", "Gi0/2"} {
		feed(s, "a", "ifOperStatus", map[string]string{"device": "sw", "ifName": name, "ifIndex": []string{"7", "8"}[i]}, 1, 1)
		feed(s, "a", "ifAdminStatus", map[string]string{"device": "sw", "ifName": name}, 1, 1)
	}
	trap := func(sec int, name, severity string, attrs map[string]string) {
		attrs["name"], attrs["severity"] = name, severity
		s.FeedEvent(base.Event{Kind: base.EventTrap, At: at(sec), Agent: "a", Device: "sw", Attrs: attrs})
	}
	port := func(name string) Reading {
		return s.Snapshot(at(9)).Get(Key{Element: Port, Subject: "sw", Component: name, Vantage: "a"})
	}
	trap(3, "linkDown", "info", map[string]string{"ifIndex": "7", "ifAdminStatus": "down"})
	if r := port("GigabitEthernet0/1"); r.Truth != truth.Bad || !r.At.Equal(at(3)) || r.Attrs["admin"] != "2" || r.Attrs["reason"] != "trap linkDown" {
		t.Errorf("a port known by its number: %+v", r)
	}
	s.FeedEvent(base.Event{Kind: base.EventSyslog, At: at(4), Agent: "a", Device: "sw", Component: "GigabitEthernet0/2",
		Attrs: map[string]string{"element": "N", "truth": "bad", "pattern": "link_down"}})
	if r := port("Gi0/2"); r.Truth != truth.Bad || r.Attrs["admin"] != "" || r.Attrs["reason"] != "link_down" {
		t.Errorf("a port known by its longer name: %+v", r)
	}
	trap(2, "linkUp", "ok", map[string]string{"interface": "Gi0/2"})
	if r := port("Gi0/2"); r.Truth != truth.Bad {
		t.Error("a notification that came late undid a newer one")
	}
	feed(s, "a", "ifOperStatus", map[string]string{"device": "sw", "ifName": "Gi0/2", "ifIndex": "8"}, 5, 1)
	if r := port("Gi0/2"); r.Truth != truth.OK {
		t.Error("the measurement does not overrule the notification")
	}
	part := Key{Element: Part, Subject: "sw", Component: "hwPowerInvalid", Vantage: "a"}
	trap(6, "hwPowerInvalid", "critical", map[string]string{})
	if r := s.Snapshot(at(7)).Get(part); r.Truth != truth.Bad || !r.Since.Equal(at(6)) {
		t.Errorf("power supply: %+v", r)
	}
	trap(8, "hwPowerInvalidResume", "ok", map[string]string{"clears": "hwPowerInvalid"})
	if r := s.Snapshot(at(9)).Get(part); r.Truth != truth.OK {
		t.Errorf("power supply that is back: %+v", r)
	}
	trap(8, "linkDown", "critical", map[string]string{})
	trap(8, "coldStart", "info", map[string]string{})
	if n := len(s.Snapshot(at(9)).Find(Key{Subject: "sw"})); n != 3 {
		t.Errorf("%d readings, want two ports and a power supply", n)
	}
}

func TestSameInterface(t *testing.T) {
	for _, c := range []struct {
		a, b string
		want bool
	}{
		{"Gi0/1", "GigabitEthernet0/1", true}, {"GigabitEthernet0/1", "gi0/1", true}, {"Gi0/1", "Gi0/10", false},
		{"eth0", "eth0.5", false}, {"Te1/1", "Gi1/1", false}, {"wana", "wanb", false}, {"Ethernet 1/2", "Ethernet1/2", true},
	} {
		if got := sameInterface(c.a, c.b); got != c.want {
			t.Errorf("%s and %s: %t", c.a, c.b, got)
		}
	}
}
