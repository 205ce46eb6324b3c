package post

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/fstest"
	"time"

	"github.com/faultline/faultline/collector/engine"
	"github.com/faultline/faultline/collector/incident"
	"github.com/faultline/faultline/collector/people"
	"github.com/faultline/faultline/internal/lang"
	"github.com/faultline/faultline/plugins/notify"
	"github.com/faultline/faultline/plugins/ticket"
)

var t0 = time.Date(2026, 11, 21, 14, 0, 0, 0, time.UTC) // 22:00 in Shanghai

// memory is a Store whose generation is 1.
type memory struct {
	mu        sync.Mutex
	messages  map[string]people.Message
	incidents map[string]incident.Incident
	kv        map[string]string
	fail      error
	current   int64
}

func (m *memory) PutNotices(_ context.Context, gen int64, list []people.Message) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if gen != m.current {
		return engine.ErrFenced
	}
	if m.fail != nil {
		return m.fail
	}
	for _, x := range list {
		m.messages[x.Key] = x
	}
	return nil
}

func (m *memory) DropNotices(_ context.Context, _ int64, keys []string) error {
	for _, k := range keys {
		delete(m.messages, k)
	}
	return nil
}

func (m *memory) KeptNotices(context.Context) (out []people.Message, err error) {
	for _, x := range m.messages {
		out = append(out, x)
	}
	slices.SortFunc(out, func(a, b people.Message) int { return cmp.Or(a.At.Compare(b.At), cmp.Compare(a.Key, b.Key)) })
	return out, nil
}

func (m *memory) Incident(_ context.Context, id string) (incident.Incident, error) {
	i, ok := m.incidents[id]
	if !ok {
		return i, engine.ErrNotFound
	}
	return i, nil
}

func (m *memory) KVPut(_ context.Context, name, value string) error { m.kv[name] = value; return nil }
func (m *memory) KVList(_ context.Context, prefix string) (map[string]string, error) {
	out := map[string]string{}
	for k, v := range m.kv {
		if strings.HasPrefix(k, prefix) {
			out[k] = v
		}
	}
	return out, nil
}

func (m *memory) KVDelete(_ context.Context, names ...string) error {
	for _, n := range names {
		delete(m.kv, n)
	}
	return nil
}

// mailbox is a channel; errs are used up one by one.
type mailbox struct {
	mu   sync.Mutex
	sent []notify.Notice
	errs []error
}

func (c *mailbox) Name() string { return "email" }

func (c *mailbox) Deliver(_ context.Context, n notify.Notice) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.errs) > 0 {
		err := c.errs[0]
		c.errs = c.errs[1:]
		if err != nil {
			return err
		}
	}
	c.sent = append(c.sent, n)
	return nil
}

func (c *mailbox) subjects() (out []string) {
	for _, n := range c.sent {
		out = append(out, n.To+" "+n.Subject)
	}
	slices.Sort(out)
	return out
}

type office struct {
	*Post
	t     *testing.T
	store *memory
	box   *mailbox
	now   time.Time
	inc   incident.Incident
}

func newOffice(t *testing.T) *office {
	t.Helper()
	o := &office{t: t, now: t0, box: &mailbox{}, inc: incident.Incident{ID: "i1", State: incident.StateOpen, OpenedAt: t0},
		store: &memory{messages: map[string]people.Message{}, incidents: map[string]incident.Incident{}, kv: map[string]string{}, current: 1}}
	o.start()
	return o
}

// start makes a post on what is stored, as another collector would.
func (o *office) start() {
	o.t.Helper()
	d, err := people.Load(fstest.MapFS{"p.yaml": {Data: []byte(`apiVersion: faultline/v1
kind: People
people:
  - {id: li, name: 李工, roles: [hq_network], email: li@example.com, quiet: {from: "21:30", to: "07:30"}}
  - {id: smith, name: Smith, roles: [hq_network], email: smith@example.com, language: en}
  - {id: mute, name: 无邮箱, roles: [hq_network]}
`)}}, people.Options{})
	if err != nil {
		o.t.Fatal(err)
	}
	o.Post, err = New(Options{Store: o.store, Directory: func() *people.Directory { return d }, Channel: o.box, Now: func() time.Time { return o.now },
		URL:     func(id string) string { return "https://noc.example.com/incidents/" + id },
		Closing: func(incident.Incident) (lang.Text, lang.Text) { return lang.Same("closed"), lang.Same("it is over") }})
	if err != nil {
		o.t.Fatal(err)
	}
	if err := o.Begin(o.t.Context(), 1); err != nil {
		o.t.Fatal(err)
	}
}

func (o *office) take(id, event string, priority int, to ...string) {
	o.t.Helper()
	var told []people.Told
	for _, p := range to {
		told = append(told, people.Told{Person: p, Because: lang.Text{ZH: "值班", EN: "on call"}})
	}
	h := people.Happening{ID: id, Event: event, Priority: priority, At: o.now, Title: lang.Same(event + " " + id), Text: lang.Same("text")}
	if err := o.Take(o.t.Context(), o.inc, h, told); err != nil {
		o.t.Fatal(err)
	}
}

// step sends what is due and waits for it.
func (o *office) step() {
	o.t.Helper()
	var sending sync.WaitGroup
	if err := o.round(o.t.Context(), &sending); err != nil {
		o.t.Fatal(err)
	}
	sending.Wait()
}

func (o *office) close() {
	o.inc.State, o.inc.ClosedAt = incident.StateClosed, o.now
	o.store.incidents["i1"] = o.inc
}

func (o *office) states() map[string]string {
	out := map[string]string{}
	for _, m := range o.store.messages {
		out[m.Kind+" "+m.Receiver] = m.State
	}
	return out
}

// TestQuietHoursAndOneClosing: priority 2 waits for the morning of who sleeps,
// priority 1 does not, and only who was told hears of the end.
func TestQuietHoursAndOneClosing(t *testing.T) {
	o := newOffice(t)
	o.take("1", "opened", 2, "li", "smith")
	o.step()
	if got := o.box.subjects(); !slices.Equal(got, []string{"smith@example.com opened 1"}) || o.states()["opening li"] != people.MessageHeld {
		t.Fatalf("sent %q, states %v", got, o.states())
	}
	if n := o.box.sent[0]; !strings.Contains(n.Body, "Why you are told: on call") || n.URL != "https://noc.example.com/incidents/i1" || n.Severity != "major" {
		t.Errorf("notice %+v", n)
	}
	o.close()
	o.Changed(o.inc)
	o.step()
	o.Changed(o.inc)
	o.step()
	if got := o.box.subjects(); !slices.Equal(got, []string{"smith@example.com closed", "smith@example.com opened 1"}) || o.states()["opening li"] != people.MessageSuppressed {
		t.Fatalf("sent %q, states %v", got, o.states())
	}
	o.take("2", "entered", 2, "smith") // an effect that comes too late
	o.step()
	if len(o.box.sent) != 2 {
		t.Errorf("news after the end: %q", o.box.subjects())
	}
	o.inc.State, o.now = incident.StateOpen, o.now.Add(time.Hour)
	o.take("3", "opened", 1, "li", "smith")
	o.step()
	if got := o.box.subjects(); !slices.Contains(got, "li@example.com opened 3") || len(got) != 4 {
		t.Errorf("priority 1 at night: %q", got)
	}
}

// TestAuditClosesWhatWasMissed: the closing does not depend on being told.
func TestAuditClosesWhatWasMissed(t *testing.T) {
	o := newOffice(t)
	o.take("1", "opened", 1, "smith")
	o.step()
	o.close()
	o.start() // another collector, that never saw the change
	if err := o.audit(t.Context()); err != nil {
		t.Fatal(err)
	}
	o.step()
	if got := o.box.subjects(); !slices.Equal(got, []string{"smith@example.com closed", "smith@example.com opened 1"}) {
		t.Fatalf("sent %q", got)
	}
	o.now = o.now.Add(Keep + time.Hour)
	if err := o.audit(t.Context()); err != nil || len(o.store.messages) != 0 {
		t.Errorf("%v, still kept: %v", err, o.states())
	}
}

type busy struct{ error }

func (busy) RetryAfter() time.Duration { return 40 * time.Second }

func TestFailures(t *testing.T) {
	o := newOffice(t)
	o.box.errs = []error{&ticket.Error{Op: "smtp", Retryable: true, Err: busy{errors.New("451 later")}}}
	o.take("1", "opened", 1, "smith")
	o.step()
	if m := o.store.messages["i1/0/1/smith"]; m.State != people.MessageHeld || !m.Until.Equal(t0.Add(40*time.Second)) || m.Problem == "" || m.Attempts != 1 {
		t.Fatalf("after a busy server: %+v", m)
	}
	o.now = t0.Add(39 * time.Second)
	o.step()
	if len(o.box.sent) != 0 {
		t.Fatal("sent before the time the server asked for")
	}
	o.now = t0.Add(41 * time.Second)
	o.step()
	if len(o.box.sent) != 1 || o.box.sent[0].Repeat {
		t.Fatalf("sent %+v", o.box.sent)
	}
	o.box.errs = []error{&ticket.Error{Op: "smtp", Err: errors.New("550 no such user")}}
	o.take("2", "entered", 1, "smith")
	o.take("3", "entered", 1, "mute")
	o.step()
	for key, want := range map[string]string{"i1/0/2/smith": "550 no such user", "i1/0/3/mute": "no e-mail address"} {
		if m := o.store.messages[key]; m.State != people.MessageFailed || !strings.Contains(m.Reason.EN, want) {
			t.Errorf("%s: %s, %q", key, m.State, m.Reason.EN)
		}
	}
	if err := o.Ask(t.Context(), "i1/0/2/smith"); err != nil {
		t.Fatal(err)
	}
	if err := o.Wishes(t.Context()); err != nil || len(o.store.kv) != 0 {
		t.Fatalf("%v, %v", err, o.store.kv)
	}
	o.step()
	if m := o.store.messages["i1/0/2/smith"]; m.State != people.MessageSent {
		t.Errorf("asked for again by a person: %+v", m)
	}
}

// TestInterrupted: what was on its way when a collector died is said again, with
// the mark.
func TestInterrupted(t *testing.T) {
	o := newOffice(t)
	o.take("1", "opened", 1, "smith")
	if err := o.with(t.Context(), func(k *people.Desk) error { k.Due(o.now, o.o.Directory()); return k.Begin("i1/0/1/smith") }); err != nil {
		t.Fatal(err)
	}
	o.start()
	o.step()
	if len(o.box.sent) != 1 || !o.box.sent[0].Repeat {
		t.Fatalf("sent %+v", o.box.sent)
	}
	if err := o.Take(t.Context(), o.inc, people.Happening{ID: "1", Event: "opened", Priority: 1, At: o.now}, []people.Told{{Person: "smith"}}); err != nil {
		t.Fatal(err)
	}
	o.step()
	if len(o.box.sent) != 1 {
		t.Error("the same happening was told twice")
	}
}

// TestStoreRefuses: nothing leaves that is not written down, and nothing is lost.
func TestStoreRefuses(t *testing.T) {
	o := newOffice(t)
	o.take("1", "opened", 1, "smith")
	o.store.fail = errors.New("disk full")
	var sending sync.WaitGroup
	if err := o.round(t.Context(), &sending); err == nil {
		t.Fatal("no error")
	}
	sending.Wait()
	if len(o.box.sent) != 0 {
		t.Fatal("sent without being written down")
	}
	o.store.fail = nil
	o.step()
	if len(o.box.sent) != 1 || o.box.sent[0].Repeat {
		t.Fatalf("sent %+v", o.box.sent)
	}
	o.store.current = 2
	if err := o.Take(t.Context(), o.inc, people.Happening{ID: "2", Event: "entered", At: o.now}, []people.Told{{Person: "smith"}}); !errors.Is(err, engine.ErrFenced) {
		t.Errorf("on an old lease: %v", err)
	}
}

// TestStorm: many incidents at once become one digest; priority 1 goes out alone.
func TestStorm(t *testing.T) {
	o := newOffice(t)
	for n := range 30 {
		o.inc.ID = "i" + string(rune('a'+n))
		o.take("1", "opened", 2, "smith")
	}
	o.inc.ID = "urgent"
	o.take("1", "opened", 1, "smith")
	o.step()
	if len(o.box.sent) != 2 || !slices.ContainsFunc(o.box.sent, func(n notify.Notice) bool {
		return strings.HasPrefix(n.Subject, "Digest of notices: digest of 30") && strings.Count(n.Body, "https://") == 30
	}) {
		t.Fatalf("sent %q", o.box.subjects())
	}
	for _, m := range o.store.messages {
		if m.State != people.MessageSent {
			t.Errorf("%s is %s", m.Key, m.State)
		}
	}
}

func TestReportIsSentOnce(t *testing.T) {
	o := newOffice(t)
	for range 2 {
		if err := o.Send(t.Context(), people.Happening{ID: "daily/2026-11-21", Event: "daily", Priority: 3, At: o.now, Title: lang.Same("daily"), Text: lang.Same("text"), HTML: lang.Same("<p>")},
			[]people.Told{{Person: "smith"}, {Person: "li"}}); err != nil {
			t.Fatal(err)
		}
		o.step()
		o.start()
	}
	if got := o.box.subjects(); !slices.Equal(got, []string{"smith@example.com daily"}) || o.box.sent[0].HTML != "<p>" || o.box.sent[0].URL != "" {
		t.Errorf("sent %q", got)
	}
}
