package plugintest_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/faultline/faultline/plugins/base"
	"github.com/faultline/faultline/plugins/input"
	"github.com/faultline/faultline/plugins/notify"
	"github.com/faultline/faultline/plugins/plugintest"
	"github.com/faultline/faultline/plugins/ticket"
)

// meter is an honest input; change makes it wrong in one way.
type meter struct {
	gather func(context.Context, base.Target, input.Sink) error
	check  func(base.Target) error
	name   string
}

func (m meter) Name() string { return m.name }

func (m meter) CheckTarget(t base.Target) error { return m.check(t) }

func (m meter) Gather(ctx context.Context, t base.Target, s input.Sink) error {
	return m.gather(ctx, t, s)
}

// honest reads a thermometer.
func honest(ctx context.Context, t base.Target, s input.Sink) error {
	c, err := (&net.Dialer{}).DialContext(ctx, "tcp", t.Address)
	if err != nil {
		return err
	}
	defer c.Close()
	defer context.AfterFunc(ctx, func() { c.Close() })()
	var celsius float64
	if _, err := fmt.Fscan(c, &celsius); err != nil {
		return err
	}
	s.Sample(sample("meter_temperature_celsius", celsius, "sensor", "room"))
	return nil
}

func sample(name string, v float64, kv ...string) base.Sample {
	m := map[string]string{}
	for i := 0; i < len(kv); i += 2 {
		m[kv[i]] = kv[i+1]
	}
	return base.Sample{Labels: base.LabelsFrom(name, m), Time: time.Now().UnixMilli(), Value: v}
}

// failures are the names of the checks that fail.
func failures(checks []plugintest.Check) []string {
	var bad []string
	for _, c := range checks {
		if plugintest.Do(context.Background(), c) != nil {
			bad = append(bad, c.Name)
		}
	}
	return bad
}

func goodMeter() meter {
	return meter{name: "meter", gather: honest, check: func(t base.Target) error {
		_, _, err := net.SplitHostPort(t.Address)
		return err
	}}
}

func TestInputSuiteFindsFaults(t *testing.T) {
	also := func(more func(context.Context, base.Target, input.Sink)) func(context.Context, base.Target, input.Sink) error {
		return func(ctx context.Context, t base.Target, s input.Sink) error {
			more(ctx, t, s)
			return honest(ctx, t, s)
		}
	}
	says := func(samples ...base.Sample) func(context.Context, base.Target, input.Sink) error {
		return also(func(_ context.Context, _ base.Target, s input.Sink) {
			for _, sm := range samples {
				s.Sample(sm)
			}
		})
	}
	unsorted := sample("m", 1)
	unsorted.Labels = base.Labels{{Name: "b", Value: "1"}, {Name: "a", Value: "1"}, {Name: base.MetricName, Value: "m"}}
	old := sample("m", 1)
	old.Time = 0
	const form = "samples are in form"
	var wg sync.WaitGroup
	defer wg.Wait()
	for name, c := range map[string]struct {
		change func(*meter)
		want   string
	}{
		"nothing":     {func(*meter) {}, ""},
		"name":        {func(m *meter) { m.name = "My Meter" }, "name is a word and stays"},
		"up":          {func(m *meter) { m.gather = says(sample("up", 1)) }, form},
		"metric name": {func(m *meter) { m.gather = says(sample("a-b", 1)) }, form},
		"unsorted":    {func(m *meter) { m.gather = says(unsorted) }, form},
		"twice":       {func(m *meter) { m.gather = says(sample("m", 1), sample("m", 2)) }, form},
		"old":         {func(m *meter) { m.gather = says(old) }, form},
		"missing":     {func(m *meter) { m.gather = says(sample("m", base.Missing())) }, form},
		"changing labels": {func(m *meter) {
			m.gather = also(func(_ context.Context, _ base.Target, s input.Sink) {
				s.Sample(sample("n", 1, "t", time.Now().String()))
			})
		}, "the same target gives the same series"},
		"empty": {func(m *meter) { m.gather = func(context.Context, base.Target, input.Sink) error { return nil } }, "a target that answers is read"},
		"silence is well": {func(m *meter) {
			m.gather = func(ctx context.Context, t base.Target, s input.Sink) error {
				_ = honest(ctx, t, s)
				return nil
			}
		}, "a target that is silent is an error in time"},
		"hangs": {func(m *meter) {
			m.gather = func(ctx context.Context, t base.Target, s input.Sink) error {
				err := honest(ctx, t, s)
				if ctx.Err() != nil {
					time.Sleep(5 * time.Second)
				}
				return err
			}
		}, "a reading that is given up ends"},
		"late": {func(m *meter) {
			m.gather = also(func(_ context.Context, _ base.Target, s input.Sink) {
				time.AfterFunc(100*time.Millisecond, func() { s.Sample(sample("late", 1)) })
			})
		}, "nothing is handed over after the end"},
		"tells secrets": {func(m *meter) {
			m.gather = func(ctx context.Context, t base.Target, s input.Sink) error {
				if err := honest(ctx, t, s); err != nil {
					return fmt.Errorf("login with %s: %w", t.Options["password"], err)
				}
				return nil
			}
		}, "secrets come out nowhere"},
		"refuses nothing": {func(m *meter) { m.check = func(base.Target) error { return nil } }, "settings that cannot work are refused"},
		"panics":          {func(m *meter) { m.gather = says(base.Sample{}) }, form},
	} {
		wg.Go(func() { // they mostly wait: all at once, whatever -parallel is
			world, err := plugintest.NewMeters()
			if err != nil {
				t.Error(err)
				return
			}
			defer world.Close()
			m := goodMeter()
			c.change(&m)
			bad := failures(plugintest.Input(world.Case(plugintest.InputCase{Input: m, Timeout: 10 * time.Second, Patience: 500 * time.Millisecond})))
			if c.want == "" && len(bad) > 0 || c.want != "" && !slices.Contains(bad, c.want) {
				t.Errorf("%s: failed: %q, want %q", name, bad, c.want)
			}
		})
	}
}

// desk is a desk and a channel with its world in one; change makes it wrong.
type desk struct {
	world *plugintest.StandIn
	send  func(*desk, context.Context, ticket.Ticket) (ticket.Ref, error)
	find  func(*desk, string) (ticket.Ref, bool, error)
}

func (d *desk) Name() string { return "desk" }

func (d *desk) Send(ctx context.Context, t ticket.Ticket) (ticket.Ref, error) {
	return d.send(d, ctx, t)
}

func (d *desk) Find(_ context.Context, key string) (ticket.Ref, bool, error) { return d.find(d, key) }

func (d *desk) Deliver(ctx context.Context, n notify.Notice) error {
	_, err := d.send(d, ctx, ticket.Ticket{MessageKey: n.Key, Subject: n.Subject, Body: n.Body})
	return err
}

func TestTicketAndNotifySuitesFindFaults(t *testing.T) {
	wrong := func(f func(err error) error) func(*desk, context.Context, ticket.Ticket) (ticket.Ref, error) {
		return func(d *desk, ctx context.Context, t ticket.Ticket) (ticket.Ref, error) {
			ref, err := post(d, ctx, t)
			return ref, f(err)
		}
	}
	var wg sync.WaitGroup
	defer wg.Wait()
	for name, c := range map[string]struct {
		change       func(*desk)
		want, notice string
	}{
		"nothing": {func(*desk) {}, "", ""},
		"plain errors": {func(d *desk) {
			d.send = wrong(func(err error) error {
				if err != nil {
					return errors.New(err.Error())
				}
				return nil
			})
		}, "a refusal is no doubt", "a refusal is no doubt"},
		"never in doubt": {func(d *desk) {
			d.send = wrong(func(err error) error {
				var e *ticket.Error
				if errors.As(err, &e) {
					e.Ambiguous = false
				}
				return err
			})
		}, "a lost answer is a doubt", "a service that stalls is a doubt in time"},
		"all is well": {func(d *desk) { d.send = wrong(func(error) error { return nil }) }, "a busy desk is tried again", "a busy service is tried again"},
		"finds nothing": {func(d *desk) {
			d.find = func(*desk, string) (ticket.Ref, bool, error) { return ticket.Ref{}, false, nil }
		}, "a repeat does not double", ""},
		"finds all": {func(d *desk) {
			d.find = func(*desk, string) (ticket.Ref, bool, error) { return ticket.Ref{ID: "x"}, true, nil }
		}, "what was sent is found", ""},
		"sends twice": {func(d *desk) {
			d.send = func(d *desk, ctx context.Context, t ticket.Ticket) (ticket.Ref, error) {
				_, _ = post(d, ctx, t)
				return post(d, ctx, t)
			}
		}, "a ticket arrives whole", "a notice arrives whole"},
		"cuts": {func(d *desk) {
			d.send = func(d *desk, ctx context.Context, t ticket.Ticket) (ticket.Ref, error) {
				t.Body = strings.Map(func(r rune) rune {
					if r > 127 {
						return '?'
					}
					return r
				}, t.Body)
				return post(d, ctx, t)
			}
		}, "a ticket arrives whole", "a notice arrives whole"},
	} {
		wg.Go(func() {
			w := plugintest.NewStandIn()
			defer w.Close()
			d := &desk{world: w, send: post, find: get}
			c.change(d)
			bad := failures(plugintest.Ticket(plugintest.TicketCase{Desk: d, To: []string{"x"}, World: w}))
			if c.want == "" && len(bad) > 0 || c.want != "" && !slices.Contains(bad, c.want) {
				t.Errorf("%s: ticket: failed %q, want %q", name, bad, c.want)
			}
			bad = failures(plugintest.Notify(plugintest.NotifyCase{Channel: d, To: "x", World: w}))
			if c.notice == "" && c.want == "" && len(bad) > 0 || c.notice != "" && !slices.Contains(bad, c.notice) {
				t.Errorf("%s: notify: failed %q, want %q", name, bad, c.notice)
			}
		})
	}
}
