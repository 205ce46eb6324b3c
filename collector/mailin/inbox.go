package mailin

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/faultline/faultline/collector/incident"
)

// Paper is a file that was taken, with the incident it belongs to.
type Paper struct {
	incident.Attachment // Hash is the hex SHA-256 of Data
	IncidentID          string
	Type                string // media type, by content
	Data                []byte
}

// Papers keeps files with the incident's documents. Keep may be called again
// with the same.
type Papers interface {
	Keep(ctx context.Context, p Paper) error
}

// Queue is where mails go that people have to look at. Put may be called again
// with the same event.
type Queue interface {
	Put(ctx context.Context, e Event, raw []byte) error
}

// Options configure an Inbox. All are required but those that say otherwise.
type Options struct {
	Matcher *Matcher
	Papers  Papers
	Queue   Queue
	// Handle takes a fact about an incident; a fact whose ID was taken before
	// changes nothing. engine.Engine.Handle does.
	Handle func(context.Context, incident.Event) error
	// Zone is the time zone of a vendor's clock times; nil is Asia/Shanghai.
	Zone       *time.Location
	Limits     Limits                // optional
	PerHour    int                   // mails that may move one ticket within an hour; 0 is 12
	Now        func() time.Time      // optional
	Registerer prometheus.Registerer // optional
}

// Inbox files mails, each exactly once: everything done for a mail can be done
// again without effect, and it counts as done only afterwards.
type Inbox struct {
	o     Options
	mails *prometheus.CounterVec

	mu    sync.Mutex             // guards moved
	moved map[string][]time.Time // when mails moved a ticket, within the last hour
}

// Outcomes of a mail.
const (
	OutcomeFiled    = "filed"     // with its ticket
	OutcomeAuto     = "automatic" // with its ticket, as a machine's
	OutcomeQueued   = "queued"    // people look at it
	OutcomeIgnored  = "ignored"   // a machine's, about no ticket of ours
	OutcomeRepeated = "repeated"  // known already
	OutcomeEmpty    = "empty"
)

// New returns an Inbox.
func New(o Options) (*Inbox, error) {
	if o.Matcher == nil || o.Papers == nil || o.Queue == nil || o.Handle == nil {
		return nil, errors.New("mail in: matcher, papers, queue and handle are required")
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.PerHour <= 0 {
		o.PerHour = 12
	}
	if o.Zone == nil {
		o.Zone = time.FixedZone("CST", 8*3600)
	}
	b := &Inbox{o: o, moved: map[string][]time.Time{}, mails: prometheus.NewCounterVec(
		prometheus.CounterOpts{Name: "faultline_mailin_mails_total", Help: "Mails taken from the mailbox, by what became of them."}, []string{"outcome"})}
	if o.Registerer != nil {
		if err := o.Registerer.Register(b.mails); err != nil {
			return nil, fmt.Errorf("mail in: %w", err)
		}
	}
	return b, nil
}

// Take files one mail and returns what it came to. After an error nothing is
// lost: the same mail shall be handed in again. at is when the mailbox had it.
// It is called from one goroutine at a time.
func (b *Inbox) Take(ctx context.Context, raw []byte, at time.Time) (Event, string, error) {
	m, err := Parse(raw, b.o.Limits)
	if err != nil {
		return b.done(Event{}, OutcomeEmpty)
	}
	seen := "mailin/seen/" + m.Fingerprint
	switch _, err := b.o.Matcher.KV.KVGet(ctx, seen); {
	case err == nil:
		return b.done(Event{ID: m.Fingerprint}, OutcomeRepeated)
	case !errors.Is(err, b.o.Matcher.NotFound):
		return Event{}, "", fmt.Errorf("mail %s: %w", m.Fingerprint, err)
	}
	match, err := b.o.Matcher.Match(ctx, m)
	if err != nil {
		return Event{}, "", err
	}
	e := b.event(m, match, at)
	outcome, err := b.file(ctx, &e, raw)
	if err != nil {
		return Event{}, "", fmt.Errorf("file mail %s: %w", m.Fingerprint, err)
	}
	if err := b.o.Matcher.remember(ctx, m.MessageID, match.Ticket); err != nil {
		return Event{}, "", fmt.Errorf("file mail %s: %w", m.Fingerprint, err)
	}
	if err := b.o.Matcher.KV.KVPut(ctx, seen, outcome+" "+at.UTC().Format(time.RFC3339)); err != nil {
		return Event{}, "", fmt.Errorf("file mail %s: %w", m.Fingerprint, err)
	}
	if e.Moves() {
		b.count(e.Match.Ticket.Key)
	}
	return b.done(e, outcome)
}

func (b *Inbox) done(e Event, outcome string) (Event, string, error) {
	b.mails.WithLabelValues(outcome).Inc()
	return e, outcome, nil
}

// event puts together what was found out.
func (b *Inbox) event(m Mail, match Match, at time.Time) Event {
	e := Event{ID: m.Fingerprint, At: at, Match: match, Auto: m.Auto, Bounce: m.Bounce, From: m.From.Address, FromName: shorten(m.From.Name, 80),
		Subject: shorten(m.Subject, 300), MessageID: m.MessageID, Text: m.New, Files: m.Files, Problems: m.Problems}
	if m.Auto == "" {
		// Only what he wrote himself: what he forwards or quotes are others' words.
		e.Meaning = Understand(m.New, written(m.Date, at), b.o.Zone)
	}
	if e.Text == "" {
		e.Text = shorten(m.Text, 2000)
	}
	e.Muted = e.Moves() && b.recent(match.Ticket.Key) >= b.o.PerHour
	return e
}

// written is when a mail was written: its date, unless that cannot be.
func written(date, at time.Time) time.Time {
	if date.IsZero() || date.After(at.Add(5*time.Minute)) || at.Sub(date) > 48*time.Hour {
		return at
	}
	return date
}

// file carries out what a mail asks for.
func (b *Inbox) file(ctx context.Context, e *Event, raw []byte) (string, error) {
	if e.Match.By == ByNobody {
		for n := range e.Files {
			e.Files[n].Data = nil // the whole mail is in the queue
		}
		if e.Auto != "" && e.Auto != AutoBounce {
			return OutcomeIgnored, nil
		}
		return OutcomeQueued, b.o.Queue.Put(ctx, *e, raw)
	}
	e.Hashes = make([]string, len(e.Files))
	for n, f := range e.Files {
		if f.Refused != "" {
			continue
		}
		sum := sha256.Sum256(f.Data)
		e.Hashes[n] = hex.EncodeToString(sum[:])
		if err := b.o.Papers.Keep(ctx, Paper{e.attachment(n), e.Match.Ticket.Incident, f.Type, f.Data}); err != nil {
			return "", fmt.Errorf("keep %s: %w", f.Name, err)
		}
		e.Files[n].Data = nil
	}
	for _, fact := range Facts(*e, b.o.Zone) {
		if err := b.o.Handle(ctx, fact); err != nil {
			return "", err
		}
	}
	if e.Auto != "" {
		return OutcomeAuto, nil
	}
	return OutcomeFiled, nil
}

// Give hands a mail that cannot be filed to people, with the reason, so that it
// does not hold up those behind it.
func (b *Inbox) Give(ctx context.Context, raw []byte, at time.Time, problem string) error {
	m, err := Parse(raw, b.o.Limits)
	if err != nil {
		return nil //nolint:nilerr // an empty mail is nobody's loss
	}
	e := b.event(m, Match{}, at)
	e.Problems = append(e.Problems, problem)
	for n := range e.Files {
		e.Files[n].Data = nil
	}
	_, _, _ = b.done(e, OutcomeQueued)
	return b.o.Queue.Put(ctx, e, raw)
}

// recent is how many mails moved the ticket within the last hour.
func (b *Inbox) recent(key string) int {
	b.mu.Lock()
	defer b.mu.Unlock()
	since := b.o.Now().Add(-time.Hour)
	kept := b.moved[key][:0]
	for _, t := range b.moved[key] {
		if t.After(since) {
			kept = append(kept, t)
		}
	}
	if len(kept) == 0 {
		delete(b.moved, key)
		return 0
	}
	b.moved[key] = kept
	return len(kept)
}

func (b *Inbox) count(key string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.moved[key] = append(b.moved[key], b.o.Now())
}
