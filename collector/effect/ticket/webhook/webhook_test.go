package webhook

import (
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/faultline/faultline/plugins/ticket"
)

const (
	newKey = "new-key-0123456789"
	oldKey = "old-key-0123456789"
)

func example(to ...string) ticket.Ticket {
	return ticket.Ticket{Key: "ab12/carrier-a", MessageKey: "ab12/7/ticket", Number: "20261121-0042", To: to, Subject: "专线中断", Body: "电路 SH-0231\n",
		Thread: []string{"T-1"}, Repeat: true, Fields: map[string]string{"class": "carrier_line"}, At: time.Date(2026, 11, 21, 8, 0, 20, 0, time.UTC)}
}

func desk(t *testing.T) *Desk {
	t.Helper()
	d, err := New(Options{Keys: []string{newKey, oldKey}})
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func TestSend(t *testing.T) {
	var mu sync.Mutex
	var got Body
	var header http.Header
	var raw []byte
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		defer mu.Unlock()
		raw, _ = io.ReadAll(r.Body)
		header = r.Header
		if err := json.Unmarshal(raw, &got); err != nil {
			t.Error(err)
		}
		w.WriteHeader(http.StatusCreated)
		_, _ = io.WriteString(w, `{"id":"CASE-9","url":"https://desk.example/9"}`)
	}))
	defer srv.Close()
	x := example(srv.URL)
	ref, err := desk(t).Send(t.Context(), x)
	if err != nil || ref != (ticket.Ref{ID: "CASE-9", URL: "https://desk.example/9"}) {
		t.Fatalf("%+v, %v", ref, err)
	}
	mu.Lock()
	defer mu.Unlock()
	want := Body{Version: "1", Key: x.Key, MessageKey: x.MessageKey, Number: x.Number, Subject: x.Subject, Text: x.Body, Fields: x.Fields,
		Thread: x.Thread, Repeat: true, At: x.At}
	if d := cmp.Diff(got, want); d != "" {
		t.Errorf("body (-got +want):\n%s", d)
	}
	if header.Get("Idempotency-Key") != x.MessageKey || header.Get("Content-Type") != "application/json" {
		t.Errorf("headers %v", header)
	}
	sig := header.Get(SignatureHeader)
	for _, key := range []string{newKey, oldKey} { // a receiver with either key is content
		if !Verify(sig, raw, key) {
			t.Errorf("signature %q does not verify with %s", sig, key)
		}
	}
	if Verify(sig, raw, "other-key-0123456789") || Verify(sig, append(raw, ' '), newKey) || Verify("", raw, newKey) {
		t.Error("a wrong key, a changed body or no signature verifies")
	}
}

// TestSignature holds the scheme to a value computed with openssl:
// printf '{"a":1}' | openssl dgst -sha256 -hmac new-key-0123456789
func TestSignature(t *testing.T) {
	const want = "v1=9c21982410b73675b4a95d3feb009ca36b2618f6e63b13fd411906fd5eaef9fa"
	if got := Sign([]byte(`{"a":1}`), newKey); got != want {
		t.Fatalf("got %s, want %s", got, want)
	}
}

func TestAnswers(t *testing.T) {
	tests := []struct {
		code             int
		body             string
		ok, retry, maybe bool
		text             string
	}{
		{code: 200, ok: true},
		{code: 204, ok: true},
		{code: 202, body: "not json", ok: true},
		{code: 400, body: "no field  \n circuit", text: "answered 400 Bad Request no field circuit"},
		{code: 401, text: "does the receiver know the signing key?"},
		{code: 404, text: "404"},
		{code: 302, text: "redirects are not followed"},
		{code: 408, retry: true, text: "408"},
		{code: 429, retry: true, text: "429"},
		{code: 500, retry: true, text: "500"},
		{code: 502, retry: true, maybe: true, text: "502"},
		{code: 504, retry: true, maybe: true, text: "504"},
	}
	for _, tt := range tests {
		t.Run(http.StatusText(tt.code), func(t *testing.T) {
			srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				w.Header().Set("Location", "/elsewhere")
				w.WriteHeader(tt.code)
				_, _ = io.WriteString(w, tt.body)
			}))
			defer srv.Close()
			ref, err := desk(t).Send(t.Context(), example(srv.URL+"/hook?token=hidden"))
			if tt.ok {
				if err != nil || ref.ID != "ab12/7/ticket" {
					t.Fatalf("%+v, %v", ref, err)
				}
				return
			}
			check(t, err, tt.retry, tt.maybe, tt.text)
		})
	}
}

func check(t *testing.T, err error, retry, maybe bool, text string) {
	t.Helper()
	var te *ticket.Error
	if !errors.As(err, &te) || te.Retryable != retry || te.Ambiguous != maybe || !strings.Contains(err.Error(), text) {
		t.Fatalf("got %+v, want retry %v, ambiguous %v, %q", err, retry, maybe, text)
	}
	if strings.Contains(err.Error(), "hidden") {
		t.Fatalf("the address's token is in %v", err)
	}
}

func TestBrokenConnections(t *testing.T) {
	gone := httptest.NewServer(nil)
	gone.Close()
	_, err := desk(t).Send(t.Context(), example(gone.URL+"?token=hidden"))
	check(t, err, true, false, "webhook post")

	cut := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }))
	defer cut.Close()
	_, err = desk(t).Send(t.Context(), example(cut.URL+"?token=hidden"))
	check(t, err, true, true, "webhook post")
}

func TestBadAddress(t *testing.T) {
	for _, to := range [][]string{nil, {"a", "b"}, {"ftp://x.example"}, {"noc@carrier.example"}, {"://"}} {
		_, err := desk(t).Send(t.Context(), example(to...))
		check(t, err, false, false, "desk_options.url")
	}
}

func TestKeys(t *testing.T) {
	for _, keys := range [][]string{{"short"}, {newKey, ""}} {
		if _, err := New(Options{Keys: keys}); err == nil {
			t.Errorf("%q: accepted", keys)
		}
	}
	d, err := New(Options{})
	if err != nil {
		t.Fatal(err)
	}
	_, err = d.Send(t.Context(), example("https://desk.example/hook"))
	check(t, err, true, false, "set webhook.keys")
}
