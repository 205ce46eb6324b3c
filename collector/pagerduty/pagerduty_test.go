package pagerduty

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/faultline/faultline/collector/incident"
	"github.com/faultline/faultline/collector/intake"
	"github.com/faultline/faultline/internal/lang"
)

var t0 = time.Date(2026, 11, 21, 8, 0, 0, 0, time.UTC)

// kv is a store in memory.
type kv map[string]string

func (k kv) KVList(_ context.Context, prefix string) (map[string]string, error) {
	out := map[string]string{}
	for n, v := range k {
		if strings.HasPrefix(n, prefix) {
			out[n] = v
		}
	}
	return out, nil
}

func (k kv) KVPutAll(_ context.Context, values map[string]string) error {
	maps.Copy(k, values)
	return nil
}

func (k kv) KVDelete(_ context.Context, names ...string) error {
	for _, n := range names {
		delete(k, n)
	}
	return nil
}

type fixture struct {
	t     *testing.T
	h     *Handler
	board *intake.Board
	now   time.Time
	acked []string
}

func newFixture(t *testing.T) *fixture {
	f := &fixture{t: t, now: t0}
	clock := func() time.Time { return f.now }
	var err error
	if f.board, err = intake.Open(t.Context(), intake.Options{Store: kv{}, Now: clock}); err != nil {
		t.Fatal(err)
	}
	f.h, err = New(Options{Board: f.board, Now: clock, PerMinute: 100, Logger: slog.New(slog.DiscardHandler), Authenticate: func(_ context.Context, key string) (Sender, error) {
		switch key {
		case "key-app":
			return Sender{Name: "app"}, nil
		case "key-branch":
			return Sender{Name: "branch", Sites: []string{"branch-2"}}, nil
		case "key-broken":
			return Sender{}, errors.New("database is gone")
		}
		return Sender{}, fmt.Errorf("look up: %w", ErrKey)
	}, Acknowledged: func(_ context.Context, a intake.Alert) error {
		f.acked = append(f.acked, a.Labels["dedup_key"])
		return nil
	}})
	if err != nil {
		t.Fatal(err)
	}
	return f
}

// send posts an event and returns status and answer.
func (f *fixture) send(body string) (int, reply) {
	f.t.Helper()
	w := httptest.NewRecorder()
	f.h.ServeHTTP(w, httptest.NewRequest(http.MethodPost, Path, strings.NewReader(body)))
	var out reply
	if err := json.Unmarshal(w.Body.Bytes(), &out); err != nil {
		f.t.Fatalf("%v: %s", err, w.Body)
	}
	return w.Code, out
}

func event(key, action, dedup, payload string) string {
	return fmt.Sprintf(`{"routing_key":%q,"event_action":%q,"dedup_key":%q,"payload":%s}`, key, action, dedup, payload)
}

const payload = `{"summary":"订单库连接耗尽","source":"db-1.example.com","severity":"error","component":"PostgreSQL","group":"orders","class":"connections",
	"timestamp":"2026-11-21T07:59:00Z","custom_details":{"site":"branch-2","device":"db-1","used":98}}`

func TestLife(t *testing.T) {
	f := newFixture(t)
	for _, early := range []string{Acknowledge, Resolve} { // of what is not open: dropped
		if code, out := f.send(event("key-app", early, "d1", "null")); code != 202 || out.Status != "success" || out.Dedup != "d1" {
			t.Fatalf("%s: %d %+v", early, code, out)
		}
	}
	if code, out := f.send(event("key-app", Trigger, "d1", payload)); code != 202 || out.Dedup != "d1" || len(f.board.Alerts()) != 1 || len(f.acked) != 0 {
		t.Fatalf("trigger: %d %+v, %+v", code, out, f.board.Alerts())
	}
	got := f.board.Alerts()[0]
	want := intake.Alert{Fingerprint: Fingerprint("app", "d1"), Source: "pagerduty", Sender: "app", StartsAt: t0.Add(-time.Minute), UpdatedAt: t0,
		Labels: map[string]string{"alertname": "connections", "severity": "error", "source": "db-1.example.com", "component": "PostgreSQL", "group": "orders",
			"class": "connections", "dedup_key": "d1", "site": "branch-2", "device": "db-1"},
		Annotations: map[string]string{"summary": "订单库连接耗尽", "details": `{"site":"branch-2","device":"db-1","used":98}`}}
	if d := cmp.Diff(got, want); d != "" {
		t.Errorf("alert (-got +want):\n%s", d)
	}
	if a := f.board.Firing()[0]; a.Severity() != "major" || a.Site() != "branch-2" || a.Device() != "db-1" {
		t.Errorf("judged %+v", a)
	}
	f.now = t0.Add(time.Hour)
	f.send(event("key-app", Trigger, "d1", payload))    // goes on
	f.send(event("key-branch", Trigger, "d1", payload)) // another sender's d1
	if got := f.board.Alerts(); len(got) != 2 || f.now.Sub(t0) != time.Hour {
		t.Fatalf("%+v", got)
	}
	f.send(event("key-app", Acknowledge, "d1", "null"))
	if a, ok := f.board.Alert(Fingerprint("app", "d1")); !ok || a.AckedBy != "app" || !a.StartsAt.Equal(t0.Add(-time.Minute)) || len(f.acked) != 1 {
		t.Fatalf("acknowledged %+v, %v", a, f.acked)
	}
	f.send(event("key-app", Resolve, "d1", "null"))
	if _, ok := f.board.Alert(Fingerprint("app", "d1")); ok || len(f.board.Alerts()) != 1 {
		t.Fatal("resolved and still open, or the other sender's as well")
	}
	f.now = t0.Add(2 * time.Hour)
	f.send(event("key-app", Trigger, "d1", strings.Replace(payload, "07:59", "09:59", 1))) // anew
	if a, ok := f.board.Alert(Fingerprint("app", "d1")); !ok || a.AckedBy != "" || !a.StartsAt.Equal(t0.Add(119*time.Minute)) {
		t.Fatalf("opened again %+v", a)
	}
}

func TestEachTriggerWithoutKeyIsNew(t *testing.T) {
	f := newFixture(t)
	_, a := f.send(event("key-app", Trigger, "", payload))
	_, b := f.send(event("key-app", Trigger, "", payload))
	if a.Dedup == "" || a.Dedup == b.Dedup || len(f.board.Alerts()) != 2 {
		t.Fatalf("%+v, %+v", a, b)
	}
}

func TestAnswers(t *testing.T) {
	f := newFixture(t)
	long := strings.Repeat("长", 1025)
	tests := []struct {
		name, body string
		code       int
		says       string
	}{
		{"no JSON", `{`, 400, "Invalid JSON"},
		{"nothing", `{}`, 400, "routing_key"},
		{"no key", event("", Trigger, "d", payload), 400, "routing_key"},
		{"unknown key", event("key-x", Trigger, "d", payload), 400, "not known"},
		{"no action", event("key-app", "", "d", payload), 400, "event_action"},
		{"wrong action", event("key-app", "close", "d", payload), 400, "event_action"},
		{"resolve without dedup", event("key-app", Resolve, "", "null"), 400, "dedup_key"},
		{"long dedup", event("key-app", Trigger, strings.Repeat("d", 256), payload), 400, "dedup_key"},
		{"no payload", event("key-app", Trigger, "d", "null"), 400, "payload.summary"},
		{"long summary", event("key-app", Trigger, "d", `{"summary":"`+long+`","source":"s","severity":"info"}`), 400, "payload.summary"},
		{"no source", event("key-app", Trigger, "d", `{"summary":"s","severity":"info"}`), 400, "payload.source"},
		{"wrong severity", event("key-app", Trigger, "d", `{"summary":"s","source":"x","severity":"major"}`), 400, "payload.severity"},
		{"another's site", event("key-branch", Trigger, "d", strings.Replace(payload, "branch-2", "hq", 1)), 400, "site"},
		{"too large", `{"x":"` + strings.Repeat("x", maxBody) + `"}`, 413, "512 kB"},
		{"broken inside", event("key-broken", Trigger, "d", payload), 500, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			code, out := f.send(tt.body)
			if code != tt.code || !strings.Contains(strings.Join(out.Errors, "; "), tt.says) {
				t.Errorf("%d %+v, want %d %q", code, out, tt.code, tt.says)
			}
		})
	}
	if n := len(f.board.Alerts()); n != 0 {
		t.Errorf("%d alerts from wrong events", n)
	}
	// One site: it need not be named.
	if code, _ := f.send(event("key-branch", Trigger, "d", `{"summary":"s","source":"x","severity":"info"}`)); code != 202 || f.board.Alerts()[0].Labels["site"] != "branch-2" {
		t.Errorf("%d, %+v", code, f.board.Alerts())
	}
	w := httptest.NewRecorder()
	f.h.ServeHTTP(w, httptest.NewRequest(http.MethodGet, Path, nil))
	if w.Code != 405 {
		t.Errorf("GET is answered %d", w.Code)
	}
}

func TestTooMany(t *testing.T) {
	f := newFixture(t)
	codes := map[int]int{}
	for range 105 {
		code, _ := f.send(event("key-app", Trigger, "d", payload))
		codes[code]++
	}
	if d := cmp.Diff(codes, map[int]int{202: 100, 429: 5}); d != "" {
		t.Error(d)
	}
	if code, _ := f.send(event("key-branch", Trigger, "d", payload)); code != 202 {
		t.Errorf("another sender is throttled too: %d", code)
	}
	f.now = f.now.Add(time.Minute)
	if code, _ := f.send(event("key-app", Trigger, "d", payload)); code != 202 {
		t.Errorf("a minute later: %d", code)
	}
}

// TestSignature holds the scheme to a value made with openssl:
// printf '{"a":1}' | openssl dgst -sha256 -hmac new-key-0123456789
func TestSignature(t *testing.T) {
	const want = "v1=9c21982410b73675b4a95d3feb009ca36b2618f6e63b13fd411906fd5eaef9fa"
	if got := Sign([]byte(`{"a":1}`), "new-key-0123456789"); got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	two := Sign([]byte(`{"a":1}`), "new-key-0123456789", "old-key-0123456789")
	for _, k := range []string{"new-key-0123456789", "old-key-0123456789"} {
		if !Verify(two, []byte(`{"a":1}`), k) || Verify(two, []byte(`{"a":2}`), k) {
			t.Errorf("%s with %s", two, k)
		}
	}
	if Verify("", []byte("x"), "k") || Verify("v1=", []byte("x"), "k") || Verify(two, []byte(`{"a":1}`), "third-key-012345678") {
		t.Error("a wrong signature verifies")
	}
}

// log is an incident's story.
func log(t *testing.T, kinds ...incident.Event) []incident.Event {
	t.Helper()
	open := incident.Event{Kind: incident.Opened, Number: "20261121-0042", Process: "network", ProcessVersion: "network@1#x", Diagnosis: &incident.Diagnosis{Cause: "line/a:line-2",
		Class: incident.ClassCarrierLine, Site: "branch-2", Device: "line-2", Severity: incident.SeverityMajor, VendorKind: incident.VendorCarrier,
		Title: lang.Text{ZH: "专线中断", EN: "line down"}, Affected: []string{}}}
	var sealed []incident.Event
	_, sealed, err := incident.Append(incident.Incident{}, stamp(append([]incident.Event{open}, kinds...)))
	if err != nil {
		t.Fatal(err)
	}
	return sealed
}

func stamp(events []incident.Event) []incident.Event {
	for i := range events {
		events[i].IncidentID, events[i].ID, events[i].At = "ab12", fmt.Sprint("e", i), t0.Add(time.Duration(i)*time.Minute)
		if events[i].Actor.Kind == "" {
			events[i].Actor = incident.System
		}
	}
	return events
}

func TestWebhooks(t *testing.T) {
	person := incident.Actor{Kind: "person", ID: "u1", Name: "张伟", Role: "hq_network"}
	events := log(t, incident.Event{Kind: incident.Acked, Actor: person}, incident.Event{Kind: incident.Commented, Actor: person, Comment: "已电话联系"},
		incident.Event{Kind: incident.RecoverySeen}, incident.Event{Kind: incident.Verified, Proof: lang.Same("ok")}, incident.Event{Kind: incident.Closed, Reason: "done"})
	got, err := Webhooks(events, 0, "https://noc.example.com/incidents/ab12", lang.ZH)
	if err != nil {
		t.Fatal(err)
	}
	var types, status []string
	ids := map[string]bool{}
	for _, b := range got {
		var w struct {
			Event struct {
				ID, EventType string
				Data          map[string]any
				Agent         map[string]any
			}
		}
		if err := json.Unmarshal(b.JSON, &w); err != nil {
			t.Fatal(err)
		}
		types = append(types, b.Type)
		status = append(status, fmt.Sprint(w.Event.Data["status"]))
		ids[b.ID] = true
		if len(b.ID) != 26 {
			t.Errorf("id %q", b.ID)
		}
		if b.Type == Acknowledged && (w.Event.Agent["summary"] != "张伟" || w.Event.Data["title"] != "专线中断" || w.Event.Data["number"] != "20261121-0042" || w.Event.Data["urgency"] != "high") {
			t.Errorf("acknowledged %s", b.JSON)
		}
	}
	if d := cmp.Diff(types, []string{Triggered, Acknowledged, Annotated, Resolved}); d != "" {
		t.Error(d)
	}
	if d := cmp.Diff(status, []string{"triggered", "acknowledged", "<nil>", "resolved"}); d != "" || len(ids) != 4 {
		t.Error(d, ids)
	}
	again, err := Webhooks(events, got[1].Seq, "https://noc.example.com/incidents/ab12", lang.ZH)
	if err != nil || len(again) != 2 || again[1].ID != got[3].ID || string(again[1].JSON) != string(got[3].JSON) {
		t.Errorf("from the middle: %v, %d", err, len(again))
	}
	closed, err := Webhooks(log(t, incident.Event{Kind: incident.Closed, Reason: "mistake", Actor: person}), 1, "u", lang.EN)
	if err != nil || len(closed) != 1 || closed[0].Type != Resolved || !strings.Contains(string(closed[0].JSON), "line down") {
		t.Errorf("closed without verification: %v, %+v", err, closed)
	}
}

func FuzzParse(f *testing.F) {
	f.Add(event("key-app", Trigger, "d", payload))
	f.Add(`{"payload":{"custom_details":[1]}}`)
	f.Fuzz(func(t *testing.T, body string) {
		e, wrong := Parse([]byte(body))
		if len(wrong) == 0 && e.Action == Trigger {
			if a := e.Alert("s", t0); a.Labels["alertname"] == "" && e.Payload.Class == "" && strings.TrimSpace(e.Payload.Summary) != "" {
				t.Fatalf("no name: %+v", a)
			}
		}
	})
}
