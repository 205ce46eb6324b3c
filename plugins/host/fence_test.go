//go:build linux

package host

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// tree is a directory that looks like cgroup v2 below one service.
func tree(t *testing.T, controllers string) (root, service string) {
	t.Helper()
	root = t.TempDir()
	service = filepath.Join(root, "system.slice", "faultline-agent.service")
	if err := os.MkdirAll(filepath.Join(service, "agent"), 0o700); err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string]string{"cgroup.controllers": controllers, "cgroup.subtree_control": ""} {
		if err := os.WriteFile(filepath.Join(service, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return root, service
}

func content(t *testing.T, path ...string) string {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(path...))
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func TestFenceWritesTheBounds(t *testing.T) {
	_, service := tree(t, "cpu memory pids")
	f := newFence(service, "meter", 64<<20, 32)
	if f.by() != "cgroup" {
		t.Fatalf("held by %s", f.by())
	}
	dir := filepath.Join(service, "faultline-plugin-meter")
	if got := content(t, dir, "memory.max"); got != "67108864" {
		t.Errorf("memory.max: %q", got)
	}
	if got := content(t, dir, "pids.max"); got != "32" {
		t.Errorf("pids.max: %q", got)
	}
	f.kill()
	if got := content(t, dir, "cgroup.kill"); got != "1" {
		t.Errorf("cgroup.kill: %q", got)
	}
	if err := os.WriteFile(filepath.Join(dir, "memory.events"), []byte("low 0\noom 2\noom_kill 3\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if f.overrun() != 3 {
		t.Errorf("overrun: %d", f.overrun())
	}
	f.remove()
	if f.by() == "cgroup" {
		t.Error("a fence that was removed still holds")
	}
}

func TestFenceWithoutAPlaceIsTheWatch(t *testing.T) {
	for _, parent := range []string{"", filepath.Join(t.TempDir(), "nowhere")} {
		f := newFence(parent, "meter", 64<<20, 32)
		if f.by() != "watch" || f.overrun() != 0 {
			t.Errorf("%q: held by %s", parent, f.by())
		}
		f.kill()
		f.remove()
	}
	var none *fence
	none.kill()
	none.remove()
	if none.by() != "none" {
		t.Error("no fence holds something")
	}
}

func TestOnlyWhatWasHandedOverIsUsed(t *testing.T) {
	root, service := tree(t, "cpu memory pids")
	self := filepath.Join(t.TempDir(), "self")
	if err := os.WriteFile(self, []byte("3:cpu:/x\n0::/system.slice/faultline-agent.service/agent\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if got := delegated(root, self); got != "" {
		t.Errorf("a cgroup that nobody handed over: %s", got)
	}
	if err := unix.Setxattr(service, "user.delegate", []byte("1"), 0); err != nil {
		if err := unix.Setxattr(service, "trusted.delegate", []byte("1"), 0); err != nil {
			t.Logf("this file system keeps no attributes (%v): the rest is not looked at", err)
			return
		}
	}
	if got := delegated(root, self); got != service {
		t.Errorf("got %q, want %s", got, service)
	}
	if err := os.WriteFile(filepath.Join(service, "cgroup.controllers"), []byte("cpu"), 0o600); err != nil {
		t.Fatal(err)
	}
	if got := delegated(root, self); got != "" {
		t.Errorf("without a memory controller: %s", got)
	}
	if err := os.WriteFile(self, []byte("0::/\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if got := delegated(root, self); got != "" {
		t.Errorf("in the root: %s", got)
	}
}

func TestLevels(t *testing.T) {
	for line, want := range map[string]string{
		"[ERROR] broken": "ERROR broken", "[DEBUG] x": "DEBUG x", "panic: oh": "ERROR panic: oh", "plain": "INFO plain",
		`{"@level":"warn","@message":"m"}`:  `WARN {"@level":"warn","@message":"m"}`,
		`{"level":"ERROR","msg":"m"}`:       `ERROR {"level":"ERROR","msg":"m"}`,
		`{"not":"a log line"}`:              `INFO {"not":"a log line"}`,
		"Traceback (most recent call last)": "ERROR Traceback (most recent call last)",
	} {
		level, text := levelled(line)
		if got := level.String() + " " + text; got != want {
			t.Errorf("%q: got %q, want %q", line, got, want)
		}
	}
}

func TestTerminalsAreSafe(t *testing.T) {
	if got := printable("a\x1b[2Jb\tc\u0085d\r中"); got != "a?[2Jb c?d?中" {
		t.Errorf("got %q", got)
	}
	if got := cut("专线中断", 8); !strings.HasSuffix(got, "…") || len(got) > 8 || strings.ContainsRune(got, '\uFFFD') {
		t.Errorf("cut: %q", got)
	}
}
