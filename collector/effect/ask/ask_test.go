package ask

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/faultline/faultline/collector/effect"
	"github.com/faultline/faultline/collector/incident"
	"github.com/faultline/faultline/collector/outbox"
)

func TestAsk(t *testing.T) {
	away := errors.New("away")
	tests := []struct {
		name   string
		params map[string]string
		err    error
		device string
		ttl    time.Duration
		failed bool
	}{
		{"diagnosis's device", nil, nil, "carrier-a:line-2", 30 * time.Second, false},
		{"named", map[string]string{effect.Device: "b2-rtr", effect.TTL: "5s"}, nil, "b2-rtr", 5 * time.Second, false},
		{"bad ttl", map[string]string{effect.TTL: "soon"}, nil, "", 0, true},
		{"desk away", nil, away, "carrier-a:line-2", 30 * time.Second, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var device string
			var ttl time.Duration
			x, err := New(func(_ context.Context, d string, l time.Duration) (map[string]string, error) {
				device, ttl = d, l
				return map[string]string{"agent-2": "check-1"}, tt.err
			})
			if err != nil {
				t.Fatal(err)
			}
			out, err := x.Execute(t.Context(), outbox.Job{Effect: incident.Effect{Params: tt.params},
				Incident: incident.Incident{Diagnosis: incident.Diagnosis{Device: "carrier-a:line-2"}}})
			if !errors.Is(err, tt.err) || device != tt.device || ttl != tt.ttl || out.Failed() != tt.failed {
				t.Fatalf("asked %q for %s: %+v, %v", device, ttl, out, err)
			}
			if tt.err == nil && !tt.failed && out.Result()["agent-2"] != "check-1" {
				t.Fatalf("result %v", out.Result())
			}
		})
	}
}
