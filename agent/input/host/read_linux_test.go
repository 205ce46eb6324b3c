package host

import (
	"bytes"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"testing"

	"golang.org/x/sys/unix"
)

// A file is read whole, whatever its size, and a fault says which file it was.
func TestRead(t *testing.T) {
	buf := make([]byte, 16)
	e := &emitter{buf: &buf}
	dir := t.TempDir()
	for _, size := range []int{0, 1, 15, 16, 17, 5000} {
		path, want := filepath.Join(dir, "f"), bytes.Repeat([]byte("x"), size)
		if err := os.WriteFile(path, want, 0o600); err != nil {
			t.Fatal(err)
		}
		if got, err := e.read(path); err != nil || !bytes.Equal(got, want) {
			t.Errorf("%d bytes: got %d, %v", size, len(got), err)
		}
	}
	var at *fs.PathError
	if _, err := e.read(filepath.Join(dir, "none")); !errors.Is(err, fs.ErrNotExist) || !errors.As(err, &at) || at.Path != filepath.Join(dir, "none") {
		t.Errorf("a file that is not there: %v", err)
	}
	if _, err := e.read(dir); !errors.Is(err, unix.EISDIR) {
		t.Errorf("a directory: %v", err)
	}
	if b, err := e.read("/proc/self/status"); err != nil || !bytes.Contains(b, []byte("VmRSS")) {
		t.Errorf("what has no size: %q, %v", b, err)
	}
	left, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	for range 100 {
		_, _ = e.read(filepath.Join(dir, "f")) // only what stays open counts here
	}
	if now, err := os.ReadDir("/proc/self/fd"); err != nil || len(now) > len(left)+20 {
		t.Errorf("%d files are open, %d before: %v", len(now), len(left), err)
	}
}

// TestParseNumber reads what systemd makes of the kernel's bounds, and what does not
// fit 64 bits, to the nearest number that there is.
func TestParseNumber(t *testing.T) {
	for _, text := range []string{"0", "-7", "12.5", "-0.25", "9007199254740993", "9223372036854775807", "-9223372036854775807", "18446744073709551615", "99999999999999999999999", "1234567890123456789.5"} {
		want, err := strconv.ParseFloat(text, 64)
		if err != nil {
			t.Fatal(err)
		}
		if got, ok := parseNumber([]byte(text)); !ok || got != want {
			t.Errorf("%s is %v (%t), want %v", text, got, ok, want)
		}
	}
	for _, text := range []string{"", "-", "1x", "1.2.3", "max", "123456789012345678901x"} {
		if got, ok := parseNumber([]byte(text)); ok {
			t.Errorf("%q is %v", text, got)
		}
	}
}
