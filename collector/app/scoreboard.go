package app

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/faultline/faultline/collector/engine"
	"github.com/faultline/faultline/collector/incident"
	"github.com/faultline/faultline/collector/inventory"
	"github.com/faultline/faultline/collector/register"
	"github.com/faultline/faultline/collector/scoreboard"
	"github.com/faultline/faultline/collector/sla"
	"github.com/faultline/faultline/collector/sqlstore"
	"github.com/faultline/faultline/collector/truth"
	"github.com/faultline/faultline/collector/web"
)

// scorePages are what the console needs of the scoreboard.
func (a *App) scorePages() *web.Scoreboard {
	return &web.Scoreboard{Board: a.scoreboardOf, Links: a.store, Vendors: func() []inventory.Vendor { return a.graph().Inventory().Vendors }, Company: func() string { return cmp.Or(a.graph().Inventory().Company, "Faultline") }, Address: strings.TrimSuffix(a.cfg.ExternalURL, "/")}
}

// scoreboardOf counts the month that a moment falls in.
func (a *App) scoreboardOf(ctx context.Context, month time.Time) (scoreboard.Board, error) {
	zone := a.graph().Location("")
	y, m, _ := month.In(zone).Date()
	from, to := time.Date(y, m, 1, 0, 0, 0, 0, zone), time.Date(y, m+1, 1, 0, 0, 0, 0, zone)
	cases, err := a.cases(ctx, from, to)
	if err != nil {
		return scoreboard.Board{}, err
	}
	windows, err := a.pastWindows(ctx)
	if err != nil {
		return scoreboard.Board{}, err
	}
	return scoreboard.Of(scoreboard.Input{Month: month, Zone: zone, Cases: cases, Windows: windows, Graph: a.graph(), Elapsed: a.elapsed, Now: time.Now()}), nil
}

// cases are the incidents that lasted into the month, with the logs of those
// that concern a circuit or a vendor.
func (a *App) cases(ctx context.Context, from, to time.Time) ([]scoreboard.Case, error) {
	all, _, err := a.store.Incidents(ctx, sqlstore.Query{})
	if err != nil {
		return nil, err
	}
	var out []scoreboard.Case
	for _, i := range all {
		if !i.OpenedAt.Before(to) || !i.ClosedAt.IsZero() && i.ClosedAt.Before(from) || !a.scored(i) {
			continue
		}
		events, err := a.store.Events(ctx, i.ID)
		if err != nil {
			return nil, err
		}
		out = append(out, scoreboard.Case{Incident: i, Events: events})
	}
	return out, nil
}

// scored tells whether an incident concerns a circuit or a vendor.
func (a *App) scored(i incident.Incident) bool {
	if len(i.Tickets) > 0 || i.Diagnosis.Class == incident.ClassCarrierLine {
		return true
	}
	return slices.ContainsFunc(i.Diagnosis.Affected, func(id string) bool { _, is := a.graph().Line(id); return is })
}

// elapsed is time by a contract's calendar: the site's working time, or all.
func (a *App) elapsed(calendar, site string, from, to time.Time) (time.Duration, error) {
	if calendar != "work" {
		return max(0, to.Sub(from)), nil
	}
	s, _ := a.graph().Site(site)
	id := cmp.Or(s.Calendar, "cn-workday")
	c, ok := a.rules().calendars.Get(id)
	if !ok {
		return 0, fmt.Errorf("no calendar %q", id)
	}
	return sla.Elapsed(c, from, to)
}

// windowPrefix is where announced windows are kept for months that are over.
const windowPrefix = "scoreboard/window/"

// rememberWindows remembers announced maintenance beyond the time the engine does,
// as it stands at last.
func (a *App) rememberWindows(ctx context.Context) error {
	have, err := a.store.KVList(ctx, windowPrefix)
	if err != nil {
		return err
	}
	fresh := map[string]string{}
	for _, q := range a.quiets.List() {
		if q.Kind == engine.QuietSilence || len(q.Subjects) == 0 || len(q.Labels) > 0 {
			continue
		}
		b, err := json.Marshal(scoreboard.Window{ID: q.ID, From: q.From.UTC(), Until: q.Until.UTC(), Subjects: q.Subjects, Reason: cmp.Or(q.Reason, q.ID)})
		if err != nil {
			return err
		}
		if have[windowPrefix+q.ID] != string(b) {
			fresh[windowPrefix+q.ID] = string(b)
		}
	}
	if len(fresh) == 0 {
		return nil
	}
	return a.store.KVPutAll(ctx, fresh)
}

func (a *App) pastWindows(ctx context.Context) ([]scoreboard.Window, error) {
	if err := a.rememberWindows(ctx); err != nil {
		return nil, err
	}
	kept, err := a.store.KVList(ctx, windowPrefix)
	if err != nil {
		return nil, err
	}
	var out []scoreboard.Window
	for name, text := range kept {
		var w scoreboard.Window
		if err := json.Unmarshal([]byte(text), &w); err != nil {
			return nil, fmt.Errorf("read %s: %w", name, err)
		}
		out = append(out, w)
	}
	slices.SortFunc(out, func(x, y scoreboard.Window) int { return cmp.Or(x.From.Compare(y.From), cmp.Compare(x.ID, y.ID)) })
	return out, nil
}

// things are what the console needs of devices and patch panels.
func (a *App) things() *web.Things {
	return &web.Things{Graph: a.graph, State: func(id string) truth.Truth {
		return web.StateOf(a.graph().Inventory(), id, a.evidence.Snapshot(time.Now()))
	},
		Seen: a.seen, Talkers: a.talkers, Address: strings.TrimSuffix(a.cfg.ExternalURL, "/")}
}

// seen asks the metric store who was seen at a site's ports within the last
// hours: neighbours are read now and then.
func (a *App) seen(ctx context.Context, site string) ([]register.Sighting, error) {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	vs, err := a.metrics.Instant(ctx, fmt.Sprintf("group by (device, port, neighbour, far_port, by) (last_over_time(faultline_neighbour_info{site=%q}[3h]))", site), time.Now(), 0)
	if err != nil {
		return nil, fmt.Errorf("neighbours of %s: %w", site, err)
	}
	var out []register.Sighting
	for _, v := range vs {
		out = append(out, register.Sighting{Device: v.Labels.Get("device"), Port: v.Labels.Get("port"), Who: v.Labels.Get("neighbour"), FarPort: v.Labels.Get("far_port"), By: v.Labels.Get("by")})
	}
	return out, nil
}

// mostTalkers is how many ports of a device are shown.
const mostTalkers = 48

// talkers are the ports of a device by their traffic of five minutes.
func (a *App) talkers(ctx context.Context, device string) ([]web.Talker, error) {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	by := map[string]*web.Talker{}
	for _, way := range []struct {
		metric string
		put    func(t *web.Talker, v float64)
	}{{"ifHCInOctets", func(t *web.Talker, v float64) { t.In = v }}, {"ifHCOutOctets", func(t *web.Talker, v float64) { t.Out = v }}} {
		vs, err := a.metrics.Instant(ctx, fmt.Sprintf("8 * max by (ifName) (rate(%s{device=%q}[5m]))", way.metric, device), time.Now(), 0)
		if err != nil {
			return nil, fmt.Errorf("traffic of %s: %w", device, err)
		}
		for _, v := range vs {
			port := v.Labels.Get("ifName")
			if by[port] == nil {
				by[port] = &web.Talker{Port: port}
			}
			way.put(by[port], v.V)
		}
	}
	var out []web.Talker
	for _, t := range by {
		if t.In+t.Out > 0 {
			out = append(out, *t)
		}
	}
	slices.SortFunc(out, func(x, y web.Talker) int {
		return cmp.Or(cmp.Compare(y.In+y.Out, x.In+x.Out), cmp.Compare(x.Port, y.Port))
	})
	return out[:min(len(out), mostTalkers)], nil
}
