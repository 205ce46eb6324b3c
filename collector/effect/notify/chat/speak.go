package chat

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/faultline/faultline/collector/effect/notify/budget"
	"github.com/faultline/faultline/collector/effect/notify/robot"
	"github.com/faultline/faultline/plugins/ticket"
)

// postTimeout bounds one message.
const postTimeout = 10 * time.Second

// maxBack is the longest pause after failures; maxFinal is how often a message
// that the robot calls wrong is offered to it before it goes another way.
const (
	maxBack  = 2 * time.Minute
	maxFinal = 3
)

// run loads and speaks until ctx ends.
func (s *speaker) run(ctx context.Context) error {
	defer s.shut()
	for {
		err := s.load(ctx)
		if err == nil {
			break
		}
		s.o.Logger.Error("robot cannot begin", "err", err)
		if !pause(ctx, 5*time.Second, nil) {
			return nil
		}
	}
	for {
		wait := s.step(ctx)
		if !pause(ctx, wait, s.wake) {
			return nil
		}
	}
}

// pause waits for the time (0: for ever) or to be woken; false when ctx ended.
func pause(ctx context.Context, d time.Duration, wake <-chan struct{}) bool {
	var due <-chan time.Time
	if d > 0 {
		t := time.NewTimer(d)
		defer t.Stop()
		due = t.C
	}
	select {
	case <-ctx.Done():
		return false
	case <-due:
	case <-wake:
	}
	return ctx.Err() == nil
}

// step does the next thing and returns how long to wait before another step; 0
// is until something new arrives.
func (s *speaker) step(ctx context.Context) time.Duration {
	s.busy.Lock()
	defer s.busy.Unlock()
	now := s.o.Now()
	if again := errors.Join(s.tell(ctx), s.handOver(ctx, now)); again != nil {
		s.o.Logger.Warn("robot: alarm or fallback not taken", "robot", s.set.Name, "err", again)
		if d := s.hold.Sub(now); d > 0 {
			return min(d, 10*time.Second)
		}
	}
	if d := s.hold.Sub(now); d > 0 {
		return d
	}
	s.mu.Lock()
	waits, others, _ := s.censusLocked()
	d := budget.Decide(s.limits(), s.mem.Budget, waits, others, now)
	if d.What == budget.Nothing {
		s.mu.Unlock()
		return d.Wait
	}
	urgent, lane := s.lanesLocked()
	s.mu.Unlock()
	if d.Urgent {
		lane = urgent
	}
	batch, m := s.compose(d, lane)
	err := s.begin(ctx, d, batch, now)
	if err == nil { // asked again: writing it down may have taken longer than the lease lasts
		err = s.fenced(ctx)
	}
	if err != nil {
		s.o.Logger.Error("nothing is said", "err", err)
		return time.Second // a message that is not written down could be said twice unmarked
	}
	s.end(ctx, batch, s.say(ctx, m, now))
	return time.Millisecond
}

// compose writes the message for the head of the lane, or for as many as fit.
func (s *speaker) compose(d budget.Decision, lane []*entry) ([]*entry, robot.Message) {
	if bad := slices.IndexFunc(lane, (*entry).wrong); bad > 0 {
		lane = lane[:bad]
	} else if bad == 0 {
		lane = lane[:1]
	}
	if d.What == budget.Single || len(lane) == 1 {
		e := lane[0]
		return lane[:1], robot.Message{Key: e.Key, Title: e.Title, Text: e.Text, Short: e.Short, URL: e.URL, Level: e.Level,
			Language: s.set.Lang(), Repeat: e.Repeat, Fields: e.Fields, Buttons: e.Buttons, At: e.At}
	}
	n, m := digest(lane, s.set.Lang(), s.set.Limits().Bytes)
	m.URL, m.Language, m.At = s.o.List, s.set.Lang(), s.o.Now()
	return lane[:n], m
}

// begin writes down what is about to be said.
func (s *speaker) begin(ctx context.Context, d budget.Decision, batch []*entry, now time.Time) error {
	s.mu.Lock()
	before := s.mem.Budget
	s.mem.Budget = before.Record(d, now)
	s.mem.Begun = nil
	for _, e := range batch {
		s.mem.Begun = append(s.mem.Begun, e.Key)
	}
	s.mu.Unlock()
	err := s.save(ctx)
	if err != nil {
		s.mu.Lock()
		s.mem.Budget, s.mem.Begun = before, nil
		s.mu.Unlock()
	}
	return err
}

// fenceTimeout bounds the question whether we may still speak.
const fenceTimeout = 5 * time.Second

// fenced fails when another collector speaks now: what it keeps must not be
// written over, and what it says must not be said twice.
func (s *speaker) fenced(ctx context.Context) error {
	if s.o.Fence == nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), fenceTimeout)
	defer cancel()
	return s.o.Fence(ctx)
}

// say posts the message.
func (s *speaker) say(ctx context.Context, m robot.Message, now time.Time) error {
	req, err := robot.Build(s.set, m, now)
	if err != nil {
		return &ticket.Error{Op: "robot message", Err: err}
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), postTimeout)
	defer cancel()
	if s.set.IsApp() {
		token, err := s.tokens.Get(ctx, s.o.Client, s.set, now)
		if err != nil {
			return err
		}
		req = robot.WithToken(s.set.Kind, req, token)
	}
	answer, err := robot.Post(ctx, s.o.Client, req)
	if err != nil {
		return err
	}
	if robot.RefusesToken(s.set.Kind, answer) {
		s.tokens.Drop()
	}
	return robot.Judge(s.set.Kind, answer)
}

// end writes down what became of the message.
func (s *speaker) end(ctx context.Context, batch []*entry, err error) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), postTimeout)
	defer cancel()
	s.mu.Lock()
	result := s.learnLocked(batch, err)
	s.mu.Unlock()
	s.m.messages.WithLabelValues(s.set.Name, result).Inc()
	if err != nil {
		s.o.Logger.Warn("robot did not take a message", "robot", s.set.Name, "notices", len(batch), "err", err)
	}
	// A lost write costs a repeat at the next start, nothing else.
	if kept := s.save(ctx); kept != nil {
		s.o.Logger.Error("after a message", "err", kept)
	}
	if err != nil {
		return
	}
	how := "single"
	if len(batch) > 1 {
		how = "digest"
	}
	s.m.notices.WithLabelValues(s.set.Name, how).Add(float64(len(batch)))
	if gone := s.forget(ctx, batch); gone != nil {
		s.o.Logger.Error("after a message", "err", gone)
	}
}

// learnLocked changes the memory by what became of a message, and says it in a
// word. The caller holds busy as well.
func (s *speaker) learnLocked(batch []*entry, err error) (result string) {
	var refused *robot.Refused
	var te *ticket.Error
	now := s.o.Now()
	s.mem.Begun = nil
	defer s.showLocked()
	switch {
	case err == nil:
		s.tries, s.hold = 0, time.Time{}
		s.mem.Budget = s.mem.Budget.Accepted()
		s.rememberLocked(batch)
		s.recoveredLocked()
		return "taken"
	case errors.As(err, &refused):
		s.mem.Budget = s.mem.Budget.Refuse(s.limits(), refused.For, now)
		s.illLocked(err.Error(), now)
		return "refused"
	}
	s.tries++
	s.hold = now.Add(min(time.Second<<min(s.tries, 10), maxBack))
	known := errors.As(err, &te)
	for _, e := range batch {
		if (!known || te.Ambiguous) && !e.Repeat {
			e.Repeat, s.mem.Maybe = true, append(s.mem.Maybe, e.Key)
		}
		if known && !te.Retryable {
			e.fails++
		}
	}
	if s.tries >= 3 || known && !te.Retryable {
		s.illLocked(err.Error(), now)
	}
	return "failed"
}

// illLocked begins an episode in which the robot does not speak for us.
func (s *speaker) illLocked(problem string, now time.Time) {
	if s.mem.Ill == "" {
		s.mem.Since, s.mem.Told, s.mem.Bye = now, false, false
	}
	s.mem.Ill = problem
}

// recoveredLocked ends it. Who was told of the beginning is told of the end.
func (s *speaker) recoveredLocked() {
	if s.mem.Ill != "" {
		s.mem.Bye = s.mem.Told
	}
	s.mem.Ill, s.mem.Told = "", false
}

// tell raises the alarm of an episode, or ends it.
func (s *speaker) tell(ctx context.Context) error {
	s.mu.Lock()
	a := Alarm{Robot: s.set.Name, Since: s.mem.Since, Waiting: len(s.waiting), Problem: s.mem.Ill}
	begin, over := s.mem.Ill != "" && !s.mem.Told, s.mem.Ill == "" && s.mem.Bye
	a.Until = s.mem.Budget.MutedUntil
	s.mu.Unlock()
	if s.hold.After(a.Until) {
		a.Until = s.hold
	}
	if s.o.Alarm == nil || !begin && !over {
		return nil
	}
	if over {
		a.Until = time.Time{}
	}
	a.Text = alarmText(a)
	if err := s.o.Alarm(ctx, a); err != nil {
		return err
	}
	s.mu.Lock()
	s.mem.Told, s.mem.Bye = begin, false
	s.mu.Unlock()
	return s.save(ctx)
}

// handOver gives to the fallback what the robot calls wrong or has not taken in
// time while it refuses or fails.
func (s *speaker) handOver(ctx context.Context, now time.Time) error {
	if s.o.Fallback == nil {
		return nil
	}
	s.mu.Lock()
	if _, _, wrong := s.censusLocked(); !wrong && s.mem.Ill == "" {
		s.mu.Unlock()
		return nil
	}
	u := Undelivered{Robot: s.set.Name, Problem: s.mem.Ill}
	urgent, other := s.lanesLocked()
	batch := slices.DeleteFunc(append(urgent, other...), func(e *entry) bool {
		late := s.mem.Ill != "" && now.Sub(e.At) >= s.o.GiveUp
		return !e.wrong() && !late
	})
	for _, e := range batch {
		u.Notices = append(u.Notices, e.Notice)
	}
	s.mu.Unlock()
	if len(batch) == 0 {
		return nil
	}
	if err := s.o.Fallback(ctx, u); err != nil {
		return err
	}
	s.m.notices.WithLabelValues(s.set.Name, "fallback").Add(float64(len(batch)))
	s.mu.Lock()
	s.rememberLocked(batch)
	s.mu.Unlock()
	return errors.Join(s.save(ctx), s.forget(ctx, batch))
}
