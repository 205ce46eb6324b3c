package app

import (
	"context"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/faultline/faultline/collector/account"
	"github.com/faultline/faultline/collector/incident"
	"github.com/faultline/faultline/collector/metricstore"
	"github.com/faultline/faultline/collector/remedy"
	"github.com/faultline/faultline/internal/lang"
	"github.com/faultline/faultline/plugins/base"
)

// stoppedUnit feeds what an agent measures of a service that failed, until the
// playbook has written its name to the file; then it runs again.
func stoppedUnit(t *testing.T, a *App, file string) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan struct{})
	t.Cleanup(func() { cancel(); <-ended })
	labels := base.LabelsFrom("node_systemd_unit_state", map[string]string{"site": "sh", "instance": "sh-srv-1", "name": "nginx.service", "state": "failed"})
	go func() {
		defer close(ended)
		for tick := time.NewTicker(500 * time.Millisecond); ctx.Err() == nil; {
			failed := 1.0
			if b, err := os.ReadFile(file); err == nil && string(b) == "nginx.service" {
				failed = 0
			}
			if _, err := a.metrics.Append(ctx, []metricstore.Series{{Labels: labels, Points: []metricstore.Point{{T: time.Now().UnixMilli(), V: failed}}}}); err != nil && ctx.Err() == nil {
				t.Error(err)
				return
			}
			select {
			case <-ctx.Done():
			case <-tick.C:
			}
		}
	}()
}

// serviceCompany is a company with a server whose services a playbook restarts,
// under the processes as they are shipped.
func serviceCompany(t *testing.T) (a *App, base, target string) {
	t.Helper()
	cfg, target := remedyCompany(t)
	playbooks := cfg.Plugins[0].Settings["playbooks"].Reveal()
	for name, text := range map[string]string{
		"inventory":        "sh-srv-1 ansible_connection=local ansible_remote_tmp=/tmp ansible_python_interpreter=/usr/bin/python3\n",
		"restart-unit.yml": "- hosts: all\n  gather_facts: false\n  tasks:\n  - {name: restart, copy: {content: \"{{ unit }}\", dest: " + target + "/unit}}\n",
	} {
		if err := os.WriteFile(filepath.Join(playbooks, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	company := strings.Replace(vendorsCompany, "devices:\n", "devices:\n  - {id: sh-srv-1, name: {zh-CN: 上海服务器, en: Shanghai server}, site: sh, kind: server, addresses: [127.0.0.9]}\n", 1)
	if err := os.WriteFile(cfg.Inventory, []byte(company), 0o600); err != nil {
		t.Fatal(err)
	}
	cfg.Rules, cfg.Holds.Verify = "", 2*time.Second
	cfg.Remedies = remedy.Catalog{{Name: "restart-unit", Plugin: "ansible", Title: lang.Text{ZH: "重启服务", EN: "Restart the service"},
		Parameters: []remedy.Parameter{{Name: "limit", From: "device"}, {Name: "unit", From: "component", Pattern: "[A-Za-z0-9@._-]+"}}}}
	a, _ = serveCollector(t, cfg)
	return a, cfg.ExternalURL, target
}

// TestShippedProcessProposesARemedy: a service has failed, as measured; the
// shipped process proposes its restart, a real dry run shows it, another person
// approves, it runs, measurements prove recovery, and people close it.
func TestShippedProcessProposesARemedy(t *testing.T) {
	t.Parallel()
	a, base, target := serviceCompany(t)
	stoppedUnit(t, a, filepath.Join(target, "unit"))
	i := firstIncident(t, a)
	if i.Process != "infrastructure" || i.Diagnosis.Rule != "service-stopped" {
		t.Fatalf("opened in %s by %s", i.Process, i.Diagnosis.Rule)
	}
	li, zhao := signedIn(t, a, base, "li", account.RoleHQFacility), signedIn(t, a, base, "zhao", account.RoleHQFacility)
	act := func(who func(string, string, url.Values, int) string, offer string, status int) {
		t.Helper()
		who("POST", "/incidents/"+i.ID+"/actions", url.Values{"offer": {offer}, "comment": {"x"}}, status)
	}
	act(li, "ack", 200)
	act(li, "decide:unknown", 200) // to HQ, where li and zhao are
	m := remedyIs(t, a, i.ID, "its dry run is over", func(m incident.Remedy) bool { return m.Check.State != "" && m.Check.State != "queued" })
	if m.By != incident.System || m.Name != "restart-unit" || m.Check.State != incident.RemedyDone || m.Check.Changed != "1" || m.Parameters["unit"] != "nginx.service" {
		t.Fatalf("%+v", m)
	}
	remedies := "/incidents/" + i.ID + "/remedies"
	li("POST", remedies, url.Values{"do": {"approve"}, "remedy": {"r1"}}, 409) // whose decision led here
	zhao("POST", remedies, url.Values{"do": {"approve"}, "remedy": {"r1"}}, 200)
	m = remedyIs(t, a, i.ID, "it ran", func(m incident.Remedy) bool { return m.Run.State != "" && m.Run.State != "queued" })
	if m.State != incident.RemedyDone {
		t.Fatalf("%+v", m)
	}
	in := func(step string) {
		t.Helper()
		until(t, "it is in "+step, func() bool { i, err := a.store.Incident(t.Context(), i.ID); return err == nil && i.Step == step })
	}
	in("confirm")
	events, err := a.store.Events(t.Context(), i.ID)
	if err != nil || !slices.ContainsFunc(events, func(e incident.Event) bool { return e.Kind == incident.Verified && e.Proof.EN != "" }) {
		t.Errorf("nothing proves its recovery: %v", err)
	}
	act(zhao, "decide:ok", 200)
	in("hq_verify")
	act(zhao, "decide:ok", 200)
	in("closed")
}
