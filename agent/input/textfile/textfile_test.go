package textfile_test

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/faultline/faultline/agent/input/inputtest"
	"github.com/faultline/faultline/agent/input/scrape"
	"github.com/faultline/faultline/agent/input/textfile"
	"github.com/faultline/faultline/plugins/base"
	"github.com/faultline/faultline/plugins/input"
)

var files = map[string]string{
	"good.prom":  "# HELP my_jobs Jobs.\n# TYPE my_jobs gauge\nmy_jobs{queue=\"a b\",device=\"x\"} 3\nmy_total 4.5e3\n",
	"timed.prom": "timed 1 1700000000000\n",
	"bad.prom":   "fine 1\nbroken{ 2\n",
	"other.txt":  "never 1\n",
}

func target(dir string) base.Target {
	return base.Target{ID: "t", Input: "textfile", Options: map[string]string{"directory": dir}, Labels: map[string]string{"device": "srv", "instance": "srv"}}
}

func TestDirectory(t *testing.T) {
	dir := inputtest.Write(t, files)
	at := time.Unix(1_700_000_000, 0)
	if err := os.Chtimes(filepath.Join(dir, "good.prom"), at, at); err != nil {
		t.Fatal(err)
	}
	in := textfile.New(textfile.Options{})
	r, err := inputtest.Gather(t, in, target(dir))
	if !errors.As(err, new(input.Partial)) || !strings.Contains(err.Error(), "timed.prom") || !strings.Contains(err.Error(), "bad.prom: line 2") {
		t.Errorf("got %v", err)
	}
	r.Want(t, "my_jobs{device=x,queue=a b}", 3)
	r.Want(t, "my_total", 4500)
	r.Want(t, "node_textfile_scrape_error", 1)
	r.Want(t, "node_textfile_mtime_seconds{file="+dir+"/good.prom}", 1.7e9)
	for _, s := range []string{"fine", "timed", "never", "node_textfile_mtime_seconds{file=" + dir + "/bad.prom}"} {
		r.Without(t, s)
	}
	for _, name := range []string{"timed.prom", "bad.prom"} {
		if err := os.Remove(filepath.Join(dir, name)); err != nil {
			t.Fatal(err)
		}
	}
	inputtest.Up(t, in, target(dir)).Want(t, "node_textfile_scrape_error", 0)
	inputtest.Down(t, in, target(filepath.Join(dir, "gone")), "missing")
	for _, bad := range []string{"", "relative", "/x/*"} {
		if in.CheckTarget(target(bad)) == nil {
			t.Errorf("directory %q is taken", bad)
		}
	}
}

// TestLikeNodeExporter reads a directory beside Debian's node_exporter: the same
// series, values and judgement of each file.
func TestLikeNodeExporter(t *testing.T) {
	bin := inputtest.Program(t, "prometheus-node-exporter", "prometheus-node-exporter")
	dir := inputtest.Write(t, map[string]string{"good.prom": files["good.prom"], "timed.prom": files["timed.prom"], "bad.prom": files["bad.prom"], "other.txt": "never 1\n"})
	at := inputtest.FreePort(t)
	inputtest.Start(t, exec.Command(bin, "--web.listen-address="+at, "--collector.disable-defaults", "--collector.textfile", "--collector.textfile.directory="+dir))
	exporter, tg := scrape.New(scrape.Options{}), base.Target{ID: "n", Address: at}
	var theirs *inputtest.Recorder
	inputtest.Until(t, "a page of node_exporter", func() bool {
		r, err := inputtest.Gather(t, exporter, tg)
		theirs = r
		return err == nil
	})
	ours, _ := inputtest.Gather(t, textfile.New(textfile.Options{}), target(dir))
	for s, v := range theirs.Values {
		if strings.HasPrefix(s, "my_") || strings.HasPrefix(s, "node_textfile_") {
			ours.Want(t, s, v)
		}
	}
	for s := range ours.Values {
		if _, ok := theirs.Values[s]; !ok {
			t.Errorf("node_exporter has no %s", s)
		}
	}
}

// TestSeriesEnd: what no file says any more ends once, with the file's own time.
func TestSeriesEnd(t *testing.T) {
	dir := inputtest.Write(t, map[string]string{"a.prom": "a 1\nb 2\n", `c"d\e.prom`: "c 3\n"})
	in, tg := textfile.New(textfile.Options{}), target(dir)
	gather := func(what string, want ...string) {
		t.Helper()
		r, _ := inputtest.Gather(t, in, tg)
		ended(t, what, r, want)
	}
	gather("first")
	inputtest.Up(t, in, tg).Want(t, `node_textfile_mtime_seconds{file=`+dir+`/c"d\e.prom}`, mtime(t, dir+`/c"d\e.prom`))
	if err := errors.Join(os.Remove(dir+`/c"d\e.prom`), os.WriteFile(dir+"/a.prom", []byte("b 2\n"), 0o600)); err != nil {
		t.Fatal(err)
	}
	gather("a file and a series gone", "a", "c", `node_textfile_mtime_seconds{file=`+dir+`/c"d\e.prom}`)
	gather("the same")
	if err := os.Rename(dir, dir+"-away"); err != nil {
		t.Fatal(err)
	}
	gather("no directory", "b", "node_textfile_mtime_seconds{file="+dir+"/a.prom}")
	if err := os.Rename(dir+"-away", dir); err != nil {
		t.Fatal(err)
	}
	gather("back")
	for _, want := range [][]string{{"b", "node_textfile_mtime_seconds{file=" + dir + "/a.prom}"}, nil} {
		r := &inputtest.Recorder{}
		in.End(tg, r)
		ended(t, "no longer read", r, want)
	}
}

func ended(t *testing.T, what string, r *inputtest.Recorder, want []string) {
	t.Helper()
	var got []string
	for s, v := range r.Values {
		if base.IsStale(v) {
			got = append(got, s)
		}
	}
	slices.Sort(got)
	if !slices.Equal(got, want) {
		t.Errorf("%s: ended %q, want %q", what, got, want)
	}
}

func mtime(t *testing.T, path string) float64 {
	t.Helper()
	st, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	return float64(st.ModTime().Unix())
}
