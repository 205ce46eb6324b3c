package trap

import (
	"context"
	"sync"
	"time"

	"github.com/faultline/faultline/plugins/base"
)

// mostAtOnce is how many events the Sink is given at once: as many as fit the wire's
// largest batch, whatever they say.
const mostAtOnce = 32

// keep hands what was received to the Sink and does what is due in between, until
// the queue is closed and empty; checks are started until ctx ends.
func (r *Receiver) keep(ctx context.Context) {
	var under sync.WaitGroup // checks
	defer under.Wait()
	timer := time.NewTimer(time.Hour)
	defer timer.Stop()
	for {
		if next := r.due(ctx, &under); next.IsZero() {
			timer.Stop()
		} else {
			timer.Reset(time.Until(next))
		}
		select {
		case a, ok := <-r.queue:
			if !ok {
				r.sayDebts(r.opts.Now(), true)
				return
			}
			r.keepBatch(r.more(a))
		case <-timer.C:
		case <-r.wake:
		}
	}
}

// more adds what else waits.
func (r *Receiver) more(first arrival) []arrival {
	batch := []arrival{first}
	for len(batch) < mostAtOnce {
		select {
		case a, ok := <-r.queue:
			if !ok {
				return batch
			}
			batch = append(batch, a)
		default:
			return batch
		}
	}
	return batch
}

// keepBatch hands events to the Sink and then acknowledges the informs among
// them. What the Sink does not take is not acknowledged, and taken when it is
// sent again.
func (r *Receiver) keepBatch(batch []arrival) {
	events := make([]base.Event, len(batch))
	for i := range batch {
		events[i] = batch[i].event
	}
	err := r.opts.Sink(events)
	r.mu.Lock()
	for i := range batch {
		if err != nil {
			batch[i].source.forget(batch[i].seen)
		} else {
			batch[i].seen.kept = true
		}
		r.checks.want(batch[i].device)
	}
	r.mu.Unlock()
	if err != nil {
		r.metrics.rejected.WithLabelValues(string(reasonSink)).Add(float64(len(batch)))
		r.opts.Logger.Error("keep notifications", "count", len(batch), "err", err)
		return
	}
	r.metrics.events.Add(float64(len(batch)))
	for i := range batch {
		if batch[i].device.ID == "" {
			r.metrics.unknown.Inc()
		}
		if a := batch[i].answer; a.message != nil {
			r.metrics.acknowledged.Inc()
			a.send(a.message)
		}
	}
}

// due starts checks and says what was suppressed, as far as it is time, and
// returns when it is next; zero: nothing is known of.
func (r *Receiver) due(ctx context.Context, under *sync.WaitGroup) (next time.Time) {
	now := r.opts.Now()
	next = r.sayDebts(now, false)
	if r.opts.Check == nil || ctx.Err() != nil {
		return next
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	start, at := r.checks.due(now)
	for _, id := range start {
		targets := r.checks.devices[id].targets
		under.Go(func() { r.check(ctx, id, targets) })
	}
	return earlier(next, at)
}

// check has a device polled.
func (r *Receiver) check(ctx context.Context, id string, targets []string) {
	outcome := "done"
	if err := r.opts.Check(ctx, targets); err != nil {
		outcome = "failed"
		r.opts.Logger.Debug("check after a notification", "device", id, "err", err)
	}
	r.metrics.checks.WithLabelValues(outcome).Inc()
	r.mu.Lock()
	r.checks.finished(id)
	r.mu.Unlock()
	r.nudge()
}

// mostSummaries is how many sources are spoken of one by one at a time.
const mostSummaries = 16

// sayDebts makes events of what was suppressed at least SummaryEvery ago, or of
// all, and returns when the rest is to be said.
func (r *Receiver) sayDebts(now time.Time, all bool) (next time.Time) {
	r.mu.Lock()
	var events []base.Event
	rest := r.owing[:0]
	for _, s := range r.owing {
		at := s.since.Add(r.opts.SummaryEvery)
		switch {
		case s.suppressed == 0: // it was forgotten
		case !all && at.After(now):
			next = earlier(next, at)
			rest = append(rest, s)
		case len(events) == mostSummaries:
			r.oweLocked(s)
		default:
			events = append(events, r.writer.summary(debt{source: s.id, device: s.device, count: s.suppressed, since: s.since, last: s.last}, now))
			s.suppressed = 0
		}
	}
	clear(r.owing[len(rest):])
	r.owing = rest
	if d := r.debts; d.count > 0 {
		if at := d.since.Add(r.opts.SummaryEvery); all || !at.After(now) {
			events = append(events, r.writer.summary(d, now))
			r.debts = debt{}
		} else {
			next = earlier(next, at)
		}
	}
	r.mu.Unlock()
	if len(events) == 0 {
		return next
	}
	if err := r.opts.Sink(events); err != nil {
		r.opts.Logger.Error("keep summaries of notifications", "count", len(events), "err", err)
	}
	return next
}
