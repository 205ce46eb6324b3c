package desk_test

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/faultline/faultline/collector/effect/ticket/desk/pagerduty"
	"github.com/faultline/faultline/collector/effect/ticket/desk/webhook"
	signed "github.com/faultline/faultline/collector/effect/ticket/webhook"
	"github.com/faultline/faultline/internal/lab/desks"
	"github.com/faultline/faultline/plugins/bundled/itop"
	"github.com/faultline/faultline/plugins/bundled/jira"
	"github.com/faultline/faultline/plugins/bundled/servicedeskplus"
	"github.com/faultline/faultline/plugins/desk"
	"github.com/faultline/faultline/plugins/ticket"
)

// TestRetryAfterHoldsEveryCall: after a 429 nothing is sent until its time.
func TestRetryAfterHoldsEveryCall(t *testing.T) {
	clk := &clock{t: start}
	calls := 0
	busy := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		calls++
		w.Header().Set("Retry-After", "90")
		w.WriteHeader(http.StatusTooManyRequests)
	})
	r, err := pagerduty.New(pagerduty.Options{RoutingKey: "k", HTTP: &http.Client{Transport: &wire{system: busy, rnd: unbroken()}}, Now: clk.now})
	if err != nil {
		t.Fatal(err)
	}
	d, err := desk.New(desk.Options{Name: "pagerduty", Remote: r, Now: clk.now})
	if err != nil {
		t.Fatal(err)
	}
	for n := range 5 {
		_, err := d.Send(t.Context(), ticket.Ticket{Key: "a", MessageKey: "a/1", Subject: "s", Fields: map[string]string{"severity": "critical"}})
		var te *ticket.Error
		var later *desk.Later
		if !errors.As(err, &te) || !te.Retryable || te.Ambiguous || !errors.As(err, &later) || later.RetryAfter() <= 0 {
			t.Fatalf("call %d: %+v", n, err)
		}
	}
	if calls != 1 {
		t.Fatalf("%d calls while it asked for time", calls)
	}
	clk.advance(start.Add(91 * time.Second))
	_, _ = d.Send(t.Context(), ticket.Ticket{Key: "b", MessageKey: "b/1", Subject: "s"})
	if calls != 2 {
		t.Fatalf("%d calls after its time", calls)
	}
}

// TestUpdates: what people do at a desk comes back, each thing under one id.
func TestUpdates(t *testing.T) {
	for _, sys := range systems() {
		clk := &clock{t: start}
		stand, remote := sys.make(clk)
		r, err := remote(&http.Client{Transport: &wire{system: stand, rnd: unbroken()}})
		if err != nil {
			t.Fatal(err)
		}
		if _, ok := r.(desk.Follower); !ok {
			continue
		}
		t.Run(sys.name, func(t *testing.T) {
			d, err := desk.New(desk.Options{Name: sys.name, Remote: r, Now: clk.now})
			if err != nil {
				t.Fatal(err)
			}
			ref, err := d.Send(t.Context(), ticket.Ticket{Key: "in0001/vendor", MessageKey: "in0001/0/ticket", Subject: "[FL#20261121-0001] x", Body: "b"})
			if err != nil {
				t.Fatal(err)
			}
			clk.advance(start.Add(time.Minute))
			stand.Work("光缆已熔接")
			ups, next, err := d.Updates(t.Context(), "")
			if err != nil || next == "" {
				t.Fatal(err)
			}
			fixed, text := 0, 0
			for _, u := range ups {
				if u.Ref != ref.ID || u.ID == "" || u.At.IsZero() {
					t.Errorf("update %+v", u)
				}
				if u.Status == ticket.StatusFixed || u.Status == ticket.StatusClosed {
					fixed++
				}
				if strings.Contains(u.Text, "光缆已熔接") && !strings.Contains(u.Text, "<") {
					text++
				}
			}
			if fixed != 1 || text != 1 {
				t.Fatalf("got %+v", ups)
			}
			again, _, err := d.Updates(t.Context(), "")
			if err != nil || len(again) != len(ups) || again[0].ID != ups[0].ID {
				t.Fatalf("the same cursor gave %+v, then %+v: %v", ups, again, err)
			}
		})
	}
}

func TestPagerDutyWebhook(t *testing.T) {
	r, err := pagerduty.New(pagerduty.Options{RoutingKey: "k", Secrets: []string{"new-secret", "old-secret"}})
	if err != nil {
		t.Fatal(err)
	}
	body := []byte(`{"event":{"id":"01E","event_type":"incident.acknowledged","occurred_at":"2026-11-21T08:01:00Z","agent":{"summary":"Li"},"data":{"id":"P1","incident_key":"ab12/carrier-a"}}}`)
	sign := func(key string) string {
		h := hmac.New(sha256.New, []byte(key))
		h.Write(body)
		return "v1=" + hex.EncodeToString(h.Sum(nil))
	}
	for _, header := range []string{sign("new-secret"), "v1=00, " + sign("old-secret")} {
		u, known, err := r.Receive(header, body)
		if err != nil || !known || u.Key != "ab12/carrier-a" || u.Status != ticket.StatusAccepted || u.ID != "01E" || u.By != "Li" {
			t.Fatalf("%+v %v %v", u, known, err)
		}
	}
	for _, header := range []string{"", "v1=", sign("stranger"), strings.TrimPrefix(sign("new-secret"), "v1=")} {
		if _, _, err := r.Receive(header, body); !errors.Is(err, pagerduty.ErrSignature) {
			t.Errorf("%q: %v", header, err)
		}
	}
}

func TestWebhookStatus(t *testing.T) {
	r, err := webhook.New(webhook.Options{URL: "https://x", Keys: []string{desks.HookKey, "old-key-0123456789"}, Now: func() time.Time { return start }})
	if err != nil {
		t.Fatal(err)
	}
	good := `{"id":"e1","key":"ab12/x","status":"fixed","text":"好了","by":"张工","at":"2026-11-21T07:59:00Z"}`
	u, err := r.Receive(signed.Sign([]byte(good), "old-key-0123456789"), []byte(good))
	if err != nil || u.Status != ticket.StatusFixed || u.Key != "ab12/x" || u.Text != "好了" {
		t.Fatalf("%+v, %v", u, err)
	}
	if _, err := r.Receive(signed.Sign([]byte(good), "another-key-0123456"), []byte(good)); !errors.Is(err, webhook.ErrSignature) {
		t.Errorf("a stranger's: %v", err)
	}
	for _, bad := range []string{"", "{", `{"id":"e","at":"2026-11-21T08:00:00Z"}`, strings.Replace(good, "fixed", "exploded", 1), strings.Replace(good, "2026-11-21", "2026-11-01", 1), strings.Replace(good, "2026-11-21", "2026-12-21", 1)} {
		if _, err := r.Receive(signed.Sign([]byte(bad), desks.HookKey), []byte(bad)); err == nil {
			t.Errorf("%s: taken", bad)
		}
	}
}

func TestOptions(t *testing.T) {
	for name, build := range map[string]func() error{
		"jira": func() error { _, err := jira.New(jira.Options{URL: "x"}); return err },
		"jira version": func() error {
			_, err := jira.New(jira.Options{URL: "x", Token: "t", Project: "P", Version: 4})
			return err
		},
		"itop": func() error { _, err := itop.New(itop.Options{}); return err },
		"itop injection": func() error {
			_, err := itop.New(itop.Options{URL: "x", User: "u", Password: "p", Organization: `a" OR 1`, Caller: "c"})
			return err
		},
		"servicedeskplus": func() error { _, err := servicedeskplus.New(servicedeskplus.Options{}); return err },
		"pagerduty":       func() error { _, err := pagerduty.New(pagerduty.Options{}); return err },
		"webhook":         func() error { _, err := webhook.New(webhook.Options{URL: "x", Keys: []string{"short"}}); return err },
		"desk":            func() error { _, err := desk.New(desk.Options{}); return err },
	} {
		if build() == nil {
			t.Errorf("%s: accepted", name)
		}
	}
}
