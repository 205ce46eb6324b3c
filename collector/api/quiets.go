package api

import (
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/faultline/faultline/collector/account"
	"github.com/faultline/faultline/collector/engine"
	"github.com/faultline/faultline/internal/lang"
)

// Bounds of what an announcement may say.
const (
	mostSubjects = 200
	longestName  = 200
	longestWhy   = 1000
)

// Quiets are the announced maintenances, works and silences; *engine.Quiets is it.
type Quiets interface {
	List() []engine.Quiet
	Reload(ctx context.Context) error
	Announce(ctx context.Context, q engine.Quiet, now time.Time) (engine.Quiet, error)
	Lift(ctx context.Context, id string, now time.Time) error
}

// QuietGate is the one way in which people and programs announce quiet times:
// it checks whose things they are, writes the audit trail, then does it.
type QuietGate struct {
	Accounts *account.Service
	Quiets   Quiets
	// SiteOf returns the site of an inventory name; known is false for a name that
	// is not there. What belongs to no single site, such as a carrier, has site "".
	SiteOf func(name string) (site string, known bool)
	Now    func() time.Time
}

// List returns what the principal may see, the latest first.
func (g QuietGate) List(ctx context.Context, p account.Principal) ([]engine.Quiet, error) {
	if err := g.Quiets.Reload(ctx); err != nil {
		return nil, err
	}
	list := slices.DeleteFunc(g.Quiets.List(), func(q engine.Quiet) bool { return !g.sees(p, q) })
	slices.SortFunc(list, func(a, b engine.Quiet) int { return cmp.Or(b.From.Compare(a.From), cmp.Compare(a.ID, b.ID)) })
	return list, nil
}

// sees: whoever may see one of its things may know why nothing is said of it.
func (g QuietGate) sees(p account.Principal, q engine.Quiet) bool {
	return p.SeesAll() || slices.ContainsFunc(q.Subjects, func(s string) bool {
		site, _ := g.siteOf(s)
		return site != "" && p.Sites != nil && p.Sees(site)
	})
}

// MayLift tells whether the principal may announce and lift what concerns these things.
func (g QuietGate) MayLift(p account.Principal, q engine.Quiet) bool {
	if !p.MayAct() {
		return false
	}
	return p.SeesAll() || len(q.Subjects) > 0 && !slices.ContainsFunc(q.Subjects, func(s string) bool {
		site, _ := g.siteOf(s)
		return site == "" || !p.Sees(site)
	})
}

// siteOf also takes device:component.
func (g QuietGate) siteOf(name string) (site string, known bool) {
	if site, known = g.SiteOf(name); known {
		return site, true
	}
	if i := strings.LastIndexByte(name, ':'); i > 0 {
		return g.SiteOf(name[:i])
	}
	return "", false
}

// Announce adds a quiet time in the principal's name. One with the ID of
// another that is kept is that one: a repeat changes nothing.
func (g QuietGate) Announce(ctx context.Context, p account.Principal, q engine.Quiet, remote string) (engine.Quiet, error) {
	if err := g.Quiets.Reload(ctx); err != nil {
		return q, err
	}
	if at := slices.IndexFunc(g.Quiets.List(), func(have engine.Quiet) bool { return q.ID != "" && have.ID == q.ID }); at >= 0 {
		return g.Quiets.List()[at], nil
	}
	q.By, q.Reason = p.Name, strings.TrimSpace(q.Reason)
	if q.From.IsZero() {
		q.From = g.Now().UTC().Truncate(time.Second)
	}
	if err := g.check(p, q); err != nil {
		return q, err
	}
	q.ID = cmp.Or(q.ID, "quiet-"+strings.ToLower(rand.Text()))
	if err := g.Accounts.Record(ctx, account.AuditEntry{Actor: p.Name, Action: "quiet.announce", Object: q.ID, Detail: describe(q), Remote: remote}); err != nil {
		return q, err
	}
	kept, err := g.Quiets.Announce(ctx, q, g.Now())
	if errors.Is(err, engine.ErrManyQuiets) {
		return q, &Refusal{Why: NotNow, Text: lang.Text{ZH: "静默时段已满", EN: "too many quiet times are kept"}, Hint: lang.Text{ZH: "请先解除一些", EN: "lift some first"}}
	}
	return kept, err
}

func (g QuietGate) check(p account.Principal, q engine.Quiet) error {
	switch {
	case len(q.Subjects) > mostSubjects:
		return invalid(fmt.Sprintf("对象不得超过 %d 个", mostSubjects), fmt.Sprintf("at most %d subjects", mostSubjects))
	case utf8.RuneCountInString(q.Reason) > longestWhy || len(q.ID) > longestName:
		return invalid(fmt.Sprintf("原因不得超过 %d 字", longestWhy), fmt.Sprintf("the reason has at most %d characters, the id %d", longestWhy, longestName))
	case !q.Until.IsZero() && !q.Until.After(g.Now()):
		return invalid("结束时间已过", "it ends in the past")
	}
	if err := q.Validate(); err != nil {
		return invalid("公告不完整：类型、对象和原因都要填写，结束须晚于开始且不超过一年", strings.ReplaceAll(err.Error(), "\n", "; "))
	}
	for _, s := range q.Subjects {
		if _, known := g.siteOf(s); !known {
			return invalid("资产清单中没有 "+s, "the inventory has no "+s)
		}
	}
	if !g.MayLift(p, q) {
		return &Refusal{Why: Forbidden, Text: lang.Text{ZH: "所列对象不在您的职责范围内", EN: "some of these are not within your scope"},
			Hint: lang.Text{ZH: "运营商与标签范围须由总部公告", EN: "carriers and labels are head office's to announce"}}
	}
	return nil
}

// errNoQuiet says there is no such quiet time, or none this principal may see.
var errNoQuiet = &httpError{status: http.StatusNotFound, text: lang.Text{ZH: "没有此静默时段", EN: "no such quiet time"}}

// Lift ends a quiet time now, and withdraws one that has not begun.
func (g QuietGate) Lift(ctx context.Context, p account.Principal, id, remote string) error {
	if err := g.Quiets.Reload(ctx); err != nil {
		return err
	}
	list := g.Quiets.List()
	at := slices.IndexFunc(list, func(have engine.Quiet) bool { return have.ID == id })
	if at < 0 || !g.sees(p, list[at]) {
		return errNoQuiet
	}
	if !g.MayLift(p, list[at]) {
		return &Refusal{Why: Forbidden, Text: lang.Text{ZH: "此静默时段不在您的职责范围内", EN: "this quiet time is not within your scope"}}
	}
	if err := g.Accounts.Record(ctx, account.AuditEntry{Actor: p.Name, Action: "quiet.lift", Object: id, Detail: describe(list[at]), Remote: remote}); err != nil {
		return err
	}
	return g.Quiets.Lift(ctx, id, g.Now())
}

// describe is what the audit trail says of a quiet time.
func describe(q engine.Quiet) string {
	until := "lifted"
	if !q.Until.IsZero() {
		until = q.Until.UTC().Format(time.RFC3339)
	}
	return fmt.Sprintf("%s of %s %v from %s until %s: %s", q.Kind, strings.Join(q.Subjects, " "), q.Labels, q.From.UTC().Format(time.RFC3339), until, q.Reason)
}

// States of a quiet time.
const (
	QuietPlanned = "planned"
	QuietActive  = "active"
	QuietOver    = "over"
)

// QuietState says where a quiet time stands at now.
func QuietState(q engine.Quiet, now time.Time) string {
	switch {
	case !q.Until.IsZero() && !now.Before(q.Until):
		return QuietOver
	case now.Before(q.From):
		return QuietPlanned
	}
	return QuietActive
}

type quietView struct {
	ID       string            `json:"id"`
	Kind     string            `json:"kind"`
	State    string            `json:"state"`
	From     time.Time         `json:"from"`
	Until    *time.Time        `json:"until"`
	Subjects []string          `json:"subjects"`
	Labels   map[string]string `json:"labels,omitempty"`
	Reason   string            `json:"reason"`
	By       string            `json:"by"`
}

func (s *server) quietView(q engine.Quiet) quietView {
	return quietView{ID: q.ID, Kind: q.Kind, State: QuietState(q, s.Now()), From: q.From.UTC(), Until: moment(q.Until), Subjects: append([]string{}, q.Subjects...),
		Labels: q.Labels, Reason: q.Reason, By: q.By}
}

// errNoQuiets says that this collector keeps none.
var errNoQuiets = &httpError{status: http.StatusNotFound, text: lang.Text{ZH: "此采集中心不保存静默时段", EN: "this collector keeps no quiet times"}}

func (s *server) listQuiets(w http.ResponseWriter, r *http.Request) error {
	if s.Quiet == nil {
		return errNoQuiets
	}
	p, _ := account.From(r.Context())
	list, err := s.Quiet.List(r.Context(), p)
	if err != nil {
		return err
	}
	states := strings.FieldsFunc(r.URL.Query().Get("state"), func(c rune) bool { return c == ',' })
	out := []quietView{}
	for _, q := range list {
		if v := s.quietView(q); len(states) == 0 || slices.Contains(states, v.State) {
			out = append(out, v)
		}
	}
	return answer(w, http.StatusOK, map[string]any{"quiets": out})
}

func (s *server) postQuiet(w http.ResponseWriter, r *http.Request) error {
	if s.Quiet == nil {
		return errNoQuiets
	}
	var in struct {
		ID       string            `json:"id"`
		Kind     string            `json:"kind"`
		From     time.Time         `json:"from"`
		Until    time.Time         `json:"until"`
		Subjects []string          `json:"subjects"`
		Labels   map[string]string `json:"labels"`
		Reason   string            `json:"reason"`
	}
	if err := decode(w, r, &in); err != nil {
		return err
	}
	p, _ := account.From(r.Context())
	q, err := s.Quiet.Announce(r.Context(), p, engine.Quiet{ID: in.ID, Kind: in.Kind, From: in.From, Until: in.Until, Subjects: in.Subjects,
		Labels: in.Labels, Reason: in.Reason}, account.Remote(r))
	if err != nil {
		return err
	}
	return answer(w, http.StatusCreated, s.quietView(q))
}

func (s *server) liftQuiet(w http.ResponseWriter, r *http.Request) error {
	if s.Quiet == nil {
		return errNoQuiets
	}
	p, _ := account.From(r.Context())
	if err := s.Quiet.Lift(r.Context(), p, r.PathValue("id"), account.Remote(r)); err != nil {
		return err
	}
	w.WriteHeader(http.StatusNoContent)
	return nil
}
