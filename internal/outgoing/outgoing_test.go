package outgoing

import (
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
)

func get(t *testing.T, address string) (*http.Response, error) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, address, nil)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := Client().Do(req)
	if err == nil {
		_ = resp.Body.Close()
	}
	return resp, err
}

func TestErrors(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	refused := ln.Addr().String()
	_ = ln.Close()
	cut := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		c, _, err := http.NewResponseController(w).Hijack()
		if err == nil {
			_ = c.Close()
		}
	}))
	defer cut.Close()
	for _, c := range []struct {
		name, address string
		never         bool
	}{
		{"refused", "http://" + refused + "/?key=hush", true},
		{"no such host", "http://nowhere.invalid/?key=hush", true},
		{"cut after it was sent", cut.URL + "/?key=hush", false},
	} {
		_, err := get(t, c.address)
		if err == nil || NeverConnected(err) != c.never {
			t.Errorf("%s: never connected %v: %v", c.name, !c.never, err)
		}
		if !strings.Contains(err.Error(), "hush") || strings.Contains(Bare(err).Error(), "hush") {
			t.Errorf("%s: %v becomes %v", c.name, err, Bare(err))
		}
	}
}

// TestOnce: a request that a kept connection lost is not sent again unasked.
func TestOnce(t *testing.T) {
	for _, once := range []bool{false, true} {
		var posts atomic.Int64
		s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.Method == http.MethodGet {
				return
			}
			posts.Add(1)
			if c, _, err := http.NewResponseController(w).Hijack(); err == nil {
				_ = c.Close()
			}
		}))
		client := Client()
		client.Transport = &http.Transport{}
		if resp, err := client.Get(s.URL); err != nil || resp.Body.Close() != nil {
			t.Fatal(err)
		}
		req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, s.URL, strings.NewReader("x"))
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Idempotency-Key", "k")
		if once {
			Once(req)
		}
		if resp, err := client.Do(req); err == nil {
			_ = resp.Body.Close()
			t.Error("a cut connection is no error")
		}
		if got := posts.Load(); (got > 1) == once {
			t.Errorf("once %v: posted %d times", once, got)
		}
		s.Close()
	}
}

func TestRedirectsAreNotFollowed(t *testing.T) {
	far := 0
	other := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { far++ }))
	defer other.Close()
	s := httptest.NewServer(http.RedirectHandler(other.URL, http.StatusTemporaryRedirect))
	defer s.Close()
	resp, err := get(t, s.URL)
	if err != nil || resp.StatusCode != http.StatusTemporaryRedirect || far != 0 {
		t.Errorf("%v, %v, followed %d times", resp, err, far)
	}
}
