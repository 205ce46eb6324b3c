package discover

import (
	"context"

	"golang.org/x/time/rate"
)

// pace keeps all that is sent to addresses of which nothing is known yet below a
// rate. It is safe for concurrent use.
type pace struct{ limit *rate.Limiter }

func newPace(perSecond float64) *pace {
	burst := max(1, int(perSecond/20)) // no more than 50 ms at once
	return &pace{rate.NewLimiter(rate.Limit(perSecond), burst)}
}

// wait returns when the next packet may be sent, or ctx's error.
func (p *pace) wait(ctx context.Context) error {
	if err := p.limit.Wait(ctx); err != nil {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		return context.DeadlineExceeded // the limiter foresees it
	}
	return nil
}
