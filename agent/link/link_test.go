package link

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

func TestNewChecksURL(t *testing.T) {
	for url, ok := range map[string]bool{
		"http://127.0.0.1:8470": true, "https://hq.example/faultline/": true,
		"": false, "hq.example:443": false, "ftp://x": false, "http://": false, "http://user:secret@x": false, "http://x?token=secret": false, "http://x:y:z\x7f": false,
	} {
		_, err := New(Options{URL: url})
		if (err == nil) != ok {
			t.Errorf("%q: got %v, want ok %v", url, err, ok)
		}
		if err != nil && strings.Contains(err.Error(), "user:secret") {
			t.Errorf("error prints a secret: %v", err)
		}
	}
}

func TestDo(t *testing.T) {
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		if r.URL.Path == "/base/redirect" {
			http.Redirect(w, r, "/elsewhere", http.StatusTemporaryRedirect)
			return
		}
		w.Header().Set("X-Seen", r.Header.Get("Authorization")+" "+r.Header.Get("User-Agent")+" "+r.URL.String()+" "+string(body))
		w.WriteHeader(http.StatusTeapot)
		_, _ = io.WriteString(w, strings.Repeat("x", 100))
	}))
	defer srv.Close()
	c, err := New(Options{URL: srv.URL + "/base/", Token: func() string { return "t" }})
	if err != nil {
		t.Fatal(err)
	}
	a, err := c.Do(context.Background(), Request{Method: "POST", Path: "/p?q=1", Body: []byte("hello")})
	if err != nil {
		t.Fatal(err)
	}
	if got, want := a.Header.Get("X-Seen"), "Bearer t faultline-agent /base/p?q=1 hello"; got != want || a.Status != http.StatusTeapot || a.OK() {
		t.Errorf("got %d %q, want 418 %q", a.Status, got, want)
	}
	if a, err = c.Do(context.Background(), Request{Method: "POST", Path: "/redirect"}); err != nil || a.Status != http.StatusTemporaryRedirect {
		t.Errorf("redirect: got %d, %v; want 307 not followed", a.Status, err)
	}
	if _, err := c.Do(context.Background(), Request{Method: "POST", Path: "/p", Limit: 10}); err == nil {
		t.Error("answer beyond the limit: no error")
	}
}

// After a timeout the next request must not use the connection that hung.
func TestNewConnectionAfterTimeout(t *testing.T) {
	var conns atomic.Int32
	hang := make(chan struct{})
	defer close(hang)
	srv := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		if r.URL.Path == "/hang" {
			select {
			case <-hang:
			case <-r.Context().Done():
			}
		}
	}))
	srv.Config.ConnState = func(_ net.Conn, s http.ConnState) {
		if s == http.StateNew {
			conns.Add(1)
		}
	}
	srv.Start()
	defer srv.Close()
	c, err := New(Options{URL: srv.URL})
	if err != nil {
		t.Fatal(err)
	}
	for i, path := range []string{"/ok", "/ok", "/hang", "/ok"} {
		ctx, cancel := context.WithTimeoutCause(context.Background(), 200*time.Millisecond, errors.New("timeout 200ms"))
		_, err := c.Do(ctx, Request{Method: "POST", Path: path, Body: []byte("x")})
		cancel()
		if (err != nil) != (path == "/hang") {
			t.Errorf("request %d %s: %v", i, path, err)
		}
	}
	if got := conns.Load(); got != 2 {
		t.Errorf("%d connections, want 2: one kept, one after the timeout", got)
	}
}

func TestBackoff(t *testing.T) {
	now := time.Date(2026, 11, 21, 0, 0, 0, 0, time.UTC)
	start := now
	var b Backoff
	for i := range 2000 {
		d := b.Next(now)
		limit := time.Second
		if now.Sub(start) >= 10*time.Minute {
			limit = 30 * time.Second
		}
		if d <= 0 || d > limit || i == 0 && d > 200*time.Millisecond {
			t.Fatalf("attempt %d after %v: wait %v, want at most %v", i, now.Sub(start), d, limit)
		}
		now = now.Add(d)
	}
	if got := b.Reset(now); got != now.Sub(start) {
		t.Errorf("outage lasted %v, want %v", got, now.Sub(start))
	}
	if d := b.Next(now); d > 200*time.Millisecond {
		t.Errorf("first wait after a success is %v", d)
	}
}

func TestRetryAfter(t *testing.T) {
	now := time.Date(2026, 11, 21, 0, 0, 0, 0, time.UTC)
	for v, want := range map[string]time.Duration{
		"": 0, "7": 7 * time.Second, "-3": 0, "99999999999": 5 * time.Minute, "86400": 5 * time.Minute, "soon": 0,
		now.Add(20 * time.Second).Format(http.TimeFormat): 20 * time.Second,
	} {
		if got := RetryAfter(http.Header{"Retry-After": {v}}, now); got != want {
			t.Errorf("%q: got %v, want %v", v, got, want)
		}
	}
}
