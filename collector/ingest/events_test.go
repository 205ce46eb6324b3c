package ingest

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"strings"
	"testing"

	"github.com/golang/snappy"
	"github.com/google/go-cmp/cmp"

	"github.com/faultline/faultline/plugins/base"
)

func TestEvents(t *testing.T) {
	at := testNow.UTC()
	in := []base.Event{
		{ID: "1", Kind: base.EventTrap, At: at, Site: "bj", Agent: "liar", Text: "线路中断"},
		{ID: "2", Kind: base.EventChange, At: at},
	}
	for _, c := range []struct {
		name string
		src  Source
		want []base.Event
	}{
		{"own site", Source{Agent: "a1", Site: "sh"}, []base.Event{
			{ID: "1", Kind: base.EventTrap, At: at, Site: "sh", Agent: "a1", Text: "线路中断"},
			{ID: "2", Kind: base.EventChange, At: at, Site: "sh", Agent: "a1"}}},
		{"any site", Source{Agent: "a1", Site: "hq", AnySite: true}, []base.Event{
			{ID: "1", Kind: base.EventTrap, At: at, Site: "bj", Agent: "a1", Text: "线路中断"},
			{ID: "2", Kind: base.EventChange, At: at, Site: "hq", Agent: "a1"}}},
	} {
		t.Run(c.name, func(t *testing.T) {
			var got []base.Event
			f := newFixture(t, func(o *Options) {
				o.Authenticate = func(*http.Request) (Source, error) { return c.src, nil }
				o.Events = func(_ context.Context, agent string, events []base.Event) error {
					got = append(got, events...)
					return nil
				}
			})
			body, err := json.Marshal(in)
			if err != nil {
				t.Fatal(err)
			}
			if r := f.post(PathEvents, "application/json", body, nil); r.StatusCode != http.StatusOK {
				t.Fatalf("%d %s", r.StatusCode, text(r))
			}
			if d := cmp.Diff(c.want, got); d != "" {
				t.Error(d)
			}
			compressed := func(r *http.Request) { r.Header.Set("Content-Encoding", "snappy") }
			if r := f.post(PathEvents, "application/json; charset=utf-8", snappy.Encode(nil, body), compressed); r.StatusCode != http.StatusOK {
				t.Errorf("snappy: %d %s", r.StatusCode, text(r))
			}
		})
	}
}

func TestEventRefusals(t *testing.T) {
	good := `{"id":"1","kind":"trap","at":"2026-01-01T00:00:00Z"}`
	for _, c := range []struct {
		name, ct, body string
		err            error
		status         int
		text           string
		stored         int
	}{
		{"not json", "application/json", "[", nil, 400, "not a JSON array", 0},
		{"object", "application/json", good, nil, 400, "not a JSON array", 0},
		{"content type", "text/plain", "[]", nil, 415, "only application/json", 0},
		{"empty", "application/json", "[]", nil, 200, "", 0},
		{"too many", "application/json", "[" + good + "," + good + "," + good + "]", nil, 413, "at most 2", 0},
		{"large", "application/json", "[" + strings.Repeat(" ", 2000) + "]", nil, 413, "at most 1000", 0},
		{"no id", "application/json", `[` + good + `,{"kind":"trap","at":"2026-01-01T00:00:00Z"}]`, nil, 400, "stored 1 of 2 events; refused for good: event 1 has no id", 1},
		{"no time", "application/json", `[{"id":"x","kind":"trap"}]`, nil, 400, "event x has no time", 0},
		{"no kind", "application/json", `[{"id":"x","at":"2026-01-01T00:00:00Z"}]`, nil, 400, "event x has no kind", 0},
		{"store", "application/json", "[" + good + "]", errors.New("database is locked"), 503, "database is locked", 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			stored := 0
			f := newFixture(t, func(o *Options) {
				o.Limits = Limits{Events: 2, BodyBytes: 1000}
				o.Events = func(_ context.Context, _ string, events []base.Event) error {
					if c.err == nil {
						stored += len(events)
					}
					return c.err
				}
			})
			r := f.post(PathEvents, c.ct, []byte(c.body), nil)
			if got := text(r); r.StatusCode != c.status || !strings.Contains(got, c.text) || stored != c.stored {
				t.Errorf("%d %q, stored %d", r.StatusCode, got, stored)
			}
		})
	}
}
