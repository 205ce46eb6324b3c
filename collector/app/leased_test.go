package app

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/faultline/faultline/collector/lease"
)

// TestNothingLeavesWithoutTheLease: a body that is sent in the name of a lease
// is held back when the lease is another's by then.
func TestNothingLeavesWithoutTheLease(t *testing.T) {
	got := make(chan string, 4)
	srv := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		if b, err := io.ReadAll(r.Body); err == nil { // the head of a request leaves before its body
			got <- string(b)
		}
	}))
	defer srv.Close()
	lost := lease.With(t.Context(), 1, func(context.Context) error { return lease.ErrLost })
	post := func(ctx context.Context) error {
		req, err := http.NewRequestWithContext(ctx, http.MethodPost, srv.URL, strings.NewReader("x"))
		if err != nil {
			t.Fatal(err)
		}
		res, err := leasedClient().Do(req)
		if err == nil {
			_ = res.Body.Close()
		}
		return err
	}
	if err := post(lost); !errors.Is(err, lease.ErrLost) {
		t.Errorf("without the lease: %v", err)
	}
	if err := post(t.Context()); err != nil {
		t.Errorf("outside any lease: %v", err)
	}
	if n := len(got); n != 1 {
		t.Errorf("%d requests arrived whole, want the second alone", n)
	}
}
