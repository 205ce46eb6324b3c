// Package web is the collector's HTTP for people: the console's pages, their
// live updates, sign-in and preferences. It shows what others decided and hands
// actions to the same gate as package api; it holds no state of incidents.
package web

import (
	"context"
	"errors"
	"fmt"
	"html/template"
	"log/slog"
	"net/http"
	"time"

	"github.com/faultline/faultline/collector/account"
	"github.com/faultline/faultline/collector/api"
	"github.com/faultline/faultline/collector/document"
	"github.com/faultline/faultline/collector/handbook"
	"github.com/faultline/faultline/collector/incident"
	"github.com/faultline/faultline/collector/inspection"
	"github.com/faultline/faultline/collector/inventory"
	"github.com/faultline/faultline/collector/knowledge"
	"github.com/faultline/faultline/collector/metricstore"
	"github.com/faultline/faultline/collector/register"
	"github.com/faultline/faultline/collector/reporter"
	"github.com/faultline/faultline/collector/topology"
	"github.com/faultline/faultline/internal/lang"
)

// Ranger evaluates PromQL over time; metricstore.Querier is one.
type Ranger interface {
	Range(ctx context.Context, expr string, start, end time.Time, step, lookback time.Duration) ([]metricstore.Series, error)
}

// Options are what the console needs.
type Options struct {
	PeopleOptions
	Accounts  *account.Service
	Sessions  *account.Sessions
	Incidents api.Incidents
	Engine    api.Engine
	Hub       *Hub
	Inventory func() *inventory.Inventory
	// Offers is the same function as the API's.
	Offers func(i incident.Incident, roles []string) []api.Offer
	// Estate returns the sites' states; see EstateOf. Nil: no overview.
	Estate func() []SiteState
	// StepTitle returns what a step of the incident's process is called.
	StepTitle func(i incident.Incident, step string) lang.Text
	// ChoiceTitle returns what a choice of any of its steps is called. Nil: the
	// choices' own words.
	ChoiceTitle func(i incident.Incident, choice string) lang.Text
	// Diagram returns the incident's process as SVG, its step marked. Nil: none.
	Diagram func(i incident.Incident, language string) ([]byte, error)
	// SiteMap returns the incident's site as SVG, with what is up, down, unreachable
	// and unknown. Nil: none.
	SiteMap func(i incident.Incident, language string) ([]byte, error)
	// SiteOf returns the site of an inventory name; nil: unknown.
	SiteOf func(thing string) string
	// Noticed are other sites' incidents that affect the person's; nil: none.
	Noticed api.Noticed
	// Board returns where Grafana shows what the incident is about; "" or nil: nowhere.
	Board     func(i incident.Incident) string
	Documents document.Store // papers of incidents; nil: none
	// Topology says who was seen at whose port; nil: not compared.
	Topology    func() topology.Found
	Charts      Ranger           // nil: no charts
	Register    *Register        // nil: no register
	Inspections *inspection.Desk // nil: no inspections
	Scoreboard  *Scoreboard      // nil: no scoreboard
	Fleet       *api.FleetGate   // nil: what agents have is not kept
	Things      *Things          // nil: no pages of devices
	Auditor     api.Auditor      // nil: no page of what the auditor found
	Practice    api.Practice     // nil: no practice branch
	Drills      *api.Drills      // nil: no drills
	Quiet       *api.QuietGate   // nil: no page of quiet times
	Vendors     Vendors          // nil: no mails of vendors, no links to revoke
	// Contacts are a vendor's contacts by level as they stand at the time, at the
	// place of a fault; nil: incidents show none.
	Contacts func(vendor, site string, now time.Time) []register.Standing
	Secure   bool             // pages are served over TLS
	Now      func() time.Time // nil: time.Now
	Logger   *slog.Logger     // nil: slog.Default

	// Requests is the form for requests and changes; nil: none.
	Requests *Requests
	// Handbook is how processes change; nil: no page of them.
	Handbook *handbook.Handbook
	// Changes are those made before an incident; nil: not shown.
	Changes func(ctx context.Context, i incident.Incident) ([]api.Changed, error)
	// Remedies are what may be carried out against faults; nil: nothing.
	Remedies api.Remedies

	// Clocks reads one incident's clocks as they stand now; nil: as at the last event.
	Clocks func(i incident.Incident) []api.ClockDetail
	// URL is the console as people outside reach it; "" leaves it out of links.
	URL       string
	Reporter  *reporter.Service // nil: nobody reports here
	Knowledge *knowledge.Base   // nil: no knowledge base
	Writeups  *Writeups         // nil: no reports in writing
}

func (o *Options) validate() error {
	if o.Accounts == nil || o.Sessions == nil || o.Incidents == nil || o.Engine == nil || o.Hub == nil || o.Inventory == nil || o.Offers == nil {
		return errors.New("web options: Accounts, Sessions, Incidents, Engine, Hub, Inventory and Offers are required")
	}
	if o.StepTitle == nil {
		o.StepTitle = func(_ incident.Incident, step string) lang.Text { return lang.Same(step) }
	}
	if o.ChoiceTitle == nil {
		o.ChoiceTitle = func(_ incident.Incident, choice string) lang.Text { return lang.Same(choice) }
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Logger == nil {
		o.Logger = slog.Default()
	}
	return nil
}

// console carries the options to the handlers.
type console struct {
	Options
	gate      api.Gate
	templates *template.Template
	words     map[string]catalogue
	assets    *assets
}

// Handler returns the handler of the console, to be mounted at /.
func Handler(o Options) (http.Handler, error) {
	if err := o.validate(); err != nil {
		return nil, err
	}
	c := &console{Options: o, gate: api.Gate{Accounts: o.Accounts, Engine: o.Engine, Offers: o.Offers, Documents: o.Documents, Now: o.Now}}
	var err error
	if c.words, err = loadCatalogues(); err != nil {
		return nil, err
	}
	if c.assets, err = loadAssets(); err != nil {
		return nil, err
	}
	if c.templates, err = parseTemplates(); err != nil {
		return nil, fmt.Errorf("console templates: %w", err)
	}
	mux := http.NewServeMux()
	mux.Handle("GET /static/", c.assets)
	for pattern, h := range map[string]handler{
		"GET /sign-in": c.signInPage, "POST /sign-in": c.signIn, "POST /preferences": c.preferences,
	} {
		mux.Handle(pattern, c.open(h))
	}
	for pattern, h := range map[string]handler{
		"GET /password": c.passwordPage, "POST /password": c.setPassword, "POST /sign-out": c.signOut,
	} {
		mux.Handle(pattern, c.signedIn(h, true))
	}
	for pattern, h := range map[string]handler{
		"GET /{$}": c.estate, "GET /incidents": c.list, "GET /incidents/{id}": c.detail, "POST /incidents/{id}/actions": c.act,
		"POST " + uploadPath: c.handIn, "GET /incidents/{id}/documents/{document}": c.paper,
		"GET /processes": c.processesPage, "GET /processes/{id}": c.processPage, "POST /processes/{id}": c.changeProcess, "GET /processes/{id}/sheet.svg": c.sheet,
		"GET /incidents/{id}/process.svg": c.diagram, "GET /incidents/{id}/site.svg": c.siteMap, "GET /incidents/{id}/charts/{chart}": c.chart,
		"GET /quiets": c.quietsPage, "POST /quiets": c.announce, "GET /practice": c.practicePage, "POST /practice": c.practise, "GET /account": c.accountPage, "GET /topology": c.topologyPage, "GET /events": c.events, "GET /": c.lost,
	} {
		mux.Handle(pattern, c.signedIn(h, false))
	}
	for pattern, h := range c.sharedRoutes() {
		mux.Handle(pattern, c.open(h))
	}
	for _, routes := range []map[string]handler{c.registerRoutes(), c.inspectionRoutes(), c.scoreboardRoutes(), c.thingRoutes(), c.vendorRoutes(), c.drillRoutes(), c.requestRoutes(), c.fleetRoutes(), c.remedyRoutes(), c.auditorRoutes()} {
		for pattern, h := range routes {
			mux.Handle(pattern, c.signedIn(h, false))
		}
	}
	c.mount(mux)
	c.peoplePages(mux)
	return c.secured(http.NewCrossOriginProtection().Handler(o.Sessions.Middleware(mux))), nil
}

func parseTemplates() (*template.Template, error) {
	return template.New("").Funcs(template.FuncMap{"dict": dict}).ParseFS(files, "templates/*.html")
}

// secured sets the headers every answer has. No script or style but our own
// files runs, nothing of ours is framed, nothing is cached unless it says so.
func (c *console) secured(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Content-Security-Policy", "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "+
			"form-action 'self'; base-uri 'none'; frame-ancestors 'none'")
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("Referrer-Policy", "same-origin")
		h.Set("Permissions-Policy", "camera=(), geolocation=(), microphone=()")
		h.Set("Cross-Origin-Opener-Policy", "same-origin")
		h.Set("Cross-Origin-Resource-Policy", "same-origin")
		h.Set("Cache-Control", "no-store")
		if c.Secure {
			h.Set("Strict-Transport-Security", "max-age=31536000")
		}
		next.ServeHTTP(w, r)
	})
}

// handler answers, or returns why it did not.
type handler func(w http.ResponseWriter, r *http.Request, p *page) error

// open serves pages that need no sign-in.
func (c *console) open(h handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		r.Body = http.MaxBytesReader(w, r.Body, formLimit(r))
		p := c.newPage(r, account.User{})
		if u, err := c.Sessions.User(r.Context()); err == nil {
			p = c.newPage(r, u)
		}
		if err := h(w, r, p); err != nil {
			c.fail(w, r, p, err)
		}
	})
}

// maxForm bounds what a form may send, in bytes.
const maxForm = 64 << 10

// signedIn serves pages for people who are signed in; until they have set a
// password of their own, only those with early.
func (c *console) signedIn(h handler, early bool) http.Handler {
	return c.open(func(w http.ResponseWriter, r *http.Request, p *page) error {
		switch {
		case p.User.Name == "":
			redirect(w, r, signInPath(r))
			return nil
		case p.User.MustChange && !early:
			redirect(w, r, "/password")
			return nil
		}
		return h(w, r, p)
	})
}

// lost answers for paths that do not exist.
func (c *console) lost(http.ResponseWriter, *http.Request, *page) error { return errLost }
