// Package vendorpage is where a vendor answers a ticket without an account: one
// page for one ticket, opened by a signed link that ends by itself and can be
// revoked. It shows the ticket, what was measured of that device or line and of
// nothing else, and takes the vendor's word as facts for the incident. Looking
// never acts. It works without scripts, in old phones' browsers and WeChat's.
// It decides nothing (process.Step does) and writes no mail.
package vendorpage

import (
	"context"
	"embed"
	"errors"
	"fmt"
	"html/template"
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/faultline/faultline/collector/account"
	"github.com/faultline/faultline/collector/effect/ticket"
	"github.com/faultline/faultline/collector/effect/ticket/chart"
	"github.com/faultline/faultline/collector/incident"
	"github.com/faultline/faultline/collector/inventory"
	"github.com/faultline/faultline/collector/mailin"
	"github.com/faultline/faultline/internal/lang"
	"github.com/faultline/faultline/internal/pace"
)

// Prefix of the pages' addresses; the link's token follows.
const Prefix = "/t/"

//go:embed templates static
var files embed.FS

// Options configure a Handler. All are required but those that say otherwise.
type Options struct {
	Links *Links
	// Incident returns an incident, or an error that is Links.NotFound.
	Incident func(ctx context.Context, id string) (incident.Incident, error)
	Events   func(ctx context.Context, id string) ([]incident.Event, error)
	Graph    func() *inventory.Graph
	// Handle takes a fact about an incident; one whose ID was taken before changes
	// nothing. engine.Engine.Handle does.
	Handle func(ctx context.Context, fact incident.Event) error
	Papers mailin.Papers
	// Charts returns what was measured of the incident's device or line; nil: none.
	Charts     func(ctx context.Context, i incident.Incident, language string) ([]chart.Chart, error)
	OnSite     func(site string, now time.Time) (contact string, until time.Time) // optional
	Secure     bool                                                               // pages are served over TLS
	Now        func() time.Time
	Logger     *slog.Logger
	Registerer prometheus.Registerer // optional
}

// Bounds of what one address, or one ticket, may ask for within a minute.
const (
	looksPerMinute   = 120 // by address
	strangePerMinute = 30  // by address, with links that are not good
	actsPerMinute    = 20  // by ticket
	viewsPerMinute   = 1   // written into the timeline, by ticket and client
)

// Handler serves Prefix. Its methods may be called from several goroutines.
type Handler struct {
	o        Options
	renderer *ticket.Renderer
	page     *template.Template
	requests *prometheus.CounterVec // what, result

	looks, strange, acts, views pace.Minute

	mu sync.Mutex // one form at a time: whether it was sent before is asked and noted under it
}

// New returns a Handler.
func New(o Options) (*Handler, error) {
	if o.Links == nil || len(o.Links.Key) < 32 || o.Links.KV == nil || o.Links.NotFound == nil || o.Incident == nil || o.Events == nil || o.Graph == nil || o.Handle == nil || o.Papers == nil {
		return nil, errors.New("vendor pages: Links with a key of 32 bytes, Incident, Events, Graph, Handle and Papers are required")
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Links.Now == nil {
		o.Links.Now = o.Now
	}
	if o.Logger == nil {
		o.Logger = slog.Default()
	}
	h := &Handler{o: o, looks: pace.Minute{Limit: looksPerMinute}, strange: pace.Minute{Limit: strangePerMinute}, acts: pace.Minute{Limit: actsPerMinute}, views: pace.Minute{Limit: viewsPerMinute},
		requests: prometheus.NewCounterVec(prometheus.CounterOpts{Name: "faultline_vendor_page_requests_total",
			Help: "Requests to vendor pages by what was asked (view, accept, question, upload, fixed) and result (done, refused, forged, expired, revoked, replayed, limited, failed)."}, []string{"what", "result"})}
	var err error
	if h.renderer, err = ticket.NewRenderer(); err != nil {
		return nil, err
	}
	if h.page, err = template.ParseFS(files, "templates/*.html"); err != nil {
		return nil, fmt.Errorf("vendor pages: %w", err)
	}
	if o.Registerer != nil {
		if err := o.Registerer.Register(h.requests); err != nil {
			return nil, fmt.Errorf("vendor pages: %w", err)
		}
	}
	return h, nil
}

// ServeHTTP implements http.Handler.
func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	secured(w, h.o.Secure)
	token := strings.TrimPrefix(r.URL.Path, Prefix)
	if media, ok := statics[token]; ok {
		static(w, token, media)
		return
	}
	if !h.looks.Allow(account.Remote(r), h.o.Now()) {
		h.fail(w, r, &Refusal{Status: http.StatusTooManyRequests, Result: "limited", Text: tooFast})
		return
	}
	g, err := h.o.Links.check(r.Context(), token)
	if err != nil {
		h.fail(w, r, h.badLink(r, err))
		return
	}
	v, err := h.open(r, g, token)
	if err == nil {
		switch r.Method {
		case http.MethodGet, http.MethodHead:
			err = h.look(w, r, v)
		case http.MethodPost:
			err = h.act(w, r, v)
		default:
			w.Header().Set("Allow", "GET, HEAD, POST")
			err = &Refusal{Status: http.StatusMethodNotAllowed, Result: "refused", Text: lang.Text{ZH: "不支持的请求", EN: "this cannot be asked here"}}
		}
	}
	if err != nil {
		h.fail(w, r, err)
	}
}

// secured sets the headers every answer has: no script runs, nothing is framed,
// kept, indexed or told to other sites, the link itself least of all.
func secured(w http.ResponseWriter, secure bool) {
	hd := w.Header()
	hd.Set("Content-Security-Policy", "default-src 'none'; style-src 'self'; img-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'")
	hd.Set("X-Content-Type-Options", "nosniff")
	hd.Set("X-Frame-Options", "DENY")
	hd.Set("Referrer-Policy", "no-referrer")
	hd.Set("X-Robots-Tag", "noindex, nofollow, noarchive")
	hd.Set("Permissions-Policy", "camera=(), geolocation=(), microphone=()")
	hd.Set("Cache-Control", "no-store")
	if secure {
		hd.Set("Strict-Transport-Security", "max-age=31536000")
	}
}

// statics are the files beside the pages; no link's token looks like them.
var statics = map[string]string{"page.css": "text/css; charset=utf-8", "icon.svg": "image/svg+xml"}

func static(w http.ResponseWriter, name, media string) {
	b, err := files.ReadFile("static/" + name)
	if err != nil {
		http.Error(w, "not there", http.StatusNotFound)
		return
	}
	w.Header().Set("Content-Type", media)
	w.Header().Set("Cache-Control", "public, max-age=3600")
	w.Write(b) // the browser may be gone; there is nobody to tell
}

// visit is one request with a good link: the ticket it is about.
type visit struct {
	token    string
	g        grant
	i        incident.Incident
	t        incident.Ticket
	vendor   inventory.Vendor
	language string
	zone     *time.Location
}

// live tells whether the ticket is still the vendor's to work on.
func (v visit) live() bool { return v.i.Open() && v.t.State != "withdrawn" }

// open finds the ticket a link is about.
func (h *Handler) open(r *http.Request, g grant, token string) (visit, error) {
	i, err := h.o.Incident(r.Context(), g.Incident())
	if errors.Is(err, h.o.Links.NotFound) {
		return visit{}, h.badLink(r, ErrForged)
	}
	if err != nil {
		return visit{}, err
	}
	n := slices.IndexFunc(i.Tickets, func(t incident.Ticket) bool { return t.Key == g.Ticket })
	if n < 0 {
		return visit{}, h.badLink(r, ErrForged)
	}
	v := visit{token: token, g: g, i: i, t: i.Tickets[n]}
	graph := h.o.Graph()
	known, ok := graph.Vendor(v.t.Vendor)
	if !ok {
		known = inventory.Vendor{ID: v.t.Vendor, Kind: v.t.VendorKind, Name: lang.Same(v.t.VendorName)}
	}
	v.vendor, v.zone = known, graph.Location(i.Diagnosis.Site)
	v.language = languageOf(r, known)
	v.vendor.Language = v.language
	return v, nil
}

// languageOf is what the reader chose, else the vendor's.
func languageOf(r *http.Request, v inventory.Vendor) string {
	switch q := r.URL.Query().Get("lang"); {
	case q == lang.EN, q == "" && strings.HasPrefix(strings.ToLower(v.Language), "en"):
		return lang.EN
	}
	return lang.ZH
}

// badLink is the refusal for a link that is not good. Guessing is slowed down.
func (h *Handler) badLink(r *http.Request, err error) error {
	switch {
	case !h.strange.Allow(account.Remote(r), h.o.Now()):
		return &Refusal{Status: http.StatusTooManyRequests, Result: "limited", Text: tooFast}
	case errors.Is(err, ErrExpired):
		return &Refusal{Status: http.StatusGone, Result: "expired", Text: lang.Text{ZH: "此链接已过期，请直接回复工单邮件", EN: "This link has expired. Please reply to the ticket's mail."}}
	case errors.Is(err, ErrRevoked):
		return &Refusal{Status: http.StatusGone, Result: "revoked", Text: lang.Text{ZH: "此链接已被撤销，请使用最新邮件中的链接或直接回复邮件", EN: "This link was revoked. Please use the one in the newest mail, or reply to it."}}
	case errors.Is(err, ErrForged):
		return &Refusal{Status: http.StatusNotFound, Result: "forged", Text: lang.Text{ZH: "此链接无效，请检查是否复制完整", EN: "This link is not valid. Is it copied whole?"}}
	}
	return err
}

var tooFast = lang.Text{ZH: "请求过于频繁，请一分钟后再试", EN: "Too many requests: try again in a minute."}

// Refusal is why something was not done, in words for the vendor.
type Refusal struct {
	Status int
	Result string // in the metric
	Text   lang.Text
}

// Error returns the reason in English.
func (r *Refusal) Error() string { return r.Text.EN }
