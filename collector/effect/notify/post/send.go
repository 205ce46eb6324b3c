package post

import (
	"context"
	"errors"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/faultline/faultline/collector/lease"
	"github.com/faultline/faultline/collector/people"
	"github.com/faultline/faultline/internal/lang"
	"github.com/faultline/faultline/plugins/notify"
	"github.com/faultline/faultline/plugins/ticket"
)

// letter is a message as it leaves.
type letter struct {
	m        people.Message
	person   people.Person
	language string
	notice   notify.Notice
}

var (
	becauseLabel = lang.Text{ZH: "为何通知您：", EN: "Why you are told: "}
	digestTitle  = lang.Text{ZH: "故障通知汇总：", EN: "Digest of notices: "}
)

// severities are the words channels know, by priority.
var severities = map[int]string{1: "critical", 2: "major"}

// letter writes the message in its receiver's language.
func (p *Post) letter(k *people.Desk, d *people.Directory, m people.Message) letter {
	l := lang.ZH
	var person people.Person
	if who, ok := d.Person(m.Receiver); ok {
		person = *who
		if who.Language != "" && !strings.HasPrefix(strings.ToLower(who.Language), "zh") {
			l = lang.EN
		}
	}
	n := notify.Notice{Key: m.Key, To: person.Email, Subject: m.Title.In(l), Body: m.Text.In(l), HTML: m.HTML.In(l), Severity: severities[m.Priority], Repeat: m.Repeat}
	if n.Severity == "" {
		n.Severity = "minor"
	}
	if m.Kind == people.MessageDigest {
		n.Subject, n.Body = digestTitle.In(l)+m.Text.In(l), p.digestBody(k, m, l)
	} else if p.o.URL != nil && m.Incident != "" {
		n.URL = p.o.URL(m.Incident)
	}
	if n.Subject == "" {
		n.Subject, _, _ = strings.Cut(n.Body, "\n")
	}
	if !m.Because.IsZero() {
		n.Body = strings.TrimRight(n.Body, "\n") + "\n\n" + becauseLabel.In(l) + m.Because.In(l) + "\n"
	}
	return letter{m, person, l, n}
}

// digestBody lists what the digest stands for, one line each.
func (p *Post) digestBody(k *people.Desk, m people.Message, l string) string {
	lines := []string{m.Text.In(l), ""}
	for _, key := range m.Items {
		item, ok := k.Message(key)
		if !ok {
			continue
		}
		line := item.Title.In(l)
		if p.o.URL != nil {
			line += "\n  " + p.o.URL(item.Incident)
		}
		lines = append(lines, line)
	}
	return strings.Join(lines, "\n") + "\n"
}

// giveUp is how long attempts go on.
const giveUp = 6 * time.Hour

// pause is the time before the next attempt, unless the error names one.
func pause(attempts int) time.Duration {
	return min(2*time.Second<<min(attempts-1, 8), 5*time.Minute)
}

// retryAfter is the time that the channel asked for.
type retryAfter interface{ RetryAfter() time.Duration }

// send hands one message to the channel and records what became of it.
func (p *Post) send(ctx context.Context, x letter) {
	limited, cancel := context.WithTimeout(ctx, sendLimit)
	defer cancel()
	marked, begun := lease.WithMark(limited, func(ctx context.Context) error {
		return p.with(ctx, func(k *people.Desk) error { return k.Begin(x.m.Key) })
	})
	by, err := p.reach(marked, x)
	if errors.Is(err, lease.ErrLost) || errors.Is(err, people.ErrNotClaimed) {
		return // whoever holds the lease now sends it, or another attempt does
	}
	now := p.o.Now()
	err = p.with(ctx, func(k *people.Desk) error {
		var te *ticket.Error
		known := errors.As(err, &te)
		switch {
		case err == nil:
			p.m.sent.WithLabelValues("sent").Inc()
			return k.Outcome(x.m.Key, people.MessageSent, sentBy(x, by))
		case known && !te.Retryable, now.Sub(x.m.TriedAt) >= giveUp:
			p.m.sent.WithLabelValues("failed").Inc()
			return k.Outcome(x.m.Key, people.MessageFailed, lang.Same(err.Error()))
		}
		p.m.sent.WithLabelValues("again").Inc()
		wait := pause(x.m.Attempts)
		var later retryAfter
		if errors.As(err, &later) && later.RetryAfter() > 0 {
			wait = min(later.RetryAfter(), time.Hour)
		}
		unclear := begun() && (known && te.Ambiguous || errors.Is(err, context.DeadlineExceeded))
		return k.Later(x.m.Key, now.Add(wait), err.Error(), unclear)
	})
	if err != nil && !errors.Is(err, errIdle) {
		p.m.storeErrors.Inc()
		p.o.Logger.Warn("outcome of a notice not kept", "notice", x.m.Key, "err", err)
	}
}

// metrics are the post's own.
type metrics struct {
	sent        *prometheus.CounterVec // result: sent, again, failed
	storeErrors prometheus.Counter
}

func newMetrics() metrics {
	return metrics{
		sent: prometheus.NewCounterVec(prometheus.CounterOpts{Name: "faultline_post_attempts_total",
			Help: "Attempts to send a message to a person by result (sent, again, failed)."}, []string{"result"}),
		storeErrors: prometheus.NewCounter(prometheus.CounterOpts{Name: "faultline_post_store_errors_total",
			Help: "Failed reads and writes of messages to people; each is repeated."}),
	}
}

func (m metrics) register(r prometheus.Registerer) error {
	return errors.Join(r.Register(m.sent), r.Register(m.storeErrors))
}
