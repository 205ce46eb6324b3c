package app

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"slices"
	"time"

	"github.com/faultline/faultline/collector/account"
	"github.com/faultline/faultline/collector/config"
	"github.com/faultline/faultline/collector/sqlstore"
	"github.com/faultline/faultline/collector/trail"
)

// sealsPrefix begins the names under which the daily heads are kept.
const sealsPrefix = "seal/"

// auditMost bounds how many entries of people's audit are read at once: more
// than a large company writes between two seals.
const auditMost = 1 << 20

// fence tells whether this collector holds the lease at this moment.
func (a *App) fence(ctx context.Context) error { return a.lease.Fence(ctx) }

// seals reads the daily heads, oldest first.
func seals(ctx context.Context, s *sqlstore.Store) ([]trail.Seal, error) {
	kept, err := s.KVList(ctx, sealsPrefix)
	if err != nil {
		return nil, err
	}
	var out []trail.Seal
	for _, name := range slices.Sorted(maps.Keys(kept)) {
		var x trail.Seal
		if err := json.Unmarshal([]byte(kept[name]), &x); err != nil {
			return nil, fmt.Errorf("read %s: %w", name, err)
		}
		out = append(out, x)
	}
	return out, nil
}

// sealDays makes the head of each day that has ended, once an hour, until ctx ends.
func (a *App) sealDays(ctx context.Context) {
	tick := time.NewTicker(time.Hour)
	defer tick.Stop()
	for {
		if err := sealDay(ctx, a.store, time.Now()); err != nil && ctx.Err() == nil {
			a.log.Error("seal the day's log", "err", err)
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
	}
}

// sealDay makes the head of the day before now unless there is one.
func sealDay(ctx context.Context, s *sqlstore.Store, now time.Time) error {
	day := now.UTC().AddDate(0, 0, -1).Format(time.DateOnly)
	made, err := seals(ctx, s)
	if err != nil || len(made) > 0 && made[len(made)-1].Day >= day {
		return err
	}
	incidents, _, err := s.Incidents(ctx, sqlstore.Query{})
	if err != nil {
		return err
	}
	var chains []trail.Link
	for _, i := range incidents {
		chains = append(chains, trail.Link{IncidentID: i.ID, Seq: i.Version, Hash: i.LastHash})
	}
	entries, err := auditEntries(ctx, s)
	if err != nil {
		return err
	}
	b, err := json.Marshal(trail.Next(day, now, made, chains, entries))
	if err != nil {
		return err
	}
	_, err = s.KVInit(ctx, sealsPrefix+day, string(b)) // the first to seal a day has sealed it
	return err
}

// auditEntries are people's acts, oldest first.
func auditEntries(ctx context.Context, s *sqlstore.Store) ([]account.AuditEntry, error) {
	entries, err := s.AuditEntries(ctx, auditMost)
	slices.Reverse(entries)
	return entries, err
}

// Export writes the log of all incidents as the filter shows it, people's audit
// and the daily heads.
func Export(ctx context.Context, s *sqlstore.Store, out io.Writer, f trail.Filter) (shown int, err error) {
	w := trail.NewWriter(out, f)
	incidents, _, err := s.Incidents(ctx, sqlstore.Query{})
	if err != nil {
		return 0, err
	}
	for _, i := range slices.Backward(incidents) {
		events, err := s.Events(ctx, i.ID)
		if err == nil {
			err = w.Incident(events)
		}
		if err != nil {
			return 0, err
		}
	}
	entries, err := auditEntries(ctx, s)
	if err == nil {
		err = w.Audit(entries)
	}
	if err != nil {
		return 0, err
	}
	made, err := seals(ctx, s)
	if err == nil {
		err = w.Seals(made)
	}
	if err != nil {
		return 0, err
	}
	return w.Close()
}

// exportTrail answers GET /api/v1/trail?role=&from=&to=&q=, for those who see
// all sites; that it was exported is in the audit.
func (a *App) exportTrail(w http.ResponseWriter, r *http.Request) error {
	v := r.URL.Query()
	f := trail.Filter{Role: v.Get("role"), Keyword: v.Get("q")}
	for name, at := range map[string]*time.Time{"from": &f.From, "to": &f.To} {
		var err error
		if v.Get(name) == "" {
			continue
		}
		if *at, err = time.Parse(time.RFC3339, v.Get(name)); err != nil {
			return invalidQuery(name+" 不是时间", name+" is not a time", name+"=2026-11-22T00:00:00Z")
		}
	}
	p, _ := account.From(r.Context())
	if err := a.accounts.Record(r.Context(), account.AuditEntry{Actor: p.Name, Action: "trail_export", Detail: r.URL.RawQuery, Remote: account.Remote(r)}); err != nil {
		return fmt.Errorf("export the log: enter it in the audit: %w", err)
	}
	w.Header().Set("Content-Type", "application/x-ndjson")
	w.Header().Set("Content-Disposition", `attachment; filename="faultline-trail.ndjson"`)
	w.Header().Set("Cache-Control", "no-store")
	if _, err := Export(r.Context(), a.store, w, f); err != nil {
		a.log.Error("export the log", "err", err) // the file has no last line, which verify says
	}
	return nil
}

// ExportFile writes the log of the configured database.
func ExportFile(ctx context.Context, cfg config.Config, out io.Writer, f trail.Filter) (shown int, err error) {
	err = withStore(ctx, cfg, func(s *sqlstore.Store) error {
		shown, err = Export(ctx, s, out, f)
		return err
	})
	return shown, err
}
