package people

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/faultline/faultline/internal/lang"
)

// States of a message.
const (
	MessageQueued     = "queued"
	MessageHeld       = "held"       // until Until, or until its opening's outcome is known
	MessageSending    = "sending"    // handed out; its outcome is not known
	MessageSent       = "sent"       // the channel took it
	MessageConfirmed  = "confirmed"  // the receiver saw it
	MessageMaybe      = "maybe"      // the outcome cannot be known; a repeat says 重发
	MessageFailed     = "failed"     // gave up
	MessageSuppressed = "suppressed" // Reason says why; never sent
)

// Kinds of messages. The first one a receiver gets in a round is an opening,
// whatever happened; each opening that may have arrived has exactly one closing.
const (
	MessageOpening = "opening"
	MessageUpdate  = "update"
	MessageClosing = "closing"
	MessageDigest  = "digest"
	MessageReport  = "report" // of no incident; never in a digest
)

// Message is one message to one receiver, and what became of it.
type Message struct {
	Key      string    `json:"key"` // unique for all time
	Incident string    `json:"incident"`
	Round    int       `json:"round"` // grows with each re-opening
	Receiver string    `json:"receiver"`
	Kind     string    `json:"kind"`
	Event    string    `json:"event"`
	Priority int       `json:"priority"`
	At       time.Time `json:"at"`
	Title    lang.Text `json:"title,omitzero"` // the subject; zero: the text's
	Text     lang.Text `json:"text"`
	HTML     lang.Text `json:"html,omitzero"` // the same for a mail that shows pages
	Because  lang.Text `json:"because,omitzero"`
	OnCall   bool      `json:"on_call,omitempty"`
	State    string    `json:"state"`
	Reason   lang.Text `json:"reason,omitzero"` // of held and suppressed
	Until    time.Time `json:"until,omitzero"`
	SentAt   time.Time `json:"sent_at,omitzero"`
	Digest   string    `json:"digest,omitempty"` // key of the digest it went out in
	Items    []string  `json:"items,omitempty"`  // of digests: keys
	Repeat   bool      `json:"repeat,omitempty"` // 重发
	// Claimed says of a message that is sending that nothing of it has left yet: after
	// a crash it is sent as if for the first time.
	Claimed  bool      `json:"claimed,omitempty"`
	Attempts int       `json:"attempts,omitempty"`
	TriedAt  time.Time `json:"tried_at,omitzero"` // first attempt
	Problem  string    `json:"problem,omitempty"` // why the last attempt failed
}

// Happening is something to tell about an incident.
type Happening struct {
	ID       string // unique within the incident: the event's number
	Incident string
	Round    int
	Event    string // as in Policy.On; closed ends the round
	Priority int
	At       time.Time
	Title    lang.Text
	Text     lang.Text
	HTML     lang.Text
	Muted    lang.Text // why creation is muted now (announced window, parent is down); zero: not
}

// Desk decides what is sent to whom when. It does no I/O and keeps nothing
// outside itself: the caller stores Messages and makes it again from them. It is
// not for concurrent use.
type Desk struct {
	policy  Policy
	byKey   map[string]*Message
	order   []*Message
	rounds  map[string]*round      // by incident/round
	pending []*Message             // queued or held, some no more
	recent  map[string][]time.Time // when messages went out, the last minute's, by receiver
	digests map[string]int         // numbers given, by receiver
	last    map[string]time.Time   // newest digest, by receiver
	changed map[*Message]bool      // since Changed was asked
	newest  map[string]int         // round begun last, by incident
}

// round is one opening to closing of an incident.
type round struct {
	ended    bool
	messages []*Message
	openings map[string]*Message // newest, by receiver
	priority map[string]int      // highest told, by receiver
}

// NewDesk makes a desk from messages that were stored. What was sending then has
// an outcome nobody knows, unless it was claimed alone and waits again.
func NewDesk(policy Policy, messages []Message) *Desk {
	k := &Desk{policy: policy, byKey: map[string]*Message{}, rounds: map[string]*round{}, recent: map[string][]time.Time{}, digests: map[string]int{}, last: map[string]time.Time{}, changed: map[*Message]bool{}, newest: map[string]int{}}
	for _, m := range messages {
		delete(k.changed, k.put(m))
		if !m.SentAt.IsZero() && m.Digest == "" && !m.Claimed {
			k.recent[m.Receiver] = append(k.recent[m.Receiver], m.SentAt)
		}
		if m.Kind == MessageDigest {
			k.digests[m.Receiver]++
			k.last[m.Receiver] = later(k.last[m.Receiver], m.At)
		}
	}
	for _, m := range k.order {
		switch {
		case m.State != MessageSending:
		case m.Claimed:
			k.withdraw(m)
		default:
			k.settle(m, MessageMaybe, lang.Text{ZH: "发送时中断，结果不明", EN: "interrupted while sending: nobody knows"})
		}
	}
	return k
}

func (k *Desk) put(m Message) *Message {
	p := &m
	k.changed[p] = true
	k.byKey[m.Key], k.order = p, append(k.order, p)
	k.pending = append(k.pending, p)
	if m.Kind == MessageDigest || m.Kind == MessageReport {
		return p
	}
	r := k.round(m.Incident, m.Round)
	k.newest[m.Incident] = max(k.newest[m.Incident], m.Round)
	r.messages = append(r.messages, p)
	r.ended = r.ended || m.Event == "closed"
	if m.Kind == MessageOpening {
		r.openings[m.Receiver] = p
	}
	if best := r.priority[m.Receiver]; best == 0 || m.Priority < best {
		r.priority[m.Receiver] = m.Priority
	}
	return p
}

func (k *Desk) round(incident string, n int) *round {
	key := fmt.Sprintf("%s/%d", incident, n)
	if k.rounds[key] == nil {
		k.rounds[key] = &round{openings: map[string]*Message{}, priority: map[string]int{}}
	}
	return k.rounds[key]
}

// Messages returns all messages in the order they were taken.
func (k *Desk) Messages() []Message {
	out := make([]Message, len(k.order))
	for n, m := range k.order {
		out[n] = *m
	}
	return out
}

// Take plans the happening's messages. The same happening again changes nothing.
func (k *Desk) Take(h Happening, receivers []Told) {
	if h.Event == "closed" {
		k.close(h)
		return
	}
	r := k.round(h.Incident, h.Round)
	for _, t := range receivers {
		key := fmt.Sprintf("%s/%d/%s/%s", h.Incident, h.Round, h.ID, t.Person)
		if k.byKey[key] != nil {
			continue
		}
		m := Message{Key: key, Incident: h.Incident, Round: h.Round, Receiver: t.Person, Event: h.Event, Priority: h.Priority, At: h.At, Title: h.Title, Text: h.Text,
			Because: t.Because, OnCall: t.OnCall, State: MessageQueued, Kind: MessageUpdate}
		if r.ended {
			m.State, m.Reason = MessageSuppressed, overText
			k.put(m)
			continue
		}
		k.replace(r, t.Person, h.Priority)
		if !r.told(t.Person) {
			m.Kind = MessageOpening
		}
		if !h.Muted.IsZero() && (m.Kind == MessageOpening || h.Priority > 1) {
			m.State, m.Reason = MessageSuppressed, h.Muted
		}
		k.put(m)
	}
}

// replace withdraws an opening that still waits when something more urgent is
// to be told: that becomes the opening.
func (k *Desk) replace(r *round, receiver string, priority int) {
	m := r.openings[receiver]
	if m != nil && (m.State == MessageQueued || m.State == MessageHeld) && priority < m.Priority {
		m.State, m.Until, m.Reason = MessageSuppressed, time.Time{}, lang.Text{ZH: "由更紧急的通知代替", EN: "replaced by a more urgent one"}
		k.changed[m] = true
	}
}

// told tells whether the receiver's opening went out or still may.
func (r *round) told(receiver string) bool {
	m := r.openings[receiver]
	return m != nil && m.State != MessageSuppressed && m.State != MessageFailed
}

// close ends a round: one closing to everybody with an opening that went out or
// is going out, nothing to those whose opening was still waiting. No mute, quiet
// hour or storm that came in between changes that.
func (k *Desk) close(h Happening) {
	r := k.round(h.Incident, h.Round)
	if r.ended {
		return
	}
	for _, m := range r.messages {
		if m.State == MessageQueued || m.State == MessageHeld {
			m.State, m.Until, m.Reason = MessageSuppressed, time.Time{}, overText
			k.changed[m] = true
		}
	}
	r.ended = true
	for _, receiver := range slices.Sorted(maps.Keys(r.openings)) {
		if !r.told(receiver) {
			continue
		}
		m := r.openings[receiver]
		c := Message{Key: closingKey(m), Incident: h.Incident, Round: h.Round, Receiver: receiver, Kind: MessageClosing,
			Event: "closed", Priority: r.priority[receiver], At: h.At, Title: h.Title, Text: h.Text, Because: m.Because, OnCall: m.OnCall, State: MessageQueued}
		if m.State == MessageSending {
			c.State, c.Reason = MessageHeld, lang.Text{ZH: "等待开始通知的结果", EN: "waits for the outcome of the opening"}
		}
		k.put(c)
	}
	if !slices.ContainsFunc(r.messages, func(m *Message) bool { return m.Event == "closed" }) { // so that the round's end is stored
		k.put(Message{Key: fmt.Sprintf("%s/%d/closing", h.Incident, h.Round), Incident: h.Incident, Round: h.Round, Kind: MessageClosing, Event: "closed", At: h.At,
			State: MessageSuppressed, Reason: lang.Text{ZH: "无人收到开始通知", EN: "nobody was told that it began"}})
	}
}

var overText = lang.Text{ZH: "发出前故障已结束", EN: "it was over before this went out"}

func closingKey(m *Message) string {
	return fmt.Sprintf("%s/%d/closing/%s", m.Incident, m.Round, m.Receiver)
}

// Due returns what is to be sent now, priority 1 first, and marks it as sending:
// the caller stores that before it sends. Held messages come when their time
// has; more than the receiver's share of a minute waits or becomes a digest.
func (k *Desk) Due(now time.Time, d *Directory) []Message {
	waiting := map[string][]*Message{}
	k.pending = slices.DeleteFunc(k.pending, func(m *Message) bool { return m.State != MessageQueued && m.State != MessageHeld })
	for _, m := range k.pending {
		if m.State != MessageQueued && (m.State != MessageHeld || m.Until.IsZero() || m.Until.After(now)) {
			continue
		}
		p, ok := d.Person(m.Receiver)
		if !ok || p.Disabled {
			m.State, m.Until, m.Reason = MessageSuppressed, time.Time{}, lang.Text{ZH: "接收人已无权限", EN: "the receiver has no access any more"}
			k.changed[m] = true
			continue
		}
		if until, quiet := k.quiet(m, p, now); quiet {
			k.changed[m] = true
			m.State, m.Until, m.Reason = MessageHeld, until, lang.Text{ZH: "免打扰时段", EN: "quiet hours"}
			continue
		}
		m.State, m.Until, m.Reason = MessageQueued, time.Time{}, lang.Text{}
		waiting[m.Receiver] = append(waiting[m.Receiver], m)
	}
	var out []Message
	for _, receiver := range slices.Sorted(maps.Keys(waiting)) {
		out = append(out, k.share(receiver, waiting[receiver], now)...)
	}
	slices.SortStableFunc(out, func(a, b Message) int { return cmp.Compare(a.Priority, b.Priority) })
	return out
}

func (k *Desk) quiet(m *Message, p *Person, now time.Time) (time.Time, bool) {
	if m.Priority <= 1 || m.OnCall || p.Quiet == nil {
		return time.Time{}, false
	}
	return p.Quiet.Until(now)
}

// share hands one receiver's messages out within the budget.
func (k *Desk) share(receiver string, list []*Message, now time.Time) []Message {
	k.recent[receiver] = slices.DeleteFunc(k.recent[receiver], func(t time.Time) bool { return now.Sub(t) >= time.Minute })
	used := len(k.recent[receiver])
	var out []Message
	send := func(m *Message) {
		m.start(now)
		k.changed[m] = true
		out, used = append(out, *m), used+1
		k.recent[receiver] = append(k.recent[receiver], now)
	}
	var rest []*Message
	for _, m := range list {
		if (m.Priority <= 1 || m.Kind == MessageReport) && used < k.policy.PerMinute {
			send(m)
			continue
		}
		rest = append(rest, m)
	}
	normal := k.policy.PerMinute - k.policy.Reserve
	if len(rest) > k.policy.Fold || len(rest) > max(normal-used, 0) && len(rest) > 1 {
		if used < k.policy.PerMinute && now.Sub(k.last[receiver]) >= k.policy.Every {
			out = append(out, *k.digest(receiver, rest, now))
		}
		return out
	}
	for _, m := range rest {
		if used < normal {
			send(m)
		}
	}
	return out
}

// digest folds messages into one. Each counts as told by it.
func (k *Desk) digest(receiver string, list []*Message, now time.Time) *Message {
	k.digests[receiver]++
	k.last[receiver] = now
	k.recent[receiver] = append(k.recent[receiver], now)
	g := Message{Key: fmt.Sprintf("digest/%s/%d", receiver, k.digests[receiver]), Receiver: receiver, Kind: MessageDigest, Event: "digest", Priority: 4, At: now, State: MessageSending, Claimed: true, SentAt: now}
	counts := map[string]int{}
	for _, m := range list {
		m.start(now)
		m.Digest, k.changed[m] = g.Key, true
		g.Items, g.Priority = append(g.Items, m.Key), min(g.Priority, m.Priority)
		counts[m.Kind]++
	}
	g.Text = lang.Text{ZH: fmt.Sprintf("汇总 %d 条：新故障 %d，进展 %d，结束 %d", len(list), counts[MessageOpening], counts[MessageUpdate], counts[MessageClosing]),
		EN: fmt.Sprintf("digest of %d: %d new, %d updates, %d ended", len(list), counts[MessageOpening], counts[MessageUpdate], counts[MessageClosing])}
	return k.put(g)
}

// Outcome records what became of a message that was sending: sent, confirmed,
// failed, or maybe. A digest's counts for all in it.
func (k *Desk) Outcome(key, state string, problem lang.Text) error {
	m := k.byKey[key]
	if m == nil {
		return fmt.Errorf("outcome of message %s: no such message", key)
	}
	allowed := map[string][]string{MessageSending: {MessageSent, MessageConfirmed, MessageMaybe, MessageFailed}, MessageMaybe: {MessageSent, MessageConfirmed, MessageFailed}, MessageSent: {MessageConfirmed}}
	if m.State == state {
		return nil
	}
	if !slices.Contains(allowed[m.State], state) {
		return fmt.Errorf("outcome of message %s: %s cannot become %s", key, m.State, state)
	}
	for _, item := range m.Items {
		k.settle(k.byKey[item], state, problem)
	}
	k.settle(m, state, problem)
	return nil
}

func (k *Desk) settle(m *Message, state string, problem lang.Text) {
	m.State, m.Reason, m.Claimed = state, problem, false
	k.changed[m] = true
	if m.Kind != MessageOpening {
		return
	}
	c := k.byKey[closingKey(m)]
	if c == nil || c.State != MessageHeld || !c.Until.IsZero() {
		return
	}
	if state == MessageFailed {
		c.State, c.Reason = MessageSuppressed, lang.Text{ZH: "开始通知未送达", EN: "the opening was never delivered"}
		k.changed[c] = true
		return
	}
	c.State, c.Reason = MessageQueued, lang.Text{}
	k.changed[c] = true
}

// Tally counts messages by state: what was planned is the sum, nothing is lost.
func (k *Desk) Tally() map[string]int {
	out := map[string]int{}
	for _, m := range k.order {
		out[m.State]++
	}
	return out
}
