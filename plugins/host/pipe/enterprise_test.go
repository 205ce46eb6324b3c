//go:build linux

package pipe_test

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/faultline/faultline/internal/secret"
	"github.com/faultline/faultline/plugins/base"
	"github.com/faultline/faultline/plugins/host/spec"
)

// enterprise is the bundled plugin for Oracle and SQL Server, built.
func enterprise(t *testing.T, secrets string) spec.Plugin {
	t.Helper()
	path := filepath.Join(t.TempDir(), "faultline-input-enterprise")
	if out, err := exec.Command("go", "build", "-o", path, "../../bundled/enterprise/faultline-input-enterprise").CombinedOutput(); err != nil {
		t.Fatalf("go build: %v\n%s", err, out)
	}
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	s := sha256.Sum256(b)
	return spec.Plugin{Name: "enterprise_database", Contract: spec.Input, Path: path, SHA256: hex.EncodeToString(s[:]),
		Settings: map[string]secret.String{"secret_dir": secret.String(secrets)}}
}

// answers takes connections and says text, or nothing and holds them.
func answers(t *testing.T, text string) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	t.Cleanup(func() {
		close(done)
		_ = l.Close()
	})
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer func() { _ = c.Close() }()
				if text == "" {
					<-done
					return
				}
				_, _ = c.Read(make([]byte, 4096))
				_, _ = c.Write([]byte(text))
			}()
		}
	}()
	return l.Addr().String()
}

func closedPort(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	return l.Addr().String()
}

// TestEnterpriseThroughTheHost: the shipped program, in the real host, where no
// database answers: each outcome tells of the target, in the words of the input
// database; the program stays up; and no password is in any text.
func TestEnterpriseThroughTheHost(t *testing.T) {
	secrets := t.TempDir()
	const inFile, inOption = "file-9d1f-opensesame", "option-77aa-opensesame"
	if err := os.WriteFile(filepath.Join(secrets, "db"), []byte(inFile+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	a := start(t, enterprise(t, secrets))
	a.until(t, "running", func(s spec.Status) bool { return s.State == spec.Running })
	closed, garbage, mute := closedPort(t), answers(t, strings.Repeat("\x00\x17\xff no database ", 20)), answers(t, "")
	var mu sync.Mutex // guards said
	var said []string
	say := func(text string) {
		mu.Lock()
		defer mu.Unlock()
		said = append(said, text)
	}
	t.Run("targets", func(t *testing.T) {
		for _, c := range []struct {
			name, address string
			options       map[string]string
			reason        string  // "": no reading at all, the options are at fault
			open          float64 // -1: not known
		}{
			{"oracle, nobody listens", closed, map[string]string{"kind": "oracle", "service": "ORCL", "password_file": secrets + "/db"}, "port_closed", 0},
			{"sqlserver, nobody listens", closed, map[string]string{"kind": "sqlserver", "password": inOption}, "port_closed", 0},
			{"oracle, no database", garbage, map[string]string{"kind": "oracle", "service": "ORCL", "password": inOption}, "other", -1},
			{"sqlserver, no database", garbage, map[string]string{"kind": "sqlserver", "password_file": secrets + "/db"}, "other", -1},
			{"oracle, silence", mute, map[string]string{"kind": "oracle", "service": "ORCL", "password": inOption}, "timeout", -1},
			{"sqlserver, silence", mute, map[string]string{"kind": "sqlserver", "password": inOption}, "timeout", -1},
			{"a password outside", closed, map[string]string{"kind": "sqlserver", "password_file": "/etc/shadow"}, "", 0},
			{"another kind", closed, map[string]string{"kind": "db2", "password": inOption}, "", 0},
		} {
			t.Run(c.name, func(t *testing.T) {
				t.Parallel()
				ctx, cancel := context.WithTimeout(t.Context(), 60*time.Second)
				defer cancel()
				k := &taken{}
				err := a.Inputs()[0].Gather(ctx, base.Target{ID: c.name, Input: "enterprise_database", Address: c.address, Labels: map[string]string{"site": "s"}, Options: c.options}, k)
				if err == nil {
					t.Fatal("no error")
				}
				say(err.Error())
				var not interface{ NotMeasured() bool }
				if errors.As(err, &not) && not.NotMeasured() {
					t.Errorf("the plugin is blamed for what the target does: %v", err)
				}
				values := map[string]float64{}
				for _, s := range k.All() {
					values[s.Labels.Name()+" "+s.Labels.Get("reason")] = s.Value
					for _, l := range s.Labels {
						say(l.Value)
					}
				}
				if c.reason == "" {
					if len(values) != 0 {
						t.Errorf("a target that is refused has values %v", values)
					}
					return
				}
				if v, ok := values["faultline_database_failed "+c.reason]; !ok || v != 1 {
					t.Errorf("error %v, values %v, want reason %s", err, values, c.reason)
				}
				if v, ok := values["faultline_database_port_open "]; ok != (c.open >= 0) || ok && v != c.open {
					t.Errorf("port open is %v (there: %t), want %v", v, ok, c.open)
				}
			})
		}
	})
	if s := a.Status()[0]; s.Starts != 1 || s.State != spec.Running {
		t.Errorf("the plugin did not stay up: %+v", s)
	}
	for _, text := range append(said, a.log.String()) {
		if strings.Contains(text, "opensesame") {
			t.Errorf("a password is in %q", text)
		}
	}
}
