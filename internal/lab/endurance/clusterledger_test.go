package endurance

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/faultline/faultline/collector/effect/ticket/webhook"
	"github.com/faultline/faultline/internal/lab/mailbox"
)

// delivery is one arrival of a ticket or notice.
type delivery struct {
	key    string // the same for repeats
	what   string // for people
	ticket bool
	repeat bool // marked 重发
	at     time.Time
}

// ledger takes what the cluster sends to a carrier's system and to people, and
// springs a trap on what arrives.
type ledger struct {
	box  *mailbox.Box
	desk *httptest.Server

	mu      sync.Mutex // guards the fields below
	arrived []delivery
	trap    func(d delivery, answer func()) // nil: none; answer sends the answer of a webhook
}

func newLedger(t *testing.T, c *cluster) *ledger {
	t.Helper()
	l := &ledger{}
	var err error
	l.box, err = mailbox.Open("127.0.0.1:0", filepath.Join(c.dir, "mailbox"))
	must(t, err)
	l.box.Before(func(m mailbox.Mail) {
		l.take(delivery{key: m.MessageID, what: m.Subject, repeat: strings.Contains(m.Subject, "重发") || strings.Contains(m.Subject, "repeat"), at: m.At}, func() {})
	})
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- l.box.Run(ctx) }()
	l.desk = httptest.NewServer(http.HandlerFunc(l.post))
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
		l.desk.Close()
	})
	return l
}

// post is the carrier's system.
func (l *ledger) post(w http.ResponseWriter, r *http.Request) {
	raw, err := io.ReadAll(r.Body)
	var body webhook.Body
	if err != nil || !webhook.Verify(r.Header.Get(webhook.SignatureHeader), raw, clusterKey) || json.Unmarshal(raw, &body) != nil {
		http.Error(w, "not from the cluster", http.StatusForbidden)
		return
	}
	answered := false
	answer := func() {
		answered = true
		w.Header().Set("Content-Type", "application/json")
		_, _ = io.WriteString(w, `{"id":"T-`+body.MessageKey+`"}`)
		_ = http.NewResponseController(w).Flush()
	}
	l.take(delivery{key: body.MessageKey, what: body.Subject, ticket: true, repeat: body.Repeat, at: time.Now()}, answer)
	if !answered {
		answer()
	}
}

// take notes an arrival and springs the trap, which is set for one of them.
func (l *ledger) take(d delivery, answer func()) {
	l.mu.Lock()
	l.arrived = append(l.arrived, d)
	trap := l.trap
	l.trap = nil
	l.mu.Unlock()
	if trap != nil {
		trap(d, answer)
	}
}

// set lays a trap for the next arrival.
func (l *ledger) set(trap func(d delivery, answer func())) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.trap = trap
}

// all returns the arrivals so far.
func (l *ledger) all() []delivery {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.Clone(l.arrived)
}

// tally is what the ledger says at the end.
type tally struct {
	tickets, notices int // different ones
	repeats          int // marked 重发
	late             int // of these, where the unmarked one came after a marked one
}

// count wants each ticket and notice once, but for those marked as a repeat.
func (l *ledger) count(t *testing.T) (sum tally, seen map[string]bool) {
	t.Helper()
	seen = map[string]bool{}
	unmarked := map[string]delivery{}
	for _, d := range l.all() {
		switch first, twice := unmarked[d.key]; {
		case d.repeat:
			sum.repeats++
		case twice:
			t.Errorf("%q came twice and is not marked 重发: at %s and %s (%s)", d.what, first.at.Format(time.StampMilli), d.at.Format(time.StampMilli), d.key)
		default:
			unmarked[d.key] = d
			if seen[d.key] {
				sum.late++
			}
		}
		if seen[d.key] {
			continue
		}
		seen[d.key] = true
		if d.ticket {
			sum.tickets++
		} else {
			sum.notices++
		}
	}
	return sum, seen
}
