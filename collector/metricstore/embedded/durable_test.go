package embedded

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/faultline/faultline/collector/metricstore"
	"github.com/faultline/faultline/plugins/base"
)

func batch(n int, at time.Time) []metricstore.Series {
	out := make([]metricstore.Series, n)
	for i := range out {
		out[i] = metricstore.Series{
			Labels: base.LabelsFrom("m", map[string]string{"i": fmt.Sprint(i)}),
			Points: []metricstore.Point{{T: at.UnixMilli(), V: float64(i)}},
		}
	}
	return out
}

func mustAppend(t *testing.T, s *Store, series []metricstore.Series) {
	t.Helper()
	stats, err := s.Append(context.Background(), series)
	if err != nil || stats.Rejected > 0 {
		t.Fatalf("%+v %v", stats, err)
	}
}

func count(t *testing.T, s *Store, expr string, at time.Time) float64 {
	t.Helper()
	v, err := s.Instant(context.Background(), expr, at, 0)
	if err != nil {
		t.Fatal(err)
	}
	if len(v) == 0 {
		return 0
	}
	return v[0].V
}

// TestKilled opens a copy of the directory taken while the store was running:
// what a killed process leaves behind. In-order and late samples, and enough
// late ones to fill chunks, must all be there.
func TestKilled(t *testing.T) {
	now := time.Now()
	s := open(t, Options{Dir: t.TempDir()})
	for i := range 200 {
		mustAppend(t, s, batch(20, now.Add(time.Duration(i-200)*time.Second)))
		mustAppend(t, s, batch(20, now.Add(-5*time.Hour-time.Duration(i)*time.Second)))
	}
	copied := t.TempDir()
	if err := os.CopyFS(filepath.Join(copied, "d"), os.DirFS(s.opts.Dir)); err != nil {
		t.Fatal(err)
	}
	again := open(t, Options{Dir: filepath.Join(copied, "d")})
	if got := count(t, again, `sum(count_over_time(m[6h]))`, now); got != 20*400 {
		t.Errorf("%v samples after the kill, want %d", got, 20*400)
	}
	if again.Epoch() == s.Epoch() {
		t.Error("the epoch did not change")
	}
}

func TestDurable(t *testing.T) {
	beside := 0
	s := open(t, Options{SyncInterval: time.Hour, SyncWith: []func() error{func() error { beside++; return nil }}})
	if s.Sequence() != 0 || s.DurableUntil() != 0 {
		t.Fatalf("at first: %d %d", s.Sequence(), s.DurableUntil())
	}
	for range 3 {
		mustAppend(t, s, batch(1, time.Now()))
	}
	if s.Sequence() != 3 || s.DurableUntil() != 0 {
		t.Errorf("before the sync: %d %d", s.Sequence(), s.DurableUntil())
	}
	if err := s.Sync(context.Background()); err != nil {
		t.Fatal(err)
	}
	if s.DurableUntil() != 3 || beside == 0 {
		t.Errorf("after the sync: %d, beside %d", s.DurableUntil(), beside)
	}
	for _, d := range s.gen.sync.dirs[1:] {
		if len(d.open) != 1 {
			t.Errorf("%s: %d files kept open, want the newest", d.path, len(d.open))
		}
	}
}

func TestSyncFailureChangesTheEpoch(t *testing.T) {
	s := open(t, Options{SyncInterval: 10 * time.Millisecond})
	mustAppend(t, s, batch(1, time.Now()))
	before := s.Epoch()
	s.fail(errors.New("input/output error"))
	if _, err := s.Append(context.Background(), batch(1, time.Now())); !errors.Is(err, ErrUnavailable) {
		t.Errorf("append to a failed store: %v", err)
	}
	waitFor(t, func() bool { return s.Ready() == nil })
	if s.Epoch() == before {
		t.Error("the epoch did not change")
	}
	mustAppend(t, s, batch(1, time.Now()))
	if got := count(t, s, `count(m)`, time.Now()); got != 1 {
		t.Errorf("%v series after reopening, want 1", got)
	}
}

// TestSegments syncs directories whose files come and go.
func TestSegments(t *testing.T) {
	dir := t.TempDir()
	d := &segmentDir{path: filepath.Join(dir, "wal"), open: map[int]*os.File{}}
	sync := func() {
		t.Helper()
		if err := d.sync(); err != nil {
			t.Fatal(err)
		}
	}
	sync()
	write := func(name string) {
		t.Helper()
		if err := os.MkdirAll(d.path, 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(d.path, name), []byte("x"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("00000007")
	write("checkpoint.00000006")
	sync()
	write("00000008")
	write("00000009")
	sync()
	if d.next != 9 || len(d.open) != 1 || d.open[9] == nil {
		t.Errorf("next %d, open %v", d.next, d.open)
	}
	write("000010")
	sync()
	if d.next != 10 || d.open[10] == nil {
		t.Errorf("next %d, open %v", d.next, d.open)
	}
	d.drop(10)
}

func waitFor(t *testing.T, ok func() bool) {
	t.Helper()
	deadline := time.After(20 * time.Second)
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for !ok() {
		select {
		case <-deadline:
			t.Fatal("waited 20 s in vain")
		case <-tick.C:
		}
	}
}

func TestOptions(t *testing.T) {
	if _, err := Open(Options{}); err == nil || !strings.Contains(err.Error(), "directory is empty") {
		t.Errorf("no directory: %v", err)
	}
	s := open(t, Options{})
	if _, err := Open(Options{Dir: s.opts.Dir}); err == nil {
		t.Error("two stores in one directory")
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Append(context.Background(), batch(1, time.Now())); !errors.Is(err, ErrUnavailable) {
		t.Errorf("append after close: %v", err)
	}
	if _, err := s.Instant(context.Background(), "up", time.Now(), 0); err == nil {
		t.Error("query after close gave no error")
	}
	if err := s.Sync(context.Background()); !errors.Is(err, ErrUnavailable) {
		t.Errorf("sync after close: %v", err)
	}
}
