package alertmanager

import (
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// program returns the path of a program of a Debian package.
func program(t *testing.T, name, pkg string) string {
	t.Helper()
	path, err := exec.LookPath(name)
	if err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatalf("%s is missing; install Debian's package %s", name, pkg)
		}
		t.Skipf("%s is missing; install Debian's package %s", name, pkg)
	}
	return path
}

// start runs a program until the test ends and waits until url answers.
func start(t *testing.T, url string, args ...string) {
	t.Helper()
	log, err := os.Create(filepath.Join(t.TempDir(), "log"))
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(args[0], args[1:]...)
	cmd.Stdout, cmd.Stderr = log, log
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Signal(syscall.SIGTERM)
		_ = cmd.Wait()
		_ = log.Close()
		if t.Failed() {
			b, _ := os.ReadFile(log.Name())
			t.Logf("%s said:\n%s", args[0], b[max(0, len(b)-3000):])
		}
	})
	waitFor(t, args[0], func() bool {
		r, err := http.Get(url)
		if err != nil {
			return false
		}
		_ = r.Body.Close()
		return r.StatusCode == http.StatusOK
	})
}

func waitFor(t *testing.T, what string, ok func() bool) {
	t.Helper()
	deadline := time.After(60 * time.Second)
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for !ok() {
		select {
		case <-deadline:
			t.Fatalf("waited 60 s for %s", what)
		case <-tick.C:
		}
	}
}

func freeAddress(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	return l.Addr().String()
}

func write(t *testing.T, name, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// rules fire once faultline_broken is 1, which the tests' own target says.
const rules = `groups:
- name: branch
  interval: 1s
  rules:
  - alert: LineDown
    expr: line_broken == 1
    labels: {severity: critical, site: branch-2}
    annotations: {summary: "线路 {{ $labels.line }} 中断", runbook_url: "http://x/rb"}
  - alert: LineSlow
    expr: line_broken == 1
    for: 1s
    labels: {severity: warning, site: branch-2}
`

// target is something to measure: whether line-2 is broken.
func target(t *testing.T) (address string, set func(broken bool)) {
	t.Helper()
	value := make(chan int, 1)
	value <- 1
	mux := http.NewServeMux()
	mux.HandleFunc("/metrics", func(w http.ResponseWriter, _ *http.Request) {
		v := <-value
		value <- v
		_, _ = fmt.Fprintf(w, "line_broken{line=\"line-2\"} %d\n", v)
	})
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := &http.Server{Handler: mux, ReadHeaderTimeout: 10 * time.Second}
	go func() { _ = s.Serve(l) }()
	t.Cleanup(func() { _ = s.Close() })
	return l.Addr().String(), func(broken bool) {
		<-value
		value <- map[bool]int{true: 1, false: 0}[broken]
	}
}

// startPrometheus starts a Prometheus that measures the target, judges the rules
// itself and sends its alerts to the address (host:port and path), if any.
func startPrometheus(t *testing.T, target, rulesFile, address string) string {
	t.Helper()
	bin := program(t, "prometheus", "prometheus")
	listen := freeAddress(t)
	config := fmt.Sprintf("global: {scrape_interval: 1s, evaluation_interval: 1s, external_labels: {branch: 上海, replica: a}}\nscrape_configs:\n- {job_name: line, static_configs: [{targets: [%q]}]}\n", target)
	if address != "" {
		config += fmt.Sprintf("rule_files: [%q]\nalerting:\n  alert_relabel_configs: [{regex: replica, action: labeldrop}]\n  alertmanagers: [{api_version: v2, path_prefix: /alertmanager, static_configs: [{targets: [%q]}]}]\n", rulesFile, address)
	}
	start(t, "http://"+listen+"/-/ready", bin, "--config.file="+write(t, "prometheus.yml", config), "--storage.tsdb.path="+t.TempDir(),
		"--web.listen-address="+listen, "--rules.alert.resend-delay=2s")
	return listen
}

// checked returns the rules' file after promtool approved of it.
func checked(t *testing.T) string {
	t.Helper()
	path := write(t, "rules.yml", rules)
	if out, err := exec.Command(program(t, "promtool", "prometheus"), "check", "rules", path).CombinedOutput(); err != nil {
		t.Fatalf("promtool: %v\n%s", err, out)
	}
	return path
}

// TestPrometheus lets a real Prometheus send: alerts open, are repeated, and
// resolve.
func TestPrometheus(t *testing.T) {
	t.Parallel()
	program(t, "prometheus", "prometheus")
	f := newFixture(t)
	at, set := target(t)
	startPrometheus(t, at, checked(t), strings.TrimPrefix(f.URL, "http://"))
	waitFor(t, "alerts", func() bool { return len(f.board.Alerts()) == 2 })
	for _, a := range f.board.Alerts() {
		if a.Labels["replica"] != "" || a.Labels["branch"] != "上海" || a.Labels["site"] != "branch-2" || a.Ended || a.Timeout || !strings.Contains(a.URL, "line_broken") {
			t.Errorf("alert %+v", a)
		}
		if a.Labels["alertname"] == "LineDown" && a.Annotations["summary"] != "线路 line-2 中断" {
			t.Errorf("annotations %v", a.Annotations)
		}
	}
	first := f.board.Alerts()
	waitFor(t, "a repeat", func() bool {
		now := f.board.Alerts()
		return len(now) == 2 && now[0].UpdatedAt.After(first[0].UpdatedAt) && now[0].StartsAt.Equal(first[0].StartsAt)
	})
	set(false)
	waitFor(t, "resolution", func() bool { return len(f.board.Alerts()) == 0 })
	set(true)
	waitFor(t, "the next occurrence", func() bool { return len(f.board.Alerts()) == 2 })
	if now := f.board.Alerts(); !now[0].StartsAt.After(first[0].StartsAt) || now[0].Fingerprint != first[0].Fingerprint {
		t.Errorf("%+v after %+v", now[0], first[0])
	}
}

// TestVmalert lets a real vmalert send, which writes the key alertname twice.
func TestVmalert(t *testing.T) {
	t.Parallel()
	bin := program(t, "vmalert", "victoria-metrics")
	f := newFixture(t)
	at, set := target(t)
	source := startPrometheus(t, at, "", "")
	listen := freeAddress(t)
	start(t, "http://"+listen+"/health", bin, "-rule="+checked(t), "-datasource.url=http://"+source, "-notifier.url="+f.base(),
		"-httpListenAddr="+listen, "-evaluationInterval=1s")
	waitFor(t, "alerts", func() bool { return len(f.board.Alerts()) == 2 })
	names := f.names()
	slices.Sort(names)
	if !slices.Equal(names, []string{"LineDown", "LineSlow"}) || f.board.Alerts()[0].Labels["alertgroup"] != "branch" {
		t.Errorf("alerts %+v", f.board.Alerts())
	}
	set(false)
	waitFor(t, "resolution", func() bool { return len(f.board.Alerts()) == 0 })
}

// TestWebhookOfAlertmanager lets a real Alertmanager tell us by its webhook.
func TestWebhookOfAlertmanager(t *testing.T) {
	t.Parallel()
	bin := program(t, "prometheus-alertmanager", "prometheus-alertmanager")
	f := newFixture(t)
	listen := freeAddress(t)
	config := fmt.Sprintf("route: {receiver: up, group_wait: 100ms, group_interval: 1s}\nreceivers:\n- name: up\n  webhook_configs: [{url: %q, send_resolved: true}]\n", f.base()+"/webhook")
	start(t, "http://"+listen+"/-/ready", bin, "--config.file="+write(t, "am.yml", config), "--storage.path="+t.TempDir(), "--web.listen-address="+listen,
		"--cluster.listen-address=", "--log.level=error")
	post := func(end string) {
		t.Helper()
		body := fmt.Sprintf(`[{"labels":{"alertname":"LinkDown","branch":"上海"},"annotations":{"summary":"线路中断"},"startsAt":"2026-11-21T08:00:00Z"%s}]`, end)
		resp, err := http.Post("http://"+listen+"/api/v2/alerts", "application/json", strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		_ = resp.Body.Close()
	}
	post("")
	waitFor(t, "the alert", func() bool { return len(f.board.Alerts()) == 1 })
	var theirs []shown
	resp, err := http.Get("http://" + listen + "/api/v2/alerts")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	if err := json.NewDecoder(resp.Body).Decode(&theirs); err != nil || len(theirs) != 1 {
		t.Fatalf("%v, %+v", err, theirs)
	}
	if a := f.board.Alerts()[0]; a.Source != "webhook" || a.Labels["branch"] != "上海" || !a.EndsAt.IsZero() || a.Fingerprint != theirs[0].Fingerprint {
		t.Errorf("%+v, Alertmanager has %+v", a, theirs)
	}
	post(fmt.Sprintf(`,"endsAt":%q`, time.Now().UTC().Format(time.RFC3339Nano)))
	waitFor(t, "its end", func() bool { return len(f.board.Alerts()) == 0 })
}

// TestAmtoolAgreesWithAlertmanager runs the same commands of amtool against a
// real Alertmanager and against us: what it prints is the same.
func TestAmtoolAgreesWithAlertmanager(t *testing.T) {
	t.Parallel()
	amtool := program(t, "amtool", "prometheus-alertmanager")
	listen := freeAddress(t)
	start(t, "http://"+listen+"/-/ready", program(t, "prometheus-alertmanager", "prometheus-alertmanager"), "--config.file="+write(t, "am.yml", shownConfig),
		"--storage.path="+t.TempDir(), "--web.listen-address="+listen, "--cluster.listen-address=", "--log.level=error")
	f := newFixture(t)
	theirs, ours := session(t, amtool, "http://"+listen), session(t, amtool, f.base())
	if d := cmp.Diff(ours, theirs); d != "" {
		t.Errorf("amtool's answers (-ours +Alertmanager's):\n%s", d)
	}
	t.Logf("%d commands", len(ours))
	if len(ours) < 20 {
		t.Errorf("only %d commands", len(ours))
	}
}

// TestAmtoolUpdates changes a silence, takes a copy of it by export and import,
// and ends it. A silence that is changed keeps its ID, unlike Alertmanager's,
// whose beginnings are finer than amtool's clock.
func TestAmtoolUpdates(t *testing.T) {
	t.Parallel()
	amtool := program(t, "amtool", "prometheus-alertmanager")
	f := newFixture(t)
	run := func(args ...string) string {
		t.Helper()
		cmd := exec.Command(amtool, append([]string{"--alertmanager.url=" + f.base(), "--no-version-check"}, args...)...)
		cmd.Env = append(os.Environ(), "HOME=/nonexistent")
		out, err := cmd.Output()
		if err != nil {
			t.Fatalf("amtool %q: %v", args, err)
		}
		return strings.TrimSpace(string(out))
	}
	id := run("silence", "add", "site=branch-2", "-a", "li", "-c", "割接", "-d", "2h")
	if got := run("silence", "update", "-c", "割接延长", "-d", "3h", id); !strings.Contains(got, id) {
		t.Errorf("the changed silence is\n%s\nit was %s", got, id)
	}
	all, err := f.h.o.Silences.Silences(t.Context())
	if err != nil || len(all) != 1 || all[0].Comment != "割接延长" || all[0].EndsAt.Sub(all[0].StartsAt).Round(time.Minute) != 3*time.Hour {
		t.Fatalf("%+v, %v", all, err)
	}
	file := write(t, "silences.json", run("silence", "query", "-o", "json"))
	run("silence", "expire", id)
	run("silence", "import", file) // comes back as it was
	if got := run("config", "show"); got != strings.TrimSpace(shownConfig) {
		t.Errorf("configuration %q", got)
	}
	if err := exec.Command(amtool, "--alertmanager.url="+f.base(), "silence", "expire", "00000000-0000-0000-0000-000000000000").Run(); err == nil {
		t.Error("an unknown silence expired")
	}
	var states []string
	all, err = f.h.o.Silences.Silences(t.Context())
	for _, s := range all {
		states = append(states, s.State(time.Now()))
	}
	slices.Sort(states)
	if err != nil || !slices.Equal(states, []string{Active, Expired}) {
		t.Fatalf("%v, %+v", err, all)
	}
}

// session runs amtool's commands and returns what they printed, without what
// differs from run to run.
func session(t *testing.T, amtool, url string) []string {
	t.Helper()
	var out []string
	ids := map[string]string{}
	run := func(args ...string) string {
		cmd := exec.Command(amtool, append([]string{"--alertmanager.url=" + url, "--no-version-check", "--date.format=2006-01-02"}, args...)...)
		cmd.Env = append(os.Environ(), "HOME=/nonexistent")
		b, err := cmd.CombinedOutput()
		text := fmt.Sprintf("%s\n%s%v", strings.Join(args, " "), tidy(string(b)), err)
		for id, name := range ids {
			text = strings.ReplaceAll(text, id, name)
		}
		out = append(out, text)
		return strings.TrimSpace(string(b))
	}
	made := func(args ...string) string {
		id := run(args...)
		ids[id] = fmt.Sprintf("<silence %d>", len(ids)+1)
		out[len(out)-1] = strings.ReplaceAll(out[len(out)-1], id, ids[id])
		return id
	}
	run("alert", "query")
	run("alert", "add", "LineDown", "site=branch-2", "severity=critical", "device=rt-1", "--annotation=summary=线路中断", "--start=2026-11-21T08:00:00Z", "--end=2099-01-01T00:00:00Z")
	run("alert", "add", "HostDown", "site=branch-3", "severity=major", "--annotation=summary=x", "--start=2026-11-21T08:00:00Z", "--end=2099-01-01T00:00:00Z")
	run("alert", "add", "Old", "site=branch-3", "--start=2026-11-21T08:00:00Z", "--end=2026-11-21T08:05:00Z")
	run("alert", "query", "-o", "extended")
	run("alert", "query", "site=branch-2")
	run("alert", "query", "alertname=~Line.*", "severity!=major")
	run("alert", "query", "site!~branch-[23]")
	run("alert", "query", "severity=~(")
	run("alert", "query", "--receiver=faultline")
	run("alert", "query", "--receiver=other")
	one := made("silence", "add", "site=branch-2", "-a", "li", "-c", "割接", "-d", "2h")
	made("silence", "add", "alertname=~Host.+", "severity!=minor", "-a", "li", "-c", "later", "--start=2099-01-01T00:00:00Z", "--end=2099-01-02T00:00:00Z")
	run("silence", "add", "site=~.*", "-a", "li", "-c", "everything")
	run("silence", "add", "site=branch-2", "-a", "li", "-c", "past", "--start=2020-01-01T00:00:00Z", "--end=2020-01-02T00:00:00Z")
	run("silence", "query")
	run("silence", "query", "-o", "extended")
	run("silence", "query", "site=branch-2")
	run("silence", "query", "--created-by=li", "--expired")
	run("alert", "query")
	run("alert", "query", "--silenced")
	run("alert", "query", "--active")
	run("silence", "expire", one)
	run("alert", "query")
	run("silence", "query", "--expired", "site=branch-2")
	run("config", "routes", "test", "site=branch-2")
	run("cluster", "show")
	return out
}

// tidy folds the columns' widths, which depend on what is left out.
func tidy(s string) string {
	var out []string
	for line := range strings.Lines(s) {
		out = append(out, strings.Join(strings.Fields(line), " "))
	}
	return strings.Join(out, "\n") + "\n"
}
