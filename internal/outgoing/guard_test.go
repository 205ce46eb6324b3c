package outgoing

import (
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

// TestGuard: a request that may not leave any more does not, though it is
// connected; one that may arrives whole, and asks once.
func TestGuard(t *testing.T) {
	arrived := make(chan string, 2)
	s := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		b, err := io.ReadAll(r.Body)
		if err == nil {
			arrived <- string(b)
		}
	}))
	defer s.Close()
	lost := errors.New("lost")
	text := strings.Repeat("x", 100_000)
	for _, answer := range []error{nil, lost} {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, s.URL, strings.NewReader(text))
		if err != nil {
			t.Fatal(err)
		}
		asked := 0
		Once(req)
		Guard(req, func() error { asked++; return answer })
		resp, err := Client().Do(req)
		if !errors.Is(err, answer) || asked != 1 {
			t.Errorf("asked %d times for %v: %v", asked, answer, err)
		}
		if err == nil {
			_ = resp.Body.Close()
		}
	}
	if got := <-arrived; got != text {
		t.Errorf("%d bytes arrived, want %d", len(got), len(text))
	}
	s.Close() // waits for its handlers
	if len(arrived) > 0 {
		t.Error("what may not leave has arrived")
	}
	empty, err := http.NewRequestWithContext(t.Context(), http.MethodGet, s.URL, nil)
	if err != nil {
		t.Fatal(err)
	}
	Guard(empty, func() error { t.Error("asked over nothing"); return nil })
}
