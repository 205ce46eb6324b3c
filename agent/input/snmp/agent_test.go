package snmp_test

import (
	"context"
	"fmt"
	"io/fs"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/faultline/faultline/agent/input/snmp"
	"github.com/faultline/faultline/internal/profile"
	"github.com/faultline/faultline/plugins/base"
	"github.com/faultline/faultline/rules"
)

// program returns the path of a Debian program, or skips the test; in CI its
// absence is a failure.
func program(t testing.TB, name, pkg string) string {
	t.Helper()
	for _, dir := range []string{"", "/usr/sbin/", "/sbin/"} {
		if p, err := exec.LookPath(dir + name); err == nil {
			return p
		}
	}
	if os.Getenv("CI") == "true" {
		t.Fatalf("%s is not installed (Debian package %s)", name, pkg)
	}
	t.Skipf("%s is not installed (Debian package %s)", name, pkg)
	return ""
}

// freePort returns a UDP port of the loopback that nobody listens on.
func freePort(t testing.TB) int {
	t.Helper()
	c, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	return c.LocalAddr().(*net.UDPAddr).Port
}

// run starts a program that the end of the test stops.
func run(t testing.TB, env []string, name string, args ...string) {
	t.Helper()
	cmd := exec.Command(name, args...)
	cmd.Env = append(os.Environ(), env...)
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		cmd.Process.Kill()
		cmd.Wait()
	})
}

// snmpd starts Debian's agent with the configuration and returns its address
// once it answers anything at all.
func snmpd(t testing.TB, conf ...string) string {
	t.Helper()
	bin := program(t, "snmpd", "snmpd")
	dir := t.TempDir()
	addr := fmt.Sprintf("127.0.0.1:%d", freePort(t))
	lines := append([]string{"agentAddress udp:" + addr, "sysName real", "sysLocation 机房 1", "rocommunity ready"}, conf...)
	file := filepath.Join(dir, "snmpd.conf")
	if err := os.WriteFile(file, []byte(strings.Join(lines, "\n")+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	run(t, []string{"SNMP_PERSISTENT_DIR=" + dir, "MIBS="}, bin, "-f", "-m", "", "-Lf", filepath.Join(dir, "log"), "-C", "-c", file,
		"-p", filepath.Join(dir, "pid"), "-x", filepath.Join(dir, "agentx"))
	awaitAnswer(t, addr, "ready")
	return addr
}

// awaitAnswer polls until the agent at addr answers to the community.
func awaitAnswer(t testing.TB, addr, community string) {
	t.Helper()
	in := newInput(t)
	deadline := time.Now().Add(20 * time.Second)
	for {
		ctx, cancel := context.WithTimeout(context.Background(), 200*time.Millisecond)
		err := in.Gather(ctx, base.Target{ID: "ready", Address: addr, Options: map[string]string{"community": community, "retries": "0", "request_timeout": "100ms"}}, &sink{})
		<-ctx.Done()
		cancel()
		if err == nil || strings.Contains(err.Error(), "partial") {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("agent at %s does not answer: %v", addr, err)
		}
	}
}

func profiles(t testing.TB) *profile.Set {
	t.Helper()
	sub, err := fs.Sub(rules.FS(), "profiles")
	if err != nil {
		t.Fatal(err)
	}
	set, err := profile.Open(sub)
	if err != nil {
		t.Fatal(err)
	}
	return set
}

func newInput(t testing.TB) *snmp.Input {
	t.Helper()
	in, err := snmp.New(snmp.Options{Profiles: profiles(t)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { in.Close() })
	return in
}

// sink keeps what an input finds.
type sink struct {
	mu      sync.Mutex
	samples []base.Sample
	events  []base.Event
}

func (s *sink) Sample(sm base.Sample) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.samples = append(s.samples, sm)
}

// Block keeps the block's samples one by one.
func (s *sink) Block(b base.Block) {
	for sm := range b.Samples() {
		s.Sample(sm)
	}
}

func (s *sink) Event(e base.Event) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.events = append(s.events, e)
}

// find returns the samples of a series name whose labels include name=value pairs.
func (s *sink) find(name string, pairs ...string) []base.Sample {
	s.mu.Lock()
	defer s.mu.Unlock()
	var found []base.Sample
next:
	for _, sm := range s.samples {
		if sm.Labels.Name() != name {
			continue
		}
		for i := 0; i < len(pairs); i += 2 {
			if sm.Labels.Get(pairs[i]) != pairs[i+1] {
				continue next
			}
		}
		found = append(found, sm)
	}
	return found
}

// value returns the value of the only sample that find finds.
func (s *sink) value(t testing.TB, name string, pairs ...string) float64 {
	t.Helper()
	found := s.find(name, pairs...)
	if len(found) != 1 {
		t.Fatalf("%d samples of %s %v, want 1: %v", len(found), name, pairs, found)
	}
	return found[0].Value
}

// noTwins fails when two samples share series and time, or labels are not sorted.
func (s *sink) noTwins(t testing.TB) {
	t.Helper()
	seen := map[string]bool{}
	for _, sm := range s.samples {
		key := fmt.Sprint(sm.Labels)
		if seen[key] {
			t.Errorf("series is there twice: %s", key)
		}
		seen[key] = true
		for i := 1; i < len(sm.Labels); i++ {
			if sm.Labels[i-1].Name >= sm.Labels[i].Name {
				t.Errorf("labels are not sorted: %s", key)
			}
		}
	}
}
