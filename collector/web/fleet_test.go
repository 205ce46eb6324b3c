package web

import (
	"context"
	"log/slog"
	"maps"
	"net/http"
	"strings"
	"sync"
	"testing"

	"github.com/faultline/faultline/collector/api"
	"github.com/faultline/faultline/collector/assign"
	"github.com/faultline/faultline/collector/fleet"
	"github.com/faultline/faultline/collector/rollout"
	"github.com/faultline/faultline/internal/pki"
	"github.com/faultline/faultline/internal/wire"
)

// drawer keeps small texts in memory.
type drawer struct {
	mu sync.Mutex
	kv map[string]string
}

func (d *drawer) KVList(context.Context, string) (map[string]string, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	return maps.Clone(d.kv), nil
}

func (d *drawer) KVPutAll(_ context.Context, values map[string]string) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	maps.Copy(d.kv, values)
	return nil
}

// withFleet shows two agents, of which the canary has other settings since.
func withFleet(t *testing.T) (*fleet.Fleet, func(*Options)) {
	t.Helper()
	key, err := pki.NewKey()
	if err != nil {
		t.Fatal(err)
	}
	f, err := fleet.Open(t.Context(), fleet.Options{Store: &drawer{kv: map[string]string{}}, Key: key, Leads: func(context.Context) bool { return true }, Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	plan := rollout.Plan{Stages: []rollout.Stage{{Agents: []string{"sh-a"}}, {Percent: 100}}}
	for version := range int64(2) {
		var hs []assign.Handout
		for agent, site := range map[string]string{"sh-a": "shanghai", "sz-a": "suzhou"} {
			hs = append(hs, assign.Handout{Agent: agent, Site: site, Work: wire.Work{Version: 0x1234567 + version}, Values: []assign.Value{{Key: "interval", Value: "15s", From: "<branches> (a.yaml:3)"}}})
		}
		f.Set(hs, plan, plan)
		if err := f.Step(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	if err := f.Reported(t.Context(), "sh-a", wire.AgentState{Version: 0x1234567, Rejected: 0x1234568, Problem: "no input <nonesuch>", Targets: 4, Up: 3, Program: "0.1.1"}); err != nil {
		t.Fatal(err)
	}
	return f, func(o *Options) { o.Fleet = &api.FleetGate{Accounts: o.Accounts, Fleet: f} }
}

func TestAgentsPage(t *testing.T) {
	f, with := withFleet(t)
	x := newFixture(t, with)
	code, _, page := x.as("chen").get("/agents")
	if code != http.StatusOK || !strings.Contains(page, "sz-a") || !strings.Contains(page, "no input &lt;nonesuch&gt;") || !strings.Contains(page, `value="settings pause"`) || !strings.Contains(page, "3 / 4") {
		t.Errorf("%d\n%s", code, page)
	}
	if code, _, page := x.as("chen").get("/agents/sh-a"); code != http.StatusOK || !strings.Contains(page, "&lt;branches&gt; (a.yaml:3)") {
		t.Errorf("one agent: %d\n%s", code, page)
	}
	li := x.as("li") // of Shanghai alone
	if _, _, page := li.get("/agents"); strings.Contains(page, "sz-a") || strings.Contains(page, `name="do"`) {
		t.Errorf("a site's own person sees others' agents, or may move roll-outs\n%s", page)
	}
	if code, _, _ := li.get("/agents/sz-a"); code != http.StatusNotFound {
		t.Errorf("another site's agent: %d", code)
	}
	if code, _, _ := li.post("/agents/rollouts", "do", "settings pause"); code != http.StatusForbidden {
		t.Errorf("a site's own person pauses: %d", code)
	}
	if code, _, _ := x.as("chen").post("/agents/rollouts", "do", "settings pause"); code != http.StatusOK && code != http.StatusSeeOther {
		t.Errorf("pause: %d", code)
	}
	if r := f.Rollouts()[0]; r.Phase != rollout.Paused {
		t.Errorf("%+v", r)
	}
	found := false
	entries, err := x.store.AuditEntries(t.Context(), 1000)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		found = found || e.Action == "rollout.pause" && e.Actor == "chen"
	}
	if !found {
		t.Error("pausing is not in the audit trail")
	}
}
