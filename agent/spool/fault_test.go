package spool

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"
)

// Whatever length a power cut leaves of the last segment, every whole record
// comes back, nothing else does, and the spool goes on.
func TestTailCutAtEveryByte(t *testing.T) {
	fs := newMemFS()
	s := open(t, Options{FS: fs})
	rnd := rand.New(rand.NewPCG(1, 2))
	want := []string{}
	ends := []int{int(headerBytes)}
	for size := 0; size < 64<<10; {
		p := strings.Repeat(fmt.Sprintf("%04d", len(want)), 1+rnd.IntN(400))
		add(t, s, Events, p)
		want = append(want, p)
		size += len(p) + recordHeader
		ends = append(ends, ends[len(ends)-1]+len(p)+recordHeader)
	}
	name, whole := fs.file("spool/events/")
	cases := 0
	for n := 0; n <= len(whole); n++ {
		complete := 0
		for complete+1 < len(ends) && ends[complete+1] <= n {
			complete++
		}
		near := n-ends[complete] < 10 || complete+1 < len(ends) && ends[complete+1]-n < 3
		if !near && n%41 != 0 && os.Getenv("CI") != "true" {
			continue // within a payload one byte is like another
		}
		cut := newMemFS()
		cut.put(name, slices.Clone(whole[:n]))
		torn := n - ends[complete]
		if n < int(headerBytes) {
			torn = n // the segment's own beginning is torn
		}
		checkCut(t, cut, want[:complete], torn, fmt.Sprintf("cut at %d", n))
		cases++
		if n%16 == 0 { // the length is there, the rest of the content is not
			zeroed := newMemFS()
			data := slices.Clone(whole)
			clear(data[n:])
			zeroed.put(name, data)
			torn = len(whole) - ends[complete]
			if n < int(headerBytes) {
				torn = len(whole)
			}
			checkCut(t, zeroed, want[:complete], torn, fmt.Sprintf("zero from %d", n))
			cases++
		}
		if t.Failed() {
			return
		}
	}
	t.Logf("%d cases over %d bytes", cases, len(whole))
}

// checkCut opens a spool and expects its events, that the torn bytes are counted
// and that it takes more.
func checkCut(t *testing.T, fs *memFS, want []string, torn int, what string) {
	t.Helper()
	s, err := Open(Options{Dir: "spool", FS: fs})
	if err != nil {
		t.Errorf("%s: %v", what, err)
		return
	}
	if st := s.Stats(); (torn > 0) != (st.TornTails == 1) || torn > int(headerBytes) && st.TornBytes != uint64(torn) {
		t.Errorf("%s: told of %d torn ends, %d bytes; want %d bytes", what, st.TornTails, st.TornBytes, torn)
	}
	if err := s.Append(Events, []byte("more")); err != nil {
		t.Errorf("%s: %v", what, err)
	}
	i := 0
	for {
		b, err := s.Peek(EventsOldest, 32<<10)
		if err != nil {
			t.Errorf("%s: %v", what, err)
			return
		}
		if len(b.Records) == 0 {
			break
		}
		for _, r := range b.Records {
			expect := "more"
			if i < len(want) {
				expect = want[i]
			}
			if string(r.Data) != expect {
				t.Errorf("%s: record %d is %.20q, want %.20q", what, i, r.Data, expect)
			}
			i++
		}
	}
	if i != len(want)+1 {
		t.Errorf("%s: %d records, want %d", what, i, len(want)+1)
	}
}

// One flipped byte anywhere costs the record it is in, which goes to
// quarantine, and no other.
func TestFlippedByteCostsOneRecord(t *testing.T) {
	fs := newMemFS()
	s := open(t, Options{FS: fs})
	want := numbered("record", 0, 12)
	add(t, s, Events, want...)
	name, whole := fs.file("spool/events/")
	one := len(want[0]) + recordHeader
	for at := int(headerBytes); at < len(whole); at++ {
		hit := (at - int(headerBytes)) / one
		bad := newMemFS()
		data := slices.Clone(whole)
		data[at] ^= 0x40
		bad.put(name, data)
		s := open(t, Options{FS: bad})
		equal(t, drain(t, s, EventsOldest), slices.Delete(slices.Clone(want), hit, hit+1))
		if hit < len(want)-1 && bad.count("spool/quarantine/") != 1 {
			t.Errorf("byte %d: %d files in quarantine, want 1", at, bad.count("spool/quarantine/"))
		}
		if t.Failed() {
			t.Fatalf("byte %d", at)
		}
	}
}

func TestForeignFirstBytesMoveTheSegmentAside(t *testing.T) {
	fs := newMemFS()
	fs.put("spool/events/0000000000000001-1763762400000.seg", []byte("not a segment at all"))
	s := open(t, Options{FS: fs})
	add(t, s, Events, "e")
	equal(t, drain(t, s, EventsOldest), []string{"e"})
	if fs.count("spool/quarantine/") != 1 {
		t.Error("the file is not in quarantine")
	}
}

// Writes and flushes that fail at any moment never lose what Append confirmed,
// and never bring up what was not appended.
func TestFaultsAtAnyOperation(t *testing.T) {
	for seed := range uint64(60) {
		rnd := rand.New(rand.NewPCG(seed, 7))
		fs := newMemFS()
		broken := []error{syscall.ENOSPC, syscall.EIO, syscall.EROFS}[seed%3]
		faulty := false
		fs.partial = func(n int) int { return rnd.IntN(n + 1) }
		fs.fault = func(op, _ string) error {
			if faulty && op != "list" && op != "open" && op != "read" && rnd.IntN(2) == 0 {
				return broken
			}
			return nil
		}
		s := open(t, Options{FS: fs, SegmentBytes: 1 << 10})
		confirmed, tried := map[string]bool{}, map[string]bool{}
		for i := range 300 {
			faulty = i/30%2 == 1
			p := fmt.Sprintf("%03d-%s", i, strings.Repeat("x", rnd.IntN(200)))
			tried[p] = true
			err := s.Append(Events, []byte(p))
			if err != nil && !errors.Is(err, broken) {
				t.Fatalf("seed %d: %v", seed, err)
			}
			if err == nil {
				confirmed[p] = true
			} else if !faulty {
				t.Fatalf("seed %d: append %d after the fault: %v", seed, i, err)
			}
		}
		faulty = false
		live := drain(t, s, EventsOldest)
		if len(live) != len(confirmed) {
			t.Errorf("seed %d: %d records, confirmed %d", seed, len(live), len(confirmed))
		}
		checkFound(t, live, confirmed, tried, fmt.Sprintf("seed %d", seed))
	}
}

// A power cut at any moment keeps what was confirmed and not acknowledged.
func TestPowerCutAtAnyMoment(t *testing.T) {
	for seed := range uint64(60) {
		rnd := rand.New(rand.NewPCG(seed, 11))
		clk := newClock()
		fs := newMemFS()
		unacked, tried := map[string]bool{}, map[string]bool{}
		n := 0
		for range 6 {
			s := open(t, Options{FS: fs, SegmentBytes: 1 << 10, Now: clk.now})
			for range rnd.IntN(40) {
				clk.move(300 * time.Millisecond)
				if rnd.IntN(3) == 0 {
					b := peek(t, s, EventsOldest, rnd.IntN(500))
					if len(b.Records) == 0 {
						continue
					}
					for _, p := range texts(b) {
						delete(unacked, p)
					}
					if err := s.Ack(b.Range()); err != nil {
						t.Fatal(err)
					}
					continue
				}
				p := fmt.Sprintf("%d-%04d-%s", seed, n, strings.Repeat("y", rnd.IntN(100)))
				n++
				add(t, s, Events, p)
				unacked[p], tried[p] = true, true
			}
			if rnd.IntN(2) == 0 { // in the middle of an append: the flush never comes
				fs.fault = func(op, _ string) error {
					if op == "sync" || op == "truncate" {
						return syscall.EIO
					}
					return nil
				}
				p := fmt.Sprintf("%d-torn-%d", seed, n)
				tried[p] = true
				_ = s.Append(Events, []byte(p))
				fs.fault = nil
			}
			fs = fs.crash(rnd)
		}
		s := open(t, Options{FS: fs, Now: clk.now})
		checkFound(t, drain(t, s, EventsOldest), unacked, tried, fmt.Sprintf("seed %d", seed))
	}
}

// checkFound expects every confirmed record, and nothing that was never tried.
func checkFound(t *testing.T, got []string, confirmed, tried map[string]bool, what string) {
	t.Helper()
	found := map[string]bool{}
	for _, p := range got {
		found[p] = true
		if !tried[p] {
			t.Errorf("%s: %q came up and was never appended", what, p)
		}
	}
	for p := range confirmed {
		if !found[p] {
			t.Errorf("%s: %q was confirmed and is lost", what, p)
		}
	}
}

func TestDiskFull(t *testing.T) {
	fs := newMemFS()
	full := false
	fs.partial = func(n int) int { return n / 2 }
	fs.fault = func(op, _ string) error {
		if full && (op == "write" || op == "create") {
			return syscall.ENOSPC
		}
		return nil
	}
	s := open(t, Options{FS: fs, SegmentBytes: 1 << 10})
	add(t, s, Samples, numbered("s", 0, 3)...)
	full = true
	for range 5 {
		err := s.Append(Samples, []byte("lost"))
		if !errors.Is(err, syscall.ENOSPC) || !strings.Contains(err.Error(), "free space") {
			t.Fatalf("got %v, want ENOSPC with a hint", err)
		}
	}
	b := peek(t, s, SamplesLive, 1000) // reading goes on
	equal(t, texts(b), numbered("s", 0, 3))
	if err := s.Ack(b.Range()); !errors.Is(err, syscall.ENOSPC) {
		t.Errorf("acknowledging on a full disk: got %v, want ENOSPC", err)
	}
	full = false
	add(t, s, Samples, "after")
	equal(t, drain(t, s, SamplesLive), []string{"after"})
	if st := s.Stats(); st.Lanes[Samples].AppendErrors != 5 {
		t.Errorf("append errors %d, want 5", st.Lanes[Samples].AppendErrors)
	}
}

// When the disk is full, old samples make way for an event.
func TestEventTakesTheSpaceOfOldSamples(t *testing.T) {
	fs := newMemFS()
	s := open(t, Options{FS: fs, SegmentBytes: 1 << 10})
	for range 5 {
		add(t, s, Samples, strings.Repeat("s", 900))
	}
	fs.fault = func(op, name string) error {
		if op == "write" && len(fs.names) > 5 {
			return syscall.ENOSPC
		}
		return nil
	}
	add(t, s, Events, "e")
	if st := s.Stats(); st.Lanes[Samples].DroppedRecords == 0 {
		t.Error("no samples were dropped")
	}
	fs.fault = nil
	equal(t, drain(t, s, EventsOldest), []string{"e"})
}

func TestReadOnlyDirectory(t *testing.T) {
	fs := newMemFS()
	s := open(t, Options{FS: fs})
	add(t, s, Events, "e1")
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	fs.fault = func(op, _ string) error {
		if slices.Contains([]string{"create", "edit", "remove", "rename", "mkdir", "write", "truncate", "sync", "syncdir"}, op) {
			return syscall.EROFS
		}
		return nil
	}
	s = open(t, Options{FS: fs})
	if err := s.Append(Events, []byte("e2")); !errors.Is(err, syscall.EROFS) {
		t.Errorf("got %v, want EROFS", err)
	}
	b := peek(t, s, EventsOldest, 100)
	equal(t, texts(b), []string{"e1"})
	if err := s.Ack(b.Range()); err == nil {
		t.Error("an acknowledgement that is not written gives no error")
	}
	fs.fault = nil
	add(t, s, Events, "e3")
	equal(t, drain(t, s, EventsOldest), []string{"e3"})
}

func TestUnreadableSegmentMovesAside(t *testing.T) {
	fs := newMemFS()
	s := open(t, Options{FS: fs, SegmentBytes: 1 << 10})
	add(t, s, Events, strings.Repeat("a", 1000), strings.Repeat("b", 1000))
	first := ""
	for name := range fs.names {
		if strings.Contains(name, "events/0000000000000000") {
			first = name
		}
	}
	fault := syscall.EMFILE
	fs.fault = func(op, name string) error {
		if op == "read" && name == first {
			return fault
		}
		return nil
	}
	for range 10 { // not the file's fault: it stays
		if _, err := s.Peek(EventsOldest, 10); !errors.Is(err, syscall.EMFILE) {
			t.Fatalf("got %v, want EMFILE", err)
		}
	}
	fault = syscall.EIO
	for range 2 {
		if _, err := s.Peek(EventsOldest, 10); !errors.Is(err, syscall.EIO) {
			t.Fatalf("got %v, want EIO", err)
		}
	}
	equal(t, drain(t, s, EventsOldest), []string{strings.Repeat("b", 1000)})
	if fs.count("spool/quarantine/") != 1 {
		t.Error("the segment is not in quarantine")
	}
}

func TestRealDirectoryTornTail(t *testing.T) {
	dir := t.TempDir()
	s := open(t, Options{Dir: dir})
	add(t, s, Events, "e1", "e2")
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	files, err := filepath.Glob(filepath.Join(dir, "events", "*.seg"))
	if err != nil || len(files) != 1 {
		t.Fatalf("segments %v, %v", files, err)
	}
	f, err := os.OpenFile(files[0], os.O_WRONLY|os.O_APPEND, 0)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.Write([]byte{200, 0, 0, 0, 1, 2, 3, 4, 'h', 'a', 'l', 'f'}); err != nil {
		t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	s = open(t, Options{Dir: dir})
	defer s.Close()
	if st := s.Stats(); st.TornTails != 1 || st.TornBytes != 12 {
		t.Errorf("torn tails %d of %d bytes, want 1 of 12", st.TornTails, st.TornBytes)
	}
	equal(t, drain(t, s, EventsOldest), []string{"e1", "e2"})
}
