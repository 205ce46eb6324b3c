package endurance

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/faultline/faultline/collector/sqlstore"
	"github.com/faultline/faultline/internal/wire"
	"github.com/faultline/faultline/plugins/base"
)

// rows is the number of series of one writer.
const rows = 40

// writer sends numbered batches of samples to the collector, beside the agent,
// and keeps which were acknowledged. A batch that is not is not repeated: what
// is found later was kept because of its own acknowledgement.
type writer struct {
	c     *company
	name  string
	every time.Duration
	late  time.Duration // how far back its samples lie
	began time.Time

	refusals

	mu    sync.Mutex // guards acked
	acked map[int64]float64
}

// refusals are what kept things from being acknowledged, and how often.
type refusals struct {
	mu   sync.Mutex // guards seen
	seen map[string]int
}

func (r *refusals) add(err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.seen == nil {
		r.seen = map[string]int{}
	}
	if status(err) == 0 {
		err = errors.New("no answer")
	}
	r.seen[err.Error()]++
}

// has tells whether something was refused in words that hold all of these.
func (r *refusals) has(words ...string) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	for text := range r.seen {
		if !slices.ContainsFunc(words, func(w string) bool { return !strings.Contains(text, w) }) {
			return true
		}
	}
	return false
}

func (r *refusals) String() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	var b strings.Builder
	for text, n := range r.seen {
		fmt.Fprintf(&b, "%d × %s; ", n, strings.TrimSpace(text))
	}
	return b.String()
}

func newWriter(c *company, name string, every, late time.Duration) *writer {
	return &writer{c: c, name: name, every: every, late: late, began: time.Now().Add(-late), acked: map[int64]float64{}}
}

// run writes until ctx ends.
func (w *writer) run(ctx context.Context) {
	tick := time.NewTicker(w.every)
	defer tick.Stop()
	var encoder wire.WriteEncoder
	for n := 1; ; n++ {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		at := time.Now().Add(-w.late).UnixMilli()
		samples := make([]base.Sample, rows)
		for i := range samples {
			samples[i] = base.Sample{Labels: base.LabelsFrom("endurance_sequence", map[string]string{"job": "endurance", "writer": w.name, "row": strconv.Itoa(i)}), Time: at, Value: float64(n)}
		}
		w.note(at, float64(n), w.post(encoder.V2(samples, nil)))
	}
}

// post returns nil when all of the body was acknowledged as written.
func (w *writer) post(body wire.WriteBody) error {
	req, err := http.NewRequest(http.MethodPost, w.c.url+"/api/v1/write", bytes.NewReader(body.Data))
	if err != nil {
		return err
	}
	req.Header.Set("Authorization", "Bearer "+w.c.token)
	req.Header.Set("Content-Type", wire.WriteV2ContentType)
	req.Header.Set("Content-Encoding", "snappy")
	req.Header.Set(wire.HeaderWriteVersion, wire.WriteV2Version)
	res, err := w.c.client.Do(req)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	text, _ := io.ReadAll(res.Body)
	if res.StatusCode/100 != 2 || res.Header.Get(wire.HeaderSamplesWritten) != strconv.Itoa(body.Samples) {
		return &statusError{res.StatusCode, string(text)}
	}
	return nil
}

func (w *writer) note(at int64, n float64, err error) {
	if err != nil {
		w.add(err)
		return
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.acked[at] = n
}

// count is how many batches were acknowledged.
func (w *writer) count() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return len(w.acked)
}

// check wants every sample of every acknowledged batch found again, as it was
// sent, and returns how many those were.
func (w *writer) check(t *testing.T) int {
	t.Helper()
	w.mu.Lock()
	defer w.mu.Unlock()
	found := w.c.raw(t, fmt.Sprintf("endurance_sequence{writer=%q}", w.name), "row", w.began)
	lost := 0
	for i := range rows {
		have := map[int64]float64{}
		for _, p := range found[strconv.Itoa(i)] {
			have[p.at] = p.value
		}
		for at, n := range w.acked {
			if got, ok := have[at]; !ok || got != n {
				lost++
				if lost <= 5 {
					t.Errorf("writer %s row %d: sample %v of %s was acknowledged; stored is %v (%t)", w.name, i, n, time.UnixMilli(at).Format(time.StampMilli), got, ok)
				}
			}
		}
	}
	if lost > 0 {
		t.Errorf("writer %s: %d of %d acknowledged samples are lost", w.name, lost, len(w.acked)*rows)
	}
	return len(w.acked) * rows
}

// reporter sends numbered events and keeps which were acknowledged.
type reporter struct {
	c     *company
	began time.Time
	refusals

	mu    sync.Mutex // guards acked
	acked map[string]bool
}

func newReporter(c *company) *reporter {
	return &reporter{c: c, began: time.Now(), acked: map[string]bool{}}
}

func (r *reporter) run(ctx context.Context) {
	tick := time.NewTicker(250 * time.Millisecond)
	defer tick.Stop()
	for n := 1; ; n++ {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		events := make([]base.Event, 4)
		for i := range events {
			events[i] = base.Event{ID: fmt.Sprintf("endurance/%d/%d", n, i), Kind: base.EventSyslog, At: time.Now(), Site: "hq", Text: "line " + strconv.Itoa(n)}
		}
		for range 1 + n%2 { // a repeat is harmless
			if _, err := r.c.call(http.MethodPost, "/api/v1/events", events); err != nil {
				r.add(err)
			} else {
				r.note(events)
			}
		}
	}
}

func (r *reporter) note(events []base.Event) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, e := range events {
		r.acked[e.ID] = true
	}
}

// count is how many events were acknowledged.
func (r *reporter) count() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return len(r.acked)
}

// check wants every acknowledged event in the database, once.
func (r *reporter) check(t *testing.T, database string) int {
	t.Helper()
	s, err := sqlstore.Open(t.Context(), sqlstore.Options{URL: database})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = s.Close() }()
	events, err := s.AgentEvents(t.Context(), r.began.Add(-time.Minute), time.Now().Add(time.Minute), 1_000_000)
	if err != nil {
		t.Fatal(err)
	}
	times := map[string]int{}
	for _, e := range events {
		times[e.ID]++
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	for id := range r.acked {
		if times[id] != 1 {
			t.Errorf("event %s was acknowledged and is stored %d times", id, times[id])
		}
	}
	return len(r.acked)
}
