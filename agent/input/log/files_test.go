package log

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/faultline/faultline/agent/input/inputtest"
	"github.com/faultline/faultline/agent/syslog"
	"github.com/faultline/faultline/plugins/base"
)

// heard keeps the lines that were handed over.
type heard struct{ lines []string }

func (h *heard) hear(_, _ string, l syslog.Local) (bool, error) {
	line := string(l.Line)
	if l.Message != nil {
		line = l.Message.Subject()
	}
	h.lines = append(h.lines, line)
	return strings.Contains(line, "ERROR"), nil
}

// took returns what came since the last call.
func (h *heard) took() string {
	s := strings.Join(h.lines, "|")
	h.lines = nil
	return s
}

func target(options ...string) base.Target {
	t := base.Target{ID: "l", Input: "log", Options: map[string]string{}, Labels: map[string]string{"device": "srv", "site": "s"}}
	for i := 0; i < len(options); i += 2 {
		t.Options[options[i]] = options[i+1]
	}
	return t
}

func write(t *testing.T, path, text string) {
	t.Helper()
	f, err := os.OpenFile(path, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o644)
	if err == nil {
		_, err = f.WriteString(text)
	}
	if err == nil {
		err = f.Close()
	}
	if err != nil {
		t.Fatal(err)
	}
}

func TestFollow(t *testing.T) {
	dir := t.TempDir()
	app, stateFile := filepath.Join(dir, "app.log"), filepath.Join(dir, "state", "log.json")
	var h heard
	open := func() *Input { return New(Options{Hear: h.hear, State: stateFile}) }
	in := open()
	tg := target("path", filepath.Join(dir, "app.log*"))
	step := func(what, want string) *inputtest.Recorder {
		t.Helper()
		r := inputtest.Up(t, in, tg)
		if got := h.took(); got != want {
			t.Errorf("%s: got %q, want %q", what, got, want)
		}
		return r
	}
	write(t, app, "long ago\n")
	step("what was there before", "")
	write(t, app, "one\ntwo ERROR\nhal")
	r := step("lines that are whole", "one|two ERROR")
	write(t, app, "f\n")
	step("the rest of a line", "half")
	of := func(name string) string {
		return "faultline_log_" + name + "{log=" + filepath.Join(dir, "app.log*") + "}"
	}
	r.Want(t, of("lines_total"), 2)
	r.Want(t, of("matched_total"), 1)
	r.Want(t, of("behind_bytes"), 3)

	write(t, app, "before rotation\n")
	if err := os.Rename(app, app+".1"); err != nil {
		t.Fatal(err)
	}
	write(t, app, "after rotation\n")
	inputtest.Up(t, in, tg)
	if slices.Sort(h.lines); h.took() != "after rotation|before rotation" {
		t.Error("a rotated file is read to its end, once, and the new one from its start")
	}
	for i := 1; i >= 0; i-- {
		if err := os.Rename(app+strings.Repeat(".1", i), fmt.Sprintf("%s.%d", app, i+1)); err != nil {
			t.Fatal(err)
		}
	}
	write(t, app, "third\n")
	step("rotated twice", "third")

	if err := in.Close(); err != nil {
		t.Fatal(err)
	}
	write(t, app, "while nobody looked\n")
	in = open()
	step("after a restart", "while nobody looked")

	if err := os.WriteFile(app, []byte("copied away, written anew and longer than it was before\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	r = step("truncated and regrown", "copied away, written anew and longer than it was before")
	r.Want(t, of("restarts_total"), 1)
	if err := os.Truncate(app, 0); err != nil {
		t.Fatal(err)
	}
	step("emptied", "")
	write(t, app, strings.Repeat("x", maxLine+10)+"\nnext\n")
	r = inputtest.Up(t, in, tg)
	if len(h.lines) != 2 || len(h.lines[0]) != maxLine || h.lines[1] != "next" {
		t.Errorf("a line that is too long: %d lines", len(h.lines))
	}
	r.Want(t, of("cut_lines_total"), 1)
}

func TestBounds(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "a.log")
	var h heard
	in := New(Options{Hear: h.hear})
	tg := target("path", path, "max_lines", "10")
	write(t, path, "")
	inputtest.Up(t, in, tg)
	write(t, path, strings.Repeat("line\n", 25))
	for _, want := range []int{10, 10, 5, 0} {
		r := inputtest.Up(t, in, tg)
		if n := len(h.lines); n != want {
			t.Errorf("%d lines, want %d; %v", n, want, r.Values)
		}
		h.took()
	}
	if err := os.Truncate(path, maxLag+1000); err != nil { // a hole: much was written at once
		t.Fatal(err)
	}
	write(t, path, "\nlast\n")
	tg = target("path", path, "max_lines", "100000")
	var skipped float64
	for range 20 { // 4 MiB each time
		skipped = inputtest.Up(t, in, tg).Values["faultline_log_skipped_bytes_total{log="+path+"}"]
	}
	if !strings.HasSuffix(h.took(), "last") || skipped < 800 || skipped > 2000 {
		t.Errorf("a file far ahead: %v bytes passed over", skipped)
	}
	inputtest.Down(t, in, target("path", filepath.Join(dir, "none")), "missing")
}

// TestRotatedFarAhead: of a file that is rotated away with more in it than a
// reading takes, the rest is passed over and counted.
func TestRotatedFarAhead(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a.log")
	var h heard
	in := New(Options{Hear: h.hear})
	tg := target("path", path, "max_lines", "10")
	write(t, path, "")
	inputtest.Up(t, in, tg)
	write(t, path, strings.Repeat("line\n", 25))
	if err := os.Rename(path, path+".1"); err != nil {
		t.Fatal(err)
	}
	write(t, path, "")
	r := inputtest.Up(t, in, tg)
	r.Want(t, "faultline_log_skipped_bytes_total{log="+path+"}", 15*5)
	r.Want(t, "faultline_log_behind_bytes{log="+path+"}", 0)
	if len(h.lines) != 10 {
		t.Errorf("%d lines of the rotated file, want 10", len(h.lines))
	}
}

func TestDryRun(t *testing.T) {
	dir := t.TempDir()
	write(t, filepath.Join(dir, "a.log"), "x\n")
	in := New(Options{State: filepath.Join(dir, "state.json")})
	r := inputtest.Up(t, in, target("path", filepath.Join(dir, "a.log")))
	r.Want(t, "faultline_log_files{log="+filepath.Join(dir, "a.log")+"}", 1)
	if _, err := os.Stat(filepath.Join(dir, "state.json")); err == nil {
		t.Error("who only looks leaves a state")
	}
}

const pattern = `
patterns:
  - name: order_failed
    severity: major
    text: {zh-CN: "订单 {order} 失败", en: "order {order} failed"}
    lines:
      - regexp: 'order (?P<order>\d+) failed'
        example: '2026-11-22 10:11:12 ERROR shop: order 17 failed'
`

func TestCheckTarget(t *testing.T) {
	in := New(Options{})
	for _, good := range [][]string{{"path", "/var/log/*.log", "patterns", pattern}, {"journal", "true", "units", "nginx.service, ssh@*.service", "level", "4"}, {"eventlog", "Microsoft-Windows-TaskScheduler/Operational"}} {
		if err := in.CheckTarget(target(good...)); err != nil {
			t.Errorf("%v: %v", good, err)
		}
	}
	for _, bad := range [][]string{{}, {"path", "x.log"}, {"path", "/x", "journal", "true"}, {"path", "/x", "units", "a.service"}, {"journal", "true", "units", "--file=x"}, {"eventlog", "/q:x"},
		{"path", "/x", "patterns", "patterns: [{name: A}]"}, {"path", "/x", "own_patterns_only", "true"}, {"path", "/x", "more", "1"}, {"journal", "true", "level", "9"}} {
		if in.CheckTarget(target(bad...)) == nil {
			t.Errorf("%v is taken", bad)
		}
	}
	nobody := target("path", "/x")
	nobody.Labels = nil
	if in.CheckTarget(nobody) == nil {
		t.Error("a log without a device is taken")
	}
}
