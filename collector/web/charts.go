package web

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/faultline/faultline/collector/drill"
	"github.com/faultline/faultline/collector/incident"
	"github.com/faultline/faultline/collector/metricstore"
)

// chartSpec is one chart that may be drawn for an incident. Browsers name it
// and nothing else: no query comes from outside.
type chartSpec struct {
	ID     string
	expr   string
	Unit   string
	legend []string // labels that tell its series apart
	lo, hi *float64 // fixed range of the values, if it has one
}

// chartsOf returns the charts that show what the diagnosis says.
func chartsOf(i incident.Incident) []chartSpec {
	d := i.Diagnosis
	site, device := strconv.Quote(d.Site), strconv.Quote(d.Device)
	zero, one := 0.0, 1.0
	answers := chartSpec{ID: "answers", expr: `max by (device) (up{site=` + site + `,job=~"snmp|blackbox"})`, Unit: "state", legend: []string{"device"}, lo: &zero, hi: &one}
	switch d.Class {
	case incident.ClassCarrierLine:
		return []chartSpec{
			{ID: "loss", expr: `faultline_probe_loss_ratio{device=` + device + `} * 100 or on (device) 100 - 100 * probe_success{device=` + device + `}`, Unit: "percent", legend: []string{"agent", "instance"}, lo: &zero},
			{ID: "delay", expr: `probe_icmp_duration_seconds{phase="rtt",device=` + device + `} * 1000 or on (device) faultline_probe_tcp_connect_seconds{device=` + device + `} * 1000`, Unit: "milliseconds", legend: []string{"agent", "instance"}, lo: &zero},
			{ID: "other_lines", expr: `faultline_probe_loss_ratio{site=` + site + `,role="line"} * 100`, Unit: "percent", legend: []string{"device", "agent"}, lo: &zero},
		}
	case incident.ClassPower:
		return []chartSpec{
			{ID: "runtime", expr: `upsEstimatedMinutesRemaining{site=` + site + `}`, Unit: "minutes", legend: []string{"device"}, lo: &zero},
			{ID: "charge", expr: `upsEstimatedChargeRemaining{site=` + site + `}`, Unit: "percent", legend: []string{"device"}, lo: &zero},
			answers,
		}
	case incident.ClassEnvironment:
		return []chartSpec{
			{ID: "temperature", expr: `faultline_sensor_value{site=` + site + `,class="temperature"}`, Unit: "celsius", legend: []string{"device", "sensor"}},
			{ID: "humidity", expr: `faultline_sensor_value{site=` + site + `,class="humidity"}`, Unit: "percent", legend: []string{"device", "sensor"}},
		}
	case incident.ClassServer:
		return []chartSpec{
			{ID: "disk", expr: `100 - 100 * node_filesystem_avail_bytes{site=` + site + `,job="node",fstype!="tmpfs"} / node_filesystem_size_bytes`, Unit: "percent", legend: []string{"instance", "mountpoint"}, lo: &zero},
			{ID: "load", expr: `node_load1{site=` + site + `,job="node"}`, Unit: "number", legend: []string{"instance"}, lo: &zero},
			answers,
		}
	case incident.ClassDatabase:
		return []chartSpec{
			{ID: "database", expr: `{__name__=~"pg_up|mysql_up|oracledb_up|probe_success",device=` + device + `}`, Unit: "state", legend: []string{"__name__", "instance"}, lo: &zero, hi: &one},
			{ID: "connections", expr: `sum by (instance) ({__name__=~"pg_stat_activity_count|mysql_global_status_threads_connected",device=` + device + `})`, Unit: "number", legend: []string{"instance"}, lo: &zero},
		}
	}
	return []chartSpec{
		{ID: "device", expr: `{__name__=~"up|probe_success",device=` + device + `}`, Unit: "state", legend: []string{"__name__", "job", "agent"}, lo: &zero, hi: &one},
		answers,
	}
}

// Bounds of a chart.
const (
	chartPoints = 240
	chartSeries = 12
	chartBefore = 30 * time.Minute
	chartAfter  = 10 * time.Minute
	chartLength = 24 * time.Hour
	chartWait   = 5 * time.Second
	chartLook   = time.Minute // older samples do not count as present: gaps are seen
)

// chartView is what the browser draws.
type chartView struct {
	Title  string       `json:"title"`
	Unit   string       `json:"unit"`
	Zone   string       `json:"zone"`
	Clock  string       `json:"clock"` // the word for time
	Empty  string       `json:"empty"` // words to show when there is no series
	More   string       `json:"more,omitempty"`
	Low    *float64     `json:"low"`
	High   *float64     `json:"high"`
	Times  []int64      `json:"times"` // seconds since the Unix epoch
	Series []chartLine  `json:"series"`
	Marks  []chartMark  `json:"marks"`
	Range  [2]time.Time `json:"range"`
}

type chartLine struct {
	Name   string     `json:"name"`
	Values []*float64 `json:"values"` // null where there is none
}

type chartMark struct {
	At    int64  `json:"at"`
	Title string `json:"title"`
}

// chart answers GET /incidents/{id}/charts/{chart}.
func (c *console) chart(w http.ResponseWriter, r *http.Request, p *page) error {
	i, err := c.one(r, p)
	if err != nil {
		return err
	}
	specs := chartsOf(i)
	n := slices.IndexFunc(specs, func(s chartSpec) bool { return s.ID == r.PathValue("chart") })
	if n < 0 || c.Charts == nil {
		return errLost
	}
	start, end := chartRange(i, p.now)
	step := max(end.Sub(start)/chartPoints, time.Second).Round(time.Second)
	start = start.Truncate(step)
	ctx, cancel := context.WithTimeout(r.Context(), chartWait)
	defer cancel()
	found, err := c.measurements(i).Range(ctx, specs[n].expr, start, end, step, chartLook)
	empty := "chart.empty"
	switch {
	case errors.Is(err, drill.ErrReplaying):
		empty, found, err = "chart.replaying", nil, nil
	case errors.Is(err, drill.ErrAway):
		found, err = nil, nil
	}
	if err != nil {
		return fmt.Errorf("chart %s of incident %s: %w", specs[n].ID, i.Number, err)
	}
	v := chartView{Title: p.T("chart." + specs[n].ID), Unit: p.W("measure", specs[n].Unit), Zone: p.ZoneName(), Clock: p.T("chart.time"), Empty: p.T(empty),
		Low: specs[n].lo, High: specs[n].hi, Range: [2]time.Time{start.UTC(), end.UTC()}, Marks: chartMarks(p, i), Series: []chartLine{}}
	if len(found) > chartSeries {
		v.More = p.T("chart.more", len(found)-chartSeries)
		found = found[:chartSeries]
	}
	v.fill(found, start, end, step, specs[n].legend)
	b, err := json.Marshal(v)
	if err != nil {
		return fmt.Errorf("chart %s: %w", specs[n].ID, err)
	}
	w.Header().Set("Content-Type", "application/json")
	w.Write(b) // the browser may be gone; there is nobody to tell
	return nil
}

// chartRange is from before the fault until after its end, at most a day.
func chartRange(i incident.Incident, now time.Time) (start, end time.Time) {
	start, end = i.OpenedAt, now
	if !i.FaultAt.IsZero() && i.FaultAt.Before(start) {
		start = i.FaultAt
	}
	for _, over := range []time.Time{i.VerifiedAt, i.ClosedAt} {
		if !over.IsZero() && over.Add(chartAfter).Before(end) {
			end = over.Add(chartAfter)
			break
		}
	}
	start = start.Add(-chartBefore)
	if end.Sub(start) > chartLength {
		start = end.Add(-chartLength)
	}
	return start, end
}

// chartMarks are the moments people look for.
func chartMarks(p *page, i incident.Incident) []chartMark {
	marks := []chartMark{}
	for _, m := range []struct {
		at  time.Time
		key string
	}{{i.FaultAt, "mark.fault"}, {i.OpenedAt, "mark.opened"}, {i.VerifiedAt, "mark.verified"}, {i.ClosedAt, "mark.closed"}} {
		if !m.at.IsZero() {
			marks = append(marks, chartMark{m.at.Unix(), p.T(m.key)})
		}
	}
	return marks
}

// fill lays the series over one row of times; a missing value stays missing.
func (v *chartView) fill(found []metricstore.Series, start, end time.Time, step time.Duration, legend []string) {
	at := map[int64]int{}
	for t := start; !t.After(end); t = t.Add(step) {
		at[t.Unix()] = len(v.Times)
		v.Times = append(v.Times, t.Unix())
	}
	for _, s := range found {
		var name []string
		for _, l := range legend {
			if x := s.Labels.Get(l); x != "" {
				name = append(name, x)
			}
		}
		line := chartLine{Name: strings.Join(name, " · "), Values: make([]*float64, len(v.Times))}
		for _, pt := range s.Points {
			if n, ok := at[pt.T/1000]; ok && !math.IsNaN(pt.V) && !math.IsInf(pt.V, 0) {
				line.Values[n] = &pt.V
			}
		}
		v.Series = append(v.Series, line)
	}
}
