package app

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/faultline/faultline/collector/document"
	"github.com/faultline/faultline/collector/engine"
	"github.com/faultline/faultline/collector/incident"
	"github.com/faultline/faultline/collector/inventory"
	"github.com/faultline/faultline/collector/knowledge"
	"github.com/faultline/faultline/collector/outbox"
	"github.com/faultline/faultline/collector/process"
	"github.com/faultline/faultline/collector/sqlstore"
	"github.com/faultline/faultline/collector/writeup"
	"github.com/faultline/faultline/internal/lang"
	"github.com/faultline/faultline/plugins/notify"
)

// writeupView is the incident with its names for reports in writing.
func (a *App) writeupView(ctx context.Context, i incident.Incident) (writeup.View, error) {
	told, err := a.toldUpward(ctx, i.ID)
	if err != nil {
		return writeup.View{}, err
	}
	g := a.graph()
	site, _ := g.Site(i.Diagnosis.Site)
	place := site.Name
	if site.Address != "" {
		place = lang.Text{ZH: place.In(lang.ZH) + "，" + site.Address, EN: place.In(lang.EN) + ", " + site.Address}
	}
	return writeup.View{Incident: i, Progress: told, Place: place, Name: nameIn(g), Zone: g.Location(i.Diagnosis.Site),
		Step:   func(step string) lang.Text { return a.stepTitle(i, step) },
		Choice: func(choice string) lang.Text { return a.choiceTitle(i, choice) },
		Role:   func(role string) lang.Text { return a.roleTitle(i, role) }}, nil
}

// toldUpward are the incident's progress notices and what became of them.
func (a *App) toldUpward(ctx context.Context, id string) ([]writeup.Notice, error) {
	list, err := a.store.Notices(ctx, sqlstore.NoticeQuery{Incident: id})
	if err != nil {
		return nil, err
	}
	dir := a.directory()
	var told []writeup.Notice
	for _, m := range list {
		if m.Event != eventProgress {
			continue
		}
		n := writeup.Notice{At: m.At, Person: dir.Name(m.Receiver), Title: m.Title, State: m.State}
		if !m.SentAt.IsZero() {
			n.At = m.SentAt
		}
		told = append(told, n)
	}
	return told, nil
}

// nameIn names sites, lines and devices of the inventory.
func nameIn(g *inventory.Graph) func(id string) (string, lang.Text) {
	return func(id string) (string, lang.Text) {
		if s, ok := g.Site(id); ok {
			return "site", s.Name
		}
		if l, ok := g.Line(id); ok {
			return "line", l.Name
		}
		if d, ok := g.Device(id); ok {
			return "device", d.Name
		}
		return "", lang.Text{}
	}
}

// written drafts a document of the kind with what people wrote into it so far.
func (a *App) written(kind string) document.Writer {
	return func(ctx context.Context, s document.Source) (document.Draft, error) {
		v, err := a.writeupView(ctx, s.Incident)
		if err != nil {
			return document.Draft{}, err
		}
		newest, err := writeup.Newest(ctx, a.store, s.Incident.ID, kind)
		if err != nil {
			return document.Draft{}, err
		}
		v.Fields = newest.Fields
		d, err := writeup.Build(kind, v, s.Events, s.Now, s.Language)
		if err != nil {
			return document.Draft{}, err
		}
		body, err := d.HTML(writeup.Signed{Version: newest.Version, Zone: s.Zone})
		name := fmt.Sprintf("%s-%s.html", s.Incident.Number, strings.ReplaceAll(d.Title, " ", "-"))
		return document.Draft{Name: name, Media: "text/html; charset=utf-8", Body: body}, err
	}
}

// learning drafts documents and, where "how it was solved" is asked for, the
// entry of the knowledge base. Done again it changes nothing.
func (a *App) learning(drafts outbox.Executor) outbox.Executor {
	return outbox.Func(func(ctx context.Context, j outbox.Job) (outbox.Outcome, error) {
		if j.Effect.Params["document"] == process.DocKnowledge && j.Incident.Drill == "" { // nothing was solved
			if err := a.learn(ctx, j.Incident); err != nil {
				return outbox.Outcome{}, err
			}
		}
		return drafts.Execute(ctx, j)
	})
}

// learn writes the draft "how it was solved" of a closed incident.
func (a *App) learn(ctx context.Context, i incident.Incident) error {
	events, err := a.store.Events(ctx, i.ID)
	if err != nil {
		return err
	}
	about := knowledge.About{Zone: a.graph().Location(i.Diagnosis.Site), Step: func(id string) lang.Text { return a.stepTitle(i, id) },
		Choice: func(_, choice string) lang.Text { return a.choiceTitle(i, choice) }}
	if d, ok := a.graph().Device(i.Diagnosis.Device); ok {
		about.DeviceKind, about.Vendor, about.Model = d.Kind, d.Vendor, d.Model
	}
	if def, ok := a.rules().processes.Version(i.ProcessVersion); ok {
		about.Owner = def.Owner
	}
	draft, some := knowledge.FromIncident(i, events, about, time.Now())
	if !some {
		return nil
	}
	_, err = a.knowledge.AddDraft(ctx, draft)
	return err
}

// remindAgain is how often an owner is reminded of the same review.
const remindAgain = 7 * 24 * time.Hour

// remindReviews tells owners by mail, once an hour for what is new, which of
// their entries are due for review, until ctx ends. It runs on the lease holder.
func (a *App) remindReviews(ctx context.Context) error {
	tick := time.NewTicker(time.Hour)
	defer tick.Stop()
	for {
		if err := a.remindDue(ctx, time.Now()); err != nil && ctx.Err() == nil {
			a.log.Warn("remind of reviews", "err", err)
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return nil
		}
	}
}

func (a *App) remindDue(ctx context.Context, now time.Time) error {
	if a.mails == nil {
		return nil
	}
	due, err := a.knowledge.List(ctx, knowledge.Filter{ReviewBy: now, Limit: 500})
	if err != nil {
		return err
	}
	var errs []error
	for _, e := range due {
		key := "knowledge-reminded/" + e.ID
		if last, err := a.store.KVGet(ctx, key); err == nil {
			if at, err := time.Parse(time.RFC3339, last); err == nil && now.Sub(at) < remindAgain {
				continue
			}
		} else if !errors.Is(err, engine.ErrNotFound) {
			return err
		}
		if err := a.remindOwners(ctx, e, now); err != nil {
			errs = append(errs, err)
			continue
		}
		errs = append(errs, a.store.KVPut(ctx, key, now.UTC().Format(time.RFC3339)))
	}
	return errors.Join(errs...)
}

// remindOwners tells the person or the role that answers for the entry.
func (a *App) remindOwners(ctx context.Context, e knowledge.Entry, now time.Time) error {
	for _, p := range a.graph().Inventory().People {
		if p.Email == "" || p.ID != e.Owner && !slices.Contains(p.Roles, e.Owner) || len(e.Sites) > 0 && len(p.Sites) > 0 && !slices.ContainsFunc(e.Sites, func(s string) bool { return slices.Contains(p.Sites, s) }) {
			continue
		}
		t := lang.Text{ZH: "知识库条目待复审：", EN: "Knowledge entry due for review: "}
		url := strings.TrimSuffix(a.cfg.ExternalURL, "/") + "/knowledge/" + e.ID
		n := notify.Notice{Key: "knowledge/" + e.ID + "/" + p.ID + "/" + now.UTC().Format(time.DateOnly), To: p.Email, Subject: t.In(p.Language) + e.Title.In(p.Language), Body: t.In(p.Language) + e.Title.In(p.Language) + "\n\n" + url + "\n", URL: url}
		if err := a.mails.Deliver(ctx, n); err != nil {
			return fmt.Errorf("remind %s of knowledge entry %s: %w", p.ID, e.ID, err)
		}
	}
	return nil
}
