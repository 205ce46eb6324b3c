package api

import (
	"cmp"
	"context"
	"crypto/rand"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/faultline/faultline/collector/account"
	"github.com/faultline/faultline/collector/incident"
	"github.com/faultline/faultline/internal/lang"
)

// Request is something that a person asks for: a service, a resource, a change.
type Request struct {
	ID      string // idempotence key
	Process string // id of a process of requests
	Site    string
	Device  string // inventory name of what it is about; "" of nothing known
	Text    string // what is asked for; its first line is the title
	Contact string
	Change  *Change // of changes: what their form asks for
	Actor   incident.Actor
	At      time.Time
}

// Kinds and risks of changes.
const (
	ChangeStandard  = "standard"
	ChangeNormal    = "normal"
	ChangeEmergency = "emergency"
	RiskLow         = "low"
	RiskHigh        = "high"
)

// Change is the form of a change.
type Change struct {
	Type     string    `json:"type"`     // standard, normal, emergency
	Scope    string    `json:"scope"`    // what it touches, in words
	Risk     string    `json:"risk"`     // low or high; of normal changes it says who approves
	Subjects []string  `json:"subjects"` // inventory names that are quiet in the window; empty: the device, else the site
	From     time.Time `json:"from"`     // of the window
	Until    time.Time `json:"until"`
}

// maxSubjects bounds what a window makes quiet.
const maxSubjects = 200

// maxWindow is the longest window.
const maxWindow = 31 * 24 * time.Hour

// Check refuses a form that is not whole.
func (c *Change) Check() error {
	switch {
	case c == nil:
		return invalid("请填写变更类型、范围、风险等级和窗口（change）", "a change says its type, scope, risk and window")
	case !slices.Contains([]string{ChangeStandard, ChangeNormal, ChangeEmergency}, c.Type):
		return invalid("变更类型：standard、normal 或 emergency", "type is standard, normal or emergency")
	case strings.TrimSpace(c.Scope) == "":
		return invalid("请填写变更范围", "scope is missing")
	case !slices.Contains([]string{RiskLow, RiskHigh}, c.Risk):
		return invalid("风险等级：low 或 high", "risk is low or high")
	case c.From.IsZero() || !c.Until.After(c.From) || c.Until.Sub(c.From) > maxWindow:
		return invalid("请填写变更窗口的开始和结束（31 天以内）", "the window has a beginning and an end, within 31 days")
	case len(c.Subjects) > maxSubjects, utf8.RuneCountInString(c.Scope) > maxComment:
		return invalid("内容太长", fmt.Sprintf("more than %d subjects, or too long a text", maxSubjects))
	}
	return nil
}

// request opens what a person asks for.
func (s *server) request(w http.ResponseWriter, r *http.Request, in Request) error {
	p, _ := account.From(r.Context())
	key, err := idempotencyKey(r, p)
	if err != nil {
		return err
	}
	in.ID = key
	done, err := s.openRequest(r, p, in)
	if err != nil {
		return err
	}
	w.Header().Set("Location", "/api/v1/incidents/"+done.IncidentID)
	return s.answerIncident(w, r, http.StatusCreated, done.IncidentID)
}

// openRequest opens a request by the gate.
func (s *server) openRequest(r *http.Request, p account.Principal, in Request) (Reported, error) {
	if s.Requests == nil {
		return Reported{}, invalid("此处不受理申请", "nothing can be asked for here")
	}
	g := RequestGate{Accounts: s.Accounts, KnownSite: s.KnownSite, Requests: s.Requests, Now: s.Now}
	return g.Open(r.Context(), p, in, account.Remote(r))
}

// RequestGate is the one way in which people and programs ask for something: it
// checks what they may, writes the audit trail, then opens it.
type RequestGate struct {
	Accounts  *account.Service
	KnownSite func(site string) bool // of the inventory; nil: any name is taken
	Requests  func(ctx context.Context, r Request) (Reported, error)
	Now       func() time.Time
}

// Open opens what the principal asks for, in its name. in.ID may be empty: the
// request is another one then, however like the last.
func (g RequestGate) Open(ctx context.Context, p account.Principal, in Request, remote string) (Reported, error) {
	if !p.MayAct() {
		return Reported{}, &Refusal{Why: Forbidden, Text: lang.Text{ZH: "只读账号不能进行操作", EN: "a viewer may not act"}}
	}
	if in.Text = strings.TrimSpace(in.Text); in.Text == "" {
		return Reported{}, invalid("请填写申请内容（text）", "text is missing: say what is asked for")
	}
	if err := checkReport(g.KnownSite, p, Report{Site: in.Site, Device: in.Device, Symptoms: in.Text, Contact: in.Contact}); err != nil {
		return Reported{}, err
	}
	in.ID = cmp.Or(in.ID, "req-"+strings.ToLower(rand.Text()))
	in.At, in.Actor = g.Now().UTC(), p.Actor(account.RoleUser)
	if err := g.Accounts.Record(ctx, account.AuditEntry{Actor: p.Name, Action: "request.open", Object: in.Process + " " + in.Site + " " + in.Device, Detail: in.Text, Remote: remote}); err != nil {
		return Reported{}, err
	}
	return g.Requests(ctx, in)
}

// Changed is a change that was made before an incident, on what it is about.
type Changed struct {
	ID       string    `json:"id"`
	Number   string    `json:"number"`
	Title    string    `json:"title"`
	Deployed time.Time `json:"deployed_at"`
	State    string    `json:"state"`
	Subjects []string  `json:"subjects"`
}

// getChanges answers with what was changed in the day before the incident.
func (s *server) getChanges(w http.ResponseWriter, r *http.Request) error {
	i, err := s.one(r)
	if err != nil {
		return err
	}
	out := []Changed{}
	if s.Changes != nil {
		found, err := s.Changes(r.Context(), i)
		if err != nil {
			return err
		}
		out = append(out, found...)
	}
	return answer(w, http.StatusOK, map[string]any{"changes": out})
}
