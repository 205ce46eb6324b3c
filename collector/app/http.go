package app

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/faultline/faultline/collector/account"
	"github.com/faultline/faultline/collector/api"
	"github.com/faultline/faultline/collector/effect/notify/callback"
	"github.com/faultline/faultline/collector/enrol"
	"github.com/faultline/faultline/collector/incident"
	"github.com/faultline/faultline/collector/ingest"
	"github.com/faultline/faultline/collector/inventory"
	"github.com/faultline/faultline/collector/metricstore"
	"github.com/faultline/faultline/collector/metricstore/embedded"
	"github.com/faultline/faultline/collector/pagerduty"
	"github.com/faultline/faultline/collector/web"
	"github.com/faultline/faultline/dashboards"
	"github.com/faultline/faultline/internal/lab/control"
	"github.com/faultline/faultline/plugins/base"
)

// buildHTTP mounts ingest, API, Prometheus API and console on one server.
func (a *App) buildHTTP(context.Context) error {
	in, err := a.ingestHandler()
	if err != nil {
		return err
	}
	programs, err := api.Handler(a.apiOptions())
	if err != nil {
		return err
	}
	people, err := web.Handler(a.withPeople(a.webOptions()))
	if err != nil {
		return err
	}
	read := func(h http.Handler) http.Handler { return a.accounts.Require(a.sessions, account.Principal.MayRead, h) }
	// Queries reach every site's series: for those who may see all sites.
	all := func(h http.Handler) http.Handler {
		return a.accounts.Require(a.sessions, func(p account.Principal) bool { return p.MayRead() && p.SeesAll() }, h)
	}
	if a.amAPI, err = a.alertmanagerAPI(); err != nil {
		return err
	}
	pd, err := a.pagerDutyAPI()
	if err != nil {
		return err
	}
	answers, err := a.chatCallbacks()
	if err != nil {
		return err
	}
	mux := http.NewServeMux()
	mux.Handle("/alertmanager/", read(http.StripPrefix("/alertmanager", a.amAPI)))
	mux.Handle(pagerduty.Path, pd)
	mux.Handle(callback.Prefix, answers)
	mux.Handle(ingest.PathWrite, in)
	mux.Handle(ingest.PathEvents, in)
	mux.Handle("/prometheus/", all(http.StripPrefix("/prometheus", a.metrics.Handler(embedded.APIOptions{Rules: ruleSource{a.ruler}, Version: a.ver}))))
	mux.Handle("/metrics", all(promhttp.HandlerFor(a.reg, promhttp.HandlerOpts{})))
	mux.Handle("/api/", programs)
	mux.Handle("/docs", programs)
	mux.Handle("/-/", programs)
	mux.Handle("/", people)
	if err := a.mountVendors(mux); err != nil {
		return err
	}
	a.server = &http.Server{Handler: mux, ReadHeaderTimeout: 10 * time.Second, IdleTimeout: 2 * time.Minute, MaxHeaderBytes: 64 << 10}
	a.server.RegisterOnShutdown(a.hub.Close)
	if a.enrol != nil {
		a.agents = a.agentServer(in, programs)
	}
	return nil
}

// ingestHandler knows agents by their tokens. A program's token with full
// rights may write too, under its own name: a Prometheus that joins us.
func (a *App) ingestHandler() (http.Handler, error) {
	opts := ingest.Options{Appender: a.metrics, Durable: a.metrics, Metadata: a.metrics, Authenticate: a.source, Events: a.takeEvents,
		Observers: []func(ingest.Source, []metricstore.Series){
			func(src ingest.Source, s []metricstore.Series) { a.alive.Heard(src.Agent, s) },
			func(src ingest.Source, s []metricstore.Series) { a.evidence.Feed(src.Agent, s) },
		}, Logger: a.log, Registerer: a.reg}
	if a.mirror != nil {
		opts.Mirrors = append(opts.Mirrors, a.mirror)
	}
	return ingest.New(opts)
}

// source tells who writes.
func (a *App) source(r *http.Request) (ingest.Source, error) {
	if who, ok := enrol.From(r.Context()); ok {
		site, _ := a.graph().Site(who.Site)
		return ingest.Source{Agent: who.Agent, Site: who.Site, AnySite: site.Kind == "hq"}, nil
	}
	token, ok := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	if !ok {
		return ingest.Source{}, fmt.Errorf("%w: no bearer token", ingest.ErrUnauthorized)
	}
	p, err := a.accounts.Authenticate(r.Context(), token)
	if err != nil {
		return ingest.Source{}, fmt.Errorf("%w: %w", ingest.ErrUnauthorized, err)
	}
	switch {
	case p.AgentID != "":
		ag, _ := a.graph().Agent(p.AgentID)
		site, _ := a.graph().Site(ag.Site)
		return ingest.Source{Agent: p.AgentID, Site: ag.Site, AnySite: site.Kind == "hq"}, nil
	case p.Admin():
		return ingest.Source{Agent: p.Name, AnySite: true}, nil
	}
	return ingest.Source{}, fmt.Errorf("%w: this token may not write samples", ingest.ErrForbidden)
}

// takeEvents keeps an agent's events and shows the new ones to the evidence.
func (a *App) takeEvents(ctx context.Context, agent string, events []base.Event) error {
	fresh, err := a.store.PutAgentEvents(ctx, events)
	if err != nil {
		return err
	}
	for _, e := range fresh {
		a.evidence.FeedEvent(e)
	}
	return nil
}

func (a *App) apiOptions() api.Options {
	return api.Options{Clocks: a.clocksNow, Auditor: a.audited, Accounts: a.accounts, Sessions: a.sessions, Incidents: incidentReader{a.store}, Engine: actor{a}, Work: work{a.desk, a.alive},
		Offers: a.offers, KnownSite: func(id string) bool { _, ok := a.graph().Site(id); return ok }, Practice: a.practice(), Drills: a.drillDoor(), Priority: a.priority, Topology: a.topology.Found,
		Documents: a.store, Handbook: a.handbook, Fleet: a.fleetGate(), Requests: a.request, Changes: a.changesBefore, Remedies: a.remedyDesk(),
		Elsewhere: map[string]func(http.ResponseWriter, *http.Request) error{api.ReportRows: a.reportRows, api.Register: a.registerJSON,
			api.Scoreboard: a.scoreboardJSON, api.Inspections: a.inspectionsJSON, api.Trail: a.exportTrail},
		SiteOf: a.siteOf, Noticed: a.noticed, Quiet: a.quietGate(), JudgedBy: a.store.Judged, Ready: a.ready, Registerer: a.reg, Logger: a.log}
}

func (a *App) webOptions() web.Options {
	return web.Options{Clocks: a.clocksNow, Auditor: a.audited, Accounts: a.accounts, Sessions: a.sessions, Incidents: incidentReader{a.store}, Engine: actor{a}, Hub: a.hub,
		Inventory: func() *inventory.Inventory { return a.graph().Inventory() }, Offers: a.offers, StepTitle: a.stepTitle, ChoiceTitle: a.choiceTitle, Diagram: a.diagram, SiteMap: a.siteMap, Charts: a.metrics, Documents: a.store, Vendors: mailroom{a}, Contacts: a.contacts, Handbook: a.handbook, Changes: a.changesBefore, Remedies: a.remedyDesk(),
		Estate: func() []web.SiteState { return web.EstateOf(a.graph().Inventory(), a.evidence.Snapshot(time.Now())) },
		SiteOf: a.siteOf, Noticed: a.noticed, Quiet: a.quietGate(), Register: a.registerPages(), Inspections: a.inspections, Scoreboard: a.scorePages(), Things: a.things(), Board: a.board, Fleet: a.fleetGate(), Reporter: a.reporter, Knowledge: a.knowledge, Writeups: &web.Writeups{Store: a.store, View: a.writeupView, Progress: progressDesk{a}}, URL: a.cfg.ExternalURL, Practice: a.practice(), Drills: a.drillDoor(), Requests: a.requestForm(), Topology: a.topology.Found, Secure: a.cfg.TLS.CertFile != "", Logger: a.log}
}

// board is where Grafana shows what the incident is about, "" without a Grafana.
func (a *App) board(i incident.Incident) string {
	if a.cfg.GrafanaURL == "" {
		return ""
	}
	s := dashboards.Subject{Site: i.Diagnosis.Site, Device: i.Diagnosis.Device, From: i.FaultAt, To: i.ClosedAt}
	if d, ok := a.graph().Device(s.Device); ok {
		s.Kind = d.Kind
	} else if _, ok := a.graph().Line(s.Device); ok {
		s.Kind = "line"
	}
	address, err := dashboards.Address(a.cfg.GrafanaURL, s)
	if err != nil {
		a.log.Warn("address of a board", "err", err)
	}
	return address
}

// practice is the practice branch, or nil.
func (a *App) practice() api.Practice {
	if a.cfg.Practice.URL == "" {
		return nil
	}
	return practice{control.Client{URL: a.cfg.Practice.URL, Token: a.cfg.Practice.Token.Reveal()}}
}
