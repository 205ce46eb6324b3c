package api

import (
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/faultline/faultline/collector/account"
	"github.com/faultline/faultline/collector/incident"
	"github.com/faultline/faultline/collector/remedy"
	"github.com/faultline/faultline/internal/lang"
)

// What can be done with a remedy.
const (
	RemedyPropose = "propose"
	RemedyApprove = "approve"
	RemedyReject  = "reject"
	RemedyStop    = "stop"    // of one whose dry run or run goes on
	RemedyRan     = "ran"     // as a person found out, of one whose outcome nobody knows
	RemedyNotRun  = "not_run" // as above
)

// Remedies are what may be carried out against faults; the app has them.
type Remedies interface {
	// Offered are the remedies that somebody with the roles may propose now.
	Offered(i incident.Incident, roles []string) []remedy.Entry
	// Proposal is the remedy with what somebody gave for its parameters; the error
	// is a *remedy.Refusal.
	Proposal(i incident.Incident, name string, given map[string]string) (incident.Remedy, error)
	// May refuses what somebody with the roles may not do now.
	May(i incident.Incident, roles []string, fact incident.Event) error
	// Handle hands the fact to the engine.
	Handle(ctx context.Context, fact incident.Event) error
	// Output is what a dry run or a run has printed so far.
	Output(ctx context.Context, i incident.Incident, run incident.RemedyRun) (string, error)
}

// RemedyAct is what somebody does with a remedy.
type RemedyAct struct {
	ID         string // makes a repeat harmless; "" is made
	Do         string // one of the words above
	Remedy     string // its id; of propose its name
	Parameters map[string]string
	Comment    string
}

// RemedyGate is the one way in which people and programs deal with remedies: it
// checks, writes the audit trail, then does it.
type RemedyGate struct {
	Accounts *account.Service
	Remedies Remedies
	Now      func() time.Time
}

// Fact is the act as the fact it is to the incident.
func (g RemedyGate) fact(p account.Principal, i incident.Incident, a RemedyAct) (incident.Event, error) {
	e := incident.Event{ID: cmp.Or(a.ID, "act-"+strings.ToLower(rand.Text())), IncidentID: i.ID, At: g.Now().UTC(), Actor: p.Actor(i.StepRole), Comment: strings.TrimSpace(a.Comment),
		Remedy: &incident.Remedy{ID: a.Remedy}}
	if utf8.RuneCountInString(a.Comment) > maxComment || !utf8.ValidString(a.Comment) || len(a.Remedy) > maxWord {
		return e, invalid("文字太长", fmt.Sprintf("the text is longer than %d characters", maxComment))
	}
	switch a.Do {
	case RemedyPropose:
		m, err := g.Remedies.Proposal(i, a.Remedy, a.Parameters)
		if err != nil {
			return e, err
		}
		m.ID = "new" // the process numbers it
		e.Kind, e.Remedy = incident.RemedyProposed, &m
	case RemedyApprove:
		e.Kind = incident.RemedyApproved
	case RemedyReject:
		e.Kind = incident.RemedyRejected
	case RemedyStop:
		e.Kind = incident.RemedyHalted
	case RemedyRan, RemedyNotRun:
		e.Kind, e.Choice = incident.RemedySettled, a.Do
	default:
		return e, invalid("没有此操作", "want propose, approve, reject, stop, ran or not_run")
	}
	return e, nil
}

// Act checks that the principal may do this now, audits it and does it. The
// incident is one the principal may see. Only people approve, stop and settle.
func (g RemedyGate) Act(ctx context.Context, p account.Principal, i incident.Incident, a RemedyAct, remote string) error {
	e, err := g.fact(p, i, a)
	switch {
	case err != nil:
	case !p.MayAct():
		err = &Refusal{Why: Forbidden, Text: lang.Text{ZH: "只读账号不能进行操作", EN: "a viewer may not act"}}
	case a.Do != RemedyPropose && p.Kind != account.KindPerson:
		err = &Refusal{Why: Forbidden, Text: lang.Text{ZH: "须由本人登录后操作，令牌不能代替", EN: "only a person does this, no token"}}
	default:
		err = g.Remedies.May(i, p.ActingRoles(), e)
	}
	entry := account.AuditEntry{Actor: p.Name, Action: "remedy." + a.Do, Object: i.Number, Detail: a.detail(i), Remote: remote}
	if err != nil {
		entry.Action, entry.Detail = entry.Action+".refused", entry.Detail+": "+err.Error()
		return joinAudit(err, g.Accounts.Record(ctx, entry))
	}
	if err := g.Accounts.Record(ctx, entry); err != nil {
		return err
	}
	if err := g.Remedies.Handle(ctx, e); err != nil {
		entry.Action, entry.Detail = entry.Action+".refused", entry.Detail+": "+err.Error()
		return joinAudit(err, g.Accounts.Record(ctx, entry))
	}
	return nil
}

// detail is what the audit trail says: the remedy with its parameters.
func (a RemedyAct) detail(i incident.Incident) string {
	name, params := a.Remedy, a.Parameters
	if m, ok := i.RemedyOf(a.Remedy); ok {
		name, params = m.ID+" "+m.Name, m.Parameters
	}
	for _, k := range slices.Sorted(maps.Keys(params)) {
		name += fmt.Sprintf(" %s=%q", k, params[k])
	}
	if len(name) > 2*maxComment {
		name = strings.ToValidUTF8(name[:2*maxComment], "")
	}
	return strings.TrimSpace(name + " " + a.Comment)
}

// remedied answers only where there are remedies.
func (s *server) remedied(h func(http.ResponseWriter, *http.Request, RemedyGate) error) func(http.ResponseWriter, *http.Request) error {
	return func(w http.ResponseWriter, r *http.Request) error {
		if s.Remedies == nil {
			return &httpError{status: http.StatusNotFound, text: lang.Text{ZH: "此采集器没有配置处置", EN: "no remedies are configured here"}}
		}
		return h(w, r, RemedyGate{Accounts: s.Accounts, Remedies: s.Remedies, Now: s.Now})
	}
}

// remedyOffer is a remedy that may be proposed.
type remedyOffer struct {
	Name       string           `json:"name"`
	Title      string           `json:"title"`
	Parameters []parameterOffer `json:"parameters"`
}

type parameterOffer struct {
	Name     string `json:"name"`
	Title    string `json:"title,omitempty"`
	From     string `json:"from,omitempty"`
	Pattern  string `json:"pattern,omitempty"`
	Default  string `json:"default,omitempty"`
	Optional bool   `json:"optional,omitempty"`
}

// listRemedies answers GET /api/v1/incidents/{id}/remedies.
func (s *server) listRemedies(w http.ResponseWriter, r *http.Request, g RemedyGate) error {
	i, err := s.one(r)
	if err != nil {
		return err
	}
	p, _ := account.From(r.Context())
	offers := []remedyOffer{}
	if p.MayAct() {
		for _, e := range g.Remedies.Offered(i, p.ActingRoles()) {
			o := remedyOffer{Name: e.Name, Title: e.Title.In(s.language(r)), Parameters: []parameterOffer{}}
			for _, x := range e.Parameters {
				o.Parameters = append(o.Parameters, parameterOffer{x.Name, x.Title.In(s.language(r)), x.From, x.Pattern, x.Default, x.Optional})
			}
			offers = append(offers, o)
		}
	}
	list := i.Remedies
	if list == nil {
		list = []incident.Remedy{}
	}
	return answer(w, http.StatusOK, map[string]any{"remedies": list, "offers": offers})
}

// proposeRemedy answers POST /api/v1/incidents/{id}/remedies.
func (s *server) proposeRemedy(w http.ResponseWriter, r *http.Request, g RemedyGate) error {
	var in struct {
		Remedy     string            `json:"remedy"`
		Parameters map[string]string `json:"parameters"`
		Comment    string            `json:"comment"`
	}
	if err := decode(w, r, &in); err != nil {
		return err
	}
	return s.remedyAct(w, r, g, RemedyAct{Do: RemedyPropose, Remedy: in.Remedy, Parameters: in.Parameters, Comment: in.Comment}, http.StatusCreated)
}

// actOnRemedy answers POST /api/v1/incidents/{id}/remedies/{remedy}.
func (s *server) actOnRemedy(w http.ResponseWriter, r *http.Request, g RemedyGate) error {
	var in struct {
		Action  string `json:"action"`
		Comment string `json:"comment"`
	}
	if err := decode(w, r, &in); err != nil {
		return err
	}
	if in.Action == RemedyPropose {
		in.Action = ""
	}
	return s.remedyAct(w, r, g, RemedyAct{Do: in.Action, Remedy: r.PathValue("remedy"), Comment: in.Comment}, http.StatusOK)
}

func (s *server) remedyAct(w http.ResponseWriter, r *http.Request, g RemedyGate, a RemedyAct, status int) error {
	i, err := s.one(r)
	if err != nil {
		return err
	}
	p, _ := account.From(r.Context())
	if a.ID, err = idempotencyKey(r, p); err != nil {
		return err
	}
	if err := g.Act(r.Context(), p, i, a, account.Remote(r)); err != nil {
		return RemedyRefusal(err)
	}
	return s.answerIncident(w, r, status, i.ID)
}

// RemedyRefusal turns what is wrong with a proposal's values into words for
// people; other errors stay as they are.
func RemedyRefusal(err error) error {
	var wrong *remedy.Refusal
	if errors.As(err, &wrong) {
		return &Refusal{Why: Invalid, Text: wrong.Text}
	}
	return err
}

// remedyOutput answers GET /api/v1/incidents/{id}/remedies/{remedy}/output.
func (s *server) remedyOutput(w http.ResponseWriter, r *http.Request, g RemedyGate) error {
	i, err := s.one(r)
	if err != nil {
		return err
	}
	m, ok := i.RemedyOf(r.PathValue("remedy"))
	if !ok {
		return &httpError{status: http.StatusNotFound, text: lang.Text{ZH: "没有此处置", EN: "there is no such remedy"}}
	}
	run := m.Run
	if r.URL.Query().Get("of") == "check" || run.Key == "" {
		run = m.Check
	}
	text, err := g.Remedies.Output(r.Context(), i, run)
	if err != nil {
		return err
	}
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	_, _ = io.WriteString(w, text) // the client may be gone; there is nobody to tell
	return nil
}
