//go:build linux

package host_test

import (
	"bytes"
	"context"
	"errors"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/faultline/faultline/plugins/host/spec"
	"github.com/faultline/faultline/plugins/remedy"
)

// hostiles are two of the runners of testdata/hostile: one that is made to
// misbehave, and its neighbour.
func hostiles(t *testing.T, limits spec.Limits) *running {
	t.Helper()
	path := filepath.Join(t.TempDir(), "hostile")
	if out, err := exec.Command("go", "build", "-o", path, "./testdata/hostile").CombinedOutput(); err != nil {
		t.Fatalf("go build: %v\n%s", err, out)
	}
	r := start(t, spec.Plugin{Name: "hostile", Contract: spec.Remedy, Path: path, SHA256: sum(t, path), Limits: limits},
		spec.Plugin{Name: "neighbour", Contract: spec.Remedy, Path: path, SHA256: sum(t, path)})
	for _, name := range []string{"hostile", "neighbour"} {
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		if err := r.Await(ctx, spec.Remedy, name); err != nil {
			t.Fatal(err)
		}
		cancel()
	}
	return r
}

// runs has the plugin carry something out.
func runs(t *testing.T, r *running, plugin, what string) (remedy.Outcome, string, error) {
	t.Helper()
	runner, ok := r.Runner(plugin)
	if !ok {
		t.Fatalf("no runner %s", plugin)
	}
	var out bytes.Buffer
	o, err := runner.Run(t.Context(), remedy.Order{Key: plugin + "/" + what, Remedy: what, Timeout: 20 * time.Second}, &out)
	return o, out.String(), err
}

// TestHostileRunner: a runner that crashes, hangs, floods, eats memory or lies
// costs its own run only: it may have been begun, nobody believes what is
// nonsense, its neighbour works all the while, and it is there again.
func TestHostileRunner(t *testing.T) {
	t.Parallel()
	r := hostiles(t, spec.Limits{Memory: 96 << 20, Deadline: 3 * time.Second, Answer: 64 << 10})
	for _, c := range []struct{ what, want string }{
		{"crash", "exit status 9"}, {"hang", "no answer"}, {"hog", ""}, {"flood", ""},
		{"lie-state", `ended as "glorious"`}, {"lie-number", `ended as "done"`}, {"lie-pin", `ended as "done"`}, {"deny", "nothing happened, honestly"},
	} {
		o, printed, err := runs(t, r, "hostile", c.what)
		for deadline := time.Now().Add(time.Minute); err != nil && !begun(err) && time.Now().Before(deadline); { // it starts again
			time.Sleep(20 * time.Millisecond)
			o, printed, err = runs(t, r, "hostile", c.what)
		}
		if c.what == "flood" && err == nil { // it kept its time
			if len(o.Summary) > 600 {
				t.Errorf("flood: a summary of %d bytes", len(o.Summary))
			}
		} else if err == nil || !begun(err) || !strings.Contains(err.Error(), c.want) || strings.Contains(err.Error(), "\x1b") {
			t.Errorf("%s: %+v %v, want %q of a run that may have been begun", c.what, o, err, c.want)
		}
		if len(printed) > 80<<10 {
			t.Errorf("%s: %d bytes came through", c.what, len(printed))
		}
		if o, _, err := runs(t, r, "neighbour", "well"); err != nil || o.State != remedy.Done {
			t.Errorf("after %s its neighbour: %+v %v", c.what, o, err)
		}
	}
	runner, _ := r.Runner("hostile")
	if o, found, err := runner.Find(t.Context(), "known"); err == nil || found {
		t.Errorf("it knows of %+v", o)
	}
	for _, s := range r.Status() {
		if s.Name == "neighbour" && s.Starts != 1 {
			t.Errorf("the neighbour was started %d times", s.Starts)
		}
	}
}

// begun tells whether the error says that something may have been done.
func begun(err error) bool {
	var e *remedy.Error
	return errors.As(err, &e) && e.Begun
}
