//go:build linux

package host_test

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"log/slog"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/faultline/faultline/internal/secret"
	"github.com/faultline/faultline/plugins/base"
	"github.com/faultline/faultline/plugins/host"
	"github.com/faultline/faultline/plugins/host/spec"
	"github.com/faultline/faultline/plugins/input"
)

var rogueOnce = sync.OnceValues(func() (string, error) {
	dir, err := os.MkdirTemp("", "rogue")
	if err != nil {
		return "", err
	}
	path := filepath.Join(dir, "rogue")
	out, err := exec.Command("go", "build", "-o", path, "./testdata/rogue").CombinedOutput()
	if err != nil {
		return "", errors.New(string(out))
	}
	return path, nil
})

func TestMain(m *testing.M) {
	code := m.Run()
	if path, err := rogueOnce(); err == nil {
		_ = os.RemoveAll(filepath.Dir(path))
	}
	os.Exit(code)
}

func sum(t *testing.T, path string) string {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	s := sha256.Sum256(b)
	return hex.EncodeToString(s[:])
}

func rogue(t *testing.T, mode string) spec.Plugin {
	t.Helper()
	path, err := rogueOnce()
	if err != nil {
		t.Fatal(err)
	}
	return spec.Plugin{Name: "rogue", Contract: spec.Input, Path: path, SHA256: sum(t, path), Args: []string{mode}}
}

func desk(t *testing.T) spec.Plugin {
	p := rogue(t, "desk")
	p.Contract = spec.Ticket
	return p
}

// journal is what the host logged.
type journal struct {
	mu sync.Mutex
	b  strings.Builder
}

func (j *journal) Write(b []byte) (int, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.b.Write(b)
}

func (j *journal) String() string {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.b.String()
}

// quick is a pace for tests.
var quick = host.Pace{Least: 20 * time.Millisecond, Most: 200 * time.Millisecond, Health: 100 * time.Millisecond, Answer: 2 * time.Second, Watch: 10 * time.Millisecond, Grace: time.Second}

type running struct {
	*host.Host
	journal *journal
	stop    func() // ends the host and waits
}

func start(t *testing.T, plugins ...spec.Plugin) *running {
	t.Helper()
	return startAt(t, quick, plugins...)
}

func startAt(t *testing.T, pace host.Pace, plugins ...spec.Plugin) *running {
	t.Helper()
	j := &journal{}
	h, err := host.New(host.Options{Plugins: plugins, Dir: t.TempDir(), Logger: slog.New(slog.NewTextHandler(j, nil)), Cgroup: "none", Pace: pace})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = h.Run(ctx)
	}()
	r := &running{Host: h, journal: j, stop: func() { cancel(); <-done }}
	t.Cleanup(func() {
		r.stop()
		if t.Failed() {
			t.Log(j.String())
		}
	})
	return r
}

// await waits until the plugin runs.
func (r *running) await(t *testing.T, contract string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 60*time.Second)
	defer cancel()
	if err := r.Await(ctx, contract, "rogue"); err != nil {
		t.Fatal(err)
	}
}

// until polls the first plugin's status.
func (r *running) until(t *testing.T, what string, ok func(spec.Status) bool) spec.Status {
	t.Helper()
	deadline := time.Now().Add(60 * time.Second)
	for {
		s := r.Status()[0]
		if ok(s) {
			return s
		}
		if time.Now().After(deadline) {
			t.Fatalf("never %s: %+v", what, s)
		}
		time.Sleep(5 * time.Millisecond)
	}
}

// taken is an input.Sink that keeps everything.
type taken struct {
	base.Batch
	events []base.Event
}

func (k *taken) Sample(s base.Sample) { k.Samples = append(k.Samples, s) }
func (k *taken) Block(b base.Block)   { k.Blocks = append(k.Blocks, b) }
func (k *taken) Event(e base.Event)   { k.events = append(k.events, e) }

func (k *taken) names() map[string]int {
	m := map[string]int{}
	for _, s := range k.All() {
		m[s.Labels.Name()]++
	}
	return m
}

func target(options map[string]string) base.Target {
	return base.Target{ID: "t1", Input: "rogue", Address: "10.0.0.1", Labels: map[string]string{"device": "d1", "site": "s1"}, Options: maps.Clone(options)}
}

func (r *running) gather(t *testing.T, timeout time.Duration, options map[string]string) (*taken, error) {
	t.Helper()
	in, ok := r.Input("rogue")
	if !ok {
		t.Fatal("no input")
	}
	ctx, cancel := context.WithTimeout(context.Background(), timeout)
	defer cancel()
	k := &taken{}
	return k, in.Gather(ctx, target(options), k)
}

func mode(m string) map[string]string { return map[string]string{"mode": m} }

func TestHonestPlugin(t *testing.T) {
	r := start(t, rogue(t, "ok"))
	r.await(t, spec.Input)
	k, err := r.gather(t, 20*time.Second, mode("table"))
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]int{"rogue_value": 1, "rogue_in": 500, "rogue_info": 500}
	if got := k.names(); !maps.Equal(got, want) {
		t.Errorf("samples: got %v, want %v", got, want)
	}
	if len(k.Blocks) != 1 || len(k.Blocks[0].Rows) != 500 {
		t.Fatalf("a table did not stay a block: %d blocks", len(k.Blocks))
	}
	if got := k.Blocks[0].Infos[0].Texts[8]; got != "线路1" {
		t.Errorf("text of row 8: got %q", got)
	}
	_, err = r.gather(t, 20*time.Second, mode("partial"))
	if !errors.As(err, new(input.Partial)) || !strings.Contains(err.Error(), "half of it") {
		t.Errorf("partial: got %v", err)
	}
	in, _ := r.Input("rogue")
	c := in.(input.Checker)
	if err := c.CheckTarget(base.Target{Address: "bad"}); err == nil || err.Error() != "bad address" {
		t.Errorf("check: got %v, want bad address", err)
	}
	if err := c.CheckTarget(base.Target{Address: "good"}); err != nil {
		t.Errorf("check: got %v", err)
	}
	s := r.Status()[0]
	if s.Samples != 1002 || s.Calls["ok"] != 4 || s.Version != "1.2.3" || s.PID == 0 {
		t.Errorf("status: %+v", s)
	}
}

func TestEnvironmentStaysHere(t *testing.T) {
	t.Setenv("FAULTLINE_TOKEN", "not for plugins")
	r := start(t, rogue(t, "ok"))
	r.await(t, spec.Input)
	k, err := r.gather(t, 20*time.Second, mode("env"))
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range k.Samples {
		if v := s.Labels.Get("variable"); strings.HasPrefix(v, "FAULTLINE_") && v != "FAULTLINE_PLUGIN" {
			t.Errorf("the plugin sees %s", v)
		}
	}
	if k.names()["rogue_env"] == 0 {
		t.Error("the plugin told nothing")
	}
}

func TestSecretsStayOutOfLogsAndErrors(t *testing.T) {
	p := rogue(t, "ok")
	file := filepath.Join(t.TempDir(), "token")
	if err := os.WriteFile(file, []byte("s3cr3t-value\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	p.Secrets = map[string]string{"api_token": file}
	p.Settings = map[string]secret.String{"region": "north"}
	r := start(t, p)
	r.await(t, spec.Input)
	r.until(t, "logged", func(spec.Status) bool { return strings.Contains(r.journal.String(), "the secret is <secret>") })
	_, err := r.gather(t, 20*time.Second, map[string]string{"mode": "fail", "password": "opensesame"})
	if err == nil || err.Error() != "no route to <secret>" {
		t.Errorf("error: got %v, want the password masked", err)
	}
	if strings.Contains(r.journal.String(), "s3cr3t") || strings.Contains(r.journal.String(), "opensesame") {
		t.Error("a secret is in the log")
	}
	if !strings.Contains(r.journal.String(), "level=WARN") {
		t.Error("the line's level was lost")
	}
}
