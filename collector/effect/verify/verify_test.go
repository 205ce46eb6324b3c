package verify

import (
	"context"
	"errors"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/faultline/faultline/collector/effect"
	"github.com/faultline/faultline/collector/incident"
	"github.com/faultline/faultline/collector/metricstore"
	"github.com/faultline/faultline/collector/outbox"
	"github.com/faultline/faultline/plugins/base"
)

var t0 = time.Date(2026, 11, 21, 8, 0, 0, 0, time.UTC)

// samples is a Querier over one series per agent, with Prometheus' lookback:
// a step shows the newest sample not older than that.
type samples struct {
	series map[string]map[time.Duration]float64 // by agent: offset from t0 → value
	err    error
	asked  int
}

func (s *samples) Range(_ context.Context, _ string, start, end time.Time, step, lookback time.Duration) ([]metricstore.Series, error) {
	s.asked++
	var out []metricstore.Series
	for agent, values := range s.series {
		x := metricstore.Series{Labels: base.LabelsFrom("", map[string]string{"agent": agent})}
		for at := start; !at.After(end); at = at.Add(step) {
			newest, value := time.Duration(math.MinInt64), 0.0
			for off, v := range values {
				if t := t0.Add(off); !t.After(at) && at.Sub(t) < lookback && off > newest {
					newest, value = off, v
				}
			}
			if newest != math.MinInt64 {
				x.Points = append(x.Points, metricstore.Point{T: at.UnixMilli(), V: value})
			}
		}
		if len(x.Points) > 0 {
			out = append(out, x)
		}
	}
	return out, s.err
}

// every makes samples each 5 s from..to with the value.
func every(from, to int, v float64, more ...map[time.Duration]float64) map[time.Duration]float64 {
	m := map[time.Duration]float64{}
	for n := from; n <= to; n += 5 {
		m[time.Duration(n)*time.Second] = v
	}
	for _, x := range more {
		for k, v := range x {
			m[k] = v
		}
	}
	return m
}

func one(at int, v float64) map[time.Duration]float64 {
	return map[time.Duration]float64{time.Duration(at) * time.Second: v}
}

// job verifies with a hold of 15 s from t0 on, with a guard unless told otherwise.
func job(params ...string) outbox.Job {
	p := map[string]string{effect.Guard: "probe_success", effect.Hold: "15s", effect.Since: t0.Format(time.RFC3339Nano)}
	for n := 0; n+1 < len(params); n += 2 {
		p[params[n]] = params[n+1]
	}
	return outbox.Job{Effect: incident.Effect{Key: "i1/9/verify_recovery", Params: p}, Incident: incident.Incident{ID: "i1", RecoveredAt: t0}}
}

func TestGuard(t *testing.T) {
	tests := []struct {
		name   string
		series map[string]map[time.Duration]float64
		at     int // seconds after t0
		want   string
	}{
		{"held", map[string]map[time.Duration]float64{"a": every(-60, 15, 1)}, 15, "recovered"},
		{"held, two agents", map[string]map[time.Duration]float64{"a": every(-5, 15, 1), "b": every(-3, 15, 7)}, 15, "recovered"},
		{"not long enough", map[string]map[time.Duration]float64{"a": every(-60, 15, 1)}, 14, ""},
		{"nothing at all", nil, 600, ""},
		{"stopped before the start", map[string]map[time.Duration]float64{"a": every(-60, 0, 1)}, 15, ""},
		{"stopped half-way", map[string]map[time.Duration]float64{"a": every(-60, 5, 1)}, 30, ""},
		{"one of two silent", map[string]map[time.Duration]float64{"a": every(-60, 60, 1), "b": every(-60, 5, 1)}, 30, ""},
		{"false at the end", map[string]map[time.Duration]float64{"a": every(-60, 10, 1, one(15, 0))}, 15, ""},
		{"false in between", map[string]map[time.Duration]float64{"a": every(-60, 20, 1, one(10, 0))}, 20, ""},
		{"false before the hold only", map[string]map[time.Duration]float64{"a": every(-60, 40, 1, one(10, 0))}, 40, "recovered"},
		{"one of two false", map[string]map[time.Duration]float64{"a": every(-60, 15, 1), "b": every(-60, 15, 0)}, 15, ""},
		{"not a number", map[string]map[time.Duration]float64{"a": every(-60, 15, math.NaN())}, 15, ""},
		{"false for too long", map[string]map[time.Duration]float64{"a": every(-60, 120, 0)}, 120, "failed"},
		{"unknown for too long proves nothing", map[string]map[time.Duration]float64{"a": every(-60, 5, 0)}, 120, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			x, err := New(Options{Querier: &samples{series: tt.series}, Now: func() time.Time { return t0.Add(time.Duration(tt.at) * time.Second) },
				Zone: func(string) *time.Location { return time.FixedZone("", 8*3600) }})
			if err != nil {
				t.Fatal(err)
			}
			out, err := x.Execute(t.Context(), job(effect.MaxWait, "2m"))
			if err != nil || out.Failed() {
				t.Fatalf("%+v, %v", out, err)
			}
			if out.Word() != tt.want || (tt.want == "") != (out.After() == time.Second) {
				t.Fatalf("outcome %q after %s, want %q", out.Word(), out.After(), tt.want)
			}
			r := out.Result()
			if tt.want == effect.OutcomeRecovered && (!strings.Contains(r[effect.ResultProofZH], "16 个时刻") || !strings.Contains(r[effect.ResultProofEN], "probe_success") ||
				!strings.Contains(r[effect.ResultProofZH], " 16:0") || !strings.Contains(r[effect.ResultProofEN], "UTC+08:00")) {
				t.Errorf("proof %q", r)
			}
			if tt.want == effect.OutcomeFailed && r["what"] != "{agent=a}" {
				t.Errorf("result %q", r)
			}
		})
	}
}

// TestEveryMoment looks each second of a recovery in which the line comes back
// at 0, fails for one sample at 8 s, and comes back for good.
func TestEveryMoment(t *testing.T) {
	s := &samples{series: map[string]map[time.Duration]float64{"a": every(-60, -5, 0, every(0, 120, 1), one(8, 0))}}
	now := t0
	x, err := New(Options{Querier: s, Now: func() time.Time { return now }})
	if err != nil {
		t.Fatal(err)
	}
	for n := range 60 {
		now = t0.Add(time.Duration(n) * time.Second)
		out, err := x.Execute(t.Context(), job())
		if err != nil {
			t.Fatal(err)
		}
		// The false sample is seen until the next one at 10 s; then 15 s must pass.
		if got, want := out.Word() == effect.OutcomeRecovered, n >= 25; got != want {
			t.Fatalf("after %d s: recovered %v, want %v", n, got, want)
		}
	}
}

func TestLongHoldAsksForFewSteps(t *testing.T) {
	s := &samples{series: map[string]map[time.Duration]float64{"a": every(-60, 1000, 1)}}
	x, err := New(Options{Querier: s, Now: func() time.Time { return t0.Add(901 * time.Second) }})
	if err != nil {
		t.Fatal(err)
	}
	out, err := x.Execute(t.Context(), job(effect.Hold, "15m"))
	if err != nil || out.Word() != effect.OutcomeRecovered || out.Result()["steps"] != "61" {
		t.Fatalf("%+v, %v", out, err)
	}
}

func TestAlertsAlone(t *testing.T) {
	firing := incident.Incident{Alerts: []incident.AlertRef{{Firing: true}}, StepAt: t0}
	tests := []struct {
		name string
		i    incident.Incident
		at   time.Duration
		want string
	}{
		{"gone long enough", incident.Incident{RecoveredAt: t0}, 15 * time.Second, "recovered"},
		{"gone too shortly", incident.Incident{RecoveredAt: t0.Add(10 * time.Second)}, 20 * time.Second, ""},
		{"gone, fired, gone", incident.Incident{RecoveredAt: t0.Add(time.Minute)}, 75 * time.Second, "recovered"},
		{"firing", firing, time.Minute, ""},
		{"firing too long", firing, 2 * time.Minute, "failed"},
		{"nothing known", incident.Incident{StepAt: t0}, time.Hour, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			x, err := New(Options{Querier: &samples{err: errors.New("not to be asked")}, Now: func() time.Time { return t0.Add(tt.at) }})
			if err != nil {
				t.Fatal(err)
			}
			j := job(effect.Guard, "", effect.MaxWait, "2m")
			j.Incident = tt.i
			out, err := x.Execute(t.Context(), j)
			if err != nil || out.Word() != tt.want {
				t.Fatalf("%+v, %v, want %q", out, err, tt.want)
			}
		})
	}
}

func TestErrors(t *testing.T) {
	x, err := New(Options{Querier: &samples{err: errors.New("store is away")}})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := x.Execute(t.Context(), job()); err == nil {
		t.Error("a failed query is no error")
	}
	for _, p := range [][2]string{{effect.Hold, "long"}, {effect.Since, "yesterday"}, {effect.MaxWait, "-1s"}} {
		out, err := x.Execute(t.Context(), job(p[0], p[1]))
		if err != nil || !out.Failed() || !strings.Contains(out.Word(), p[1]) {
			t.Errorf("%v: %+v, %v", p, out, err)
		}
	}
}
