//go:build linux

package pipe_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil/promlint"

	"github.com/faultline/faultline/internal/secret"
	"github.com/faultline/faultline/internal/selfmetric"
	"github.com/faultline/faultline/plugins/base"
	"github.com/faultline/faultline/plugins/host/meter"
	"github.com/faultline/faultline/plugins/host/pipe"
	"github.com/faultline/faultline/plugins/host/spec"
	"github.com/faultline/faultline/plugins/input"
	"github.com/faultline/faultline/plugins/plugintest"
)

// programs are the host and two plugins, built once.
var programs = sync.OnceValues(func() (string, error) {
	dir, err := os.MkdirTemp("", "pipe")
	if err != nil {
		return "", err
	}
	out, err := exec.Command("go", "build", "-o", dir+"/", "../faultline-plugin-host", "../testdata/rogue", "../../template/go/input").CombinedOutput()
	if err != nil {
		return "", errors.New(string(out))
	}
	return dir, nil
})

func TestMain(m *testing.M) {
	code := m.Run()
	if dir, err := programs(); err == nil {
		_ = os.RemoveAll(dir)
	}
	os.Exit(code)
}

func program(t *testing.T, name string) string {
	t.Helper()
	dir, err := programs()
	if err != nil {
		t.Fatal(err)
	}
	return filepath.Join(dir, name)
}

func plugin(t *testing.T, name, file string, args ...string) spec.Plugin {
	t.Helper()
	path := program(t, file)
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	s := sha256.Sum256(b)
	return spec.Plugin{Name: name, Contract: spec.Input, Path: path, SHA256: hex.EncodeToString(s[:]), Args: args}
}

// log is the child's standard error.
type log struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *log) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(b)
}

func (l *log) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

type agent struct {
	*pipe.Client
	log  *log
	stop func()
}

func start(t *testing.T, plugins ...spec.Plugin) *agent {
	t.Helper()
	a := &agent{log: &log{}}
	var err error
	if a.Client, err = pipe.New(pipe.Options{Program: program(t, "faultline-plugin-host"), Args: []string{"serve"}, Plugins: plugins, Dir: t.TempDir(), Stderr: a.log, Least: 20 * time.Millisecond}); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = a.Run(ctx)
	}()
	a.stop = func() { cancel(); <-done }
	t.Cleanup(func() {
		a.stop()
		if t.Failed() {
			t.Log(a.log.String())
		}
	})
	return a
}

func (a *agent) until(t *testing.T, what string, ok func(spec.Status) bool) spec.Status {
	t.Helper()
	for deadline := time.Now().Add(60 * time.Second); ; time.Sleep(5 * time.Millisecond) {
		s := a.Status()[0]
		if ok(s) {
			return s
		}
		if time.Now().After(deadline) {
			t.Fatalf("never %s: %+v", what, s)
		}
	}
}

type taken struct {
	base.Batch
	events []base.Event
}

func (k *taken) Sample(s base.Sample) { k.Samples = append(k.Samples, s) }
func (k *taken) Block(b base.Block)   { k.Blocks = append(k.Blocks, b) }
func (k *taken) Event(e base.Event)   { k.events = append(k.events, e) }

// gather reads with the first plugin, again while it does not run yet.
func (a *agent) gather(t *testing.T, options map[string]string) (*taken, error) {
	t.Helper()
	for deadline := time.Now().Add(60 * time.Second); ; time.Sleep(10 * time.Millisecond) {
		ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
		k := &taken{}
		err := a.Inputs()[0].Gather(ctx, base.Target{ID: "t", Labels: map[string]string{"site": "s"}, Options: options}, k)
		cancel()
		down := err != nil && (strings.Contains(err.Error(), "does not run") || strings.Contains(err.Error(), "starting") || strings.Contains(err.Error(), "waiting"))
		if !down || time.Now().After(deadline) {
			return k, err
		}
	}
}

func TestSuiteThroughThePipe(t *testing.T) {
	a := start(t, plugin(t, "meter", "input"))
	a.until(t, "running", func(s spec.Status) bool { return s.State == spec.Running })
	m, err := plugintest.NewMeters()
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	plugintest.Run(t, plugintest.Input(m.Case(plugintest.InputCase{Input: a.Inputs()[0]})))
}

func TestTablesAndEventsThroughThePipe(t *testing.T) {
	p := plugin(t, "rogue", "rogue")
	p.Settings = map[string]secret.String{"api_token": "given-through-the-pipe"}
	a := start(t, p)
	k, err := a.gather(t, map[string]string{"mode": "table"})
	if err != nil {
		t.Fatal(err)
	}
	if len(k.Blocks) != 1 || k.Len() != 1001 {
		t.Errorf("%d blocks, %d samples; want 1 and 1001", len(k.Blocks), k.Len())
	}
	if k, err = a.gather(t, map[string]string{"mode": "lies"}); err != nil || len(k.events) != 1 || k.events[0].Text != "kept" {
		t.Errorf("events: %+v, %v", k.events, err)
	}
	if _, err = a.gather(t, map[string]string{"mode": "partial"}); !errors.As(err, new(input.Partial)) || err.Error() != "partial: half of it" {
		t.Errorf("partial: %v", err)
	}
	if !strings.Contains(a.log.String(), "the secret is <secret>") {
		t.Error("the settings did not arrive, or a secret is in the log")
	}
	var not interface{ NotMeasured() bool }
	if _, err = a.gather(t, map[string]string{"mode": "fail", "password": "opensesame"}); err == nil || errors.As(err, &not) {
		t.Errorf("a target that fails: %v, want an error that tells of the target", err)
	}
	if _, err = a.gather(t, map[string]string{"mode": "crash"}); !errors.As(err, &not) || !strings.Contains(err.Error(), "panics on purpose") {
		t.Errorf("a plugin that fails: %v, want an error that tells nothing of the target", err)
	}
	a.until(t, "counted and running again", func(s spec.Status) bool { return s.Samples >= 1001 && s.Starts == 2 && s.State == spec.Running })
	reg := selfmetric.NewRegistry()
	reg.MustRegister(meter.New(a.Status))
	text := string(reg.Text())
	if problems, err := promlint.New(strings.NewReader(text)).Lint(); err != nil || len(problems) > 0 {
		t.Errorf("metrics: %v %v", problems, err)
	}
	want := "# HELP faultline_plugin_up Whether the plugin runs.\n# TYPE faultline_plugin_up gauge\nfaultline_plugin_up{plugin=\"rogue\",contract=\"input\"} 1\n"
	if !strings.Contains(text, want) {
		t.Errorf("the metrics lack %s:\n%s", want, text)
	}
}

func TestHostThatDiesIsStartedAgain(t *testing.T) {
	a := start(t, plugin(t, "rogue", "rogue"))
	if _, err := a.gather(t, nil); err != nil {
		t.Fatal(err)
	}
	s := a.until(t, "running", func(s spec.Status) bool { return s.PID > 0 })
	host := parent(t, s.PID)
	if err := syscall.Kill(host, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	for deadline := time.Now().Add(20 * time.Second); alive(s.PID); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("the plugin outlived its host")
		}
	}
	if _, err := a.gather(t, nil); err != nil && !strings.Contains(err.Error(), "ended during the call") {
		t.Fatal(err)
	}
	if _, err := a.gather(t, nil); err != nil {
		t.Fatal(err)
	}
}

func TestStopEndsAll(t *testing.T) {
	a := start(t, plugin(t, "rogue", "rogue"))
	if _, err := a.gather(t, nil); err != nil {
		t.Fatal(err)
	}
	s := a.until(t, "running", func(s spec.Status) bool { return s.PID > 0 })
	host := parent(t, s.PID)
	a.stop()
	for _, pid := range []int{host, s.PID} {
		if alive(pid) {
			t.Errorf("process %d is still there", pid)
		}
	}
}

func TestWithoutPluginsThereIsNoChild(t *testing.T) {
	c, err := pipe.New(pipe.Options{Program: "/nonexistent/faultline-plugin-host"})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- c.Run(ctx) }()
	cancel()
	if err := <-done; !errors.Is(err, context.Canceled) {
		t.Errorf("run: %v", err)
	}
	if len(c.Inputs()) != 0 {
		t.Error("inputs without plugins")
	}
}

func TestMissingProgramIsSaid(t *testing.T) {
	c, err := pipe.New(pipe.Options{Program: "/nonexistent/faultline-plugin-host", Plugins: []spec.Plugin{plugin(t, "rogue", "rogue")}, Least: time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() { defer close(done); _ = c.Run(ctx) }()
	defer func() { cancel(); <-done }()
	a := &agent{Client: c}
	a.until(t, "said", func(s spec.Status) bool { return strings.Contains(s.Problem, "install") })
	err = c.Inputs()[0].Gather(ctx, base.Target{}, &taken{})
	if err == nil || !strings.Contains(err.Error(), "plugin host does not run") {
		t.Errorf("gather: %v", err)
	}
}

// TestAgentLinksNoRPC is why this package exists.
func TestAgentLinksNoRPC(t *testing.T) {
	for _, pkg := range []string{"github.com/faultline/faultline/agent", "github.com/faultline/faultline/plugins/host/pipe"} {
		out, err := exec.Command("go", "list", "-deps", pkg).Output()
		if err != nil {
			t.Fatal(err)
		}
		for dep := range strings.Lines(string(out)) {
			for _, no := range []string{"google.golang.org/grpc", "github.com/hashicorp/go-plugin", "github.com/faultline/faultline/plugins/rpc"} {
				if strings.HasPrefix(dep, no) {
					t.Errorf("%s links %s: it belongs into faultline-plugin-host", pkg, strings.TrimSpace(dep))
				}
			}
		}
	}
}

func parent(t *testing.T, pid int) int {
	t.Helper()
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(b), ") ")
	var state string
	var ppid int
	if _, err := fmt.Sscan(rest, &state, &ppid); err != nil {
		t.Fatal(err)
	}
	return ppid
}

func alive(pid int) bool {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return false
	}
	_, rest, _ := strings.Cut(string(b), ") ")
	return !strings.HasPrefix(rest, "Z")
}
