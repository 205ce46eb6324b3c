//go:build linux

package ansible_test

import (
	"bytes"
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/faultline/faultline/internal/lab/need"
	"github.com/faultline/faultline/plugins/bundled/ansible"
	"github.com/faultline/faultline/plugins/host/spec"
	"github.com/faultline/faultline/plugins/plugintest"
	"github.com/faultline/faultline/plugins/plugintest/external"
	"github.com/faultline/faultline/plugins/remedy"
	"github.com/faultline/faultline/plugins/runner"
)

// TestMain is also the keeper of the runs that the tests start.
func TestMain(m *testing.M) {
	if len(os.Args) > 2 && os.Args[1] == ansible.KeepArgument {
		os.Exit(ansible.Keep(os.Args[2:]))
	}
	os.Exit(m.Run())
}

// site is a directory of playbooks for this machine, and where they write.
type site struct{ playbooks, book, target string }

// write appends a line to TARGET/log; slow starts a sleeper that leaves its
// process group, notes its number, and waits for it.
var playbooks = map[string]string{
	"inventory": "[here]\nlocalhost ansible_connection=local ansible_remote_tmp=/tmp ansible_python_interpreter=/usr/bin/python3\n",
	"write.yml": `- hosts: here
  gather_facts: false
  tasks:
  - name: append a line
    lineinfile: {path: "TARGET/log", line: "{{ text }} {{ lookup('pipe', 'date +%s%N') }}", create: true}
`,
	"slow.yml": `- hosts: here
  gather_facts: false
  tasks:
  - name: sleep apart from everybody
    shell: setsid sh -c 'echo $$ > TARGET/sleeper; exec sleep 600' & wait
`,
	"fails.yml":  "- hosts: here\n  gather_facts: false\n  tasks:\n  - {name: refuse, fail: {msg: no}}\n",
	"nobody.yml": "- hosts: absent\n  gather_facts: false\n  tasks:\n  - {name: x, ping: {}}\n",
	"says.yml":   "- hosts: here\n  gather_facts: false\n  tasks:\n  - {name: keep, copy: {content: \"{{ text }}\", dest: \"TARGET/said\"}}\n",
}

func newSite(t *testing.T) site {
	t.Helper()
	if _, err := exec.LookPath("ansible-playbook"); err != nil {
		need.Missing(t, "no ansible-playbook: install ansible-core")
	}
	s := site{t.TempDir(), t.TempDir(), t.TempDir()}
	for name, text := range playbooks {
		if err := os.WriteFile(filepath.Join(s.playbooks, name), []byte(strings.ReplaceAll(text, "TARGET", s.target)), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return s
}

func (s site) runner(t *testing.T) *runner.Runner {
	t.Helper()
	program, err := exec.LookPath("ansible-playbook")
	if err != nil {
		t.Fatal(err)
	}
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	r, err := ansible.New(ansible.Options{Playbooks: s.playbooks, Book: s.book, Program: program, Keeper: []string{self, ansible.KeepArgument}, Grace: time.Second, Temp: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = r.Close() })
	return r
}

// ran is how often write.yml was carried out.
func (s site) ran() int {
	b, _ := os.ReadFile(filepath.Join(s.target, "log"))
	return strings.Count(string(b), "\n")
}

// sleeper waits for the process that slow.yml starts, and returns its number.
func (s site) sleeper(t *testing.T) int {
	t.Helper()
	for deadline := time.Now().Add(time.Minute); time.Now().Before(deadline); time.Sleep(10 * time.Millisecond) {
		b, _ := os.ReadFile(filepath.Join(s.target, "sleeper"))
		if pid, err := strconv.Atoi(strings.TrimSpace(string(b))); err == nil {
			return pid
		}
	}
	t.Fatal("the playbook did not begin")
	return 0
}

func gone(t *testing.T, pid int) {
	t.Helper()
	for deadline := time.Now().Add(30 * time.Second); ; time.Sleep(10 * time.Millisecond) {
		b, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
		if err != nil || strings.Contains(string(b), ") Z ") {
			return
		}
		if time.Now().After(deadline) {
			_ = syscall.Kill(pid, syscall.SIGKILL)
			t.Fatal("what the playbook started is still there")
		}
	}
}

func TestConformsBuiltIn(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	plugintest.Run(t, plugintest.Remedy(plugintest.RemedyCase{Runner: s.runner(t), Remedy: "write", Parameters: map[string]string{"text": "one"}, Slow: "slow", Ran: s.ran}))
}

// TestEndsWithItsCaller: what a run started ends with the caller, wherever it went.
func TestEndsWithItsCaller(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	r := s.runner(t)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	ended := make(chan remedy.Outcome, 1)
	go func() {
		o, _ := r.Run(ctx, remedy.Order{Key: "slow", Remedy: "slow"}, &bytes.Buffer{})
		ended <- o
	}()
	pid := s.sleeper(t)
	cancel()
	if o := <-ended; o.State != remedy.Stopped {
		t.Errorf("%+v", o)
	}
	gone(t, pid)
}

// program builds the plugin.
func program(t *testing.T) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "faultline-remedy-ansible")
	if out, err := exec.Command("go", "build", "-o", path, "./faultline-remedy-ansible").CombinedOutput(); err != nil {
		t.Fatalf("go build: %v\n%s", err, out)
	}
	return path
}

// TestEndsWithItsPlugin: a plugin that is killed takes along all that a run
// started, the run is known as begun afterwards, and is not begun again.
func TestEndsWithItsPlugin(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	p, err := external.Trial{Contract: spec.Remedy, Program: program(t), Settings: map[string]string{"playbooks": s.playbooks, "book": s.book}}.Start(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	order := remedy.Order{Key: "in1/7/remedy_run", Remedy: "slow"}
	ended := make(chan error, 1)
	go func() {
		_, err := p.Runner().Run(context.WithoutCancel(t.Context()), order, &bytes.Buffer{})
		ended <- err
	}()
	pid := s.sleeper(t)
	if err := syscall.Kill(p.Status().PID, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	if e := asError(t, <-ended); !e.Begun {
		t.Errorf("the call says nothing was begun: %v", e)
	}
	gone(t, pid)
	for deadline := time.Now().Add(time.Minute); ; time.Sleep(50 * time.Millisecond) { // it starts again
		o, found, err := p.Runner().Find(t.Context(), order.Key)
		if err == nil && found && o.State == remedy.Begun {
			break
		}
		if time.Now().After(deadline) {
			t.Fatalf("found %v %+v: %v", found, o, err)
		}
	}
	if err := os.Remove(filepath.Join(s.target, "sleeper")); err != nil {
		t.Fatal(err)
	}
	_, err = p.Runner().Run(t.Context(), order, &bytes.Buffer{})
	if e := asError(t, err); !e.Begun || e.Again {
		t.Errorf("the second time: %v", e)
	}
	if _, err := os.Stat(filepath.Join(s.target, "sleeper")); err == nil {
		t.Error("it was begun again")
	}
}

func asError(t *testing.T, err error) *remedy.Error {
	t.Helper()
	e, ok := err.(*remedy.Error) //nolint:errorlint // the contract's own type
	if !ok {
		t.Fatalf("error %T %v, want *remedy.Error", err, err)
	}
	return e
}

// TestNothingReachesAShellOrATemplate: values are what they are, whatever they
// look like.
func TestNothingReachesAShellOrATemplate(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	r, mark := s.runner(t), filepath.Join(s.target, "hacked")
	for n, value := range []string{"{{ lookup('pipe', 'touch " + mark + "') }}", "'; touch " + mark + "; '", "$(touch " + mark + ") # \"x\": !!python {%raw%}"} {
		var out bytes.Buffer
		o, err := r.Run(t.Context(), remedy.Order{Key: "k" + strconv.Itoa(n), Remedy: "says", Parameters: map[string]string{"text": value, "limit": "localhost"}}, &out)
		if err != nil || o.State != remedy.Done {
			t.Fatalf("%q: %+v %v\n%s", value, o, err, out.String())
		}
		if b, _ := os.ReadFile(filepath.Join(s.target, "said")); string(b) != value {
			t.Errorf("got %q, want %q", b, value)
		}
	}
	if _, err := os.Stat(mark); err == nil {
		t.Error("a value was carried out")
	}
	for _, limit := range []string{"@/etc/passwd", "all:!x", "-i", "a b", "~.*"} {
		if _, err := r.Run(t.Context(), remedy.Order{Key: "limit " + limit, Remedy: "says", Parameters: map[string]string{"text": "x", "limit": limit}}, &bytes.Buffer{}); err == nil || asError(t, err).Begun {
			t.Errorf("limit %q: %v", limit, err)
		}
	}
}

func TestOutcomes(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	r := s.runner(t)
	for name, want := range map[string][2]string{"fails": {"ansible-playbook ended with 2. hosts=1 ok=0 changed=0 unreachable=0 failed=1", "ansible-playbook 退出码 2。 hosts=1 ok=0 changed=0 unreachable=0 failed=1"},
		"nobody": {"no host of the inventory matched: nothing was done", "清单中没有匹配的主机：未执行任何操作"}} {
		var out bytes.Buffer
		o, err := r.Run(t.Context(), remedy.Order{Key: name, Remedy: name}, &out)
		if err != nil || o.State != remedy.Failed || o.Summary != want[0] || o.SummaryZH != want[1] {
			t.Errorf("%s: %+v %v, want %q\n%s", name, o, err, want, out.String())
		}
	}
}

// TestPin: a dry run's pin holds as long as nothing of the directory changes.
func TestPin(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	r := s.runner(t)
	params := map[string]string{"text": "x"}
	dry, err := r.Run(t.Context(), remedy.Order{Key: "dry", Remedy: "says", Parameters: params, DryRun: true}, &bytes.Buffer{})
	if err != nil || dry.Changed != 1 {
		t.Fatalf("%+v %v", dry, err)
	}
	if _, err := os.Stat(filepath.Join(s.target, "said")); err == nil {
		t.Error("the dry run did it")
	}
	roles := filepath.Join(s.playbooks, "roles", "x", "tasks")
	if err := os.MkdirAll(roles, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(roles, "main.yml"), []byte("[]\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	_, err = r.Run(t.Context(), remedy.Order{Key: "run", Remedy: "says", Parameters: params, Pin: dry.Pin}, &bytes.Buffer{})
	if e := asError(t, err); e.Begun || !strings.Contains(e.Error(), "has changed since its dry run") {
		t.Errorf("after a change: %v", e)
	}
	if err := os.RemoveAll(filepath.Join(s.playbooks, "roles")); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink("/etc/passwd", filepath.Join(s.playbooks, "out.yml")); err != nil {
		t.Fatal(err)
	}
	_, err = r.Run(t.Context(), remedy.Order{Key: "run", Remedy: "says", Parameters: params}, &bytes.Buffer{})
	if e := asError(t, err); e.Begun || !strings.Contains(e.Error(), "leads out of the directory") {
		t.Errorf("with a link: %v", e)
	}
}

// TestBook: one process has it, and a page that cannot be read stops a run.
func TestBook(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	r := s.runner(t)
	if _, err := ansible.New(ansible.Options{Playbooks: s.playbooks, Book: s.book, Keeper: []string{"x"}}); err == nil || !strings.Contains(err.Error(), "in use by another process") {
		t.Errorf("a second one: %v", err)
	}
	if _, err := r.Run(t.Context(), remedy.Order{Key: "a", Remedy: "nobody"}, &bytes.Buffer{}); err != nil {
		t.Fatal(err)
	}
	pages, _ := filepath.Glob(filepath.Join(s.book, "*.json"))
	if len(pages) != 1 {
		t.Fatalf("%d pages", len(pages))
	}
	if err := os.WriteFile(pages[0], []byte("{torn"), 0o600); err != nil {
		t.Fatal(err)
	}
	_, err := r.Run(t.Context(), remedy.Order{Key: "a", Remedy: "nobody"}, &bytes.Buffer{})
	if e := asError(t, err); !e.Begun {
		t.Errorf("a torn page: %v", e)
	}
}
