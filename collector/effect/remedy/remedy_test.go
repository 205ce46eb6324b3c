package remedy

import (
	"context"
	"errors"
	"io"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/faultline/faultline/collector/document"
	"github.com/faultline/faultline/collector/incident"
	"github.com/faultline/faultline/collector/lease"
	"github.com/faultline/faultline/collector/outbox"
	"github.com/faultline/faultline/collector/remedy"
	"github.com/faultline/faultline/internal/lang"
	plugin "github.com/faultline/faultline/plugins/remedy"
)

var errNone = errors.New("none")

// memory is a KV and a store of documents that outlive executors.
type memory struct {
	mu   sync.Mutex
	kv   map[string]string
	docs map[string]document.Document
	fail int // so many writes fail after they were made
}

func (m *memory) KVInit(_ context.Context, name, value string) (string, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if _, ok := m.kv[name]; !ok {
		m.kv[name] = value
	}
	if m.fail > 0 {
		m.fail--
		return "", errors.New("connection lost")
	}
	return m.kv[name], nil
}

func (m *memory) KVGet(_ context.Context, name string) (string, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if v, ok := m.kv[name]; ok {
		return v, nil
	}
	return "", errNone
}

func (m *memory) KVPut(_ context.Context, name, value string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.kv[name] = value
	return nil
}

func (m *memory) KVDelete(_ context.Context, names ...string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, n := range names {
		delete(m.kv, n)
	}
	return nil
}

func (m *memory) PutDocument(_ context.Context, d document.Document) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.docs[d.ID] = d
	return nil
}

func (m *memory) Documents(context.Context, string) ([]document.Document, error) { return nil, nil }

func (m *memory) Document(_ context.Context, _, id string) (document.Document, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.docs[id], nil
}

// runner counts what is begun and remembers it, as a plugin's book does.
type runner struct {
	mu    sync.Mutex
	begun []plugin.Order
	book  map[string]plugin.Outcome
	print string
	err   error         // of Run, before it is begun or after
	hold  chan struct{} // Run waits for it; nil: it does not
	lost  error         // of Find
}

func (*runner) Name() string { return "ansible" }

func (r *runner) Run(_ context.Context, o plugin.Order, out io.Writer) (plugin.Outcome, error) {
	var e *plugin.Error
	r.mu.Lock()
	if errors.As(r.err, &e) && !e.Begun {
		defer r.mu.Unlock()
		return plugin.Outcome{}, r.err
	}
	r.begun = append(r.begun, o)
	r.book[o.Key] = plugin.Outcome{State: plugin.Begun, Pin: "p"}
	r.mu.Unlock()
	_, _ = io.WriteString(out, r.print)
	if r.hold != nil {
		<-r.hold
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	done := plugin.Outcome{State: plugin.Done, Summary: "hosts=1", Changed: 1, Pin: "p"}
	if r.err == nil {
		r.book[o.Key] = done
	}
	return done, r.err
}

func (r *runner) Find(_ context.Context, key string) (plugin.Outcome, bool, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	o, ok := r.book[key]
	return o, ok, r.lost
}

func (r *runner) orders() []plugin.Order {
	r.mu.Lock()
	defer r.mu.Unlock()
	return append([]plugin.Order(nil), r.begun...)
}

type world struct {
	t    *testing.T
	kept *memory
	run  *runner
}

func newWorld(t *testing.T) *world {
	return &world{t, &memory{kv: map[string]string{}, docs: map[string]document.Document{}}, &runner{book: map[string]plugin.Outcome{}, print: "TASK [x]\nok\n"}}
}

// collector is an executor as a collector that starts has it.
func (w *world) collector(node string) *Executor {
	w.t.Helper()
	x, err := New(Options{Node: node, Catalog: func() remedy.Catalog {
		return remedy.Catalog{{Name: "restart", Plugin: "ansible", Title: lang.Same("x"), Parameters: []remedy.Parameter{{Name: "port"}}}}
	}, Runner: func(string) (plugin.Runner, bool) { return w.run, true }, KV: w.kept, NotFound: errNone, Documents: w.kept, Now: time.Now, Poll: time.Millisecond})
	if err != nil {
		w.t.Fatal(err)
	}
	return x
}

func job(kind string) outbox.Job {
	m := incident.Remedy{ID: "r1", Name: "restart", Parameters: map[string]string{"port": "Gi0/1"}, Check: incident.RemedyRun{Pin: "p"}}
	return outbox.Job{Effect: incident.Effect{Key: "i1/9/" + kind, IncidentID: "i1", Kind: kind, Params: map[string]string{"remedy": "r1"}}, Attempt: 1,
		Incident: incident.Incident{ID: "i1", Number: "n", State: incident.StateOpen, Remedies: []incident.Remedy{m}}}
}

// finish executes until there is an outcome.
func finish(t *testing.T, x *Executor, j outbox.Job) outbox.Outcome {
	t.Helper()
	for deadline := time.Now().Add(30 * time.Second); time.Now().Before(deadline); time.Sleep(time.Millisecond) {
		out, err := x.Execute(t.Context(), j)
		if err != nil {
			t.Fatal(err)
		}
		if out.After() == 0 {
			return out
		}
	}
	t.Fatal("it does not end")
	return outbox.Outcome{}
}

func TestRunAndItsOutput(t *testing.T) {
	w := newWorld(t)
	w.run.hold = make(chan struct{})
	x, j := w.collector("a"), job(incident.EffectRemedyRun)
	for text := ""; !strings.Contains(text, "TASK"); time.Sleep(time.Millisecond) { // while it goes on
		if out, err := x.Execute(t.Context(), j); err != nil || out.After() == 0 {
			t.Fatalf("%+v %v", out, err)
		}
		var err error
		if text, err = Output(t.Context(), w.kept, errNone, j.Effect.Key); err != nil {
			t.Fatal(err)
		}
	}
	close(w.run.hold)
	out := finish(t, x, j)
	d := w.kept.docs[out.Result()["document"]]
	if out.Word() != plugin.Done || string(d.Body) != w.run.print || out.Result()["output"] != w.run.print || out.Result()["summary"] != "hosts=1" {
		t.Errorf("%+v, document %q", out, d.Body)
	}
	if o := w.run.orders(); len(o) != 1 || o[0].Pin != "p" || o[0].DryRun || o[0].Parameters["port"] != "Gi0/1" {
		t.Errorf("orders %+v", o)
	}
	if text, err := Output(t.Context(), w.kept, errNone, j.Effect.Key); text != "" || err != nil {
		t.Errorf("kept twice: %q %v", text, err)
	}
}

// TestNeverTwice: whatever happens to the collector, at most one run is begun, and
// what nobody knows ends as unknown.
func TestNeverTwice(t *testing.T) {
	j := job(incident.EffectRemedyRun)
	for name, c := range map[string]struct {
		before func(*world, *Executor) // in a collector that then ends
		node   string                  // that goes on
		want   string
		begun  int
	}{
		"it ended before the runner was called": {func(w *world, x *Executor) { _, _, _ = x.claim(t.Context(), j.Effect.Key) }, "a", plugin.Done, 1},
		"another node ended there":              {func(w *world, x *Executor) { _, _, _ = x.claim(t.Context(), j.Effect.Key) }, "b", incident.RemedyUnknown, 0},
		"it ended during the run": {func(w *world, x *Executor) {
			w.run.err = &plugin.Error{Op: "call", Begun: true, Err: errors.New("killed")}
			_, _ = x.Execute(t.Context(), j)
			<-x.at(j.Effect.Key).ended
		}, "a", incident.RemedyUnknown, 1},
		"it ended after the run and before its word": {func(w *world, x *Executor) {
			_, _ = x.Execute(t.Context(), j)
			<-x.at(j.Effect.Key).ended
		}, "a", plugin.Done, 1},
		"another node ended during the run": {func(w *world, x *Executor) {
			_, _ = x.Execute(t.Context(), j)
			<-x.at(j.Effect.Key).ended
		}, "b", incident.RemedyUnknown, 1},
		"the database lost its word": {func(w *world, x *Executor) { w.kept.fail = 1; _, _ = x.Execute(t.Context(), j) }, "a", plugin.Done, 1},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			c.before(w, w.collector("a"))
			w.run.mu.Lock()
			w.run.err = nil
			w.run.mu.Unlock()
			again := j
			again.Ambiguous, again.Attempt = true, 2
			out := finish(t, w.collector(c.node), again)
			if out.Word() != c.want || len(w.run.orders()) != c.begun {
				t.Errorf("%q, %d begun; want %q, %d (%v)", out.Word(), len(w.run.orders()), c.want, c.begun, out.Result())
			}
		})
	}
}

// TestItsWordIsLost: the word of a run's end does not reach the log, and the same
// collector is asked again: the runner says what it came to.
func TestItsWordIsLost(t *testing.T) {
	w, j := newWorld(t), job(incident.EffectRemedyRun)
	x := w.collector("a")
	for n := range 3 {
		if out := finish(t, x, j); out.Word() != plugin.Done || len(w.run.orders()) != 1 {
			t.Errorf("asked %d times: %q, %d begun", n+1, out.Word(), len(w.run.orders()))
		}
	}
}

func TestBegunAndFailedCallIsUnknown(t *testing.T) {
	w := newWorld(t)
	w.run.err = &plugin.Error{Op: "call", Begun: true, Err: errors.New("killed")}
	if out := finish(t, w.collector("a"), job(incident.EffectRemedyRun)); out.Word() != incident.RemedyUnknown || out.Failed() {
		t.Errorf("%+v", out)
	}
}

func TestRefusedRunIsNotBegun(t *testing.T) {
	w := newWorld(t)
	w.run.err = &plugin.Error{Op: "playbook", Err: errors.New("changed since its dry run")}
	if out := finish(t, w.collector("a"), job(incident.EffectRemedyRun)); !out.Failed() || !strings.Contains(out.Word(), "not begun") {
		t.Errorf("%+v", out)
	}
}

// TestDownPluginIsTriedAgain: what was certainly not begun is begun later, once.
func TestDownPluginIsTriedAgain(t *testing.T) {
	w := newWorld(t)
	w.run.err = &plugin.Error{Op: "call", Again: true, Err: errors.New("waiting")}
	x, j := w.collector("a"), job(incident.EffectRemedyRun)
	var err error
	for deadline := time.Now().Add(30 * time.Second); err == nil && time.Now().Before(deadline); time.Sleep(time.Millisecond) {
		_, err = x.Execute(t.Context(), j)
	}
	if err == nil {
		t.Fatal("no error")
	}
	w.run.mu.Lock()
	w.run.err = nil
	w.run.mu.Unlock()
	if out := finish(t, x, j); out.Word() != plugin.Done || len(w.run.orders()) != 1 {
		t.Errorf("%+v %d", out, len(w.run.orders()))
	}
}

// TestNothingBeginsThatIsNotNeeded: recovered, closed, or changed in the
// configuration since; and without the lease.
func TestNothingBeginsThatIsNotNeeded(t *testing.T) {
	for name, change := range map[string]func(*incident.Incident){
		"recovered": func(i *incident.Incident) { i.RecoveredAt = time.Now() },
		"closed":    func(i *incident.Incident) { i.State = incident.StateClosed },
		"parameter": func(i *incident.Incident) { i.Remedies[0].Parameters = map[string]string{"port": "$(id)"} },
		"unknown":   func(i *incident.Incident) { i.Remedies[0].Name = "gone" },
	} {
		w, j := newWorld(t), job(incident.EffectRemedyRun)
		change(&j.Incident)
		if out := finish(t, w.collector("a"), j); !out.Failed() || len(w.run.orders()) != 0 {
			t.Errorf("%s: %+v", name, out)
		}
	}
	w := newWorld(t)
	lost := lease.With(t.Context(), 1, func(context.Context) error { return lease.ErrLost })
	if _, err := w.collector("a").Execute(lost, job(incident.EffectRemedyRun)); !errors.Is(err, lease.ErrLost) || len(w.run.orders()) != 0 {
		t.Errorf("without the lease: %v", err)
	}
}

func TestOutputIsBounded(t *testing.T) {
	w := newWorld(t)
	w.run.print = strings.Repeat("0123456789abcde\n", 30_000)
	out := finish(t, w.collector("a"), job(incident.EffectRemedyCheck))
	d := w.kept.docs[out.Result()["document"]]
	if len(d.Body) < maxOutput || len(d.Body) > maxOutput+100 || !strings.Contains(string(d.Body), "bytes more were printed") || len(out.Result()["output"]) > tail+10 {
		t.Errorf("%d bytes kept, %d in the log", len(d.Body), len(out.Result()["output"]))
	}
}
