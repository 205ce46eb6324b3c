package heartbeat

import (
	"testing"
	"time"

	"github.com/faultline/faultline/collector/metricstore"
	"github.com/faultline/faultline/plugins/base"
)

func samplesAt(at time.Time) []metricstore.Series {
	return []metricstore.Series{{Labels: base.LabelsFrom("up", nil), Points: []metricstore.Point{{T: at.UnixMilli(), V: 1}}}}
}

func TestSeries(t *testing.T) {
	start := time.Date(2026, 3, 2, 9, 0, 0, 0, time.UTC)
	for _, c := range []struct {
		name  string
		known bool
		heard []time.Duration // times of samples, from the start
		at    time.Duration
		want  []float64
	}{
		{"never heard of: nothing", false, nil, time.Hour, nil},
		{"heard before the start, not yet due", true, nil, 10 * time.Second, nil},
		{"heard before the start, silent since", true, nil, time.Minute, []float64{0}},
		{"fresh", false, []time.Duration{9 * time.Second}, 10 * time.Second, []float64{1}},
		{"two beats missed are forgiven", false, []time.Duration{time.Minute}, time.Minute + 12*time.Second, []float64{1}},
		{"silent", false, []time.Duration{time.Minute}, time.Minute + 13*time.Second, []float64{0}},
		{"a replayed backlog proves nothing", false, []time.Duration{time.Minute, 2 * time.Second}, 2 * time.Minute, []float64{0}},
		{"a clock ahead of ours does not live on", false, []time.Duration{time.Hour}, 2 * time.Minute, []float64{1}},
	} {
		t.Run(c.name, func(t *testing.T) {
			now := start
			m := New(Options{Now: func() time.Time { return now }, Agents: func() []Agent {
				return []Agent{{ID: "b1", Site: "branch-1", Device: "srv", Interval: 5 * time.Second}}
			}, Known: map[string]bool{"b1": c.known}})
			now = start.Add(c.at)
			for _, h := range c.heard {
				m.Heard("b1", samplesAt(start.Add(h)))
			}
			got := m.Series()
			if len(got) != len(c.want) {
				t.Fatalf("got %v, want %v", got, c.want)
			}
			for i := range got {
				if got[i].Points[0].V != c.want[i] || got[i].Labels.Get("device") != "srv" {
					t.Errorf("got %v, want %v", got[i], c.want[i])
				}
			}
		})
	}
}

// TestConnected tells of a connection only what was said of it, and takes it for
// no sign of life.
func TestConnected(t *testing.T) {
	now := time.Date(2026, 3, 2, 9, 0, 0, 0, time.UTC)
	m := New(Options{Now: func() time.Time { return now }, Agents: func() []Agent { return []Agent{{ID: "b1", Interval: 5 * time.Second}} }})
	m.Heard("b1", samplesAt(now))
	if got := m.Series(); len(got) != 1 {
		t.Fatalf("%d series of an agent that never connected, want its life alone", len(got))
	}
	now = now.Add(time.Minute)
	for _, open := range []bool{true, false} {
		m.Connected("b1", open)
		got := m.Series()
		if len(got) != 2 || got[0].Points[0].V != 0 || got[1].Labels.Name() != MetricConnected || (got[1].Points[0].V == 1) != open {
			t.Errorf("open %v: %+v", open, got)
		}
	}
}
