package host

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/faultline/faultline/plugins/remedy"
	"github.com/faultline/faultline/plugins/rpc"
)

// Bounds of what a runner may say.
const (
	maxSummary = 500
	maxPin     = 200
	runGrace   = 20 * time.Second // beyond a run's own time, for ending what it started and saying so
)

// runnerPlugin is a remedy.Runner whose work a plugin does.
type runnerPlugin struct{ unit *unit }

var _ remedy.Runner = runnerPlugin{}

// Name returns the plugin's name in the configuration.
func (p runnerPlugin) Name() string { return p.unit.spec.Name }

// Run implements remedy.Runner. The plugin is told a time that ends before ours,
// so that one that keeps it is told from one that hangs. What it prints beyond
// limits.answer is counted and left out; the run goes on.
func (p runnerPlugin) Run(ctx context.Context, o remedy.Order, out io.Writer) (remedy.Outcome, error) {
	u := p.unit
	room := u.limits.Deadline - runGrace
	if room <= 0 {
		room = u.limits.Deadline / 2
	}
	if o.Timeout <= 0 || o.Timeout > room {
		o.Timeout = room
	}
	ctx, cancel := context.WithTimeout(ctx, o.Timeout+runGrace)
	defer cancel()
	screen := &screened{to: out, clean: func(s string) string { return u.capture.masked(keepLines(s)) }}
	var got remedy.Outcome
	var lost int64
	var verdict error
	err := u.call(ctx, func(ctx context.Context, c *rpc.Client) (callErr error) {
		got, lost, verdict, callErr = c.Run(ctx, o, screen, u.limits.Answer)
		return callErr
	})
	screen.flush()
	if lost > 0 {
		u.refuse("output bytes", int(lost))
		_, _ = fmt.Fprintf(out, "\n[%d bytes more were printed and are left out (limits.answer)]\n", lost)
	}
	switch {
	case err != nil:
		return remedy.Outcome{}, u.runFailure(err)
	case verdict != nil:
		return remedy.Outcome{}, u.saidOfRun(verdict)
	}
	return u.ranAs(got, []string{remedy.Done, remedy.Failed, remedy.Stopped})
}

// Find implements remedy.Runner.
func (p runnerPlugin) Find(ctx context.Context, key string) (remedy.Outcome, bool, error) {
	u := p.unit
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	var got remedy.Outcome
	var found bool
	var verdict error
	if err := u.call(ctx, func(ctx context.Context, c *rpc.Client) (callErr error) {
		got, found, verdict, callErr = c.FindRun(ctx, key)
		return callErr
	}); err != nil {
		return remedy.Outcome{}, false, u.runFailure(err)
	}
	if verdict != nil || !found {
		return remedy.Outcome{}, false, u.saidOfRun(verdict)
	}
	got, err := u.ranAs(got, remedy.States())
	return got, err == nil, err
}

// ranAs is an outcome as people may see it.
func (u *unit) ranAs(o remedy.Outcome, states []string) (remedy.Outcome, error) {
	if !slices.Contains(states, o.State) || o.Changed < 0 || len(o.Pin) > maxPin || o.Pin != printable(o.Pin) {
		u.refuse("outcome", 1)
		return remedy.Outcome{}, &remedy.Error{Op: "plugin answer", Begun: true, Err: fmt.Errorf("the plugin says the run ended as %q", cut(printable(o.State), 40)),
			Hint: "look at what the run was to change"}
	}
	o.Summary, o.SummaryZH = u.words(cut(o.Summary, maxSummary)), u.words(cut(o.SummaryZH, maxSummary))
	return o, nil
}

// saidOfRun is a runner's own error as people may see it.
func (u *unit) saidOfRun(err error) error {
	var e *remedy.Error
	if err == nil || !errors.As(err, &e) {
		return err
	}
	return &remedy.Error{Op: u.words(cut(e.Op, 64)), Begun: e.Begun, Again: e.Again, Hint: u.words(cut(e.Hint, 300)), Err: errors.New(u.words(e.Err.Error()))}
}

// runFailure is a call that went wrong by the plugin's fault: unless it was never
// made, nobody knows what was done.
func (u *unit) runFailure(err error) error {
	e := &remedy.Error{Op: "plugin call", Begun: true, Err: err, Hint: "see the plugin's state and last words in the log"}
	if down := (*Down)(nil); errors.As(err, &down) {
		e.Begun, e.Again = false, true
	}
	return e
}

// keepLines replaces what could act on a terminal and keeps the lines.
func keepLines(s string) string {
	lines := strings.Split(s, "\n")
	for n := range lines {
		lines[n] = printable(strings.TrimSuffix(lines[n], "\r"))
	}
	return strings.Join(lines, "\n")
}

// screened hands on what a run prints, whole lines at a time, so that a secret
// that comes in two parts is seen. A line longer than maxHeld is handed on as it
// comes.
type screened struct {
	to    io.Writer
	clean func(string) string
	mu    sync.Mutex // guards held
	held  []byte
}

const maxHeld = 16 << 10

// Write implements io.Writer.
func (s *screened) Write(b []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.held = append(s.held, b...)
	end := strings.LastIndexByte(string(s.held), '\n') + 1
	if end == 0 && len(s.held) > maxHeld {
		end = len(s.held)
	}
	if end > 0 {
		_, err := io.WriteString(s.to, s.clean(string(s.held[:end])))
		s.held = append(s.held[:0], s.held[end:]...)
		return len(b), err
	}
	return len(b), nil
}

func (s *screened) flush() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.held) > 0 {
		_, _ = io.WriteString(s.to, s.clean(string(s.held)))
		s.held = nil
	}
}
