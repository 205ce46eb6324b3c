package app

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"slices"
	"time"

	"github.com/faultline/faultline/collector/api"
	"github.com/faultline/faultline/collector/config"
	"github.com/faultline/faultline/collector/engine"
	"github.com/faultline/faultline/collector/incident"
	"github.com/faultline/faultline/collector/inventory"
	"github.com/faultline/faultline/collector/process"
	"github.com/faultline/faultline/collector/sla"
	"github.com/faultline/faultline/rules"
)

// calendarsPrefix begins the names under which versions of the calendars are
// kept: its time in microseconds follows, and the version.
const calendarsPrefix = "calendars/"

// keptCalendars is a version of the calendars as it is stored, for ever:
// incidents that counted by it are explained by it.
type keptCalendars struct {
	At      time.Time         `json:"at"`
	By      string            `json:"by"`
	Version string            `json:"version"`
	Files   map[string]string `json:"files"`
}

// keptHistory reads all versions that were ever in force.
func (a *App) keptHistory(ctx context.Context) (sla.History, error) {
	kept, err := a.store.KVList(ctx, calendarsPrefix)
	if err != nil {
		return sla.History{}, err
	}
	var h sla.History
	for _, name := range slices.Sorted(maps.Keys(kept)) {
		var k keptCalendars
		err := json.Unmarshal([]byte(kept[name]), &k)
		var cals *sla.Calendars
		if err == nil {
			cals, err = sla.Restore(k.Files)
		}
		if err == nil && cals.Version() != k.Version {
			err = fmt.Errorf("its files make version %s", cals.Version())
		}
		if err != nil {
			// Clocks that counted by it are shown as unknown, with its name.
			a.log.Error("a version of the calendars that is kept cannot be read", "name", name, "err", err)
			continue
		}
		h = h.Publish(sla.Published{At: k.At, By: k.By, Calendars: cals})
	}
	return h, nil
}

// publishCalendars puts the calendars in force, keeps their files under their
// version, and returns the history with them.
func (a *App) publishCalendars(ctx context.Context, cals *sla.Calendars, by string) (sla.History, error) {
	h, err := a.keptHistory(ctx)
	if err != nil {
		return h, err
	}
	if newest, ok := h.Newest(); ok && newest.Calendars.Version() == cals.Version() {
		return h, nil
	}
	k := keptCalendars{At: time.Now().UTC(), By: by, Version: cals.Version(), Files: cals.Files()}
	b, err := json.Marshal(k)
	if err != nil {
		return h, err
	}
	if err := a.store.KVPut(ctx, fmt.Sprintf("%s%016d/%s", calendarsPrefix, k.At.UnixMicro(), k.Version), string(b)); err != nil {
		return h, err
	}
	return h.Publish(sla.Published{At: k.At, By: by, Calendars: cals}), nil
}

// recount brings open incidents to the calendars in force. It is called when
// the lease is gained and after another reading of the rules.
func (a *App) recount(ctx context.Context) {
	h, err := a.publishCalendars(ctx, a.rules().calendars, "start")
	if err == nil {
		a.engine.Publish(h)
		var n int
		if n, err = a.engine.Recount(ctx); n > 0 {
			a.log.Info("clocks counted by the calendars in force", "incidents", n, "version", a.rules().calendars.Version())
		}
	}
	if err != nil && ctx.Err() == nil && !errors.Is(err, engine.ErrFenced) {
		a.log.Error("bring clocks to the calendars in force", "err", err)
	}
}

// clocksNow are the incident's clocks as they stand, with why each is due when
// it is.
func (a *App) clocksNow(i incident.Incident) []api.ClockDetail {
	var out []api.ClockDetail
	for _, r := range a.engine.Clocks(i) {
		d := api.ClockDetail{Clock: r.Clock, Started: r.State.Started, Late: r.State.Late, Allowed: r.State.Work, Outside: r.State.Outside, Why: r.Why}
		for _, w := range r.State.Warnings {
			if !w.At.IsZero() {
				d.Warnings = append(d.Warnings, w.At)
			}
		}
		if r.State.Restated != nil {
			d.Restated = r.State.Restated.Due
		}
		out = append(out, d)
	}
	return out
}

// promise is what the contract with the vendor of the kind says about the root.
func (a *App) promise(kind string, d incident.Diagnosis) process.Promise {
	repair, calendar := a.graph().PromisedFor(d.Device, kind, time.Now())
	return process.Promise{Repair: repair, Calendar: calendar}
}

// checkCalendarsOf finds calendars and contractual times of the inventory that
// cannot be counted.
func checkCalendarsOf(inv *inventory.Inventory, cals *sla.Calendars) error {
	var faults []error
	for _, s := range inv.Sites {
		if _, ok := cals.Get(s.Calendar); s.Calendar != "" && !ok {
			faults = append(faults, fmt.Errorf("inventory: site %s: no calendar %q under rules/calendars: use one of %v", s.ID, s.Calendar, cals.IDs()))
		}
	}
	repair := func(what, span string) {
		if _, err := sla.ParseSpan(span); span != "" && err != nil {
			faults = append(faults, fmt.Errorf("inventory: %s: repair: %w", what, err))
		}
	}
	for _, c := range inv.Contracts {
		repair("contract "+c.ID, c.Repair)
	}
	for _, l := range inv.Lines {
		repair("line "+l.ID, l.Repair)
	}
	return errors.Join(faults...)
}

// Calendars reads the calendars as the collector would at its start.
func Calendars(cfg config.Config) (*sla.Calendars, error) {
	sub, err := fs.Sub(rulesFS(rules.FS(), cfg.Rules), "calendars")
	if err != nil {
		return nil, err
	}
	return sla.Load(sub)
}
