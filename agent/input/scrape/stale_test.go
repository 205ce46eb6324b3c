package scrape_test

import (
	"errors"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/faultline/faultline/agent/input/inputtest"
	"github.com/faultline/faultline/agent/input/scrape"
	"github.com/faultline/faultline/plugins/base"
	"github.com/faultline/faultline/plugins/input"
)

// changing is an exporter whose page a test changes; "" is an error of the server.
type changing struct {
	mu   sync.Mutex
	page string
}

func (c *changing) set(page string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.page = page
}

func (c *changing) ServeHTTP(w http.ResponseWriter, _ *http.Request) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.page == "" {
		w.WriteHeader(http.StatusInternalServerError)
		return
	}
	_, _ = w.Write([]byte(c.page))
}

// ended returns what a reading said ended.
func ended(r *inputtest.Recorder) []string {
	var got []string
	for s, v := range r.Values {
		if base.IsStale(v) {
			got = append(got, s)
		}
	}
	slices.Sort(got)
	return got
}

// TestSeriesEnd: what a page no longer has ends once, and everything when there is
// no page; what the agent says of the target itself does not.
func TestSeriesEnd(t *testing.T) {
	c := &changing{}
	tg, in := target(exporter(t, c.ServeHTTP)), scrape.New(scrape.Options{})
	gather := func(what, page string, want ...string) *inputtest.Recorder {
		t.Helper()
		c.set(page)
		r, err := inputtest.Gather(t, in, tg)
		if partial := errors.As(err, new(input.Partial)); (page == "" || strings.HasPrefix(page, "<")) != (err != nil && !partial) {
			t.Fatalf("%s: %v", what, err)
		}
		if d := cmp.Diff(want, ended(r)); d != "" {
			t.Errorf("%s: %s", what, d)
		}
		return r
	}
	dated := fmt.Sprintf("dated 1 %d\n", time.Now().UnixMilli())
	gather("first", "a 1\nb{job=\"j\"} 2\nc 3\nup 1\n"+dated)
	r := gather("one gone", "a 1\nb{job=\"j\"} 2\n", "c")
	if r.Times["c"] != r.Times["a"] {
		t.Errorf("c ended at %d, the page is of %d", r.Times["c"], r.Times["a"])
	}
	gather("the same", "a 1\nb{job=\"j\"} 2\n")
	gather("no page", "", "a", "b{exported_job=j}")
	gather("still none", "")
	gather("back, with a fault", "a 1\na 1\nd 4\n")
	gather("no text", "<html>", "a", "d")
	gather("back", "a 1\nd 4\n")
	tg.Options["honor_timestamps"] = "false"
	gather("asked otherwise", "a 1\ndated 1 5\n", "d")
	gather("times are not its own", "a 1\n", "dated")
	tg.Labels = maps.Clone(tg.Labels)
	tg.Labels["colour"] = "red"
	gather("under other labels", "a{colour=\"x\"} 1\n")
	rec := &inputtest.Recorder{}
	in.End(tg, rec)
	if d := cmp.Diff([]string{"a{exported_colour=x}"}, ended(rec)); d != "" || len(rec.Values) != 1 {
		t.Errorf("no longer scraped: %s %v", d, rec.Values)
	}
	rec = &inputtest.Recorder{}
	in.End(tg, rec)
	if len(rec.Values) != 0 {
		t.Errorf("twice: %v", rec.Values)
	}
}
