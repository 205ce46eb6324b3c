package web

import (
	"bytes"
	"embed"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/faultline/faultline/collector/account"
	"github.com/faultline/faultline/collector/api"
	"github.com/faultline/faultline/collector/engine"
	"github.com/faultline/faultline/internal/lang"
)

//go:embed templates messages static
var files embed.FS

// page is what every template is given. Its exported methods are the words and
// forms of one person: language, time zone, theme.
type page struct {
	peopleNav
	Lang, Theme                string
	User                       account.User
	Path                       string
	Here                       string // where to come back to after a change of preferences
	Title                      string
	Error, Hint                string
	Done                       string // what was just done
	HasPractice                bool
	HasDrills                  bool
	HasRequests                bool
	HasProcesses               bool
	HasTopology                bool
	HasRegister                bool
	HasQuiets, HasFleet        bool
	HasReporting, HasKnowledge bool
	HasAuditor                 bool
	D                          any // of the page itself

	words  catalogue
	zone   *time.Location
	now    time.Time
	assets *assets

	sortsMail bool // see maySortMail
}

// Cookies that remember preferences also before signing in.
const (
	cookieLang  = "faultline_lang"
	cookieTheme = "faultline_theme"
	cookieZone  = "faultline_zone"
)

func (c *console) newPage(r *http.Request, u account.User) *page {
	p := &page{User: u, Path: r.URL.Path, Here: here(r), HasPractice: c.Practice != nil, HasDrills: c.Drills != nil, HasRequests: c.Requests != nil && account.PrincipalOf(u).MayAct(), HasProcesses: c.Handbook != nil, HasTopology: c.Topology != nil, HasRegister: c.Register != nil, HasQuiets: c.Quiet != nil, HasFleet: c.Fleet != nil, HasReporting: c.Reporter != nil, HasKnowledge: c.Knowledge != nil, Lang: languageOf(r, u), Theme: "auto", now: c.Now(), assets: c.assets}
	p.peopleNav = c.peopleNav(u)
	p.HasAuditor = c.Auditor != nil && account.PrincipalOf(u).SeesAll()
	p.words = c.words[p.Lang]
	if t := cookie(r, cookieTheme); t == "light" || t == "dark" {
		p.Theme = t
	}
	p.zone = zoneOf(cookie(r, cookieZone))
	p.sortsMail = c.maySortMail(p)
	return p
}

// here is the page a person looks at, also when it answers a form.
func here(r *http.Request) string {
	if r.Method == http.MethodGet {
		return r.URL.RequestURI()
	}
	return strings.TrimSuffix(r.URL.Path, "/actions")
}

// languageOf is the person's own language, else what the cookie remembers, else
// the first the browser asks for that we have, else Chinese.
func languageOf(r *http.Request, u account.User) string {
	for _, l := range []string{u.Language, cookie(r, cookieLang), r.Header.Get("Accept-Language")} {
		for tag := range strings.SplitSeq(strings.ToLower(l), ",") {
			switch tag = strings.TrimSpace(tag); {
			case strings.HasPrefix(tag, "zh"):
				return lang.ZH
			case strings.HasPrefix(tag, "en"):
				return lang.EN
			}
		}
	}
	return lang.ZH
}

const defaultZone = "Asia/Shanghai"

// zoneOf returns the zone of that name, or Shanghai's.
func zoneOf(name string) *time.Location {
	for _, n := range []string{name, defaultZone} {
		if n == "" || n == "Local" {
			continue
		}
		if z, err := time.LoadLocation(n); err == nil {
			return z
		}
	}
	return time.FixedZone(defaultZone, 8*3600) // no zone files on this machine
}

func cookie(r *http.Request, name string) string {
	k, err := r.Cookie(name)
	if err != nil {
		return ""
	}
	return k.Value
}

// render writes the template, or only its live part for a live update.
func (c *console) render(w http.ResponseWriter, r *http.Request, status int, name string, p *page) error {
	w.Header().Add("Vary", "HX-Request, Cookie")
	if r.Header.Get("HX-Request") == "true" {
		name += "." + liveRegion(r)
	}
	t := c.templates.Lookup(name)
	if t == nil {
		return errLost
	}
	var b bytes.Buffer
	if err := t.Execute(&b, p); err != nil {
		return fmt.Errorf("render %s: %w", name, err)
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.Header().Set("Content-Language", p.Lang)
	w.WriteHeader(status)
	w.Write(b.Bytes()) // the browser may be gone; there is nobody to tell
	return nil
}

// liveRegion is the part of the page that a live update asks for.
func liveRegion(r *http.Request) string {
	if part := r.URL.Query().Get("part"); part != "" {
		return part
	}
	return "live"
}

var errLost = errors.New("no such page")

// fail shows what went wrong. What is nobody's business is logged, not shown.
func (c *console) fail(w http.ResponseWriter, r *http.Request, p *page, err error) {
	status, text, hint := c.explain(p, err)
	if status >= 500 && r.Context().Err() == nil {
		c.Logger.Error("console page", "method", r.Method, "path", r.URL.Path, "err", err)
	}
	p.Title, p.Error, p.Hint = p.T("error.title"), text, hint
	r.Header.Del("HX-Request")
	if err := c.render(w, r, status, "error", p); err != nil {
		c.Logger.Error("console error page", "path", r.URL.Path, "err", err)
		http.Error(w, text, status)
	}
}

// explain returns the status and the words for an error.
func (c *console) explain(p *page, err error) (status int, text, hint string) {
	var refusal *api.Refusal
	var wait *account.WaitError
	var weak *account.WeakPasswordError
	var tooLarge *http.MaxBytesError
	switch {
	case errors.As(err, &refusal):
		return map[string]int{api.Forbidden: 403, api.NotNow: 409, api.Invalid: 422, api.TooMany: 429}[refusal.Why], refusal.Text.In(p.Lang), refusal.Hint.In(p.Lang)
	case errors.As(err, &wait):
		return http.StatusTooManyRequests, p.T("error.wait", p.Duration(wait.For)), ""
	case errors.As(err, &weak):
		return http.StatusUnprocessableEntity, p.T("error.weak_password", weak.Reason.In(p.Lang)), ""
	case errors.Is(err, account.ErrCredentials):
		return http.StatusUnauthorized, p.T("error.credentials"), ""
	case errors.Is(err, errLost), errors.Is(err, engine.ErrNotFound):
		return http.StatusNotFound, p.T("error.not_found"), ""
	case errors.Is(err, engine.ErrConflict):
		return http.StatusConflict, p.T("error.conflict"), p.T("error.conflict.hint")
	case errors.Is(err, engine.ErrFenced):
		return http.StatusServiceUnavailable, p.T("error.fenced"), p.T("error.fenced.hint")
	case errors.As(err, &tooLarge):
		return http.StatusRequestEntityTooLarge, p.T("error.too_large"), ""
	default:
		return http.StatusInternalServerError, p.T("error.internal"), p.T("error.internal.hint")
	}
}

// redirect sends the browser on; a live update makes the whole page go there.
func redirect(w http.ResponseWriter, r *http.Request, to string) {
	if r.Header.Get("HX-Request") == "true" {
		w.Header().Set("HX-Redirect", to)
		w.WriteHeader(http.StatusUnauthorized)
		return
	}
	http.Redirect(w, r, to, http.StatusSeeOther)
}

// signInPath is the sign-in page that leads back to where a person wanted to go.
func signInPath(r *http.Request) string {
	if r.Method != http.MethodGet || r.URL.Path == "/" || r.URL.Path == "/events" || r.Header.Get("HX-Request") == "true" {
		return "/sign-in"
	}
	return "/sign-in?next=" + url.QueryEscape(r.URL.RequestURI())
}

// localPath returns the path if it leads to a page of ours, else "/".
func localPath(path string) string {
	u, err := url.Parse(path)
	if err != nil || u.IsAbs() || u.Host != "" || !strings.HasPrefix(path, "/") || strings.HasPrefix(path, "//") || strings.ContainsAny(path, "\\\r\n") {
		return "/"
	}
	return path
}
