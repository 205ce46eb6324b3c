package spool

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"
)

func TestSizeIsBoundedBySamples(t *testing.T) {
	fs := newMemFS()
	clk := newClock()
	s := open(t, Options{FS: fs, MaxBytes: 256 << 10, SegmentBytes: 4 << 10, Now: clk.now})
	events := numbered("event", 0, 200)
	for i := range 2000 {
		clk.move(time.Second)
		add(t, s, Samples, fmt.Sprintf("%04d%s", i, strings.Repeat("s", 400)))
		if i%10 == 0 {
			add(t, s, Events, events[i/10])
		}
		if st := s.Stats(); st.UsedBytes > st.MaxBytes {
			t.Fatalf("%d bytes used, bound is %d", st.UsedBytes, st.MaxBytes)
		}
	}
	st := s.Stats().Lanes[Samples]
	if st.ThinnedRecords == 0 || st.DroppedRecords == 0 {
		t.Errorf("thinned %d, dropped %d, want both", st.ThinnedRecords, st.DroppedRecords)
	}
	s = open(t, Options{FS: fs.clone(), MaxBytes: 256 << 10, SegmentBytes: 4 << 10, Now: clk.now})
	equal(t, drain(t, s, EventsOldest), events)

	got := drain(t, s, SamplesBacklog)
	if uint64(len(got))+st.ThinnedRecords+st.DroppedRecords != 2000 {
		t.Errorf("%d left + %d thinned + %d dropped, want 2000", len(got), st.ThinnedRecords, st.DroppedRecords)
	}
	if !slices.IsSorted(got) {
		t.Error("samples come out of order")
	}
	// The newest are whole, the oldest thin.
	tail := got[len(got)-200:]
	if tail[0][:4] != "1800" {
		t.Errorf("the newest 200 begin with %s, want 1800", tail[0][:4])
	}
	if first, second := got[0][:4], got[10][:4]; first > "1500" || second < fmt.Sprintf("%04d", atoi(t, first)+20) {
		t.Errorf("the oldest are %s and, ten on, %s: not thinned", first, second)
	}
}

func atoi(t *testing.T, s string) int {
	n := 0
	if _, err := fmt.Sscanf(s, "%d", &n); err != nil {
		t.Fatal(err)
	}
	return n
}

// Targets polled in turn must not vanish together when the spool thins.
func TestThinningSparesEveryTarget(t *testing.T) {
	for targets := 2; targets <= 8; targets++ {
		s := open(t, Options{FS: newMemFS(), MaxBytes: 512 << 10, SegmentBytes: 32 << 10})
		for i := range 4000 {
			add(t, s, Samples, fmt.Sprintf("%d%s", i%targets, strings.Repeat("s", 199)))
			if s.Stats().Lanes[Samples].ThinnedRecords > 0 {
				break
			}
		}
		seen := map[string]int{}
		for _, r := range drain(t, s, SamplesBacklog)[:30] {
			seen[r[:1]]++
		}
		if len(seen) != targets {
			t.Errorf("%d targets: of the thinned ones %v", targets, seen)
		}
	}
}

func TestEventsAreNeverDropped(t *testing.T) {
	s := open(t, Options{FS: newMemFS(), MaxBytes: 64 << 10})
	add(t, s, Samples, "s1")
	var kept []string
	for i := range 100 {
		e := fmt.Sprintf("%03d%s", i, strings.Repeat("e", 1000))
		err := s.Append(Events, []byte(e))
		if err == nil {
			kept = append(kept, e)
			continue
		}
		if !errors.Is(err, ErrFull) {
			t.Fatalf("got %v, want ErrFull", err)
		}
	}
	if len(kept) < 55 || len(kept) == 100 {
		t.Errorf("%d events kept in 64 KiB", len(kept))
	}
	equal(t, drain(t, s, EventsOldest), kept)
	add(t, s, Events, "room again")
}

func TestOldSamplesAreDropped(t *testing.T) {
	clk := newClock()
	s := open(t, Options{FS: newMemFS(), Now: clk.now})
	add(t, s, Samples, "old")
	add(t, s, Events, "old event")
	clk.move(4 * 24 * time.Hour)
	add(t, s, Samples, "middle")
	clk.move(4 * 24 * time.Hour)
	add(t, s, Samples, "new")
	equal(t, drain(t, s, SamplesLive), []string{"middle", "new"})
	equal(t, drain(t, s, EventsOldest), []string{"old event"})
	if n := s.Stats().Lanes[Samples].DroppedRecords; n != 1 {
		t.Errorf("dropped %d records, want 1", n)
	}
}

// A thinning that a crash interrupts leaves the segment or the thinned one,
// never both or none.
func TestThinningSurvivesACrash(t *testing.T) {
	whole := newMemFS()
	clk := newClock()
	opt := Options{FS: whole, MaxBytes: 64 << 10, SegmentBytes: 4 << 10, Now: clk.now}
	s := open(t, opt)
	n := 0
	for s.Stats().UsedBytes < 60<<10 {
		add(t, s, Samples, fmt.Sprintf("%04d%s", n, strings.Repeat("s", 400)))
		n++
	}
	for stop := range 25 {
		fs := whole.clone()
		ops := 0
		fs.fault = func(op, _ string) error {
			if op == "list" || op == "open" || op == "read" {
				return nil
			}
			if ops++; ops > stop {
				return errors.New("power is gone")
			}
			return nil
		}
		opt.FS = fs
		s := open(t, opt)
		for i := range 12 {
			_ = s.Append(Samples, []byte(fmt.Sprintf("9%03d%s", i, strings.Repeat("s", 400))))
		}
		after := fs.crash(nil)
		opt.FS = after
		s = open(t, opt)
		seen := map[string]bool{}
		for _, r := range drain(t, s, SamplesBacklog) {
			if seen[r] {
				t.Errorf("stop at %d: %.4s comes twice", stop, r)
			}
			seen[r] = true
		}
		if len(seen) < n/2 {
			t.Errorf("stop at %d: %d of %d records left", stop, len(seen), n)
		}
	}
}
