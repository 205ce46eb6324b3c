package people

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/faultline/faultline/internal/lang"
)

// Send plans a message that belongs to no incident: a report. The same one
// again changes nothing.
func (k *Desk) Send(h Happening, receivers []Told) {
	for _, t := range receivers {
		key := h.ID + "/" + t.Person
		if k.byKey[key] == nil {
			k.put(Message{Key: key, Receiver: t.Person, Kind: MessageReport, Event: h.Event, Priority: h.Priority, At: h.At, Title: h.Title, Text: h.Text,
				HTML: h.HTML, Because: t.Because, State: MessageQueued})
		}
	}
}

// start marks an attempt.
func (m *Message) start(now time.Time) {
	m.State, m.SentAt, m.Problem, m.Claimed = MessageSending, now, "", true
	m.Attempts++
	if m.TriedAt.IsZero() {
		m.TriedAt = now
	}
}

// ErrNotClaimed says that a message is another attempt's, or is not to be sent any
// more: nothing of it may leave.
var ErrNotClaimed = errors.New("the message is not this attempt's to send")

// Begin marks that something of a message that Due handed out leaves now: the
// caller stores that before it does. It is ErrNotClaimed unless nothing has yet.
func (k *Desk) Begin(key string) error {
	m := k.byKey[key]
	if m == nil || m.State != MessageSending || !m.Claimed {
		return fmt.Errorf("begin message %s: %w", key, ErrNotClaimed)
	}
	m.Claimed, k.changed[m] = false, true
	for _, item := range m.Items {
		k.byKey[item].Claimed, k.changed[k.byKey[item]] = false, true
	}
	return nil
}

// withdraw puts a message back that was handed out and of which nothing had left.
func (k *Desk) withdraw(m *Message) {
	m.Claimed, m.Digest, m.SentAt = false, "", time.Time{}
	switch {
	case m.Kind == MessageDigest:
		k.settle(m, MessageFailed, dissolvedText)
	case m.Kind != MessageReport && m.Kind != MessageClosing && k.round(m.Incident, m.Round).ended:
		k.settle(m, MessageFailed, overText) // the opening's closing goes with it
		m.State = MessageSuppressed
	default:
		m.State = MessageQueued
		k.await(m)
	}
}

// Changed returns what changed since it was last asked, in the order it was
// taken: what the caller has to store.
func (k *Desk) Changed() []Message {
	var out []Message
	for _, m := range k.order {
		if k.changed[m] {
			out = append(out, *m)
		}
	}
	clear(k.changed)
	return out
}

// Message returns the message with the key.
func (k *Desk) Message(key string) (Message, bool) {
	m := k.byKey[key]
	if m == nil {
		return Message{}, false
	}
	return *m, true
}

// Round returns the number of the incident's round that goes on, or of the next
// one when the last has ended.
func (k *Desk) Round(incident string) int {
	n := k.newest[incident]
	if k.round(incident, n).ended {
		return n + 1
	}
	return n
}

// Going returns the incidents that somebody was told of and whose round has not
// ended.
func (k *Desk) Going() []string {
	var out []string
	for incident, n := range k.newest {
		if !k.round(incident, n).ended {
			out = append(out, incident)
		}
	}
	slices.Sort(out)
	return out
}

// Later puts a message that was sending back until the time. A digest is
// dissolved: what was in it waits for itself. When an attempt may have
// succeeded, the repeat says so (重发).
func (k *Desk) Later(key string, until time.Time, problem string, ambiguous bool) error {
	m := k.byKey[key]
	if m == nil || m.State != MessageSending {
		return fmt.Errorf("put back message %s: it is not being sent", key)
	}
	for _, item := range m.Items {
		k.hold(k.byKey[item], until, problem, ambiguous)
	}
	if m.Kind == MessageDigest {
		m.Problem = problem
		k.settle(m, MessageFailed, dissolvedText)
		return nil
	}
	k.hold(m, until, problem, ambiguous)
	return nil
}

var dissolvedText = lang.Text{ZH: "未送达，内容将重新发送", EN: "not delivered: what is in it will be sent again"}

func (k *Desk) hold(m *Message, until time.Time, problem string, ambiguous bool) {
	m.State, m.Until, m.Problem, m.Digest, m.Claimed = MessageHeld, until, problem, "", false
	m.Repeat = m.Repeat || ambiguous
	m.Reason = lang.Text{ZH: "发送失败，稍后重试", EN: "the attempt failed; it will be made again"}
	k.await(m)
}

// await makes Due look at the message again.
func (k *Desk) await(m *Message) {
	k.changed[m] = true
	if !slices.Contains(k.pending, m) {
		k.pending = append(k.pending, m)
	}
}

// Again queues a message once more that may have been sent, marked as a repeat
// (重发), or, asked by a person, one that failed.
func (k *Desk) Again(key string) error {
	m := k.byKey[key]
	if m == nil || m.State != MessageMaybe && m.State != MessageFailed || m.Kind == MessageDigest {
		return fmt.Errorf("repeat message %s: only what failed or may have been sent is repeated", key)
	}
	if m.Kind == MessageReport {
		k.requeue(m)
		return nil
	}
	r := k.round(m.Incident, m.Round)
	if m.Kind != MessageClosing && r.ended {
		return fmt.Errorf("repeat message %s: it is over, the closing says so", key)
	}
	if m.State == MessageFailed && m.Kind == MessageOpening && r.openings[m.Receiver] != m {
		return fmt.Errorf("repeat message %s: a later one was the receiver's opening", key)
	}
	k.requeue(m)
	return nil
}

func (k *Desk) requeue(m *Message) {
	m.Repeat = m.Repeat || m.State == MessageMaybe
	m.State, m.Digest, m.TriedAt, m.Until = MessageQueued, "", time.Time{}, time.Time{}
	m.Reason, m.Problem = lang.Text{}, ""
	k.await(m)
}

// Prune forgets rounds that ended before the time and have nothing left to send
// or to learn, and old digests, and returns the keys of their messages.
func (k *Desk) Prune(before time.Time) (keys []string) {
	done := func(m *Message) bool {
		return m.At.Before(before) && slices.Contains([]string{MessageSent, MessageConfirmed, MessageFailed, MessageSuppressed}, m.State)
	}
	drop := map[*Message]bool{}
	for key, r := range k.rounds {
		if r.ended && !slices.ContainsFunc(r.messages, func(m *Message) bool { return !done(m) }) {
			for _, m := range r.messages {
				drop[m] = true
			}
			delete(k.rounds, key)
		}
	}
	gone := func(m *Message) bool {
		return drop[m] || (m.Kind == MessageDigest || m.Kind == MessageReport) && done(m)
	}
	for _, m := range k.order {
		if gone(m) {
			delete(k.byKey, m.Key)
			delete(k.changed, m)
			keys = append(keys, m.Key)
		}
	}
	k.order = slices.DeleteFunc(k.order, gone)
	k.pending = slices.DeleteFunc(k.pending, gone)
	return keys
}
