package influx

import (
	"bytes"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/klauspost/compress/s2"
)

func openTestQueue(t testing.TB, dir string, maxBytes int64) *queue {
	t.Helper()
	q, err := openQueue(dir, maxBytes, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	return q
}

func put(t testing.TB, q *queue, lines ...string) (dropped int64) {
	t.Helper()
	for _, l := range lines {
		n, err := q.append(s2.Encode(nil, []byte(l+"\n")), 1)
		if err != nil {
			t.Fatal(err)
		}
		dropped += n
	}
	return dropped
}

// take reads and acknowledges everything.
func take(t testing.TB, q *queue) (lines []string, unreadable int) {
	t.Helper()
	for {
		b, err := q.peek(2)
		if err != nil {
			t.Fatal(err)
		}
		unreadable += b.unreadable
		if b.points == 0 {
			return lines, unreadable
		}
		for l := range bytes.Lines(b.lines) {
			lines = append(lines, string(bytes.TrimSpace(l)))
		}
		q.ack(b)
	}
}

func numbered(from, to int) (lines []string) {
	for i := from; i < to; i++ {
		lines = append(lines, fmt.Sprintf("m value=%d", i))
	}
	return lines
}

func TestQueue(t *testing.T) {
	dir := t.TempDir()
	q := openTestQueue(t, dir, 1<<20)
	put(t, q, numbered(0, 5)...)
	b, err := q.peek(2)
	if err != nil || b.points != 2 {
		t.Fatalf("%+v %v", b, err)
	}
	q.ack(b)
	if n, _ := q.waiting(); n != 3 {
		t.Errorf("%d waiting, want 3", n)
	}
	// As after a kill: another queue on the directory, the first never closed.
	q = openTestQueue(t, dir, 1<<20)
	if n, _ := q.waiting(); n != 3 {
		t.Errorf("%d waiting after reopening, want 3", n)
	}
	put(t, q, numbered(5, 8)...)
	got, _ := take(t, q)
	if d := cmp.Diff(numbered(2, 8), got); d != "" {
		t.Error(d)
	}
	if err := q.close(); err != nil {
		t.Fatal(err)
	}
	if _, err := q.append(nil, 0); err == nil {
		t.Error("append to a closed queue gave no error")
	}
	if files, _ := filepath.Glob(filepath.Join(dir, "*"+segmentSuffix)); len(files) != 1 {
		t.Errorf("files left: %v", files)
	}
}

func TestQueueDamage(t *testing.T) {
	for _, c := range []struct {
		name       string
		damage     func(b []byte) []byte
		want       []string
		unreadable int
	}{
		{"torn end", func(b []byte) []byte { return b[:len(b)-3] }, append(numbered(0, 3), "m value=9"), 0},
		{"torn header", func(b []byte) []byte { return append(b, 1, 2, 3) }, append(numbered(0, 4), "m value=9"), 0},
		{"bit in the third record", func(b []byte) []byte { b[len(b)*2/4+recordHeader+2] ^= 1; return b }, append(numbered(0, 2), "m value=9"), 1},
		{"garbage", func([]byte) []byte { return bytes.Repeat([]byte{0}, 100) }, []string{"m value=9"}, 1},
		{"empty", func([]byte) []byte { return nil }, []string{"m value=9"}, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			dir := t.TempDir()
			q := openTestQueue(t, dir, 1<<20)
			put(t, q, numbered(0, 4)...)
			path := q.path(q.tail().id)
			b, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(path, c.damage(b), 0o600); err != nil {
				t.Fatal(err)
			}
			q = openTestQueue(t, dir, 1<<20)
			put(t, q, "m value=9")
			got, unreadable := take(t, q)
			if d := cmp.Diff(c.want, got); d != "" {
				t.Error(d)
			}
			files, _ := filepath.Glob(filepath.Join(dir, "*.damaged"))
			if unreadable != c.unreadable || len(files) != c.unreadable {
				t.Errorf("%d unreadable, set aside %v", unreadable, files)
			}
		})
	}
}

func TestQueueBound(t *testing.T) {
	q := openTestQueue(t, t.TempDir(), 4000)
	dropped := put(t, q, numbered(0, 1000)...)
	got, _ := take(t, q)
	if _, size := q.waiting(); size > 4000 || dropped == 0 {
		t.Errorf("%d bytes, %d dropped", size, dropped)
	}
	if d := cmp.Diff(numbered(int(dropped), 1000), got); d != "" {
		t.Error("the newest must be kept", d)
	}
	// A batch being written when its file is dropped acknowledges nothing else.
	put(t, q, "m value=1")
	b, err := q.peek(1)
	if err != nil {
		t.Fatal(err)
	}
	put(t, q, numbered(0, 1000)...)
	before, _ := q.waiting()
	q.ack(b)
	if after, _ := q.waiting(); after != before {
		t.Errorf("%d waiting, then %d", before, after)
	}
}

func FuzzQueueFile(f *testing.F) {
	q := openTestQueue(f, f.TempDir(), 1<<20)
	put(f, q, numbered(0, 3)...)
	b, err := os.ReadFile(q.path(q.tail().id))
	if err != nil {
		f.Fatal(err)
	}
	f.Add(b, "1 5\n")
	f.Add(b[:len(b)-1], "1 0\n")
	f.Add([]byte{}, "x")
	f.Fuzz(func(t *testing.T, content []byte, cursor string) {
		dir := t.TempDir()
		for name, text := range map[string]string{"00000000000000000001.seg": string(content), cursorName: cursor} {
			if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		q := openTestQueue(t, dir, 1<<20)
		put(t, q, "m value=9")
		if got, _ := take(t, q); len(got) == 0 || got[len(got)-1] != "m value=9" {
			t.Fatalf("the new point is lost: %q", got)
		}
		if err := q.close(); err != nil {
			t.Fatal(err)
		}
	})
}
