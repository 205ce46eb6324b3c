package app

import (
	"io/fs"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/faultline/faultline/collector/account"
	"github.com/faultline/faultline/collector/config"
	"github.com/faultline/faultline/collector/incident"
	"github.com/faultline/faultline/internal/lab/need"
	"github.com/faultline/faultline/rules"
)

// remedyStep lets remedies be proposed right when a network fault is reported.
const remedyStep = `    remedy:
      propose: [branch_it, hq_network]
      approve: {by: hq_network, min: 1, deny_self: true}
`

// remedyPlaybooks append a line to TARGET/log; the slow one goes on then.
var remedyPlaybooks = map[string]string{
	"inventory":  "[here]\nlocalhost ansible_connection=local ansible_remote_tmp=/tmp ansible_python_interpreter=/usr/bin/python3\n",
	"repair.yml": "- hosts: here\n  gather_facts: false\n  tasks:\n  - {name: append, lineinfile: {path: TARGET/log, line: \"{{ port }}\", create: true}}\n",
	"slow.yml": "- hosts: here\n  gather_facts: false\n  tasks:\n  - {name: append, lineinfile: {path: TARGET/log, line: slow, create: true}, check_mode: false, when: not ansible_check_mode}\n" +
		"  - {name: wait, shell: 'echo $$ > TARGET/pid; exec sleep 600'}\n",
}

// remedyCompany is the configuration of a collector with remedies against its
// carrier's faults, and the directory they write to.
func remedyCompany(t *testing.T) (cfg config.Config, target string) {
	t.Helper()
	if _, err := exec.LookPath("ansible-playbook"); err != nil {
		need.Missing(t, "no ansible-playbook: install ansible-core")
	}
	dir, target := t.TempDir(), t.TempDir()
	out, err := exec.Command("go", "build", "-o", dir+"/", "github.com/faultline/faultline/plugins/bundled/ansible/faultline-remedy-ansible").CombinedOutput()
	if err != nil {
		t.Fatalf("go build: %v\n%s", err, out)
	}
	write := func(path, text string) {
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for name, text := range remedyPlaybooks {
		write(filepath.Join(dir, "playbooks", name), strings.ReplaceAll(text, "TARGET", target))
	}
	process, err := fs.ReadFile(rules.FS(), "processes/network.yaml")
	if err != nil {
		t.Fatal(err)
	}
	write(filepath.Join(dir, "rules", "processes", "network.yaml"), strings.Replace(string(process), "    raci: {A: hq_network, I: [hq_network]}\n", "    raci: {A: hq_network, I: [hq_network]}\n"+remedyStep, 1))
	text := pinned(t, `
listen: 127.0.0.1:0
inventory: x
plugins: [{name: ansible, contract: remedy, path: PROGRAM/faultline-remedy-ansible, sha256: SUM-ansible, settings: {playbooks: DIR/playbooks, book: DIR/book}}]
remedies:
- {name: repair, plugin: ansible, title: {zh-CN: 修复, en: Repair}, parameters: [{name: port, title: {zh-CN: 端口, en: Port}, pattern: "Gi0/[0-9]{1,2}"}]}
- {name: slow, plugin: ansible, title: {zh-CN: 慢, en: Slow}}
`, dir)
	set, err := config.Parse("test", []byte(strings.ReplaceAll(text, "DIR", dir)))
	if err != nil {
		t.Fatal(err)
	}
	cfg = smallCompany(t)
	cfg.Plugins, cfg.Remedies, cfg.Rules = set.Plugins, set.Remedies, filepath.Join(dir, "rules")
	write(cfg.Inventory, vendorsCompany)
	return cfg, target
}

// firstIncident waits for the alarm's incident.
func firstIncident(t *testing.T, a *App) (i incident.Incident) {
	t.Helper()
	until(t, "the incident is open", func() bool {
		all, err := a.engine.Incidents(t.Context())
		if err == nil && len(all) > 0 {
			i = *all[0]
		}
		return i.ID != ""
	})
	return i
}

// remedyIs waits until the incident's newest remedy is as wanted.
func remedyIs(t *testing.T, a *App, id, what string, is func(incident.Remedy) bool) (m incident.Remedy) {
	t.Helper()
	until(t, what, func() bool {
		i, err := a.store.Incident(t.Context(), id)
		if err != nil || len(i.Remedies) == 0 {
			return false
		}
		m = i.Remedies[len(i.Remedies)-1]
		return is(m)
	})
	return m
}

func logged(target string) string {
	b, _ := os.ReadFile(filepath.Join(target, "log"))
	return string(b)
}

// TestARemedyInTheRunningCollector: a real playbook is proposed on the incident's
// page, tried, approved by somebody else, run once, and its output is in the
// timeline; every act is in the audit trail.
func TestARemedyInTheRunningCollector(t *testing.T) {
	t.Parallel()
	cfg, target := remedyCompany(t)
	a, _ := serveCollector(t, cfg)
	base := cfg.ExternalURL
	alarm(t, a, base)
	i := firstIncident(t, a)
	li, zhao := signedIn(t, a, base, "li", account.RoleHQNetwork), signedIn(t, a, base, "zhao", account.RoleHQNetwork)
	path := "/incidents/" + i.ID
	propose := url.Values{"do": {"propose"}, "remedy": {"repair"}, "key": {"k1"}, "p.port": {"Gi0/7"}, "comment": {"端口挂死"}}
	wrong := url.Values{"do": {"propose"}, "remedy": {"repair"}, "p.port": {"Gi0/7; reboot"}}
	li("POST", path+"/remedies", wrong, 422)
	li("POST", path+"/remedies", propose, 200)
	m := remedyIs(t, a, i.ID, "the dry run is over", func(m incident.Remedy) bool { return m.Check.State != "" && m.Check.State != "queued" })
	if m.Check.State != incident.RemedyDone || m.Check.Changed != "1" || m.State != incident.RemedyOpen || logged(target) != "" {
		t.Fatalf("dry run %+v, log %q", m.Check, logged(target))
	}
	if page := zhao("GET", path, nil, 200); !strings.Contains(page, "PLAY RECAP") || !strings.Contains(page, `value="approve"`) || !strings.Contains(page, "Gi0/7") {
		t.Error("the page does not show the dry run and the way to approve it")
	}
	li("POST", path+"/remedies", url.Values{"do": {"approve"}, "remedy": {"r1"}}, 409) // their own
	zhao("POST", path+"/remedies", url.Values{"do": {"approve"}, "remedy": {"r1"}, "key": {"k2"}}, 200)
	m = remedyIs(t, a, i.ID, "the run is over", func(m incident.Remedy) bool {
		return m.State != incident.RemedyOpen && m.State != incident.RemedyGranted
	})
	if m.State != incident.RemedyDone || logged(target) != "Gi0/7\n" {
		t.Errorf("%+v, log %q", m, logged(target))
	}
	page := zhao("GET", path+"/remedies/r1/run", nil, 200)
	if !strings.Contains(page, "TASK [append]") || strings.Contains(page, "hx-trigger") {
		t.Errorf("output of a run that is over: %s", page)
	}
	if page := zhao("GET", path+"?part=timeline", nil, 200); strings.Count(page, "PLAY RECAP") < 2 {
		t.Error("the timeline lacks what was printed")
	}
	trail, err := a.store.AuditEntries(t.Context(), 50)
	if err != nil {
		t.Fatal(err)
	}
	acts := map[string]string{}
	for _, e := range trail {
		acts[e.Action] = e.Actor + " " + e.Detail
	}
	if !strings.Contains(acts["remedy.propose"], `li repair port="Gi0/7" 端口挂死`) || !strings.HasPrefix(acts["remedy.approve"], `zhao r1 repair port="Gi0/7"`) ||
		!strings.HasPrefix(acts["remedy.approve.refused"], "li r1") || !strings.Contains(acts["remedy.propose.refused"], "reboot") {
		t.Errorf("the audit trail has %v", acts)
	}
}

// slowCompany is a remedyCompany whose playbook that takes long needs no dry run.
func slowCompany(t *testing.T) (cfg config.Config, target string) {
	t.Helper()
	cfg, target = remedyCompany(t)
	cfg.Remedies[1].Unchecked = true
	return cfg, target
}

// slowProposed opens an incident, for which li proposes that playbook.
func slowProposed(t *testing.T, a *App, base string) (i incident.Incident, li, zhao func(method, path string, form url.Values, status int) string) {
	t.Helper()
	alarm(t, a, base)
	i = firstIncident(t, a)
	li, zhao = signedIn(t, a, base, "li", account.RoleHQNetwork), signedIn(t, a, base, "zhao", account.RoleHQNetwork)
	li("POST", "/incidents/"+i.ID+"/remedies", url.Values{"do": {"propose"}, "remedy": {"slow"}}, 200)
	return i, li, zhao
}

// TestARestartRunsNothingTwice: a collector that ends in the middle of a run
// leaves nothing running, does not run it again, and asks a person.
func TestARestartRunsNothingTwice(t *testing.T) {
	t.Parallel()
	cfg, target := slowCompany(t)
	a, stop := serveCollector(t, cfg)
	i, _, zhao := slowProposed(t, a, cfg.ExternalURL)
	path := "/incidents/" + i.ID + "/remedies"
	zhao("POST", path, url.Values{"do": {"approve"}, "remedy": {"r1"}}, 200)
	until(t, "the playbook has begun", func() bool { return logged(target) == "slow\n" })
	stop()
	a, _ = serveCollector(t, cfg)
	m := remedyIs(t, a, i.ID, "what became of it is a person's to say", func(m incident.Remedy) bool { return m.State != incident.RemedyGranted })
	if m.State != incident.RemedyUnknown && m.State != incident.RemedyStopped {
		t.Errorf("%+v", m)
	}
	if got := logged(target); got != "slow\n" {
		t.Errorf("log %q", got)
	}
}
