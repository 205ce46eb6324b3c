package vendorpage

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"html/template"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/faultline/faultline/collector/account"
	"github.com/faultline/faultline/collector/effect/ticket"
	"github.com/faultline/faultline/collector/effect/ticket/chart"
	"github.com/faultline/faultline/collector/incident"
	"github.com/faultline/faultline/internal/lang"
)

// Sizes of a chart, in pixels; the page fits it to the phone.
const (
	chartWidth  = 360
	chartHeight = 150
)

// sheet is what the template sees.
type sheet struct {
	ticket.Sheet
	W        map[string]string
	Action   string // where forms go
	Style    string
	Other    string // the same page in the other language
	Key      string // of the forms: what is sent twice acts once
	Notice   string
	Error    string
	State    string // open, verified, closed, withdrawn
	Live     bool
	Accepted bool
	Claimed  bool // he says it is fixed, measurements do not
	Expected string
	Charts   []picture
	Files    []row
	Said     []row
	Until    string // the link is good until
}

type picture struct {
	Title, Unit string
	SVG         template.HTML
}

type row struct{ At, Text string }

// look shows the page. It changes nothing but the timeline, which says that
// somebody looked.
func (h *Handler) look(w http.ResponseWriter, r *http.Request, v visit) error {
	s, err := h.sheet(r, v)
	if err != nil {
		return err
	}
	if r.Method == http.MethodGet && r.URL.Query().Get("done") == "" {
		h.viewed(r, v)
	}
	h.requests.WithLabelValues("view", "done").Inc()
	return h.write(w, http.StatusOK, "page", s)
}

// sheet puts the page together.
func (h *Handler) sheet(r *http.Request, v visit) (sheet, error) {
	s := sheet{W: words[v.language], Style: Prefix + "page.css", Key: h.o.Links.formKey(v.token), State: v.i.State, Live: v.live(), Until: v.g.Expires.In(v.zone).Format("2006-01-02 15:04 -07:00")}
	other := map[string]string{lang.ZH: lang.EN, lang.EN: lang.ZH}[v.language]
	s.Action, s.Other = Prefix+v.token+"?lang="+v.language, Prefix+v.token+"?lang="+other
	if done := r.URL.Query().Get("done"); slices.Contains([]string{doAccept, doQuestion, doUpload, doFixed}, done) {
		s.Notice = s.W["done."+done]
	}
	if v.t.State == "withdrawn" {
		// The diagnosis is another vendor's by now: nothing of it is shown.
		s.State = "withdrawn"
		s.Lang, s.Number, s.Vendor, s.Title = v.language, v.i.Number, v.vendor.Name.In(v.language), v.firstSubject()
	} else if err := h.content(r, v, &s); err != nil {
		return s, err
	}
	if !v.t.Expected.IsZero() {
		s.Expected = v.t.Expected.In(v.zone).Format("2006-01-02 15:04 -07:00")
	}
	return s, h.history(r, v, &s)
}

// content adds the ticket and the measurements.
func (h *Handler) content(r *http.Request, v visit, s *sheet) error {
	in := ticket.Input{Incident: v.i, Vendor: v.vendor, Graph: h.o.Graph(), Now: h.o.Now()}
	if h.o.OnSite != nil {
		in.OnSite, in.Until = h.o.OnSite(v.i.Diagnosis.Site, in.Now)
	}
	var err error
	if s.Sheet, err = h.renderer.Sheet(in); err != nil {
		return err
	}
	if h.o.Charts == nil {
		return nil
	}
	charts, err := h.o.Charts(r.Context(), v.i, v.language)
	if err != nil {
		h.o.Logger.Warn("vendor page without charts", "number", v.i.Number, "err", err)
	}
	for _, c := range charts {
		if measured(c) {
			s.Charts = append(s.Charts, picture{Title: c.Title, Unit: c.Unit, SVG: template.HTML(chart.SVG(c, chartWidth, chartHeight))}) // chart escapes every text
		}
	}
	return nil
}

// measured tells whether there is anything to draw.
func measured(c chart.Chart) bool {
	return slices.ContainsFunc(c.Points, func(p chart.Point) bool { return p.Value == p.Value }) // NaN is unlike itself
}

// firstSubject is what the vendor was told first, without the number.
func (v visit) firstSubject() string {
	for _, m := range v.t.Messages {
		if m.Subject != "" {
			return strings.TrimPrefix(m.Subject, "[FL#"+v.i.Number+"] ")
		}
	}
	return ""
}

// history adds what this vendor said and sent; nothing that others did.
func (h *Handler) history(r *http.Request, v visit, s *sheet) error {
	events, err := h.o.Events(r.Context(), v.i.ID)
	if err != nil {
		return err
	}
	for _, e := range events {
		if e.Actor.Kind != "vendor" || e.Actor.ID != v.t.Vendor {
			continue
		}
		at := e.At.In(v.zone).Format("01-02 15:04")
		switch e.Kind {
		case incident.VendorReported:
			s.Accepted = true
			s.Claimed = e.Choice == "reported_fixed"
			s.Said = append(s.Said, row{at, strings.TrimSpace(s.W["said."+e.Choice] + " " + short(e.Comment))})
		case incident.Commented:
			s.Said = append(s.Said, row{at, short(e.Comment)})
		case incident.Attached:
			s.Files = append(s.Files, row{at, s.W["file."+e.Attachment.Kind] + " " + e.Attachment.Name})
		}
	}
	s.Claimed = s.Claimed && v.live() && v.i.State == incident.StateOpen && v.i.RecoveredAt.IsZero()
	slices.Reverse(s.Said)
	return nil
}

func short(s string) string { return shorten(strings.Join(strings.Fields(s), " "), 200) }

// viewed notes in the timeline that somebody looked: once a minute for the same
// reader, so that a page reloaded over and over does not bury the rest.
func (h *Handler) viewed(r *http.Request, v visit) {
	agent := r.UserAgent()
	sum := sha256.Sum256([]byte(agent))
	client := v.g.Ticket + " " + account.Remote(r) + " " + hex.EncodeToString(sum[:4])
	if !h.views.Allow(client, h.o.Now()) {
		return
	}
	now := h.o.Now().UTC()
	id := sha256.Sum256([]byte(client + now.Format(time.RFC3339Nano)))
	fact := incident.Event{IncidentID: v.i.ID, ID: "page/" + v.g.Ticket + "/view/" + hex.EncodeToString(id[:8]), At: now, Kind: incident.VendorViewed, Actor: actor(v, r), Comment: reader(agent)}
	if err := h.o.Handle(r.Context(), fact); err != nil {
		h.o.Logger.Warn("view of a vendor page is not in the timeline", "number", v.i.Number, "err", err)
	}
}

// reader says what program looked, as far as it says so itself.
func reader(agent string) string {
	low := strings.ToLower(agent)
	for _, k := range []struct{ in, name string }{{"bot", "链接预览 link preview"}, {"preview", "链接预览 link preview"}, {"spider", "链接预览 link preview"}, {"crawler", "链接预览 link preview"},
		{"micromessenger", "微信 WeChat"}, {"wxwork", "企业微信 WeCom"}, {"dingtalk", "钉钉 DingTalk"}, {"lark", "飞书 Feishu"}, {"android", "Android"}, {"iphone", "iPhone"}, {"windows", "Windows"}, {"linux", "Linux"}, {"macintosh", "Mac"}} {
		if strings.Contains(low, k.in) {
			return k.name
		}
	}
	return ""
}

// write writes a page.
func (h *Handler) write(w http.ResponseWriter, status int, name string, s sheet) error {
	var b bytes.Buffer
	if err := h.page.ExecuteTemplate(&b, name, s); err != nil {
		return fmt.Errorf("vendor page: %w", err)
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.Header().Set("Content-Language", s.Lang)
	w.WriteHeader(status)
	w.Write(b.Bytes()) // the browser may be gone; there is nobody to tell
	return nil
}

// fail says why there is no page, or why nothing was done. What is nobody's
// business is logged, not shown.
func (h *Handler) fail(w http.ResponseWriter, r *http.Request, err error) {
	refused := &Refusal{Status: http.StatusInternalServerError, Result: "failed", Text: lang.Text{ZH: "系统暂时出错，请稍后重试或直接回复邮件", EN: "Something went wrong here: try again later, or reply to the mail."}}
	if x, ok := err.(*Refusal); ok { //nolint:errorlint // refusals are never wrapped
		refused = x
	} else if r.Context().Err() == nil {
		h.o.Logger.Error("vendor page", "method", r.Method, "err", err)
	}
	what := "view"
	if r.Method == http.MethodPost {
		what = "act"
	}
	h.requests.WithLabelValues(what, refused.Result).Inc()
	l := r.URL.Query().Get("lang")
	if l == "" && !strings.Contains(strings.ToLower(r.Header.Get("Accept-Language")), "zh") && r.Header.Get("Accept-Language") != "" {
		l = lang.EN
	}
	if l != lang.EN {
		l = lang.ZH
	}
	s := sheet{W: words[l], Style: Prefix + "page.css", Error: refused.Text.In(l)}
	s.Lang = l
	if refused.Status != http.StatusNotFound && refused.Status != http.StatusGone {
		s.Action = r.URL.Path
	}
	if err := h.write(w, refused.Status, "refused", s); err != nil {
		http.Error(w, refused.Text.In(l), refused.Status)
	}
}
