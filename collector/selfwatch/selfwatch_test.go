package selfwatch

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/faultline/faultline/collector/incident"
	"github.com/faultline/faultline/collector/metricstore"
)

type appended map[string]float64

func (a appended) Append(_ context.Context, series []metricstore.Series) (metricstore.Stats, error) {
	for _, s := range series {
		var b strings.Builder
		for _, l := range s.Labels {
			b.WriteString(l.Name + "=" + l.Value + " ")
		}
		a[strings.TrimSpace(b.String())] = s.Points[0].V
	}
	return metricstore.Stats{Appended: len(series)}, nil
}

func TestWriteLooksLikeAScrape(t *testing.T) {
	reg := prometheus.NewRegistry()
	h := prometheus.NewHistogram(prometheus.HistogramOpts{Name: "h", Buckets: []float64{0.5}})
	g := prometheus.NewGaugeVec(prometheus.GaugeOpts{Name: "g"}, []string{"x"})
	reg.MustRegister(h, g)
	h.Observe(0.2)
	h.Observe(3)
	g.WithLabelValues("1").Set(7)
	got := appended{}
	w := New(Options{Gatherer: reg, Appender: got, Instance: "c1"})
	if err := w.Write(t.Context()); err != nil {
		t.Fatal(err)
	}
	for key, want := range map[string]float64{
		"__name__=g instance=c1 job=faultline x=1":            7,
		"__name__=h_bucket instance=c1 job=faultline le=0.5":  1,
		"__name__=h_bucket instance=c1 job=faultline le=+Inf": 2,
		"__name__=h_sum instance=c1 job=faultline":            3.2,
		"__name__=h_count instance=c1 job=faultline":          2,
	} {
		if v, ok := got[key]; !ok || v != want {
			t.Errorf("%s = %v, %v; want %v", key, v, ok, want)
		}
	}
}

func TestIncidents(t *testing.T) {
	now := time.Date(2026, 3, 2, 12, 0, 0, 0, time.UTC)
	open := incident.Incident{State: incident.StateOpen, Severity: "major", FaultAt: now.Add(-time.Minute), Diagnosis: incident.Diagnosis{Site: "b1", Class: "power"},
		Clocks: []incident.Clock{{Name: "respond", Role: "branch_it", State: "running", Breached: true}}, Tickets: []incident.Ticket{{Vendor: "v", State: "sent"}}}
	done := open
	done.State, done.VerifiedAt, done.Clocks, done.Tickets = incident.StateClosed, now.Add(-30*time.Second), nil, nil
	c := NewIncidents(func(context.Context, time.Time) ([]incident.Incident, error) {
		return []incident.Incident{open, done}, nil
	}, func() time.Time { return now })
	want := `
# HELP faultline_clock_breaches Limits missed in incidents of the last 90 days.
# TYPE faultline_clock_breaches gauge
faultline_clock_breaches{clock="respond",practice="false",role="branch_it",site="b1"} 1
# HELP faultline_incident_outage_seconds Time from the fault to its verified recovery (or now), summed over the incidents of the last 90 days.
# TYPE faultline_incident_outage_seconds gauge
faultline_incident_outage_seconds{class="power",practice="false",site="b1"} 90
# HELP faultline_incidents Incidents of the last 90 days by state.
# TYPE faultline_incidents gauge
faultline_incidents{class="power",practice="false",severity="major",site="b1",state="closed"} 1
faultline_incidents{class="power",practice="false",severity="major",site="b1",state="open"} 1
`
	if err := testutil.CollectAndCompare(c, strings.NewReader(want), "faultline_incidents", "faultline_incident_outage_seconds", "faultline_clock_breaches"); err != nil {
		t.Error(err)
	}
}
