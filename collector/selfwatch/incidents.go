package selfwatch

import (
	"context"
	"strconv"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/faultline/faultline/collector/incident"
)

// window is how far back closed incidents are counted.
const window = 90 * 24 * time.Hour

// Source is where incidents are read: the versions of all opened since, by id,
// and whole those that are not at the version known.
type Source interface {
	ChangedIncidents(ctx context.Context, since time.Time, known map[string]int64) (versions map[string]int64, changed []incident.Incident, err error)
}

// Incidents is a prometheus.Collector over the incidents of the last 90 days. It
// remembers what it counts of each, so that only those that changed are read.
type Incidents struct {
	source Source
	now    func() time.Time

	mu    sync.Mutex // guards what follows
	known map[string]int64
	facts map[string]facts

	count, outage, verified, reclassified, breaches, running, tickets *prometheus.Desc
}

// facts is what is counted of one incident.
type facts struct {
	site, class, practice, severity, state string

	folded  bool // into another, which has outage, clocks and tickets
	faultAt time.Time
	until   time.Time // of the outage; zero: it lasts
	proven  float64
	again   float64 // 1: its class changed
	clocks  []clock
	tickets []ticket
}

type clock struct {
	name, role string
	running    string // its state, while the incident is open
	breached   float64
}

type ticket struct{ vendor, state string }

// NewIncidents makes the collector.
func NewIncidents(source Source, now func() time.Time) *Incidents {
	desc := func(name, help string, labels ...string) *prometheus.Desc {
		return prometheus.NewDesc("faultline_"+name, help, labels, nil)
	}
	where := []string{"site", "class", "practice"}
	return &Incidents{source: source, now: now, facts: map[string]facts{},
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
	c.mu.Lock()
	defer c.mu.Unlock()
	if err := c.read(ctx, now.Add(-window)); err != nil {
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
	for _, f := range c.facts {
		c.count1(f, now, add)
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

// read brings the facts up to date.
func (c *Incidents) read(ctx context.Context, since time.Time) error {
	versions, changed, err := c.source.ChangedIncidents(ctx, since, c.known)
	if err != nil {
		return err
	}
	for _, i := range changed {
		c.facts[i.ID] = factsOf(i)
		versions[i.ID] = i.Version // what was read may be newer
	}
	for id := range c.facts {
		if _, ok := versions[id]; !ok {
			delete(c.facts, id)
		}
	}
	c.known = versions
	return nil
}

func factsOf(i incident.Incident) facts {
	f := facts{site: i.Diagnosis.Site, class: i.Diagnosis.Class, practice: strconv.FormatBool(i.Practice), severity: i.Severity, state: i.State,
		folded: i.ParentID != "", faultAt: i.FaultAt, until: i.VerifiedAt, proven: 1, again: float64(min(i.Reclassified, 1))}
	if f.until.IsZero() {
		f.until, f.proven = i.ClosedAt, 0
	}
	for _, cl := range i.Clocks {
		k := clock{name: cl.Name, role: cl.Role}
		if cl.Breached {
			k.breached = 1
		}
		if i.Open() {
			k.running = cl.State
		}
		f.clocks = append(f.clocks, k)
	}
	for _, t := range i.Tickets {
		f.tickets = append(f.tickets, ticket{t.Vendor, t.State})
	}
	return f
}

// count1 adds one incident.
func (c *Incidents) count1(f facts, now time.Time, add func(*prometheus.Desc, float64, ...string)) {
	add(c.count, 1, f.site, f.class, f.practice, f.severity, f.state)
	if f.folded {
		return
	}
	until := f.until
	if until.IsZero() {
		until = now
	}
	add(c.outage, until.Sub(f.faultAt).Seconds(), f.site, f.class, f.practice)
	add(c.verified, f.proven, f.site, f.class, f.practice)
	add(c.reclassified, f.again, f.site, f.class, f.practice)
	for _, k := range f.clocks {
		add(c.breaches, k.breached, f.site, k.name, k.role, f.practice)
		if k.running != "" {
			add(c.running, 1, f.site, k.name, k.running, f.practice)
		}
	}
	for _, t := range f.tickets {
		add(c.tickets, 1, t.vendor, t.state, f.practice)
	}
}
