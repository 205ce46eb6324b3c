package schedule

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/faultline/faultline/plugins/base"
)

// CheckNow polls the targets at once, each in a poll that starts after the
// call, and returns when all have finished and their samples are in the Sink,
// or when ctx ends. Unknown ids are named in the error; the others are polled.
// Run must be at work.
func (s *Scheduler) CheckNow(ctx context.Context, ids []string) error {
	var unknown, left []string
	var dones []chan struct{}
	s.mu.Lock()
	if !s.running {
		s.mu.Unlock()
		return errors.New("check now: scheduler is not running")
	}
	now := s.opts.Now()
	for _, id := range ids {
		j := s.jobs[id]
		if j == nil {
			unknown = append(unknown, id)
			continue
		}
		if j.left != "" {
			left = append(left, id+" ("+j.left+")")
			continue
		}
		done := make(chan struct{})
		dones = append(dones, done)
		j.waiting = append(j.waiting, done)
		if !j.running && !j.queued {
			s.dispatchLocked(j, now)
		}
	}
	s.mu.Unlock()
	for _, done := range dones {
		select {
		case <-done:
		case <-ctx.Done():
			return fmt.Errorf("check now: %w", ctx.Err())
		}
	}
	var faults []error
	if len(unknown) > 0 {
		faults = append(faults, fmt.Errorf("check now: no such target: %s", strings.Join(unknown, ", ")))
	}
	if len(left) > 0 {
		faults = append(faults, fmt.Errorf("check now: not measured at present: %s", strings.Join(left, ", ")))
	}
	return errors.Join(faults...)
}

// CheckTargets names the targets that could not be polled, and polls nothing.
func (s *Scheduler) CheckTargets(ts []base.Target) error {
	var faults []error
	known := make(map[string]base.Target, len(ts))
	for _, t := range ts {
		if err := s.check(t, known); err != nil {
			faults = append(faults, err)
			continue
		}
		known[t.ID] = t
	}
	return errors.Join(faults...)
}

// Status is how one target stands.
type Status struct {
	ID, Input, Address string
	At                 time.Time     // start of the last finished poll; zero before the first
	Took               time.Duration // how long it lasted
	Up                 bool
	Good               bool   // it answered, and its probe succeeded
	Error              string // of the last poll, partial answers included
	Samples            int
	Running            bool
	LeftOut            bool // it is not polled; Error says why
}

// Status returns all targets by id.
func (s *Scheduler) Status() []Status {
	s.mu.Lock()
	defer s.mu.Unlock()
	all := make([]Status, 0, len(s.jobs))
	for _, j := range s.jobs {
		st := j.last
		st.ID, st.Input, st.Address, st.Running = j.target.ID, j.target.Input, j.target.Address, j.running
		if j.left != "" {
			st.LeftOut, st.Up, st.Good, st.Error = true, false, false, j.left
		}
		all = append(all, st)
	}
	slices.SortFunc(all, func(a, b Status) int { return strings.Compare(a.ID, b.ID) })
	return all
}
