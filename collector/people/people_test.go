package people

import (
	"errors"
	"os"
	"slices"
	"strings"
	"testing"
	"testing/fstest"
	"time"
	_ "time/tzdata"

	"github.com/faultline/faultline/collector/sla"
)

func zone(t testing.TB, name string) *time.Location {
	t.Helper()
	z, err := time.LoadLocation(name)
	if err != nil {
		t.Fatal(err)
	}
	return z
}

func at(t testing.TB, s string) time.Time {
	t.Helper()
	v, err := time.ParseInLocation("2006-01-02 15:04", s, zone(t, "Asia/Shanghai"))
	if err != nil {
		t.Fatal(err)
	}
	return v
}

func company(t testing.TB) *Directory {
	t.Helper()
	d, err := Load(os.DirFS("testdata/company"), Options{})
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func parse(t testing.TB, text string) (*Directory, error) {
	t.Helper()
	return Load(fstest.MapFS{"p.yaml": {Data: []byte("apiVersion: faultline/v1\nkind: People\n" + text)}}, Options{Roles: []string{"branch_it", "hq_network", "hq_it_manager"}, Sites: []string{"branch-1"}})
}

func names(list []Told) string {
	var out []string
	for _, t := range list {
		out = append(out, t.Person)
	}
	return strings.Join(out, " ")
}

func TestLoadReportsEveryFault(t *testing.T) {
	_, err := parse(t, `people:
  - {id: li, name: Li, roles: [branch_it], sites: [branch-9]}
  - {id: li, name: Again}
  - {id: wu, name: Wu, roles: [cook], rank: emperor, deputies: [wu]}
  - {id: xu, name: Xu, roles: [branch_it], quiet: {from: "25:00", to: "07:00"}}
absences:
  - {person: li, from: "2026-11-20T00:00", to: "2026-11-19T00:00"}
rotas:
  - id: r
    title: {zh-CN: 值班, en: duty}
    role: hq_network
    zone: Mars/Base
    shifts:
      - {person: nobody, start: "2026-01-05T09:00", end: "2026-01-05T08:00"}
      - {person: li, start: "2026-01-05T09:00", end: "2026-01-05T18:00", rule: "FREQ=SECONDLY"}
    rotations:
      - {id: x, people: [ghost], start: "2026-01-05T09:00", every: 1m}
    overrides:
      - {id: o, person: li, from: "2026-01-05T09:00", to: "2026-01-05T09:00"}
chains:
  - id: c
    title: {zh-CN: 升级, en: chain}
    rungs:
      - {after: soon, tell: []}
      - {after: 5m, tell: ["role:cook", "oncall:none", "oncall:r/0", "li"], calendar: moon}
priority: {impacts: [a, b], urgencies: [x], matrix: [[3], [1]], ranks: [boss]}
notices: {on: [{event: opened, tell: [everybody]}], per_minute: 3, reserve: 3, fold: 1, digest_every: 1m}
`)
	if err == nil {
		t.Fatal("taken")
	}
	for _, want := range []string{"p.yaml:4: people[0].sites", "p.yaml:5: people[1].id", "p.yaml:6: people[2].roles", "p.yaml:6: people[2].rank", "p.yaml:6: people[2].deputies",
		"p.yaml:7: people[3].quiet", "p.yaml:7: people[3]", "p.yaml:9: absences[0]", "p.yaml:14: rotas[0].zone", "p.yaml:16: rotas[0].shifts[0]", "p.yaml:17: rotas[0].shifts[1]",
		"p.yaml:19: rotas[0].rotations[0]", "p.yaml:21: rotas[0].overrides[0]", "chains[0].last", "p.yaml:26: chains[0].rungs[0].after", "p.yaml:26: chains[0].rungs[0].tell",
		`"role:cook"`, `"oncall:none"`, `"oncall:r/0"`, `"li"`, `"moon"`, "p.yaml:28: priority.matrix", "p.yaml:29: notices.on[0].tell", "p.yaml:29: notices: per_minute"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("no fault %s in\n%v", want, err)
		}
	}
	if _, err := parse(t, "peple: []\n"); err == nil || !strings.Contains(err.Error(), "p.yaml:3:") {
		t.Errorf("an unknown key: %v", err)
	}
}

func TestWhoActs(t *testing.T) {
	d := company(t)
	for _, c := range []struct{ role, site, when, want, because string }{
		{"hq_network", "branch-1", "2026-11-19 10:00", "wang", "值班"}, // the 46th week of three: wang's
		{"hq_network", "", "2026-11-20 10:00", "zhao", "值班"},         // wang is away: the deputy
		{"hq_network", "", "2026-11-24 17:59", "zhao", "值班"},         // zhao's own week
		{"hq_network", "", "2026-11-24 18:00", "qian", "值班"},         // the override
		{"hq_network", "", "2026-11-25 09:00", "zhao", "值班"},
		{"hq_network", "", "2026-12-07 08:59", "qian", "值班"},
		{"hq_network", "", "2026-12-07 09:00", "wang", "值班"},
		{"branch_it", "branch-1", "2026-11-19 10:00", "li zhou", "角色"},
		{"branch_it", "branch-2", "2026-11-19 10:00", "zhou", "角色"},
		{"branch_it", "branch-3", "2026-11-19 10:00", "", ""},
		{"hq_dba", "", "2026-11-19 10:00", "", ""},
	} {
		got := d.Who(c.role, c.site, at(t, c.when))
		if names(got) != c.want || len(got) > 0 && !strings.HasPrefix(got[0].Because.ZH, c.because) {
			t.Errorf("%s of %s at %s: %+v, want %s", c.role, c.site, c.when, got, c.want)
		}
	}
}

func TestDeputies(t *testing.T) {
	d := company(t)
	if who, via, ok := d.StandIn("wang", at(t, "2026-11-21 10:00")); !ok || who != "zhao" || !slices.Equal(via, []string{"wang"}) {
		t.Errorf("wang is away: %s via %v, %v", who, via, ok)
	}
	without := d.With(map[string]bool{"zhao": false})
	if who, via, ok := without.StandIn("wang", at(t, "2026-11-21 10:00")); ok || len(via) != 2 {
		t.Errorf("deputies in a circle: %s via %v", who, via)
	}
	if who, _, ok := without.StandIn("wang", at(t, "2026-11-23 00:00")); !ok || who != "wang" {
		t.Errorf("wang is back: %s", who)
	}
	if p, _ := d.Person("zhao"); p.Disabled {
		t.Error("taking access away changed the older directory")
	}
}

func calendars(t testing.TB) func(string) (*sla.Calendar, error) {
	cals, err := sla.Load(os.DirFS("../../rules/calendars"))
	if err != nil {
		t.Fatal(err)
	}
	return func(word string) (*sla.Calendar, error) {
		cal, ok := cals.Get(map[string]string{"work": "cn-workday", "always": "24x7"}[word])
		if !ok {
			return nil, errors.New("no calendar " + word)
		}
		return cal, nil
	}
}

func TestEscalationIsASnapshot(t *testing.T) {
	d, start := company(t), at(t, "2026-11-19 16:00") // Thursday of wang's week; wang is away from Friday on
	s, err := d.Trigger("network", "branch-1", start, calendars(t))
	if err != nil {
		t.Fatal(err)
	}
	want := []struct{ due, people string }{
		{"2026-11-19 16:00", "wang"}, {"2026-11-19 16:15", "qian"}, {"2026-11-20 10:15", "sun li"},
		{"2026-11-20 10:15", "zhao"}, {"2026-11-20 10:30", "qian"}, {"2026-11-20 13:30", "sun li"}, {"2026-11-20 15:30", "sun"},
	}
	if len(s.Rungs) != len(want) {
		t.Fatalf("%d rungs", len(s.Rungs))
	}
	for n, w := range want {
		if r := s.Rungs[n]; !r.Due.Equal(at(t, w.due)) || names(r.People) != w.people || r.Problem != "" {
			t.Errorf("rung %d: %s at %s (%s), want %s at %s", n, names(r.People), r.Due, r.Problem, w.people, w.due)
		}
	}
	// A swap made later does not change who this escalation goes to.
	rota, _ := d.Rota("hq-network")
	if _, err := rota.Override(Override{ID: "late", Person: "qian", From: "2026-11-19T16:00", To: "2026-11-20T16:00", By: "sun"}, func(string) bool { return true }); err != nil {
		t.Fatal(err)
	}
	rung, ok := s.Next(0, start)
	if list, nobody := d.Reach(rung, start); !ok || nobody || names(list) != "wang" {
		t.Errorf("told %s", names(list))
	}
	if _, ok := s.Next(1, start.Add(14*time.Minute)); ok {
		t.Error("a rung before its time")
	}
	// Access that is taken away counts at once: the deputy is told, or nobody.
	if list, _ := d.With(map[string]bool{"wang": false}).Reach(rung, start); names(list) != "zhao" {
		t.Errorf("without wang: %s", names(list))
	}
	if _, nobody := d.With(map[string]bool{"zhao": false, "wang": false}).Reach(rung, start); !nobody {
		t.Error("somebody without access is told")
	}
	// A year nobody entered: by the wall, and it says so.
	s, err = d.Trigger("network", "", at(t, "2026-12-31 16:50"), calendars(t))
	if err != nil || s.Rungs[2].Problem == "" || !s.Rungs[2].Due.Equal(at(t, "2026-12-31 19:05")) {
		t.Errorf("unknown year: %+v, %v", s.Rungs[2], err)
	}
	if _, err := d.Trigger("none", "", start, calendars(t)); err == nil {
		t.Error("a chain that is not there")
	}
}

func TestAckIsNotSilence(t *testing.T) {
	t0 := at(t, "2026-11-20 09:00")
	p := AckPolicy{Stale: 30 * time.Minute, Remind: 15 * time.Minute, Times: 2}
	minute := func(n int) time.Time { return t0.Add(time.Duration(n) * time.Minute) }
	acts := []Act{{minute(0), "li", "ack"}, {minute(20), "li", "comment"}, {minute(25), "zhou", "comment"}}
	for _, c := range []struct {
		now, reminded, next int
		state               string
	}{{0, 0, 30, AckHeld}, {20, 0, 50, AckHeld}, {49, 0, 50, AckHeld}, {50, 1, 65, AckStale}, {65, 2, 80, AckStale}, {79, 2, 80, AckStale}, {80, 2, 0, AckLost}} {
		got := ReadAck(acts, p, minute(c.now))
		if got.State != c.state || got.Reminded != c.reminded || c.next > 0 && !got.NextAt.Equal(minute(c.next)) || c.next == 0 && !got.NextAt.IsZero() {
			t.Errorf("after %d min: %+v, want %s with %d reminders, next %d", c.now, got, c.state, c.reminded, c.next)
		}
		if got.StopsClimbing() != (c.state != AckLost) {
			t.Errorf("after %d min: stops climbing %v", c.now, got.StopsClimbing())
		}
	}
	taken := append(acts, Act{minute(90), "zhou", "ack"})
	if got := ReadAck(taken, p, minute(91)); got.By != "zhou" || got.State != AckHeld {
		t.Errorf("taken over: %+v", got)
	}
	if got := ReadAck(append(taken, Act{minute(92), "li", "release"}), p, minute(93)); got.By != "zhou" {
		t.Errorf("released by somebody else: %+v", got)
	}
	if got := ReadAck(append(taken, Act{minute(92), "zhou", "release"}), p, minute(93)); got.State != AckNone || got.StopsClimbing() {
		t.Errorf("released: %+v", got)
	}
	// It silences nothing: everybody is told of a breach with the ack as without.
	d := company(t)
	if list, _ := d.Audience(Occasion{Event: "breached", Priority: 2, Site: "branch-1", Responsible: "branch_it", Accountable: "hq_network"}, t0); names(list) != "li zhou zhao" { // zhao for wang, who is on call but away
		t.Errorf("breach: %s", names(list))
	}
}
