//go:build linux

package main_test

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/faultline/faultline/internal/lab/need"
)

// built are this program and others, built.
func built(t *testing.T, packages ...string) string {
	t.Helper()
	dir := t.TempDir()
	out, err := exec.Command("go", append([]string{"build", "-o", dir + "/", "."}, packages...)...).CombinedOutput()
	if err != nil {
		t.Fatalf("go build: %v\n%s", err, out)
	}
	return dir
}

// conform runs the command as a person does, and wants nothing of it to be left.
func conform(t *testing.T, dir string, args ...string) (string, int) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 4*time.Minute)
	defer cancel()
	temp := t.TempDir()
	cmd := exec.CommandContext(ctx, filepath.Join(dir, "faultline-plugin-host"), append([]string{"conform", "--contract", "remedy"}, args...)...)
	cmd.Env = append(os.Environ(), "TMPDIR="+temp)
	out, err := cmd.CombinedOutput()
	if exit := (*exec.ExitError)(nil); err != nil && !errors.As(err, &exit) {
		t.Fatalf("%v\n%s", err, out)
	}
	if ctx.Err() != nil {
		t.Fatalf("it did not end\n%s", out)
	}
	if left, _ := filepath.Glob(temp + "/*"); len(left) > 0 {
		t.Errorf("it left %v", left)
	}
	processes, _ := filepath.Glob("/proc/[0-9]*/exe")
	for _, p := range processes {
		if exe, err := os.Readlink(p); err == nil && strings.HasPrefix(exe, temp) {
			t.Errorf("%s still runs %s", p, exe)
		}
	}
	return string(out), cmd.ProcessState.ExitCode()
}

// TestConformAnsible: the bundled program passes, with real playbooks.
func TestConformAnsible(t *testing.T) {
	t.Parallel()
	if _, err := exec.LookPath("ansible-playbook"); err != nil {
		need.Missing(t, "no ansible-playbook: install ansible-core")
	}
	dir, playbooks, target := built(t, "github.com/faultline/faultline/plugins/bundled/ansible/faultline-remedy-ansible"), t.TempDir(), t.TempDir()
	for name, text := range map[string]string{
		"inventory":  "[here]\nlocalhost ansible_connection=local ansible_remote_tmp=/tmp ansible_python_interpreter=/usr/bin/python3\n",
		"append.yml": "- hosts: here\n  gather_facts: false\n  tasks:\n  - {name: append, lineinfile: {path: TARGET/log, line: \"{{ text }} {{ lookup('pipe', 'date +%s%N') }}\", create: true}}\n",
		"sleep.yml":  "- hosts: here\n  gather_facts: false\n  tasks:\n  - {name: sleep, command: sleep 600}\n",
	} {
		if err := os.WriteFile(filepath.Join(playbooks, name), []byte(strings.ReplaceAll(text, "TARGET", target)), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	out, code := conform(t, dir, "--setting", "playbooks="+playbooks, "--setting", "book="+t.TempDir(), "--remedy", "append", "--slow", "sleep", "--param", "text=one",
		filepath.Join(dir, "faultline-remedy-ansible"))
	if n := strings.Count(out, "ok    "); code != 0 || n != 13 {
		t.Errorf("exit code %d, %d checks passed:\n%s", code, n, out)
	}
}

// TestConformHostile: a runner that crashes, lies, floods, eats memory and hangs,
// one after another, fails its suite; the command comes to its end, says what
// failed, and nothing is left.
func TestConformHostile(t *testing.T) {
	t.Parallel()
	dir, count := built(t, "github.com/faultline/faultline/plugins/host/testdata/hostile"), filepath.Join(t.TempDir(), "count")
	out, code := conform(t, dir, "--setting", "count="+count, "--deadline", "3s", "--memory", "100663296", "--remedy", "everything", filepath.Join(dir, "hostile"))
	if code != 1 || strings.Count(out, "FAIL  ") < 8 || !strings.Contains(out, "checks failed") || strings.Contains(out, "\x1b") {
		t.Errorf("exit code %d:\n%s", code, out)
	}
	for _, want := range []string{"exit status 9", `ended as "glorious"`, "it stays up"} {
		if !strings.Contains(out, want) {
			t.Errorf("nothing is said of %q:\n%s", want, out)
		}
	}
	if b, err := os.ReadFile(count); err != nil || len(b) < 5 {
		t.Errorf("only %d of its ways were tried: %v", len(b), err)
	}
}
