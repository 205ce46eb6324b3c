package selfwatch

import (
	"cmp"
	"context"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/faultline/faultline/collector/inventory"
	"github.com/faultline/faultline/collector/metricstore"
	"github.com/faultline/faultline/collector/topology"
)

const (
	sightFresh  = time.Hour        // how long a sighting is a word about the present
	sightApart  = 11 * time.Minute // sights so near each other are of one look: devices are asked every five minutes
	sightEvery  = time.Minute
	sightWithin = 20 * time.Second // what the questions may take together
	mostDrift   = 500              // differences that become series; all are counted
	mostSights  = 50_000
)

// The questions: who was seen when last, and what devices are called.
const (
	askSeen  = `max by (site, device, port, neighbour, far_port, by) (max_over_time(timestamp(faultline_neighbour_info{device!=""})[1h:2m]))`
	askNames = `group by (device, sysName) (last_over_time(sysName{device!=""}[20m]))`
	askMACs  = `group by (device, ifPhysAddress) (last_over_time(ifPhysAddress{device!="",ifPhysAddress!=""}[20m]))`
	askBases = `group by (device, dot1dBaseBridgeAddress) (last_over_time(dot1dBaseBridgeAddress{device!="",dot1dBaseBridgeAddress!=""}[20m]))`
)

// Topology compares what devices say of their neighbours with the inventory, once
// a minute. It is a prometheus.Collector of what it found.
type Topology struct {
	store metricstore.Querier
	graph func() *inventory.Graph
	now   func() time.Time
	log   *slog.Logger
	found atomic.Pointer[topology.Found]

	drift, moved, drifts, sights, asked *prometheus.Desc
}

// NewTopology makes a Topology; nothing was found until Run or Look.
func NewTopology(store metricstore.Querier, graph func() *inventory.Graph, now func() time.Time, log *slog.Logger) *Topology {
	t := &Topology{store: store, graph: graph, now: now, log: log,
		drift:  prometheus.NewDesc("faultline_topology_drift", "1 for each port where something other was seen than the inventory says.", []string{"site", "device", "port", "kind", "declared", "seen"}, nil),
		moved:  prometheus.NewDesc("faultline_topology_moved_ports", "Ports of a device that tells of its neighbours which lead elsewhere than the inventory says.", []string{"site", "device"}, nil),
		drifts: prometheus.NewDesc("faultline_topology_drifts", "Differences between what was seen and the inventory.", []string{"kind"}, nil),
		sights: prometheus.NewDesc("faultline_topology_sightings", "Neighbours seen within an hour, by how.", []string{"by"}, nil),
		asked:  prometheus.NewDesc("faultline_topology_compared_timestamp_seconds", "When the inventory was compared last with what was seen.", nil, nil),
	}
	t.found.Store(&topology.Found{})
	return t
}

// Run looks once a minute until ctx ends.
func (t *Topology) Run(ctx context.Context) error {
	tick := time.NewTicker(sightEvery)
	defer tick.Stop()
	for {
		if err := t.Look(ctx); err != nil && ctx.Err() == nil {
			t.log.Warn("compare neighbours with the inventory", "err", err)
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return nil
		}
	}
}

// Found returns what was found last. It must not be changed.
func (t *Topology) Found() topology.Found { return *t.found.Load() }

// Look asks and compares once. What was found before stays when it fails.
func (t *Topology) Look(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, sightWithin)
	defer cancel()
	now := t.now()
	seen, err := t.sightings(ctx, now)
	if err != nil {
		return err
	}
	names, err := t.names(ctx, now)
	if err != nil {
		return err
	}
	g := t.graph()
	seen = topology.Resolve(g, names, topology.Latest(seen, sightApart))
	slices.SortFunc(seen, func(a, b topology.Sighting) int {
		return cmp.Or(strings.Compare(a.Device, b.Device), strings.Compare(a.Port, b.Port), strings.Compare(a.Neighbor, b.Neighbor), strings.Compare(a.By, b.By))
	})
	var spoken []topology.Sighting
	for _, s := range seen {
		if s.Spoken() {
			spoken = append(spoken, s)
		}
	}
	t.found.Store(&topology.Found{At: now, Sightings: seen, Drift: topology.Compare(g, spoken, now, sightFresh), Proposals: topology.Propose(g, seen, now, sightFresh)})
	return nil
}

func (t *Topology) sightings(ctx context.Context, now time.Time) ([]topology.Sighting, error) {
	found, err := t.store.Instant(ctx, askSeen, now, 0)
	if err != nil {
		return nil, fmt.Errorf("ask for neighbours: %w", err)
	}
	if len(found) > mostSights {
		t.log.Warn("neighbours left out", "seen", len(found), "most", mostSights)
		found = found[:mostSights]
	}
	var out []topology.Sighting
	for _, v := range found {
		out = append(out, topology.Sighting{Device: v.Labels.Get("device"), Port: v.Labels.Get("port"), Neighbor: v.Labels.Get("neighbour"),
			FarPort: v.Labels.Get("far_port"), By: v.Labels.Get("by"), At: time.UnixMilli(int64(v.V * 1000))})
	}
	return out, nil
}

// names asks what devices call themselves, and their MAC addresses.
func (t *Topology) names(ctx context.Context, now time.Time) (*topology.Names, error) {
	names := topology.NewNames()
	for label, ask := range map[string]string{"sysName": askNames, "ifPhysAddress": askMACs, "dot1dBaseBridgeAddress": askBases} {
		found, err := t.store.Instant(ctx, ask, now, 0)
		if err != nil {
			return nil, fmt.Errorf("ask for %s: %w", label, err)
		}
		for _, v := range found {
			names.Add(v.Labels.Get(label), v.Labels.Get("device"))
		}
	}
	return names, nil
}

// Describe implements prometheus.Collector.
func (t *Topology) Describe(ch chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{t.drift, t.moved, t.drifts, t.sights, t.asked} {
		ch <- d
	}
}

// Collect implements prometheus.Collector. Before anything was compared there is
// nothing, so that no rule takes that for agreement.
func (t *Topology) Collect(ch chan<- prometheus.Metric) {
	f := t.Found()
	if f.At.IsZero() {
		return
	}
	ch <- prometheus.MustNewConstMetric(t.asked, prometheus.GaugeValue, float64(f.At.UnixMilli())/1000)
	g, kinds, by, moved := t.graph(), map[string]int{}, map[string]int{}, map[string]int{}
	for _, kind := range []string{topology.Moved, topology.Missing, topology.Extra, topology.Unknown} {
		kinds[kind] = 0
	}
	type key struct{ device, port, kind, declared, seen string }
	shown := map[key]bool{}
	for _, d := range f.Drift {
		kinds[d.Kind]++
		if d.Kind == topology.Moved {
			moved[d.Device]++
		}
		if k := (key{d.Device, d.Port, d.Kind, d.Declared, d.Seen}); !shown[k] && len(shown) < mostDrift {
			shown[k] = true
			ch <- prometheus.MustNewConstMetric(t.drift, prometheus.GaugeValue, 1, g.SiteOf(d.Device), d.Device, d.Port, d.Kind, d.Declared, d.Seen)
		}
	}
	for _, s := range f.Sightings {
		by[s.By]++
		if s.Spoken() {
			moved[s.Device] += 0 // it speaks: none is an answer too
		}
	}
	for device, n := range moved {
		ch <- prometheus.MustNewConstMetric(t.moved, prometheus.GaugeValue, float64(n), g.SiteOf(device), device)
	}
	for kind, n := range kinds {
		ch <- prometheus.MustNewConstMetric(t.drifts, prometheus.GaugeValue, float64(n), kind)
	}
	for how, n := range by {
		ch <- prometheus.MustNewConstMetric(t.sights, prometheus.GaugeValue, float64(n), how)
	}
}
