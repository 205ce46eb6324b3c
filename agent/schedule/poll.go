package schedule

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"slices"
	"time"

	"github.com/faultline/faultline/plugins/base"
	"github.com/faultline/faultline/plugins/input"
)

// poll gathers one target once and hands the batch to the Sink.
func (s *Scheduler) poll(ctx context.Context, j *job) {
	start := s.opts.Now()
	b := &batch{job: j, limit: s.opts.MaxSamples, samples: make([]base.Sample, 0, j.samples+len(j.own))}
	gctx, cancel := context.WithTimeout(ctx, j.timeout)
	err := gather(gctx, j, b)
	cancel()
	took := s.opts.Now().Sub(start)
	if ctx.Err() != nil && err != nil { // our own end is no evidence
		s.finished(j, j.health.good)
		return
	}
	var not interface{ NotMeasured() bool } // a plugin, and not the target, is at fault
	if errors.As(err, &not) && not.NotMeasured() {
		s.report(j, b, err, took)
		s.current(j, Status{At: start, Took: took, Up: false, Error: text(err)})
		s.finished(j, j.health.good)
		return
	}
	up := err == nil || errors.As(err, new(input.Partial))
	j.samples = len(b.samples)
	given := len(b.samples) - b.ended + b.inBlocks
	added := j.series.finish(up)
	b.own(start, took, up, added)
	s.report(j, b, err, took)
	if s.current(j, Status{At: start, Took: took, Up: up, Good: up && !b.probeFailed, Error: text(err), Samples: given}) {
		s.opts.Sink(base.Batch{Samples: b.samples, Blocks: b.blocks}, s.complete(j, b.events))
	} else if b.ended > 0 { // the input does not say it again
		s.opts.Sink(base.Batch{Samples: b.onlyEnded()}, nil)
	}
	s.finished(j, up && !b.probeFailed)
}

// gather calls the input and turns a panic into an error.
func gather(ctx context.Context, j *job, b *batch) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("input %s target %s: panic: %v\n%s", j.target.Input, j.target.ID, p, debug.Stack())
		}
	}()
	return j.input.Gather(ctx, j.target, b)
}

// current stores the outcome and tells whether the target is still wanted.
func (s *Scheduler) current(j *job, st Status) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	j.last = st
	return !j.gone
}

// report counts the poll and logs an error when it is a new one.
func (s *Scheduler) report(j *job, b *batch, err error, took time.Duration) {
	outcome := "ok"
	switch {
	case errors.As(err, new(input.Partial)):
		outcome = "partial"
	case err != nil:
		outcome = "failed"
	}
	s.metrics.polls.WithLabelValues(j.target.Input, outcome).Inc()
	s.metrics.seconds.WithLabelValues(j.target.Input).Observe(took.Seconds())
	s.metrics.dropped.Add(float64(b.dropped))
	now := text(err)
	switch {
	case now == j.lastErr:
	case now == "":
		s.opts.Logger.Info("target answers again", "target", j.target.ID, "input", j.target.Input)
	case j.lastErr == "" || outcome == "failed":
		s.opts.Logger.Warn("poll", "target", j.target.ID, "input", j.target.Input, "outcome", outcome, "err", now)
	}
	j.lastErr = now
}

func text(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}

// complete fills in what an input may leave out of its events.
func (s *Scheduler) complete(j *job, events []base.Event) []base.Event {
	for i := range events {
		e := &events[i]
		if e.ID == "" {
			e.ID = s.opts.NewID()
		}
		if e.At.IsZero() {
			e.At = s.opts.Now()
		}
		setDefault(&e.Agent, s.opts.Agent)
		setDefault(&e.Site, j.target.Labels["site"])
		setDefault(&e.Device, j.target.Labels["device"])
		setDefault(&e.Component, j.target.Labels["component"])
	}
	return events
}

// failureMetric is 1 while an input cannot measure the target, and 0 once after it.
const failureMetric = "faultline_input_failed"

// batch is the Sink of one Gather.
type batch struct {
	job         *job
	limit       int
	samples     []base.Sample
	blocks      []base.Block
	inBlocks    int // samples in blocks
	ended       int // of samples, those that say that their series ended
	events      []base.Event
	scraped     int
	dropped     int
	probeFailed bool // probe_success was 0
}

// Sample adds the target's labels and keeps the sample.
func (b *batch) Sample(sm base.Sample) {
	ended := base.IsStale(sm.Value)
	if !ended {
		b.scraped++
	}
	if len(b.samples)+b.inBlocks >= b.limit {
		b.dropped++
		return
	}
	name := sm.Labels.Name()
	if sm.Value == 0 && name == "probe_success" {
		b.probeFailed = true
	}
	sm.Labels = b.job.series.labels(sm.Labels)
	if name == failureMetric {
		b.job.failed = nil
		if sm.Value == 1 {
			b.job.failed = sm.Labels
		}
	}
	b.samples = append(b.samples, sm)
	if ended {
		b.ended++
	}
}

// onlyEnded returns the samples that say that their series ended.
func (b *batch) onlyEnded() []base.Sample {
	return slices.DeleteFunc(b.samples, func(sm base.Sample) bool { return !base.IsStale(sm.Value) })
}

// Block adds the target's labels to the block's rows and keeps it.
func (b *batch) Block(bl base.Block) {
	n := bl.Len()
	b.scraped += n
	if len(b.samples)+b.inBlocks+n > b.limit {
		b.dropped += n
		return
	}
	if n == 0 {
		return
	}
	for i := range bl.Rows {
		bl.Rows[i].Labels = b.job.series.row(bl.Rows[i].Labels, len(bl.Names)+len(bl.Infos))
	}
	b.blocks = append(b.blocks, bl)
	b.inBlocks += n
}

// Event keeps the event.
func (b *batch) Event(e base.Event) {
	if len(b.events) >= b.limit {
		b.dropped++
		return
	}
	b.events = append(b.events, e)
}

// own appends up and the scrape_* series.
func (b *batch) own(start time.Time, took time.Duration, up bool, added int) {
	values := [...]float64{
		serDuration: took.Seconds(),
		serScraped:  float64(b.scraped),
		serKept:     float64(len(b.samples) - b.ended + b.inBlocks),
		serAdded:    float64(added),
	}
	if up {
		values[serUp] = 1
	}
	for i, v := range values {
		b.samples = append(b.samples, base.Sample{Labels: b.job.own[i], Time: start.UnixMilli(), Value: v})
	}
}
