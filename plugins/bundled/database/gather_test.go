//go:build linux

package database_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/faultline/faultline/plugins/base"
	"github.com/faultline/faultline/plugins/bundled/database"
	"github.com/faultline/faultline/plugins/input"
)

// sink keeps what a Gather finds.
type sink struct {
	samples []base.Sample
	events  []base.Event
}

func (s *sink) Sample(sm base.Sample) { s.samples = append(s.samples, sm) }
func (s *sink) Event(e base.Event)    { s.events = append(s.events, e) }

// Block keeps the block's samples one by one.
func (s *sink) Block(b base.Block) {
	for sm := range b.Samples() {
		s.Sample(sm)
	}
}

// value returns the value of the first series with the name and labels.
func (s *sink) value(name string, labels ...string) (float64, bool) {
next:
	for _, sm := range s.samples {
		if sm.Labels.Name() != name {
			continue
		}
		for i := 0; i < len(labels); i += 2 {
			if sm.Labels.Get(labels[i]) != labels[i+1] {
				continue next
			}
		}
		return sm.Value, true
	}
	return 0, false
}

// failed returns the reasons that are said to hold.
func (s *sink) failed() string {
	var all []string
	for _, sm := range s.samples {
		if sm.Labels.Name() == "faultline_database_failed" && sm.Value == 1 {
			all = append(all, sm.Labels.Get("reason"))
		}
	}
	return strings.Join(all, " ")
}

// kinds are the kinds of the events, in order.
func (s *sink) kinds() string {
	var all []string
	for _, e := range s.events {
		all = append(all, e.Kind)
	}
	return strings.Join(all, " ")
}

// watch is an input with one target.
type watch struct {
	t      *testing.T
	in     *database.Input
	target base.Target

	mu    sync.Mutex
	now   time.Time // zero: the real time
	dials int
}

// newWatch makes an input for a target; options are names and values by turns.
func newWatch(t *testing.T, address string, options ...string) *watch {
	t.Helper()
	w := &watch{t: t, target: base.Target{ID: "t", Input: "database", Address: address, Options: map[string]string{}}}
	for i := 0; i < len(options); i += 2 {
		w.target.Options[options[i]] = options[i+1]
	}
	w.in = database.New(database.Options{Now: w.clock, Dial: w.dial})
	t.Cleanup(w.in.Close)
	if err := w.in.CheckTarget(w.target); err != nil {
		t.Fatal(err)
	}
	return w
}

// gather polls once, within five seconds.
func (w *watch) gather() (*sink, error) {
	w.t.Helper()
	return w.gatherWithin(5 * time.Second)
}

func (w *watch) gatherWithin(d time.Duration) (*sink, error) {
	w.t.Helper()
	ctx, cancel := context.WithTimeout(w.t.Context(), d)
	defer cancel()
	s := &sink{}
	err := w.in.Gather(ctx, w.target, s)
	w.sane(s, err)
	return s, err
}

// sane checks what holds for every poll: no series twice, no secret anywhere.
func (w *watch) sane(s *sink, err error) {
	w.t.Helper()
	seen := map[string]bool{}
	text := fmt.Sprint(err, s.events)
	for _, sm := range s.samples {
		key := fmt.Sprint(sm.Labels)
		if seen[key] {
			w.t.Errorf("series is there twice: %s", key)
		}
		seen[key] = true
		text += key
		if sm.Time == 0 {
			w.t.Errorf("no time: %s", key)
		}
	}
	for _, secret := range []string{monitorPassword, adminPassword, "wrong-password", "4711-secret"} {
		if strings.Contains(text, secret) {
			w.t.Errorf("a secret came out: %s", text)
		}
	}
	for _, name := range []string{"faultline_database_login_success", "faultline_database_query_success"} {
		if _, ok := s.value(name); !ok {
			w.t.Errorf("%s is missing: %v", name, err)
		}
	}
}

// good polls once and fails the test when anything could not be read.
func (w *watch) good() *sink {
	w.t.Helper()
	s, err := w.gather()
	if err != nil {
		w.t.Fatal(err)
	}
	w.want(s, 1, "faultline_database_port_open")
	w.want(s, 1, "faultline_database_login_success")
	w.want(s, 1, "faultline_database_query_success")
	w.want(s, 1, "faultline_database_serving")
	if f := s.failed(); f != "" {
		w.t.Errorf("failed for %s", f)
	}
	return s
}

// partial polls once and wants an answer that could be read in part only.
func (w *watch) partial(words ...string) *sink {
	w.t.Helper()
	s, err := w.gather()
	if !errors.As(err, new(input.Partial)) {
		w.t.Fatalf("error %v, want a partial one", err)
	}
	for _, word := range words {
		if !strings.Contains(err.Error(), word) {
			w.t.Errorf("%q is not in %v", word, err)
		}
	}
	w.want(s, 1, "faultline_database_query_success")
	return s
}

// bad polls once and wants a failure for the reason.
func (w *watch) bad(reason string, words ...string) *sink {
	w.t.Helper()
	s, err := w.gather()
	w.isBad(s, err, reason, words...)
	return s
}

func (w *watch) isBad(s *sink, err error, reason string, words ...string) {
	w.t.Helper()
	var f *database.Failure
	if !errors.As(err, &f) {
		w.t.Fatalf("error %v, want a Failure for %s", err, reason)
	}
	if f.Reason != reason || s.failed() != reason {
		w.t.Errorf("failed for %q and %q, want %q: %v", f.Reason, s.failed(), reason, err)
	}
	for _, word := range words {
		if !strings.Contains(err.Error(), word) {
			w.t.Errorf("%q is not in %v", word, err)
		}
	}
	w.want(s, 0, "faultline_database_query_success")
}

func (w *watch) want(s *sink, value float64, name string, labels ...string) {
	w.t.Helper()
	if v, ok := s.value(name, labels...); !ok || v != value {
		w.t.Errorf("%s%v = %v %v, want %v", name, labels, v, ok, value)
	}
}

// wantAbove wants a value larger than low.
func (w *watch) wantAbove(s *sink, low float64, name string, labels ...string) {
	w.t.Helper()
	if v, ok := s.value(name, labels...); !ok || v <= low {
		w.t.Errorf("%s%v = %v %v, want more than %v", name, labels, v, ok, low)
	}
}

func (w *watch) none(s *sink, name string) {
	w.t.Helper()
	if v, ok := s.value(name); ok {
		w.t.Errorf("%s = %v, want none", name, v)
	}
}

func (w *watch) clock() time.Time {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.now.IsZero() {
		return time.Now()
	}
	return w.now
}

func (w *watch) setClock(now time.Time) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.now = now
}

// until polls f until it is true, for at most half a minute. InnoDB renews what it
// shows of transactions only when nobody has looked for 100 ms.
func until(t *testing.T, what string, f func() bool) {
	t.Helper()
	deadline := time.NewTimer(30 * time.Second)
	tick := time.NewTicker(150 * time.Millisecond)
	defer deadline.Stop()
	defer tick.Stop()
	for !f() {
		select {
		case <-deadline.C:
			t.Fatalf("waited in vain until %s", what)
		case <-tick.C:
		}
	}
}

// dial counts connections.
func (w *watch) dial(ctx context.Context, network, address string) (net.Conn, error) {
	w.mu.Lock()
	w.dials++
	w.mu.Unlock()
	return (&net.Dialer{}).DialContext(ctx, network, address)
}

func (w *watch) dialled() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.dials
}
