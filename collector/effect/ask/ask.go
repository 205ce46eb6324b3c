// Package ask carries out the effect "ask_evidence": it has agents check a
// device or line now. The answers come in as samples and events like any
// other; nobody waits for them here.
package ask

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/faultline/faultline/collector/effect"
	"github.com/faultline/faultline/collector/outbox"
)

// defaultTTL is how long a check is worth making.
const defaultTTL = 30 * time.Second

// Asker has the agents that measure a device or line do so at once, within ttl.
// It returns the ids of the checks by agent; none is no error: nobody measures it.
type Asker func(ctx context.Context, device string, ttl time.Duration) (map[string]string, error)

// New returns the executor.
func New(a Asker) (outbox.Executor, error) {
	if a == nil {
		return nil, errors.New("ask effect: an asker is required")
	}
	return outbox.Func(func(ctx context.Context, j outbox.Job) (outbox.Outcome, error) {
		device := j.Effect.Params[effect.Device]
		if device == "" {
			device = j.Incident.Diagnosis.Device
		}
		ttl := defaultTTL
		if s := j.Effect.Params[effect.TTL]; s != "" {
			var err error
			if ttl, err = time.ParseDuration(s); err != nil || ttl <= 0 {
				return outbox.Fail(fmt.Sprintf("ask for evidence: ttl %q is not a duration", s)), nil
			}
		}
		asked, err := a(ctx, device, ttl)
		if err != nil {
			return outbox.Outcome{}, fmt.Errorf("ask for evidence about %s: %w", device, err)
		}
		return outbox.Finish(effect.OutcomeAsked, asked), nil
	}), nil
}
