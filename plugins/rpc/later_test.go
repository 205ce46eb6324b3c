package rpc

import (
	"errors"
	"testing"
	"time"

	"github.com/faultline/faultline/plugins/ticket"
)

// TestRetryAfterCrosses: what a desk asks for arrives on the other side, in
// bounds; where it asks for nothing, nothing does.
func TestRetryAfterCrosses(t *testing.T) {
	for asked, want := range map[time.Duration]time.Duration{0: 0, 90 * time.Second: 90 * time.Second, -time.Second: 0, 1000 * time.Hour: maxRetryAfter} {
		err := failed(failure(&ticket.Error{Op: "post", Retryable: true, Err: &ticket.Later{After: asked, Err: errors.New("busy")}}))
		var e *ticket.Error
		if !errors.As(err, &e) || !e.Retryable || e.Ambiguous {
			t.Fatalf("%s: %+v", asked, err)
		}
		var later interface{ RetryAfter() time.Duration }
		got := time.Duration(0)
		if errors.As(err, &later) {
			got = later.RetryAfter()
		}
		if got != want {
			t.Errorf("asked for %s: got %s, want %s", asked, got, want)
		}
	}
}
