package app

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/faultline/faultline/collector/account"
	"github.com/faultline/faultline/collector/effect/notify/gateway"
	"github.com/faultline/faultline/collector/effect/notify/post"
	"github.com/faultline/faultline/collector/incident"
	"github.com/faultline/faultline/collector/people"
	"github.com/faultline/faultline/collector/sqlstore"
	"github.com/faultline/faultline/collector/web"
	"github.com/faultline/faultline/internal/lang"
)

// buildPost makes the way to single people; mail is set before.
func (a *App) buildPost() error {
	var ways []post.Way
	for _, g := range a.cfg.Chat.Gateways {
		ways = append(ways, gateway.New(g, time.Now))
	}
	var err error
	a.post, err = post.New(post.Options{Store: a.store, Directory: a.directory, Channel: a.mails, Ways: ways, URL: a.incidentURL, Now: time.Now, Logger: a.log, Registerer: a.reg,
		Closing: func(i incident.Incident) (title, text lang.Text) { return a.told.Closing(i) },
		Told:    func(id string) { a.hub.Publish(web.Change{ID: id, Site: a.siteOfIncident(id)}) }})
	return err
}

// siteOfIncident is the site of an open incident, as the engine has it.
func (a *App) siteOfIncident(id string) string {
	i, _ := a.engine.Incident(id)
	return i.Diagnosis.Site
}

// tell runs what tells single people, on the holder of the lease.
func (a *App) tell(ctx context.Context) error {
	done := make(chan error, 1)
	go func() { done <- a.post.Run(ctx) }()
	tick := time.NewTicker(climbEvery)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
		case <-ctx.Done():
			return <-done
		}
		err := errors.Join(a.climb(ctx, time.Now()), a.chase(ctx, time.Now()), a.post.Wishes(ctx), a.daily.Due(ctx, time.Now()), a.tellTakenBack(ctx, time.Now()), a.tellProgress(ctx, time.Now()))
		if err != nil && ctx.Err() == nil {
			a.log.Warn("escalations, notices to repeat and the daily report", "err", err)
		}
	}
}

// stepRoles are who is accountable for a step and who owns its process.
func (a *App) stepRoles(i incident.Incident, step string) (accountable, owner string) {
	def, ok := a.rules().processes.Version(i.ProcessVersion)
	if !ok {
		return "", ""
	}
	if s, ok := def.Step(step); ok {
		accountable = s.RACI.A
	}
	return accountable, def.Owner
}

// urgencies are the urgencies of people.Order by severity.
var urgencies = map[string]string{incident.SeverityCritical: "stopped", incident.SeverityMajor: "degraded", incident.SeverityMinor: "at_risk"}

// need is the incident as what waits to be served.
func (a *App) need(i incident.Incident) people.Need {
	return people.Need{Impact: a.impact(i), Urgency: urgencies[i.Severity], Rank: a.reporterRank(i), Since: i.OpenedAt, ID: i.ID}
}

// priority is whom to serve first: 1 to 4.
func (a *App) priority(i incident.Incident) int { return a.directory().Order.Priority(a.need(i)) }

// impact says how wide the incident is, from what is down because of it.
func (a *App) impact(i incident.Incident) string {
	g, down := a.graph(), append([]string{i.Diagnosis.Device}, i.Diagnosis.Affected...)
	cut, core := 0, false
	seen := map[string]bool{}
	for _, thing := range down {
		d, is := g.Device(thing)
		core = core || is && (slices.Contains(d.Roles, "core") || d.Kind == "database" || d.Kind == "server" && slices.Contains(d.Roles, "core"))
		site, ok := g.Site(g.SiteOf(thing))
		if ok && site.Kind != "hq" && !seen[site.ID] && i.Diagnosis.Class != incident.ClassEnvironment {
			seen[site.ID] = true
			if a.isCut(site.ID, down) {
				cut++
			}
		}
	}
	return people.ImpactOf(cut, core, i.Diagnosis.Device != "")
}

// isCut tells whether the site is without its gateway or without all its lines.
func (a *App) isCut(site string, down []string) bool {
	lines := a.graph().LinesOf(site)
	all := len(lines) > 0
	for _, l := range lines {
		all = all && slices.Contains(down, l.ID)
	}
	return all || slices.ContainsFunc(a.graph().DevicesOf(site), func(d inventoryDevice) bool {
		return slices.Contains(d.Roles, "gateway") && slices.Contains(down, d.ID)
	})
}

// reporterRank is the rank of the person who reported the incident, "" when
// measurements did.
func (a *App) reporterRank(i incident.Incident) string {
	if i.Diagnosis.Rule != "report" {
		return ""
	}
	events, err := a.store.Events(context.Background(), i.ID)
	if err != nil || len(events) == 0 {
		return ""
	}
	p, ok := a.directory().Person(events[0].Actor.Name)
	if !ok {
		return ""
	}
	return p.Rank
}

// notices is what the console shows of messages to people.
type notices struct{ a *App }

// Of returns the messages about an incident, newest first.
func (n notices) Of(ctx context.Context, incidentID string) ([]people.Message, error) {
	return n.a.store.Notices(ctx, sqlstore.NoticeQuery{Incident: incidentID, Limit: 200})
}

// Recent returns the newest messages in the states, all when there are none.
func (n notices) Recent(ctx context.Context, states []string, limit int) ([]people.Message, error) {
	return n.a.store.Notices(ctx, sqlstore.NoticeQuery{States: states, Limit: limit})
}

// Counts returns how many messages of the last week are in each state.
func (n notices) Counts(ctx context.Context) (map[string]int, error) {
	return n.a.store.NoticeCounts(ctx, time.Now().Add(-7*24*time.Hour))
}

// Again asks for one more attempt, for a person.
func (n notices) Again(ctx context.Context, who account.Principal, key, remote string) error {
	if err := n.a.accounts.Record(ctx, account.AuditEntry{Actor: who.Name, Action: "notice.again", Object: key, Remote: remote}); err != nil {
		return err
	}
	return n.a.post.Ask(ctx, key)
}

// withPeople adds what the pages about people and notices need.
func (a *App) withPeople(o web.Options) web.Options {
	o.PeopleOptions = web.PeopleOptions{Duty: a.duty, FeedKey: a.feedKey, Notices: notices{a}, Dailies: a.dailyPages(), Escalation: a.escalation, Priority: a.priority}
	return o
}
