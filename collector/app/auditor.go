package app

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
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

	last api.AuditView // of run's goroutine only
}

// auditorLast is the setting that holds the last pass, so that every collector
// shows it and a new holder goes on from it.
const auditorLast = "auditor/last"

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

// run makes a pass at once and then every minute until ctx ends. What it found is
// then another collector's to say: its gauges fall to zero.
func (x *auditor) run(ctx context.Context, a *App) {
	defer x.count(nil)
	var err error
	if x.last, err = a.audited(ctx); err != nil && ctx.Err() == nil {
		a.log.Warn("read what the auditor found before", "err", err)
	}
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

// pass looks once. The log names a finding when it is new; gauge, page and API
// show all of the last look.
func (x *auditor) pass(ctx context.Context, a *App) error {
	begun := time.Now()
	found, err := a.engine.Audit(ctx, a.store.CountEffects)
	if err != nil {
		return err
	}
	known := map[string]bool{}
	for _, f := range x.last.Findings {
		known[f.Kind+f.IncidentID] = true
	}
	now := begun.UTC().Truncate(time.Second)
	x.last = api.AuditView{At: now, Findings: engine.Carry(found, x.last.Findings, now)}
	for _, f := range found {
		if !known[f.Kind+f.IncidentID] {
			a.log.Error("auditor", "finding", f.Kind, "number", f.Number, "text", f.Text.EN)
		}
	}
	x.count(found)
	x.at.SetToCurrentTime()
	x.took.Set(time.Since(begun).Seconds())
	text, err := json.Marshal(x.last)
	if err != nil {
		return err
	}
	return a.store.KVPut(ctx, auditorLast, string(text))
}

// count shows how many findings of each kind there are.
func (x *auditor) count(found []engine.Finding) {
	count := map[string]int{}
	for _, f := range found {
		count[f.Kind]++
	}
	for _, kind := range engine.FindingKinds {
		x.findings.WithLabelValues(kind).Set(float64(count[kind]))
	}
}

// audited returns the last pass, whichever collector made it.
func (a *App) audited(ctx context.Context) (api.AuditView, error) {
	var v api.AuditView
	text, err := a.store.KVGet(ctx, auditorLast)
	if errors.Is(err, engine.ErrNotFound) {
		return v, nil
	}
	if err == nil {
		err = json.Unmarshal([]byte(text), &v)
	}
	if err != nil {
		return v, fmt.Errorf("what the auditor found: %w", err)
	}
	return v, nil
}
