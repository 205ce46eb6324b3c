package glob

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/faultline/faultline/agent/input/failure"
	"github.com/faultline/faultline/agent/input/inputtest"
)

func TestFiles(t *testing.T) {
	root := inputtest.Write(t, map[string]string{"a/1.dump": "", "a/2.dump": "x", "a/.3.dump": "", "b/1.dump": "", "b/1.log": "", "c.dump": "", "d/e/1.dump": ""})
	now := time.Now()
	for i, name := range []string{"b/1.dump", "a/2.dump", "a/1.dump"} {
		if err := os.Chtimes(filepath.Join(root, name), now, now.Add(-time.Duration(i)*time.Hour)); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Symlink(filepath.Join(root, "nowhere"), filepath.Join(root, "a", "9.dump")); err != nil {
		t.Fatal(err)
	}
	for pattern, want := range map[string][]string{
		"*/*.dump": {"b/1.dump", "a/2.dump", "a/1.dump"}, "a/*": {"a/2.dump", "a/1.dump"}, "*/1.log": {"b/1.log"}, "a/1.dump": {"a/1.dump"},
		"a/none*": nil, "a/none": nil, "[a]/?.dump": {"a/2.dump", "a/1.dump"}, "*": {"c.dump"}, "a/.*": {"a/.3.dump"},
	} {
		found, err := Files(filepath.Join(root, pattern))
		if err != nil {
			t.Errorf("%s: %v", pattern, err)
		}
		var got []string
		for _, f := range found {
			rel, _ := filepath.Rel(root, f.Path)
			got = append(got, rel)
		}
		if d := cmp.Diff(want, got); d != "" {
			t.Errorf("%s: %s", pattern, d)
		}
	}
	if _, err := Files(filepath.Join(root, "none", "*.dump")); failure.Reason(err) != failure.Missing {
		t.Errorf("a directory that is not there: got %v", err)
	}
	for _, bad := range []string{"relative/*", "/a/[b", ""} {
		if Check(bad) == nil {
			t.Errorf("pattern %q is taken", bad)
		}
	}
}

func TestTooManyNames(t *testing.T) {
	dir := t.TempDir()
	for i := range 40 {
		if err := os.WriteFile(filepath.Join(dir, strconv.Itoa(i)), nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	left := 39
	if _, err := names(dir, "*", &left); err == nil || !strings.Contains(err.Error(), "more than") {
		t.Errorf("got %v", err)
	}
}
