package hooks

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"testing"

	"github.com/faultline/faultline/collector/incident"
	"github.com/faultline/faultline/collector/pagerduty"
	"github.com/faultline/faultline/internal/secret"
)

// dying is a Store that fails when what was delivered is to be noted, as if the
// collector had been killed there.
type dying struct{ kv }

var errKilled = errors.New("killed")

func (d dying) KVPut(ctx context.Context, name, value string) error {
	if strings.Contains(name, "/told/") {
		return errKilled
	}
	return d.kv.KVPut(ctx, name, value)
}

// TestRepeatAfterAKillIsMarked: the collector dies between a delivery and its
// note; the next one sends the same message under the same key and says so.
func TestRepeatAfterAKillIsMarked(t *testing.T) {
	for _, format := range []string{PagerDuty, Alertmanager} {
		t.Run(format, func(t *testing.T) {
			l, store, src, now := newListener(t), kv{}, source{}, t0
			sub := Subscriber{Name: "itsm", Format: format, URL: secret.String(l.URL), Keys: keys}
			f := start(t, sub, store, src, &now)
			f.o.Store = dying{store}
			src.happen(t, "a", t0)
			if err := f.round(t.Context()); !errors.Is(err, errKilled) {
				t.Fatalf("round: %v", err)
			}
			f = start(t, sub, store, src, &now)
			if err := f.round(t.Context()); err != nil {
				t.Fatal(err)
			}
			src.happen(t, "a", t0, incident.Event{Kind: incident.Reopened})
			if err := f.round(t.Context()); err != nil {
				t.Fatal(err)
			}
			f = start(t, sub, store, src, &now) // an orderly restart repeats nothing
			src.happen(t, "a", t0, incident.Event{Kind: incident.Closed, Reason: "done"})
			if err := f.round(t.Context()); err != nil {
				t.Fatal(err)
			}
			if len(l.bodies) != 4 || l.headers[0].Get("Idempotency-Key") != l.headers[1].Get("Idempotency-Key") {
				t.Fatalf("%d messages, keys %q %q", len(l.bodies), l.headers[0].Get("Idempotency-Key"), l.headers[1].Get("Idempotency-Key"))
			}
			for n, want := range []bool{false, true, false, false} {
				mark := l.headers[n].Get(RepeatHeader) == "yes"
				if mark != want || strings.HasPrefix(l.bodies[n], `{"repeat":true,`) != want {
					t.Errorf("message %d: marked %v, want %v: %.60s", n, mark, want, l.bodies[n])
				}
				if !pagerduty.Verify(l.headers[n].Get(pagerduty.SignatureHeader), []byte(l.bodies[n]), keys[0].Reveal()) {
					t.Errorf("message %d: the signature is not that of what was sent", n)
				}
			}
			if rest := strings.Replace(l.bodies[1], `"repeat":true,`, "", 1); rest != l.bodies[0] {
				t.Errorf("the repeat says something else:\n%s\n%s", rest, l.bodies[0])
			}
		})
	}
}

// TestBrokenConnectionIsMarked: a connection that breaks before the answer leaves
// open whether the message arrived; an answer of failure does not.
func TestBrokenConnectionIsMarked(t *testing.T) {
	l, store, src, now := newListener(t), kv{}, source{}, t0
	breaks := true
	inner := l.Config.Handler
	l.Config.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		inner.ServeHTTP(w, r)
		if breaks {
			breaks = false
			panic(http.ErrAbortHandler)
		}
	})
	f := start(t, Subscriber{Name: "itsm", Format: PagerDuty, URL: secret.String(l.URL), Keys: keys}, store, src, &now)
	src.happen(t, "a", t0)
	if err := f.round(t.Context()); err == nil {
		t.Fatal("a broken connection passes for an answer")
	}
	l.answer(503)
	for range 3 {
		now = f.until
		_ = f.round(t.Context())
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.headers) != 2 || l.headers[0].Get(RepeatHeader) != "" {
		t.Fatalf("%d messages; the first is marked %q", len(l.headers), l.headers[0].Get(RepeatHeader))
	}
	// The receiver answered 503 to the marked repeat, but took the first: what it
	// has does not become certain by that.
	if l.headers[1].Get(RepeatHeader) != "yes" {
		t.Error("the repeat is not marked any more after an answer of failure")
	}
}
