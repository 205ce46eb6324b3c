package backup

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/faultline/faultline/agent/input/inputtest"
	"github.com/faultline/faultline/plugins/base"
)

func target(options ...string) base.Target {
	t := base.Target{ID: "b", Input: "backup", Options: map[string]string{}}
	for i := 0; i < len(options); i += 2 {
		t.Options[options[i]] = options[i+1]
	}
	return t
}

func TestPattern(t *testing.T) {
	dir := inputtest.Write(t, map[string]string{"db-1.dump": "1234567890", "db-2.dump": "12345678", "db-3.dump": "1"})
	now := time.Unix(1_700_000_000, 0)
	for name, age := range map[string]time.Duration{"db-1.dump": 48 * time.Hour, "db-2.dump": 24 * time.Hour, "db-3.dump": 10 * time.Second} {
		if err := os.Chtimes(filepath.Join(dir, name), now, now.Add(-age)); err != nil {
			t.Fatal(err)
		}
	}
	in := New(Options{Now: func() time.Time { return now }})
	r := inputtest.Up(t, in, target("path", filepath.Join(dir, "db-*.dump"), "min_bytes", "5"))
	for name, v := range map[string]float64{"files": 2, "last_success_timestamp_seconds": 1.7e9 - 86400, "size_bytes": 8, "previous_size_bytes": 10,
		"max_age_seconds": 26 * 3600, "min_size_bytes": 5} {
		r.Want(t, "faultline_backup_"+name, v) // db-3 is still being written
	}
	r = inputtest.Up(t, in, target("path", filepath.Join(dir, "none-*")))
	r.Want(t, "faultline_backup_last_success_timestamp_seconds", 0)
	r.Want(t, "faultline_backup_files", 0)
	inputtest.Down(t, in, target("path", filepath.Join(dir, "gone", "*")), "missing")
}

func TestStatusFile(t *testing.T) {
	dir := inputtest.Write(t, map[string]string{
		"good.yaml": "finished: 2023-11-15T06:13:20+08:00\nok: true\nbytes: 12\nseconds: 3.5\nhost: db1\nrestore_test: {at: 1700000000, ok: true}\n",
		"bad.json":  `{"finished": 1700000000, "ok": false}`, "words.yaml": "finished: yesterday\n", "empty": "", "large": strings.Repeat("#", maxStatus+1),
	})
	in := New(Options{})
	r := inputtest.Up(t, in, target("status_file", filepath.Join(dir, "good.yaml"), "restore_max_age", "90d", "max_age", "2d"))
	for name, v := range map[string]float64{"last_success_timestamp_seconds": 1.7e9, "ok": 1, "size_bytes": 12, "duration_seconds": 3.5, "restore_test_ok": 1,
		"restore_test_timestamp_seconds": 1.7e9, "restore_max_age_seconds": 90 * 86400, "max_age_seconds": 2 * 86400} {
		r.Want(t, "faultline_backup_"+name, v)
	}
	r = inputtest.Up(t, in, target("status_file", filepath.Join(dir, "bad.json"), "restore_max_age", "90d"))
	r.Want(t, "faultline_backup_ok", 0)
	r.Want(t, "faultline_backup_last_success_timestamp_seconds", 0)
	r.Want(t, "faultline_backup_restore_test_timestamp_seconds", 0)
	r.Without(t, "faultline_backup_size_bytes")
	for name, reason := range map[string]string{"words.yaml": "malformed", "empty": "malformed", "large": "too_large", "none": "missing"} {
		tg := target("status_file", filepath.Join(dir, name))
		tg.ID = name
		inputtest.Down(t, in, tg, reason)
	}
	for _, bad := range [][]string{{}, {"path", "relative"}, {"path", "/x", "restore_max_age", "30d"}, {"path", "/x", "max_age", "1"}} {
		if in.CheckTarget(target(bad...)) == nil {
			t.Errorf("%v is taken", bad)
		}
	}
}

func FuzzStatus(f *testing.F) {
	f.Add([]byte("finished: 2023-11-15T06:13:20+08:00\nok: true\nrestore_test: {at: 1700000000, ok: true}\n"))
	f.Add([]byte(`{"finished": 1e300, "bytes": -1}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		s, err := parseStatus(b)
		if err == nil && (s.Bytes != nil && *s.Bytes < 0 || s.Finished.Year() > 9999) {
			t.Fatalf("%q: %+v", b, s)
		}
	})
}
