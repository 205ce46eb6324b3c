package gateway

import (
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/faultline/faultline/collector/effect/notify/robot"
	"github.com/faultline/faultline/collector/effect/ticket/webhook"
	"github.com/faultline/faultline/collector/people"
	"github.com/faultline/faultline/internal/secret"
	"github.com/faultline/faultline/plugins/notify"
	"github.com/faultline/faultline/plugins/ticket"
)

const key = "a-key-of-the-gateway"

func TestReach(t *testing.T) {
	now := time.Date(2026, 11, 22, 2, 0, 0, 0, time.UTC)
	answer := http.StatusOK
	var got robot.HookBody
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		b, err := io.ReadAll(r.Body)
		if err != nil || !webhook.Verify(r.Header.Get(webhook.SignatureHeader), b, key) || json.Unmarshal(b, &got) != nil {
			t.Errorf("not ours: %s, %v", b, err)
		}
		if r.Header.Get("Idempotency-Key") != "n1" {
			t.Errorf("key %q", r.Header.Get("Idempotency-Key"))
		}
		if answer == http.StatusTooManyRequests {
			w.Header().Set("Retry-After", "7")
		}
		w.WriteHeader(answer)
	}))
	defer srv.Close()
	set := robot.Settings{Name: "sms", Kind: robot.SMS, URL: secret.String(srv.URL), Keys: []secret.String{key}}
	if err := Validate(set); err != nil {
		t.Fatal(err)
	}
	g := New(set, func() time.Time { return now })
	n := notify.Notice{Key: "n1", Subject: "专线中断 上海", Body: "自 10:00", Severity: "critical", URL: "https://noc.example.com/i/1"}
	li := &people.Person{ID: "li", Phone: "+8613800000000"}
	if err := g.Reach(t.Context(), li, n, "zh-CN"); err != nil {
		t.Fatal(err)
	}
	if len(got.To) != 1 || got.To[0] != li.Phone || got.Short != n.Subject || got.Level != "critical" || got.Language != "zh-CN" || !got.At.Equal(now) || got.Repeat {
		t.Errorf("the gateway got %+v", got)
	}
	for status, retry := range map[int]bool{400: false, 401: false, 500: true} {
		answer = status
		err := g.Reach(t.Context(), li, n, "zh-CN")
		var te *ticket.Error
		if !errors.As(err, &te) || te.Retryable != retry {
			t.Errorf("answered %d: %v, retry %v", status, err, retry)
		}
	}
	answer = 429
	var later interface{ RetryAfter() time.Duration }
	if err := g.Reach(t.Context(), li, n, "zh-CN"); !errors.As(err, &later) || later.RetryAfter() != 7*time.Second {
		t.Errorf("answered 429: %v", err)
	}
	var te *ticket.Error
	if err := g.Reach(t.Context(), &people.Person{ID: "x"}, n, "zh-CN"); !errors.As(err, &te) || te.Retryable || te.Hint == "" {
		t.Errorf("without a number: %v", err)
	}
}

func TestValidate(t *testing.T) {
	for want, s := range map[string]robot.Settings{
		"not sms":             {Name: "x", Kind: robot.WeCom, URL: "https://example.com/x"},
		"a key is needed":     {Name: "x", Kind: robot.SMS, URL: "https://example.com/x"},
		"not a http or https": {Name: "x", Kind: robot.SMS, URL: "x", Keys: []secret.String{key}},
		"belong to robots":    {Name: "x", Kind: robot.SMS, URL: "https://example.com/x", Keys: []secret.String{key}, Roles: []string{"hq_network"}},
	} {
		if err := Validate(s); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %q", err, want)
		}
	}
}
