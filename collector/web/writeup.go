package web

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"

	"github.com/faultline/faultline/collector/account"
	"github.com/faultline/faultline/collector/api"
	"github.com/faultline/faultline/collector/engine"
	"github.com/faultline/faultline/collector/incident"
	"github.com/faultline/faultline/collector/progress"
	"github.com/faultline/faultline/collector/writeup"
	"github.com/faultline/faultline/internal/lang"
)

// Writeups is what the pages of reports in writing need.
type Writeups struct {
	Store writeup.Store
	// View is the incident with its names; fields and zone are the page's.
	View func(ctx context.Context, i incident.Incident) (writeup.View, error)
	// Progress is what those above are told while an emergency lasts.
	Progress interface {
		Of(ctx context.Context, incidentID string) (progress.Wanted, progress.Told, error)
		Set(ctx context.Context, incidentID string, w progress.Wanted) error
		Readers(i incident.Incident) []string // names
	}
}

// writeupPages are the pages of reports in writing.
func (c *console) writeupPages() map[string]handler {
	if c.Writeups == nil {
		return nil
	}
	return map[string]handler{"GET /incidents/{id}/reports/{kind}": c.writeupPage, "POST /incidents/{id}/reports/{kind}": c.writeUp, "GET /incidents/{id}/reports/{kind}/file": c.writeupFile,
		"POST /incidents/{id}/reports/emergency_report/progress": c.setProgress}
}

type writeupData struct {
	incident.Incident
	Kind     string
	Name     string
	Newest   writeup.Edition
	Editions []writeup.Edition // newest first
	Fields   []writeupField
	Typed    writeup.Fields // before a refusal; nil: what is kept
	May      bool
	MaySign  bool
	Progress *progressData // of the emergency report
}

type writeupField struct {
	Name, Title, Text string
	Required          bool
}

// writeupKind is the kind of the path, and the incident.
func (c *console) writeupKind(r *http.Request, p *page) (string, incident.Incident, error) {
	i, err := c.one(r, p)
	if err == nil && !slices.Contains(writeup.Kinds(), r.PathValue("kind")) {
		err = errLost
	}
	return r.PathValue("kind"), i, err
}

func (c *console) writeupPage(w http.ResponseWriter, r *http.Request, p *page) error {
	kind, i, err := c.writeupKind(r, p)
	if err != nil {
		return err
	}
	if r.URL.Query().Get("done") == "saved" {
		p.Done = p.T("knowledge.done.saved")
	}
	return c.showWriteup(w, r, p, writeupData{Incident: i, Kind: kind}, http.StatusOK)
}

func (c *console) showWriteup(w http.ResponseWriter, r *http.Request, p *page, d writeupData, status int) error {
	all, err := c.Writeups.Store.Editions(r.Context(), d.ID, d.Kind)
	if err != nil {
		return err
	}
	if n := len(all); n > 0 {
		d.Newest = all[n-1]
	}
	slices.Reverse(all)
	who := account.PrincipalOf(p.User)
	d.Editions, d.Name, d.May, d.MaySign = all, writeup.Word("title."+d.Kind, p.Lang), who.MayAct(), maySign(who)
	if d.Progress, err = c.progressOf(r, p, d.Kind, d.Incident); err != nil {
		return err
	}
	texts := d.Newest.Fields
	if d.Typed != nil {
		texts = d.Typed
	}
	names, required := writeup.FieldsOf(d.Kind)
	for _, f := range names {
		d.Fields = append(d.Fields, writeupField{f, writeup.Word("section."+f, p.Lang), texts[f], slices.Contains(required, f)})
	}
	p.Title, p.D = d.Number+" "+d.Name, d
	return c.render(w, r, status, "writeup", p)
}

// maySign tells whether the person may sign for a document: head office does.
func maySign(who account.Principal) bool { return who.MayAct() && who.SeesAll() }

// writeUp keeps what a person wrote as the next edition, signed or not.
func (c *console) writeUp(w http.ResponseWriter, r *http.Request, p *page) error {
	r.Body = http.MaxBytesReader(w, r.Body, maxForm)
	if err := r.ParseForm(); err != nil {
		return err
	}
	kind, i, err := c.writeupKind(r, p)
	if err != nil {
		return err
	}
	who := account.PrincipalOf(p.User)
	ch := writeup.Change{Kind: kind, Base: int(atoi64(r.PostForm.Get("base"))), Fields: writeup.Fields{}, By: p.User.Name, Sign: r.PostForm.Get("sign") != "", Name: r.PostForm.Get("name")}
	if !who.MayAct() || ch.Sign && !maySign(who) {
		return &api.Refusal{Why: api.Forbidden, Text: lang.Text{ZH: "由总公司人员签发", EN: "head office signs for it"}}
	}
	names, _ := writeup.FieldsOf(kind)
	for _, f := range names {
		ch.Fields[f] = r.PostForm.Get("field." + f)
	}
	action := map[bool]string{true: "writeup.sign", false: "writeup.write"}[ch.Sign]
	if err := c.Accounts.Record(r.Context(), account.AuditEntry{Actor: p.User.Name, Action: action, Object: i.Number, Detail: kind + " " + ch.Name, Remote: account.Remote(r)}); err != nil {
		return err
	}
	_, err = writeup.Write(r.Context(), c.Writeups.Store, i.ID, ch, c.Now(), func(f writeup.Fields) (map[string]writeup.Document, error) { return c.bothLanguages(r, p, kind, i, f) })
	var fault *writeup.Fault
	switch {
	case errors.As(err, &fault):
		p.Error = p.Text(fault.Text)
		return c.showWriteup(w, r, p, writeupData{Incident: i, Kind: kind, Typed: ch.Fields}, http.StatusUnprocessableEntity)
	case errors.Is(err, engine.ErrConflict):
		p.Error, p.Hint = p.T("error.conflict"), p.T("error.conflict.hint")
		return c.showWriteup(w, r, p, writeupData{Incident: i, Kind: kind, Typed: ch.Fields}, http.StatusConflict)
	case err != nil:
		return err
	}
	redirect(w, r, "/incidents/"+i.ID+"/reports/"+kind+"?done=saved")
	return nil
}

// built writes the document as things stand, with the fields.
func (c *console) built(r *http.Request, p *page, kind string, i incident.Incident, f writeup.Fields, language string) (writeup.Document, error) {
	events, err := c.Incidents.Events(r.Context(), i.ID)
	if err != nil {
		return writeup.Document{}, err
	}
	v, err := c.Writeups.View(r.Context(), i)
	if err != nil {
		return writeup.Document{}, err
	}
	v.Fields, v.Zone = f, p.zone
	return writeup.Build(kind, v, events, c.Now(), language)
}

func (c *console) bothLanguages(r *http.Request, p *page, kind string, i incident.Incident, f writeup.Fields) (map[string]writeup.Document, error) {
	out := map[string]writeup.Document{}
	for _, l := range []string{lang.ZH, lang.EN} {
		d, err := c.built(r, p, kind, i, f, l)
		if err != nil {
			return nil, err
		}
		out[l] = d
	}
	return out, nil
}

// writeupFile answers with the document: as it was signed when a version that was
// signed is asked for, else as things stand with that version's fields.
func (c *console) writeupFile(w http.ResponseWriter, r *http.Request, p *page) error {
	kind, i, err := c.writeupKind(r, p)
	if err != nil {
		return err
	}
	all, err := c.Writeups.Store.Editions(r.Context(), i.ID, kind)
	if err != nil {
		return err
	}
	var e writeup.Edition
	if len(all) > 0 {
		e = all[len(all)-1]
	}
	if v := r.URL.Query().Get("version"); v != "" {
		n := slices.IndexFunc(all, func(e writeup.Edition) bool { return strconv.Itoa(e.Version) == v })
		if n < 0 {
			return errLost
		}
		e = all[n]
	}
	signed := writeup.Signed{Version: e.Version, Zone: p.zone}
	d, frozen := e.Documents[p.Lang]
	if frozen {
		signed.By, signed.At = e.Name, e.At
	} else if d, err = c.built(r, p, kind, i, e.Fields, p.Lang); err != nil {
		return err
	}
	return sendWriteup(w, d, signed, r.URL.Query().Get("format"))
}

// sendWriteup answers with the document in a format. Nothing in it can run.
func sendWriteup(w http.ResponseWriter, d writeup.Document, s writeup.Signed, format string) error {
	var body []byte
	var err error
	media, ending := "text/html; charset=utf-8", ""
	switch format {
	case "md":
		body, media, ending = []byte(d.Markdown(s)), "text/markdown; charset=utf-8", ".md"
	case "docx":
		media, ending = "application/vnd.openxmlformats-officedocument.wordprocessingml.document", ".docx"
		body, err = d.DOCX(s)
	default:
		body, err = d.HTML(s)
	}
	if err != nil {
		return err
	}
	h := w.Header()
	h.Set("Content-Type", media)
	h.Set("Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'; sandbox allow-modals")
	if ending != "" {
		h.Set("Content-Disposition", "attachment; filename*=UTF-8''"+url.PathEscape(fmt.Sprintf("%s-%s%s", d.Number, d.Title, ending)))
	}
	w.Write(body) // the browser may be gone; there is nobody to tell
	return nil
}
