package ticket

import (
	"fmt"
	"time"
)

// Later is a cause that says when to try again: a desk's Retry-After. It stands
// as Error.Err, and reaches the collector from a plugin as well.
type Later struct {
	After time.Duration
	Err   error
}

// Error says the cause and the time.
func (l *Later) Error() string {
	return fmt.Sprintf("%v: again in %s", l.Err, l.After.Round(time.Second))
}

// Unwrap returns the cause.
func (l *Later) Unwrap() error { return l.Err }

// RetryAfter is the time to wait.
func (l *Later) RetryAfter() time.Duration { return l.After }
