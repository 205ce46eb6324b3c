package app

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/faultline/faultline/collector/api"
	"github.com/faultline/faultline/collector/incident"
	"github.com/faultline/faultline/collector/knowledge"
	"github.com/faultline/faultline/collector/reporter"
	"github.com/faultline/faultline/internal/lang"
)

// openReporting makes the knowledge base and the service that takes reports.
func (a *App) openReporting(ctx context.Context) error {
	read, write, postgres := a.store.Pools()
	a.knowledge = knowledge.New(knowledge.Database{Read: read, Write: write, Postgres: postgres, Logger: a.log}, time.Now)
	if err := a.knowledge.Migrate(ctx); err != nil {
		return err
	}
	var fresh [32]byte
	_, _ = rand.Read(fresh[:]) // crypto/rand.Read never fails since Go 1.24
	key, err := a.store.KVInit(ctx, "report-secret", hex.EncodeToString(fresh[:]))
	if err != nil {
		return err
	}
	a.reporter, err = reporter.New(reporter.Options{Store: a.store, Documents: a.store, Settings: a.store, Graph: a.graph, Open: a.openFaults, Incident: a.store.Incident,
		Start: a.engine.Open, Handle: a.engine.Handle, Confirm: a.confirming, Mail: a.mails, Link: a.reportURL, Key: []byte(key), Now: time.Now, Logger: a.log})
	return err
}

// reportURL is a report's private page.
func (a *App) reportURL(secret string) string {
	return strings.TrimSuffix(a.cfg.ExternalURL, "/") + "/r/" + secret
}

// confirming returns the choices by which the incident's present step is
// confirmed or refused: the ones that end it, and that say the fault is not gone.
func (a *App) confirming(i incident.Incident) (yes, no string, ok bool) {
	def, known := a.rules().processes.Version(i.ProcessVersion)
	if !known {
		return "", "", false
	}
	step, known := def.Step(i.Step)
	if !known || step.Decide == nil || i.State != incident.StateVerified {
		return "", "", false
	}
	for _, c := range step.Decide.Choices {
		to, _ := def.Step(c.To)
		switch {
		case c.Reopens && no == "":
			no = c.ID
		case to != nil && to.Final && yes == "":
			yes = c.ID
		}
	}
	return yes, no, yes != "" || no != ""
}

// Report opens an incident for what a person saw, or joins the one that is open.
func (x actor) Report(ctx context.Context, r api.Report) (api.Reported, error) {
	got, err := x.a.reporter.Submit(ctx, reporter.Draft{FactID: r.ID, Site: r.Site, Device: r.Device, Category: r.Category, Symptoms: r.Symptoms, Name: r.Name, Contact: r.Contact,
		Language: r.Language, Photos: r.Photos, Join: r.Join, By: r.Actor, Remote: r.Remote, Known: true})
	var fault *reporter.Fault
	var busy *reporter.BusyError
	switch {
	case errors.As(err, &fault):
		return api.Reported{}, &api.Refusal{Why: api.Invalid, Text: fault.Text}
	case errors.As(err, &busy):
		return api.Reported{}, &api.Refusal{Why: api.TooMany, Text: lang.Text{ZH: fmt.Sprintf("上报过于频繁，请等待 %s", busy.For.Round(time.Second)), EN: busy.Error()}}
	case err != nil:
		return api.Reported{}, refusal(err)
	}
	return api.Reported{IncidentID: got.Report.IncidentID, Joined: got.Report.Joined, Link: "/r/" + got.Secret}, nil
}
