//go:build linux

package host_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/faultline/faultline/plugins/host/spec"
)

func copyOf(t *testing.T, from string) string {
	t.Helper()
	b, err := os.ReadFile(from)
	if err != nil {
		t.Fatal(err)
	}
	to := filepath.Join(t.TempDir(), "plugin")
	if err := os.WriteFile(to, b, 0o700); err != nil {
		t.Fatal(err)
	}
	return to
}

func TestUnknownProgramIsRefused(t *testing.T) {
	p := rogue(t, "ok")
	p.SHA256 = strings.Repeat("0", 64)
	r := start(t, p)
	s := r.until(t, "refused", func(s spec.Status) bool { return s.State == spec.Refused })
	if s.Starts != 0 {
		t.Errorf("it was started %d times", s.Starts)
	}
	if !strings.Contains(s.Problem, "pinned is 0000") || !strings.Contains(s.Problem, "faultline-plugin-host sum") {
		t.Errorf("problem: %q", s.Problem)
	}
	if _, err := r.gather(t, time.Second, nil); err == nil || !strings.Contains(err.Error(), "refused") {
		t.Errorf("gather: %v", err)
	}
}

func TestProgramThatChangesIsRefusedAtItsNextStart(t *testing.T) {
	p := rogue(t, "ok")
	good := p.Path
	p.Path = copyOf(t, good)
	r := start(t, p)
	r.await(t, spec.Input)
	f, err := os.OpenFile(p.Path, os.O_WRONLY|os.O_APPEND, 0)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.WriteString("changed"); err != nil {
		t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	r.works(t) // what runs was checked
	_, _ = r.gather(t, 20*time.Second, mode("exit"))
	r.until(t, "refused", func(s spec.Status) bool { return s.State == spec.Refused })
	if err := os.Rename(copyOf(t, good), p.Path); err != nil {
		t.Fatal(err)
	}
	r.await(t, spec.Input) // put right, it runs again
	r.works(t)
}

func TestFileBesideTheProgramIsPinned(t *testing.T) {
	p := rogue(t, "ok")
	p.Path = copyOf(t, p.Path)
	lib := filepath.Join(filepath.Dir(p.Path), "lib", "words.txt")
	if err := os.MkdirAll(filepath.Dir(lib), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(lib, []byte("one"), 0o600); err != nil {
		t.Fatal(err)
	}
	p.Files = []spec.File{{Path: "lib/words.txt", SHA256: sum(t, lib)}}
	r := start(t, p)
	r.await(t, spec.Input)
	r.stop()
	if err := os.WriteFile(lib, []byte("two"), 0o600); err != nil {
		t.Fatal(err)
	}
	r = start(t, p)
	s := r.until(t, "refused", func(s spec.Status) bool { return s.State == spec.Refused })
	if !strings.Contains(s.Problem, "words.txt") {
		t.Errorf("problem: %q", s.Problem)
	}
}

func TestWrongContractIsRefused(t *testing.T) {
	p := rogue(t, "ok")
	p.Contract = spec.Ticket
	r := start(t, p)
	s := r.until(t, "refused", func(s spec.Status) bool { return s.State == spec.Refused })
	if !strings.Contains(s.Problem, "serves input, not ticket") {
		t.Errorf("problem: %q", s.Problem)
	}
}
