package app

import (
	"context"
	"time"

	"github.com/faultline/faultline/collector/api"
	"github.com/faultline/faultline/collector/incident"
	"github.com/faultline/faultline/collector/web"
)

const (
	// followEvery is how soon an open page shows what another collector did to an incident.
	followEvery = time.Second
	// followBack is how old an incident may be to be looked at: the time the
	// collector's own metrics count too.
	followBack = 90 * 24 * time.Hour
	// followMost is how many changed incidents are told one by one; of more, pages
	// look at everything.
	followMost = 16
)

// watchIncidents tells open pages, while another collector judges, which
// incidents changed, until ctx ends. What this one does itself its pages are told
// by changed.
func (a *App) watchIncidents(ctx context.Context) error {
	f := &follower{store: a.store, tell: a.tellPages, lookAgain: func() { a.hub.Publish(web.Change{}) }}
	tick := time.NewTicker(followEvery)
	defer tick.Stop()
	failing := false
	for {
		select {
		case <-ctx.Done():
			return nil
		case now := <-tick.C:
			if _, leads := a.lease.Generation(); leads || !a.hub.Watched() {
				f.known = nil
				continue
			}
			err := f.look(ctx, now)
			if err != nil && ctx.Err() == nil && !failing {
				a.log.Warn("see which incidents changed at another collector", "err", err)
			}
			failing = err != nil
		}
	}
}

// tellPages makes pages that show an incident look at it again.
func (a *App) tellPages(i incident.Incident) {
	a.hub.Publish(web.Change{ID: i.ID, Site: i.Diagnosis.Site, Affected: api.SubjectOf(i, a.siteOf).Affected})
}

// follower finds what changed from one look to the next.
type follower struct {
	store interface {
		IncidentVersions(ctx context.Context, since time.Time) (map[string]int64, error)
		Incident(ctx context.Context, id string) (incident.Incident, error)
	}
	tell      func(incident.Incident)
	lookAgain func() // at everything
	known     map[string]int64
}

// look tells of all that changed since the last look, which is over when known
// is nil: pages may then have missed anything.
func (f *follower) look(ctx context.Context, now time.Time) error {
	versions, err := f.store.IncidentVersions(ctx, now.Add(-followBack))
	if err != nil {
		return err
	}
	var changed []string
	for id, v := range versions {
		if f.known[id] != v {
			changed = append(changed, id)
		}
	}
	first := f.known == nil
	if first || len(changed) > followMost {
		f.known = versions
		f.lookAgain()
		return nil
	}
	for _, id := range changed {
		i, err := f.store.Incident(ctx, id)
		if err != nil {
			return err // the next look finds it again
		}
		f.tell(i)
	}
	f.known = versions
	return nil
}
