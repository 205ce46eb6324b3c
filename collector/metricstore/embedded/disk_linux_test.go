package embedded

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"
)

// smallDisk mounts a file system of the size, which only root can.
func smallDisk(t *testing.T, size string) string {
	t.Helper()
	dir := t.TempDir()
	if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, "size="+size); err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatalf("mount: %v", err)
		}
		t.Skipf("needs root to mount a small file system: %v", err)
	}
	t.Cleanup(func() {
		if err := syscall.Unmount(dir, syscall.MNT_DETACH); err != nil {
			t.Error(err)
		}
	})
	return dir
}

// fill leaves about the given bytes free.
func fill(t *testing.T, dir string, left uint64) (remove func()) {
	t.Helper()
	free, _, ok := space(dir)
	if !ok || free < left {
		t.Fatalf("%d bytes free", free)
	}
	path := filepath.Join(dir, "others")
	if err := reserve(path, int64(free-left)); err != nil {
		t.Fatal(err)
	}
	return func() {
		if err := os.Remove(path); err != nil {
			t.Fatal(err)
		}
	}
}

// TestDiskFull fills the disk from outside: the intake stops with a clear
// error before the log is torn, and goes on by itself when there is space.
func TestDiskFull(t *testing.T) {
	dir := smallDisk(t, "64m")
	s := open(t, Options{Dir: filepath.Join(dir, "db"), MinFree: 16 << 20, SyncInterval: 10 * time.Millisecond})
	now := time.Now()
	mustAppend(t, s, batch(10, now))
	epoch := s.Epoch()
	remove := fill(t, dir, 1<<20)
	_, err := s.Append(context.Background(), batch(10, now.Add(time.Second)))
	if !errors.Is(err, ErrDiskFull) {
		t.Fatalf("append on a full disk: %v", err)
	}
	waitFor(t, func() bool { return !s.disk.held.Load() })
	if free, _, _ := space(dir); free < 4<<20 {
		t.Errorf("%d bytes free, the ballast was not given up", free)
	}
	remove()
	waitFor(t, func() bool { return s.Ready() == nil && s.disk.held.Load() })
	mustAppend(t, s, batch(10, now.Add(time.Second)))
	if got := count(t, s, "sum(count_over_time(m[1m]))", now.Add(time.Second)); got != 20 {
		t.Errorf("%v samples, want 20", got)
	}
	if s.Epoch() != epoch {
		t.Error("the store was reopened without need")
	}
}

// TestTornLog lets the log itself run out of space, in order and late: nothing
// of the failed append is acknowledged, nothing acknowledged is lost.
func TestTornLog(t *testing.T) {
	for name, at := range map[string]time.Duration{"in order": 0, "late": -5 * time.Hour} {
		t.Run(name, func(t *testing.T) {
			dir := smallDisk(t, "24m")
			s := open(t, Options{Dir: filepath.Join(dir, "db"), MinFree: 1, SyncInterval: 10 * time.Millisecond})
			now := time.Now()
			mustAppend(t, s, batch(1, now))
			epoch := s.Epoch()
			remove := fill(t, dir, 256<<10)
			acknowledged := 0
			var err error
			for i := 0; err == nil; i++ {
				_, err = s.Append(context.Background(), batch(2000, now.Add(at+time.Duration(i+1)*time.Millisecond)))
				if err == nil {
					acknowledged += 2000
				}
			}
			t.Logf("after %d samples: %v", acknowledged, err)
			remove()
			waitFor(t, func() bool { return s.Ready() == nil })
			if s.Epoch() == epoch {
				t.Error("the epoch did not change")
			}
			mustAppend(t, s, batch(1, now.Add(time.Minute)))
			if err := s.Close(); err != nil {
				t.Fatal(err)
			}
			again := open(t, Options{Dir: s.opts.Dir, MinFree: 1})
			if got := count(t, again, "sum(count_over_time(m[6h]))", now.Add(time.Minute)); int(got) < acknowledged+2 {
				t.Errorf("%v samples, %d acknowledged", got, acknowledged+2)
			}
		})
	}
}
