package app

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/faultline/faultline/collector/engine"
	"github.com/faultline/faultline/collector/people"
	"github.com/faultline/faultline/collector/report"
	"github.com/faultline/faultline/collector/web"
	"github.com/faultline/faultline/internal/lang"
)

const (
	dailyPrefix = "daily/report/"
	dailyLast   = "daily/last" // RFC 3339: the newest report that was made and handed on
	// dailyKeep is how long reports stay.
	dailyKeep = 400 * 24 * time.Hour
	// dailyBack is how many reports are made up for after downtime.
	dailyBack = 3
)

// daily makes the technical report of each day, on the holder of the lease.
type daily struct {
	a            *App
	hour, minute int
	zone         *time.Location

	mu   sync.Mutex // guards the fields below
	last time.Time  // newest report known to be handed on; zero: not read yet
}

// newDaily reads when the report is due; nil without an hour.
func newDaily(a *App) (*daily, error) {
	c := a.cfg.Daily
	if c.At == "" {
		return nil, nil
	}
	zone, err := time.LoadLocation(c.Zone)
	if err != nil {
		return nil, fmt.Errorf("daily.zone: %w", err)
	}
	at, err := time.Parse("15:04", c.At)
	if err != nil {
		return nil, fmt.Errorf("daily.at: %w", err)
	}
	return &daily{a: a, hour: at.Hour(), minute: at.Minute(), zone: zone}, nil
}

// Due makes and hands on the reports that are due by now and were not yet, also
// those that fell into a downtime, at most dailyBack of them. A report that
// exists is handed on as it is: nobody is told twice, since messages have keys.
func (d *daily) Due(ctx context.Context, now time.Time) error {
	if d == nil {
		return nil
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	due := report.LastDue(now, d.hour, d.minute, d.zone)
	if !d.last.Before(due) {
		return nil
	}
	text, err := d.a.store.KVGet(ctx, dailyLast)
	switch {
	case errors.Is(err, engine.ErrNotFound): // the first start: the first report is that of the next hour
		text = due.UTC().Format(time.RFC3339)
		if err := d.a.store.KVPut(ctx, dailyLast, text); err != nil {
			return err
		}
	case err != nil:
		return err
	}
	if d.last, err = time.Parse(time.RFC3339, text); err != nil {
		return fmt.Errorf("%s: %w", dailyLast, err)
	}
	from := due.AddDate(0, 0, -dailyBack)
	for at := report.NextDue(d.last, d.hour, d.minute, d.zone); !at.After(due); at = report.NextDue(at, d.hour, d.minute, d.zone) {
		if !at.After(from) {
			continue
		}
		if err := d.hand(ctx, at, now); err != nil {
			return fmt.Errorf("daily report of %s: %w", at.Format(time.DateOnly), err)
		}
		if err := d.a.store.KVPut(ctx, dailyLast, at.UTC().Format(time.RFC3339)); err != nil {
			return err
		}
		d.last = at
	}
	d.last = due
	return d.prune(ctx, now)
}

// hand makes the report unless it exists, and plans its messages.
func (d *daily) hand(ctx context.Context, at, now time.Time) error {
	made, err := d.make(ctx, at, now)
	if err != nil {
		return err
	}
	body, err := json.Marshal(made)
	if err != nil {
		return err
	}
	kept, err := d.a.store.KVInit(ctx, dailyPrefix+made.Day, string(body))
	if err != nil {
		return err
	}
	if err := json.Unmarshal([]byte(kept), &made); err != nil {
		return err
	}
	h := people.Happening{ID: "daily/" + made.Day, Event: "daily", Priority: 3, At: now.UTC()}
	for _, l := range []struct {
		language               string
		title, text, formatted *string
	}{{lang.ZH, &h.Title.ZH, &h.Text.ZH, &h.HTML.ZH}, {lang.EN, &h.Title.EN, &h.Text.EN, &h.HTML.EN}} {
		v := made.View(l.language, nil, d.a.incidentURL)
		if *l.formatted, err = v.HTML(); err != nil {
			return err
		}
		*l.title, *l.text = v.Subject(), v.Plain()
	}
	return d.a.post.Send(ctx, h, d.readers(now))
}

// readers are the people of the configured roles who see all sites.
func (d *daily) readers(now time.Time) []people.Told {
	return d.a.readersOf(d.a.cfg.Daily.Roles, lang.Text{ZH: "技术日报的读者", EN: "you read the daily report"}, now)
}

// make reads what the report is made of. Open incidents are taken as they are
// now: a report that is made up for says so by its MadeAt.
func (d *daily) make(ctx context.Context, at, now time.Time) (report.Daily, error) {
	from := report.LastDue(at.Add(-time.Second), d.hour, d.minute, d.zone)
	list, err := d.a.store.OpenIncidents(ctx)
	if err != nil {
		return report.Daily{}, err
	}
	closed, err := d.a.store.ClosedSince(ctx, from)
	if err != nil {
		return report.Daily{}, err
	}
	lines, errLines := d.lines(ctx, from, at)
	if errLines != nil {
		d.a.log.Warn("daily report: availability of lines", "err", errLines)
	}
	return report.MakeDaily(report.DailyInput{From: from, To: at, Now: now, Zone: d.zone, Incidents: append(list, closed...), Lines: lines, NoMeasure: errLines != nil,
		SiteName: func(id string) lang.Text {
			if s, ok := d.a.graph().Site(id); ok && !s.Name.IsZero() {
				return s.Name
			}
			return lang.Same(id)
		}}), nil
}

// lines measures how much of the time each line carried: minutes in which some
// test from either end was answered.
func (d *daily) lines(ctx context.Context, from, to time.Time) ([]report.DailyLine, error) {
	expr := `avg_over_time((min by (device) (faultline_probe_loss_ratio{role="line"}) < bool 1)[` + strconv.Itoa(int(to.Sub(from).Seconds())) + `s:1m])`
	found, err := d.a.metrics.Instant(ctx, expr, to, 0)
	share := map[string]float64{}
	for _, v := range found {
		share[v.Labels.Get("device")] = v.V
	}
	var out []report.DailyLine
	for _, l := range d.a.graph().Inventory().Lines {
		if s, ok := d.a.graph().Site(l.Site); ok && s.Practice && !d.a.cfg.Daily.Practice {
			continue
		}
		x := report.DailyLine{ID: l.ID, Name: l.Name, Site: l.Site}
		if x.Name.IsZero() {
			x.Name = lang.Same(l.ID)
		}
		v, ok := share[l.ID]
		x.Available, x.Unknown = v, !ok
		out = append(out, x)
	}
	return out, err
}

// prune deletes reports older than dailyKeep.
func (d *daily) prune(ctx context.Context, now time.Time) error {
	all, err := d.a.store.KVList(ctx, dailyPrefix)
	if err != nil {
		return err
	}
	var old []string
	for name := range all {
		if day, err := time.Parse(time.DateOnly, strings.TrimPrefix(name, dailyPrefix)); err != nil || now.Sub(day) > dailyKeep {
			old = append(old, name)
		}
	}
	if len(old) == 0 {
		return nil
	}
	return d.a.store.KVDelete(ctx, old...)
}

// dailyPages are the reports for the console; nil when none are made.
func (a *App) dailyPages() web.Dailies {
	if a.daily == nil {
		return nil
	}
	return dailies{a}
}

// dailies are the reports as the console shows them.
type dailies struct{ a *App }

// Days returns the days that have a report, newest first.
func (x dailies) Days(ctx context.Context) ([]string, error) {
	all, err := x.a.store.KVList(ctx, dailyPrefix)
	var days []string
	for name := range all {
		days = append(days, strings.TrimPrefix(name, dailyPrefix))
	}
	slices.Sort(days)
	slices.Reverse(days)
	return days, err
}

// Report returns one day's, or engine.ErrNotFound.
func (x dailies) Report(ctx context.Context, day string) (report.Daily, error) {
	var d report.Daily
	text, err := x.a.store.KVGet(ctx, dailyPrefix+day)
	if err != nil {
		return d, err
	}
	return d, json.Unmarshal([]byte(text), &d)
}
