package app

import (
	"context"
	"errors"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/faultline/faultline/collector/assign"
	"github.com/faultline/faultline/collector/config"
	"github.com/faultline/faultline/collector/inventory"
	"github.com/faultline/faultline/collector/people"
	"github.com/faultline/faultline/rules"
)

// basis is what the collector judges by. It is read as a whole, at the start
// and when asked, and does not change once it is in force.
type basis struct {
	graph  *inventory.Graph
	rules  *ruleSet
	assign *assign.Set       // settings of agents
	people *people.Directory // as its files say; who lost access and who stands in is added by App.directory
}

// readBasis reads inventory and rules; the error names every fault of every file.
func readBasis(cfg config.Config) (*basis, error) {
	inv, errInventory := inventory.Load(cfg.Inventory)
	set, errRules := loadRuleSet(rulesFS(rules.FS(), cfg.Rules))
	if err := errors.Join(errInventory, errRules); err != nil {
		return nil, err
	}
	settings, err := readSettings(cfg.Agents.Settings, inv)
	if err != nil {
		return nil, err
	}
	if err := checkCalendarsOf(inv, set.calendars); err != nil {
		return nil, err
	}
	dir, err := readPeople(cfg, inv, set.processes)
	if err != nil {
		return nil, err
	}
	return &basis{graph: inventory.NewGraph(inv), rules: &set, assign: settings, people: dir}, nil
}

func (a *App) graph() *inventory.Graph { return a.basis.Load().graph }
func (a *App) rules() *ruleSet         { return a.basis.Load().rules }

func (a *App) loadBasis(context.Context) error {
	b, err := readBasis(a.cfg)
	if err != nil {
		return err
	}
	a.basis.Store(b)
	a.desk = inventory.NewDesk(b.graph.Inventory(), time.Now)
	return nil
}

// reloadWhenAsked reads inventory and rules again at every request until ctx
// ends. When anything is wrong with them what was in force stays in force.
func (a *App) reloadWhenAsked(ctx context.Context) error {
	good := prometheus.NewGauge(prometheus.GaugeOpts{Name: "faultline_config_reload_success",
		Help: "1 when the last reading of inventory and rules put them in force, 0 when it found faults and the old ones stayed."})
	at := prometheus.NewGauge(prometheus.GaugeOpts{Name: "faultline_config_reload_success_timestamp_seconds",
		Help: "When the inventory and rules in force were read."})
	a.reg.MustRegister(good, at)
	good.Set(1)
	at.SetToCurrentTime()
	for {
		select {
		case <-a.again:
		case <-ctx.Done():
			return nil
		}
		if err := a.reload(ctx); err != nil {
			good.Set(0)
			a.log.Error("inventory and rules are not reloaded, the old ones stay in force: mend them and ask again", "err", err)
			continue
		}
		good.Set(1)
		at.SetToCurrentTime()
		inv := a.graph().Inventory()
		a.log.Info("inventory and rules reloaded", "sites", len(inv.Sites), "devices", len(inv.Devices), "lines", len(inv.Lines),
			"agents", len(inv.Agents), "alert_rules", len(a.rules().alerts.List), "processes", a.rules().processes.IDs())
	}
}

// reload reads inventory and rules and, when all is right, puts them in force.
// Incidents go on with the version of the process they were opened on.
func (a *App) reload(ctx context.Context) error {
	a.basisMu.Lock()
	defer a.basisMu.Unlock()
	next, err := readBasis(a.cfg)
	if err != nil {
		return err
	}
	next.rules.processes, err = a.keepProcesses(ctx, next.rules.processes.Keeping(a.rules().processes))
	if err != nil {
		return err
	}
	history, err := a.publishCalendars(ctx, next.rules.calendars, "reload")
	if err != nil {
		return err
	}
	before := a.pollInterval()
	a.engine.Replace(next.rules.processes, next.rules.calendars)
	a.engine.Publish(history)
	a.basis.Store(next)
	a.ruler.Set(next.rules.alerts)
	a.evidence.SetElements(next.rules.elements)
	a.desk.Set(next.graph.Inventory())
	a.assignWork(next)
	if err := a.duty.Refresh(ctx); err != nil {
		return err
	}
	a.recount(ctx)
	if now := a.pollInterval(); now != before {
		a.log.Warn("agents measure at another interval now: samples count as fresh for as long as before until the next start", "before", before, "now", now)
	}
	return nil
}
