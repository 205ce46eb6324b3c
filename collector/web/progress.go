package web

import (
	"net/http"
	"strings"
	"time"

	"github.com/faultline/faultline/collector/account"
	"github.com/faultline/faultline/collector/api"
	"github.com/faultline/faultline/collector/incident"
	"github.com/faultline/faultline/collector/progress"
	"github.com/faultline/faultline/collector/writeup"
	"github.com/faultline/faultline/internal/lang"
)

// progressEvery are the offers of how often those above are told; zero is not.
var progressEvery = []time.Duration{0, 30 * time.Minute, time.Hour, 2 * time.Hour, 4 * time.Hour, 24 * time.Hour}

// progressData is what the emergency report's page shows of notices upward.
type progressData struct {
	progress.Wanted
	Last    progress.Told
	Offers  []progressOffer
	Readers string // names
}

type progressOffer struct {
	Value, Title string
	Chosen       bool
}

// progressOf reads it; nil where there is none to set.
func (c *console) progressOf(r *http.Request, p *page, kind string, i incident.Incident) (*progressData, error) {
	if c.Writeups.Progress == nil || kind != writeup.Emergency || !i.Open() {
		return nil, nil
	}
	w, last, err := c.Writeups.Progress.Of(r.Context(), i.ID)
	if err != nil {
		return nil, err
	}
	d := &progressData{Wanted: w, Last: last, Readers: strings.Join(c.Writeups.Progress.Readers(i), p.T("progress.and"))}
	for _, every := range progressEvery {
		d.Offers = append(d.Offers, progressOffer{every.String(), p.T("progress.every." + every.String()), every == w.Every})
	}
	return d, nil
}

// setProgress keeps how often those above are told of an emergency.
func (c *console) setProgress(w http.ResponseWriter, r *http.Request, p *page) error {
	r.Body = http.MaxBytesReader(w, r.Body, maxForm)
	if err := r.ParseForm(); err != nil {
		return err
	}
	i, err := c.one(r, p)
	if err != nil {
		return err
	}
	if c.Writeups.Progress == nil {
		return errLost
	}
	every, err := time.ParseDuration(r.PostForm.Get("every"))
	wanted := progress.Wanted{Every: every, By: p.User.Name, At: c.Now().UTC()}
	switch {
	case err != nil || !wanted.Valid():
		return &api.Refusal{Why: api.Invalid, Text: lang.Text{ZH: "间隔应为 15 分钟至 24 小时", EN: "how often: between 15 minutes and 24 hours"}}
	case !account.PrincipalOf(p.User).MayAct():
		return &api.Refusal{Why: api.Forbidden, Text: lang.Text{ZH: "只能查看", EN: "you may only look"}}
	case !i.Open():
		return &api.Refusal{Why: api.NotNow, Text: lang.Text{ZH: "故障单已关闭", EN: "the incident is closed"}}
	}
	if err := c.Accounts.Record(r.Context(), account.AuditEntry{Actor: p.User.Name, Action: "progress.set", Object: i.Number, Detail: every.String(), Remote: account.Remote(r)}); err != nil {
		return err
	}
	if err := c.Writeups.Progress.Set(r.Context(), i.ID, wanted); err != nil {
		return err
	}
	redirect(w, r, "/incidents/"+i.ID+"/reports/"+writeup.Emergency+"?done=saved")
	return nil
}
