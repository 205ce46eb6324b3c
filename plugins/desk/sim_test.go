package desk_test

import (
	"bytes"
	"container/heap"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/faultline/faultline/internal/lab/desks"
	"github.com/faultline/faultline/plugins/desk"
	"github.com/faultline/faultline/plugins/ticket"
)

var start = time.Date(2026, 11, 21, 8, 0, 0, 0, time.UTC)

// clock is simulated time.
type clock struct {
	mu sync.Mutex
	t  time.Time
}

func (c *clock) now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.t
}

func (c *clock) advance(to time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if to.After(c.t) {
		c.t = to
	}
}

// wire carries requests to a stand-in without a network and breaks what it
// carries: before the system saw it, or after it did what was asked.
type wire struct {
	system http.Handler
	rnd    *rand.Rand
	rate   int // of 100 requests so many go wrong
	wrong  func(w http.ResponseWriter)
	counts map[string]int
}

func (w *wire) RoundTrip(r *http.Request) (*http.Response, error) {
	fault := w.rnd.IntN(100)
	if fault >= w.rate {
		return w.pass(r), nil
	}
	switch w.rnd.IntN(8) {
	case 0:
		w.counts["500 after accepting"]++
		w.pass(r)
		return made(r, func(rw http.ResponseWriter) { http.Error(rw, "internal error", 500) }), nil
	case 1:
		w.counts["timeout after accepting"]++
		w.pass(r)
		return nil, context.DeadlineExceeded
	case 2:
		w.counts["429"]++
		return made(r, func(rw http.ResponseWriter) {
			rw.Header().Set("Retry-After", "17")
			http.Error(rw, "slow down", http.StatusTooManyRequests)
		}), nil
	case 3:
		w.counts["200 with an error body"]++
		return made(r, w.wrong), nil
	case 4:
		w.counts["no connection"]++
		return nil, &net.OpError{Op: "dial", Err: errors.New("connection refused")}
	case 5:
		w.counts["cut answer after accepting"]++
		res := w.pass(r)
		res.Body = io.NopCloser(io.MultiReader(bytes.NewReader([]byte(`{"i`)), broken{}))
		return res, nil
	case 6:
		w.counts["a proxy's page with 200"]++
		return made(r, func(rw http.ResponseWriter) { _, _ = io.WriteString(rw, "<html>sign in</html>") }), nil
	default:
		w.counts["503 with a date"]++
		return made(r, func(rw http.ResponseWriter) {
			rw.Header().Set("Retry-After", start.Add(-time.Hour).Format(http.TimeFormat))
			rw.WriteHeader(http.StatusServiceUnavailable)
		}), nil
	}
}

func (w *wire) pass(r *http.Request) *http.Response {
	rec := httptest.NewRecorder()
	r = r.Clone(r.Context())
	if r.Body == nil {
		r.Body = http.NoBody
	}
	w.system.ServeHTTP(rec, r)
	return rec.Result()
}

func made(r *http.Request, write func(http.ResponseWriter)) *http.Response {
	rec := httptest.NewRecorder()
	write(rec)
	res := rec.Result()
	res.Request = r
	return res
}

type broken struct{}

func (broken) Read([]byte) (int, error) { return 0, errors.New("connection reset by peer") }

// job is one message on its way, as the outbox keeps it.
type job struct {
	t         ticket.Ticket
	next      time.Time
	attempts  int
	ambiguous bool
}

// outcome of a simulation.
type outcome struct {
	attempts, crashes int
	took              time.Duration
}

// simulate sends n tickets of three messages each, as the outbox does it, over a
// wire that breaks, with collectors that die after sending. It returns when all
// are recorded.
func simulate(t *testing.T, n int, clk *clock, rnd *rand.Rand, build func() ticket.Desk) outcome {
	t.Helper()
	d := build()
	var out outcome
	lanes := make([][]*job, n)
	for i := range lanes {
		for m, reason := range []string{"opened", "not_confirmed", "closed"} {
			lanes[i] = append(lanes[i], &job{next: start, t: ticket.Ticket{Key: fmt.Sprintf("in%04d/vendor", i), MessageKey: fmt.Sprintf("in%04d/%d/ticket", i, m), Number: fmt.Sprintf("20261121-%04d", i),
				Subject: fmt.Sprintf("[FL#20261121-%04d] 专线中断 %d", i, m), Body: "电路 SH-0231\n第二行", Fields: map[string]string{"reason": reason, "severity": "critical"}}})
		}
	}
	refs := make([][]string, n)
	line := make(queue, n)
	for i := range line {
		line[i] = turn{start, i}
	}
	for {
		if len(line) == 0 {
			out.took = clk.now().Sub(start)
			return out
		}
		i := heap.Pop(&line).(turn).lane
		j := lanes[i][0]
		clk.advance(j.next)
		if clk.now().Sub(start) > 24*time.Hour {
			t.Fatal("the outbox would have given up")
		}
		j.t.Thread = refs[i]
		out.attempts++
		ref, err := attempt(d, j)
		if err == nil && rnd.IntN(25) == 0 { // the collector dies before it has written so
			out.crashes++
			d, err = build(), &ticket.Error{Op: "killed", Retryable: true, Ambiguous: true, Err: errors.New("killed")}
		}
		if err == nil {
			refs[i] = append(slices.Clone(refs[i]), ref.ID)
			if lanes[i] = lanes[i][1:]; len(lanes[i]) > 0 {
				heap.Push(&line, turn{clk.now(), i})
			}
			continue
		}
		var te *ticket.Error
		if !errors.As(err, &te) || !te.Retryable {
			t.Fatalf("%s: given up: %v", j.t.MessageKey, err)
		}
		j.ambiguous = j.ambiguous || te.Ambiguous
		j.attempts++
		j.next = clk.now().Add(min(2*time.Second<<min(j.attempts, 12), 10*time.Minute))
		var later *desk.Later
		if errors.As(err, &later) { // the desk says when
			j.attempts--
			j.next = clk.now().Add(later.RetryAfter() + time.Duration(rnd.IntN(20_000))*time.Millisecond)
		}
		heap.Push(&line, turn{j.next, i})
	}
}

// attempt is what the executor does.
func attempt(d ticket.Desk, j *job) (ticket.Ref, error) {
	if j.ambiguous {
		ref, found, err := d.Find(context.Background(), j.t.MessageKey)
		switch {
		case err == nil && found:
			return ref, nil
		case errors.Is(err, ticket.ErrCannotSearch):
			j.t.Repeat = true
		case err != nil:
			return ref, err
		}
	}
	return d.Send(context.Background(), j.t)
}

// turn is when a ticket's next message is tried.
type turn struct {
	at   time.Time
	lane int
}

type queue []turn

func (q queue) Len() int           { return len(q) }
func (q queue) Less(i, j int) bool { return q[i].at.Before(q[j].at) }
func (q queue) Swap(i, j int)      { q[i], q[j] = q[j], q[i] }
func (q *queue) Push(x any)        { *q = append(*q, x.(turn)) }
func (q *queue) Pop() any {
	x := (*q)[len(*q)-1]
	*q = (*q)[:len(*q)-1]
	return x
}

// system is one kind of desk under test.
type system struct {
	name string
	make func(clk *clock) (desks.System, func(*http.Client) (desk.Remote, error))
	key  func(ticketKey string) string
}

// TestNoneDoubledNoneLost is the measure: 1,000 tickets at each desk.
func TestNoneDoubledNoneLost(t *testing.T) {
	for _, sys := range systems() {
		t.Run(sys.name, func(t *testing.T) {
			t.Parallel()
			noneDoubledNoneLost(t, sys, 1000, false)
		})
	}
}

// TestProgramsThatForget is the same for desks in programs of their own, which
// begin with an empty book whenever they are ended.
func TestProgramsThatForget(t *testing.T) {
	for _, sys := range systems() {
		t.Run(sys.name, func(t *testing.T) {
			t.Parallel()
			noneDoubledNoneLost(t, sys, 200, true)
		})
	}
}

func noneDoubledNoneLost(t *testing.T, sys system, n int, forgets bool) {
	t.Helper()
	clk, rnd := &clock{t: start}, rand.New(rand.NewPCG(1, 2))
	stand, remote := sys.make(clk)
	w := &wire{system: stand, rnd: rnd, rate: 15, counts: map[string]int{}, wrong: stand.Wrong}
	r, err := remote(&http.Client{Transport: w})
	if err != nil {
		t.Fatal(err)
	}
	kept := desk.Book(desk.NewMemory())
	if forgets {
		kept = nil
	}
	out := simulate(t, n, clk, rnd, func() ticket.Desk {
		d, err := desk.New(desk.Options{Name: sys.name, Remote: r, Book: kept, Now: clk.now})
		if err != nil {
			t.Fatal(err)
		}
		return d
	})
	holds := stand.Tickets()
	if len(holds) != n {
		t.Errorf("the system holds %d tickets, want %d", len(holds), n)
	}
	wrong := 0
	for i := range n {
		want := []string{fmt.Sprintf("in%04d/0/ticket", i), fmt.Sprintf("in%04d/1/ticket", i), fmt.Sprintf("in%04d/2/ticket", i)}
		for k := range want {
			want[k] = sys.key(want[k])
		}
		if got := holds[sys.key(fmt.Sprintf("in%04d/vendor", i))]; !slices.Equal(got, want) {
			if wrong++; wrong < 5 {
				t.Errorf("ticket %d has the messages %q, want %q", i, got, want)
			}
		}
	}
	t.Logf("%d tickets, %d messages: %d attempts, %d collectors killed, faults %v; %s of simulated time", n, 3*n, out.attempts, out.crashes, w.counts, out.took.Round(time.Second))
}

// unbroken is a source for wires that break nothing.
func unbroken() *rand.Rand { return rand.New(rand.NewPCG(0, 0)) }
