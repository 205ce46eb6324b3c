package selfwatch

import (
	"context"
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/faultline/faultline/collector/incident"
)

// window is how far back closed incidents are counted.
const window = 90 * 24 * time.Hour

// Incidents is a prometheus.Collector over the incidents of the last 90 days.
type Incidents struct {
	list func(ctx context.Context, since time.Time) ([]incident.Incident, error)
	now  func() time.Time

	count, outage, verified, reclassified, breaches, running, tickets *prometheus.Desc
}

// NewIncidents makes the collector; list returns the incidents opened since.
func NewIncidents(list func(ctx context.Context, since time.Time) ([]incident.Incident, error), now func() time.Time) *Incidents {
	desc := func(name, help string, labels ...string) *prometheus.Desc {
		return prometheus.NewDesc("faultline_"+name, help, labels, nil)
	}
	where := []string{"site", "class", "practice"}
	return &Incidents{list: list, now: now,
		count:        desc("incidents", "Incidents of the last 90 days by state.", append(where, "severity", "state")...),
		outage:       desc("incident_outage_seconds", "Time from the fault to its verified recovery (or now), summed over the incidents of the last 90 days.", where...),
		verified:     desc("incident_verified", "Incidents of the last 90 days whose recovery measurements proved.", where...),
		reclassified: desc("incident_reclassified", "Incidents of the last 90 days whose class changed after opening.", where...),
		breaches:     desc("clock_breaches", "Limits missed in incidents of the last 90 days.", "site", "clock", "role", "practice"),
		running:      desc("clocks", "Limits of open incidents by state.", "site", "clock", "state", "practice"),
		tickets:      desc("tickets", "Tickets at vendors in incidents of the last 90 days by state.", "vendor", "state", "practice"),
	}
}

// Describe implements prometheus.Collector.
func (c *Incidents) Describe(ch chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{c.count, c.outage, c.verified, c.reclassified, c.breaches, c.running, c.tickets} {
		ch <- d
	}
}

// Collect implements prometheus.Collector.
func (c *Incidents) Collect(ch chan<- prometheus.Metric) {
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	now := c.now()
	list, err := c.list(ctx, now.Add(-window))
	if err != nil {
		ch <- prometheus.NewInvalidMetric(c.count, err)
		return
	}
	sums := map[*prometheus.Desc]map[[5]string]float64{}
	add := func(d *prometheus.Desc, v float64, labels ...string) {
		if sums[d] == nil {
			sums[d] = map[[5]string]float64{}
		}
		var key [5]string
		copy(key[:], labels)
		sums[d][key] += v
	}
	for _, i := range list {
		c.count1(i, now, add)
	}
	for d, byLabels := range sums {
		for key, v := range byLabels {
			ch <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, v, key[:c.width(d)]...)
		}
	}
}

func (c *Incidents) width(d *prometheus.Desc) int {
	switch d {
	case c.count:
		return 5
	case c.breaches, c.running:
		return 4
	default:
		return 3
	}
}

// count1 adds one incident.
func (c *Incidents) count1(i incident.Incident, now time.Time, add func(*prometheus.Desc, float64, ...string)) {
	practice := strconv.FormatBool(i.Practice)
	site, class := i.Diagnosis.Site, i.Diagnosis.Class
	add(c.count, 1, site, class, practice, i.Severity, i.State)
	if i.ParentID != "" {
		return
	}
	until, proven := i.VerifiedAt, 1.0
	if until.IsZero() {
		until, proven = i.ClosedAt, 0
	}
	if until.IsZero() {
		until = now
	}
	add(c.outage, until.Sub(i.FaultAt).Seconds(), site, class, practice)
	add(c.verified, proven, site, class, practice)
	add(c.reclassified, float64(min(i.Reclassified, 1)), site, class, practice)
	for _, cl := range i.Clocks {
		breached := 0.0
		if cl.Breached {
			breached = 1
		}
		add(c.breaches, breached, site, cl.Name, cl.Role, practice)
		if i.Open() {
			add(c.running, 1, site, cl.Name, cl.State, practice)
		}
	}
	for _, t := range i.Tickets {
		add(c.tickets, 1, t.Vendor, t.State, practice)
	}
}
