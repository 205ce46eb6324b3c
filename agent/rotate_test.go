package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
)

func TestRotating(t *testing.T) {
	path := filepath.Join(t.TempDir(), "agent.log")
	const most = 1000
	r, err := openRotating(path, most)
	if err != nil {
		t.Fatal(err)
	}
	var all sync.WaitGroup
	for i := range 4 {
		all.Go(func() {
			for n := range 100 {
				if _, err := fmt.Fprintf(r, "line %d %02d\n", i, n); err != nil {
					t.Error(err)
				}
			}
		})
	}
	all.Wait()
	read := func(name string) string {
		b, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		return string(b)
	}
	now, old := read(path), read(path+".old")
	if len(now) > most || len(old) > most || len(now)+len(old) < most {
		t.Errorf("%d bytes and %d before, want at most %d each and that much together", len(now), len(old), most)
	}
	for _, l := range strings.SplitAfter(now+old, "\n") {
		if l != "" && len(l) != len("line 0 00\n") {
			t.Errorf("a line is torn: %q", l)
		}
	}
	if !strings.HasSuffix(now, " 99\n") {
		t.Errorf("the last line is not the last: %q", now[len(now)-10:])
	}
	again, err := openRotating(path, most) // after a restart it goes on where it was
	if err != nil {
		t.Fatal(err)
	}
	if _, err := again.Write([]byte("after\n")); err != nil || !strings.HasSuffix(read(path), " 99\nafter\n") && read(path) != "after\n" {
		t.Errorf("after a restart: %v %q", err, read(path))
	}
	if _, err := again.Write([]byte(strings.Repeat("x", 3*most))); err != nil || len(read(path)) != 3*most {
		t.Errorf("a line larger than the file: %v, %d bytes", err, len(read(path)))
	}
}

// A file whose place cannot be had is cut; one that cannot be written is tried again.
func TestRotatingThatCannotMove(t *testing.T) {
	path := filepath.Join(t.TempDir(), "agent.log")
	if err := os.MkdirAll(filepath.Join(path+".old", "full"), 0o700); err != nil {
		t.Fatal(err)
	}
	r, err := openRotating(path, 100)
	if err != nil {
		t.Fatal(err)
	}
	for range 50 {
		if _, err := r.Write([]byte("twenty bytes a line\n")); err != nil {
			t.Fatal(err)
		}
	}
	if st, err := os.Stat(path); err != nil || st.Size() > 100 {
		t.Errorf("%v %v", st, err)
	}
}
