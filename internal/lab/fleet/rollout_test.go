package fleet

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	fleetview "github.com/faultline/faultline/collector/fleet"
	"github.com/faultline/faultline/internal/lab/build"
	"github.com/faultline/faultline/internal/lab/mailbox"
)

// Versions of the agent in these tests.
const (
	firstVersion  = "0.1.1"
	secondVersion = "0.1.2"
	deadVersion   = "0.1.3" // its program does not come up
)

// desk is a collector with two agents, each under a supervisor.
type desk struct {
	t      *testing.T
	dir    string
	bin    string
	c      *Collector
	box    *mailbox.Box
	agents [2]*supervisor
	answer string // a port that answers
	dead   string // one that does not
}

const people = `people:
  - {id: net, name: 王工, email: net@fleet.example, roles: [hq_network], language: zh-CN}
  - {id: boss, name: Smith, email: boss@fleet.example, roles: [hq_it_manager], language: en}
  - {id: far, name: 李工, email: far@fleet.example, roles: [branch_it], sites: [branch-0], language: zh-CN}
`

// newDesk starts the collector; releases are trusted by the key of keygen.
func newDesk(t *testing.T, publicKey string) *desk {
	t.Helper()
	d := &desk{t: t, dir: t.TempDir(), bin: programs(t)}
	d.openBox()
	d.listen()
	must(t, os.MkdirAll(d.path("settings"), 0o700))
	d.settings("1s", "")
	extra := fmt.Sprintf("settings: %q, ", d.path("settings"))
	if publicKey != "" {
		extra += fmt.Sprintf("release_key: %q, ", publicKey)
	}
	var err error
	d.c, err = StartCollector(t.Context(), CollectorOptions{Program: filepath.Join(d.bin, "faultline-collector"), Dir: d.dir, Inventory: append(inventory(2), people...), Agents: extra,
		More: fmt.Sprintf("mail: {host: %q, from: faultline@fleet.example, tls: none}\n", d.box.Addr())})
	must(t, err)
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("collector:\n%s", d.c.Log(6000))
		}
		if err := d.c.Stop(); err != nil {
			t.Error(err)
		}
	})
	return d
}

func (d *desk) path(name string) string { return filepath.Join(d.dir, name) }

func (d *desk) openBox() {
	var err error
	d.box, err = mailbox.Open("127.0.0.1:0", d.path("mailbox"))
	must(d.t, err)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- d.box.Run(ctx) }()
	d.t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			d.t.Error(err)
		}
	})
}

// listen makes an address at which metrics are told, and one that does not answer.
func (d *desk) listen() {
	srv := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "fleet_answers 1\n") }))
	must(d.t, srv.Listener.Close())
	var err error
	srv.Listener, err = net.Listen("tcp", ":0") // on all addresses of loopback
	must(d.t, err)
	srv.Start()
	d.t.Cleanup(srv.Close)
	ports, err := freePorts(1)
	must(d.t, err)
	_, port, err := net.SplitHostPort(srv.Listener.Addr().String())
	must(d.t, err)
	d.answer, d.dead = port, strconv.Itoa(ports[0])
}

// settings writes what agents are to have: three targets, measured every interval,
// and a release. The last is a probe of the port that answers, unless another is said:
// one whose probe fails is measured all the same.
func (d *desk) settings(interval, release string, port ...string) {
	d.t.Helper()
	to := d.answer
	if len(port) > 0 {
		to = port[0]
	}
	text := "rollout:\n  stages: [{agents: [agent-0]}, {percent: 100}]\n  patience: 20s\n  soak: 2s\nassignments:\n  - name: everywhere\n    interval: " + interval + "\n    targets:\n"
	for i := range 2 {
		text += fmt.Sprintf("      - {id: told-%d, input: scrape, address: 127.0.0.%d, options: {port: %q}}\n", i, i+1, d.answer)
	}
	text += fmt.Sprintf("      - {id: told-2, input: probe, address: %q, options: {module: tcp}}\n", "127.0.0.1:"+to)
	if release != "" {
		text += "    program: " + release + "\n"
	}
	must(d.t, os.WriteFile(d.path("settings/fleet.yaml"), []byte(text), 0o600))
	if d.c != nil {
		must(d.t, d.c.Reload())
	}
}

// run runs a program to its end and returns what it says.
func (d *desk) run(name string, args ...string) string {
	d.t.Helper()
	out, err := exec.CommandContext(d.t.Context(), name, args...).CombinedOutput()
	if err != nil {
		d.t.Fatalf("%s %s: %v\n%s", filepath.Base(name), strings.Join(args, " "), err, out)
	}
	return string(out)
}

// enrol lets both agents in by the two commands that people use, and starts them.
func (d *desk) enrol(program string) {
	d.t.Helper()
	for i := range d.agents {
		token := d.run(filepath.Join(d.bin, "faultline-collector"), "agent", "token", "--config", d.path("collector.yaml"), "--site", fmt.Sprintf("branch-%d", i%sitesOf(2)), "--agent", fmt.Sprintf("agent-%d", i), "--bare")
		data, config := d.path(fmt.Sprintf("agent-%d", i)), d.path(fmt.Sprintf("agent-%d.yaml", i))
		must(d.t, os.WriteFile(config, fmt.Appendf(nil, "agent: agent-%d\ndata: %q\nlisten: \"\"\ncollector: {url: %q}\nupdate: {patience: 60s, rate: 1000000000}\n", i, data, d.c.AgentsURL), 0o600))
		d.run(program, "enrol", "--url", d.c.AgentsURL, "--token", strings.TrimSpace(token), "--data", data, "--config", config)
		d.agents[i] = supervise(d.t, d.path(fmt.Sprintf("agent-%d.log", i)), program, "run", "--config", config)
	}
}

// eventually waits until the fleet is as wanted.
func (d *desk) eventually(what string, ok func(agents map[string]fleetview.View, rollouts map[string]fleetview.RolloutView) bool) {
	d.t.Helper()
	var last string
	for deadline := time.Now().Add(3 * time.Minute); time.Now().Before(deadline); time.Sleep(200 * time.Millisecond) {
		var a struct {
			Agents []fleetview.View `json:"agents"`
		}
		var r struct {
			Rollouts []fleetview.RolloutView `json:"rollouts"`
		}
		b := d.get("/api/v1/agents", &a)
		b2 := d.get("/api/v1/rollouts", &r)
		agents, rollouts := map[string]fleetview.View{}, map[string]fleetview.RolloutView{}
		for _, v := range a.Agents {
			v.Values = nil
			agents[v.Agent] = v
		}
		for _, v := range r.Rollouts {
			rollouts[v.Kind] = v
		}
		if ok(agents, rollouts) {
			return
		}
		last = b + "\n" + b2
	}
	d.t.Fatalf("waited in vain for %s: %s", what, last)
}

func (d *desk) get(path string, to any) string {
	d.t.Helper()
	b, err := d.c.Call(d.t.Context(), http.MethodGet, path, nil)
	must(d.t, err)
	must(d.t, json.Unmarshal(b, to))
	return string(b)
}

// told waits until head office was mailed of a roll-out that was taken back, each
// in their language, and nobody else.
func (d *desk) told(zh, en, reason string) {
	d.t.Helper()
	for deadline := time.Now().Add(2 * time.Minute); ; time.Sleep(100 * time.Millisecond) {
		got := map[string]string{}
		for _, m := range d.box.Mails() {
			if strings.Contains(m.Subject, zh) || strings.Contains(m.Subject, en) {
				got[strings.Join(m.To, ",")] += m.Subject + "\n" + m.Text
			}
		}
		n, b := got["net@fleet.example"], got["boss@fleet.example"]
		if strings.Contains(n, zh) && strings.Contains(b, en) && strings.Contains(n, reason) && strings.Contains(b, reason) {
			if len(got) != 2 || strings.Count(n, zh) != 1 {
				d.t.Errorf("told: %v", got)
			}
			return
		}
		if time.Now().After(deadline) {
			d.t.Fatalf("nobody was told %q: %v", en, got)
		}
	}
}

// TestSettingsRollOut hands two agents settings stage by stage: good ones reach
// both, bad ones are taken back after the first, and people are told.
func TestSettingsRollOut(t *testing.T) {
	d := newDesk(t, "")
	d.enrol(filepath.Join(d.bin, "faultline-agent"))
	type agents = map[string]fleetview.View
	type rollouts = map[string]fleetview.RolloutView
	settled := func(a agents) bool {
		x, y := a["agent-0"], a["agent-1"]
		return x.State == fleetview.StateOK && y.State == fleetview.StateOK && x.Targets == 3 && x.Up == 3 && y.Up == 3
	}
	var first string
	d.eventually("both agents to have their first settings", func(a agents, _ rollouts) bool { first = a["agent-1"].Applied; return settled(a) && first != "" })

	d.settings("2s", "") // a good change
	d.eventually("a good change to reach both", func(a agents, r rollouts) bool {
		return settled(a) && r["settings"].Phase == "done" && r["settings"].Proven == 2 && a["agent-1"].Applied != first
	})
	var good [2]string
	d.eventually("the good settings", func(a agents, _ rollouts) bool {
		good = [2]string{a["agent-0"].Applied, a["agent-1"].Applied}
		return true
	})

	d.settings("2s", "", d.dead) // one probe of three asks where nothing answers; the agent is well
	drifted := false
	d.eventually("the bad settings to be taken back", func(a agents, r rollouts) bool {
		x, y := a["agent-0"], a["agent-1"]
		if y.Applied != good[1] || y.Handed != good[1] {
			t.Fatalf("the agent of the second stage got the bad settings: %+v", y)
		}
		drifted = drifted || x.Applied == x.Wanted && x.Applied != good[0] && x.Up == 3
		return r["settings"].Phase == "rolled_back" && x.State == fleetview.StateRolledBack && x.Applied == good[0] && x.Up == 3 && y.State == fleetview.StateRolledBack
	})
	if !drifted {
		t.Error("the first agent never had the bad settings")
	}
	d.told("代理设置的下发已自动撤回", "Settings of agents: roll-out taken back", "1 of 1 changed targets answered before and fail now: assigned/told-2")
	for i, s := range d.agents {
		if _, starts := s.state(); starts != 1 {
			t.Errorf("agent %d was started %d times: settings need no restart", i, starts)
		}
	}
	d.settings("2s", "") // mended: what is proven is what is wanted
	d.eventually("the fleet to be as the files say", func(a agents, _ rollouts) bool { return settled(a) && a["agent-0"].Applied == good[0] })
}

// TestProgramRollOut replaces the program of two running agents by a signed
// release, kills one to see that its supervisor brings the release up again, and
// lets a release that does not come up be taken back.
func TestProgramRollOut(t *testing.T) {
	bin := programs(t)
	dir := t.TempDir()
	program := filepath.Join(dir, "faultline-agent")
	must(t, build.Agent(t.Context(), firstVersion, program))
	bare := "faultline-agent-" + runtime.GOOS + "-" + runtime.GOARCH
	for _, v := range []string{secondVersion, deadVersion} {
		must(t, os.MkdirAll(filepath.Join(dir, "dist", v), 0o700))
	}
	must(t, build.Agent(t.Context(), secondVersion, filepath.Join(dir, "dist", secondVersion, bare)))
	// It says the right version and takes every configuration, and ends when it is to run.
	dead := "#!/bin/sh\ncase \"$1\" in --version|version) echo " + deadVersion + ";; check) ;; *) echo 'it does not come up' >&2; exit 3;; esac\n"
	must(t, os.WriteFile(filepath.Join(dir, "dist", deadVersion, bare), []byte(dead), 0o700)) //nolint:gosec // it is a program

	key := filepath.Join(dir, "release.key")
	collector := filepath.Join(bin, "faultline-collector")
	d := &desk{t: t}
	public := strings.Fields(d.run(collector, "release", "keygen", "--out", key))[0]
	d = newDesk(t, public)
	for _, v := range []string{secondVersion, deadVersion} {
		d.run(collector, "release", "sign", "--key", key, "--from", filepath.Join(dir, "dist", v), "--as", v, "--out", filepath.Join(dir, "signed"))
		d.run(collector, "release", "add", "--config", d.path("collector.yaml"), filepath.Join(dir, "signed", v))
	}
	d.enrol(program)
	type agents = map[string]fleetview.View
	type rollouts = map[string]fleetview.RolloutView
	runs := func(a agents, version string) bool {
		return a["agent-0"].Program == version && a["agent-1"].Program == version
	}
	d.eventually("both agents to run", func(a agents, _ rollouts) bool { return runs(a, firstVersion) && a["agent-0"].Up == 3 })

	d.settings("1s", secondVersion)
	early := false
	d.eventually("the release to reach both", func(a agents, r rollouts) bool {
		early = early || a["agent-1"].Program == secondVersion && a["agent-0"].Program != secondVersion
		return runs(a, secondVersion) && r["program"].Phase == "done"
	})
	if early {
		t.Error("the second stage had it before the first")
	}
	pid, starts := d.agents[0].state()
	if starts != 1 {
		t.Errorf("the agent was started %d times: it takes its own place under the same process id", starts)
	}
	must(t, syscall.Kill(pid, syscall.SIGKILL))
	d.eventually("the killed agent to come back with the release", func(a agents, _ rollouts) bool {
		now, starts := d.agents[0].state()
		return starts == 2 && now != 0 && now != pid && runs(a, secondVersion) && time.Since(a["agent-0"].HeardAt) < 5*time.Second
	})

	d.settings("1s", deadVersion)
	d.eventually("the dead release to be taken back", func(a agents, r rollouts) bool {
		if a["agent-1"].Program != secondVersion {
			t.Fatalf("the agent of the second stage runs %s", a["agent-1"].Program)
		}
		return r["program"].Phase == "rolled_back" && runs(a, secondVersion) && a["agent-0"].WhyNot != ""
	})
	d.told("代理程序的下发已自动撤回", "Program of agents: roll-out taken back", "agent-0")
}
