package app

import (
	"context"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/faultline/faultline/collector/api"
	"github.com/faultline/faultline/collector/engine"
)

// quietsEvery is how often a collector that judges reads what was announced at
// another one.
const quietsEvery = 10 * time.Second

// quietGate is the way in which quiet times are announced, of the API and the
// console.
func (a *App) quietGate() *api.QuietGate {
	return &api.QuietGate{Accounts: a.accounts, Quiets: a.quiets, Now: time.Now, SiteOf: func(name string) (string, bool) {
		if _, known := a.graph().Vendor(name); known {
			return "", true
		}
		site := a.graph().SiteOf(name)
		return site, site != ""
	}}
}

// readQuiets reads announcements made at other collectors until ctx ends.
func (a *App) readQuiets(ctx context.Context) {
	t := time.NewTicker(quietsEvery)
	defer t.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-t.C:
			if err := a.quiets.Reload(ctx); err != nil && ctx.Err() == nil {
				a.log.Error("read quiet times", "err", err)
			}
		}
	}
}

// fates is what became of the alerts that fire, as metrics.
type fates struct{ a *App }

var fateDesc = prometheus.NewDesc("faultline_engine_alerts", "Alerts that fire, by what became of them in the last round.", []string{"fate"}, nil)

// Describe names the metric.
func (fates) Describe(ch chan<- *prometheus.Desc) { ch <- fateDesc }

// Collect counts them; a collector that does not judge has none.
func (f fates) Collect(ch chan<- prometheus.Metric) {
	n := map[string]int{}
	for _, fate := range f.a.engine.Fates() {
		n[fate.Kind]++
	}
	for _, kind := range engine.FateKinds() {
		ch <- prometheus.MustNewConstMetric(fateDesc, prometheus.GaugeValue, float64(n[kind]), kind)
	}
}
