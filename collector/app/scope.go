package app

import (
	"context"
	"slices"

	"github.com/faultline/faultline/collector/account"
	"github.com/faultline/faultline/collector/api"
	"github.com/faultline/faultline/collector/incident"
	"github.com/faultline/faultline/collector/people"
)

// siteOf is the site of an inventory name, "" when unknown.
func (a *App) siteOf(thing string) string { return a.graph().SiteOf(thing) }

// noticed are other sites' open incidents that affect the principal's sites,
// newest first. On a collector without the lease they are read from the database.
func (a *App) noticed(ctx context.Context, p account.Principal) []incident.Incident {
	if len(p.Sites) == 0 {
		return nil
	}
	var out []incident.Incident
	look := func(i *incident.Incident) {
		if p.View(api.SubjectOf(*i, a.siteOf)) == people.Notice {
			out = append(out, *i)
		}
	}
	if list, err := a.engine.Incidents(ctx); err == nil {
		for _, i := range list {
			look(i)
		}
	} else {
		list, err := a.store.OpenIncidents(ctx)
		if err != nil {
			a.log.Error("read open incidents", "err", err)
			return nil
		}
		for n := range list {
			look(&list[n])
		}
	}
	slices.SortFunc(out, func(x, y incident.Incident) int { return y.OpenedAt.Compare(x.OpenedAt) })
	return out
}
