package ingest

import (
	"net/http"
	"strconv"
	"testing"

	"github.com/faultline/faultline/internal/wire"
)

// While as many bring backlog as may, another one is put off and what is live
// finds its place.
func TestBacklogLeavesRoomForLive(t *testing.T) {
	f := newFixture(t, func(o *Options) { o.Limits.Concurrent, o.Limits.Backlog = 4, 1 })
	ct, body := encode(1, sample(1, 1, "up"))
	kept := func(r *http.Request) { r.Header.Set(wire.HeaderBacklog, "1") }
	var second, live *http.Response
	f.store.then = func() {
		f.store.then = nil
		second = f.post(PathWrite, ct, body, kept)
		live = f.post(PathWrite, ct, body, nil)
	}
	if r := f.post(PathWrite, ct, body, kept); r.StatusCode != http.StatusNoContent {
		t.Errorf("the first of the backlog: %d", r.StatusCode)
	}
	if live.StatusCode != http.StatusNoContent {
		t.Errorf("live: %d", live.StatusCode)
	}
	if wait, err := strconv.Atoi(second.Header.Get("Retry-After")); second.StatusCode != http.StatusServiceUnavailable || err != nil || wait < 1 || wait > 5 {
		t.Errorf("the second of the backlog: %d, Retry-After %q", second.StatusCode, second.Header.Get("Retry-After"))
	}
	if r := f.post(PathWrite, ct, body, kept); r.StatusCode != http.StatusNoContent {
		t.Errorf("once the first is done: %d", r.StatusCode)
	}
}
