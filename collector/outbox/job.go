package outbox

import (
	"context"
	"errors"
	"time"

	"github.com/faultline/faultline/collector/incident"
	"github.com/faultline/faultline/plugins/ticket"
)

// Job is one attempt at an effect.
type Job struct {
	Effect    incident.Effect
	Incident  incident.Incident // as last committed
	Attempt   int               // 1 for the first
	Ambiguous bool              // an earlier attempt may have succeeded: search, or say that this is a repeat
}

// Executor carries out effects of one kind. Execute may be called from several
// goroutines, for different effects; it returns soon after ctx ends, and calls
// lease.Begin right before it does what cannot be taken back. An error
// means that the attempt failed and is to be made again, unless it is a
// *ticket.Error that says otherwise.
type Executor interface {
	Execute(ctx context.Context, j Job) (Outcome, error)
}

// Func makes a function an Executor.
type Func func(ctx context.Context, j Job) (Outcome, error)

// Execute calls f.
func (f Func) Execute(ctx context.Context, j Job) (Outcome, error) { return f(ctx, j) }

// Outcome is how an attempt ended that met no error. Make one with Finish,
// Again or Fail.
type Outcome struct {
	again  time.Duration // > 0: not over yet
	failed bool
	word   string
	result map[string]string
	repeat bool
}

// Finish says the effect is carried out: the word is the event's Outcome (sent,
// recovered, written, ...), the result what is worth keeping.
func Finish(word string, result map[string]string) Outcome {
	return Outcome{word: word, result: result}
}

// Again says that the effect goes on and wants to be executed again after the
// time. It counts as no failed attempt.
func Again(after time.Duration) Outcome { return Outcome{again: max(after, time.Millisecond)} }

// Fail says that the effect cannot be carried out and why.
func Fail(problem string) Outcome { return Outcome{failed: true, word: problem} }

// Repeated marks the outcome as a repeat of what may have been done before.
func (o Outcome) Repeated() Outcome { o.repeat = true; return o }

// Word returns the word given to Finish, or the problem given to Fail.
func (o Outcome) Word() string { return o.word }

// Result returns the map given to Finish.
func (o Outcome) Result() map[string]string { return o.result }

// Failed tells whether the outcome was made by Fail.
func (o Outcome) Failed() bool { return o.failed }

// After returns the time given to Again, 0 for a final outcome.
func (o Outcome) After() time.Duration { return o.again }

// Policy is how patient the outbox is with one kind of effect.
type Policy struct {
	Timeout  time.Duration // of one attempt
	First    time.Duration // pause after the first failed attempt; it doubles
	Max      time.Duration // the longest pause
	Attempts int           // given up after so many; 0 is no limit
	Age      time.Duration // given up when first due so long ago; 0 is no limit
}

// Policies returns the defaults by effect kind; "" is for kinds not named.
func Policies() map[string]Policy {
	return map[string]Policy{
		// Vendors' mail servers greylist for minutes and are down for hours.
		incident.EffectTicket: {Timeout: 30 * time.Second, First: 2 * time.Second, Max: 10 * time.Minute, Age: 24 * time.Hour},
		incident.EffectNotify: {Timeout: 30 * time.Second, First: 2 * time.Second, Max: 5 * time.Minute, Age: 6 * time.Hour},
		// Evidence asked for late answers another question.
		incident.EffectAsk:         {Timeout: 5 * time.Second, First: time.Second, Max: 5 * time.Second, Attempts: 5, Age: 2 * time.Minute},
		incident.EffectVerify:      {Timeout: 10 * time.Second, First: time.Second, Max: 10 * time.Second},
		incident.EffectRemedyCheck: {Timeout: time.Minute, First: time.Second, Max: 15 * time.Second, Attempts: 20},
		incident.EffectRemedyRun:   {Timeout: time.Minute, First: time.Second, Max: 15 * time.Second, Attempts: 40},
		incident.EffectReport:      {Timeout: 10 * time.Second, First: time.Second, Max: time.Minute},
		"":                         {Timeout: 30 * time.Second, First: 2 * time.Second, Max: 5 * time.Minute, Age: 24 * time.Hour},
	}
}

// pause is the time before the next attempt: doubled for each, never more than
// Max, spread by ±20 % (jitter in [0, 1)) so that many do not come back at once.
func (p Policy) pause(attempt int, jitter float64) time.Duration {
	d := p.First
	for range attempt - 1 {
		if d *= 2; d >= p.Max {
			d = p.Max
			break
		}
	}
	return time.Duration(float64(d) * (0.8 + 0.4*jitter))
}

// spent tells whether it is time to give up after so many failed attempts.
func (p Policy) spent(attempts int, age time.Duration) bool {
	return p.Attempts > 0 && attempts >= p.Attempts || p.Age > 0 && age >= p.Age
}

// judge tells what an attempt's error means.
func judge(err error) (final, ambiguous bool) {
	var te *ticket.Error
	if errors.As(err, &te) {
		return !te.Retryable, te.Ambiguous
	}
	// An attempt cut off by its deadline may have done its work.
	return false, errors.Is(err, context.DeadlineExceeded) || errors.Is(err, context.Canceled)
}

// maxAsked bounds how long another system may keep us away.
const maxAsked = time.Hour

// askedPause is the time that the error asks for before the next attempt, 0 when
// it names none: another system's Retry-After.
func askedPause(err error) time.Duration {
	var later interface{ RetryAfter() time.Duration }
	if !errors.As(err, &later) {
		return 0
	}
	return min(max(later.RetryAfter(), 0), maxAsked)
}
