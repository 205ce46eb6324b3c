package main

import (
	"context"
	"fmt"
	"os"
	"slices"
	"time"
)

// measureStorage asks the Go benchmarks what it costs to be safe on disk, beside
// the disk's own time to sync a page.
func measureStorage(ctx context.Context, o options) (table, error) {
	t := table{Name: "storage: what is durable, and what that costs"}
	floor, err := syncFloor(o.work)
	if err != nil {
		return t, err
	}
	mark := func(us float64) string {
		return fmt.Sprintf("4 KiB write and sync %s µs: ratio %s", figure(floor), figure(us/floor))
	}
	spool, err := goBench(ctx, o, benchmark{"./agent/spool", "^Benchmark(Append|Drain)$", "1s"})
	if err != nil {
		return t, err
	}
	us := spool["Append"]["ns/op"] / 1e3
	t.add("agent: append a batch of 3.5 kB, synced", "", us, "µs", mark(us))
	t.add("agent: drain what a cut left, batches of 3.5 kB", "", spool["Drain"]["records/s"], "batches/s", "")
	sql, err := goBench(ctx, o, benchmark{"./collector/sqlstore", "^BenchmarkCommit$", "1s"})
	if err != nil {
		return t, err
	}
	for _, name := range []string{"sqlite", "postgres"} {
		if r, ok := sql["Commit/"+name]; ok {
			us := r["ns/op"] / 1e3
			t.add("collector: commit incident, event and effect, "+name, "", us, "µs", mark(us))
		}
	}
	return t, nil
}

// syncFloor is the median time in µs to append 4 KiB to a file and sync it.
func syncFloor(dir string) (float64, error) {
	f, err := os.CreateTemp(dir, "sync-")
	if err != nil {
		return 0, err
	}
	defer f.Close()
	took := make([]time.Duration, 200)
	page := make([]byte, 4096)
	for i := range took {
		start := time.Now()
		if _, err := f.Write(page); err != nil {
			return 0, err
		}
		if err := f.Sync(); err != nil {
			return 0, err
		}
		took[i] = time.Since(start)
	}
	slices.Sort(took)
	return float64(took[len(took)/2].Nanoseconds()) / 1e3, nil
}
