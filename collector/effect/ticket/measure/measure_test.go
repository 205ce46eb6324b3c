package measure

import (
	"context"
	"errors"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/faultline/faultline/collector/incident"
	"github.com/faultline/faultline/collector/inventory"
	"github.com/faultline/faultline/collector/metricstore"
	"github.com/faultline/faultline/internal/lang"
	"github.com/faultline/faultline/plugins/base"
)

var t0 = time.Date(2026, 11, 21, 8, 0, 0, 0, time.UTC)

// store answers queries that contain one of its words, and keeps what it was asked.
type store struct {
	has   map[string][]metricstore.Series
	err   error
	asked []string
	from  time.Time
	to    time.Time
	step  time.Duration
}

func (s *store) Range(_ context.Context, expr string, start, end time.Time, step, _ time.Duration) ([]metricstore.Series, error) {
	s.asked, s.from, s.to, s.step = append(s.asked, expr), start, end, step
	for word, series := range s.has {
		if strings.Contains(expr, word) {
			return series, nil
		}
	}
	return nil, s.err
}

func seen(agent string, points ...metricstore.Point) metricstore.Series {
	return metricstore.Series{Labels: base.LabelsFrom("", map[string]string{"agent": agent}), Points: points}
}

func source(s *store, now time.Time) Source {
	g := inventory.NewGraph(&inventory.Inventory{Sites: []inventory.Site{{ID: "hq", Name: lang.Text{ZH: "总公司", EN: "Head office"}}, {ID: "sh", Name: lang.Text{ZH: "上海", EN: "Shanghai"}}},
		Agents: []inventory.Agent{{ID: "a-hq", Site: "hq"}, {ID: "a-sh", Site: "sh"}}})
	return Source{Store: s, Graph: func() *inventory.Graph { return g }, Now: func() time.Time { return now }}
}

func fault(class, device string) incident.Incident {
	return incident.Incident{Number: "1", OpenedAt: t0, FaultAt: t0.Add(-time.Minute), Diagnosis: incident.Diagnosis{Class: class, Site: "sh", Device: device}}
}

// TestOnlyThatDeviceIsAskedFor: every query of every class names the device, in
// quotes that its name cannot leave, and nothing besides.
func TestOnlyThatDeviceIsAskedFor(t *testing.T) {
	for class := range kinds {
		s := &store{}
		name := `x"} or up{device="other`
		if _, err := source(s, t0).Charts(t.Context(), fault(class, name), lang.EN); err != nil {
			t.Fatal(err)
		}
		if len(s.asked) < 2 {
			t.Errorf("%s: asked %q: the other measurements are not asked for", class, s.asked)
		}
		for _, q := range s.asked {
			rest := strings.ReplaceAll(q, `device="x\"} or up{device=\"other"`, "")
			if rest == q || strings.Contains(rest, "other") || strings.Count(q, "{") != strings.Count(rest, "{")+strings.Count(q, `or up{device=\"`) {
				t.Errorf("%s asks %s", class, q)
			}
		}
	}
	s := &store{}
	if _, err := source(s, t0).Charts(t.Context(), fault("security", "fw"), lang.EN); err != nil || len(s.asked) != 1 || !strings.Contains(s.asked[0], "probe_success") {
		t.Errorf("a class without measurements of its own: %q, %v", s.asked, err)
	}
}

// TestChartsOfALine: one chart for each side, named in the reader's language,
// with gaps where nothing was measured, over the time around the fault.
func TestChartsOfALine(t *testing.T) {
	start := t0.Add(-time.Minute - before).Truncate(10 * time.Second)
	s := &store{has: map[string][]metricstore.Series{"loss_ratio": {seen("a-hq", metricstore.Point{T: start.UnixMilli(), V: 0}), seen("a-sh", metricstore.Point{T: start.UnixMilli(), V: 100}), seen("a-third")}}}
	charts, err := source(s, t0.Add(9*time.Minute)).Charts(t.Context(), fault(incident.ClassCarrierLine, "l"), lang.EN)
	if err != nil || len(charts) != 2 {
		t.Fatalf("%d charts, %v", len(charts), err)
	}
	for n, title := range []string{"Loss across the line · from Head office", "Loss across the line · from Shanghai"} {
		c := charts[n]
		if c.Title != title || c.Unit != "%" || c.Max != 100 || !c.Fault.Equal(t0.Add(-time.Minute)) || !c.From.Equal(start) {
			t.Errorf("chart %d: %+v", n, c)
		}
		if len(c.Points) < 200 || c.Points[0].Value != float64(100*n) || !math.IsNaN(c.Points[1].Value) {
			t.Errorf("chart %d: %d points, %+v", n, len(c.Points), c.Points[:2])
		}
	}
	zh, err := source(s, t0.Add(9*time.Minute)).Charts(t.Context(), fault(incident.ClassCarrierLine, "l"), lang.ZH)
	if err != nil || zh[0].Title != "线路丢包率 · 总公司侧" {
		t.Errorf("in Chinese %q, %v", zh[0].Title, err)
	}
}

// TestOtherMeasurementsStandIn: what is not measured is replaced by what is.
func TestOtherMeasurementsStandIn(t *testing.T) {
	s := &store{has: map[string][]metricstore.Series{"max(up{": {seen("", metricstore.Point{T: t0.UnixMilli(), V: 1})}}}
	charts, err := source(s, t0).Charts(t.Context(), fault(incident.ClassPower, "ups"), lang.EN)
	if err != nil || len(charts) != 1 || charts[0].Name != "answers-1" {
		t.Errorf("%+v, %v", charts, err)
	}
}

// TestWhatWasFetchedIsKept: an error costs the charts after it.
func TestWhatWasFetchedIsKept(t *testing.T) {
	s := &store{has: map[string][]metricstore.Series{"loss_ratio": {seen("a-hq")}}, err: errors.New("store is away")}
	charts, err := source(s, t0).Charts(t.Context(), fault(incident.ClassCarrierLine, "l"), lang.EN)
	if len(charts) != 1 || !errors.Is(err, s.err) || !strings.Contains(err.Error(), "delay") {
		t.Errorf("%d charts, %v", len(charts), err)
	}
}

// TestSpan: from half an hour before the fault to ten minutes after its end, a
// day at most, and never into the future.
func TestSpan(t *testing.T) {
	for name, tt := range map[string]struct {
		opened, fault, recovered, now time.Duration
		from, to                      time.Duration
	}{
		"under way":       {0, -time.Minute, 0, 5 * time.Minute, -31 * time.Minute, 5 * time.Minute},
		"opened first":    {0, time.Minute, 0, 5 * time.Minute, -30 * time.Minute, 5 * time.Minute},
		"recovered":       {0, -time.Minute, time.Hour, 5 * time.Hour, -31 * time.Minute, 70 * time.Minute},
		"recovered now":   {0, -time.Minute, time.Hour, time.Hour + time.Minute, -31 * time.Minute, 61 * time.Minute},
		"longer than day": {0, -time.Minute, 0, 50 * time.Hour, 26 * time.Hour, 50 * time.Hour},
	} {
		i := incident.Incident{OpenedAt: t0.Add(tt.opened), FaultAt: t0.Add(tt.fault)}
		if tt.recovered != 0 {
			i.RecoveredAt = t0.Add(tt.recovered)
		}
		from, to := span(i, t0.Add(tt.now))
		if !from.Equal(t0.Add(tt.from)) || !to.Equal(t0.Add(tt.to)) {
			t.Errorf("%s: %s to %s", name, from.Sub(t0), to.Sub(t0))
		}
	}
}
