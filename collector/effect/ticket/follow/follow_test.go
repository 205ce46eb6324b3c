package follow

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/faultline/faultline/collector/effect/ticket/desk/pagerduty"
	"github.com/faultline/faultline/collector/effect/ticket/desk/webhook"
	signed "github.com/faultline/faultline/collector/effect/ticket/webhook"
	"github.com/faultline/faultline/collector/incident"
	"github.com/faultline/faultline/collector/process"
	"github.com/faultline/faultline/plugins/ticket"
)

var errNotFound = errors.New("not found")

var t0 = time.Date(2026, 11, 22, 8, 0, 0, 0, time.UTC)

// world is two incidents with tickets at desks, in memory.
type world struct {
	mu      sync.Mutex // guards the fields below
	kv      map[string]string
	facts   []incident.Event
	seen    map[string]bool
	refuse  error
	updates []ticket.Update
	cursors []string
	i       map[string]incident.Incident
}

func newWorld() *world {
	w := &world{kv: map[string]string{}, seen: map[string]bool{}, i: map[string]incident.Incident{}}
	w.i["aa"] = incident.Incident{ID: "aa", State: incident.StateOpen, Tickets: []incident.Ticket{{Key: "aa/carrier", Vendor: "carrier", VendorName: "甲", Desk: "jira", State: "sent", Ref: "NET-1",
		Messages: []incident.TicketMessage{{Ref: "NET-1#flm1"}}}}}
	w.i["bb"] = incident.Incident{ID: "bb", State: incident.StateOpen, Tickets: []incident.Ticket{{Key: "bb/ups", Vendor: "ups", Desk: "pd", State: "sent", Ref: "bb/ups"}, {Key: "bb/old", Vendor: "old", Desk: "jira", State: "withdrawn", Ref: "NET-2"}}}
	w.i["cc"] = incident.Incident{ID: "cc", State: incident.StateClosed, Tickets: []incident.Ticket{{Key: "cc/carrier", Vendor: "carrier", Desk: "jira", State: "sent", Ref: "NET-3"}}}
	return w
}

func (w *world) KVGet(_ context.Context, name string) (string, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if v, ok := w.kv[name]; ok {
		return v, nil
	}
	return "", errNotFound
}

func (w *world) KVPut(_ context.Context, name, value string) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.kv[name] = value
	return nil
}

func (w *world) incident(_ context.Context, id string) (incident.Incident, error) {
	if i, ok := w.i[id]; ok {
		return i, nil
	}
	return incident.Incident{}, errNotFound
}

func (w *world) recent(context.Context) (out []incident.Incident, err error) {
	for _, i := range w.i {
		out = append(out, i)
	}
	return out, nil
}

func (w *world) handle(_ context.Context, e incident.Event) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.refuse != nil {
		return w.refuse
	}
	if !w.seen[e.ID] {
		w.seen[e.ID] = true
		w.facts = append(w.facts, e)
	}
	return nil
}

// Updates is a desk that says the same until its cursor moves.
func (w *world) Updates(_ context.Context, cursor string) ([]ticket.Update, string, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.cursors = append(w.cursors, cursor)
	if cursor == "1" {
		return nil, "1", nil
	}
	return w.updates, "1", nil
}

func (w *world) service(t *testing.T, desks ...Desk) *Service {
	t.Helper()
	s, err := New(Options{Desks: desks, KV: w, Incident: w.incident, Recent: w.recent, NotFound: errNotFound, Handle: w.handle, Now: func() time.Time { return t0 },
		Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestTake(t *testing.T) {
	for _, c := range []struct {
		name, desk string
		u          ticket.Update
		known      bool
		kind       incident.Kind
		choice     string
		vendor     string
	}{
		{"accepted, by ref", "jira", ticket.Update{ID: "1", Ref: "NET-1", Status: ticket.StatusAccepted, By: "li", At: t0}, true, incident.VendorReported, process.VendorAccepted, "carrier"},
		{"fixed, by a message's ref", "jira", ticket.Update{ID: "1", Ref: "NET-1#flm1", Status: ticket.StatusFixed, At: t0}, true, incident.VendorReported, process.VendorFixed, "carrier"},
		{"closed is said to be fixed", "jira", ticket.Update{ID: "1", Ref: "NET-1", Status: ticket.StatusClosed, At: t0}, true, incident.VendorReported, process.VendorFixed, "carrier"},
		{"refused", "jira", ticket.Update{ID: "1", Ref: "NET-1", Status: ticket.StatusRefused, Text: "not ours", At: t0}, true, incident.VendorReported, process.VendorReturned, "carrier"},
		{"waiting says only what it says", "jira", ticket.Update{ID: "1", Ref: "NET-1", Status: ticket.StatusWaiting, Text: "waits for parts", At: t0}, true, incident.Commented, "", "carrier"},
		{"a message", "jira", ticket.Update{ID: "1", Ref: "NET-1", Text: "on the way", At: t0}, true, incident.Commented, "", "carrier"},
		{"by key", "pd", ticket.Update{ID: "1", Key: "bb/ups", Status: ticket.StatusAccepted, At: t0}, true, incident.VendorReported, process.VendorAccepted, "ups"},
		{"a ticket taken back moves nothing", "jira", ticket.Update{ID: "1", Ref: "NET-2", Status: ticket.StatusFixed, Text: "done", At: t0}, true, incident.Commented, "", "old"},
		{"nor does one of a closed incident", "jira", ticket.Update{ID: "1", Ref: "NET-3", Status: ticket.StatusClosed, Text: "closed", At: t0}, true, incident.Commented, "", "carrier"},
		{"another desk's ticket, by key", "jira", ticket.Update{ID: "1", Key: "bb/ups", Status: ticket.StatusFixed, At: t0}, false, "", "", ""},
		{"another desk's ticket, by ref", "pd", ticket.Update{ID: "1", Ref: "NET-1", Status: ticket.StatusFixed, At: t0}, false, "", "", ""},
		{"nobody's", "jira", ticket.Update{ID: "1", Ref: "NET-9", Status: ticket.StatusFixed, At: t0}, false, "", "", ""},
		{"without an id", "jira", ticket.Update{Ref: "NET-1", Status: ticket.StatusFixed, At: t0}, false, "", "", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := newWorld()
			known, err := w.service(t).Take(t.Context(), c.desk, c.u)
			if err != nil || known != c.known {
				t.Fatalf("known %v, %v", known, err)
			}
			if c.kind == "" {
				if len(w.facts) != 0 {
					t.Fatalf("facts %+v", w.facts)
				}
				return
			}
			if len(w.facts) != 1 {
				t.Fatalf("%d facts", len(w.facts))
			}
			if f := w.facts[0]; f.Kind != c.kind || f.Choice != c.choice || f.Actor.Kind != "vendor" || f.Actor.ID != c.vendor || f.ID != "desk/"+c.desk+"/1" {
				t.Errorf("fact %+v", f)
			}
		})
	}
}

// TestSameStateAgain: systems repeat a ticket's state with every change at it.
func TestSameStateAgain(t *testing.T) {
	w := newWorld()
	s := w.service(t)
	for n, u := range []ticket.Update{{Status: ticket.StatusAccepted}, {Status: ticket.StatusAccepted}, {Status: ticket.StatusFixed}, {Status: ticket.StatusWorking}, {Status: ticket.StatusFixed}} {
		u.ID, u.Ref, u.Text, u.At = string(rune('a'+n)), "NET-1", "In Progress", t0
		if _, err := s.Take(t.Context(), "jira", u); err != nil {
			t.Fatal(err)
		}
	}
	var said []string
	for _, f := range w.facts {
		said = append(said, f.Choice)
	}
	if got := strings.Join(said, " "); got != "accepted reported_fixed accepted reported_fixed" {
		t.Errorf("said %s", got)
	}
}

// TestAskedAgainAfterAnError: the cursor stays until everything was taken, and
// what the process refuses does not hold up what follows.
func TestAskedAgainAfterAnError(t *testing.T) {
	w := newWorld()
	w.updates = []ticket.Update{{ID: "1", Ref: "NET-1", Status: ticket.StatusAccepted, At: t0}, {ID: "2", Ref: "NET-1", Text: "soon", At: t0}}
	d := Desk{Name: "jira", Follower: w}
	s := w.service(t, d)
	w.refuse = errors.New("the lease is lost")
	if err := s.ask(t.Context(), d); err == nil {
		t.Error("no error")
	}
	w.refuse = nil
	for range 2 {
		if err := s.ask(t.Context(), d); err != nil {
			t.Fatal(err)
		}
	}
	if got := strings.Join(w.cursors, ","); got != ",,1" || len(w.facts) != 2 {
		t.Errorf("asked with %q, %d facts", got, len(w.facts))
	}
	w = newWorld()
	w.updates = []ticket.Update{{ID: "1", Ref: "NET-1", Status: ticket.StatusAccepted, At: t0}}
	w.refuse = &process.Refusal{}
	d.Follower = w
	if err := w.service(t, d).ask(t.Context(), d); err != nil || w.kv["desk/jira/cursor"] != "1" {
		t.Errorf("a refusal holds everything up: %v, %v", err, w.kv)
	}
}

const key = "a-key-of-sixteen-letters"

func TestPosts(t *testing.T) {
	w := newWorld()
	own, err := webhook.New(webhook.Options{URL: "http://itsm.example", Keys: []string{key}, Now: func() time.Time { return t0 }})
	if err != nil {
		t.Fatal(err)
	}
	pd, err := pagerduty.New(pagerduty.Options{RoutingKey: "r", Secrets: []string{key}})
	if err != nil {
		t.Fatal(err)
	}
	h := w.service(t, Desk{Name: "pd", Receive: FromPagerDuty(pd)}, Desk{Name: "jira", Receive: FromWebhook(own)}, Desk{Name: "mute"}).Handler()
	post := func(name, header, body, sign string) int {
		r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, Prefix+name, strings.NewReader(body))
		r.Header.Set(header, signed.Sign([]byte(body), sign))
		rec := httptest.NewRecorder()
		h.ServeHTTP(rec, r)
		return rec.Code
	}
	status := `{"id":"e1","ref":"NET-1","status":"accepted","by":"li","at":"2026-11-22T07:59:00Z"}`
	pager := `{"event":{"id":"e2","event_type":"incident.acknowledged","occurred_at":"2026-11-22T07:59:00Z","agent":{"summary":"wang"},"data":{"id":"P1","incident_key":"bb/ups"}}}`
	for _, c := range []struct {
		what               string
		name, header, body string
		sign               string
		want               int
	}{
		{"ours", "jira", signed.SignatureHeader, status, key, 204},
		{"the same again", "jira", signed.SignatureHeader, status, key, 204},
		{"PagerDuty's", "pd", pagerduty.SignatureHeader, pager, key, 204},
		{"PagerDuty's test", "pd", pagerduty.SignatureHeader, `{"event":{"id":"x","event_type":"pagey.ping","data":{}}}`, key, 204},
		{"another key", "jira", signed.SignatureHeader, status, "another-key-of-sixteen", 403},
		{"PagerDuty's with another key", "pd", pagerduty.SignatureHeader, pager, "another-key-of-sixteen", 403},
		{"an old one", "jira", signed.SignatureHeader, strings.Replace(status, "11-22", "11-02", 1), key, 400},
		{"no ticket of ours", "jira", signed.SignatureHeader, strings.Replace(status, "NET-1", "NET-77", 1), key, 404},
		{"a desk that does not call", "mute", signed.SignatureHeader, status, key, 404},
		{"no such desk", "nobody", signed.SignatureHeader, status, key, 404},
		{"too large", "jira", signed.SignatureHeader, strings.Repeat("x", maxPost+1), key, 400},
	} {
		if got := post(c.name, c.header, c.body, c.sign); got != c.want {
			t.Errorf("%s: %d, want %d", c.what, got, c.want)
		}
	}
	if len(w.facts) != 2 || w.facts[0].Actor.Name != "li" || w.facts[1].Actor.Name != "wang" {
		t.Errorf("facts %+v", w.facts)
	}
	w.refuse = errors.New("the lease is lost")
	if got := post("jira", signed.SignatureHeader, strings.Replace(status, "e1", "e9", 1), key); got != 204 { // the same state again says nothing
		t.Errorf("the same state: %d", got)
	}
	if got := post("jira", signed.SignatureHeader, strings.Replace(strings.Replace(status, "e1", "e9", 1), "accepted", "fixed", 1), key); got != http.StatusServiceUnavailable {
		t.Errorf("while nothing can be taken: %d", got)
	}
	r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, Prefix+"jira", nil)
	rec := httptest.NewRecorder()
	if h.ServeHTTP(rec, r); rec.Code != http.StatusMethodNotAllowed {
		t.Errorf("GET: %d", rec.Code)
	}
}
