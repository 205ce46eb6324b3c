package selfwatch

import (
	"context"
	"fmt"
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
	open.ID, open.Version, done.ID, done.Version = "open", 3, "done", 9
	store := &changing{open, done}
	c := NewIncidents(store, func() time.Time { return now })
	want := func(breaches, outage, closed, stillOpen int) string {
		text := fmt.Sprintf(`
# HELP faultline_clock_breaches Limits missed in incidents of the last 90 days.
# TYPE faultline_clock_breaches gauge
faultline_clock_breaches{clock="respond",practice="false",role="branch_it",site="b1"} %d
# HELP faultline_incident_outage_seconds Time from the fault to its verified recovery (or now), summed over the incidents of the last 90 days.
# TYPE faultline_incident_outage_seconds gauge
faultline_incident_outage_seconds{class="power",practice="false",site="b1"} %d
# HELP faultline_incidents Incidents of the last 90 days by state.
# TYPE faultline_incidents gauge
faultline_incidents{class="power",practice="false",severity="major",site="b1",state="closed"} %d
`, breaches, outage, closed)
		if stillOpen > 0 {
			text += fmt.Sprintf("faultline_incidents{class=\"power\",practice=\"false\",severity=\"major\",site=\"b1\",state=\"open\"} %d\n", stillOpen)
		}
		return text
	}
	same := func(when, want string) {
		t.Helper()
		if err := testutil.CollectAndCompare(c, strings.NewReader(want), "faultline_incidents", "faultline_incident_outage_seconds", "faultline_clock_breaches"); err != nil {
			t.Errorf("%s: %v", when, err)
		}
	}
	same("at first", want(1, 60+30, 1, 1))
	now = now.Add(time.Minute)
	same("a minute later, nothing new", want(1, 120+30, 1, 1))
	(*store)[0].State, (*store)[0].VerifiedAt, (*store)[0].Version = incident.StateClosed, now, 5
	now = now.Add(time.Hour)
	same("the open one recovered", want(1, 120+30, 2, 0))
	*store = (*store)[:1]
	same("the other is too old", want(1, 120, 1, 0))
}

// changing is a Source.
type changing []incident.Incident

func (c *changing) ChangedIncidents(_ context.Context, _ time.Time, known map[string]int64) (map[string]int64, []incident.Incident, error) {
	versions, changed := map[string]int64{}, []incident.Incident(nil)
	for _, i := range *c {
		versions[i.ID] = i.Version
		if known[i.ID] != i.Version {
			changed = append(changed, i)
		}
	}
	return versions, changed, nil
}
