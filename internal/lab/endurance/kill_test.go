package endurance

import (
	"context"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/faultline/faultline/collector/incident"
	"github.com/faultline/faultline/collector/sqlstore"
)

// killCount is how often each program is killed: ENDURANCE_KILLS, or few.
func killCount(t *testing.T) int {
	t.Helper()
	text := os.Getenv("ENDURANCE_KILLS")
	if text == "" {
		return 5
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < 1 {
		t.Fatalf("ENDURANCE_KILLS=%q: want a number", text)
	}
	return n
}

// TestKills kills agent and collector with SIGKILL at random moments under load
// while the line breaks and is mended: every acknowledged sample and event is
// found again, every break has exactly one incident, and every message went out
// once, but for repeats that say so.
func TestKills(t *testing.T) {
	n := killCount(t)
	web := newPages(t)
	c := newCompany(t, settings{agentYAML: web.targets(8)})
	began := time.Now()
	c.run(t)

	load, stop := context.WithCancel(t.Context())
	defer stop()
	writers := []*writer{newWriter(c, "a", 150*time.Millisecond, 0), newWriter(c, "b", 250*time.Millisecond, 0), newWriter(c, "late", 500*time.Millisecond, time.Hour)}
	events := newReporter(c)
	var work sync.WaitGroup
	for _, w := range writers {
		work.Go(func() { w.run(load) })
	}
	work.Go(func() { events.run(load) })

	killing := make(chan struct{})
	var killers sync.WaitGroup
	killers.Go(func() { killAgain(t, c.collector, n, 8*time.Second) })
	killers.Go(func() { killAgain(t, c.agent, n, 6*time.Second) })
	work.Go(func() { c.killOnTicket(load, t) })
	go func() { killers.Wait(); close(killing) }()
	t.Cleanup(func() { stop(); <-killing; work.Wait() })
	known, troubles := map[string]bool{}, []trouble(nil)
	for done := false; !done; {
		troubles = append(troubles, c.breakLine(t, known, time.Duration(rand.IntN(4000))*time.Millisecond))
		select {
		case <-killing:
			done = true
		case <-t.Context().Done():
			done = true
		default:
		}
	}
	<-killing
	stop()
	work.Wait()
	c.awaitReady(t)
	c.settle(t, web)

	samples := 0
	for _, w := range writers {
		samples += w.check(t)
		t.Logf("writer %s: %d batches acknowledged, others: %s", w.name, w.count(), &w.refusals)
	}
	down := c.agent.outages()
	oldest := time.Duration(0)
	fetched, cut := web.check(t, c, began, func(at time.Time) bool {
		age, ok := cutOff(down, at)
		oldest = max(oldest, age)
		return ok
	})
	gap := web.longestGap(t, c, began, down)
	t.Logf("%d fetches by the agent, %d cut off by %d kills, %s before at most; longest gap beyond downtime and interval %s",
		fetched, cut, len(down), oldest.Round(time.Millisecond), gap.Round(time.Millisecond))
	if gap > 10*time.Second {
		t.Errorf("nothing was measured for %s longer than the agent was down", gap)
	}
	c.checkIncidents(t, troubles)
	l := c.checkMails(t)
	c.collector.stop(t)
	noted := events.check(t, c.database())
	c.checkChains(t, c.database())
	t.Logf("%d + %d kills; %d samples and %d events acknowledged; %d breaks; %d messages, %d repeats; took %s",
		len(c.collector.outages()), len(down), samples, noted, len(troubles), l.messages, l.repeats, time.Since(began).Round(time.Second))
}

// killAgain kills the program n times, each time at a random moment within the
// longest life, which may be while it still starts, and starts it again.
func killAgain(t *testing.T, p *program, n int, longest time.Duration) {
	for range n {
		select {
		case <-time.After(200*time.Millisecond + rand.N(longest)):
		case <-t.Context().Done():
			return
		}
		if t.Failed() {
			return
		}
		if err := p.restart(); err != nil {
			t.Error(err)
			return
		}
	}
}

// killOnTicket kills the collector, besides the random moments, at the one that
// chance rarely meets: a ticket has been delivered and is not on record yet.
func (c *company) killOnTicket(ctx context.Context, t *testing.T) {
	for seen := 0; ; {
		mails, err := c.box.Wait(ctx, seen+1)
		if err != nil {
			return
		}
		for _, m := range mails[seen:] {
			if toCarrier(m) && m.Header["In-Reply-To"] == "" && !strings.Contains(m.Subject, "重发") {
				if err := c.collector.restart(); err != nil {
					t.Error(err)
					return
				}
			}
		}
		seen = len(mails)
	}
}

// cutOff tells whether a fetch may have been in hand when the agent was killed,
// and how long before that it was: the page notes a little later what the agent
// asked for.
func cutOff(down []outage, at time.Time) (time.Duration, bool) {
	for _, d := range down {
		if age := d.from.Sub(at); !at.After(d.to) && age <= inHand {
			return age, true
		}
	}
	return 0, false
}

// settle waits until what the agent had measured a while ago is stored.
func (c *company) settle(t *testing.T, web *pages) {
	t.Helper()
	until := time.Now()
	want := map[string]int{}
	for name, times := range web.fetches() {
		want[name] = len(times)
	}
	waitUntil(t, time.Minute, "the agent to deliver what it has", func() bool {
		for name, n := range want {
			v, err := c.scalar(`max(last_over_time(probe_http_uncompressed_body_length{instance="` + name + `"}[5m]))`)
			if err != nil || int(v) <= n {
				return false
			}
		}
		return time.Since(until) > 3*time.Second // the backlog comes after what is live
	})
	web.stop()
	c.agent.stop(t)
}

// database is the address of the collector's own database.
func (c *company) database() string { return "sqlite:" + filepath.Join(c.data, "faultline.db") }

// checkIncidents wants one incident for each break, and no other.
func (c *company) checkIncidents(t *testing.T, troubles []trouble) {
	t.Helper()
	list, err := c.incidents()
	if err != nil {
		t.Fatal(err)
	}
	if len(list) != len(troubles) {
		t.Errorf("%d incidents for %d breaks: %+v", len(list), len(troubles), list)
	}
	for i, tr := range troubles {
		t.Logf("break %d: %s after %.1f s, ticket after %.1f s", i+1, tr.number, tr.opened.Seconds(), tr.ticket.Seconds())
	}
}

// checkChains verifies the hash chain of every incident's events.
func (c *company) checkChains(t *testing.T, database string) {
	t.Helper()
	s, err := sqlstore.Open(t.Context(), sqlstore.Options{URL: database})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = s.Close() }()
	list, _, err := s.Incidents(t.Context(), sqlstore.Query{Limit: 500})
	if err != nil {
		t.Fatal(err)
	}
	numbers := map[string]bool{}
	for _, i := range list {
		events, err := s.Events(t.Context(), i.ID)
		if err != nil {
			t.Fatal(err)
		}
		if err := incident.VerifyChain(events); err != nil {
			t.Errorf("incident %s: %v", i.Number, err)
		}
		if numbers[i.Number] || !strings.Contains(i.Number, "-") {
			t.Errorf("number %q is used twice or no number", i.Number)
		}
		numbers[i.Number] = true
	}
}
