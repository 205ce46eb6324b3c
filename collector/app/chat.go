package app

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/faultline/faultline/collector/account"
	"github.com/faultline/faultline/collector/api"
	"github.com/faultline/faultline/collector/effect/notify/callback"
	"github.com/faultline/faultline/collector/effect/notify/chat"
	"github.com/faultline/faultline/collector/effect/notify/hooks"
	"github.com/faultline/faultline/collector/effect/notify/robot"
	"github.com/faultline/faultline/collector/incident"
	"github.com/faultline/faultline/collector/sqlstore"
	"github.com/faultline/faultline/internal/lang"
	"github.com/faultline/faultline/plugins/notify"
)

// buildChat makes robots, the key of buttons, and webhooks about incidents.
func (a *App) buildChat(ctx context.Context) error {
	var fresh [32]byte
	_, _ = rand.Read(fresh[:]) // crypto/rand.Read never fails since Go 1.24
	kept, err := a.store.KVInit(ctx, "chat-button-key", hex.EncodeToString(fresh[:]))
	if err != nil {
		return err
	}
	a.buttonKey = []byte(kept)
	if len(a.cfg.Chat.Robots) > 0 {
		a.chat, err = chat.New(chat.Options{Robots: a.cfg.Chat.Robots, Store: a.store, Alarm: a.muted, Fallback: a.notSaid, Fence: a.fence,
			List: strings.TrimSuffix(a.cfg.ExternalURL, "/") + "/", Now: time.Now, Logger: a.log, Registerer: a.reg})
		if err != nil {
			return err
		}
	}
	if len(a.cfg.Webhooks) > 0 {
		a.hooks, err = hooks.New(hooks.Options{Subscribers: a.cfg.Webhooks, Source: recentIncidents{a.store}, Store: a.store, URL: a.incidentURL, Now: time.Now, Logger: a.log, Registerer: a.reg})
	}
	return err
}

// recentIncidents is the store as hooks reads it.
type recentIncidents struct{ *sqlstore.Store }

// Recent returns open incidents and those closed within 48 hours.
func (r recentIncidents) Recent(ctx context.Context) ([]incident.Incident, error) {
	open, err := r.OpenIncidents(ctx)
	if err != nil {
		return nil, err
	}
	since := time.Now().Add(-48 * time.Hour)
	closed, _, err := r.Incidents(ctx, sqlstore.Query{States: []string{incident.StateClosed}, Limit: 1000})
	return append(open, slices.DeleteFunc(closed, func(i incident.Incident) bool { return i.ClosedAt.Before(since) })...), err
}

// speak runs robots, webhooks and what comes back from vendors on the holder of the lease.
func (a *App) speak(ctx context.Context) error {
	var g errgroup.Group
	g.Go(func() error { return a.remind(ctx) })
	if a.chat != nil {
		g.Go(func() error { return a.chat.Run(ctx) })
	}
	if a.hooks != nil {
		g.Go(func() error { return a.hooks.Run(ctx) })
	}
	g.Go(func() error { return a.hear(ctx) })
	return g.Wait()
}

// muted mails the alarm of a robot to the people of its roles.
func (a *App) muted(ctx context.Context, x chat.Alarm) error {
	a.log.Error("robot takes no messages", "robot", x.Robot, "problem", x.Problem, "waiting", x.Waiting, "over", x.Until.IsZero())
	return a.mailRoles(ctx, "chat-alarm/"+x.Robot+"/"+x.Since.UTC().Format(time.RFC3339)+fmt.Sprint(x.Until.IsZero()), x.Robot, x.Text, "")
}

// notSaid mails what a robot would not say.
func (a *App) notSaid(ctx context.Context, u chat.Undelivered) error {
	var lines []string
	for _, n := range u.Notices {
		lines = append(lines, n.Title+" "+n.URL)
	}
	text := lang.Text{ZH: fmt.Sprintf("机器人“%s”未能发送 %d 条通知：%s", u.Robot, len(lines), u.Problem), EN: fmt.Sprintf("The robot %q did not deliver %d notices: %s", u.Robot, len(lines), u.Problem)}
	return a.mailRoles(ctx, "chat-fallback/"+u.Notices[0].Key, u.Robot, text, strings.Join(lines, "\n"))
}

// mailRoles mails to the people of a robot's roles; without a mail server the log has it.
func (a *App) mailRoles(ctx context.Context, key, robotName string, text lang.Text, more string) error {
	at := slices.IndexFunc(a.cfg.Chat.Robots, func(r robot.Settings) bool { return r.Name == robotName })
	if a.mails == nil || at < 0 {
		return nil
	}
	var errs []error
	for _, p := range a.graph().Inventory().People {
		if p.Email != "" && slices.ContainsFunc(p.Roles, func(r string) bool { return slices.Contains(a.cfg.Chat.Robots[at].Roles, r) }) {
			language := p.Language
			if language == "" {
				language = lang.ZH
			}
			errs = append(errs, a.mails.Deliver(ctx, notify.Notice{Key: key + "/" + p.ID, To: p.Email, Subject: text.In(language), Body: text.In(language) + "\n\n" + more, Severity: robot.Critical}))
		}
	}
	return errors.Join(errs...)
}

// buttons are what people may do now, for apps.
func (a *App) buttons(i incident.Incident, roles []string, language string) []robot.Button {
	var out []robot.Button
	for _, o := range a.offers(i, roles) {
		if o.Kind == callback.Ack || o.Kind == callback.Approve {
			b := callback.Button{Incident: i.ID, Step: i.Step, Action: o.Kind, Expires: time.Now().Add(7 * 24 * time.Hour)}
			out = append(out, robot.Button{Text: o.Title.In(language), Value: b.Seal(a.buttonKey)})
		}
	}
	return out
}

// chatCallbacks takes answers from chat apps.
func (a *App) chatCallbacks() (http.Handler, error) {
	return callback.New(callback.Options{Apps: a.cfg.Chat.Apps, Key: a.buttonKey, Act: a.pressed, Now: time.Now, Logger: a.log, Registerer: a.reg})
}

// pressed does what a person asked for in a chat app, with the person's rights.
func (a *App) pressed(ctx context.Context, p callback.Press) (lang.Text, error) {
	deny := func(zh, en string) error { return &callback.Refused{Text: lang.Text{ZH: zh, EN: en}} }
	u, err := a.accounts.User(ctx, a.cfg.Chat.Users[p.App+":"+p.User])
	if errors.Is(err, account.ErrCredentials) {
		return lang.Text{}, deny("您的聊天账号没有关联系统账号（"+p.User+"），请联系管理员", "your chat account ("+p.User+") is not linked to an account here: ask an administrator")
	} else if err != nil {
		return lang.Text{}, err
	}
	who := account.PrincipalOf(u)
	var i incident.Incident
	for _, x := range a.openIncidents(ctx) {
		if (p.Incident != "" && x.ID == p.Incident || p.Number != "" && x.Number == p.Number) && who.Sees(x.Diagnosis.Site) {
			i = *x
		}
	}
	if i.ID == "" || p.Step != "" && p.Step != i.Step {
		return lang.Text{}, deny("故障单已变化或不存在，请打开故障单查看", "the incident has moved on or does not exist: open it")
	}
	err = api.Gate{Accounts: a.accounts, Engine: actor{a}, Offers: a.offers, Now: time.Now}.Act(ctx, who, i, api.Action{ID: p.ID, Kind: p.Action, Comment: p.Comment}, "chat:"+p.App)
	var refused *api.Refusal
	if errors.As(err, &refused) {
		return lang.Text{}, &callback.Refused{Text: refused.Text}
	}
	return lang.Text{ZH: "已处理：" + i.Number, EN: "Done: " + i.Number}, err
}
