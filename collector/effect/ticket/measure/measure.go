// Package measure fetches what was measured of the one thing a ticket is about,
// for the charts of its mail and of the vendor's page. It asks for that device
// or line by name and for nothing beside it: a vendor sees no other's. It draws
// nothing (package chart does).
package measure

import (
	"context"
	"fmt"
	"math"
	"strconv"
	"time"

	"github.com/faultline/faultline/collector/effect/ticket/chart"
	"github.com/faultline/faultline/collector/incident"
	"github.com/faultline/faultline/collector/inventory"
	"github.com/faultline/faultline/collector/metricstore"
	"github.com/faultline/faultline/internal/lang"
)

// Ranger evaluates PromQL over time; metricstore.Querier does.
type Ranger interface {
	Range(ctx context.Context, expr string, start, end time.Time, step, lookback time.Duration) ([]metricstore.Series, error)
}

// Source is where the measurements and the names come from.
type Source struct {
	Store Ranger
	Graph func() *inventory.Graph
	Now   func() time.Time
}

// Bounds of the charts.
const (
	before = 30 * time.Minute // shown before the fault
	after  = 10 * time.Minute // and after the recovery
	long   = 24 * time.Hour   // at most
	points = 240
	sides  = 2           // vantage points shown of one measurement
	look   = time.Minute // older samples do not count as present: gaps are seen
)

// measured is one kind of measurement. %s in expr is the quoted name.
type measured struct {
	name  string
	title lang.Text
	unit  string
	expr  string
	by    bool // a chart for each place it was seen from
	top   float64
	or    *measured // asked when there is none of this
}

var (
	answered = measured{name: "answers", title: lang.Text{ZH: "是否应答（1 为应答）", EN: "Answers (1 is yes)"}, expr: `max(probe_success{device=%[1]s}) or max(up{device=%[1]s})`, top: 1}
	spent    = measured{name: "delay", title: lang.Text{ZH: "连接耗时", EN: "Time to connect"}, unit: "ms", expr: `max by (agent) (probe_duration_seconds{device=%[1]s}) * 1000`, by: true}
)

// kinds are the measurements by class; other classes are shown by their answers.
var kinds = map[string][]measured{
	incident.ClassCarrierLine: {
		{name: "loss", title: lang.Text{ZH: "线路丢包率", EN: "Loss across the line"}, unit: "%", expr: `max by (agent) (faultline_probe_loss_ratio{device=%[1]s}) * 100`, by: true, top: 100, or: &answered},
		{name: "delay", title: lang.Text{ZH: "线路往返时延", EN: "Round-trip time"}, unit: "ms", expr: `max by (agent) (probe_icmp_duration_seconds{phase="rtt",device=%[1]s}) * 1000`, by: true, or: &spent},
	},
	incident.ClassPower: {
		{name: "runtime", title: lang.Text{ZH: "电池剩余时间", EN: "Battery runtime left"}, unit: "min", expr: `max(upsEstimatedMinutesRemaining{device=%[1]s})`, or: &answered},
		{name: "charge", title: lang.Text{ZH: "电池电量", EN: "Battery charge"}, unit: "%", expr: `max(upsEstimatedChargeRemaining{device=%[1]s})`, top: 100},
	},
	incident.ClassEnvironment: {
		{name: "temperature", title: lang.Text{ZH: "温度", EN: "Temperature"}, unit: "°C", expr: `max(faultline_sensor_value{device=%[1]s,class="temperature"})`, or: &answered},
		{name: "humidity", title: lang.Text{ZH: "湿度", EN: "Humidity"}, unit: "%", expr: `max(faultline_sensor_value{device=%[1]s,class="humidity"})`, top: 100},
	},
	incident.ClassDatabase: {
		{name: "database", title: lang.Text{ZH: "数据库是否应答（1 为应答）", EN: "The database answers (1 is yes)"}, expr: `max({__name__=~"pg_up|mysql_up|oracledb_up",device=%[1]s})`, top: 1, or: &answered},
		{name: "connections", title: lang.Text{ZH: "连接数", EN: "Connections"}, expr: `sum({__name__=~"pg_stat_activity_count|mysql_global_status_threads_connected",device=%[1]s})`},
	},
}

// Charts returns what was measured of the incident's device or line, in the
// reader's language; none where nothing was. What was fetched before an error is
// returned with it.
func (s Source) Charts(ctx context.Context, i incident.Incident, language string) ([]chart.Chart, error) {
	list, ok := kinds[i.Diagnosis.Class]
	if !ok {
		list = []measured{answered}
	}
	start, end := span(i, s.Now())
	step := max(end.Sub(start)/points, time.Second).Round(time.Second)
	var out []chart.Chart
	for n := range list {
		for m := &list[n]; m != nil; m = m.or {
			found, err := s.fetch(ctx, m, i, language, [2]time.Time{start.Truncate(step), end}, step)
			if err != nil {
				return out, err
			}
			out = append(out, found...)
			if len(found) > 0 {
				break
			}
		}
	}
	return out, nil
}

// fetch asks for one measurement.
func (s Source) fetch(ctx context.Context, m *measured, i incident.Incident, language string, between [2]time.Time, step time.Duration) ([]chart.Chart, error) {
	found, err := s.Store.Range(ctx, fmt.Sprintf(m.expr, strconv.Quote(i.Diagnosis.Device)), between[0], between[1], step, look)
	if err != nil {
		return nil, fmt.Errorf("chart %s of incident %s: %w", m.name, i.Number, err)
	}
	var out []chart.Chart
	for n, series := range found[:min(len(found), sides)] {
		c := chart.Chart{Name: fmt.Sprintf("%s-%d", m.name, n+1), Title: m.title.In(language), Unit: m.unit, Max: m.top, From: between[0], To: between[1],
			Fault: i.FaultAt, End: i.RecoveredAt, Zone: s.Graph().Location(i.Diagnosis.Site)}
		if from := s.seenFrom(series.Labels.Get("agent"), language); m.by && from != "" {
			c.Title += " · " + from
		}
		c.Points = spread(series.Points, between, step)
		out = append(out, c)
	}
	return out, nil
}

// spread lays the points over all the moments asked for: one without a value is
// not a number, so that what was not measured leaves a gap.
func spread(known []metricstore.Point, between [2]time.Time, step time.Duration) []chart.Point {
	at := make(map[int64]float64, len(known))
	for _, p := range known {
		at[p.T] = p.V
	}
	var out []chart.Point
	for t := between[0]; !t.After(between[1]); t = t.Add(step) {
		v, ok := at[t.UnixMilli()]
		if !ok {
			v = math.NaN()
		}
		out = append(out, chart.Point{At: t, Value: v})
	}
	return out
}

// seenFrom names the place of a vantage point.
func (s Source) seenFrom(agent, language string) string {
	a, ok := s.Graph().Agent(agent)
	if !ok {
		return ""
	}
	site, ok := s.Graph().Site(a.Site)
	if !ok {
		return a.Site
	}
	if language == lang.ZH {
		return site.Name.In(language) + "侧"
	}
	return "from " + site.Name.In(language)
}

// span is from before the fault until after its end, at most a day.
func span(i incident.Incident, now time.Time) (start, end time.Time) {
	start, end = i.OpenedAt, now
	if !i.FaultAt.IsZero() && i.FaultAt.Before(start) {
		start = i.FaultAt
	}
	if r := i.RecoveredAt; !r.IsZero() && r.Add(after).Before(end) {
		end = r.Add(after)
	}
	start = start.Add(-before)
	if end.Sub(start) > long {
		start = end.Add(-long)
	}
	return start, end
}
