package app

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/faultline/faultline/collector/account"
	"github.com/faultline/faultline/collector/api"
	"github.com/faultline/faultline/collector/engine"
	"github.com/faultline/faultline/collector/incident"
	"github.com/faultline/faultline/collector/process"
	"github.com/faultline/faultline/collector/sitemap"
	"github.com/faultline/faultline/collector/sqlstore"
	"github.com/faultline/faultline/collector/truth"
	"github.com/faultline/faultline/collector/web"
	"github.com/faultline/faultline/internal/lab/control"
	"github.com/faultline/faultline/internal/lang"
)

// incidentReader is the store as api and web read it.
type incidentReader struct{ *sqlstore.Store }

// Incidents translates the query.
func (r incidentReader) Incidents(ctx context.Context, q api.Query) ([]incident.Incident, string, error) {
	return r.Store.Incidents(ctx, sqlstore.Query{States: q.States, Sites: q.Sites, Class: q.Class, Limit: q.Limit, Cursor: q.Cursor})
}

// actor is the engine as api and web act on it.
type actor struct{ a *App }

// Act hands the action to the engine, in the words of the one who asked when it
// is refused.
func (x actor) Act(ctx context.Context, act api.Action) error {
	err := x.a.engine.Handle(ctx, act.Event())
	return refusal(err)
}

func (a *App) openIncidents(ctx context.Context) []*incident.Incident {
	list, err := a.engine.Incidents(ctx)
	if err != nil {
		a.log.Error("list open incidents", "err", err)
	}
	return list
}

// refusal turns what the process or the engine refused into words for people.
func refusal(err error) error {
	var refused *process.Refusal
	switch {
	case err == nil:
		return nil
	case errors.As(err, &refused):
		return &api.Refusal{Why: api.NotNow, Text: refused.Text, Hint: refused.Hint}
	case errors.Is(err, engine.ErrConflict):
		return &api.Refusal{Why: api.NotNow, Text: lang.Text{ZH: "故障单刚刚有变化", EN: "the incident has just changed"}, Hint: lang.Text{ZH: "请刷新后重试", EN: "look again and repeat"}}
	}
	return err
}

// offers are the actions somebody with the roles may take now.
func (a *App) offers(i incident.Incident, roles []string) []api.Offer {
	def, ok := a.rules().processes.Version(i.ProcessVersion)
	if !ok {
		return nil
	}
	var out []api.Offer
	for _, act := range append(process.Actions(def, i, roles), process.Waits(def, i, roles)...) {
		out = append(out, api.Offer{Kind: act.Kind, Choice: act.Choice, Title: act.Title, Prompt: act.Prompt, Suggested: act.Suggested, NeedsComment: act.NeedsComment,
			Missing: act.Missing, Documents: act.Documents})
	}
	return out
}

func (a *App) stepTitle(i incident.Incident, step string) lang.Text {
	if def, ok := a.rules().processes.Version(i.ProcessVersion); ok {
		if s, ok := def.Step(step); ok {
			return s.Title
		}
	}
	return lang.Same(step)
}

func (a *App) choiceTitle(i incident.Incident, choice string) lang.Text {
	def, ok := a.rules().processes.Version(i.ProcessVersion)
	if !ok {
		return lang.Same(choice)
	}
	for _, s := range def.Steps {
		if s.Decide == nil {
			continue
		}
		for _, c := range s.Decide.Choices {
			if c.ID == choice {
				return c.Title
			}
		}
	}
	return lang.Same(choice)
}

func (a *App) diagram(i incident.Incident, language string) ([]byte, error) {
	def, ok := a.rules().processes.Version(i.ProcessVersion)
	if !ok {
		return nil, fmt.Errorf("process %s is not loaded", i.ProcessVersion)
	}
	return []byte(process.SVG(def, i.Step, language)), nil
}

// siteMap draws the incident's site: as it is now while the incident is open, and
// as its evidence had it afterwards.
func (a *App) siteMap(i incident.Incident, language string) ([]byte, error) {
	d := i.Diagnosis
	known := func(id string) truth.Truth { return observed(d.Evidence, id) }
	if i.State != incident.StateClosed {
		now, here := a.evidence.Snapshot(time.Now()), true
		if i.Drill != "" {
			now, here = a.drills.Of(i.Drill).Snapshot(time.Now())
		}
		known = func(id string) truth.Truth {
			if !here {
				return truth.Unknown
			}
			return web.StateOf(a.graph().Inventory(), id, now)
		}
	}
	fault := &sitemap.Fault{Device: d.Device, Component: d.Component, Circuit: d.Circuit, Affected: d.Affected}
	return sitemap.Of(a.graph(), d.Site, known, fault).SVG(language), nil
}

// observed is what a diagnosis' evidence says of a thing as a whole.
func observed(all []incident.Observation, id string) truth.Truth {
	out := truth.Unknown
	for _, o := range all {
		if o.Subject == id && o.Truth == truth.Bad.String() {
			return truth.Bad
		}
		if o.Subject == id && o.Truth == truth.OK.String() {
			out = truth.OK
		}
	}
	return out
}

// practice adapts the practice branch's control.
type practice struct{ client control.Client }

// Faults returns what can be broken.
func (p practice) Faults() []string { return p.names(func(control.Fault) bool { return true }) }

// Broken returns what is broken now.
func (p practice) Broken() []string { return p.names(func(f control.Fault) bool { return f.Broken }) }

func (p practice) names(take func(control.Fault) bool) []string {
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Second)
	defer cancel()
	st, err := p.client.State(ctx)
	if err != nil {
		return nil
	}
	var out []string
	for _, f := range st.Faults {
		if take(f) {
			out = append(out, f.Name)
		}
	}
	return out
}

// Break breaks something.
func (p practice) Break(ctx context.Context, fault string) error {
	if !slices.Contains(p.Faults(), fault) {
		return &api.Refusal{Why: api.Invalid, Text: lang.Text{ZH: "没有这种演练故障:" + fault, EN: "there is no such fault to practise: " + fault},
			Hint: lang.Text{ZH: "可选:" + strings.Join(p.Faults(), "、"), EN: "choose one of " + strings.Join(p.Faults(), ", ")}}
	}
	_, err := p.client.Break(ctx, fault)
	return err
}

// Mend makes everything whole.
func (p practice) Mend(ctx context.Context) error {
	_, err := p.client.Mend(ctx)
	return err
}

// ready tells whether the collector can do its work.
func (a *App) ready(ctx context.Context) error {
	if err := a.metrics.Ready(); err != nil {
		return err
	}
	if _, err := a.store.KVGet(ctx, "ready"); err != nil && !errors.Is(err, engine.ErrNotFound) {
		return err
	}
	return nil
}

// newID is a random name.
func newID() string {
	var b [8]byte
	_, _ = rand.Read(b[:]) // crypto/rand.Read never fails since Go 1.24
	return hex.EncodeToString(b[:])
}

func firstLine(s string) string {
	s, _, _ = strings.Cut(strings.TrimSpace(s), "\n")
	if r := []rune(s); len(r) > 60 {
		return string(r[:60]) + "…"
	}
	return s
}

var _ account.Store = (*sqlstore.Store)(nil)
