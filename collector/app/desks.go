package app

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"time"

	"github.com/faultline/faultline/collector/config"
	"github.com/faultline/faultline/collector/effect/ticket/desk/pagerduty"
	"github.com/faultline/faultline/collector/effect/ticket/desk/webhook"
	"github.com/faultline/faultline/collector/effect/ticket/follow"
	"github.com/faultline/faultline/collector/engine"
	"github.com/faultline/faultline/internal/secret"
	"github.com/faultline/faultline/plugins/bundled/itop"
	"github.com/faultline/faultline/plugins/bundled/jira"
	"github.com/faultline/faultline/plugins/bundled/servicedeskplus"
	"github.com/faultline/faultline/plugins/desk"
	"github.com/faultline/faultline/plugins/host"
	"github.com/faultline/faultline/plugins/host/spec"
	"github.com/faultline/faultline/plugins/ticket"
)

// buildDesks makes the service desks and plugins of the configuration, and what
// follows them.
func (a *App) buildDesks() ([]ticket.Desk, error) {
	var all []ticket.Desk
	var followed []follow.Desk
	for _, c := range a.cfg.Desks {
		remote, receive, err := remoteOf(c)
		if err != nil {
			return nil, fmt.Errorf("desks %s: %w", c.Name, err)
		}
		d, err := desk.New(desk.Options{Name: c.Name, Remote: remote, Book: desk.Kept{KV: a.store, NotFound: engine.ErrNotFound}, Lag: c.Lag})
		if err != nil {
			return nil, fmt.Errorf("desks %s: %w", c.Name, err)
		}
		f := follow.Desk{Name: c.Name, Receive: receive, Every: c.Poll}
		if _, ok := remote.(desk.Follower); ok {
			f.Follower = d
		}
		all, followed = append(all, d), append(followed, f)
	}
	if len(a.cfg.Plugins) > 0 {
		var err error
		if a.vendors.plugins, err = host.New(host.Options{Plugins: a.cfg.Plugins, Dir: filepath.Join(a.cfg.Data, "plugins"), Logger: a.log}); err != nil {
			return nil, err
		}
		for _, p := range a.cfg.Plugins {
			d, ok := a.vendors.plugins.Desk(p.Name)
			if !ok {
				continue
			}
			f := follow.Desk{Name: p.Name}
			f.Follower, _ = d.(ticket.Follower)
			all, followed = append(all, d), append(followed, f)
		}
	}
	if len(followed) == 0 {
		return nil, nil
	}
	var err error
	a.vendors.follow, err = follow.New(follow.Options{Desks: followed, KV: a.store, Incident: a.store.Incident, Recent: recentIncidents{a.store}.Recent,
		NotFound: engine.ErrNotFound, Handle: a.engine.Handle, Now: time.Now, Logger: a.log, Registerer: a.reg})
	return all, err
}

// remoteOf is the system a desk's settings speak of, and how it calls us.
func remoteOf(c config.Desk) (desk.Remote, follow.Receiver, error) {
	switch {
	case c.Jira != nil:
		x := c.Jira
		r, err := jira.New(jira.Options{URL: x.URL, User: x.User, Token: x.Token.Reveal(), Project: x.Project, IssueType: x.IssueType, Version: x.Version,
			Priorities: x.Priorities, CloseTransition: x.CloseTransition, Statuses: x.Statuses, HTTP: leasedClient()})
		return r, nil, err
	case c.ITop != nil:
		x := c.ITop
		r, err := itop.New(itop.Options{URL: x.URL, User: x.User, Password: x.Password.Reveal(), Organization: x.Organization, Caller: x.Caller, Class: x.Class,
			Fields: x.Fields, Stimulus: x.Stimulus, Statuses: x.Statuses, HTTP: leasedClient()})
		return r, nil, err
	case c.ServiceDeskPlus != nil:
		x := c.ServiceDeskPlus
		r, err := servicedeskplus.New(servicedeskplus.Options{URL: x.URL, Key: x.Key.Reveal(), Cloud: x.Cloud, Requester: x.Requester, KeyField: x.KeyField,
			Priorities: x.Priorities, Closes: x.Closes, Statuses: x.Statuses, HTTP: leasedClient()})
		return r, nil, err
	case c.PagerDuty != nil:
		x := c.PagerDuty
		r, err := pagerduty.New(pagerduty.Options{URL: x.URL, Path: x.Path, RoutingKey: x.RoutingKey.Reveal(), Secrets: revealed(x.Secrets), HTTP: leasedClient()})
		if err != nil || len(x.Secrets) == 0 {
			return r, nil, err
		}
		return r, follow.FromPagerDuty(r), nil
	case c.Webhook != nil:
		x := c.Webhook
		r, err := webhook.New(webhook.Options{URL: x.URL, Search: x.Search, Keys: revealed(x.Keys), HTTP: leasedClient()})
		if err != nil {
			return nil, nil, err
		}
		return r, follow.FromWebhook(r), nil
	}
	return nil, nil, errors.New("nothing says what it is")
}

func revealed(keys []secret.String) []string {
	var out []string
	for _, k := range keys {
		out = append(out, k.Reveal())
	}
	return out
}

// runPlugins keeps the plugins running until ctx ends.
func (a *App) runPlugins(ctx context.Context) error {
	if a.vendors.plugins == nil {
		return nil
	}
	if err := a.vendors.plugins.Run(ctx); err != nil && ctx.Err() == nil {
		return fmt.Errorf("plugins: %w", err)
	}
	return nil
}

// channelPlugin is the plugin that tells our own people, where there is one.
func (a *App) channelPlugin() string {
	for _, p := range a.cfg.Plugins {
		if p.Contract == spec.Notify {
			return p.Name
		}
	}
	return ""
}
