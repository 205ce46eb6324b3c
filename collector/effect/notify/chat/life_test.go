package chat

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/faultline/faultline/collector/effect/notify/robot"
)

func reply(status int, body string) func(http.ResponseWriter) {
	return func(w http.ResponseWriter) { w.WriteHeader(status); _, _ = io.WriteString(w, body) }
}

func cut(http.ResponseWriter) { panic(http.ErrAbortHandler) } // after the request was read

// TestRestart kills the service between messages: the budget, what waits and
// what was said are known to its next life.
func TestRestart(t *testing.T) {
	h := newHarness(t)
	for i := range 240 { // a restart after every few steps
		h.deliver(h.notice(2 * i))
		h.deliver(h.notice(2*i + 1))
		h.play(250*time.Millisecond, nil)
		h.restart()
		h.deliver(h.notice(3)) // said or waiting: changes nothing
	}
	h.play(time.Minute, nil)
	h.checkStorm(480)
	for _, text := range h.g.said() {
		if strings.Contains(text, "重发") {
			t.Errorf("an orderly restart repeats: %s", text)
		}
	}
}

// TestKilledWhileSending finds a message that was on its way: it is said again,
// with the mark, and only that one.
func TestKilledWhileSending(t *testing.T) {
	h := newHarness(t)
	h.deliver(h.notice(1))
	h.deliver(h.notice(2))
	h.r.mu.Lock()
	_, lane := h.r.lanesLocked()
	h.r.mu.Unlock()
	if err := h.r.begin(t.Context(), decisionSingle, lane[:1], h.clock.now()); err != nil {
		t.Fatal(err)
	}
	h.restart() // killed before the answer
	h.play(5*time.Second, nil)
	said := h.g.said()
	if len(said) != 2 || !strings.Contains(said[0], "重发") || !strings.Contains(said[0], "-0001") || strings.Contains(said[1], "重发") {
		t.Fatalf("said %q", said)
	}
	if n := len(h.r.mem.Budget.Sent); n != 3 { // the lost one counts: the group's owner may have counted it
		t.Errorf("%d messages are counted", n)
	}
	// Said, and killed before the notice was forgotten.
	h.store.m[h.r.noticeName("inc0002/1/notify")] = `{"key":"inc0002/1/notify","title":"x"}`
	h.restart()
	h.play(time.Minute, nil)
	if n := len(h.g.said()); n != 2 || h.store.count("/notice/") != 0 {
		t.Errorf("%d messages, %d notices kept", n, h.store.count("/notice/"))
	}
}

// TestMuted lets the group refuse although we kept to our budget (somebody else
// uses the robot too): an alarm once, nothing lost, silence until it is over.
func TestMuted(t *testing.T) {
	h := newHarness(t)
	tooFast := reply(200, `{"errcode":130101,"errmsg":"send too fast"}`)
	h.g.script(tooFast)
	h.alarmed = errors.New("mail is down")
	h.deliver(h.notice(1))
	h.play(time.Second, nil)
	if len(h.alarms) != 0 || !h.r.mem.Budget.Muted() {
		t.Fatalf("%+v, %+v", h.alarms, h.r.mem)
	}
	h.alarmed = nil // the alarm is raised again until it is taken
	h.deliver(h.notice(0))
	h.play(9*time.Minute, nil)
	if len(h.alarms) != 1 || !strings.Contains(h.alarms[0].Problem, "130101") || h.alarms[0].Until.Sub(t0) < 10*time.Minute {
		t.Fatalf("alarms %+v", h.alarms)
	}
	if a := h.alarms[0].Text; !strings.Contains(a.ZH, "群内暂时收不到通知") || !strings.Contains(a.EN, "told nothing") {
		t.Errorf("text %+v", a)
	}
	if n := len(h.g.said()); n != 0 {
		t.Fatalf("%d messages while muted", n)
	}
	h.restart() // a mute outlives a restart
	h.play(30*time.Second, nil)
	if n := len(h.g.said()); n != 0 {
		t.Fatalf("%d messages while muted, after a restart", n)
	}
	h.play(2*time.Minute, nil)
	said := h.g.said()
	if len(said) != 2 || !strings.Contains(said[0], "-0000") || !strings.Contains(said[1], "-0001") {
		t.Fatalf("afterwards %q", said)
	}
	if len(h.alarms) != 2 || !h.alarms[1].Until.IsZero() || !strings.Contains(h.alarms[1].Text.ZH, "恢复发送") {
		t.Fatalf("alarms %+v", h.alarms)
	}
}

// TestFailures goes through what can go wrong on the way.
func TestFailures(t *testing.T) {
	tests := []struct {
		name   string
		script []func(http.ResponseWriter)
		repeat bool // the message that arrives bears the mark
		alarms int
	}{
		{"500 then well", []func(http.ResponseWriter){reply(500, "oops")}, false, 0},
		{"cut after reading", []func(http.ResponseWriter){cut}, true, 0},
		{"200 with an error body", []func(http.ResponseWriter){reply(200, `{"errcode":-1,"errmsg":"system busy"}`)}, false, 0},
		{"200 with a portal's page", []func(http.ResponseWriter){reply(200, "<html>sign in</html>")}, true, 0},
		{"three failures are an alarm", []func(http.ResponseWriter){reply(500, ""), reply(500, ""), reply(500, "")}, false, 2},
		{"wrong settings are one at once", []func(http.ResponseWriter){reply(200, `{"errcode":310000,"errmsg":"sign not match"}`)}, false, 2},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			h := newHarness(t)
			h.g.script(tt.script...)
			h.deliver(h.notice(1))
			h.play(2*time.Minute, nil)
			said := h.g.said()
			if len(said) != 1 || strings.Contains(said[0], "重发") != tt.repeat {
				t.Errorf("said %q", said)
			}
			if len(h.alarms) != tt.alarms || len(h.handed) != 0 {
				t.Errorf("alarms %+v, handed over %+v", h.alarms, h.handed)
			}
		})
	}
}

// TestFallback gives away what the robot calls wrong three times, and what it
// has not taken for half an hour; the others pass.
func TestFallback(t *testing.T) {
	wrong := reply(200, `{"errcode":40035,"errmsg":"invalid"}`)
	h := newHarness(t)
	h.g.script(wrong, wrong, wrong)
	h.deliver(h.notice(1))
	h.play(time.Second, nil)
	h.deliver(h.notice(2))
	h.play(2*time.Minute, nil)
	if len(h.handed) != 1 || len(h.handed[0].Notices) != 1 || h.handed[0].Notices[0].Number != "20261121-0001" || !strings.Contains(h.handed[0].Problem, "40035") {
		t.Fatalf("handed over %+v", h.handed)
	}
	if said := h.g.said(); len(said) != 1 || !strings.Contains(said[0], "-0002") {
		t.Fatalf("said %q", said)
	}

	h = newHarness(t)
	h.g.Close()
	h.deliver(h.notice(1))
	h.play(29*time.Minute, nil)
	if len(h.handed) != 0 || len(h.alarms) != 1 {
		t.Fatalf("handed over %+v, alarms %+v", h.handed, h.alarms)
	}
	h.play(3*time.Minute, nil)
	if len(h.handed) != 1 || h.store.count("/notice/") != 0 {
		t.Fatalf("handed over %+v, %d kept", h.handed, h.store.count("/notice/"))
	}
}

// TestStoreFails writes nothing down and therefore says nothing.
func TestStoreFails(t *testing.T) {
	h := newHarness(t)
	h.deliver(h.notice(1))
	h.store.setBroken(true)
	h.play(10*time.Second, nil)
	if n := len(h.g.said()); n != 0 {
		t.Fatalf("%d messages without a record", n)
	}
	h.store.setBroken(false)
	h.play(3*time.Second, nil)
	if said := h.g.said(); len(said) != 1 || strings.Contains(said[0], "重发") {
		t.Fatalf("said %q", said)
	}
}

// TestRun drives the loop itself with the runtime's simulated time and a
// transport in place of the network.
func TestRun(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var posts []string
		client := &http.Client{Transport: roundTrip(func(r *http.Request) (*http.Response, error) {
			b, _ := io.ReadAll(r.Body)
			posts = append(posts, string(b))
			return &http.Response{StatusCode: 200, Header: http.Header{}, Body: io.NopCloser(strings.NewReader(`{"errcode":0}`)), Request: r}, nil
		})}
		s, err := New(Options{Store: &kv{}, Client: client, Robots: []robot.Settings{{Name: "noc", Kind: robot.WeCom, URL: "https://wecom.example/send?key=k"}}})
		if err != nil {
			t.Fatal(err)
		}
		done := make(chan error, 1)
		ctx, stop := contextWithCancel(t)
		go func() { done <- s.Run(ctx) }()
		synctest.Wait()
		for i := range 60 {
			if err := s.Deliver(ctx, "noc", Notice{Key: fmt.Sprint(i), Number: fmt.Sprintf("20261121-%04d", i), Title: fmt.Sprintf("20261121-%04d", i), Level: robot.Minor, At: time.Now()}); err != nil {
				t.Fatal(err)
			}
		}
		time.Sleep(90 * time.Second)
		stop()
		if err := <-done; err != nil {
			t.Fatal(err)
		}
		all := number.FindAllString(strings.Join(posts, "\n"), -1)
		slices.Sort(all)
		if n := len(slices.Compact(all)); n != 60 || len(posts) > 12 {
			t.Fatalf("%d numbers in %d messages", n, len(posts))
		}
	})
}

type roundTrip func(*http.Request) (*http.Response, error)

func (f roundTrip) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }
