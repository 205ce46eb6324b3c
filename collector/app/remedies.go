package app

import (
	"context"
	"errors"
	"time"

	"github.com/faultline/faultline/collector/api"
	effect "github.com/faultline/faultline/collector/effect/remedy"
	"github.com/faultline/faultline/collector/engine"
	"github.com/faultline/faultline/collector/incident"
	"github.com/faultline/faultline/collector/outbox"
	"github.com/faultline/faultline/collector/process"
	"github.com/faultline/faultline/collector/remedy"
	plugin "github.com/faultline/faultline/plugins/remedy"
)

// remedies are what may be carried out against faults, as API and console reach
// them.
type remedies struct{ a *App }

// remedyDesk is nil where the configuration has no remedies.
func (a *App) remedyDesk() api.Remedies {
	if len(a.cfg.Remedies) == 0 {
		return nil
	}
	return remedies{a}
}

// proposed is what a process step may propose by itself.
func (a *App) proposed(name string, i incident.Incident) (incident.Remedy, bool) {
	e, ok := a.cfg.Remedies.Entry(name)
	if !ok {
		return incident.Remedy{}, false
	}
	m, err := e.Proposal(i, nil)
	if err != nil {
		a.log.Info("the step's remedy does not fit the incident", "number", i.Number, "remedy", name, "err", err)
	}
	return m, err == nil
}

// addRemedies adds the executor of remedies, where there are any.
func (a *App) addRemedies(executors map[string]outbox.Executor) error {
	if len(a.cfg.Remedies) == 0 {
		return nil
	}
	node, err := a.nodeID()
	if err != nil {
		return err
	}
	x, err := effect.New(effect.Options{Node: node, Catalog: func() remedy.Catalog { return a.cfg.Remedies }, Runner: a.runner, KV: a.store, NotFound: engine.ErrNotFound,
		Documents: a.store, Now: time.Now, Logger: a.log})
	executors[incident.EffectRemedyCheck], executors[incident.EffectRemedyRun] = x, x
	return err
}

// runner is the plugin of that name.
func (a *App) runner(name string) (plugin.Runner, bool) {
	if a.vendors.plugins == nil {
		return nil, false
	}
	return a.vendors.plugins.Runner(name)
}

// Offered implements api.Remedies: what lacks something of the incident would be
// refused, and is not offered.
func (x remedies) Offered(i incident.Incident, roles []string) []remedy.Entry {
	var out []remedy.Entry
	for _, e := range x.a.cfg.Remedies {
		if e.Fits(i) && x.May(i, roles, incident.Event{Kind: incident.RemedyProposed, At: time.Now(), Remedy: &incident.Remedy{ID: "new", Name: e.Name}}) == nil {
			out = append(out, e)
		}
	}
	return out
}

// Proposal implements api.Remedies.
func (x remedies) Proposal(i incident.Incident, name string, given map[string]string) (incident.Remedy, error) {
	e, ok := x.a.cfg.Remedies.Entry(name)
	if !ok {
		return incident.Remedy{}, refusal(&process.Refusal{Text: remedy.NoSuch, Hint: remedy.NoSuchHint})
	}
	return e.Proposal(i, given)
}

// May implements api.Remedies.
func (x remedies) May(i incident.Incident, roles []string, fact incident.Event) error {
	def, ok := x.a.rules().processes.Version(i.ProcessVersion)
	if !ok {
		return errors.New("process " + i.ProcessVersion + " is not loaded")
	}
	return refusal(process.CheckAction(def, i, roles, fact))
}

// Handle implements api.Remedies.
func (x remedies) Handle(ctx context.Context, fact incident.Event) error {
	return refusal(x.a.engine.Handle(ctx, fact))
}

// Output implements api.Remedies: of a run that is over its document has it.
func (x remedies) Output(ctx context.Context, i incident.Incident, run incident.RemedyRun) (string, error) {
	if run.Document != "" {
		d, err := x.a.store.Document(ctx, i.ID, run.Document)
		return string(d.Body), err
	}
	if run.Key == "" {
		return "", nil
	}
	return effect.Output(ctx, x.a.store, engine.ErrNotFound, run.Key)
}
