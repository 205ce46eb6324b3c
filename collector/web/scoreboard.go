package web

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"strconv"
	"time"

	"github.com/faultline/faultline/collector/account"
	"github.com/faultline/faultline/collector/api"
	"github.com/faultline/faultline/collector/inventory"
	"github.com/faultline/faultline/collector/scoreboard"
	"github.com/faultline/faultline/internal/lang"
)

// Scoreboard is what its pages need; a nil *Scoreboard leaves them out.
type Scoreboard struct {
	// Board counts the month that the moment falls in.
	Board   func(ctx context.Context, month time.Time) (scoreboard.Board, error)
	Links   scoreboard.LinkStore
	Vendors func() []inventory.Vendor
	Company func() string
	Address string // external_url; "": that of the request
}

// scoreboardRoutes are the pages for people who are signed in.
func (c *console) scoreboardRoutes() map[string]handler {
	if c.Scoreboard == nil {
		return nil
	}
	return map[string]handler{"GET /scoreboard": c.scoreboardPage, "GET /scoreboard/{file}": c.scoreboardFile, "POST /scoreboard/links": c.scoreboardLink}
}

// sharedRoutes are the pages for vendors, who have no account: a link opens one
// vendor's part of one month.
func (c *console) sharedRoutes() map[string]handler {
	if c.Scoreboard == nil {
		return nil
	}
	return map[string]handler{"GET /s/{token}": c.sharedBoard, "GET /s/{token}/{file}": c.sharedBoard}
}

type scoreboardData struct {
	scoreboard.Board
	Earlier, Later string
	MayShare       bool
	Links          []scoreboard.Link
	Token, For     string // a link just made, and for whom
	Files          string // where the files are: /scoreboard or /s/TOKEN
	Shared         bool
	Company        string
	VendorName     string
	Vendor         string // only this one's part is shown
	AllVendors     []inventory.Vendor
}

// SharesScoreboard tells whether the principal may give vendors links.
func SharesScoreboard(p account.Principal) bool { return keepsRegister(p) }

// monthOf reads ?month=2026-11; this month when it is missing.
func (c *console) monthOf(r *http.Request, p *page) (time.Time, error) {
	s := r.URL.Query().Get("month")
	if s == "" {
		return p.now, nil
	}
	t, err := time.ParseInLocation("2006-01", s, zoneOf(""))
	if err != nil || t.After(p.now) || t.Year() < 2000 {
		return t, &api.Refusal{Why: api.Invalid, Text: lang.Text{ZH: "月份应写成 2026-11，且不晚于本月", EN: "a month is written 2026-11, and not after this one"}}
	}
	return t, nil
}

// board is the month's board as the person may see it.
func (c *console) board(r *http.Request, p *page) (scoreboard.Board, error) {
	month, err := c.monthOf(r, p)
	if err != nil {
		return scoreboard.Board{}, err
	}
	b, err := c.Scoreboard.Board(r.Context(), month)
	if err != nil {
		return b, err
	}
	who := account.PrincipalOf(p.User)
	if !who.SeesAll() {
		b = b.At(who.Sees, false)
	}
	if v := r.URL.Query().Get("vendor"); v != "" {
		b = b.For(v)
	}
	return b, nil
}

func (c *console) scoreboardPage(w http.ResponseWriter, r *http.Request, p *page) error {
	return c.showBoard(w, r, p, "", "")
}

func (c *console) showBoard(w http.ResponseWriter, r *http.Request, p *page, token, vendor string) error {
	b, err := c.board(r, p)
	if err != nil {
		return err
	}
	d := scoreboardData{Board: b, MayShare: SharesScoreboard(account.PrincipalOf(p.User)), Token: token, For: vendor, Files: "/scoreboard", Vendor: r.URL.Query().Get("vendor")}
	d.Earlier = b.From.AddDate(0, -1, 0).Format("2006-01")
	if next := b.From.AddDate(0, 1, 0); !next.After(p.now) {
		d.Later = next.Format("2006-01")
	}
	if d.MayShare {
		d.AllVendors = c.Scoreboard.Vendors()
		if d.Links, err = c.Scoreboard.Links.Links(r.Context(), p.now); err != nil {
			return err
		}
		d.Links = slices.DeleteFunc(d.Links, func(l scoreboard.Link) bool { return l.Revoked })
	}
	p.Title, p.D = p.T("score.title")+" "+b.Month, d
	return c.render(w, r, http.StatusOK, "scoreboard", p)
}

func (c *console) scoreboardFile(w http.ResponseWriter, r *http.Request, p *page) error {
	b, err := c.board(r, p)
	if err != nil {
		return err
	}
	return sendBoard(w, r.PathValue("file"), b, p.Lang)
}

func sendBoard(w http.ResponseWriter, file string, b scoreboard.Board, language string) error {
	switch file {
	case "scoreboard.xlsx":
		raw, err := b.Excel(language)
		if err != nil {
			return err
		}
		return sendFile(w, "scoreboard-"+b.Month+".xlsx", "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet", raw)
	case "scoreboard.csv":
		raw, err := b.CSV(language)
		if err != nil {
			return err
		}
		return sendFile(w, "scoreboard-"+b.Month+".csv", "text/csv; charset=utf-8", raw)
	}
	return errLost
}

// scoreboardLink makes a link for a vendor, or revokes one.
func (c *console) scoreboardLink(w http.ResponseWriter, r *http.Request, p *page) error {
	if !SharesScoreboard(account.PrincipalOf(p.User)) {
		return &api.Refusal{Why: api.Forbidden, Text: lang.Text{ZH: "只有总公司管理员可以向厂商提供链接", EN: "only head office's administrators give links to vendors"}}
	}
	if err := r.ParseForm(); err != nil {
		return err
	}
	entry := account.AuditEntry{Actor: p.User.Name, Action: "scoreboard.link", Object: r.PostForm.Get("vendor"), Detail: r.PostForm.Get("month"), Remote: account.Remote(r)}
	if hash := r.PostForm.Get("revoke"); hash != "" {
		entry.Action, entry.Object, entry.Detail = "scoreboard.revoke", hash, ""
		l, err := c.Scoreboard.Links.LinkByHash(r.Context(), hash)
		if err != nil {
			return err
		}
		l.Revoked = true
		if err := errors.Join(c.Accounts.Record(r.Context(), entry), c.Scoreboard.Links.PutLink(r.Context(), l)); err != nil {
			return err
		}
		redirect(w, r, "/scoreboard?month="+l.Month)
		return nil
	}
	vendor, month := r.PostForm.Get("vendor"), r.PostForm.Get("month")
	if _, err := time.Parse("2006-01", month); err != nil || !slices.ContainsFunc(c.Scoreboard.Vendors(), func(v inventory.Vendor) bool { return v.ID == vendor }) {
		return &api.Refusal{Why: api.Invalid, Text: lang.Text{ZH: "没有这个厂商或月份", EN: "no such vendor or month"}}
	}
	token, l := scoreboard.NewLink(vendor, month, p.User.Name, p.now)
	if err := errors.Join(c.Accounts.Record(r.Context(), entry), c.Scoreboard.Links.PutLink(r.Context(), l)); err != nil {
		return err
	}
	q := r.URL.Query()
	q.Set("month", month)
	r.URL.RawQuery = q.Encode()
	p.Here = "/scoreboard?month=" + month
	return c.showBoard(w, r, p, c.address(r)+"/s/"+token, vendor)
}

// address is where this console is reached from outside.
func (c *console) address(r *http.Request) string {
	if c.Scoreboard != nil && c.Scoreboard.Address != "" {
		return c.Scoreboard.Address
	}
	scheme := "http"
	if r.TLS != nil {
		scheme = "https"
	}
	return scheme + "://" + r.Host
}

// sharedBoard shows a vendor its part of a month, or hands out the same as a file.
func (c *console) sharedBoard(w http.ResponseWriter, r *http.Request, p *page) error {
	l, err := scoreboard.Open(r.Context(), c.Scoreboard.Links, r.PathValue("token"), p.now)
	if err != nil {
		return &api.Refusal{Why: api.Forbidden, Text: lang.Text{ZH: p.T("score.shared.gone"), EN: p.T("score.shared.gone")}}
	}
	month, err := time.ParseInLocation("2006-01", l.Month, zoneOf(""))
	if err != nil {
		return err
	}
	b, err := c.Scoreboard.Board(r.Context(), month)
	if err != nil {
		return err
	}
	b = b.For(l.Vendor)
	if err := c.Accounts.Record(r.Context(), account.AuditEntry{Actor: "vendor:" + l.Vendor, Action: "scoreboard.seen", Object: l.Month, Detail: r.PathValue("file"), Remote: account.Remote(r)}); err != nil {
		return err
	}
	if f := r.PathValue("file"); f != "" {
		return sendBoard(w, f, b, p.Lang)
	}
	w.Header().Set("Referrer-Policy", "no-referrer") // the address is the key
	d := scoreboardData{Board: b, Shared: true, Files: "/s/" + r.PathValue("token"), Company: c.Scoreboard.Company(), VendorName: l.Vendor}
	for _, v := range c.Scoreboard.Vendors() {
		if v.ID == l.Vendor && !v.Name.IsZero() {
			d.VendorName = v.Name.In(p.Lang)
		}
	}
	p.Title, p.D = p.T("score.title")+" "+b.Month, d
	return c.render(w, r, http.StatusOK, "scoreboard", p)
}

// VendorCode is the code of one vendor's part: what its link shows.
func (d scoreboardData) VendorCode(vendor string) string { return d.Board.For(vendor).Code }

// Tenth writes minutes to a tenth.
func (p *page) Tenth(v float64) string { return strconv.FormatFloat(v, 'f', 1, 64) }

// Share writes a percentage of availability with three digits.
func (p *page) Share(v float64) string { return strconv.FormatFloat(v, 'f', 3, 64) + " %" }

// Clock writes a moment in the person's zone, as text.
func (p *page) Clock(t time.Time) string { return t.In(p.zone).Format("2006-01-02 15:04") }
