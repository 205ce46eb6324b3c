// Package selfwatch makes the collector's own state measurable: it turns
// incidents, their clocks and tickets into series, and writes those and the
// program's own metrics into the metric store, where dashboards and rules find
// them like any other. It changes nothing about incidents.
package selfwatch

import (
	"context"
	"log/slog"
	"math"
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"

	"github.com/faultline/faultline/collector/metricstore"
	"github.com/faultline/faultline/plugins/base"
)

// Options configure a Writer. Gatherer and Appender are required.
type Options struct {
	Gatherer prometheus.Gatherer
	Appender metricstore.Appender
	Instance string        // label instance
	Every    time.Duration // default 10 s
	Now      func() time.Time
	Logger   *slog.Logger
}

// Writer writes a registry into the metric store.
type Writer struct{ o Options }

// New makes a Writer.
func New(o Options) *Writer {
	if o.Every == 0 {
		o.Every = 10 * time.Second
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Logger == nil {
		o.Logger = slog.Default()
	}
	return &Writer{o}
}

// Run writes until ctx ends.
func (w *Writer) Run(ctx context.Context) error {
	tick := time.NewTicker(w.o.Every)
	defer tick.Stop()
	for {
		if err := w.Write(ctx); err != nil && ctx.Err() == nil {
			w.o.Logger.Warn("write own metrics", "err", err)
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return nil
		}
	}
}

// Write gathers and appends once.
func (w *Writer) Write(ctx context.Context) error {
	families, err := w.o.Gatherer.Gather()
	if err != nil && len(families) == 0 {
		return err
	}
	now := w.o.Now().UnixMilli()
	var out []metricstore.Series
	for _, f := range families {
		for _, m := range f.GetMetric() {
			out = w.add(out, f, m, now)
		}
	}
	_, err = w.o.Appender.Append(ctx, out)
	return err
}

// add appends the series of one metric as a scrape would see them.
func (w *Writer) add(out []metricstore.Series, f *dto.MetricFamily, m *dto.Metric, now int64) []metricstore.Series {
	name := f.GetName()
	one := func(suffix string, v float64, extra ...string) {
		labels := map[string]string{"job": "faultline", "instance": w.o.Instance}
		for _, l := range m.GetLabel() {
			labels[l.GetName()] = l.GetValue()
		}
		for i := 0; i+1 < len(extra); i += 2 {
			labels[extra[i]] = extra[i+1]
		}
		out = append(out, metricstore.Series{Labels: base.LabelsFrom(name+suffix, labels), Points: []metricstore.Point{{T: now, V: v}}})
	}
	switch {
	case m.Counter != nil:
		one("", m.GetCounter().GetValue())
	case m.Gauge != nil:
		one("", m.GetGauge().GetValue())
	case m.Untyped != nil:
		one("", m.GetUntyped().GetValue())
	case m.Summary != nil:
		for _, q := range m.GetSummary().GetQuantile() {
			one("", q.GetValue(), "quantile", formatBound(q.GetQuantile()))
		}
		one("_sum", m.GetSummary().GetSampleSum())
		one("_count", float64(m.GetSummary().GetSampleCount()))
	case m.Histogram != nil:
		h := m.GetHistogram()
		for _, b := range h.GetBucket() {
			if !math.IsInf(b.GetUpperBound(), 1) {
				one("_bucket", float64(b.GetCumulativeCount()), "le", formatBound(b.GetUpperBound()))
			}
		}
		one("_bucket", float64(h.GetSampleCount()), "le", "+Inf")
		one("_sum", h.GetSampleSum())
		one("_count", float64(h.GetSampleCount()))
	}
	return out
}

func formatBound(v float64) string { return strconv.FormatFloat(v, 'g', -1, 64) }
