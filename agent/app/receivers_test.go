package app

import (
	"log/slog"
	"net"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/faultline/faultline/agent/config"
	"github.com/faultline/faultline/plugins/base"
)

func line(device, user string, at time.Time) base.Event {
	return base.Event{Kind: base.EventSyslog, Device: device, At: at, Attrs: map[string]string{"element": "C", "user": user, "from": "10.0.0.5"}}
}

func TestAuthors(t *testing.T) {
	var a authors
	t0 := time.Date(2026, 1, 5, 8, 0, 0, 0, time.UTC)
	a.note([]base.Event{line("sw", "bob", t0.Add(time.Minute)), line("sw", "ann", t0), line("rtr", "", t0), {Kind: base.EventTrap, Device: "sw"}})
	if who, ok := a.of("sw", t0); !ok || who.User != "bob" || who.From != "10.0.0.5" {
		t.Errorf("the last one is %+v, %t", who, ok)
	}
	if _, ok := a.of("sw", t0.Add(2*time.Minute)); ok {
		t.Error("an earlier change is called the author of a later one")
	}
	if _, ok := a.of("rtr", t0); ok {
		t.Error("a line without a user has an author")
	}
}

func value(t *testing.T, samples []base.Sample, metric, name string) float64 {
	t.Helper()
	v, found := 0.0, false
	for _, s := range samples {
		if s.Labels.Name() == metric && s.Labels.Get("name") == name {
			v, found = s.Value, true
		}
	}
	if !found {
		t.Fatalf("no %s of %s among %d samples", metric, name, len(samples))
	}
	return v
}

func TestTrapSeries(t *testing.T) {
	var s trapSeries
	now := time.Date(2026, 1, 5, 8, 0, 0, 0, time.UTC)
	trap := func(name, severity, clears string) base.Event {
		return base.Event{Kind: base.EventTrap, Device: "sw", Site: "s", Attrs: map[string]string{"name": name, "severity": severity, "clears": clears}}
	}
	first := s.note([]base.Event{trap("hwPowerInvalid", "critical", ""), {Kind: base.EventTrap, Attrs: map[string]string{"name": "x"}}}, now)
	if len(first) != 3 || first[0].Value != 0 || first[0].Time >= first[1].Time {
		t.Fatalf("a counter begins with its zero, of known devices only: %+v", first)
	}
	if v := value(t, first, "faultline_trap_active", "hwPowerInvalid"); v != 3 {
		t.Errorf("active at %g, want 3", v)
	}
	cleared := s.note([]base.Event{trap("hwPowerInvalidResume", "ok", "hwPowerInvalid")}, now.Add(time.Minute))
	if v := value(t, cleared, "faultline_trap_active", "hwPowerInvalid"); v != 0 {
		t.Errorf("taken back, active at %g", v)
	}
	s.note([]base.Event{trap("hwFanInvalid", "warning", "")}, now.Add(time.Minute))
	if v := value(t, s.renew(now.Add(10*time.Minute)), "faultline_trap_active", "hwFanInvalid"); v != 2 {
		t.Errorf("still active at %g, want 2", v)
	}
	late := s.renew(now.Add(time.Hour))
	if v := value(t, late, "faultline_trap_active", "hwFanInvalid"); v != 0 {
		t.Errorf("after its time, active at %g", v)
	}
	if v := value(t, late, "faultline_trap_received_total", "hwFanInvalid"); v != 1 {
		t.Errorf("received %g times", v)
	}
	if left := s.renew(now.Add(48 * time.Hour)); len(left) != 0 {
		t.Errorf("%d samples of what was not heard for two days", len(left))
	}
}

// A reflector that the configuration names listens; reading configurations is
// among the inputs, and checking leaves nothing behind.
func TestNewWithReceivers(t *testing.T) {
	cfg, err := config.Parse("test", []byte(`agent: a
data: `+filepath.ToSlash(t.TempDir())+`
collector: {url: "http://127.0.0.1:9"}
reflect: {listen: "127.0.0.1:0", token: sixteen-bytes-at-least}
`))
	if err != nil {
		t.Fatal(err)
	}
	log := slog.New(slog.DiscardHandler)
	a, err := New(cfg, Options{Logger: log, Version: "test"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = a.spool.Close(); _ = a.data.Close() })
	addr, ok := a.hear.reflector.Addr().(*net.UDPAddr)
	if !ok || addr.Port == 0 {
		t.Errorf("the reflector listens at %v", a.hear.reflector.Addr())
	}
	if a.inputs["config"] == nil || a.inputs["database"] == nil {
		t.Error("inputs are missing")
	}
	cfg.Data = filepath.Join(t.TempDir(), "other")
	if err := Check(cfg); err != nil {
		t.Error(err)
	}
	if found, _ := filepath.Glob(cfg.Data); len(found) != 0 {
		t.Error("a check made the agent's directory")
	}
}

func TestReflectNeedsAToken(t *testing.T) {
	for _, c := range []struct{ yaml, want string }{
		{`reflect: {listen: ":8862", token: short}`, "reflect.token"},
		{`reflect: {listen: "8862", token: sixteen-bytes-at-least}`, "reflect.listen"},
		{`reflect: {listen: ":8862", token: sixteen-bytes-at-least, rate: -1}`, "reflect.rate"},
	} {
		_, err := config.Parse("test", []byte("agent: a\ncollector: {url: \"http://127.0.0.1:9\"}\n"+c.yaml+"\n"))
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v", c.yaml, err)
		}
	}
}
