package chat

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/faultline/faultline/collector/effect/notify/robot"
	"github.com/faultline/faultline/internal/secret"
	"github.com/faultline/faultline/plugins/ticket"
)

var t0 = time.Date(2026, 11, 21, 8, 0, 0, 0, time.UTC)

// clock is a simulated one.
type clock struct {
	mu sync.Mutex
	t  time.Time
}

func (c *clock) now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.t
}

func (c *clock) add(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.t = c.t.Add(d)
}

// room is a DingTalk group: it takes 20 messages in a minute, then none for ten
// minutes, and says so with status 200.
type room struct {
	*httptest.Server
	clock *clock

	mu       sync.Mutex
	texts    []string
	at       []time.Time
	muted    time.Time
	tooFast  int
	scripted []func(http.ResponseWriter) // answers before the rules count; each is used once
}

func newRoom(t *testing.T, c *clock) *room {
	g := &room{clock: c}
	g.Server = httptest.NewServer(http.HandlerFunc(g.serve))
	t.Cleanup(g.Close)
	return g
}

func (g *room) serve(w http.ResponseWriter, r *http.Request) {
	g.mu.Lock()
	defer g.mu.Unlock()
	var body struct {
		MsgType  string
		Markdown struct{ Title, Text string }
	}
	raw, _ := io.ReadAll(r.Body)
	if err := json.Unmarshal(raw, &body); err != nil || body.MsgType != "markdown" {
		http.Error(w, "bad", http.StatusBadRequest)
		return
	}
	if len(g.scripted) > 0 {
		f := g.scripted[0]
		g.scripted = g.scripted[1:]
		f(w)
		return
	}
	now := g.clock.now()
	recent := 0
	for _, at := range g.at {
		if now.Sub(at) < time.Minute {
			recent++
		}
	}
	if now.Before(g.muted) || recent >= 20 {
		g.muted = now.Add(10 * time.Minute)
		g.tooFast++
		_, _ = io.WriteString(w, `{"errcode":130101,"errmsg":"send too fast, exceed 20 times per minute"}`)
		return
	}
	g.texts, g.at = append(g.texts, body.Markdown.Text), append(g.at, now)
	_, _ = io.WriteString(w, `{"errcode":0,"errmsg":"ok"}`)
}

func (g *room) script(f ...func(http.ResponseWriter)) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.scripted = append(g.scripted, f...)
}

func (g *room) said() []string {
	g.mu.Lock()
	defer g.mu.Unlock()
	return slices.Clone(g.texts)
}

// harness is a service with one robot and a simulated clock.
type harness struct {
	t     *testing.T
	s     *Service
	r     *speaker
	g     *room
	store *kv
	clock *clock

	alarms  []Alarm
	alarmed error // what the alarm's way answers
	handed  []Undelivered
}

func newHarness(t *testing.T) *harness {
	h := &harness{t: t, store: &kv{}, clock: &clock{t: t0}}
	h.g = newRoom(t, h.clock)
	h.restart()
	return h
}

// restart is a new process on the same store.
func (h *harness) restart() {
	h.t.Helper()
	s, err := New(Options{Store: h.store, Now: h.clock.now, Logger: slog.New(slog.DiscardHandler), List: "https://noc.example.com/incidents",
		Robots: []robot.Settings{{Name: "noc", Kind: robot.DingTalk, URL: secret.String(h.g.URL + "/robot/send?access_token=x"), Secret: "SECabc"}},
		Alarm: func(_ context.Context, a Alarm) error {
			if h.alarmed == nil {
				h.alarms = append(h.alarms, a)
			}
			return h.alarmed
		},
		Fallback: func(_ context.Context, u Undelivered) error { h.handed = append(h.handed, u); return nil }})
	if err != nil {
		h.t.Fatal(err)
	}
	h.s, h.r = s, s.robots["noc"]
	if err := h.r.load(h.t.Context()); err != nil {
		h.t.Fatal(err)
	}
}

// play lets simulated time pass in steps of at most 50 ms; arrive is called
// before each.
func (h *harness) play(d time.Duration, arrive func(elapsed time.Duration)) {
	for passed := time.Duration(0); passed < d; {
		if arrive != nil {
			arrive(passed)
		}
		wait := h.r.step(h.t.Context())
		if wait <= 0 || wait > 50*time.Millisecond {
			wait = 50 * time.Millisecond
		}
		h.clock.add(wait)
		passed += wait
	}
}

func (h *harness) deliver(n Notice) {
	h.t.Helper()
	if err := h.s.Deliver(h.t.Context(), "noc", n); err != nil {
		h.t.Fatal(err)
	}
}

// notice is the i-th of a storm; every 25th is priority 1.
func (h *harness) notice(i int) Notice {
	n := Notice{Key: fmt.Sprintf("inc%04d/1/notify", i), Number: fmt.Sprintf("20261121-%04d", i), Site: "上海分公司", Fault: "专线中断", Tag: "新故障",
		Text: "监测发现新的故障。", Level: robot.Major, At: h.clock.now()}
	if i%25 == 0 {
		n.Level = robot.Critical
	}
	n.Title = "[FL#" + n.Number + "] 新故障：专线中断"
	return n
}

var number = regexp.MustCompile(`20261121-\d{4}`)

// TestStorm sends 500 notices within a minute to one robot: at most 20 messages
// in any minute reach it, priority 1 comes first, and nothing is lost or said twice.
func TestStorm(t *testing.T) {
	for _, tt := range []struct {
		name  string
		every time.Duration // between two notices
	}{{"over a minute", 120 * time.Millisecond}, {"at once", 0}} {
		t.Run(tt.name, func(t *testing.T) {
			h := newHarness(t)
			next := 0
			h.play(3*time.Minute, func(elapsed time.Duration) {
				for next < 500 && time.Duration(next)*tt.every <= elapsed {
					h.deliver(h.notice(next))
					next++
				}
			})
			h.checkStorm(500)
			if n := h.store.count("/notice/"); n != 0 {
				t.Errorf("%d notices are still kept", n)
			}
		})
	}
}

func (h *harness) checkStorm(total int) {
	h.t.Helper()
	h.g.mu.Lock()
	defer h.g.mu.Unlock()
	digests, seen, firstMinute := 0, map[string]int{}, 0
	for i, text := range h.g.texts {
		if strings.Contains(text, "汇总") {
			digests++
		}
		in := 0
		for _, at := range h.g.at[i:] {
			if at.Sub(h.g.at[i]) < time.Minute {
				in++
			}
		}
		if in > 20 {
			h.t.Errorf("%d messages in a minute", in)
		}
		if h.g.at[i].Sub(t0) < time.Minute {
			firstMinute++
		}
		for _, n := range slices.Compact(number.FindAllString(text, -1)) {
			seen[n]++
		}
	}
	for i := range total {
		if n := fmt.Sprintf("20261121-%04d", i); seen[n] != 1 {
			h.t.Errorf("%s was said %d times", n, seen[n])
		}
	}
	if h.g.tooFast != 0 || firstMinute > 20 || digests == 0 {
		h.t.Errorf("too fast %d times, %d messages in the first minute, %d digests", h.g.tooFast, firstMinute, digests)
	}
	h.t.Logf("%d notices: %d messages, %d in the first minute, %d digests, last after %s", total, len(h.g.texts), firstMinute, digests, h.g.at[len(h.g.at)-1].Sub(t0))
}

// TestUrgentFirst fills the queue before anything is said: every priority 1
// notice is said before any other, and while a storm lasts none waits longer
// than a digest's turn.
func TestUrgentFirst(t *testing.T) {
	h := newHarness(t)
	for i := range 500 {
		h.deliver(h.notice(i))
	}
	h.play(3*time.Minute, nil)
	first, last := map[string]int{}, 0
	for i, text := range h.g.said() {
		for _, n := range number.FindAllString(text, -1) {
			first[n] = i
		}
	}
	other := len(h.g.said())
	for n, at := range first {
		var i int
		_, _ = fmt.Sscanf(n, "20261121-%d", &i)
		if i%25 == 0 {
			last = max(last, at)
		} else {
			other = min(other, at)
		}
	}
	// One message is kept for the others, so that a storm of priority 1 starves nobody.
	if others := other; last > 15 || others < 11 {
		t.Errorf("the last of priority 1 is in message %d, the first other in %d", last+1, others+1)
	}

	// In the middle of a storm of others.
	h = newHarness(t)
	var asked time.Time
	h.play(90*time.Second, func(elapsed time.Duration) {
		if n := int(elapsed / (100 * time.Millisecond)); n%25 != 0 {
			h.deliver(h.notice(n))
		}
		if asked.IsZero() && elapsed >= 50*time.Second {
			asked = h.clock.now()
			n := h.notice(0)
			n.Number, n.Key, n.Title = "20261121-9999", "urgent", "[FL#20261121-9999] 新故障：总部核心交换机宕机"
			h.deliver(n)
		}
	})
	h.g.mu.Lock()
	defer h.g.mu.Unlock()
	at := slices.IndexFunc(h.g.texts, func(s string) bool { return strings.Contains(s, "20261121-9999") })
	if at < 0 || h.g.at[at].Sub(asked) > time.Second || strings.Contains(h.g.texts[at], "汇总") {
		t.Errorf("priority 1 was message %d, %s after it was asked for", at, h.g.at[at].Sub(asked))
	}
}

func TestDeliverRefuses(t *testing.T) {
	h := newHarness(t)
	var te *ticket.Error
	if err := h.s.Deliver(t.Context(), "nobody", h.notice(1)); !errors.As(err, &te) || te.Retryable {
		t.Errorf("unknown robot: %v", err)
	}
	h.store.setBroken(true)
	if err := h.s.Deliver(t.Context(), "noc", h.notice(1)); !errors.As(err, &te) || !te.Retryable || !errors.Is(err, errDisk) {
		t.Errorf("broken store: %v", err)
	}
	h.store.setBroken(false)
	h.r.shut()
	if err := h.s.Deliver(t.Context(), "noc", h.notice(1)); !errors.As(err, &te) || !te.Retryable {
		t.Errorf("not running: %v", err)
	}
	h.restart()
	for i := range maxWaiting {
		h.deliver(h.notice(i))
	}
	if err := h.s.Deliver(t.Context(), "noc", h.notice(maxWaiting)); !errors.As(err, &te) || !te.Retryable {
		t.Errorf("full: %v", err)
	}
	h.deliver(h.notice(7)) // it waits already
}

// TestOneGroupOfTwoRoles tells a group once what two roles are told.
func TestOneGroupOfTwoRoles(t *testing.T) {
	h := newHarness(t)
	a, b := h.notice(1), h.notice(1)
	b.Key = "inc0001/2/notify"
	h.deliver(a)
	h.deliver(b)
	h.play(time.Minute, nil)
	h.clock.add(echoFor)
	b.Key = "inc0001/9/notify" // again, later
	h.deliver(b)
	h.play(time.Minute, nil)
	if n := len(h.g.said()); n != 2 {
		t.Errorf("%d messages: %q", n, h.g.said())
	}
}
