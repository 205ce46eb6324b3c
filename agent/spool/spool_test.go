package spool

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/faultline/faultline/internal/selfmetric"
)

// clock is a time that tests move.
type clock struct {
	mu sync.Mutex
	t  time.Time
}

func newClock() *clock { return &clock{t: time.Date(2026, 11, 21, 8, 0, 0, 0, time.UTC)} }

func (c *clock) now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.t
}

func (c *clock) move(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.t = c.t.Add(d)
}

func open(t testing.TB, opt Options) *Spool {
	t.Helper()
	if opt.Dir == "" {
		opt.Dir = "spool"
	}
	s, err := Open(opt)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func add(t testing.TB, s *Spool, l Lane, payloads ...string) {
	t.Helper()
	for _, p := range payloads {
		if err := s.Append(l, []byte(p)); err != nil {
			t.Fatal(err)
		}
	}
}

func texts(b Batch) []string {
	var out []string
	for _, r := range b.Records {
		out = append(out, string(r.Data))
	}
	return out
}

func peek(t testing.TB, s *Spool, c Cursor, maxBytes int) Batch {
	t.Helper()
	b, err := s.Peek(c, maxBytes)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// drain peeks and acknowledges until nothing is left.
func drain(t testing.TB, s *Spool, c Cursor) []string {
	t.Helper()
	var out []string
	for {
		b := peek(t, s, c, 1<<10)
		if len(b.Records) == 0 {
			return out
		}
		out = append(out, texts(b)...)
		if err := s.Ack(b.Range()); err != nil {
			t.Fatal(err)
		}
	}
}

func equal(t testing.TB, got, want []string) {
	t.Helper()
	if diff := cmp.Diff(got, want); diff != "" {
		t.Errorf("got (-), want (+):\n%s", diff)
	}
}

func numbered(prefix string, from, to int) []string {
	var out []string
	for i := from; i < to; i++ {
		out = append(out, fmt.Sprintf("%s%04d", prefix, i))
	}
	return out
}

func TestAppendPeekAck(t *testing.T) {
	s := open(t, Options{Dir: t.TempDir()})
	add(t, s, Events, "e1", "e2")
	add(t, s, Samples, "s1", "s2", "s3")

	b := peek(t, s, EventsOldest, 1)
	equal(t, texts(b), []string{"e1"})
	equal(t, texts(peek(t, s, EventsOldest, 100)), []string{"e2"})
	equal(t, texts(peek(t, s, EventsOldest, 100)), nil)
	s.Return(b.Range())
	equal(t, texts(peek(t, s, EventsOldest, 100)), []string{"e1"})

	live := peek(t, s, SamplesLive, 100)
	equal(t, texts(live), []string{"s1", "s2", "s3"})
	s.Return(live.Records[1].Range.Through(live.Records[2].Range))
	equal(t, texts(peek(t, s, SamplesLive, 100)), []string{"s2", "s3"})
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if err := s.Append(Events, []byte("x")); !errors.Is(err, ErrClosed) {
		t.Errorf("append after close: got %v, want ErrClosed", err)
	}
}

func TestLiveBeforeBacklog(t *testing.T) {
	fs := newMemFS()
	s := open(t, Options{FS: fs})
	add(t, s, Samples, numbered("a", 0, 20)...)
	// 13 bytes a record: the newest three fit 40 bytes.
	equal(t, texts(peek(t, s, SamplesLive, 40)), numbered("a", 17, 20))
	add(t, s, Samples, "b")
	equal(t, drain(t, s, SamplesLive), []string{"b"})
	equal(t, drain(t, s, SamplesBacklog), numbered("a", 0, 17))
	equal(t, drain(t, s, SamplesBacklog), nil)

	// After a restart all that is left is backlog.
	add(t, s, Samples, "c")
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	s = open(t, Options{FS: fs})
	add(t, s, Samples, "d")
	equal(t, drain(t, s, SamplesLive), []string{"d"})
	equal(t, drain(t, s, SamplesBacklog), append(numbered("a", 17, 20), "c")) // a0017.. were handed out, not acknowledged
}

func TestAckSurvivesRestart(t *testing.T) {
	for _, segment := range []int64{1 << 10, 1 << 20} {
		t.Run(fmt.Sprint(segment), func(t *testing.T) {
			dir := t.TempDir()
			opt := Options{Dir: dir, SegmentBytes: segment}
			s := open(t, opt)
			want := numbered("event", 0, 500)
			add(t, s, Events, want...)
			b := peek(t, s, EventsOldest, 2000)
			if err := s.Ack(b.Range()); err != nil {
				t.Fatal(err)
			}
			if err := s.Close(); err != nil {
				t.Fatal(err)
			}
			s = open(t, opt)
			equal(t, drain(t, s, EventsOldest), want[len(b.Records):])
			if err := s.Close(); err != nil {
				t.Fatal(err)
			}
			s = open(t, opt)
			defer s.Close()
			if st := s.Stats(); st.UsedBytes != 0 || st.Lanes[Events].Segments != 0 {
				t.Errorf("acknowledged segments stay: %+v", st)
			}
		})
	}
}

func TestLostAckFileMeansRepeat(t *testing.T) {
	for name, damage := range map[string]string{"gone": "", "torn": `{"sum":1,"lan`, "wrong sum": `{"sum":1,"lanes":{"events":[[0,99999999999]]}}`} {
		t.Run(name, func(t *testing.T) {
			fs := newMemFS()
			s := open(t, Options{FS: fs})
			add(t, s, Events, "e1", "e2")
			b := peek(t, s, EventsOldest, 1)
			if err := s.Ack(b.Range()); err != nil {
				t.Fatal(err)
			}
			if err := s.Close(); err != nil {
				t.Fatal(err)
			}
			delete(fs.names, "spool/acked")
			if damage != "" {
				fs.put("spool/acked", []byte(damage))
			}
			equal(t, drain(t, open(t, Options{FS: fs}), EventsOldest), []string{"e1", "e2"})
		})
	}
}

// A position must never be used twice, or an old acknowledgement would swallow
// a new record.
func TestPositionsAreNotReused(t *testing.T) {
	fs := newMemFS()
	for i := range 5 {
		s := open(t, Options{FS: fs})
		e := fmt.Sprintf("e%d", i)
		add(t, s, Events, e)
		equal(t, drain(t, s, EventsOldest), []string{e})
		name, _ := fs.file("spool/events/")
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
		delete(fs.names, name) // lost with its data; the acknowledgements remain
	}
}

func TestConcurrentAppendsShareFlushes(t *testing.T) {
	fs := newMemFS()
	began, gate := make(chan struct{}), make(chan struct{})
	syncs := 0
	fs.fault = func(op, _ string) error {
		if op == "sync" {
			syncs++
			if syncs == 1 {
				fs.mu.Unlock()
				close(began)
				<-gate
				fs.mu.Lock()
			}
		}
		return nil
	}
	s := open(t, Options{FS: fs})
	var wg sync.WaitGroup
	add := func(i int) {
		wg.Go(func() {
			if err := s.Append(Samples, fmt.Appendf(nil, "%02d", i)); err != nil {
				t.Error(err)
			}
		})
	}
	add(0)
	<-began // the first is alone in its flush
	for i := 1; i < 50; i++ {
		add(i)
	}
	for deadline := time.Now().Add(time.Minute); ; time.Sleep(time.Millisecond) { // until all others wait behind it
		ln := s.lanes[Samples]
		ln.queueMu.Lock()
		n := len(ln.queue)
		ln.queueMu.Unlock()
		if n == 49 {
			break
		}
		if time.Now().After(deadline) {
			close(gate)
			t.Fatalf("%d appends wait behind the first, want 49", n)
		}
	}
	close(gate)
	wg.Wait()
	if syncs > 3 {
		t.Errorf("50 appends took %d flushes, want 2 (first, all others)", syncs)
	}
	got := drain(t, s, SamplesLive)
	got = append(got, drain(t, s, SamplesBacklog)...)
	slices.Sort(got)
	var want []string
	for i := range 50 {
		want = append(want, fmt.Sprintf("%02d", i))
	}
	equal(t, got, want)
}

func TestAppendedWakes(t *testing.T) {
	s := open(t, Options{FS: newMemFS()})
	add(t, s, Samples, "a", "b")
	select {
	case <-s.Appended():
	default:
		t.Error("no wake-up after Append")
	}
	select {
	case <-s.Appended():
		t.Error("two wake-ups wait, want one")
	default:
	}
}

func TestQuarantineRefused(t *testing.T) {
	fs := newMemFS()
	s := open(t, Options{FS: fs})
	add(t, s, Samples, "good", "refused", "later")
	b := peek(t, s, SamplesLive, 1000)
	if err := s.Quarantine(b.Records[1].Range, "HTTP 400"); err != nil {
		t.Fatal(err)
	}
	_, content := fs.file("spool/quarantine/")
	if !strings.Contains(string(content), "HTTP 400") || !strings.HasSuffix(string(content), "refused") {
		t.Errorf("quarantine holds %q", content)
	}
	s = open(t, Options{FS: fs.clone()})
	st := s.Stats()
	if st.QuarantineBytes == 0 || st.UsedBytes < int64(st.QuarantineBytes) {
		t.Errorf("quarantine is not counted after a restart: %+v", st)
	}
}

func TestQuarantineIsBounded(t *testing.T) {
	fs := newMemFS()
	clk := newClock()
	s := open(t, Options{FS: fs, MaxBytes: 64 << 10, Now: clk.now})
	for i := range 100 {
		clk.move(time.Second)
		l, c := Samples, SamplesLive
		if i%10 == 0 {
			l, c = Events, EventsOldest
		}
		add(t, s, l, strings.Repeat(fmt.Sprint(i%10), 900))
		if err := s.Quarantine(peek(t, s, c, 1).Range(), "refused"); err != nil {
			t.Fatal(err)
		}
	}
	if st := s.Stats(); st.QuarantineBytes > 16<<10 || st.QuarantineDropped == 0 {
		t.Errorf("quarantine has %d bytes, dropped %d; want at most a quarter of 64 KiB", st.QuarantineBytes, st.QuarantineDropped)
	}
	events := 0
	for name := range fs.names {
		if strings.Contains(name, "quarantine/") && strings.Contains(name, "-events-") {
			events++
		}
	}
	if events != 10 {
		t.Errorf("%d of 10 events are left in quarantine", events)
	}
}

func TestOptionsAreChecked(t *testing.T) {
	for name, opt := range map[string]Options{
		"no directory":   {},
		"small":          {Dir: "d", MaxBytes: 100},
		"young":          {Dir: "d", MaxAge: time.Second},
		"large segments": {Dir: "d", MaxBytes: 1 << 20, SegmentBytes: 1 << 20},
	} {
		if _, err := Open(opt); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
	s := open(t, Options{FS: newMemFS(), MaxBytes: 1 << 20})
	for _, size := range []int{0, 1 << 19} {
		if err := s.Append(Samples, make([]byte, size)); err == nil {
			t.Errorf("record of %d bytes: no error", size)
		}
	}
}

func TestMetrics(t *testing.T) {
	reg := selfmetric.NewRegistry()
	s := open(t, Options{FS: newMemFS(), Registerer: reg})
	add(t, s, Events, "e")
	families := reg.Gather()
	if len(families) != len(metrics()) {
		t.Errorf("got %d metric families, want %d", len(families), len(metrics()))
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	open(t, Options{FS: newMemFS(), Registerer: reg}) // the name is free again
}

func TestUnknownFilesAreLeftAlone(t *testing.T) {
	dir := t.TempDir()
	if err := os.MkdirAll(filepath.Join(dir, "events"), 0o700); err != nil {
		t.Fatal(err)
	}
	note := filepath.Join(dir, "events", "note.txt")
	if err := os.WriteFile(note, []byte("keep"), 0o600); err != nil {
		t.Fatal(err)
	}
	s := open(t, Options{Dir: dir})
	defer s.Close()
	if _, err := os.Stat(note); err != nil {
		t.Error(err)
	}
}

func BenchmarkAppend(b *testing.B) {
	s := open(b, Options{Dir: b.TempDir()})
	defer s.Close()
	payload := make([]byte, 3500)
	b.ReportAllocs()
	for b.Loop() {
		if err := s.Append(Samples, payload); err != nil {
			b.Fatal(err)
		}
	}
}
