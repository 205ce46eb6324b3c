package file_test

import (
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/faultline/faultline/agent/input/file"
	"github.com/faultline/faultline/agent/input/inputtest"
	"github.com/faultline/faultline/plugins/base"
	"github.com/faultline/faultline/plugins/input"
)

func target(options ...string) base.Target {
	t := base.Target{ID: "f", Input: "file", Options: map[string]string{}}
	for i := 0; i < len(options); i += 2 {
		t.Options[options[i]] = options[i+1]
	}
	return t
}

func TestFiles(t *testing.T) {
	dir := inputtest.Write(t, map[string]string{"a.log": "12345", "b.log": "123", "c.txt": "1"})
	old := time.Unix(1_700_000_000, 0)
	for name, at := range map[string]time.Time{"a.log": old, "b.log": old.Add(time.Hour)} {
		if err := os.Chtimes(filepath.Join(dir, name), at, at); err != nil {
			t.Fatal(err)
		}
	}
	in, p := file.New(file.Options{}), filepath.Join(dir, "*.log")
	r := inputtest.Up(t, in, target("path", p, "max_age", "2d", "max_bytes", "4", "min_files", "3"))
	for series, v := range map[string]float64{
		"file_glob_match_number{pattern=" + p + "}": 2, "file_stat_size_bytes{path=" + dir + "/a.log}": 5, "file_stat_modif_time_seconds{path=" + dir + "/a.log}": 1.7e9,
		"faultline_file_bytes{pattern=" + p + "}": 8, "faultline_file_largest_bytes{pattern=" + p + "}": 5, "faultline_file_newest_timestamp_seconds{pattern=" + p + "}": 1.7e9 + 3600,
		"faultline_file_max_age_seconds{pattern=" + p + "}": 172800, "faultline_file_max_bytes{pattern=" + p + "}": 4, "faultline_file_min_number{pattern=" + p + "}": 3,
	} {
		r.Want(t, series, v)
	}
	r, err := inputtest.Gather(t, in, target("path", p, "max_files", "1"))
	if !errors.As(err, new(input.Partial)) {
		t.Errorf("more than max_files: got %v", err)
	}
	r.Without(t, "file_stat_size_bytes{path="+dir+"/a.log}")
	r.Want(t, "file_glob_match_number{pattern="+p+"}", 2)

	none := filepath.Join(dir, "*.none")
	r = inputtest.Up(t, in, target("path", none))
	r.Want(t, "file_glob_match_number{pattern="+none+"}", 0)
	r.Want(t, "faultline_file_newest_timestamp_seconds{pattern="+none+"}", 0)
	inputtest.Down(t, in, target("path", filepath.Join(dir, "nowhere", "*")), "missing")
	for _, bad := range [][]string{{}, {"path", "x/*"}, {"path", "/x/["}, {"path", "/x", "max_age", "soon"}, {"path", "/x", "more", "1"}} {
		if in.CheckTarget(target(bad...)) == nil {
			t.Errorf("%v is taken", bad)
		}
	}
}
