package hooks

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/faultline/faultline/collector/incident"
	"github.com/faultline/faultline/collector/pagerduty"
	"github.com/faultline/faultline/internal/lang"
	"github.com/faultline/faultline/internal/secret"
)

var t0 = time.Date(2026, 11, 21, 8, 0, 0, 0, time.UTC)

// kv is a Store in memory.
type kv map[string]string

func (k kv) KVList(_ context.Context, prefix string) (map[string]string, error) {
	out := maps.Clone(k)
	maps.DeleteFunc(out, func(n, _ string) bool { return !strings.HasPrefix(n, prefix) })
	return out, nil
}
func (k kv) KVPut(_ context.Context, name, value string) error { k[name] = value; return nil }
func (k kv) KVDelete(_ context.Context, names ...string) error {
	for _, n := range names {
		delete(k, n)
	}
	return nil
}

// source is a Source in memory.
type source map[string][]incident.Event

func (s source) Events(_ context.Context, id string) ([]incident.Event, error) { return s[id], nil }

func (s source) Recent(context.Context) ([]incident.Incident, error) {
	var out []incident.Incident
	for _, log := range s {
		i, err := incident.Fold(log)
		if err != nil {
			return nil, err
		}
		out = append(out, i)
	}
	return out, nil
}

// happen appends events to an incident.
func (s source) happen(t *testing.T, id string, at time.Time, events ...incident.Event) {
	t.Helper()
	before, err := incident.Fold(s[id])
	if err != nil {
		t.Fatal(err)
	}
	if len(s[id]) == 0 {
		open := incident.Event{Kind: incident.Opened, Number: "20261121-" + id, Process: "network", ProcessVersion: "network@1#x", Diagnosis: &incident.Diagnosis{Cause: id, Class: incident.ClassCarrierLine,
			Site: "b2", Severity: incident.SeverityMajor, VendorKind: incident.VendorCarrier, Title: lang.Text{ZH: "专线中断", EN: "line down"}, Affected: []string{}}}
		events = append([]incident.Event{open}, events...)
	}
	for n := range events {
		events[n].IncidentID, events[n].ID, events[n].At, events[n].Actor = id, fmt.Sprint(id, len(s[id])+n), at, incident.System
	}
	_, sealed, err := incident.Append(before, events)
	if err != nil {
		t.Fatal(err)
	}
	s[id] = append(s[id], sealed...)
}

// listener is a subscriber's program; answers are used up, then it says 200.
type listener struct {
	*httptest.Server
	mu      sync.Mutex
	bodies  []string
	headers []http.Header
	answers []int
}

func newListener(t *testing.T) *listener {
	l := &listener{}
	l.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		b, _ := io.ReadAll(r.Body)
		l.mu.Lock()
		defer l.mu.Unlock()
		if len(l.answers) > 0 {
			code := l.answers[0]
			l.answers = l.answers[1:]
			if code != 200 {
				w.WriteHeader(code)
				return
			}
		}
		l.bodies, l.headers = append(l.bodies, string(b)), append(l.headers, r.Header)
	}))
	t.Cleanup(l.Close)
	return l
}

// answer sets the answers to come.
func (l *listener) answer(codes ...int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.answers = codes
}

// types are the events of PagerDuty's webhooks that arrived.
func (l *listener) types(t *testing.T) []string {
	t.Helper()
	l.mu.Lock()
	defer l.mu.Unlock()
	var out []string
	for _, b := range l.bodies {
		var w pagerduty.Webhook
		if err := json.Unmarshal([]byte(b), &w); err != nil {
			t.Fatal(err)
		}
		out = append(out, strings.TrimPrefix(w.Event.Type, "incident."))
	}
	return out
}

// start is a feed on the store, at a simulated time.
func start(t *testing.T, s Subscriber, store kv, src source, now *time.Time) *feed {
	t.Helper()
	svc, err := New(Options{Subscribers: []Subscriber{s}, Source: src, Store: store, Now: func() time.Time { return *now }, Logger: slog.New(slog.DiscardHandler),
		URL: func(id string) string { return "https://noc.example.com/incidents/" + id }})
	if err != nil {
		t.Fatal(err)
	}
	if err := svc.feeds[0].load(t.Context()); err != nil {
		t.Fatal(err)
	}
	return svc.feeds[0]
}

var keys = []secret.String{"new-key-0123456789", "old-key-0123456789"}

func TestPagerDuty(t *testing.T) {
	l, store, src, now := newListener(t), kv{}, source{}, t0
	src.happen(t, "old", t0.Add(-time.Hour)) // before anybody listened
	sub := Subscriber{Name: "itsm", Format: PagerDuty, URL: secret.String(l.URL), Keys: keys, Token: "tok"}
	f := start(t, sub, store, src, &now)
	src.happen(t, "a", t0.Add(time.Second), incident.Event{Kind: incident.Commented, Comment: "x"})
	round := func() { _ = f.round(t.Context()) }
	round()
	round()
	if got := l.types(t); !slices.Equal(got, []string{"triggered", "annotated"}) {
		t.Fatalf("told %v", got)
	}
	for i, h := range l.headers {
		for _, k := range keys {
			if !pagerduty.Verify(h.Get(pagerduty.SignatureHeader), []byte(l.bodies[i]), k.Reveal()) {
				t.Errorf("%s does not verify", h.Get(pagerduty.SignatureHeader))
			}
		}
		if h.Get("Authorization") != "Bearer tok" || h.Get("Idempotency-Key") == "" {
			t.Errorf("headers %v", h)
		}
	}
	// Failures: order is kept, and after a restart too.
	l.answers = []int{503, 429}
	src.happen(t, "a", t0.Add(2*time.Second), incident.Event{Kind: incident.Acked}, incident.Event{Kind: incident.Commented, Comment: "y"})
	round()
	round() // too early: nothing is tried
	if len(l.answers) != 1 {
		t.Fatalf("%d answers left: it did not wait", len(l.answers))
	}
	f = start(t, sub, store, src, &now)
	round()
	now = now.Add(time.Hour)
	round()
	if got := l.types(t); !slices.Equal(got, []string{"triggered", "annotated", "acknowledged", "annotated"}) {
		t.Fatalf("told %v", got)
	}
	// What is refused for good is passed over, what is older than 48 hours given up.
	l.answers = []int{410}
	src.happen(t, "a", now, incident.Event{Kind: incident.Commented, Comment: "z"}, incident.Event{Kind: incident.Closed, Reason: "done"})
	round()
	src.happen(t, "b", now)
	now = now.Add(49 * time.Hour)
	round()
	if got := l.types(t); !slices.Equal(got[4:], []string{"resolved"}) {
		t.Fatalf("told %v", got)
	}
	delete(src, "a")
	round()
	if _, kept := store[f.name("a")]; kept || store[f.name("b")] == "" {
		t.Errorf("kept %v", store)
	}
}

func TestAlertmanager(t *testing.T) {
	l, store, src, now := newListener(t), kv{}, source{}, t0
	f := start(t, Subscriber{Name: "oa", Format: Alertmanager, URL: secret.String(l.URL), Sites: []string{"b2"}, Language: "en"}, store, src, &now)
	src.happen(t, "a", t0.Add(time.Second))
	for range 3 {
		if err := f.round(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	src.happen(t, "a", t0.Add(2*time.Second), incident.Event{Kind: incident.Commented, Comment: "shows nothing new"})
	if err := f.round(t.Context()); err != nil || len(l.bodies) != 1 {
		t.Fatalf("%v, %d messages", err, len(l.bodies))
	}
	src.happen(t, "a", t0.Add(3*time.Second), incident.Event{Kind: incident.Closed, Reason: "done"})
	if err := f.round(t.Context()); err != nil || len(l.bodies) != 2 {
		t.Fatalf("%v, %d messages", err, len(l.bodies))
	}
	if !strings.Contains(l.bodies[0], `"status":"firing"`) || !strings.Contains(l.bodies[0], "line down") || !strings.HasPrefix(l.bodies[1], `{"receiver":"faultline","status":"resolved"`) {
		t.Errorf("%s\n%s", l.bodies[0], l.bodies[1])
	}
	if l.headers[0].Get(pagerduty.SignatureHeader) != "" {
		t.Error("signed without keys")
	}
}

func TestRun(t *testing.T) {
	l, src := newListener(t), source{}
	svc, err := New(Options{Subscribers: []Subscriber{{Name: "itsm", Format: PagerDuty, URL: secret.String(l.URL), Keys: keys}}, Source: src, Store: kv{}, Poll: 10 * time.Millisecond,
		Now: func() time.Time { return t0 }, Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	src.happen(t, "a", t0)
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- svc.Run(ctx) }()
	svc.Wake()
	deadline := time.After(30 * time.Second)
	for len(l.types(t)) == 0 {
		select {
		case <-deadline:
			t.Fatal("nothing was told in 30 s")
		case <-time.After(5 * time.Millisecond):
		}
	}
	stop()
	if err := <-done; err != nil {
		t.Fatal(err)
	}
}

func TestValidate(t *testing.T) {
	for name, s := range map[string]Subscriber{"no name": {Format: Alertmanager, URL: "https://x.example"}, "format": {Name: "a", Format: "xml", URL: "https://x.example"},
		"address": {Name: "a", Format: Alertmanager, URL: "x"}, "no key": {Name: "a", Format: PagerDuty, URL: "https://x.example"}, "short key": {Name: "a", Format: PagerDuty, URL: "https://x.example", Keys: []secret.String{"k"}}} {
		if s.Validate() == nil {
			t.Errorf("%s: accepted", name)
		}
	}
}
