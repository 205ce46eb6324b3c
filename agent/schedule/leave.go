package schedule

import (
	"container/heap"
	"slices"
)

// LeaveOut stops polling targets until TakeBack; their status says why. A poll under
// way is let finish. Nothing is written for them meanwhile, but that their series
// ended where the input says so: a target that is not measured is not down. What
// their input keeps of them it forgets, if it can.
func (s *Scheduler) LeaveOut(ids []string, why string) {
	var idle []*job
	s.mu.Lock()
	for _, id := range ids {
		j := s.jobs[id]
		if j == nil || j.left != "" {
			continue
		}
		j.left = why
		if j.heapAt >= 0 {
			heap.Remove(&s.due, j.heapAt)
		}
		if i := slices.Index(s.ready, j); i >= 0 {
			s.ready = slices.Delete(s.ready, i, i+1)
			j.queued = false
		}
		j.finishWaiters()
		if j.before != nil {
			j.before.goesOn = false
		}
		if !j.running && !j.ending && j.before == nil {
			j.empty()
			j.ending = true
			idle = append(idle, j)
		}
	}
	s.metrics.left.Set(float64(s.leftLocked()))
	s.mu.Unlock()
	s.over(idle...)
}

// TakeBack polls targets again that were left out, each at its next beat.
func (s *Scheduler) TakeBack(ids []string) {
	s.mu.Lock()
	now := s.opts.Now()
	for _, id := range ids {
		if j := s.jobs[id]; j != nil && j.left != "" {
			j.left = ""
			j.next = j.nextBeat(now)
			heap.Push(&s.due, j)
		}
	}
	s.metrics.left.Set(float64(s.leftLocked()))
	s.mu.Unlock()
	s.nudge()
}

func (s *Scheduler) leftLocked() (n int) {
	for _, j := range s.jobs {
		if j.left != "" {
			n++
		}
	}
	return n
}
