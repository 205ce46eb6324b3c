package syslog

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/faultline/faultline/internal/selfmetric"
	"github.com/faultline/faultline/plugins/base"
)

// site is what a test's receiver knows and hands over.
type site struct {
	t        *testing.T
	r        *Receiver
	udp, tcp net.Addr

	mu      sync.Mutex // guards the fields below
	events  []base.Event
	samples []base.Sample
	checked [][]string
	now     time.Time // zero: the real time
}

func (s *site) sink(b base.Batch, events []base.Event) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.events = append(s.events, events...)
	s.samples = append(s.samples, b.All()...)
}

// open makes a receiver that knows loopback as b1srv, 10.0.0.1 as b1rtr and the
// name b1sw; run tells whether it hears.
func open(t *testing.T, run bool, change func(*Options)) *site {
	t.Helper()
	s := &site{t: t}
	devices := map[string]Device{
		"127.0.0.1": {Name: "b1srv", Site: "branch-1", Targets: []Target{{"srv/snmp", "snmp"}, {"srv/config", "config"}}},
		"10.0.0.1":  {Name: "b1rtr", Site: "branch-1", Targets: []Target{{"rtr/snmp", "snmp"}, {"rtr/ping", "probe"}, {"rtr/config", "config"}}},
		"b1sw":      {Name: "b1sw", Site: "branch-1"},
	}
	o := Options{UDP: "127.0.0.1:0", TCP: "127.0.0.1:0", Patterns: shipped(t), Sink: s.sink, Agent: "branch-1", Hostname: "thishost", Location: shanghai,
		Interval: 50 * time.Millisecond, CheckEvery: 50 * time.Millisecond,
		Lookup: func(a netip.Addr, name string) (Device, bool) {
			if a.IsValid() {
				name = a.String()
			}
			d, ok := devices[strings.ToLower(name)]
			return d, ok
		},
		Check: func(_ context.Context, ids []string) error {
			s.mu.Lock()
			defer s.mu.Unlock()
			s.checked = append(s.checked, ids)
			return nil
		}}
	if !run {
		s.now = now
		o.Now = func() time.Time { return s.now }
	}
	if change != nil {
		change(&o)
	}
	var err error
	if s.r, err = New(o); err != nil {
		t.Fatal(err)
	}
	s.udp, s.tcp = s.r.Addrs()
	if !run {
		t.Cleanup(s.r.close)
		return s
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- s.r.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; !errors.Is(err, context.Canceled) {
			t.Errorf("Run: %v", err)
		}
	})
	return s
}

// hear gives a line to a receiver that does not run, and returns the events.
func (s *site) hear(from, line string) []base.Event {
	s.t.Helper()
	s.r.take([]byte(line), netip.MustParseAddr(from), false)
	s.r.flush(nil, false)
	defer func() { s.events = nil }()
	return s.events
}

// wait waits until so many events came.
func (s *site) wait(n int) []base.Event {
	s.t.Helper()
	for begin := time.Now(); time.Since(begin) < 10*time.Second; time.Sleep(time.Millisecond) {
		s.mu.Lock()
		got := slices.Clone(s.events)
		s.mu.Unlock()
		if len(got) >= n {
			return got
		}
	}
	s.t.Fatalf("want %d events, got %v", n, s.events)
	return nil
}

const linkDown = `<187>45: Nov 22 10:30:00.1: %%LINK-3-UPDOWN: Interface Gi0/%d, changed state to down`

func TestEvent(t *testing.T) {
	s := open(t, false, nil)
	got := s.hear("10.0.0.1", fmt.Sprintf(linkDown, 1))
	if len(got) != 1 {
		t.Fatalf("events %v", got)
	}
	e := got[0]
	if e.Kind != base.EventSyslog || e.Device != "b1rtr" || e.Site != "branch-1" || e.Component != "Gi0/1" || e.Agent != "branch-1" || !e.At.Equal(now) || e.ID == "" {
		t.Errorf("event %+v", e)
	}
	for k, want := range map[string]string{"pattern": "link_down", "severity": "info", "element": "N", "truth": "bad", "interface": "Gi0/1", "vendor": "cisco", "code": "LINK-3-UPDOWN",
		"source": "10.0.0.1", "by": "address", "level": "3", "summary_en": "interface Gi0/1 went down", "summary_zh": "接口 Gi0/1 断开", "sent_at": "2026-11-22T02:30:00Z"} {
		if e.Attrs[k] != want {
			t.Errorf("attribute %s %q, want %q", k, e.Attrs[k], want)
		}
	}
	if got := s.hear("10.0.0.1", "<13>nothing of note"); len(got) > 0 {
		t.Errorf("events %v", got)
	}
	if got := s.hear("10.0.0.9", fmt.Sprintf(linkDown, 2)); len(got) > 0 {
		t.Errorf("a stranger's line became %v", got)
	}
}

func TestWho(t *testing.T) {
	line := func(host string) string {
		return "<30>Nov 22 10:30:00 " + host + " systemd-networkd[1]: eth0: Lost carrier"
	}
	for _, c := range []struct{ name, from, host, device, by string }{
		{"address before name", "10.0.0.1", "b1sw", "b1rtr", "address"},
		{"name where the address says nothing", "10.0.0.7", "B1SW", "b1sw", "name"},
		{"relay speaks for another", "10.9.0.1", "b1sw", "b1sw", "name"},
		{"relay names an address", "10.9.0.1", "10.0.0.1", "b1rtr", "name"},
		{"relay speaks for a stranger", "10.9.0.1", "who", "", ""},
		{"this host under its own name", "127.0.0.1", "thishost", "b1srv", "address"},
		{"this host for another", "127.0.0.1", "b1sw", "b1sw", "name"},
		{"this host for a stranger", "127.0.0.1", "who", "", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := open(t, false, func(o *Options) { o.Relays = []netip.Prefix{netip.MustParsePrefix("10.9.0.0/24")} })
			got := s.hear(c.from, line(c.host))
			switch {
			case c.device == "" && len(got) > 0:
				t.Errorf("events %v", got)
			case c.device != "" && (len(got) != 1 || got[0].Device != c.device || got[0].Attrs["by"] != c.by):
				t.Errorf("events %v, want one about %s by %s", got, c.device, c.by)
			}
		})
	}
}

func TestFold(t *testing.T) {
	s := open(t, false, nil)
	first := s.hear("10.0.0.1", fmt.Sprintf(linkDown, 1))
	if len(first) != 1 {
		t.Fatalf("events %v", first)
	}
	for range 2 {
		s.now = s.now.Add(time.Second)
		if got := s.hear("10.0.0.1", fmt.Sprintf(linkDown, 1)); len(got) > 0 {
			t.Errorf("a repeat was told: %v", got)
		}
	}
	if got := s.hear("10.0.0.1", fmt.Sprintf(linkDown, 2)); len(got) != 1 {
		t.Errorf("another port was taken for a repeat: %v", got)
	}
	s.now = s.now.Add(30 * time.Second)
	s.r.unfold(s.now)
	s.r.flush(nil, false)
	if len(s.events) != 1 || s.events[0].Attrs["repeated"] != "2" || s.events[0].Attrs["first_at"] != "2026-11-22T02:30:00Z" || !s.events[0].At.Equal(now.Add(2*time.Second)) {
		t.Errorf("events %+v", s.events)
	}
	s.events = nil
	if got := s.hear("10.0.0.1", fmt.Sprintf(linkDown, 1)); len(got) != 2 || got[0].ID == first[0].ID || got[1].Attrs["pattern"] != "link_flapping" {
		t.Errorf("after the fold: %v", got)
	}
}

func TestBruteForce(t *testing.T) {
	s := open(t, false, nil)
	line := func(user int, from string) string {
		return fmt.Sprintf("<38>Nov 22 10:30:00 b1rtr sshd[1]: Failed password for invalid user u%d from %s port 50 ssh2", user, from)
	}
	var attempts, guessed []base.Event
	for i := range 20 {
		s.now = s.now.Add(time.Second)
		for _, e := range append(s.hear("10.0.0.1", line(i, "10.0.0.9")), s.hear("10.0.0.1", line(i%2, fmt.Sprintf("10.7.0.%d", i)))...) {
			if e.Attrs["pattern"] == "brute_force" {
				guessed = append(guessed, e)
			} else {
				attempts = append(attempts, e)
			}
		}
	}
	if len(attempts) != 40 {
		t.Errorf("%d attempts, want 40", len(attempts))
	}
	if len(guessed) != 1 {
		t.Fatalf("%d times told of guessing: %v", len(guessed), guessed)
	}
	a := guessed[0].Attrs
	if a["from"] != "10.0.0.9" || a["repeated"] != "8" || a["severity"] != "major" || a["summary_en"] != "10.0.0.9 failed 8 times within a minute to log in to b1rtr" {
		t.Errorf("attributes %v", a)
	}
}

func TestRates(t *testing.T) {
	reg := selfmetric.NewRegistry()
	s := open(t, false, func(o *Options) {
		o.Rate, o.Burst, o.EventRate, o.EventBurst, o.Registerer = 10, 20, 1, 5, reg
	})
	var told int
	for i := range 100 {
		told += len(s.hear("10.0.0.1", fmt.Sprintf(linkDown, i)))
	}
	if told != 5 {
		t.Errorf("%d events, want 5", told)
	}
	if n := selfmetric.Sum(s.r.meters.dropped.WithLabelValues("source_rate")); n != 80 {
		t.Errorf("%v lines refused, want 80", n)
	}
	if n := selfmetric.Sum(s.r.meters.dropped.WithLabelValues("event_rate")); n != 15 {
		t.Errorf("%v events refused, want 15", n)
	}
	// Another source is not hurt, and this one recovers.
	if got := s.hear("127.0.0.1", "<30>Nov 22 10:30:00 thishost systemd-networkd[1]: eth0: Lost carrier"); len(got) != 1 {
		t.Errorf("another's line: %v", got)
	}
	s.now = s.now.Add(10 * time.Second)
	if got := s.hear("10.0.0.1", fmt.Sprintf(linkDown, 999)); len(got) != 1 {
		t.Errorf("after a while: %v", got)
	}
	for i := range mostSources + 100 {
		s.r.take([]byte("<13>x"), netip.AddrFrom4([4]byte{11, byte(i >> 16), byte(i >> 8), byte(i)}), false)
	}
	if n := len(s.r.sources); n > mostSources+1 {
		t.Errorf("%d sources are kept", n)
	}
}

func TestSecretsStayHere(t *testing.T) {
	s := open(t, false, nil)
	for _, line := range []string{
		"<189>45: Nov 22 10:11:12.1: %PARSER-5-CFGLOG_LOGGEDCMD: User:bob  logged command:username eve password S3cr3t",
		`<189>Nov 22 2026 10:11:12 CORE %%01SHELL/5/CMDRECORD(s)[4]:Recorded command information. (Task=VTY0, Ip=10.0.0.5, VpnName=, User=bob, Command="snmp-agent community read S3cr3t")`,
		"<85>Nov 22 10:11:12 b1srv sudo:     bob : TTY=pts/0 ; PWD=/ ; USER=root ; COMMAND=/usr/bin/mysql --password=S3cr3t",
	} {
		got := s.hear("10.0.0.1", line)
		if len(got) != 1 {
			t.Errorf("%q became %v", line, got)
			continue
		}
		if all := fmt.Sprint(got[0]); strings.Contains(all, "S3cr3t") || !strings.Contains(got[0].Attrs["command"], "<secret>") {
			t.Errorf("a secret is told: %+v", got[0])
		}
	}
}

func TestLate(t *testing.T) {
	s := open(t, false, nil)
	line := "<30>1 2026-11-22T02:00:00Z b1sw systemd-networkd 1 - - eth0: Lost carrier"
	s.r.take([]byte(line), netip.MustParseAddr("127.0.0.1"), true)
	s.r.flush(nil, false)
	if len(s.events) != 1 || s.events[0].Attrs["late"] != "true" || !s.events[0].At.Equal(now.Add(-30*time.Minute)) || len(s.r.pending) > 0 {
		t.Errorf("a line that waited: %+v, to measure %v", s.events, s.r.pending)
	}
	s.events = nil
	// A datagram cannot have waited: its sender's clock is wrong.
	if got := s.hear("10.0.0.1", line); len(got) != 1 || got[0].Attrs["late"] != "" || !got[0].At.Equal(now) {
		t.Errorf("a datagram: %+v", got)
	}
}

func TestSamples(t *testing.T) {
	s := open(t, false, nil)
	s.hear("10.0.0.1", fmt.Sprintf(linkDown, 1))
	s.hear("10.0.0.1", fmt.Sprintf(linkDown, 1))
	var values []float64
	for _, sm := range s.samples {
		if sm.Labels.Name() == "faultline_syslog_matched_total" {
			values = append(values, sm.Value)
			if sm.Labels.Get("device") != "b1rtr" || sm.Labels.Get("pattern") != "link_down" {
				t.Errorf("labels %v", sm.Labels)
			}
		}
	}
	if !slices.Equal(values, []float64{0, 1, 2}) {
		t.Errorf("values %v, want 0 1 2", values)
	}
}

func TestCheck(t *testing.T) {
	s := open(t, true, func(o *Options) { o.CheckEvery = 300 * time.Millisecond })
	for range 50 {
		s.r.take(fmt.Appendf(nil, linkDown, 1), netip.MustParseAddr("10.0.0.1"), false)
	}
	s.r.take([]byte("<189>45: Nov 22 10:11:12.1: %SYS-5-CONFIG_I: Configured from console by bob on vty0 (10.0.0.5)"), netip.MustParseAddr("127.0.0.1"), false)
	begin := time.Now()
	for len(s.all()) < 3 && time.Since(begin) < 10*time.Second {
		time.Sleep(time.Millisecond)
	}
	if took := time.Since(begin); took < 200*time.Millisecond {
		t.Errorf("measured again after %v", took)
	}
	counts := map[string]int{}
	for _, ids := range s.all() {
		for _, id := range ids {
			counts[id]++
		}
	}
	if counts["rtr/config"] > 0 || counts["srv/snmp"] > 0 || counts["srv/config"] != 1 || counts["rtr/ping"] > 2 || counts["rtr/snmp"] != counts["rtr/ping"] || counts["rtr/ping"] == 0 {
		t.Errorf("measured %v", counts)
	}
	if e, ok := s.r.Last("b1srv", "config_changed"); ok && e.Attrs["user"] != "bob" {
		t.Errorf("last change %+v", e)
	}
}

func (s *site) all() [][]string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.checked)
}

func TestOptions(t *testing.T) {
	good := func() Options {
		return Options{UDP: "127.0.0.1:0", Patterns: &Set{}, Lookup: func(netip.Addr, string) (Device, bool) { return Device{}, false }, Sink: func(base.Batch, []base.Event) {}}
	}
	for name, change := range map[string]func(*Options){
		"no patterns": func(o *Options) { o.Patterns = nil }, "no lookup": func(o *Options) { o.Lookup = nil }, "no sink": func(o *Options) { o.Sink = nil },
		"no address": func(o *Options) { o.UDP = "" }, "negative": func(o *Options) { o.Rate = -1 }, "bad address": func(o *Options) { o.UDP = "nowhere" },
	} {
		o := good()
		change(&o)
		if _, err := New(o); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}

func BenchmarkLine(b *testing.B) {
	set := shipped(b)
	lines := []string{fmt.Sprintf(linkDown, 1), "<30>Nov 22 10:30:00 b1srv CRON[1]: (root) CMD (cd / && run-parts --report /etc/cron.hourly)",
		"<190>Nov 22 2026 10:11:12 CORE %%01INFO/6/LOG(l)[3]:nothing that matters happened on port GigabitEthernet0/0/1 again"}
	b.ReportAllocs()
	for i := range b.N {
		m := Parse([]byte(lines[i%len(lines)]), now, shanghai)
		set.Match(&m)
	}
}
