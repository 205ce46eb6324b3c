package vendorpage

import (
	"bytes"
	"context"
	"encoding/base64"
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/faultline/faultline/collector/incident"
	"github.com/faultline/faultline/collector/process"
)

var pdf = append([]byte("%PDF-1.7\n"), bytes.Repeat([]byte("x"), 200)...)

// TestOneTicketOnly: a link opens its own ticket and shows nothing of the others.
func TestOneTicketOnly(t *testing.T) {
	w := newWorld(t)
	for n := range cases {
		_, body := w.ask(http.MethodGet, w.token(n), "?lang=zh-CN", "", nil)
		for m, other := range cases {
			for _, mark := range []string{other.number, other.secret, "measured of " + other.device, "own reading of " + other.device} {
				if strings.Contains(body, mark) != (m == n) {
					t.Errorf("page of ticket %d and %q of ticket %d: shown %v", n, mark, m, m != n)
				}
			}
		}
		if strings.Contains(body, "UPS") {
			t.Errorf("page of ticket %d shows what was measured of another device", n)
		}
	}
}

// TestNoCrossing takes every link's form key to every other link, and every
// link's signature to every other ticket.
func TestNoCrossing(t *testing.T) {
	w := newWorld(t)
	raw := func(token string) []byte {
		b, err := base64.RawURLEncoding.DecodeString(token)
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	for n := range cases {
		for m := range cases {
			if n == m {
				continue
			}
			a, b := w.token(n), w.token(m)
			if status, _ := w.send(a, "key", w.key(b), "do", doFixed); status != http.StatusForbidden {
				t.Errorf("form of ticket %d sent to ticket %d: %d", m, n, status)
			}
			x, y := raw(a), raw(b)
			mixed := append(append([]byte(nil), x[:len(x)-macLen]...), y[len(y)-macLen:]...)
			if resp, _ := w.ask(http.MethodGet, base64.RawURLEncoding.EncodeToString(mixed), "", "", nil); resp.StatusCode != http.StatusNotFound {
				t.Errorf("ticket %d with the signature of %d: %s", n, m, resp.Status)
			}
		}
		if got := w.facts(n); len(got) != 0 {
			t.Errorf("ticket %d: %d facts", n, len(got))
		}
	}
}

// TestForged changes each bit of a link, one at a time, and cuts and lengthens it.
func TestForged(t *testing.T) {
	w := newWorld(t)
	good := w.token(0)
	b, err := base64.RawURLEncoding.DecodeString(good)
	if err != nil {
		t.Fatal(err)
	}
	for n := range b {
		for bit := range 8 {
			x := append([]byte(nil), b...)
			x[n] ^= 1 << bit
			if _, err := w.links.check(t.Context(), base64.RawURLEncoding.EncodeToString(x)); !errors.Is(err, ErrForged) {
				t.Fatalf("byte %d bit %d changed: %v", n, bit, err)
			}
		}
	}
	other := &Links{Key: bytes.Repeat([]byte{8}, 32), Base: w.links.Base, Life: w.links.Life, KV: w, NotFound: errNotFound, Now: w.clock}
	strange, err := other.URL(t.Context(), "aa11/carrier-a")
	if err != nil {
		t.Fatal(err)
	}
	for name, token := range map[string]string{"empty": "", "cut": good[:len(good)-1], "longer": good + "A", "padded": good + "=", "not base64": strings.Repeat("!", 80), "huge": strings.Repeat("A", 5000),
		"only a head": good[:20], "another collector's": strings.TrimPrefix(strange, "https://noc.example"+Prefix), "of no ticket": w.links.token("aa11/nobody", 0, w.clock().Add(time.Hour)),
		"of no incident": w.links.token("zz99/carrier-a", 0, w.clock().Add(time.Hour))} {
		resp, body := w.ask(http.MethodGet, token, "", "", nil)
		if resp.StatusCode != http.StatusNotFound || strings.Contains(body, "2026112") {
			t.Errorf("%s: %s", name, resp.Status)
		}
	}
}

func TestExpiredAndRevoked(t *testing.T) {
	w := newWorld(t)
	token := w.token(0)
	w.forward(30*24*time.Hour - time.Second)
	if resp, _ := w.ask(http.MethodGet, token, "", "", nil); resp.StatusCode != http.StatusOK {
		t.Errorf("a second before its end: %s", resp.Status)
	}
	w.forward(time.Second)
	for _, method := range []string{http.MethodGet, http.MethodPost} {
		if resp, body := w.ask(method, token, "", "", nil); resp.StatusCode != http.StatusGone || strings.Contains(body, cases[0].number) {
			t.Errorf("%s at its end: %s", method, resp.Status)
		}
	}

	token = w.token(0)
	key := w.key(token)
	if err := w.links.Revoke(t.Context(), "aa11/carrier-a", "chen", false); err != nil {
		t.Fatal(err)
	}
	if status, _ := w.send(token, "key", key, "do", doFixed); status != http.StatusGone {
		t.Errorf("form after the revocation: %d", status)
	}
	if resp, body := w.ask(http.MethodGet, token, "", "", nil); resp.StatusCode != http.StatusGone || strings.Contains(body, cases[0].number) {
		t.Errorf("revoked: %s", resp.Status)
	}
	if u, err := w.links.URL(t.Context(), "aa11/carrier-a"); err != nil || u != "" {
		t.Errorf("while revoked there is a link %q, %v", u, err)
	}
	if resp, _ := w.ask(http.MethodGet, w.token(1), "", "", nil); resp.StatusCode != http.StatusOK {
		t.Errorf("another ticket's link went with it: %s", resp.Status)
	}
	if err := w.links.Revoke(t.Context(), "aa11/carrier-a", "chen", true); err != nil {
		t.Fatal(err)
	}
	if resp, _ := w.ask(http.MethodGet, token, "", "", nil); resp.StatusCode != http.StatusGone {
		t.Errorf("an old link after the renewal: %s", resp.Status)
	}
	if resp, _ := w.ask(http.MethodGet, w.token(0), "", "", nil); resp.StatusCode != http.StatusOK {
		t.Errorf("a new link: %s", resp.Status)
	}
	if got := w.facts(0); len(got) != 0 {
		t.Errorf("%d facts", len(got))
	}
}

// TestReplay: a form counts once, and only while it is young.
func TestReplay(t *testing.T) {
	w := newWorld(t)
	token := w.token(0)
	key := w.key(token)
	if status, body := w.send(token, "key", key, "do", doAccept); status != http.StatusSeeOther {
		t.Fatalf("%d %s", status, body)
	}
	for range 3 {
		if status, _ := w.send(token, "key", key, "do", doFixed); status != http.StatusConflict {
			t.Errorf("sent again: %d", status)
		}
	}
	old := w.key(token)
	w.forward(formLife + time.Second)
	if status, _ := w.send(token, "key", old, "do", doFixed); status != http.StatusForbidden {
		t.Errorf("a form of yesterday: %d", status)
	}
	for _, bad := range []string{"", "x", key + "A", strings.Repeat("A", 39)} {
		if status, _ := w.send(token, "key", bad, "do", doFixed); status != http.StatusForbidden {
			t.Errorf("key %q: %d", bad, status)
		}
	}
	if got := w.facts(0); len(got) != 1 || got[0].Choice != process.VendorAccepted {
		t.Errorf("facts %+v", got)
	}
}

// TestLookingNeverActs: whatever a preview, a proxy or a bored browser fetches.
func TestLookingNeverActs(t *testing.T) {
	w := newWorld(t)
	token := w.token(0)
	key := w.key(token)
	for _, q := range []string{"", "?do=fixed&key=" + key, "?do=accept&in=1h&key=" + key, "?done=fixed"} {
		for _, method := range []string{http.MethodGet, http.MethodHead} {
			if resp, _ := w.ask(method, token, q, "", nil); resp.StatusCode != http.StatusOK {
				t.Errorf("%s %s: %s", method, q, resp.Status)
			}
		}
	}
	for _, method := range []string{http.MethodPut, http.MethodDelete, http.MethodPatch, http.MethodOptions} {
		if resp, _ := w.ask(method, token, "?do=fixed&key="+key, "", nil); resp.StatusCode != http.StatusMethodNotAllowed {
			t.Errorf("%s: %s", method, resp.Status)
		}
	}
	if got := w.facts(0); len(got) != 0 {
		t.Errorf("looking acted: %+v", got)
	}
	if got := w.views(0); len(got) != 1 || got[0].Actor.ID != "carrier-a" {
		t.Errorf("the timeline has %d views: %+v", len(got), got)
	}
	w.forward(time.Minute)
	w.ask(http.MethodGet, token, "", "", nil)
	if got := w.views(0); len(got) != 2 {
		t.Errorf("a minute later the timeline has %d views", len(got))
	}
}

func TestAccept(t *testing.T) {
	for _, c := range []struct {
		name, in, at string
		status       int
		want         time.Time
	}{
		{"without a time", "", "", 303, time.Time{}},
		{"in two hours", "2h", "", 303, t0.Add(2 * time.Hour)},
		{"at half past two", "", "14:30", 303, time.Date(2026, 11, 22, 6, 30, 0, 0, time.UTC)},
		{"on a day", "", "2026-11-23 09:00", 303, time.Date(2026, 11, 23, 1, 0, 0, 0, time.UTC)},
		{"as a browser's field has it", "", "2026-11-23T09:00", 303, time.Date(2026, 11, 23, 1, 0, 0, 0, time.UTC)},
		{"not understood", "", "soonish", 422, time.Time{}},
		{"last year", "", "2025-01-01 09:00", 422, time.Time{}},
		{"never", "99999h", "", 303, time.Time{}},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := newWorld(t)
			token := w.token(0)
			status, body := w.send(token, "key", w.key(token), "do", doAccept, "in", c.in, "at", c.at)
			if status != c.status {
				t.Fatalf("%d, want %d: %s", status, c.status, body)
			}
			got := w.facts(0)
			if status != http.StatusSeeOther {
				if len(got) != 0 {
					t.Errorf("refused, and done: %+v", got)
				}
				return
			}
			if len(got) != 1 || got[0].Kind != incident.VendorReported || got[0].Choice != process.VendorAccepted || !got[0].Expected.Equal(c.want) || got[0].Actor.Kind != "vendor" || got[0].Actor.ID != "carrier-a" {
				t.Errorf("facts %+v", got)
			}
		})
	}
}

func TestQuestionAndFixed(t *testing.T) {
	w := newWorld(t)
	token := w.token(0)
	if status, _ := w.send(token, "key", w.key(token), "do", doQuestion, "text", "  "); status != http.StatusUnprocessableEntity {
		t.Errorf("an empty question: %d", status)
	}
	if status, _ := w.send(token, "key", w.key(token), "do", doQuestion, "text", "机房几点锁门？<script>"); status != http.StatusSeeOther {
		t.Errorf("a question: %d", status)
	}
	if status, _ := w.send(token, "key", w.key(token), "do", doFixed, "text", strings.Repeat("修", 5000)); status != http.StatusSeeOther {
		t.Errorf("fixed: %d", status)
	}
	if status, _ := w.send(token, "key", w.key(token), "do", "close"); status != http.StatusBadRequest {
		t.Errorf("something else: %d", status)
	}
	got := w.facts(0)
	if len(got) != 2 || got[0].Kind != incident.Commented || got[0].Reason != process.ReasonVendorAsks || got[1].Choice != process.VendorFixed || len([]rune(got[1].Comment)) != maxText {
		t.Fatalf("facts %+v", got)
	}
	_, body := w.ask(http.MethodGet, token, "", "", nil)
	if !strings.Contains(body, "监测数据尚未证实恢复") || !strings.Contains(body, "机房几点锁门？&lt;script&gt;") || strings.Contains(body, "<script>") {
		t.Error("the page does not say that measurements have not confirmed it, or shows the question raw")
	}
}

func TestUpload(t *testing.T) {
	w := newWorld(t)
	token := w.token(0)
	status, body := w.upload(token, w.key(token), map[string][]byte{`C:\Users\x\..\检查报告.pdf`: pdf}, "kind", "running_report")
	if status != http.StatusSeeOther || len(w.papers) != 1 {
		t.Fatalf("%d, %d papers: %s", status, len(w.papers), body)
	}
	p, got := w.papers[0], w.facts(0)
	if p.IncidentID != "aa11" || p.Kind != "running_report" || p.Name != "检查报告.pdf" || p.Type != "application/pdf" || len(got) != 1 || got[0].Attachment.Hash != p.Hash || got[0].Attachment.Kind != "running_report" {
		t.Errorf("paper %+v, facts %+v", p, got)
	}
	for name, data := range map[string][]byte{"virus.pdf": []byte("MZ\x90\x00" + strings.Repeat("x", 200)), "page.html": []byte("<html><script>alert(1)</script></html>"), "empty.pdf": {},
		"big.pdf": append([]byte("%PDF-1.7\n"), make([]byte, 11<<20)...)} {
		if status, body := w.upload(token, w.key(token), map[string][]byte{name: data}); status != http.StatusUnprocessableEntity {
			t.Errorf("%s: %d %s", name, status, body)
		}
	}
	if status, _ := w.upload(token, w.key(token), nil); status != http.StatusUnprocessableEntity {
		t.Errorf("no file: %d", status)
	}
	if status, _ := w.upload(token, w.key(token), map[string][]byte{"a.pdf": make([]byte, 22<<20)}); status != http.StatusRequestEntityTooLarge {
		t.Errorf("22 MiB: %d", status)
	}
	if got := w.facts(0); len(got) != 1 || len(w.papers) != 1 {
		t.Errorf("%d facts, %d papers after what was refused", len(got), len(w.papers))
	}
}

// TestWithdrawn: once a ticket is taken back, nothing is shown of the fault that
// is another vendor's by now, and nothing can be moved.
func TestWithdrawn(t *testing.T) {
	w := newWorld(t)
	token := w.token(0)
	key := w.key(token)
	w.mu.Lock()
	x := w.state["aa11"].Tickets[0]
	x.State = "withdrawn"
	w.apply(incident.Event{IncidentID: "aa11", At: t0, Kind: incident.TicketChanged, Ticket: &x})
	w.mu.Unlock()
	_, body := w.ask(http.MethodGet, token, "", "", nil)
	if !strings.Contains(body, "工单已撤回") || strings.Contains(body, "<svg") || strings.Contains(body, "own reading") || strings.Contains(body, "依据") {
		t.Error("a ticket taken back shows more than that")
	}
	for _, do := range []string{doAccept, doFixed} {
		if status, _ := w.send(token, "key", key, "do", do); status != http.StatusConflict {
			t.Errorf("%s: %d", do, status)
		}
	}
	if got := w.facts(0); len(got) != 0 {
		t.Errorf("facts %+v", got)
	}
}

func TestBounds(t *testing.T) {
	w := newWorld(t)
	token := w.token(0)
	accepted := 0
	keys := make([]string, actsPerMinute+5)
	for n := range keys {
		keys[n] = w.links.formKey(token)
	}
	for _, k := range keys {
		if status, _ := w.send(token, "key", k, "do", doQuestion, "text", "x"); status == http.StatusSeeOther {
			accepted++
		} else if status != http.StatusTooManyRequests {
			t.Errorf("%d", status)
		}
	}
	if accepted != actsPerMinute {
		t.Errorf("%d of %d forms taken within a minute", accepted, len(keys))
	}
	limited := 0
	for range strangePerMinute + 5 {
		if resp, _ := w.ask(http.MethodGet, "guess", "", "", nil); resp.StatusCode == http.StatusTooManyRequests {
			limited++
		}
	}
	if limited != 5 {
		t.Errorf("%d guesses were turned away", limited)
	}
	w.forward(time.Minute)
	for range looksPerMinute {
		w.ask(http.MethodGet, token, "", "", nil)
	}
	if resp, _ := w.ask(http.MethodGet, token, "", "", nil); resp.StatusCode != http.StatusTooManyRequests {
		t.Errorf("look %d: %s", looksPerMinute+1, resp.Status)
	}
}

func TestHeaders(t *testing.T) {
	w := newWorld(t)
	for _, token := range []string{w.token(0), "forged"} {
		resp, body := w.ask(http.MethodGet, token, "", "", nil)
		h := resp.Header
		if h.Get("Referrer-Policy") != "no-referrer" || h.Get("Cache-Control") != "no-store" || !strings.Contains(h.Get("Content-Security-Policy"), "default-src 'none'") ||
			!strings.Contains(h.Get("X-Robots-Tag"), "noindex") || strings.Contains(body, "<script") {
			t.Errorf("headers %v", h)
		}
	}
	if resp, body := w.ask(http.MethodGet, "page.css", "", "", nil); resp.StatusCode != 200 || !strings.Contains(body, "body {") {
		t.Errorf("style: %s", resp.Status)
	}
}

// TestRevokedWhileAFormIsTaken: links that are revoked while a form is on its way
// to the engine stay revoked.
func TestRevokedWhileAFormIsTaken(t *testing.T) {
	w := newWorld(t)
	token := w.token(0)
	key := w.key(token)
	handle := w.h.o.Handle
	w.h.o.Handle = func(ctx context.Context, e incident.Event) error {
		if e.Kind == incident.VendorReported {
			if err := w.links.Revoke(ctx, "aa11/carrier-a", "chen", false); err != nil {
				t.Error(err)
			}
		}
		return handle(ctx, e)
	}
	if status, _ := w.send(token, "key", key, "do", doAccept); status != http.StatusSeeOther {
		t.Fatalf("the form: %d", status)
	}
	if s, err := w.links.State(t.Context(), "aa11/carrier-a"); err != nil || !s.Revoked || s.By != "chen" {
		t.Errorf("links %+v, %v", s, err)
	}
	if resp, _ := w.ask(http.MethodGet, token, "", "", nil); resp.StatusCode != http.StatusGone {
		t.Errorf("the revoked link: %s", resp.Status)
	}
}
