package app

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/faultline/faultline/collector/account"
	"github.com/faultline/faultline/collector/api"
	"github.com/faultline/faultline/collector/engine"
	"github.com/faultline/faultline/collector/incident"
	"github.com/faultline/faultline/collector/sqlstore"
	"github.com/faultline/faultline/collector/web"
	"github.com/faultline/faultline/internal/lang"
)

// processChange is the process of changes, whose windows make things quiet.
const processChange = "change"

// request opens what a person asks for. A change's form decides its first step:
// type and risk say who approves.
func (a *App) request(ctx context.Context, r api.Request) (api.Reported, error) {
	def, ok := a.rules().processes.Latest(r.Process)
	if !ok || !def.Request() {
		return api.Reported{}, &api.Refusal{Why: api.Invalid, Text: lang.Text{ZH: "没有这种申请流程：" + r.Process, EN: "no process of requests: " + r.Process}}
	}
	if r.Process == processChange {
		if err := a.checkChange(r.Change); err != nil {
			return api.Reported{}, err
		}
	} else if r.Change != nil {
		return api.Reported{}, &api.Refusal{Why: api.Invalid, Text: lang.Text{ZH: "只有变更申请带有 change", EN: "only a change has change"}}
	}
	title := firstLine(r.Text)
	d := incident.Diagnosis{Cause: "request/" + r.ID, Class: incident.ClassRequest, Site: r.Site, Device: r.Device, Process: r.Process, VendorKind: incident.VendorNone,
		Severity: incident.SeverityMinor, Rule: "request", Affected: []string{},
		Title: lang.Text{ZH: def.Title.ZH + "：" + title, EN: def.Title.EN + ": " + title},
		Proof: lang.Text{ZH: "由 " + r.Actor.Name + " 申请：" + r.Text, EN: "Asked for by " + r.Actor.Name + ": " + r.Text}}
	id, err := a.engine.Open(ctx, engine.Opening{FactID: r.ID, Diagnosis: d, Actor: r.Actor, Comment: strings.TrimSpace(r.Text + "\n" + r.Contact), At: r.At})
	if err != nil || r.Change == nil {
		return api.Reported{IncidentID: id}, refusal(err)
	}
	if err := a.putChange(ctx, id, *r.Change); err != nil {
		return api.Reported{IncidentID: id}, err
	}
	return api.Reported{IncidentID: id}, refusal(a.engine.Handle(ctx, incident.Event{ID: r.ID + "/form", IncidentID: id, At: r.At, Kind: incident.Decided, Actor: r.Actor,
		Choice: choiceOf(*r.Change), Comment: r.Change.Scope}))
}

// requestForm is what the console's form needs.
func (a *App) requestForm() *web.Requests {
	return &web.Requests{Gate: &api.RequestGate{Accounts: a.accounts, KnownSite: func(id string) bool { _, ok := a.graph().Site(id); return ok }, Requests: a.request, Now: time.Now},
		Kinds: func() []web.RequestKind {
			var out []web.RequestKind
			set := a.rules().processes
			for _, id := range set.IDs() {
				if def, ok := set.Latest(id); ok && def.Request() {
					out = append(out, web.RequestKind{ID: id, Title: def.Title})
				}
			}
			slices.SortStableFunc(out, func(x, y web.RequestKind) int { return cmp.Compare(order(x.ID), order(y.ID)) })
			return out
		}}
}

// order puts what is asked for most often first.
func order(process string) int {
	at := slices.Index([]string{"service", "resource", processChange, "database_maintenance"}, process)
	if at < 0 {
		return len(process) + 100
	}
	return at
}

// openFaults are the open incidents that are real faults: a report joins no
// request and no drill.
func (a *App) openFaults(ctx context.Context) []incident.Incident {
	var out []incident.Incident
	for _, i := range a.openIncidents(ctx) {
		if i.Diagnosis.Class != incident.ClassRequest && i.Drill == "" {
			out = append(out, *i)
		}
	}
	return out
}

// choiceOf is the answer that a change's form gives to the question of its
// first step.
func choiceOf(c api.Change) string {
	if c.Type == api.ChangeNormal {
		return c.Type + "_" + c.Risk
	}
	return c.Type
}

// checkChange refuses a form that is not whole, or names what does not exist.
func (a *App) checkChange(c *api.Change) error {
	if err := c.Check(); err != nil {
		return err
	}
	for _, s := range c.Subjects {
		_, isSite := a.graph().Site(s)
		if name, _, _ := strings.Cut(s, ":"); !isSite && a.graph().SiteOf(s) == "" && a.graph().SiteOf(name) == "" {
			return &api.Refusal{Why: api.Invalid, Text: lang.Text{ZH: "资产清单中没有：" + s, EN: "the inventory has no " + s}}
		}
	}
	return nil
}

func changeKey(id string) string { return "change/" + id }

func (a *App) putChange(ctx context.Context, id string, c api.Change) error {
	b, err := json.Marshal(c)
	if err != nil {
		return fmt.Errorf("keep change of incident %s: %w", id, err)
	}
	return a.store.KVPut(ctx, changeKey(id), string(b))
}

// changeOf returns a change's form; ok is false for one that has none.
func (a *App) changeOf(ctx context.Context, id string) (c api.Change, ok bool, err error) {
	text, err := a.store.KVGet(ctx, changeKey(id))
	if errors.Is(err, engine.ErrNotFound) {
		return c, false, nil
	}
	if err == nil {
		err = json.Unmarshal([]byte(text), &c)
	}
	return c, err == nil, err
}

// quietSteps are the steps of a change in which its announced window holds: its
// approvals are given, and it is not being verified yet.
var quietSteps = []string{"prepare", "deploy", "deploy_now", "roll_back"}

// deploySteps are the steps in which a change is made.
var deploySteps = []string{"deploy", "deploy_now"}

func (a *App) wakeWindows() {
	select {
	case a.windows <- struct{}{}:
	default:
	}
}

// keepWindows announces the windows of changes that are approved and lifts those
// of changes that are over, until ctx ends. What it missed while nobody ruled it
// makes good: it compares what is with what should be.
func (a *App) keepWindows(ctx context.Context) error {
	tick := time.NewTicker(windowsEvery)
	defer tick.Stop()
	for {
		if err := a.seeToWindows(ctx); err != nil && ctx.Err() == nil {
			a.log.Error("windows of changes", "err", err)
		}
		select {
		case <-tick.C:
		case <-a.windows: // people move changes: there are few
		case <-ctx.Done():
			return nil
		}
	}
}

// windowsEvery is how often windows are compared although no change moved.
const windowsEvery = 30 * time.Second

// windowID names the quiet time of a change.
func windowID(incidentID string) string { return "change-" + incidentID }

func (a *App) seeToWindows(ctx context.Context) error {
	now, want := time.Now().UTC(), map[string]engine.Quiet{}
	for _, i := range a.openIncidents(ctx) {
		if i.Process != processChange || !slices.Contains(quietSteps, i.Step) {
			continue
		}
		c, ok, err := a.changeOf(ctx, i.ID)
		if err != nil {
			return err
		}
		if !ok || !c.Until.After(now) {
			continue
		}
		q := engine.Quiet{ID: windowID(i.ID), Kind: engine.QuietMaintenance, From: c.From, Until: c.Until, Subjects: subjectsOf(c, *i), Reason: i.Number + " " + i.Diagnosis.Title.ZH, By: i.DecidedBy.Name}
		if q.By == "" {
			q.By = i.Number
		}
		want[q.ID] = q
	}
	have := map[string]engine.Quiet{}
	for _, q := range a.quiets.List() {
		if strings.HasPrefix(q.ID, windowID("")) && (q.Until.IsZero() || q.Until.After(now)) {
			have[q.ID] = q
		}
	}
	var errs []error
	for id, q := range want {
		if _, ok := have[id]; !ok {
			_, err := a.quiets.Announce(ctx, q, now)
			errs = append(errs, err, a.accounts.Record(ctx, account.AuditEntry{Actor: q.By, Action: "window.announced", Object: id, Detail: strings.Join(q.Subjects, " ")}))
		}
	}
	for id := range have {
		if _, ok := want[id]; !ok {
			errs = append(errs, a.quiets.Lift(ctx, id, now), a.accounts.Record(ctx, account.AuditEntry{Actor: "system", Action: "window.lifted", Object: id}))
		}
	}
	return errors.Join(errs...)
}

// subjectsOf is what a change's window makes quiet.
func subjectsOf(c api.Change, i incident.Incident) []string {
	switch {
	case len(c.Subjects) > 0:
		return c.Subjects
	case i.Diagnosis.Device != "":
		return []string{i.Diagnosis.Device}
	}
	return []string{i.Diagnosis.Site}
}

// Bounds of looking for changes before an incident.
const (
	changedWithin = 24 * time.Hour
	changeAge     = 60 * 24 * time.Hour // of a change's opening
	mostChanges   = 500
)

// changesBefore returns the changes that were deployed in the day before the
// incident, on its device, something it affects, or its whole site.
func (a *App) changesBefore(ctx context.Context, i incident.Incident) ([]api.Changed, error) {
	if i.Diagnosis.Class == incident.ClassRequest {
		return nil, nil
	}
	// A fault that began in the window opens when the window is over: what was
	// changed in between counts.
	at := i.OpenedAt
	if at.IsZero() {
		at = i.FaultAt
	}
	list, _, err := a.store.Incidents(ctx, sqlstore.Query{Class: incident.ClassRequest, Since: at.Add(-changeAge), Limit: mostChanges})
	if err != nil {
		return nil, err
	}
	about := append([]string{i.Diagnosis.Device, i.Diagnosis.Site, "site:" + i.Diagnosis.Site, a.graph().SiteOf(i.Diagnosis.Device)}, i.Diagnosis.Affected...)
	if i.Diagnosis.Component != "" {
		about = append(about, i.Diagnosis.Device+":"+i.Diagnosis.Component)
	}
	var out []api.Changed
	for _, x := range list {
		if x.Process != processChange || !slices.ContainsFunc(x.Visited, func(s string) bool { return slices.Contains(deploySteps, s) }) {
			continue
		}
		c, _, err := a.changeOf(ctx, x.ID)
		if err != nil {
			return nil, err
		}
		subjects := subjectsOf(c, x)
		if !slices.ContainsFunc(subjects, func(s string) bool { return s != "" && slices.Contains(about, s) }) {
			continue
		}
		deployed, err := a.deployedAt(ctx, x.ID, at)
		if err != nil {
			return nil, err
		}
		if !deployed.IsZero() && !deployed.Before(at.Add(-changedWithin)) {
			out = append(out, api.Changed{ID: x.ID, Number: x.Number, Title: x.Diagnosis.Title.ZH, Deployed: deployed.UTC(), State: x.State, Subjects: subjects})
		}
	}
	return out, nil
}

// deployedAt is when a change was last begun to be made before the moment; zero
// when it was not.
func (a *App) deployedAt(ctx context.Context, id string, before time.Time) (at time.Time, err error) {
	events, err := a.store.Events(ctx, id)
	for _, e := range events {
		if e.Kind == incident.Entered && slices.Contains(deploySteps, e.Step) && !e.At.After(before) {
			at = e.At
		}
	}
	return at, err
}
