package app

import (
	"context"
	"path/filepath"
	"time"

	"github.com/faultline/faultline/collector/api"
	"github.com/faultline/faultline/collector/drill"
	"github.com/faultline/faultline/collector/effect/ticket/chart"
	"github.com/faultline/faultline/collector/effect/ticket/measure"
	"github.com/faultline/faultline/collector/incident"
	"github.com/faultline/faultline/collector/inventory"
	"github.com/faultline/faultline/collector/outbox"
	"github.com/faultline/faultline/collector/process"
	"github.com/faultline/faultline/collector/scenario"
	"github.com/faultline/faultline/collector/web"
	"github.com/faultline/faultline/collector/writeup"
	"github.com/faultline/faultline/internal/lang"
)

// openDrills makes the desk of drills; the engine is there before.
func (a *App) openDrills() error {
	var err error
	a.drills, err = drill.New(drill.Options{Store: a.store, Engine: a.engine, Leads: func() bool { _, ok := a.lease.Generation(); return ok },
		Stories: func() []*scenario.Story { return a.rules().stories }, Inventory: func() *inventory.Inventory { return a.graph().Inventory() },
		Rules: func() *scenario.Rules {
			s := a.rules()
			return &scenario.Rules{Alerts: s.alerts, Causes: s.causes, Routes: s.routes, Processes: s.processes, Calendars: s.calendars}
		},
		Processes: func() *process.Set { return a.rules().processes }, Record: a.accounts.Record,
		Dir: filepath.Join(a.cfg.Data, "drills"), Now: time.Now, Logger: a.log})
	return err
}

// drillWays puts drills' own ways of carrying out effects before the real ones.
func (a *App) drillWays(real map[string]outbox.Executor) (map[string]outbox.Executor, error) {
	w := drill.Ways{Real: real, Graph: a.graph, Lookback: 3*a.pollInterval() + 5*time.Second}
	if a.cfg.Drills.Mailbox != "" {
		w.Mailbox, w.Mail = a.cfg.Drills.Mailbox, a.drillMail
	}
	return a.drills.Executors(w)
}

// ticketCharts is what was measured about an incident, for its ticket: of a
// drill, what the drill measured.
func (a *App) ticketCharts(ctx context.Context, i incident.Incident, language string) ([]chart.Chart, error) {
	source := measure.Source{Store: a.metrics, Graph: a.graph, Now: time.Now}
	if i.Drill != "" {
		source.Store = a.drills.Of(i.Drill)
	}
	return source.Charts(ctx, i, language)
}

// drillDoor is how API and console reach drills.
func (a *App) drillDoor() *api.Drills { return &api.Drills{Desk: a.drills, Report: a.drillReport} }

// drillReport is a drill in writing, with the company's names.
func (a *App) drillReport(ctx context.Context, r drill.Record, language string, zone *time.Location) writeup.Document {
	if zone == nil {
		zone = a.graph().Location(r.Site)
	}
	by := map[string]incident.Incident{}
	for _, c := range r.Incidents {
		i, err := a.store.Incident(ctx, c.ID)
		if err != nil {
			a.log.Warn("incident of a drill's report", "number", c.Number, "err", err)
			continue
		}
		by[i.Number] = i
	}
	n := drill.Names{Zone: zone, Word: web.Words(language),
		Site: func(id string) lang.Text { s, _ := a.graph().Site(id); return s.Name },
		Step: func(number, step string) lang.Text { return a.stepTitle(by[number], step) },
		Choice: func(number, choice string) lang.Text {
			if choice == "" {
				return lang.Text{}
			}
			return a.choiceTitle(by[number], choice)
		},
		Clock: func(number, clock string) lang.Text { c, _ := by[number].ClockNamed(clock); return c.Title },
		Role: func(role string) lang.Text {
			for _, i := range by {
				return a.roleTitle(i, role)
			}
			return lang.Same(role)
		}}
	return r.Report(n, time.Now(), language)
}
