package fleet

import (
	"context"
	"crypto/ecdsa"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/faultline/faultline/collector/assign"
	"github.com/faultline/faultline/collector/rollout"
	"github.com/faultline/faultline/internal/pki"
	"github.com/faultline/faultline/internal/wire"
	"github.com/faultline/faultline/plugins/base"
)

// memory is a Store; fail makes it refuse to write.
type memory struct {
	mu   sync.Mutex
	kv   map[string]string
	fail error
}

func (m *memory) KVList(_ context.Context, prefix string) (map[string]string, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	out := maps.Clone(m.kv)
	maps.DeleteFunc(out, func(k, _ string) bool { return !strings.HasPrefix(k, prefix) })
	return out, nil
}

func (m *memory) KVPutAll(_ context.Context, values map[string]string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.fail != nil {
		return m.fail
	}
	maps.Copy(m.kv, values)
	return nil
}

// desk is a fleet over a memory, on a clock that tests move.
type desk struct {
	*Fleet
	t     *testing.T
	store *memory
	key   *ecdsa.PrivateKey
	now   time.Time
	notes []string
}

func newDesk(t *testing.T) *desk {
	t.Helper()
	key, err := pki.NewKey()
	if err != nil {
		t.Fatal(err)
	}
	d := &desk{t: t, store: &memory{kv: map[string]string{}}, key: key, now: time.Date(2026, 11, 22, 3, 0, 0, 0, time.UTC)}
	d.restart()
	return d
}

// restart forgets what is not stored.
func (d *desk) restart() {
	d.t.Helper()
	var err error
	d.Fleet, err = Open(d.t.Context(), Options{Store: d.store, Key: d.key, Leads: func(context.Context) bool { return true }, Now: func() time.Time { return d.now }, Logger: slog.New(slog.DiscardHandler),
		Find: func(v string) (wire.Program, bool) { return wire.Program{Version: v}, v != "" },
		Note: func(_ context.Context, kind string, n rollout.Note, by string) {
			d.notes = append(d.notes, kind+" "+n.Kind+" "+by)
		}})
	if err != nil {
		d.t.Fatal(err)
	}
}

const secretWord = "hunter2-community"

// handouts are n agents with settings of a version.
func handouts(n int, version int64, program string) (out []assign.Handout) {
	for i := range n {
		out = append(out, assign.Handout{Agent: fmt.Sprintf("a%d", i), Site: fmt.Sprintf("s%d", i), Program: program, Work: wire.Work{Version: version,
			Targets: []base.Target{{ID: fmt.Sprint("t", version), Input: "snmp", Options: map[string]string{"community": secretWord}}}}})
	}
	return out
}

var canary = rollout.Plan{Stages: []rollout.Stage{{Agents: []string{"a0"}}, {Percent: 100}}, Patience: time.Minute, Soak: 10 * time.Second}

// report lets every agent report that it has what it is handed.
func (d *desk) report(change func(agent string, s *wire.AgentState)) {
	d.t.Helper()
	for _, v := range d.Agents() {
		w, _ := d.Work(v.Agent)
		s := wire.AgentState{Version: w.Version, Targets: 4, Up: 4, Measured: 4, Acked: true, Program: "0.1.1", Updatable: true}
		if change != nil {
			change(v.Agent, &s)
		}
		if err := d.Reported(d.t.Context(), v.Agent, s); err != nil {
			d.t.Fatal(err)
		}
	}
}

func (d *desk) pass(seconds int, change func(string, *wire.AgentState)) {
	d.t.Helper()
	for range seconds / 5 {
		d.now = d.now.Add(5 * time.Second)
		d.report(change)
		if err := d.Step(d.t.Context()); err != nil {
			d.t.Fatal(err)
		}
	}
}

// versions are what agents are handed.
func (d *desk) versions() (out []int64) {
	for _, v := range d.Agents() {
		w, _ := d.Work(v.Agent)
		out = append(out, w.Version)
	}
	return out
}

func (d *desk) want(what string, versions ...int64) {
	d.t.Helper()
	if got := d.versions(); fmt.Sprint(got) != fmt.Sprint(versions) {
		d.t.Errorf("%s: handed %v, want %v", what, got, versions)
	}
}

func TestStagesAndRestarts(t *testing.T) {
	d := newDesk(t)
	d.Set(handouts(3, 1, ""), canary, canary)
	d.want("new agents", 1, 1, 1)
	d.pass(10, nil)
	d.Set(handouts(3, 2, ""), canary, canary)
	d.want("before the first step", 1, 1, 1)
	d.pass(5, nil)
	d.want("canary", 2, 1, 1)
	d.restart()
	d.Set(handouts(3, 2, ""), canary, canary)
	d.want("after a restart", 2, 1, 1)
	d.pass(30, nil)
	d.want("proven", 2, 2, 2)
	d.pass(30, nil)
	if r := d.Rollouts()[0]; r.Phase != rollout.Done {
		t.Errorf("%+v", r)
	}
	for _, v := range d.Agents() {
		if v.State != StateOK || v.Applied != v.Wanted {
			t.Errorf("%+v", v)
		}
	}
	for name, text := range d.store.kv {
		if strings.Contains(text, secretWord) || strings.Contains(text, "community") {
			t.Errorf("the database shows a secret under %s: %s", name, text)
		}
	}
}

func TestRejectedIsTakenBackAndStaysSo(t *testing.T) {
	d := newDesk(t)
	d.Set(handouts(3, 1, ""), canary, canary)
	d.pass(10, nil)
	d.Set(handouts(3, 2, ""), canary, canary)
	d.pass(10, func(agent string, s *wire.AgentState) {
		if s.Version == 2 {
			s.Version, s.Rejected, s.Problem = 1, 2, "no input modbus"
		}
	})
	d.want("taken back", 1, 1, 1)
	if w, _ := d.Work("a0"); w.Targets[0].ID != "t1" || w.Targets[0].Options["community"] != secretWord {
		t.Errorf("the work before is not whole: %+v", w)
	}
	r, v := d.Rollouts()[0], d.Agents()[0]
	if r.Phase != rollout.RolledBack || !strings.Contains(r.Reason, "no input modbus") || v.State != StateRolledBack {
		t.Errorf("%+v, %+v", r, v)
	}
	d.restart()
	d.Set(handouts(3, 2, ""), canary, canary)
	d.pass(120, nil)
	d.want("it comes again by itself", 1, 1, 1)
	if err := d.Command(t.Context(), Settings, "retry", "chen"); err != nil {
		t.Fatal(err)
	}
	d.pass(120, nil)
	d.want("after a person's retry", 2, 2, 2)
}

func TestWorseHealthTakesBack(t *testing.T) {
	d := newDesk(t)
	d.Set(handouts(3, 1, ""), canary, canary)
	d.pass(10, nil)
	d.Set(handouts(3, 2, ""), canary, canary)
	d.pass(90, func(_ string, s *wire.AgentState) {
		if s.Version == 2 {
			s.Up = 1
		}
	})
	d.want("most targets fell silent", 1, 1, 1)
}

func TestWithoutStagesEverybodyHasItAtOnce(t *testing.T) {
	d := newDesk(t)
	d.Set(handouts(2, 1, ""), rollout.Plan{}, rollout.Plan{})
	d.pass(5, nil)
	d.Set(handouts(2, 2, ""), rollout.Plan{}, rollout.Plan{})
	d.want("at once", 2, 2)
}

func TestNothingIsGivenThatCouldNotBeStored(t *testing.T) {
	d := newDesk(t)
	d.Set(handouts(2, 1, ""), canary, canary)
	d.pass(10, nil)
	d.Set(handouts(2, 2, ""), canary, canary)
	d.store.fail = errors.New("disk full")
	if err := d.Step(t.Context()); err == nil {
		t.Fatal("no error")
	}
	d.want("not stored", 1, 1)
}

func TestProgramsGoTheSameWay(t *testing.T) {
	d := newDesk(t)
	d.Set(handouts(3, 1, ""), canary, canary)
	d.pass(10, nil)
	d.Set(handouts(3, 1, "0.1.2"), canary, canary)
	d.pass(5, nil)
	offered := func() (out string) {
		for i := range 3 {
			if d.Wanted(fmt.Sprint("a", i)) != nil {
				out += fmt.Sprint(i)
			}
		}
		return out
	}
	if got := offered(); got != "0" {
		t.Errorf("offered to %q, want the canary", got)
	}
	first := d.Wanted("a0").Offer
	d.pass(30, func(agent string, s *wire.AgentState) {
		if agent == "a0" {
			s.Refused, s.Why = "0.1.2", "has not reached the collector within 1m30s"
		}
	})
	if got := offered(); got != "" || d.Rollouts()[1].Phase != rollout.RolledBack {
		t.Errorf("offered to %q after it failed: %+v", got, d.Rollouts()[1])
	}
	if err := d.Command(t.Context(), Program, "retry", "chen"); err != nil {
		t.Fatal(err)
	}
	if err := d.Step(t.Context()); err != nil {
		t.Fatal(err)
	}
	if p := d.Wanted("a0"); p == nil || p.Offer == first {
		t.Errorf("a retry is not offered anew: %+v", p)
	}
	d.pass(60, func(_ string, s *wire.AgentState) { s.Program = "0.1.2" })
	if r := d.Rollouts()[1]; r.Phase != rollout.Done {
		t.Errorf("%+v", r)
	}
}

func TestCommands(t *testing.T) {
	d := newDesk(t)
	if err := d.Command(t.Context(), Settings, "pause", "chen"); !errors.Is(err, rollout.ErrOver) {
		t.Errorf("nothing to pause: %v", err)
	}
	if err := d.Command(t.Context(), "weather", "pause", "chen"); !errors.Is(err, ErrUnknown) {
		t.Errorf("no such kind: %v", err)
	}
	d.Set(handouts(3, 1, ""), canary, canary)
	d.pass(10, nil)
	d.Set(handouts(3, 2, ""), canary, canary)
	d.pass(5, nil)
	for _, c := range []string{"pause", "continue", "abort"} {
		if err := d.Command(t.Context(), Settings, c, "chen"); err != nil {
			t.Fatal(err)
		}
	}
	d.want("aborted", 1, 1, 1)
	if got := strings.Join(d.notes, "; "); !strings.Contains(got, "settings aborted chen") {
		t.Errorf("notes %s", got)
	}
}
