package app

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"time"

	"github.com/faultline/faultline/collector/account"
	"github.com/faultline/faultline/collector/alert"
	"github.com/faultline/faultline/collector/alertmanager"
	"github.com/faultline/faultline/collector/incident"
	"github.com/faultline/faultline/collector/intake"
	"github.com/faultline/faultline/collector/pagerduty"
)

// openIntake reads the alerts of other systems.
func (a *App) openIntake(ctx context.Context) error {
	var err error
	a.outside, err = intake.Open(ctx, intake.Options{Store: a.store, Place: a.place, Turned: a.wakeJudge, Now: time.Now, Logger: a.log, Registerer: a.reg})
	a.silences = alertmanager.Stored{KV: a.store}
	return err
}

// place finds what another system's labels are about: by the name of a device or
// line, or by the address in instance.
func (a *App) place(labels map[string]string) (site, device string) {
	g := a.graph()
	site = labels[alert.LabelSite]
	for _, k := range []string{alert.LabelDevice, "line", "instance", "source", "nodename"} {
		id := labels[k]
		if host, _, err := net.SplitHostPort(id); err == nil {
			id = host
		}
		if id == "" {
			continue
		}
		if s := g.SiteOf(id); s != "" {
			return s, id
		}
		if d, ok := g.DeviceAt(site, id); ok {
			return d.Site, d.ID
		}
	}
	return site, labels[alert.LabelDevice]
}

// firing adds what other systems say to what our rules found, less what is
// silenced and belongs to no incident yet.
func (a *App) firing(ctx context.Context, own []alert.Alert, now time.Time) ([]alert.Alert, error) {
	all := append(own, a.outside.Firing()...)
	silences, err := a.silences.Silences(ctx)
	if err != nil {
		return nil, fmt.Errorf("silences: %w", err)
	}
	if len(silences) == 0 {
		return all, nil
	}
	owned := map[string]bool{}
	for _, i := range a.openIncidents(ctx) {
		for n := range i.Alerts {
			owned[i.Alerts[n].Fingerprint] = true
		}
	}
	kept, _ := alertmanager.Mute(all, silences, func(fp string) bool { return owned[fp] }, now)
	return kept, nil
}

// alertmanagerAPI is /alertmanager/, pagerDutyAPI the events of PagerDuty.
func (a *App) alertmanagerAPI() (*alertmanager.Handler, error) {
	return alertmanager.New(alertmanager.Options{Intake: a.outside, Silences: a.silences, Alerts: a.allAlerts, Changed: a.wakeJudge, Version: a.ver,
		Now: time.Now, Logger: a.log, Registerer: a.reg})
}

// allAlerts are other systems' and our own.
func (a *App) allAlerts(context.Context) ([]intake.Alert, error) {
	all := a.outside.Alerts()
	for _, own := range a.ruler.AlertsAPI().Alerts {
		if own.State != string(alert.Firing) || own.ActiveAt == nil {
			continue
		}
		all = append(all, intake.Alert{Fingerprint: alert.Fingerprint(own.Labels), Source: "rules", Labels: own.Labels, Annotations: own.Annotations,
			URL: a.cfg.ExternalURL, StartsAt: *own.ActiveAt, UpdatedAt: time.Now().UTC()})
	}
	return all, nil
}

func (a *App) pagerDutyAPI() (http.Handler, error) {
	return pagerduty.New(pagerduty.Options{Board: a.outside, Acknowledged: a.acknowledged, Now: time.Now, Logger: a.log, Registerer: a.reg,
		Authenticate: func(ctx context.Context, key string) (pagerduty.Sender, error) {
			p, err := a.accounts.Authenticate(ctx, key)
			switch {
			case errors.Is(err, account.ErrCredentials), err == nil && !p.MayAct():
				return pagerduty.Sender{}, pagerduty.ErrKey
			}
			return pagerduty.Sender{Name: p.Name, Sites: p.Sites}, err
		}})
}

// acknowledged acknowledges the incident that owns the alert.
func (a *App) acknowledged(ctx context.Context, x intake.Alert) error {
	for _, i := range a.openIncidents(ctx) {
		for _, ref := range i.Alerts {
			if ref.Fingerprint == x.Fingerprint && !i.Acked {
				e := incident.Event{ID: "pagerduty/" + i.ID + "/" + x.Fingerprint, IncidentID: i.ID, At: time.Now().UTC(), Kind: incident.Acked,
					Actor: incident.Actor{Kind: account.KindProgram, ID: x.Sender, Name: x.Sender, Role: i.StepRole}}
				if err := refusal(a.engine.Handle(ctx, e)); err != nil {
					a.log.Warn("acknowledgement of another system not taken", "number", i.Number, "err", err)
				}
			}
		}
	}
	return nil
}
