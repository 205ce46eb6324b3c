package remedy

import (
	"context"
	"errors"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/faultline/faultline/collector/incident"
	"github.com/faultline/faultline/collector/outbox"
	plugin "github.com/faultline/faultline/plugins/remedy"
)

// slow is a runner whose run ends when its caller wants it to, as a plugin's: the
// call ends at once, and the outcome is in the book a little later, or never.
type slow struct {
	*runner
	begins chan struct{}
	says   bool          // the outcome comes
	direct bool          // from Run itself, as of a runner in our own process
	ended  chan struct{} // closed when its caller wanted it to end
}

func (r *slow) Run(ctx context.Context, o plugin.Order, out io.Writer) (plugin.Outcome, error) {
	r.mu.Lock()
	r.begun = append(r.begun, o)
	r.book[o.Key] = plugin.Outcome{State: plugin.Begun, Pin: "p"}
	r.mu.Unlock()
	_, _ = io.WriteString(out, "TASK [x]\n")
	close(r.begins)
	<-ctx.Done()
	close(r.ended)
	done := plugin.Outcome{State: plugin.Stopped, Summary: "ended in the middle", Pin: "p"}
	if r.direct {
		return done, nil
	}
	if r.says {
		time.AfterFunc(20*time.Millisecond, func() {
			r.mu.Lock()
			defer r.mu.Unlock()
			r.book[o.Key] = done
		})
	}
	return plugin.Outcome{}, &plugin.Error{Op: "call", Begun: true, Err: context.Canceled}
}

// stopped is the job after somebody pressed the button.
func stopped(j outbox.Job, kind string) outbox.Job {
	m := j.Incident.Remedies[0]
	m.StopBy, m.StopAt, m.State = incident.Actor{Kind: "person", ID: "zhao", Name: "赵工"}, time.Now(), incident.RemedyGranted
	if kind == incident.EffectRemedyCheck {
		m.State = incident.RemedyOpen
	}
	j.Incident.Remedies = []incident.Remedy{m}
	return j
}

// TestStopped: a run that somebody stops ends, with the word of its runner; where
// the runner does not say how far it came, nobody knows.
func TestStopped(t *testing.T) {
	for name, c := range map[string]struct {
		kind         string
		says, direct bool
		want         string
	}{
		"a run":                          {incident.EffectRemedyRun, true, false, plugin.Stopped},
		"a run in our own process":       {incident.EffectRemedyRun, false, true, plugin.Stopped},
		"a run whose runner keeps quiet": {incident.EffectRemedyRun, false, false, incident.RemedyUnknown},
		"a dry run":                      {incident.EffectRemedyCheck, true, false, plugin.Stopped},
		"a dry run of a quiet runner":    {incident.EffectRemedyCheck, false, false, plugin.Stopped},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			r := &slow{runner: w.run, begins: make(chan struct{}), ended: make(chan struct{}), says: c.says, direct: c.direct}
			x, j := w.collector("a"), job(c.kind)
			x.o.Runner = func(string) (plugin.Runner, bool) { return r, true }
			if _, err := x.Execute(t.Context(), j); err != nil {
				t.Fatal(err)
			}
			<-r.begins
			again := stopped(j, c.kind)
			out, err := x.Execute(t.Context(), again)
			if err != nil {
				t.Fatal(err)
			}
			<-r.ended
			if !c.says && !c.direct { // its time is over
				x.o.Now = func() time.Time { return time.Now().Add(2 * endingTime) }
			}
			if out.After() > 0 {
				out = finish(t, x, again)
			}
			if out.Word() != c.want || len(w.run.orders()) != 1 {
				t.Errorf("%q, %d begun: %v", out.Word(), len(w.run.orders()), out.Result())
			}
			if !strings.Contains(out.Result()["output"], "[赵工 stopped it]") {
				t.Errorf("output %q", out.Result()["output"])
			}
		})
	}
}

// TestStoppedBeforeItsBeginning: nothing is begun, and that is said for certain;
// where another process had made its mark nothing is certain.
func TestStoppedBeforeItsBeginning(t *testing.T) {
	w, j := newWorld(t), stopped(job(incident.EffectRemedyRun), incident.EffectRemedyRun)
	if out := finish(t, w.collector("a"), j); !out.Failed() || !strings.Contains(out.Word(), "not begun: 赵工 stopped it before") || len(w.run.orders()) != 0 {
		t.Errorf("%+v", out)
	}
	if _, _, err := w.collector("b").claim(t.Context(), j.Effect.Key); err != nil {
		t.Fatal(err)
	}
	if out := finish(t, w.collector("a"), j); out.Word() != incident.RemedyUnknown || len(w.run.orders()) != 0 {
		t.Errorf("begun elsewhere: %+v", out)
	}
	if out := finish(t, w.collector("b"), j); !out.Failed() || len(w.run.orders()) != 0 {
		t.Errorf("marked by the same node, never begun: %+v", out)
	}
}

// TestStopOfARunThatWentThrough: it had ended by itself; what it came to counts.
func TestStopOfARunThatWentThrough(t *testing.T) {
	w, j := newWorld(t), job(incident.EffectRemedyRun)
	x := w.collector("a")
	if _, err := x.Execute(t.Context(), j); err != nil {
		t.Fatal(err)
	}
	<-x.at(j.Effect.Key).ended
	if out := finish(t, x, stopped(j, incident.EffectRemedyRun)); out.Word() != plugin.Done {
		t.Errorf("%+v", out)
	}
	w = newWorld(t)
	w.run.err = &plugin.Error{Op: "playbook", Err: errors.New("changed since its dry run")}
	x = w.collector("a")
	if _, err := x.Execute(t.Context(), j); err != nil {
		t.Fatal(err)
	}
	<-x.at(j.Effect.Key).ended
	if out := finish(t, x, stopped(j, incident.EffectRemedyRun)); !out.Failed() {
		t.Errorf("refused and stopped: %+v", out)
	}
}
