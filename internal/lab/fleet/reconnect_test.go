package fleet

import (
	"context"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/faultline/faultline/collector/sqlstore/storetest"
	"github.com/faultline/faultline/internal/lab/build"
)

// binaries is the directory of the built programs, made once for all tests.
var binaries = sync.OnceValues(func() (string, error) {
	if dir := os.Getenv("FAULTLINE_FLEET_BIN"); dir != "" {
		return dir, nil
	}
	dir, err := os.MkdirTemp("", "faultline-fleet-")
	if err != nil {
		return "", err
	}
	return dir, build.Programs(context.Background(), dir)
})

func TestMain(m *testing.M) {
	code := m.Run()
	if dir, err := binaries(); err == nil && os.Getenv("FAULTLINE_FLEET_BIN") == "" {
		_ = os.RemoveAll(dir)
	}
	os.Exit(code)
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// programs is the directory of the built programs.
func programs(t *testing.T) string {
	t.Helper()
	if testing.Short() {
		t.Skip("runs the built programs")
	}
	dir, err := binaries()
	must(t, err)
	return dir
}

func number(t *testing.T, name string, otherwise int) int {
	t.Helper()
	text := os.Getenv(name)
	if text == "" {
		return otherwise
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < 2 {
		t.Fatalf("%s=%q: want a number from 2", name, text)
	}
	return n
}

// TestReconnect lets agents (FAULTLINE_FLEET) come back at one moment to the whole
// collector, each with what it measured meanwhile. Nothing is lost, and the
// collector is ready all the time.
func TestReconnect(t *testing.T) {
	bin := programs(t)
	for _, kind := range []string{"sqlite", "postgres"} {
		t.Run(kind, func(t *testing.T) {
			dir := t.TempDir()
			o := ReconnectOptions{Dir: dir, Agents: number(t, "FAULTLINE_FLEET", 50), Series: number(t, "FAULTLINE_FLEET_SERIES", 20), Cut: time.Duration(number(t, "FAULTLINE_FLEET_MINUTES", 10)) * time.Minute, Interval: 10 * time.Second,
				Live: time.Millisecond, Collector: CollectorOptions{Program: filepath.Join(bin, "faultline-collector"), Dir: dir}}
			if kind == "postgres" {
				pg, err := storetest.StartPostgres()
				if err != nil {
					storetest.SkipOrFail(t, err)
				}
				t.Cleanup(pg.Stop)
				o.Collector.Database = pg.URL(t)
			}
			f, err := Reconnect(t.Context(), o)
			t.Logf("%+v", f)
			must(t, err)
			if want := o.Agents * int(o.Cut/o.Interval) * o.Series; f.Backlog != want {
				t.Errorf("the agents came back with %d samples, want %d", f.Backlog, want)
			}
			if f.Lost != 0 || f.Twice != 0 || f.EventsLost != 0 || f.Events < o.Agents {
				t.Errorf("of %d samples %d are lost and %d too many; of %d events %d are lost", f.Backlog+f.Lived, f.Lost, f.Twice, f.Events, f.EventsLost)
			}
			if f.NotReady != 0 || f.Ready == 0 {
				t.Errorf("not ready %d times of %d", f.NotReady, f.Ready)
			}
			if f.Told != f.Agents || f.Unseen != 0 || f.Rounds == 0 {
				t.Errorf("%d of %d agents got their work; %d live rounds shown, %d not", f.Told, f.Agents, f.Rounds, f.Unseen)
			}
			if f.LiveWorst > time.Minute { // a loaded machine is slow; the figure is in docs/figures.md
				t.Errorf("a live sample took %v", f.LiveWorst)
			}
		})
	}
}
