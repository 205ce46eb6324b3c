package api

import (
	"context"
	"errors"
	"net/http"
	"time"

	"github.com/faultline/faultline/collector/account"
	"github.com/faultline/faultline/collector/drill"
	"github.com/faultline/faultline/collector/engine"
	"github.com/faultline/faultline/collector/writeup"
	"github.com/faultline/faultline/internal/lang"
)

// Drills are the drills as API and console reach them.
type Drills struct {
	Desk *drill.Desk
	// Report is a drill's report in a language, its times in the site's zone; nil
	// zone: the site's own.
	Report func(ctx context.Context, r drill.Record, language string, zone *time.Location) writeup.Document
}

// errNoDrills says that none are led here.
var errNoDrills = &httpError{status: http.StatusNotFound, text: lang.Text{ZH: "此处不进行演练", EN: "no drills are led here"}}

// DrillRefusal turns what the desk refused into words for people; other errors
// stay as they are.
func DrillRefusal(err error) error {
	var r *drill.Refused
	switch {
	case !errors.As(err, &r):
		return err
	case r.Missing:
		return errors.Join(&httpError{status: http.StatusNotFound, text: r.Text}, engine.ErrNotFound)
	case r.Forbidden:
		return &Refusal{Why: Forbidden, Text: r.Text}
	}
	return &Refusal{Why: Invalid, Text: r.Text}
}

// drillView is a drill without the story's text.
type drillView struct {
	drill.Record
	Scenario string       `json:"-"`
	MayLead  bool         `json:"may_lead"`
	Tickets  []drill.Held `json:"tickets,omitempty"` // held back from vendors
}

func (s *server) listDrills(w http.ResponseWriter, r *http.Request) error {
	p, _ := account.From(r.Context())
	list, err := s.Drills.Desk.List(r.Context(), p)
	if err != nil {
		return err
	}
	out := []drillView{}
	for _, x := range list {
		out = append(out, drillView{Record: x, MayLead: s.Drills.Desk.MayLead(p, x.Site)})
	}
	return answer(w, http.StatusOK, map[string]any{"drills": out})
}

// drilled answers errNoDrills where there are no drills.
func (s *server) drilled(handle func(http.ResponseWriter, *http.Request) error) func(http.ResponseWriter, *http.Request) error {
	return func(w http.ResponseWriter, r *http.Request) error {
		if s.Drills == nil {
			return errNoDrills
		}
		return handle(w, r)
	}
}

// listStories answers with the stories that may be played at ?site=.
func (s *server) listStories(w http.ResponseWriter, r *http.Request) error {
	p, _ := account.From(r.Context())
	site := r.URL.Query().Get("site")
	if !p.Sees(site) || s.KnownSite != nil && !s.KnownSite(site) {
		return invalid("没有此站点："+site, "no such site: "+site)
	}
	return answer(w, http.StatusOK, map[string]any{"stories": s.Drills.Desk.Offers(site)})
}

func (s *server) startDrill(w http.ResponseWriter, r *http.Request) error {
	var in struct {
		Site        string  `json:"site"`
		Story       string  `json:"story"`
		Limit       float64 `json:"limit_seconds"`
		RepairAfter float64 `json:"repair_after_seconds"`
		Hold        float64 `json:"hold_seconds"`
		Vendors     bool    `json:"vendors"`
	}
	if err := decode(w, r, &in); err != nil {
		return err
	}
	p, _ := account.From(r.Context())
	if s.KnownSite != nil && !s.KnownSite(in.Site) {
		return invalid("没有此站点："+in.Site, "no such site: "+in.Site)
	}
	long := func(seconds float64) time.Duration {
		return time.Duration(min(max(seconds, -1), 1e6) * float64(time.Second))
	}
	rec, err := s.Drills.Desk.Start(r.Context(), p, drill.Start{Site: in.Site, Story: in.Story, Limit: long(in.Limit), RepairAfter: long(in.RepairAfter), Hold: long(in.Hold), Vendors: in.Vendors}, account.Remote(r))
	if err != nil {
		return DrillRefusal(err)
	}
	w.Header().Set("Location", "/api/v1/drills/"+rec.ID)
	return answer(w, http.StatusCreated, drillView{Record: rec, MayLead: true})
}

func (s *server) getDrill(w http.ResponseWriter, r *http.Request) error {
	p, _ := account.From(r.Context())
	rec, err := s.Drills.Desk.Get(r.Context(), p, r.PathValue("id"))
	if err != nil {
		return DrillRefusal(err)
	}
	v := drillView{Record: rec, MayLead: s.Drills.Desk.MayLead(p, rec.Site)}
	if v.Tickets, err = s.Drills.Desk.Tickets(r.Context(), rec.ID); err != nil {
		return err
	}
	return answer(w, http.StatusOK, v)
}

// actOnDrill answers POST /api/v1/drills/{id}/actions: repair, stop, sign.
func (s *server) actOnDrill(w http.ResponseWriter, r *http.Request) error {
	var in struct {
		Action string `json:"action"`
		Reason string `json:"reason"`
		Name   string `json:"name"`
	}
	if err := decode(w, r, &in); err != nil {
		return err
	}
	p, _ := account.From(r.Context())
	if err := LeadDrill(r.Context(), s.Drills.Desk, p, DrillAct{ID: r.PathValue("id"), Action: in.Action, Reason: in.Reason, Name: in.Name, Remote: account.Remote(r)}); err != nil {
		return err
	}
	return s.getDrill(w, r)
}

// DrillAct is what a leader does with a drill.
type DrillAct struct {
	ID           string
	Action       string // repair, stop, sign
	Reason, Name string // of stop; of sign
	Remote       string
}

// LeadDrill carries it out; what is refused is a *Refusal.
func LeadDrill(ctx context.Context, d *drill.Desk, p account.Principal, a DrillAct) error {
	if _, err := d.Get(ctx, p, a.ID); err != nil {
		return DrillRefusal(err)
	}
	var err error
	switch a.Action {
	case "repair":
		err = d.Repair(ctx, p, a.ID, a.Remote)
	case "stop":
		err = d.Stop(ctx, p, a.ID, a.Reason, a.Remote)
	case "sign":
		_, err = d.Sign(ctx, p, a.ID, a.Name, a.Remote)
	default:
		return invalid("action 必须是 repair、stop 或 sign", "action must be repair, stop or sign")
	}
	return DrillRefusal(err)
}

// drillReport answers with the report, as a page or as DOCX.
func (s *server) drillReport(w http.ResponseWriter, r *http.Request) error {
	p, _ := account.From(r.Context())
	rec, err := s.Drills.Desk.Get(r.Context(), p, r.PathValue("id"))
	if err != nil {
		return DrillRefusal(err)
	}
	return SendDrillReport(w, s.Drills, r, rec, s.language(r), nil)
}

// SendDrillReport answers with the report in ?format= html or docx.
func SendDrillReport(w http.ResponseWriter, d *Drills, r *http.Request, rec drill.Record, language string, zone *time.Location) error {
	doc := d.Report(r.Context(), rec, language, zone)
	signed := writeup.Signed{Zone: zone}
	if rec.Signed != nil {
		signed.By, signed.At = rec.Signed.Name, rec.Signed.At
	}
	name, media := "drill-"+rec.ID+".html", "text/html; charset=utf-8"
	body, err := doc.HTML(signed)
	if r.URL.Query().Get("format") == "docx" {
		name, media = "drill-"+rec.ID+".docx", "application/vnd.openxmlformats-officedocument.wordprocessingml.document"
		body, err = doc.DOCX(signed)
	}
	if err != nil {
		return err
	}
	h := w.Header()
	h.Set("Content-Type", media)
	h.Set("Content-Disposition", `inline; filename="`+name+`"`)
	h.Set("Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'")
	_, _ = w.Write(body) // the client may be gone; there is nobody to tell
	return nil
}
