//go:build unix

package sqlstore_test

import (
	"bufio"
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/faultline/faultline/collector/engine"
	"github.com/faultline/faultline/collector/incident"
	"github.com/faultline/faultline/collector/lease"
	"github.com/faultline/faultline/collector/sqlstore"
)

// killURL makes the test binary a writer that commits until it is killed.
const killURL = "FAULTLINE_SQLSTORE_KILL_URL"

func TestMain(m *testing.M) {
	if url := os.Getenv(killURL); url != "" {
		if err := writeUntilKilled(url); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	os.Exit(m.Run())
}

// writeUntilKilled prints the version of every commit that was acknowledged.
func writeUntilKilled(url string) error {
	ctx := context.Background()
	s, err := sqlstore.Open(ctx, sqlstore.Options{URL: url})
	if err != nil {
		return err
	}
	gen, ok, err := s.AcquireLease(ctx, lease.Writer, "node-1", time.Minute)
	if err != nil || !ok {
		return fmt.Errorf("lease: %v %w", ok, err)
	}
	i, err := s.Incident(ctx, "i1")
	if err != nil {
		return err
	}
	for {
		e := incident.Event{IncidentID: "i1", ID: strconv.FormatInt(i.Version+1, 10), At: time.Now(), Kind: incident.Commented, Actor: incident.System}
		after, sealed, err := incident.Append(i, []incident.Event{e})
		if err != nil {
			return err
		}
		f := incident.Effect{Key: "i1/" + e.ID, IncidentID: "i1", Kind: incident.EffectNotify}
		c := engine.Commit{Generation: gen, Changes: []engine.Change{{Base: i.Version, After: after, Events: sealed, Effects: []incident.Effect{f}}}}
		if err := s.Commit(ctx, c); err != nil {
			return err
		}
		i = after
		fmt.Println(i.Version)
	}
}

// TestKilledWriter kills a writer with SIGKILL again and again: every commit it
// acknowledged is there whole, at most one more is, and the next writer gets
// the lease at once.
func TestKilledWriter(t *testing.T) {
	url := "sqlite:" + filepath.Join(t.TempDir(), "f.db")
	prepare(t, url)
	for range 6 {
		acked := killedWriter(t, url, 20+rand.IntN(60))
		s, err := sqlstore.Open(t.Context(), sqlstore.Options{URL: url})
		if err != nil {
			t.Fatal(err)
		}
		i, err := s.Incident(t.Context(), "i1")
		if err != nil || i.Version < acked || i.Version > acked+1 {
			t.Fatalf("version %d after %d was acknowledged: %v", i.Version, acked, err)
		}
		events, err := s.Events(t.Context(), "i1")
		if err != nil || int64(len(events)) != i.Version {
			t.Fatalf("%d events at version %d: %v", len(events), i.Version, err)
		}
		if err := incident.VerifyChain(events); err != nil {
			t.Fatal(err)
		}
		rows, err := s.Effects(t.Context(), "i1")
		if err != nil || int64(len(rows)) != i.Version-1 {
			t.Fatalf("%d effects at version %d: %v", len(rows), i.Version, err)
		}
		if _, ok, err := s.AcquireLease(t.Context(), lease.Writer, "node-2", time.Minute); !ok || err != nil {
			t.Fatalf("lease after the kill: %v %v", ok, err)
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

// prepare makes the database and its one incident.
func prepare(t *testing.T, url string) {
	t.Helper()
	s, err := sqlstore.Open(t.Context(), sqlstore.Options{URL: url})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = s.Close() }()
	if err := s.Migrate(t.Context()); err != nil {
		t.Fatal(err)
	}
	gen, _, err := s.AcquireLease(t.Context(), lease.Writer, "node-1", time.Minute)
	if err != nil {
		t.Fatal(err)
	}
	e := incident.Event{IncidentID: "i1", At: time.Now(), Kind: incident.Opened, Number: "20261121-0001", Actor: incident.System, Diagnosis: &incident.Diagnosis{}}
	after, sealed, err := incident.Append(incident.Incident{}, []incident.Event{e})
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Commit(t.Context(), engine.Commit{Generation: gen, Changes: []engine.Change{{After: after, Events: sealed}}}); err != nil {
		t.Fatal(err)
	}
}

// killedWriter runs a writer, kills it after n commits and returns the last
// version it acknowledged.
func killedWriter(t *testing.T, url string, n int) int64 {
	t.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), killURL+"="+url)
	var failed strings.Builder
	cmd.Stderr = &failed
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	var acked int64
	lines := bufio.NewScanner(out)
	for seen := 0; lines.Scan(); seen++ {
		if acked, err = strconv.ParseInt(lines.Text(), 10, 64); err != nil {
			t.Fatal(err)
		}
		if seen == n {
			if err := cmd.Process.Kill(); err != nil {
				t.Fatal(err)
			}
		}
	}
	_ = cmd.Wait()
	if failed.Len() > 0 || acked == 0 {
		t.Fatalf("writer ended by itself: %s", failed.String())
	}
	return acked
}
