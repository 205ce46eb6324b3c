// Package metricstoretest is the contract suite of metricstore's engines: what
// every Appender and Querier must do alike. It is not for engines that only
// mirror samples.
package metricstoretest

import (
	"context"
	"fmt"
	"math"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/faultline/faultline/collector/metricstore"
	"github.com/faultline/faultline/plugins/base"
)

// Engine is what the suite tests.
type Engine interface {
	metricstore.Appender
	metricstore.Querier
}

// Run runs the suite. open returns an empty engine whose clock is real; it
// cleans up by itself.
func Run(t *testing.T, open func(t *testing.T) Engine) {
	for _, c := range []struct {
		name string
		test func(t *testing.T, h *harness)
	}{
		{"append then instant", testInstant},
		{"range", testRange},
		{"out of order", testOutOfOrder},
		{"duplicates", testDuplicates},
		{"lookback", testLookback},
		{"refusals", testRefusals},
		{"caller keeps its slices", testSlices},
		{"scalar and bad query", testQueries},
	} {
		t.Run(c.name, func(t *testing.T) {
			c.test(t, &harness{T: t, Engine: open(t), now: time.Now().Truncate(time.Second)})
		})
	}
}

type harness struct {
	*testing.T
	Engine
	now time.Time
}

func (h *harness) at(d time.Duration) int64 { return h.now.Add(d).UnixMilli() }

func (h *harness) append(series ...metricstore.Series) metricstore.Stats {
	h.Helper()
	stats, err := h.Append(context.Background(), series)
	if err != nil {
		h.Fatal(err)
	}
	return stats
}

func (h *harness) instant(expr string, lookback time.Duration) []metricstore.Vector {
	h.Helper()
	v, err := h.Instant(context.Background(), expr, h.now, lookback)
	if err != nil {
		h.Fatal(err)
	}
	return v
}

// points returns the points of the one series the selector names, raw: each
// step of the range sees at most the sample at that moment.
func (h *harness) points(expr string, start, end, step time.Duration) []metricstore.Point {
	h.Helper()
	s, err := h.Range(context.Background(), expr, h.now.Add(start), h.now.Add(end), step, time.Millisecond)
	if err != nil {
		h.Fatal(err)
	}
	if len(s) == 0 {
		return nil
	}
	if len(s) > 1 {
		h.Fatalf("%s: %d series", expr, len(s))
	}
	return s[0].Points
}

func series(name, site string, points ...metricstore.Point) metricstore.Series {
	return metricstore.Series{Labels: base.LabelsFrom(name, map[string]string{"site": site, "name": "机房 \"1\" \\ ,="}), Points: points}
}

func testInstant(t *testing.T, h *harness) {
	s := series("temp", "sh", metricstore.Point{T: h.at(-time.Second), V: 21.5})
	if got := h.append(s, series("temp", "bj", metricstore.Point{T: h.at(0), V: 4})).Appended; got != 2 {
		t.Errorf("appended %d, want 2", got)
	}
	want := []metricstore.Vector{{Labels: s.Labels, T: h.at(0), V: 21.5}}
	if d := cmp.Diff(want, h.instant(`temp{site="sh"}`, 0)); d != "" {
		t.Error(d)
	}
	if got := h.instant(`temp{site="gz"}`, 0); len(got) != 0 {
		t.Errorf("got %v, want nothing", got)
	}
}

func testRange(t *testing.T, h *harness) {
	var want []metricstore.Point
	for i := range 20 {
		want = append(want, metricstore.Point{T: h.at(time.Duration(i-19) * 5 * time.Second), V: float64(i)})
	}
	h.append(series("rx", "sh", want...))
	if d := cmp.Diff(want, h.points("rx", -95*time.Second, 0, 5*time.Second)); d != "" {
		t.Error(d)
	}
	got := h.instant(`rate(rx[1m])`, 0)
	if len(got) != 1 || math.Abs(got[0].V-0.2) > 1e-9 {
		t.Errorf("rate = %v, want 0.2", got)
	}
}

func testOutOfOrder(t *testing.T, h *harness) {
	p := func(d time.Duration) metricstore.Point {
		return metricstore.Point{T: h.at(d), V: float64(d / time.Hour)}
	}
	h.append(series("late", "sh", p(0)))
	for _, d := range []time.Duration{-3 * time.Hour, -time.Hour, -2 * time.Hour, -4 * time.Hour} {
		if got := h.append(series("late", "sh", p(d))); got.Appended != 1 {
			t.Errorf("%v late: %+v", d, got)
		}
	}
	week := 7 * 24 * time.Hour
	if got := h.append(series("week", "sh", p(-week))); got.Appended != 1 {
		t.Errorf("a week late: %+v", got)
	}
	want := []metricstore.Point{p(-4 * time.Hour), p(-3 * time.Hour), p(-2 * time.Hour), p(-time.Hour), p(0)}
	if d := cmp.Diff(want, h.points("late", -4*time.Hour, 0, time.Hour)); d != "" {
		t.Error(d)
	}
	if d := cmp.Diff([]metricstore.Point{p(-week)}, h.points("week", -week, -week, time.Hour)); d != "" {
		t.Error(d)
	}
}

func testDuplicates(t *testing.T, h *harness) {
	batch := []metricstore.Series{
		series("dup", "sh", metricstore.Point{T: h.at(-2 * time.Second), V: 1}, metricstore.Point{T: h.at(-time.Second), V: 2}),
		series("dup", "bj", metricstore.Point{T: h.at(-time.Second), V: 3}),
	}
	for range 3 {
		if got := h.append(batch...); got.Rejected != 0 || got.Appended != 3 {
			t.Errorf("repeat: %+v", got)
		}
	}
	if got := h.instant(`sum(count_over_time(dup[1m]))`, 0); len(got) != 1 || got[0].V != 3 {
		t.Errorf("stored %v, want 3 samples", got)
	}
	// The series may be given twice in one append.
	if got := h.append(batch[1], batch[1]); got.Appended != 2 {
		t.Errorf("twice in one: %+v", got)
	}
}

func testLookback(t *testing.T, h *harness) {
	h.append(series("old", "sh", metricstore.Point{T: h.at(-90 * time.Second), V: 7}))
	for _, c := range []struct {
		lookback time.Duration
		want     int
	}{{0, 1}, {2 * time.Minute, 1}, {time.Minute, 0}, {time.Millisecond, 0}} {
		if got := h.instant("old", c.lookback); len(got) != c.want {
			t.Errorf("lookback %v: %d, want %d", c.lookback, len(got), c.want)
		}
	}
}

func testRefusals(t *testing.T, h *harness) {
	h.append(series("good", "sh", metricstore.Point{T: h.at(0), V: 1}))
	bad := base.Labels{{Name: base.MetricName, Value: "twice"}, {Name: "a", Value: "1"}, {Name: "a", Value: "2"}}
	stats := h.append(
		series("ahead", "sh", metricstore.Point{T: h.at(0), V: 1}, metricstore.Point{T: h.at(11 * time.Minute), V: 2}),
		series("ancient", "sh", metricstore.Point{T: h.at(-60 * 24 * time.Hour), V: 1}),
		metricstore.Series{Labels: bad, Points: []metricstore.Point{{T: h.at(0), V: 1}}},
	)
	if stats.Appended != 1 || stats.Rejected != 3 {
		t.Errorf("got %+v, want 1 appended and 3 rejected", stats)
	}
	var reasons []string
	for _, r := range stats.Rejections {
		reasons = append(reasons, fmt.Sprint(r.Labels.Name(), " ", r.Reason))
	}
	want := []string{"ahead " + metricstore.ReasonTooFarAhead, "ancient " + metricstore.ReasonTooOld, "twice " + metricstore.ReasonInvalidLabels}
	if d := cmp.Diff(want, reasons); d != "" {
		t.Error(d)
	}
	if got := h.instant(`{__name__=~"ancient|twice"}`, 0); len(got) != 0 {
		t.Errorf("stored %v", got)
	}
}

func testSlices(t *testing.T, h *harness) {
	s := series("mine", "sh", metricstore.Point{T: h.at(0), V: 5})
	h.append(s)
	s.Labels[0].Value, s.Points[0].V = "changed", 6
	if got := h.instant("mine", 0); len(got) != 1 || got[0].V != 5 {
		t.Errorf("got %v after the caller changed its slices", got)
	}
}

func testQueries(t *testing.T, h *harness) {
	if got := h.instant("2 + 3", 0); len(got) != 1 || got[0].V != 5 || len(got[0].Labels) != 0 {
		t.Errorf("scalar: %v", got)
	}
	if _, err := h.Instant(context.Background(), "sum(", h.now, 0); err == nil {
		t.Error("a broken query gave no error")
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := h.Instant(ctx, "up", h.now, 0); err == nil {
		t.Error("a cancelled query gave no error")
	}
}
