package host

import (
	"context"
	"errors"
	"testing"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// TestCallOutcome: a plugin's clock may say a moment before ours that the time is over.
func TestCallOutcome(t *testing.T) {
	reset := status.Error(codes.Canceled, "stream terminated by RST_STREAM with error code: CANCEL")
	within := func(d time.Duration) context.Context {
		ctx, cancel := context.WithTimeout(t.Context(), d)
		t.Cleanup(cancel)
		return ctx
	}
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	for name, c := range map[string]struct {
		caller, call context.Context
		err          error
		want         string
	}{
		"the caller gave up":      {gone, within(time.Hour), reset, "canceled"},
		"the time is over":        {t.Context(), within(-time.Second), errors.New("x"), "timeout"},
		"over by its clock":       {t.Context(), within(early / 2), reset, "timeout"},
		"it hung up":              {t.Context(), within(time.Hour), reset, "broken"},
		"nonsense at the last":    {t.Context(), within(early / 2), status.Error(codes.Internal, "x"), "broken"},
		"no deadline, and a word": {t.Context(), t.Context(), reset, "broken"},
	} {
		if got := callOutcome(c.caller, c.call, c.err); got != c.want {
			t.Errorf("%s: %s, want %s", name, got, c.want)
		}
	}
}
