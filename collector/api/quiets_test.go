package api_test

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/faultline/faultline/collector/api"
	"github.com/faultline/faultline/collector/engine"
)

// shelf keeps texts in memory.
type shelf map[string]string

func (k shelf) KVGet(_ context.Context, name string) (string, error) {
	if v, ok := k[name]; ok {
		return v, nil
	}
	return "", engine.ErrNotFound
}

func (k shelf) KVPut(_ context.Context, name, value string) error {
	k[name] = value
	return nil
}

func newQuietFixture(t *testing.T) (*fixture, *engine.Quiets) {
	t.Helper()
	f := newFixture(t)
	quiets, err := engine.OpenQuiets(t.Context(), shelf{})
	if err != nil {
		t.Fatal(err)
	}
	now := func() time.Time { return at }
	things := map[string]string{"sh": "sh", "bj": "bj", "rtr-2": "sh", "carrier-a:line-2": "sh", "rtr-9": "bj", "carrier-a": ""}
	gate := &api.QuietGate{Accounts: f.accounts, Quiets: quiets, Now: now, SiteOf: func(name string) (string, bool) { site, known := things[name]; return site, known }}
	if f.h, err = api.Handler(api.Options{Accounts: f.accounts, Incidents: f, Engine: f, Work: f, Offers: offers, Quiet: gate, Now: now, Logger: slog.New(slog.DiscardHandler)}); err != nil {
		t.Fatal(err)
	}
	return f, quiets
}

func announcement(more string) string {
	return fmt.Sprintf(`{"kind":"works","from":%q,"until":%q,"reason":"fibre moved"%s}`, at.Add(time.Hour).Format(time.RFC3339), at.Add(3*time.Hour).Format(time.RFC3339), more)
}

func TestQuietsAreAnnouncedAndLifted(t *testing.T) {
	f, kept := newQuietFixture(t)
	w := f.do("network", "POST", "/api/v1/quiets", announcement(`,"id":"notice-7","subjects":["carrier-a","carrier-a:line-2","rtr-2:p1"]`))
	var one struct{ ID, State, By, Kind string }
	if err := json.Unmarshal(w.Body.Bytes(), &one); err != nil || w.Code != http.StatusCreated || one.State != "planned" || one.By != "network" || one.ID != "notice-7" {
		t.Fatalf("%d %s", w.Code, w.Body)
	}
	if w := f.do("network", "POST", "/api/v1/quiets", announcement(`,"id":"notice-7","subjects":["bj"]`)); w.Code != http.StatusCreated || len(kept.List()) != 1 || kept.List()[0].Subjects[0] != "carrier-a" {
		t.Fatalf("a repeat: %d %s, kept %+v", w.Code, w.Body, kept.List())
	}
	for who, want := range map[string]int{"admin": 1, "sh": 1, "bj": 0, "viewer": 1} {
		if got := strings.Count(f.do(who, "GET", "/api/v1/quiets?state=planned,active", "").Body.String(), "notice-7"); got != want {
			t.Errorf("%s sees %d, want %d", who, got, want)
		}
	}
	if w := f.do("sh", "DELETE", "/api/v1/quiets/notice-7", ""); w.Code != http.StatusForbidden {
		t.Errorf("a branch lifted a carrier's works: %d %s", w.Code, w.Body)
	}
	if w := f.do("bj", "DELETE", "/api/v1/quiets/notice-7", ""); w.Code != http.StatusNotFound {
		t.Errorf("another branch knows of it: %d", w.Code)
	}
	if w := f.do("network", "DELETE", "/api/v1/quiets/notice-7", ""); w.Code != http.StatusNoContent {
		t.Errorf("lift: %d %s", w.Code, w.Body)
	}
	if q := kept.List()[0]; !q.Until.Equal(at) || q.From.After(q.Until) {
		t.Errorf("withdrawn before it began: %+v", q)
	}
	if body := f.do("admin", "GET", "/api/v1/quiets?state=over", "").Body.String(); !strings.Contains(body, "notice-7") {
		t.Errorf("over: %s", body)
	}
	audit, err := f.store.AuditEntries(t.Context(), 10)
	if err != nil {
		t.Fatal(err)
	}
	said := fmt.Sprint(audit)
	for _, want := range []string{"quiet.announce", "quiet.lift", "notice-7", "fibre moved", "network"} {
		if !strings.Contains(said, want) {
			t.Errorf("the audit trail lacks %q: %s", want, said)
		}
	}
}

func TestQuietsThatAreRefused(t *testing.T) {
	f, kept := newQuietFixture(t)
	for name, c := range map[string]struct {
		who, body string
		code      int
	}{
		"of an unknown thing":         {"admin", announcement(`,"subjects":["nowhere"]`), 422},
		"of nothing":                  {"admin", announcement(``), 422},
		"without a reason":            {"admin", `{"kind":"silence","subjects":["sh"]}`, 422},
		"of no kind":                  {"admin", `{"kind":"nap","subjects":["sh"],"reason":"r"}`, 422},
		"in the past":                 {"admin", `{"kind":"silence","subjects":["sh"],"reason":"r","from":"2020-01-01T00:00:00Z","until":"2020-01-02T00:00:00Z"}`, 422},
		"of too many":                 {"admin", announcement(`,"subjects":["sh"` + strings.Repeat(`,"sh"`, 250) + `]`), 422},
		"by one who looks on":         {"viewer", announcement(`,"subjects":["sh"]`), 403},
		"of another branch":           {"sh", announcement(`,"subjects":["sh","rtr-9"]`), 403},
		"of a carrier by a branch":    {"sh", announcement(`,"subjects":["carrier-a"]`), 403},
		"of labels by a branch":       {"sh", announcement(`,"labels":{"alertname":"LineDead"}`), 403},
		"with an unknown field":       {"admin", announcement(`,"subjects":["sh"],"by":"somebody else"`), 400},
		"of its own things: accepted": {"sh", announcement(`,"subjects":["sh","rtr-2"]`), 201},
	} {
		if w := f.do(c.who, "POST", "/api/v1/quiets", c.body); w.Code != c.code {
			t.Errorf("%s: %d %s, want %d", name, w.Code, w.Body, c.code)
		}
	}
	if len(kept.List()) != 1 {
		t.Errorf("kept %+v", kept.List())
	}
	if w := f.do("admin", "DELETE", "/api/v1/quiets/none", ""); w.Code != http.StatusNotFound {
		t.Errorf("lift of none: %d", w.Code)
	}
}
