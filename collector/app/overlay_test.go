package app

import (
	"io/fs"
	"os"
	"path/filepath"
	"testing"
	"testing/fstest"

	"github.com/google/go-cmp/cmp"
)

func TestRulesOverlay(t *testing.T) {
	shipped := fstest.MapFS{"alerts/line.yaml": {Data: []byte("ours")}, "alerts/ups.yaml": {Data: []byte("ours")}, "routes/all.yaml": {Data: []byte("ours")}}
	dir := t.TempDir()
	for name, text := range map[string]string{"line.yaml": "theirs", "extra.yaml": "theirs"} {
		if err := os.MkdirAll(filepath.Join(dir, "alerts"), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, "alerts", name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	got := map[string]string{}
	fsys := rulesFS(shipped, dir)
	err := fs.WalkDir(fsys, ".", func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		b, err := fs.ReadFile(fsys, path)
		got[path] = string(b)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]string{"alerts/line.yaml": "theirs", "alerts/extra.yaml": "theirs", "alerts/ups.yaml": "ours", "routes/all.yaml": "ours"}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("(-want +got):\n%s", d)
	}
}
