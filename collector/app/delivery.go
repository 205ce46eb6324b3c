package app

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"strings"
	"time"

	"github.com/faultline/faultline/collector/effect/ask"
	"github.com/faultline/faultline/collector/effect/notify"
	"github.com/faultline/faultline/collector/effect/report"
	"github.com/faultline/faultline/collector/effect/ticket"
	"github.com/faultline/faultline/collector/effect/ticket/mail"
	"github.com/faultline/faultline/collector/effect/ticket/webhook"
	"github.com/faultline/faultline/collector/effect/verify"
	"github.com/faultline/faultline/collector/incident"
	"github.com/faultline/faultline/collector/outbox"
	"github.com/faultline/faultline/collector/process"
	"github.com/faultline/faultline/collector/web"
)

// buildDelivery makes the executors of effects and the outbox.
func (a *App) buildDelivery(ctx context.Context) error {
	var err error
	if a.hub, err = web.NewHub(500, a.reg); err != nil {
		return err
	}
	if err := a.openDrills(); err != nil {
		return err
	}
	executors := map[string]outbox.Executor{}
	if err := a.buildChat(ctx); err != nil {
		return err
	}
	if err := a.addMessengers(ctx, executors); err != nil {
		return err
	}
	if executors[incident.EffectVerify], err = verify.New(verify.Options{Querier: a.metrics, Lookback: 3*a.pollInterval() + 5*time.Second,
		Zone: func(site string) *time.Location { return a.graph().Location(site) }}); err != nil {
		return err
	}
	if executors[incident.EffectReport], err = report.New(a.store); err != nil {
		return err
	}
	if executors[incident.EffectAsk], err = ask.New(func(_ context.Context, device string, ttl time.Duration) (map[string]string, error) {
		return a.desk.AskAbout(device, ttl), nil
	}); err != nil {
		return err
	}
	if executors[process.EffectDocument], err = a.drafting(); err != nil {
		return err
	}
	if err := a.addRemedies(executors); err != nil {
		return err
	}
	if executors, err = a.drillWays(executors); err != nil {
		return err
	}
	a.outbox, err = outbox.New(outbox.Options{Store: a.store, Executors: executors, Report: a.engine.Handle, Now: time.Now, Logger: a.log, Registerer: a.reg})
	return err
}

// addMessengers adds the ways to vendors and to our own people.
func (a *App) addMessengers(ctx context.Context, executors map[string]outbox.Executor) error {
	hooks, err := webhook.New(webhook.Options{Keys: a.webhookKeys()})
	if err != nil {
		return err
	}
	if err := a.openLinks(ctx); err != nil {
		return err
	}
	desks, err := a.buildDesks()
	if err != nil {
		return err
	}
	desks = append(desks, hooks)
	told := notify.Options{Directory: a.directory, Priority: a.priority, Roles: a.stepRoles, Graph: a.graph, URL: a.incidentURL, StepTitle: a.stepTitle, Buttons: a.buttons}
	if a.chat != nil { // a nil *chat.Service would be a Groups that is not nil
		told.Groups = a.chat
	}
	if a.cfg.Mail.Host != "" {
		m, err := a.mailer(ctx)
		if err != nil {
			return err
		}
		desks, a.drillMail = append(desks, m.Desk()), m.Desk()
		a.mails, a.vendors.mailer = m.Channel(), m
	}
	if name := a.channelPlugin(); name != "" {
		a.mails, _ = a.vendors.plugins.Channel(name)
	}
	if err := a.buildPost(); err != nil {
		return err
	}
	told.People = a.post
	if a.told, err = notify.New(told); err != nil {
		return err
	}
	executors[incident.EffectNotify] = a.told
	if a.daily, err = newDaily(a); err != nil {
		return err
	}
	executors[incident.EffectTicket], err = ticket.New(a.ticketOptions(desks))
	return err
}

// mailer is the SMTP client; its secret outlives restarts, so that a message
// has the same Message-ID whenever it is repeated.
func (a *App) mailer(ctx context.Context) (*mail.Mailer, error) {
	var fresh [32]byte
	_, _ = rand.Read(fresh[:]) // crypto/rand.Read never fails since Go 1.24
	kept, err := a.store.KVInit(ctx, "mail-secret", hex.EncodeToString(fresh[:]))
	if err != nil {
		return nil, err
	}
	c := a.cfg.Mail
	o := mail.Options{Addr: c.Host, From: c.From, User: c.User, Password: c.Password.Reveal(), TLS: c.TLS, ReplyTo: c.ReplyTo, Secret: []byte(kept), Now: time.Now, Logger: a.log}
	if o.RootCAs, err = rootCAs("mail.ca_file", c.CAFile); err != nil {
		return nil, err
	}
	return mail.New(o)
}

func (a *App) webhookKeys() []string {
	var keys []string
	for _, k := range a.cfg.Webhook.Keys {
		keys = append(keys, k.Reveal())
	}
	return keys
}

// incidentURL is where people see the incident.
func (a *App) incidentURL(id string) string {
	return strings.TrimSuffix(a.cfg.ExternalURL, "/") + "/incidents/" + id
}

// vendor names the vendor of another kind than the diagnosis's.
func (a *App) vendor(kind string, d incident.Diagnosis) (id, name string) {
	d.VendorKind = kind
	dec := a.rules().routes.Decide(d, a.graph(), time.Now())
	return dec.VendorID, dec.VendorName
}
