package ingest

import (
	"fmt"
	"testing"
	"time"
)

func TestRefusalsAreSaidSeldom(t *testing.T) {
	now := time.Unix(1e9, 0)
	var r refusals
	for n, tt := range []struct {
		remote, outcome string
		after           time.Duration
		log             bool
		unsaid          int
	}{
		{"10.0.0.1:1000", "unauthorized", 0, true, 0},
		{"10.0.0.1:1001", "unauthorized", time.Second, false, 0},
		{"10.0.0.1:1002", "forbidden", 2 * time.Second, true, 0},
		{"10.0.0.2:1000", "unauthorized", 3 * time.Second, true, 0},
		{"10.0.0.1:1003", "unauthorized", 59 * time.Second, false, 0},
		{"10.0.0.1:1004", "unauthorized", time.Minute, true, 2},
		{"10.0.0.1:1005", "unauthorized", 2 * time.Minute, true, 0},
	} {
		if log, unsaid := r.say(tt.remote, tt.outcome, now.Add(tt.after)); log != tt.log || unsaid != tt.unsaid {
			t.Errorf("%d: %v with %d unsaid, want %v with %d", n, log, unsaid, tt.log, tt.unsaid)
		}
	}
	for n := range 10 * mostRefused {
		r.say(fmt.Sprintf("10.%d.%d.%d:1", n>>16, n>>8&255, n&255), "unauthorized", now)
	}
	if len(r.last) > mostRefused {
		t.Errorf("%d senders are remembered", len(r.last))
	}
}
