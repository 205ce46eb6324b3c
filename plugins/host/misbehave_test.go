//go:build linux

package host_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/faultline/faultline/internal/secret"
	"github.com/faultline/faultline/plugins/host"
	"github.com/faultline/faultline/plugins/host/spec"
	"github.com/faultline/faultline/plugins/notify"
	"github.com/faultline/faultline/plugins/ticket"
)

// works fails the test unless the plugin does its work (again).
func (r *running) works(t *testing.T) {
	t.Helper()
	deadline := time.Now().Add(60 * time.Second)
	for {
		k, err := r.gather(t, 20*time.Second, nil)
		if err == nil && len(k.Samples) == 1 {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("does not work again: %v", err)
		}
		time.Sleep(10 * time.Millisecond)
	}
}

func TestPluginThatCrashes(t *testing.T) {
	for name, want := range map[string]string{"crash": "this plugin panics on purpose", "exit": "exit status 7"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := start(t, rogue(t, "ok"))
			r.await(t, spec.Input)
			_, err := r.gather(t, 20*time.Second, mode(name))
			if err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("got %v, want the reason %q", err, want)
			}
			var not interface{ NotMeasured() bool }
			if !errors.As(err, &not) || !not.NotMeasured() {
				t.Errorf("the target would be taken to be down: %v", err)
			}
			r.until(t, "counted", func(s spec.Status) bool { return s.Ends["exited"] == 1 })
			r.works(t)
		})
	}
}

func TestPluginThatCannotStart(t *testing.T) {
	for name, want := range map[string]string{
		"crash-start": "no licence, password=<secret>", "mute-start": "did not begin to speak in time", "babble-start": "", "plain-start": "",
		"old-start": "for version 1 of the contracts",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := rogue(t, name)
			p.Limits.Start = 2 * time.Second
			r := start(t, p)
			s := r.until(t, "given up", func(s spec.Status) bool {
				return s.Starts >= 2 && s.Problem != "" && (s.State == spec.Waiting || s.State == spec.Refused)
			})
			if !strings.Contains(s.Problem, want) {
				t.Errorf("problem: got %q, want %q in it", s.Problem, want)
			}
			began := time.Now()
			if _, err := r.gather(t, 20*time.Second, nil); err == nil || !errors.As(err, new(*host.Down)) {
				t.Errorf("gather: got %v, want Down", err)
			}
			if took := time.Since(began); took > time.Second {
				t.Errorf("a plugin that is down held its caller up for %s", took)
			}
		})
	}
}

func TestPluginThatRefusesItsSettings(t *testing.T) {
	p := rogue(t, "ok")
	p.Settings = map[string]secret.String{"refuse": "1"}
	r := start(t, p)
	s := r.until(t, "refused", func(s spec.Status) bool { return s.Problem != "" })
	if !strings.Contains(s.Problem, "settings refused") {
		t.Errorf("problem: %q", s.Problem)
	}
}

func TestPluginThatHangs(t *testing.T) {
	t.Parallel()
	r := start(t, rogue(t, "ok"))
	r.await(t, spec.Input)
	for range 3 {
		began := time.Now()
		_, err := r.gather(t, 300*time.Millisecond, mode("hang"))
		if err == nil {
			t.Fatal("a hanging plugin answered")
		}
		if took := time.Since(began); took > 3*time.Second {
			t.Errorf("the caller waited %s for 300ms", took)
		}
	}
	r.until(t, "ended", func(s spec.Status) bool { return s.Ends["hung"] == 1 })
	r.works(t)
}

func TestPluginThatKeepsItsDeadlineIsLeftAlone(t *testing.T) {
	t.Parallel()
	r := start(t, rogue(t, "ok"))
	r.await(t, spec.Input)
	for range 4 {
		if _, err := r.gather(t, 2*time.Second, mode("slow")); err == nil || !strings.Contains(err.Error(), "deadline") {
			t.Fatalf("got %v, want the plugin's own word", err)
		}
	}
	if s := r.Status()[0]; s.Starts != 1 || s.Calls["ok"] != 4 {
		t.Errorf("status: %+v", s)
	}
}

func TestPluginThatFreezes(t *testing.T) {
	t.Parallel()
	pace := quick
	pace.Answer = 200 * time.Millisecond
	r := startAt(t, pace, rogue(t, "ok"))
	r.await(t, spec.Input)
	_, _ = r.gather(t, 20*time.Second, mode("freeze")) // ends when the host ends the plugin
	r.until(t, "ended", func(s spec.Status) bool { return s.Ends["unhealthy"] == 1 })
	r.works(t)
}

func TestPluginThatFloods(t *testing.T) {
	t.Parallel()
	p := rogue(t, "ok")
	p.Limits.Samples, p.Limits.Memory = 1000, 512<<20
	r := start(t, p)
	r.await(t, spec.Input)
	k, err := r.gather(t, 60*time.Second, mode("flood"))
	if err == nil || !strings.Contains(err.Error(), "8388608 are allowed") {
		t.Errorf("got %v, want the bound on answers", err)
	}
	if len(k.Samples) != 1000 {
		t.Errorf("%d samples came through, want 1000", len(k.Samples))
	}
	for deadline := time.Now().Add(60 * time.Second); time.Now().Before(deadline); time.Sleep(10 * time.Millisecond) {
		if _, err = r.gather(t, 60*time.Second, mode("giant")); err == nil || !strings.Contains(err.Error(), "has not ended") && !errors.As(err, new(*host.Down)) {
			break
		}
	}
	if err == nil || !strings.Contains(err.Error(), "larger than max") {
		t.Errorf("giant message: got %v", err)
	}
	if s := r.Status()[0]; s.Refusals["too many"] == 0 || s.Calls["broken"] < 2 {
		t.Errorf("status: %+v", s)
	}
	r.works(t)
}

func TestPluginThatFloodsOverTime(t *testing.T) {
	t.Parallel()
	p := rogue(t, "ok")
	p.Limits.PerSecond = 10 // 600 a minute
	r := start(t, p)
	r.await(t, spec.Input)
	got := 0
	for range 3 {
		k, err := r.gather(t, 20*time.Second, mode("table"))
		if err != nil {
			t.Fatal(err)
		}
		got += k.Len()
	}
	if s := r.Status()[0]; got > 700 || s.Refusals["too fast"] < 2000 {
		t.Errorf("%d samples came through, refused %v", got, s.Refusals)
	}
}

func TestPluginThatShouts(t *testing.T) {
	t.Parallel()
	r := start(t, rogue(t, "ok"))
	r.await(t, spec.Input)
	if _, err := r.gather(t, 2*time.Second, mode("shout")); err != nil && !strings.Contains(err.Error(), "no answer") {
		t.Errorf("got %v", err)
	}
	s := r.until(t, "lost lines", func(s spec.Status) bool { return s.LogLost > 1000 })
	if kept := s.LogLines["info"]; kept > 500 {
		t.Errorf("%d lines were kept", kept)
	}
	if n := len(r.journal.String()); n > 1<<20 {
		t.Errorf("%d bytes of log", n)
	}
	for _, w := range s.LastWords {
		if len(w) > 1100 {
			t.Errorf("a line of %d bytes was kept", len(w))
		}
	}
	r.works(t)
}

func TestPluginThatEatsMemory(t *testing.T) {
	t.Parallel()
	p := rogue(t, "ok")
	p.Limits.Memory = 96 << 20
	r := start(t, p)
	r.await(t, spec.Input)
	if _, err := r.gather(t, 60*time.Second, mode("hog")); err == nil {
		t.Error("the reading succeeded")
	}
	r.until(t, "ended", func(s spec.Status) bool { return s.Ends["memory"]+s.Ends["exited"] == 1 })
	if !strings.Contains(r.journal.String(), "limits.memory") && !strings.Contains(r.journal.String(), "out of memory") {
		t.Error("nobody says that it was memory")
	}
	r.works(t)
}

func TestNothingIsLeftBehind(t *testing.T) {
	r := start(t, rogue(t, "ok"))
	r.await(t, spec.Input)
	k, err := r.gather(t, 20*time.Second, mode("fork"))
	if err != nil {
		t.Fatal(err)
	}
	child := int(k.Samples[1].Value)
	plugin := r.Status()[0].PID
	for _, pid := range []int{child, plugin} {
		if syscall.Kill(pid, 0) != nil {
			t.Fatalf("process %d is not there to begin with", pid)
		}
	}
	r.stop()
	for _, pid := range []int{child, plugin} {
		deadline := time.Now().Add(20 * time.Second)
		for alive(pid) {
			if time.Now().After(deadline) {
				t.Fatalf("process %d is still there", pid)
			}
			time.Sleep(5 * time.Millisecond)
		}
	}
	if s := r.Status()[0]; s.State != spec.Stopped {
		t.Errorf("state: %s", s.State)
	}
}

func TestProcessThatEscapesHoldsNobodyUp(t *testing.T) {
	r := start(t, rogue(t, "ok"))
	r.await(t, spec.Input)
	began := time.Now()
	if _, err := r.gather(t, 20*time.Second, mode("escape")); err == nil || !strings.Contains(err.Error(), "exit status 7") {
		t.Errorf("got %v", err)
	}
	r.works(t)
	r.stop()
	if took := time.Since(began); took > 25*time.Second { // the process sleeps for 30
		t.Errorf("took %s", took)
	}
}

// alive tells whether a process runs; one that waits for its parent does not.
func alive(pid int) bool {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return false
	}
	_, rest, _ := strings.Cut(string(b), ") ")
	return !strings.HasPrefix(rest, "Z")
}

func TestPluginThatLies(t *testing.T) {
	r := start(t, rogue(t, "ok"))
	r.await(t, spec.Input)
	k, err := r.gather(t, 20*time.Second, mode("lies"))
	if err != nil {
		t.Fatal(err)
	}
	if got := k.names(); len(got) != 1 || got["rogue_value"] != 1 {
		t.Errorf("came through: %v", got)
	}
	if len(k.events) != 1 || k.events[0].ID != "plugin/rogue/s1/t1/agent-1/real" || k.events[0].Site != "s1" {
		t.Errorf("events: %+v", k.events)
	}
	want := map[string]uint64{"name of the host's own": 3, "name": 2, "another's label": 2, "label": 1, "time": 2, "label twice": 1, "row twice": 2,
		"another's event": 1, "event of the host's own": 1}
	if got := r.Status()[0].Refusals; fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("refused: got %v\nwant %v", got, want)
	}
}

func TestPluginThatSpeaksNonsense(t *testing.T) {
	r := start(t, rogue(t, "malformed"))
	r.await(t, spec.Input)
	for _, m := range []string{"symbol", "count", "block", "missing", "endless"} {
		if _, err := r.gather(t, 20*time.Second, mode(m)); err == nil {
			t.Errorf("%s: no error", m)
		}
		_, _ = r.gather(t, 20*time.Second, nil) // a good call between, so that it is not ended for three bad ones
	}
	if s := r.Status()[0]; s.Starts != 1 || s.Calls["broken"] != 5 {
		t.Errorf("status: %+v", s)
	}
}

func TestDeskThatMisbehaves(t *testing.T) {
	r := start(t, desk(t))
	r.await(t, spec.Ticket)
	d, _ := r.Desk("rogue")
	send := func(m string, wait time.Duration) (ticket.Ref, *ticket.Error) {
		ctx, cancel := context.WithTimeout(context.Background(), wait)
		defer cancel()
		ref, err := d.Send(ctx, ticket.Ticket{MessageKey: "k", To: []string{"a@b"}, Number: "7", Fields: mode(m), At: time.Now(),
			Attachments: []ticket.Attachment{{Name: "报告.pdf", Data: make([]byte, 6<<20)}}})
		var e *ticket.Error
		if err != nil && !errors.As(err, &e) {
			t.Fatalf("%s: %T is no ticket.Error: %v", m, err, err)
		}
		return ref, e
	}
	if ref, err := send("", 20*time.Second); err != nil || ref.ID != "k/a@b/6291456" || ref.URL != "https://desk.example/7" {
		t.Errorf("honest: %+v, %v", ref, err)
	}
	if ref, err := send("script", 20*time.Second); err != nil || ref.ID != "1" || ref.URL != "" {
		t.Errorf("script: %+v, %v", ref, err)
	}
	if _, err := send("nameless", 20*time.Second); err == nil || !err.Ambiguous {
		t.Errorf("nameless: %v", err)
	}
	if _, err := send("refuse", 20*time.Second); err == nil || err.Ambiguous || err.Retryable || strings.Contains(err.Error(), "verysecret") || strings.Contains(err.Error(), "\x1b") {
		t.Errorf("refuse: %v", err)
	}
	if _, err := send("vague", 20*time.Second); err == nil || !err.Ambiguous || !err.Retryable {
		t.Errorf("vague: %v", err)
	}
	if _, err := send("hang", 500*time.Millisecond); err == nil || !err.Ambiguous || !err.Retryable {
		t.Errorf("hang: %v", err)
	}
	if _, err := send("crash", 20*time.Second); err == nil || !err.Ambiguous || !err.Retryable || !strings.Contains(err.Error(), "exit status 9") {
		t.Errorf("crash: %v", err)
	}
	r.until(t, "restarted", func(s spec.Status) bool { return s.Starts == 2 && s.State == spec.Running })
	r.stop()
	if _, err := send("", 20*time.Second); err == nil || err.Ambiguous || !err.Retryable {
		t.Errorf("a desk that does not run: %v, want retryable and not ambiguous", err)
	}
}

func TestDeskAnswers(t *testing.T) {
	p := desk(t)
	c := p
	c.Contract = spec.Notify
	r := start(t, p, c)
	r.await(t, spec.Ticket)
	r.await(t, spec.Notify)
	ctx, cancel := context.WithTimeout(context.Background(), 60*time.Second)
	defer cancel()
	d, _ := r.Desk("rogue")
	if ref, found, err := d.Find(ctx, "there"); err != nil || !found || ref.ID != "found" {
		t.Errorf("find: %v %v %v", ref, found, err)
	}
	if _, found, err := d.Find(ctx, "nowhere"); err != nil || found {
		t.Errorf("find: %v %v", found, err)
	}
	if _, _, err := d.Find(ctx, "cannot"); !errors.Is(err, ticket.ErrCannotSearch) {
		t.Errorf("find: %v", err)
	}
	updates, next, err := d.(ticket.Follower).Updates(ctx, "c")
	if err != nil || next != "c+" || len(updates) != 1 || updates[0].Text != "已派单" {
		t.Errorf("updates: %+v %q %v", updates, next, err)
	}
	ch, _ := r.Channel("rogue")
	if err := ch.Deliver(ctx, notify.Notice{To: "somebody"}); err != nil {
		t.Error(err)
	}
	var e *ticket.Error
	if err := ch.Deliver(ctx, notify.Notice{To: "nobody"}); !errors.As(err, &e) || !e.Retryable || e.Ambiguous {
		t.Errorf("deliver: %v", err)
	}
}
