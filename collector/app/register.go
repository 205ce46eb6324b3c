package app

import (
	"cmp"
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/faultline/faultline/collector/effect/notify/chat"
	"github.com/faultline/faultline/collector/effect/notify/robot"
	"github.com/faultline/faultline/collector/inspection"
	"github.com/faultline/faultline/collector/metricstore"
	"github.com/faultline/faultline/collector/register"
	"github.com/faultline/faultline/collector/web"
	"github.com/faultline/faultline/internal/lang"
	"github.com/faultline/faultline/plugins/base"
	"github.com/faultline/faultline/plugins/notify"
)

// registering is what the App has for the register.
type registering struct {
	book        *register.Book
	inspections *inspection.Desk
}

// buildRegister makes the register and the inspections.
func (a *App) buildRegister(ctx context.Context) error {
	var err error
	if a.book, err = register.NewBook(register.BookOptions{Path: a.cfg.Inventory, Store: a.store, Reload: a.reload, Now: time.Now}); err != nil {
		return err
	}
	var fresh [16]byte
	_, _ = rand.Read(fresh[:]) // crypto/rand.Read never fails since Go 1.24
	salt, err := a.store.KVInit(ctx, "inspection-salt", hex.EncodeToString(fresh[:]))
	if err != nil {
		return err
	}
	began, err := a.store.KVInit(ctx, "inspections-since", time.Now().UTC().Format(time.RFC3339))
	if err != nil {
		return err
	}
	since, err := time.Parse(time.RFC3339, began)
	if err != nil {
		return fmt.Errorf("when inspections began: %w", err)
	}
	a.inspections, err = inspection.New(inspection.Options{Since: since, Store: a.store.Inspections(), List: a.checkList, Sites: a.inspected, Works: a.workdays, Query: a.measured, Salt: salt, Now: time.Now})
	return err
}

// checkList is the list in force: the daily one, else the first.
func (a *App) checkList() (inspection.List, bool) {
	all := a.rules().inspections
	if i := slices.IndexFunc(all, func(l inspection.List) bool { return l.ID == "daily" }); i >= 0 {
		return all[i], true
	}
	if len(all) == 0 {
		return inspection.List{}, false
	}
	return all[0], true
}

func (a *App) inspected() []inspection.Site {
	var out []inspection.Site
	for _, s := range a.graph().Inventory().Sites {
		name := s.Name
		if name.IsZero() {
			name = lang.Same(s.ID)
		}
		out = append(out, inspection.Site{ID: s.ID, Name: name, Zone: a.graph().Location(s.ID), Practice: s.Practice})
	}
	return out
}

// workdays says which days are worked at a site: by its own calendar, else by
// the list's.
func (a *App) workdays(site string, l inspection.List) inspection.Works {
	s, _ := a.graph().Site(site)
	id := cmp.Or(s.Calendar, l.Calendar)
	return func(at time.Time) (bool, error) {
		c, ok := a.rules().calendars.Get(id)
		if !ok {
			return false, fmt.Errorf("no calendar %q", id)
		}
		works, _, err := c.Day(at)
		return works, err
	}
}

// measuredWithin is how old a reading of an inspection may be.
const measuredWithin = 10 * time.Minute

func (a *App) measured(ctx context.Context, expr string, at time.Time) ([]inspection.Value, error) {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	vs, err := a.metrics.Instant(ctx, expr, at, measuredWithin)
	if err != nil {
		return nil, err
	}
	var out []inspection.Value
	for _, v := range vs {
		out = append(out, inspection.Value{Subject: cmp.Or(v.Labels.Get("device"), v.Labels.Get("agent")), V: v.V, At: time.UnixMilli(v.T)})
	}
	return out, nil
}

// registerPages are what the console needs of the register.
func (a *App) registerPages() *web.Register {
	return &web.Register{Book: a.book, Imports: a.store, Graph: a.graph, Expiries: func() []register.Expiry { return a.expiries(time.Now()) }}
}

// expiries are what the register says ends, and the certificates that servers
// show.
func (a *App) expiries(now time.Time) []register.Expiry {
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	vs, err := a.metrics.Instant(ctx, "min by (site, device, instance) (probe_ssl_earliest_cert_expiry)", now, time.Hour)
	if err != nil {
		a.log.Warn("read the ends of certificates", "err", err)
	}
	var found []register.Found
	for _, v := range vs {
		found = append(found, register.Found{ID: cmp.Or(v.Labels.Get("instance"), v.Labels.Get("device")), Site: v.Labels.Get("site"), End: time.Unix(int64(v.V), 0)})
	}
	return register.Expiries(a.graph(), found, now)
}

// expirySeries are the ends as series, for rules and boards: the moment of each
// in seconds since the epoch.
func (a *App) expirySeries(now time.Time) []metricstore.Series {
	var out []metricstore.Series
	for _, e := range a.expiries(now) {
		if e.Covered {
			continue
		}
		labels := map[string]string{"job": "faultline", "kind": e.Kind, "name": e.ID, "vendor": e.Vendor, "site": e.Site}
		out = append(out, metricstore.Series{Labels: base.LabelsFrom("faultline_register_end_timestamp_seconds", labels), Points: []metricstore.Point{{T: now.UnixMilli(), V: float64(e.End.Unix())}}})
	}
	return out
}

// remindEvery is how often ends and inspections are looked at.
const remindEvery = time.Minute

// remind tells people of what ends and of inspections that are late, each stage
// once, until ctx ends. It runs on the holder of the lease.
func (a *App) remind(ctx context.Context) error {
	tick := time.NewTicker(remindEvery)
	defer tick.Stop()
	for {
		if err := errors.Join(a.remindEnds(ctx, time.Now()), a.remindInspections(ctx), a.rememberWindows(ctx)); err != nil && ctx.Err() == nil {
			a.log.Warn("tell of ends and inspections", "err", err)
		}
		if _, err := a.metrics.Append(ctx, a.expirySeries(time.Now())); err != nil && ctx.Err() == nil {
			a.log.Warn("write what ends", "err", err)
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return nil
		}
	}
}

// remindEnds tells of ends between 9 and 18 o'clock of their site.
func (a *App) remindEnds(ctx context.Context, now time.Time) error {
	var errs []error
	for _, e := range a.expiries(now) {
		key, tell := e.Warn()
		if h := now.In(a.graph().Location(e.Site)).Hour(); !tell || h < 9 || h >= 18 {
			continue
		}
		errs = append(errs, a.once(ctx, memo{key: key, roles: e.Roles(), site: e.Site, text: e.Words(), path: "/register", level: robot.Minor, at: now}))
	}
	return errors.Join(errs...)
}

func (a *App) remindInspections(ctx context.Context) error {
	all, err := a.inspections.Reminders(ctx)
	errs := []error{err}
	for _, r := range all {
		text := map[string]lang.Text{
			inspection.Remind:   {ZH: r.Site.Name.ZH + " " + r.Day + " 例检尚未签署", EN: "Inspection of " + r.Site.Name.EN + " on " + r.Day + " is not signed yet"},
			inspection.Escalate: {ZH: r.Site.Name.ZH + " " + r.Day + " 例检逾期未做，请督促", EN: "Inspection of " + r.Site.Name.EN + " on " + r.Day + " is late: see to it"},
			inspection.Recorded: {ZH: r.Site.Name.ZH + " " + r.Day + " 例检漏检，已记录", EN: "Inspection of " + r.Site.Name.EN + " on " + r.Day + " was missed; this is on record"},
		}[r.Stage]
		errs = append(errs, a.once(ctx, memo{key: r.Key(), roles: r.Roles, site: r.Site.ID, text: text, path: "/inspections/" + r.Site.ID + "/" + r.Day, level: robot.Minor, at: r.At}))
	}
	return errors.Join(errs...)
}

// memo is something people are told once that belongs to no incident.
type memo struct {
	key   string
	roles []string
	site  string // "": of the whole company
	text  lang.Text
	path  string
	level string
	at    time.Time
}

// once tells a memo unless it was told before.
func (a *App) once(ctx context.Context, m memo) error {
	return a.unless(ctx, toldPrefix+m.key, func() error { return a.announce(ctx, m) })
}

// announce mails a memo to the people of its roles and says it in their groups,
// to each once, also when another cannot be told and it is tried again.
func (a *App) announce(ctx context.Context, m memo) error {
	var errs []error
	link := strings.TrimSuffix(a.cfg.ExternalURL, "/") + m.path
	mailed := map[string]bool{}
	for _, role := range m.roles {
		for _, who := range a.directory().Who(role, m.site, time.Now()) {
			p, ok := a.directory().Person(who.Person)
			if !ok || a.mails == nil || p.Email == "" || mailed[p.ID] {
				continue
			}
			mailed[p.ID] = true
			language := cmp.Or(p.Language, lang.ZH)
			errs = append(errs, a.unless(ctx, toldPrefix+m.key+"/"+p.ID, func() error {
				return a.mails.Deliver(ctx, notify.Notice{Key: m.key + "/" + p.ID, To: p.Email, Subject: m.text.In(language), Body: m.text.In(language) + "\n\n" + link, URL: link, Severity: m.level})
			}))
		}
	}
	if a.chat != nil {
		for _, r := range a.chat.Robots() {
			if !hears(r.Roles, r.Sites, m) {
				continue
			}
			words := m.text.In(cmp.Or(r.Language, lang.ZH))
			errs = append(errs, a.unless(ctx, toldPrefix+m.key+"/robot/"+r.Name, func() error {
				return a.chat.Deliver(ctx, r.Name, chat.Notice{Key: m.key, Site: a.siteWords(m.site, r.Language), Title: words, Text: words, Short: words, URL: link, Level: m.level, At: m.at})
			}))
		}
	}
	return errors.Join(errs...)
}

func hears(roles, sites []string, m memo) bool {
	return slices.ContainsFunc(roles, func(r string) bool { return slices.Contains(m.roles, r) }) && (m.site == "" || len(sites) == 0 || slices.Contains(sites, m.site))
}

func (a *App) siteWords(id, language string) string {
	s, ok := a.graph().Site(id)
	if !ok || s.Name.IsZero() {
		return id
	}
	return s.Name.In(cmp.Or(language, lang.ZH))
}
