// Package inputtest is what the tests of inputs share: a sink that remembers,
// files on disk, programs of Debian, and a server that never answers. Only
// tests import it.
package inputtest

import (
	"context"
	"errors"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/faultline/faultline/internal/lab/need"
	"github.com/faultline/faultline/plugins/base"
	"github.com/faultline/faultline/plugins/input"
)

// Recorder keeps values by series, written as name{label=value,...}, times by
// the same, and events.
type Recorder struct {
	Values map[string]float64
	Times  map[string]int64
	Events []base.Event
}

// Sample keeps one sample.
func (r *Recorder) Sample(sm base.Sample) {
	if r.Values == nil {
		r.Values, r.Times = map[string]float64{}, map[string]int64{}
	}
	s := Series(sm.Labels)
	r.Values[s], r.Times[s] = sm.Value, sm.Time
}

// Block keeps the block's samples one by one.
func (r *Recorder) Block(b base.Block) {
	for sm := range b.Samples() {
		r.Sample(sm)
	}
}

// Event keeps the event.
func (r *Recorder) Event(e base.Event) { r.Events = append(r.Events, e) }

// Series writes labels as name{label=value,...}.
func Series(ls base.Labels) string {
	var labels []string
	for _, l := range ls {
		if l.Name != base.MetricName {
			labels = append(labels, l.Name+"="+l.Value)
		}
	}
	if len(labels) == 0 {
		return ls.Name()
	}
	return ls.Name() + "{" + strings.Join(labels, ",") + "}"
}

// Want compares one value.
func (r *Recorder) Want(t testing.TB, series string, value float64) {
	t.Helper()
	if v, ok := r.Values[series]; !ok || v != value {
		t.Errorf("%s is %v (there: %t), want %v", series, v, ok, value)
	}
}

// Without complains of a series that is there.
func (r *Recorder) Without(t testing.TB, series string) {
	t.Helper()
	if v, ok := r.Values[series]; ok {
		t.Errorf("%s is %v, want none", series, v)
	}
}

// Gather measures once within ten seconds.
func Gather(t testing.TB, in input.Input, tg base.Target) (*Recorder, error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	r := &Recorder{}
	err := in.Gather(ctx, tg, r)
	return r, err
}

// Up measures once and fails the test when the target does not answer wholly.
func Up(t testing.TB, in input.Input, tg base.Target) *Recorder {
	t.Helper()
	if c, ok := in.(input.Checker); ok {
		if err := c.CheckTarget(tg); err != nil {
			t.Fatal(err)
		}
	}
	r, err := Gather(t, in, tg)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// Down measures once, wants a failure for this reason, and no secret in its text.
func Down(t testing.TB, in input.Input, tg base.Target, reason string) {
	t.Helper()
	r, err := Gather(t, in, tg)
	if err == nil || errors.As(err, new(input.Partial)) {
		t.Errorf("%s counts as up: %v", tg.ID, err)
		return
	}
	r.Want(t, "faultline_input_failed{input="+in.Name()+",reason="+reason+"}", 1)
	if t.Failed() {
		t.Logf("error: %v; all: %v", err, r.Values)
	}
}

// Write makes files below a new directory, which it returns.
func Write(t testing.TB, files map[string]string) string {
	t.Helper()
	root := t.TempDir()
	for name, text := range files {
		path := filepath.Join(root, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return root
}

// Program returns the path of a Debian program, looked for in dirs before PATH;
// in CI its absence is a failure.
func Program(t testing.TB, name, pkg string, dirs ...string) string {
	t.Helper()
	for _, dir := range append(dirs, "", "/usr/sbin", "/sbin") {
		if p, err := exec.LookPath(filepath.Join(dir, name)); err == nil {
			return p
		}
	}
	need.Missing(t, "%s is not installed (Debian package %s)", name, pkg)
	return ""
}

// FreePort returns a TCP port of the loopback that nobody listened on just now.
func FreePort(t testing.TB) string {
	t.Helper()
	l, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	return l.Addr().String()
}

// Mute listens, takes connections and never answers.
func Mute(t testing.TB) string {
	t.Helper()
	l, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			defer func() { _ = c.Close() }()
		}
	}()
	return l.Addr().String()
}

// Until calls f until it says true; after 30 s the test fails.
func Until(t testing.TB, what string, f func() bool) {
	t.Helper()
	for end := time.Now().Add(30 * time.Second); !f(); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("within 30 s: not %s", what)
		}
	}
}

// Start runs a program until the test ends and then waits for it.
func Start(t testing.TB, cmd *exec.Cmd) {
	t.Helper()
	var out strings.Builder
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
		if t.Failed() {
			t.Logf("%s said:\n%s", cmd.Path, out.String())
		}
	})
}
