package schedule

import (
	"maps"
	"slices"
	"time"

	"github.com/faultline/faultline/plugins/base"
	"github.com/faultline/faultline/plugins/input"
)

// forgetter is an input that keeps something of its targets.
type forgetter interface{ Forget(targetID string) }

// ender is an input that knows which series of a target are to be ended, with
// base.Stale, when nobody measures it any more. It forgets the target as well.
type ender interface {
	End(t base.Target, sink input.Sink)
}

// empty drops what the job keeps of its series; no poll is under way.
func (j *job) empty() { j.series, j.samples = newSeriesCache(j.target.Labels), 0 }

// sameSeries tells whether polling t writes the series that the job writes.
func (j *job) sameSeries(t base.Target) bool {
	return j.target.Input == t.Input && maps.Equal(j.target.Labels, t.Labels)
}

// over lets go of jobs that are no longer polled, then of whoever waits in their place.
func (s *Scheduler) over(jobs ...*job) {
	for _, j := range jobs {
		s.end(j)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, j := range jobs {
		j.ending = false
		s.releaseLocked(j)
	}
	s.startReadyLocked(s.opts.Now())
}

// end has the input let go of the target. It writes that its series ended where the
// input knows which, and that nothing failed any more if the target is gone: nobody
// would ever say it. No poll of the target is under way. The input may wait for a
// reading of another target, so that no lock is held.
func (s *Scheduler) end(j *job) {
	s.mu.Lock()
	goesOn, gone, polled, now := j.gone && j.goesOn, j.gone, !j.last.At.IsZero(), s.jobs[j.target.ID]
	s.mu.Unlock()
	if f, ok := j.input.(forgetter); ok && (now == nil || now == j) {
		f.Forget(j.target.ID)
	}
	if goesOn {
		return
	}
	b := &batch{job: &job{target: j.target, series: newSeriesCache(j.target.Labels)}, limit: s.opts.MaxSamples}
	at := s.opts.Now().UnixMilli()
	if gone && j.failed != nil {
		b.samples = append(b.samples, base.Sample{Labels: j.failed, Time: at, Value: 0})
	}
	if in, ok := j.input.(ender); ok && polled {
		in.End(j.target, b)
		for _, ls := range j.own {
			b.samples = append(b.samples, base.Sample{Labels: ls, Time: at, Value: base.Stale()})
		}
	}
	if len(b.samples) > 0 {
		s.opts.Sink(base.Batch{Samples: b.samples}, nil)
	}
}

// releaseLocked lets the job go on that waited for old.
func (s *Scheduler) releaseLocked(old *job) {
	j := s.jobs[old.target.ID]
	if j == nil || j != old && j.before != old {
		return
	}
	j.before = nil
	if (j.late || len(j.waiting) > 0) && j.left == "" && !j.queued && !j.running {
		j.queued = true
		s.ready = append(s.ready, j)
	}
	j.late = false
}

// startReadyLocked starts what is queued, up to the bound on concurrency.
func (s *Scheduler) startReadyLocked(now time.Time) {
	for s.active < s.opts.Concurrency && len(s.ready) > 0 && s.ctx.Err() == nil {
		next := s.ready[0]
		s.ready = slices.Delete(s.ready, 0, 1)
		s.startLocked(next, now)
	}
}
