package follow

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/faultline/faultline/collector/effect/ticket/desk/webhook"
	signed "github.com/faultline/faultline/collector/effect/ticket/webhook"
)

// TestStrangersKeepNobodyOut: posts without a good signature use up their own
// address's share, not the desk's.
func TestStrangersKeepNobodyOut(t *testing.T) {
	w := newWorld()
	own, err := webhook.New(webhook.Options{URL: "http://itsm.example", Keys: []string{key}, Now: func() time.Time { return t0 }})
	if err != nil {
		t.Fatal(err)
	}
	h := w.service(t, Desk{Name: "jira", Receive: FromWebhook(own)}).Handler()
	post := func(address, by string) int {
		body := `{"id":"e1","ref":"NET-1","status":"accepted","by":"li","at":"2026-11-22T07:59:00Z"}`
		r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, Prefix+"jira", strings.NewReader(body))
		r.RemoteAddr = address
		r.Header.Set(signed.SignatureHeader, signed.Sign([]byte(body), by))
		rec := httptest.NewRecorder()
		h.ServeHTTP(rec, r)
		return rec.Code
	}
	for n := range perMinute + 1 {
		want := http.StatusForbidden
		if n == perMinute {
			want = http.StatusTooManyRequests
		}
		if got := post("192.0.2.66:1234", "a-key-nobody-knows"); got != want {
			t.Fatalf("post %d of a stranger: %d, want %d", n+1, got, want)
		}
	}
	if got := post("192.0.2.1:1234", key); got != http.StatusNoContent {
		t.Errorf("the desk's own post after them: %d", got)
	}
}
