package api

import (
	"context"
	"crypto/rand"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/faultline/faultline/collector/account"
	"github.com/faultline/faultline/collector/document"
	"github.com/faultline/faultline/collector/incident"
	"github.com/faultline/faultline/collector/process"
	"github.com/faultline/faultline/internal/lang"
)

// Actions that can be taken.
const (
	ActAck            = "ack"
	ActDecide         = "decide"
	ActApprove        = "approve"
	ActReject         = "reject"
	ActDone           = "done"
	ActComment        = "comment"
	ActVendorAccepted = "vendor_accepted"
	ActVendorFixed    = "vendor_reported_fixed"
	ActVendorReturned = "vendor_returned"
	ActClose          = "close"
	ActReopen         = "reopen"
	ActAttach         = "attach" // of a document: POST …/documents
	ActPause          = "pause"  // Choice is the reason's id
	ActResume         = "resume"
)

// facts are the events that actions become.
var facts = map[string]incident.Event{
	ActAck:            {Kind: incident.Acked},
	ActDecide:         {Kind: incident.Decided},
	ActApprove:        {Kind: incident.Approved},
	ActReject:         {Kind: incident.Rejected},
	ActDone:           {Kind: incident.Done},
	ActComment:        {Kind: incident.Commented},
	ActVendorAccepted: {Kind: incident.VendorReported, Choice: "accepted"},
	ActVendorFixed:    {Kind: incident.VendorReported, Choice: "reported_fixed"},
	ActVendorReturned: {Kind: incident.VendorReported, Choice: "returned"},
	ActClose:          {Kind: incident.Closed},
	ActReopen:         {Kind: incident.Reopened},
	ActAttach:         {Kind: incident.Attached},
	ActPause:          process.PauseFact("", ""),
	ActResume:         process.ResumeFact(""),
}

// chosen are the actions that have a choice.
var chosen = []string{ActDecide, ActPause}

// Event returns the action as the fact it is to the incident.
func (a Action) Event() incident.Event {
	e := facts[a.Kind]
	e.ID, e.IncidentID, e.At, e.Actor, e.Comment = a.ID, a.IncidentID, a.At, a.Actor, a.Comment
	switch e.Kind {
	case incident.Decided:
		e.Choice = a.Choice
	case incident.Closed, incident.Reopened:
		e.Reason = a.Comment
	case incident.ClockPaused:
		e.Reason = a.Choice
	case incident.Attached:
		e.Attachment = a.Attachment
	}
	return e
}

// Bounds of what people write, in characters.
const (
	maxComment = 4000
	maxWord    = 128
)

// Check returns a *Refusal when the action is not complete in itself.
func (a Action) Check() error {
	_, known := facts[a.Kind]
	comment := strings.TrimSpace(a.Comment)
	switch {
	case !known:
		return invalid(fmt.Sprintf("没有操作 %q", a.Kind), fmt.Sprintf("no action %q", a.Kind))
	case slices.Contains(chosen, a.Kind) && a.Choice == "":
		return invalid("请选择一项", a.Kind+" needs a choice")
	case !slices.Contains(chosen, a.Kind) && a.Choice != "":
		return invalid("只有 decide 和 pause 带有 choice", "only decide and pause have a choice")
	case a.Kind == ActAttach && a.Attachment == nil:
		return invalid("文件请提交到 /documents", "documents are handed in at /documents")
	case comment == "" && slices.Contains([]string{ActComment, ActReject, ActVendorReturned, ActClose, ActReopen, ActPause, ActResume}, a.Kind):
		return invalid("请说明原因", a.Kind+" needs a comment")
	case utf8.RuneCountInString(a.Comment) > maxComment || utf8.RuneCountInString(a.Choice) > maxWord:
		return invalid("文字太长", fmt.Sprintf("the text is longer than %d characters", maxComment))
	case !utf8.ValidString(a.Comment) || !utf8.ValidString(a.Choice):
		return invalid("文字不是 UTF-8", "the text is not UTF-8")
	}
	return nil
}

// Gate carries out people's and programs' actions after checking them; the
// console uses it as well, so that both ways in are the same.
type Gate struct {
	Accounts *account.Service
	Engine   Engine
	Offers   func(i incident.Incident, roles []string) []Offer
	// Documents keeps what is handed in; nil: nothing can be.
	Documents document.Store
	Now       func() time.Time
}

// Act checks that the principal may do this to the incident now, audits it and
// carries it out. The incident is one the principal may see.
func (g Gate) Act(ctx context.Context, p account.Principal, i incident.Incident, a Action, remote string) error {
	a.IncidentID, a.At, a.Actor = i.ID, g.Now().UTC(), p.Actor(i.StepRole)
	if a.ID == "" {
		a.ID = "act-" + strings.ToLower(rand.Text())
	}
	err := a.Check()
	if err == nil {
		err = g.offered(p, i, a)
	}
	entry := account.AuditEntry{Actor: p.Name, Action: "incident." + a.Kind, Object: i.Number, Detail: strings.TrimSpace(a.Choice + " " + a.Comment), Remote: remote}
	if err != nil {
		entry.Action, entry.Detail = entry.Action+".refused", err.Error()
		return joinAudit(err, g.Accounts.Record(ctx, entry))
	}
	if err := g.Accounts.Record(ctx, entry); err != nil {
		return err
	}
	if err := g.Engine.Act(ctx, a); err != nil {
		entry.Action, entry.Detail = entry.Action+".refused", err.Error()
		return joinAudit(err, g.Accounts.Record(ctx, entry))
	}
	return nil
}

// joinAudit keeps the first error in front, so that it decides the answer.
func joinAudit(err, audit error) error {
	if audit == nil {
		return err
	}
	return fmt.Errorf("%w (and %w)", err, audit)
}

// OffersTo returns what the principal may do now of what the API can carry out.
func (g Gate) OffersTo(p account.Principal, i incident.Incident) []Offer {
	if !p.MayAct() || g.Offers == nil {
		return nil
	}
	return slices.DeleteFunc(g.Offers(i, p.ActingRoles()), func(o Offer) bool {
		_, known := facts[o.Kind]
		return !known
	})
}

// offered refuses what is not among the principal's offers: forbidden if others
// could do it now, not now if nobody can. A comment is always welcome.
func (g Gate) offered(p account.Principal, i incident.Incident, a Action) error {
	if !p.MayAct() {
		return &Refusal{Why: Forbidden, Text: lang.Text{ZH: "只读账号不能进行操作", EN: "a viewer may not act"}}
	}
	if g.Offers == nil || a.Kind == ActComment {
		return nil
	}
	same := func(o Offer) bool {
		return o.Kind == a.Kind && (!slices.Contains(chosen, a.Kind) || o.Choice == a.Choice)
	}
	mine := g.Offers(i, p.ActingRoles())
	if n := slices.IndexFunc(mine, same); n >= 0 {
		if len(mine[n].Missing) > 0 && strings.TrimSpace(a.Comment) == "" {
			return lacking(mine[n].Missing)
		}
		if mine[n].NeedsComment && strings.TrimSpace(a.Comment) == "" {
			return invalid("此操作需要说明原因", "this needs a comment: say why")
		}
		return nil
	}
	if slices.ContainsFunc(g.Offers(i, account.Principal{Roles: []string{account.RoleAdmin}}.ActingRoles()), same) {
		return &Refusal{Why: Forbidden, Text: lang.Text{ZH: "此步骤由其他角色负责", EN: "another role acts here"},
			Hint: lang.Text{ZH: "负责角色：" + i.StepRole, EN: "responsible role: " + i.StepRole}}
	}
	return &Refusal{Why: NotNow, Text: lang.Text{ZH: "当前步骤不能进行该操作", EN: "that cannot be done at this step"},
		Hint: lang.Text{ZH: "当前步骤：" + i.Step + "，请刷新", EN: "the incident is at step " + i.Step + ": read it again"}}
}

// act answers POST /api/v1/incidents/{id}/actions.
func (s *server) act(w http.ResponseWriter, r *http.Request) error {
	var in struct {
		Action  string `json:"action"`
		Choice  string `json:"choice"`
		Comment string `json:"comment"`
	}
	if err := decode(w, r, &in); err != nil {
		return err
	}
	i, err := s.one(r)
	if err != nil {
		return err
	}
	p, _ := account.From(r.Context())
	key, err := idempotencyKey(r, p)
	if err != nil {
		return err
	}
	a := Action{ID: key, Kind: in.Action, Choice: in.Choice, Comment: in.Comment}
	if err := s.gate().Act(r.Context(), p, i, a, account.Remote(r)); err != nil {
		return err
	}
	return s.answerIncident(w, r, http.StatusOK, i.ID)
}

// answerIncident answers with the incident as it is now.
func (s *server) answerIncident(w http.ResponseWriter, r *http.Request, status int, id string) error {
	i, err := s.Incidents.Incident(r.Context(), id)
	if err != nil {
		return err
	}
	return answer(w, status, ViewOf(i, s.language(r)))
}

// idempotencyKey returns the key of the request, of the principal's own key
// space; "" when the client sent none.
func idempotencyKey(r *http.Request, p account.Principal) (string, error) {
	k := r.Header.Get("Idempotency-Key")
	if k == "" {
		return "", nil
	}
	if len(k) > maxWord || !utf8.ValidString(k) {
		return "", invalid("Idempotency-Key 太长", fmt.Sprintf("Idempotency-Key is longer than %d bytes", maxWord))
	}
	return "act-" + p.Kind + "-" + p.ID + "-" + k, nil
}

// report answers POST /api/v1/incidents.
func (s *server) report(w http.ResponseWriter, r *http.Request) error {
	var in struct {
		Site     string   `json:"site"`
		Device   string   `json:"device"`
		Symptoms string   `json:"symptoms"`
		Contact  string   `json:"contact"`
		Category string   `json:"category"`
		Name     string   `json:"name"`
		Join     string   `json:"join"`
		Photos   [][]byte `json:"photos"`
		Process  string   `json:"process"` // of requests: service, resource, change, ...; "" is a fault
		Change   *Change  `json:"change"`
	}
	if err := decodeUpTo(w, r, &in, maxReport); err != nil {
		return err
	}
	if in.Process != "" {
		return s.request(w, r, Request{Process: in.Process, Site: in.Site, Device: in.Device, Text: in.Symptoms, Contact: in.Contact, Change: in.Change})
	}
	p, _ := account.From(r.Context())
	key, err := idempotencyKey(r, p)
	if err != nil {
		return err
	}
	if key == "" {
		key = "rep-" + strings.ToLower(rand.Text())
	}
	rep := Report{ID: key, Site: in.Site, Device: in.Device, Category: in.Category, Symptoms: strings.TrimSpace(in.Symptoms), Name: in.Name, Contact: in.Contact, Language: s.language(r),
		Join: in.Join, Photos: in.Photos, Remote: account.Remote(r), Actor: p.Actor(account.RoleBranchIT), At: s.Now().UTC()}
	if err := checkReport(s.KnownSite, p, rep); err != nil {
		return err
	}
	if err := s.Accounts.Record(r.Context(), account.AuditEntry{Actor: p.Name, Action: "incident.report", Object: rep.Site + " " + rep.Device, Detail: rep.Symptoms, Remote: account.Remote(r)}); err != nil {
		return err
	}
	done, err := s.Engine.Report(r.Context(), rep)
	if err != nil {
		return err
	}
	status := http.StatusCreated
	if done.Joined {
		status = http.StatusOK
	}
	w.Header().Set("Location", "/api/v1/incidents/"+done.IncidentID)
	if done.Link != "" {
		w.Header().Set("Link", "<"+done.Link+`>; rel="status"`)
	}
	return s.answerIncident(w, r, status, done.IncidentID)
}

// checkReport refuses what is not whole, or about a place that the principal may
// not speak of; known nil takes any site.
func checkReport(known func(site string) bool, p account.Principal, r Report) error {
	switch {
	case r.Site == "":
		return invalid("请填写地点（site）", "site is missing")
	case !p.Sees(r.Site), known != nil && !known(r.Site):
		return invalid("没有此地点，或不在您的范围内", "no such site, or not within your scope")
	case r.Symptoms == "":
		return invalid("请描述现象（symptoms）", "symptoms are missing")
	case utf8.RuneCountInString(r.Symptoms) > maxComment, len(r.Device) > maxWord, len(r.Contact) > 2*maxWord:
		return invalid("文字太长", fmt.Sprintf("the text is longer than %d characters", maxComment))
	}
	return nil
}
