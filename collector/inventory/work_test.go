package inventory

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/faultline/faultline/internal/wire"
	"github.com/faultline/faultline/plugins/base"
)

func TestWork(t *testing.T) {
	inv := company(t)
	got, ok := inv.Work("branch-1")
	if !ok {
		t.Fatal("the agent is unknown")
	}
	icmp := map[string]string{"module": "icmp"}
	want := []base.Target{
		{ID: "host", Input: "host", Labels: map[string]string{"job": "node", "instance": "srv", "site": "branch-1", "device": "srv", "role": "agent_host"}},
		{ID: "rtr/probe/icmp/gateway", Input: "probe", Address: "10.1.0.1", Options: icmp,
			Labels: map[string]string{"job": "blackbox", "instance": "10.1.0.1", "site": "branch-1", "device": "rtr", "role": "gateway"}},
		{ID: "sw/snmp", Input: "snmp", Address: "10.1.0.2",
			Labels: map[string]string{"job": "snmp", "instance": "10.1.0.2", "site": "branch-1", "device": "sw", "role": "device"}},
		{ID: "db/probe/tcp/database/postgresql:5432", Input: "probe", Address: "10.1.0.10:5432", Options: map[string]string{"module": "tcp"},
			Labels: map[string]string{"job": "blackbox", "instance": "10.1.0.10", "site": "branch-1", "device": "db", "role": "database", "component": "postgresql:5432", "tier": "core"}},
		{ID: "carrier-a:line-1/probe/icmp/line", Input: "probe", Address: "172.16.11.1", Options: icmp,
			Labels: map[string]string{"job": "blackbox", "instance": "172.16.11.1", "site": "branch-1", "device": "carrier-a:line-1", "role": "line", "circuit": "SH-0231"}},
	}
	if diff := cmp.Diff(want, got.Targets); diff != "" {
		t.Error(diff)
	}
	hq, _ := inv.Work("hq")
	if len(hq.Targets) != 2 || hq.Targets[1].Address != "172.16.11.2" {
		t.Errorf("head office measures the far end of the line: %+v", hq.Targets)
	}
	if _, ok := inv.Work("ghost"); ok {
		t.Error("an unknown agent has work")
	}
}

func TestWorkVersion(t *testing.T) {
	a, _ := company(t).Work("branch-1")
	b, _ := company(t).Work("branch-1")
	changed := company(t)
	changed.Devices[2].Addresses[0] = "10.255.0.99" // only head office polls it
	c, _ := changed.Work("branch-1")
	changed.Devices[3].Addresses[0] = "10.1.0.3"
	d, _ := changed.Work("branch-1")
	if a.Version != b.Version || a.Version != c.Version || a.Version == d.Version || a.Version <= 0 {
		t.Errorf("versions %d %d %d %d", a.Version, b.Version, c.Version, d.Version)
	}
}

func TestTargetIDsAreUnique(t *testing.T) {
	inv := &Inventory{
		Agents: []Agent{{ID: "a"}},
		Devices: []Device{{ID: "d", Addresses: []string{"10.0.0.1", "10.0.0.2"}, Targets: []Target{
			{Agent: "a", Input: "probe"}, {Agent: "a", Input: "probe", Address: "10.0.0.2"}, {Agent: "a", Input: "probe", Address: "https://10.0.0.2:8443/x"}}}},
	}
	w, _ := inv.Work("a")
	for i, want := range []string{"d/probe", "d/probe#2", "d/probe#3"} {
		if w.Targets[i].ID != want {
			t.Errorf("target %d is %s, want %s", i, w.Targets[i].ID, want)
		}
	}
	if got := w.Targets[2].Labels["instance"]; got != "10.0.0.2" {
		t.Errorf("instance of a URL: %s", got)
	}
}

func TestAgentByToken(t *testing.T) {
	inv := company(t)
	if a, ok := inv.AgentByToken(HashToken("test")); !ok || a.ID != "branch-1" {
		t.Errorf("by token: %v %v", a.ID, ok)
	}
	for _, hash := range []string{"", HashToken("other")} {
		if _, ok := inv.AgentByToken(hash); ok {
			t.Errorf("token hash %q has an agent", hash)
		}
	}
}

func TestDesk(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, desk := t.Context(), NewDesk(company(t), nil)
		poll := func(after int64) chan wire.Work {
			got := make(chan wire.Work, 1)
			go func() {
				w, err := desk.Poll(ctx, "branch-1", after)
				if err != nil {
					t.Error(err)
				}
				got <- w
			}()
			return got
		}
		first := <-poll(0)
		if len(first.Targets) != 5 || first.Interval != 5*time.Second {
			t.Fatalf("first answer: %+v", first)
		}

		waiting := poll(first.Version)
		synctest.Wait()
		id, err := desk.Ask("branch-1", []string{"sw/snmp"}, 10*time.Second)
		if err != nil {
			t.Fatal(err)
		}
		if w := <-waiting; len(w.Checks) != 1 || w.Checks[0].ID != id || w.Targets != nil || w.Version != first.Version {
			t.Errorf("answer with a check: %+v", w)
		}

		waiting = poll(first.Version)
		synctest.Wait()
		changed := company(t)
		changed.Devices[3].Addresses[0] = "10.1.0.3"
		desk.Set(changed)
		if w := <-waiting; w.Version == first.Version || len(w.Targets) != 5 {
			t.Errorf("answer after a change: %+v", w)
		}
	})
}

func TestDeskEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		desk := NewDesk(company(t), nil)
		first, _ := desk.Poll(t.Context(), "branch-1", 0)
		ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
		defer cancel()
		if w, err := desk.Poll(ctx, "branch-1", first.Version); err != nil || w.Version != first.Version || w.Targets != nil {
			t.Errorf("at the end of the wait: %+v %v", w, err)
		}
		if _, err := desk.Poll(ctx, "ghost", 0); !errors.Is(err, ErrUnknownAgent) {
			t.Errorf("unknown agent: %v", err)
		}
		if _, err := desk.Ask("ghost", nil, time.Second); !errors.Is(err, ErrUnknownAgent) {
			t.Errorf("check of an unknown agent: %v", err)
		}
	})
}

func TestDeskChecks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		desk := NewDesk(company(t), nil)
		one, _ := desk.Ask("branch-1", []string{"sw/snmp"}, 10*time.Second)
		if two, _ := desk.Ask("branch-1", []string{"sw/snmp"}, 10*time.Second); two != one {
			t.Error("the same check waits twice")
		}
		time.Sleep(11 * time.Second)
		if w, _ := desk.Poll(t.Context(), "branch-1", 0); len(w.Checks) != 0 {
			t.Errorf("an expired check was handed out: %+v", w.Checks)
		}
		for i := range checksPerAgent + 3 {
			_, _ = desk.Ask("branch-1", []string{time.Duration(i).String()}, time.Minute)
		}
		w, _ := desk.Poll(t.Context(), "branch-1", 0)
		if len(w.Checks) != checksPerAgent || desk.Dropped() != 3 || w.Checks[0].Targets[0] != "3ns" {
			t.Errorf("%d checks, %d dropped", len(w.Checks), desk.Dropped())
		}
		asked := desk.AskAbout("rtr", time.Minute)
		hq, _ := desk.Poll(t.Context(), "hq", 0)
		if len(asked) != 2 || len(hq.Checks) != 1 || hq.Checks[0].Targets[0] != "rtr/snmp/wan_router" {
			t.Errorf("asked about the router: %v, %+v", asked, hq.Checks)
		}
	})
}
