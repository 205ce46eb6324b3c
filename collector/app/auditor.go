package app

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/faultline/faultline/collector/api"
	"github.com/faultline/faultline/collector/engine"
)

// auditEvery is the time between two passes of the auditor.
const auditEvery = time.Minute

// auditor looks at all open incidents while its collector holds the lease.
type auditor struct {
	findings *prometheus.GaugeVec
	at       prometheus.Gauge
	took     prometheus.Gauge

	mu   sync.Mutex // guards the field below
	last api.AuditView
}

func newAuditor(reg prometheus.Registerer) *auditor {
	x := &auditor{
		findings: prometheus.NewGaugeVec(prometheus.GaugeOpts{Name: "faultline_auditor_findings",
			Help: "What the last pass of the auditor holds against open incidents, by kind; 0 is as it should be."}, []string{"kind"}),
		at:   prometheus.NewGauge(prometheus.GaugeOpts{Name: "faultline_auditor_pass_timestamp_seconds", Help: "When the auditor last looked at every open incident."}),
		took: prometheus.NewGauge(prometheus.GaugeOpts{Name: "faultline_auditor_pass_seconds", Help: "How long the last pass took."}),
	}
	reg.MustRegister(x.findings, x.at, x.took)
	return x
}

// run makes a pass at once and then every minute until ctx ends.
func (x *auditor) run(ctx context.Context, a *App) {
	tick := time.NewTicker(auditEvery)
	defer tick.Stop()
	for {
		if err := x.pass(ctx, a); err != nil && ctx.Err() == nil && !errors.Is(err, engine.ErrFenced) {
			a.log.Error("audit open incidents", "err", err)
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
	}
}

// pass looks once. The log names a finding when it is new; gauge and API show all
// of the last look.
func (x *auditor) pass(ctx context.Context, a *App) error {
	begun := time.Now()
	found, err := a.engine.Audit(ctx, a.store.CountEffects)
	if err != nil {
		return err
	}
	x.mu.Lock()
	known := map[string]bool{}
	for _, f := range x.last.Findings {
		known[f.Kind+f.IncidentID] = true
	}
	x.last = api.AuditView{At: begun.UTC(), Findings: append([]engine.Finding{}, found...)}
	x.mu.Unlock()
	count := map[string]int{}
	for _, f := range found {
		count[f.Kind]++
		if !known[f.Kind+f.IncidentID] {
			a.log.Error("auditor", "finding", f.Kind, "number", f.Number, "text", f.Text.EN)
		}
	}
	for _, kind := range engine.FindingKinds {
		x.findings.WithLabelValues(kind).Set(float64(count[kind]))
	}
	x.at.SetToCurrentTime()
	x.took.Set(time.Since(begun).Seconds())
	return nil
}

// view is what the last pass found.
func (x *auditor) view() api.AuditView {
	x.mu.Lock()
	defer x.mu.Unlock()
	return x.last
}
