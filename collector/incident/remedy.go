package incident

import (
	"slices"
	"time"

	"github.com/faultline/faultline/internal/lang"
)

// Events of remedies.
const (
	RemedyProposed Kind = "remedy_proposed"   // Remedy; Comment says why
	RemedyApproved Kind = "remedy_approved"   // Remedy.ID
	RemedyRejected Kind = "remedy_rejected"   // Remedy.ID, Comment
	RemedyHalted   Kind = "remedy_stop_asked" // Remedy.ID, Comment: somebody wants its dry run or its run ended
	RemedyChanged  Kind = "remedy_changed"    // Remedy: what its dry run or its run came to
	RemedySettled  Kind = "remedy_settled"    // Remedy.ID, Choice (ran, not_run), Comment: a person found out what a run came to
)

// Effects of remedies.
const (
	EffectRemedyCheck = "remedy_check" // dry run; Params remedy: its ID
	EffectRemedyRun   = "remedy_run"   // the run itself, once and never again
)

// States of a remedy.
const (
	RemedyOpen      = "proposed" // waits for its dry run and for approval
	RemedyGranted   = "approved" // runs, or is about to
	RemedyRefused   = "rejected"
	RemedyWithdrawn = "withdrawn" // its step was left before it was approved
	RemedyDone      = "done"
	RemedyFailed    = "failed"
	RemedyStopped   = "stopped" // ended in the middle
	RemedyNotBegun  = "not_run" // approved, and certainly not begun
	RemedyUnknown   = "unknown" // nobody knows whether it ran: a person finds out
	RemedyRan       = "ran"     // as a person found out
)

// Remedy is something that is to be carried out against the incident's cause:
// proposed, looked at, approved by others, and run once.
type Remedy struct {
	ID         string            `json:"id"`   // within the incident: r1, r2, …
	Name       string            `json:"name"` // of the configuration
	Title      lang.Text         `json:"title,omitzero"`
	Parameters map[string]string `json:"parameters,omitempty"`
	Step       string            `json:"step,omitempty"` // in which it was proposed
	State      string            `json:"state,omitempty"`
	By         Actor             `json:"by,omitzero"` // who proposed it; System: the process
	At         time.Time         `json:"at,omitzero"`
	Why        string            `json:"why,omitempty"`
	Checked    bool              `json:"checked,omitempty"`   // a dry run belongs before its approval
	Approvers  []string          `json:"approvers,omitempty"` // roles of the configuration, of which who approves has one; none: the step's alone
	Approvals  []Actor           `json:"approvals,omitempty"`
	Check      RemedyRun         `json:"check,omitzero"`
	Run        RemedyRun         `json:"run,omitzero"`
	StopBy     Actor             `json:"stop_by,omitzero"` // who wanted it ended
	StopAt     time.Time         `json:"stop_at,omitzero"` // since when; its end is Check's or Run's
}

// RemedyRun is a dry run or a run.
type RemedyRun struct {
	Key       string    `json:"key,omitempty"`   // of its effect
	State     string    `json:"state,omitempty"` // queued, done, failed, stopped, not_run, unknown
	Summary   string    `json:"summary,omitempty"`
	SummaryZH string    `json:"summary_zh,omitempty"` // the same in Chinese; "" where the runner has one language
	Changed   string    `json:"changed,omitempty"`    // how many things
	Pin       string    `json:"pin,omitempty"`
	Document  string    `json:"document,omitempty"` // with its output
	At        time.Time `json:"at,omitzero"`        // of its end
}

// ResultSummaryZH is the key of an effect's result beside "summary": the same in
// Chinese.
const ResultSummaryZH = "summary." + lang.ZH

// Said is what the run came to, in the languages its runner has.
func (r RemedyRun) Said() lang.Text { return said(r.Summary, r.SummaryZH) }

// Said is the summary of the effect's result, in the languages there are.
func (f Effect) Said() lang.Text { return said(f.Result["summary"], f.Result[ResultSummaryZH]) }

func said(summary, zh string) lang.Text {
	if zh == "" {
		return lang.Same(summary)
	}
	return lang.Text{ZH: zh, EN: summary}
}

// RemedyOf returns the remedy with the id.
func (i Incident) RemedyOf(id string) (Remedy, bool) {
	for _, r := range i.Remedies {
		if r.ID == id {
			return r, true
		}
	}
	return Remedy{}, false
}

// Waits tells whether the remedy still asks for something.
func (r Remedy) Waits() bool {
	return r.State == RemedyOpen || r.State == RemedyGranted || r.State == RemedyUnknown
}

// Runs tells whether the remedy's dry run or its run goes on, or is about to.
func (r Remedy) Runs() bool {
	return r.State == RemedyGranted || r.State == RemedyOpen && r.Check.State == "queued"
}

// remedy takes what happened to a remedy.
func (i *Incident) remedy(e Event) {
	if e.Kind == RemedyProposed || e.Kind == RemedyChanged {
		i.Remedies = upsert(i.Remedies, *e.Remedy, func(r Remedy) string { return r.ID })
		return
	}
	n := slices.IndexFunc(i.Remedies, func(r Remedy) bool { return r.ID == e.Remedy.ID })
	if n < 0 {
		return
	}
	r := i.Remedies[n]
	switch e.Kind {
	case RemedyApproved:
		r.Approvals = append(slices.Clone(r.Approvals), e.Actor)
	case RemedyRejected:
		r.State = RemedyRefused
	case RemedyHalted:
		r.StopBy, r.StopAt = e.Actor, e.At
	case RemedySettled:
		r.State = e.Choice
	}
	i.Remedies[n] = r
}

// withdrawRemedies takes back what was proposed and not approved: the step or the
// incident is over.
func (i *Incident) withdrawRemedies() {
	for n := range i.Remedies {
		if i.Remedies[n].State == RemedyOpen {
			i.Remedies[n].State = RemedyWithdrawn
		}
	}
}
