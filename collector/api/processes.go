package api

import (
	"errors"
	"net/http"
	"strconv"
	"time"

	"github.com/faultline/faultline/collector/account"
	"github.com/faultline/faultline/collector/engine"
	"github.com/faultline/faultline/collector/handbook"
	"github.com/faultline/faultline/collector/incident"
	"github.com/faultline/faultline/collector/process/versions"
	"github.com/faultline/faultline/internal/lang"
)

// processView is a process as programs read it.
type processView struct {
	ID      string         `json:"id"`
	Title   string         `json:"title"`
	Type    string         `json:"type"`
	Version int            `json:"version"` // in force
	Ref     string         `json:"ref"`
	Signed  bool           `json:"signed"`  // approved by a person; else it is the installed file's
	Waiting int            `json:"waiting"` // versions that wait for their approval
	Open    map[string]int `json:"open"`    // open incidents by version
}

// versionView is one version without its text.
type versionView struct {
	Version     int             `json:"version"`
	Ref         string          `json:"ref"`
	Hash        string          `json:"sha256"`
	State       versions.State  `json:"state"`
	PublishedBy incident.Actor  `json:"published_by"`
	PublishedAt *time.Time      `json:"published_at"`
	Comment     string          `json:"comment"`
	DecidedBy   *incident.Actor `json:"decided_by,omitempty"`
	DecidedAt   *time.Time      `json:"decided_at,omitempty"`
	Reason      string          `json:"reason,omitempty"`
}

func viewOfVersion(v versions.Version) versionView {
	out := versionView{Version: v.Number, Ref: v.Ref, Hash: v.Hash, State: v.State, PublishedBy: v.PublishedBy, PublishedAt: moment(v.PublishedAt), Comment: v.Comment, Reason: v.Reason}
	if v.State != versions.Published {
		out.DecidedBy, out.DecidedAt = &v.DecidedBy, moment(v.DecidedAt)
	}
	return out
}

// listProcesses answers GET /api/v1/processes.
func (s *server) listProcesses(w http.ResponseWriter, r *http.Request) error {
	if s.Handbook == nil {
		return engine.ErrNotFound
	}
	list, err := s.Handbook.Overview(r.Context())
	if err != nil {
		return err
	}
	out := []processView{}
	for _, e := range list {
		out = append(out, processView{e.ID, e.Title.In(s.language(r)), e.Type, e.Version, e.Ref(), e.Signed, e.Waiting, e.Open})
	}
	return answer(w, http.StatusOK, map[string]any{"processes": out})
}

// listVersions answers GET /api/v1/processes/{id}/versions.
func (s *server) listVersions(w http.ResponseWriter, r *http.Request) error {
	if s.Handbook == nil {
		return engine.ErrNotFound
	}
	list, err := s.Handbook.Versions(r.Context(), r.PathValue("id"))
	if err != nil {
		return err
	}
	out := []versionView{}
	for _, v := range list {
		out = append(out, viewOfVersion(v))
	}
	return answer(w, http.StatusOK, map[string]any{"versions": out})
}

// getVersion answers with one version, its text, and what it changes.
func (s *server) getVersion(w http.ResponseWriter, r *http.Request) error {
	number, err := strconv.Atoi(r.PathValue("number"))
	if err != nil || s.Handbook == nil {
		return engine.ErrNotFound
	}
	v, d, err := s.Handbook.Version(r.Context(), r.PathValue("id"), number)
	if err != nil {
		return RefusedVersion(err)
	}
	changes := []string{}
	for _, c := range s.Handbook.Changes(d) {
		changes = append(changes, c.Text.In(s.language(r)))
	}
	return answer(w, http.StatusOK, struct {
		versionView
		Text    string   `json:"text"`
		Changes []string `json:"changes"` // against the version in force
	}{viewOfVersion(v), v.Text, changes})
}

// publishVersion answers POST /api/v1/processes.
func (s *server) publishVersion(w http.ResponseWriter, r *http.Request) error {
	var in struct {
		Text    string `json:"text"`
		Comment string `json:"comment"`
	}
	if s.Handbook == nil {
		return engine.ErrNotFound
	}
	if err := decodeUpTo(w, r, &in, 2*handbook.MaxText); err != nil {
		return err
	}
	v, err := s.Handbook.Publish(r.Context(), whoOf(r), in.Text, in.Comment)
	if err != nil {
		return RefusedVersion(err)
	}
	return answer(w, http.StatusCreated, viewOfVersion(v))
}

// decideVersion answers POST /api/v1/processes/{id}/versions/{number}/decision.
func (s *server) decideVersion(w http.ResponseWriter, r *http.Request) error {
	var in struct {
		Approve bool   `json:"approve"`
		Reason  string `json:"reason"`
	}
	number, err := strconv.Atoi(r.PathValue("number"))
	if err != nil || s.Handbook == nil {
		return engine.ErrNotFound
	}
	if err := decode(w, r, &in); err != nil {
		return err
	}
	v, err := s.Handbook.Decide(r.Context(), whoOf(r), r.PathValue("id"), number, in.Approve, in.Reason)
	if err != nil {
		return RefusedVersion(err)
	}
	return answer(w, http.StatusOK, viewOfVersion(v))
}

// migrate answers POST /api/v1/processes/{id}/migration.
func (s *server) migrate(w http.ResponseWriter, r *http.Request) error {
	var in struct {
		From    string       `json:"from"` // id@version#hash
		Map     versions.Map `json:"map"`
		Comment string       `json:"comment"`
	}
	if s.Handbook == nil {
		return engine.ErrNotFound
	}
	if err := decode(w, r, &in); err != nil {
		return err
	}
	moved, err := s.Handbook.Migrate(r.Context(), whoOf(r), in.From, in.Map, in.Comment)
	if err != nil {
		return RefusedVersion(err)
	}
	type one struct {
		ID      string `json:"id"`
		Number  string `json:"number"`
		From    string `json:"from"`
		To      string `json:"to"`
		Problem string `json:"problem,omitempty"`
	}
	out := []one{}
	for _, m := range moved {
		out = append(out, one(m))
	}
	return answer(w, http.StatusOK, map[string]any{"moved": out})
}

func whoOf(r *http.Request) handbook.Who {
	p, _ := account.From(r.Context())
	return handbook.Who{Principal: p, Remote: account.Remote(r)}
}

// RefusedVersion turns what the handbook refuses into words for people.
func RefusedVersion(err error) error {
	say := func(why, zh, en string) error { return &Refusal{Why: why, Text: lang.Text{ZH: zh, EN: en}} }
	var unclean *versions.Unclean
	switch {
	case errors.As(err, &unclean):
		text := err.Error()
		return say(Invalid, "流程文件未通过检查："+text, text)
	case errors.Is(err, handbook.ErrForbidden):
		return say(Forbidden, "只有流程负责角色或信息技术部领导本人可以发布和批准流程", err.Error())
	case errors.Is(err, handbook.ErrUnknown):
		return errors.Join(engine.ErrNotFound, err)
	case errors.Is(err, handbook.ErrReason):
		return say(Invalid, "请说明原因", err.Error())
	case errors.Is(err, versions.ErrSelf):
		return say(Forbidden, "发布人不能批准自己发布的版本", err.Error())
	case errors.Is(err, versions.ErrUnsigned):
		return say(Forbidden, "发布和批准须由实名人员登录后进行", err.Error())
	case errors.Is(err, versions.ErrExists):
		return say(NotNow, "版本号已存在或不够大，请递增版本号："+err.Error(), err.Error())
	case errors.Is(err, versions.ErrState):
		return say(NotNow, "该版本已经有决定", err.Error())
	case errors.Is(err, engine.ErrFenced), errors.Is(err, engine.ErrConflict):
		return err
	}
	return say(Invalid, err.Error(), err.Error())
}
