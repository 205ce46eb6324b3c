// Package handbook is how a process changes while the collector runs: a version
// is published by one person and approved by another, incidents stay on theirs
// and are moved only by a map that somebody signs. The rules are those of
// process/versions; this package checks who asks, keeps, audits and applies.
package handbook

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/faultline/faultline/collector/account"
	"github.com/faultline/faultline/collector/incident"
	"github.com/faultline/faultline/collector/process"
	"github.com/faultline/faultline/collector/process/diff"
	"github.com/faultline/faultline/collector/process/lint"
	"github.com/faultline/faultline/collector/process/versions"
)

// Errors a caller tells apart, besides those of versions.
var (
	ErrForbidden = errors.New("processes are published and approved by their owner or the IT manager")
	ErrUnknown   = errors.New("no such process or version")
	ErrReason    = errors.New("say why")
)

// MaxText bounds the text of a version, in bytes.
const MaxText = 512 << 10

// Move takes an incident from one version to another.
type Move func(i incident.Incident, env process.Env) (process.Result, error)

// Options are what the handbook needs; all are required.
type Options struct {
	Store  versions.Store // Versions of id "" returns those of every process
	Record func(ctx context.Context, e account.AuditEntry) error
	Set    func() *process.Set // what is in force
	Lint   func() lint.Options
	// Apply brings what the store holds into force here.
	Apply     func(ctx context.Context) error
	Incidents func(ctx context.Context) ([]incident.Incident, error) // those that are open
	Move      func(ctx context.Context, incidentID string, m Move) error
	Now       func() time.Time
}

// Handbook is the service. Its methods may be called from several goroutines.
type Handbook struct{ o Options }

// New returns the service.
func New(o Options) (*Handbook, error) {
	if o.Store == nil || o.Record == nil || o.Set == nil || o.Lint == nil || o.Apply == nil || o.Incidents == nil || o.Move == nil || o.Now == nil {
		return nil, errors.New("handbook options: all are required")
	}
	return &Handbook{o}, nil
}

// Entry is one process as the overview shows it.
type Entry struct {
	*process.Definition
	Waiting int            // versions that wait for their approval
	Open    map[string]int // open incidents by the version they are on
	Signed  bool           // the version in force was approved by a person; else it is the installed file's
}

// Others is how many open incidents are on a version that is not in force.
func (e Entry) Others() int {
	n := 0
	for ref, open := range e.Open {
		if ref != e.Ref() {
			n += open
		}
	}
	return n
}

// Overview returns every process in force, by id.
func (h *Handbook) Overview(ctx context.Context) ([]Entry, error) {
	list, err := h.o.Store.Versions(ctx, "")
	if err != nil {
		return nil, err
	}
	open, err := h.o.Incidents(ctx)
	if err != nil {
		return nil, err
	}
	var out []Entry
	set := h.o.Set()
	for _, id := range set.IDs() {
		d, _ := set.Latest(id)
		e := Entry{Definition: d, Open: map[string]int{}}
		for _, v := range list {
			if v.ID == id && v.State == versions.Published {
				e.Waiting++
			}
			e.Signed = e.Signed || v.Ref == d.Ref() && v.State == versions.Approved
		}
		for _, i := range open {
			if i.Process == id {
				e.Open[i.ProcessVersion]++
			}
		}
		out = append(out, e)
	}
	return out, nil
}

// Versions returns a process's versions, newest first.
func (h *Handbook) Versions(ctx context.Context, id string) ([]versions.Version, error) {
	list, err := h.o.Store.Versions(ctx, id)
	slices.Reverse(list)
	return list, err
}

// Version returns one version; number 0 is the one in force.
func (h *Handbook) Version(ctx context.Context, id string, number int) (versions.Version, *process.Definition, error) {
	inForce, ok := h.o.Set().Latest(id)
	if ok && (number == 0 || number == inForce.Version) {
		v := versions.Version{ID: id, Number: inForce.Version, Ref: inForce.Ref(), Text: inForce.Text(), State: versions.Approved}
		return v, inForce, nil
	}
	list, err := h.o.Store.Versions(ctx, id)
	if err != nil {
		return versions.Version{}, nil, err
	}
	n := slices.IndexFunc(list, func(v versions.Version) bool { return v.Number == number })
	if n < 0 {
		return versions.Version{}, nil, fmt.Errorf("%s@%d: %w", id, number, ErrUnknown)
	}
	d, err := process.Parse(list[n].Ref, []byte(list[n].Text))
	return list[n], d, err
}

// Loaded returns the version that incidents name so, if it is loaded.
func (h *Handbook) Loaded(ref string) (*process.Definition, bool) { return h.o.Set().Version(ref) }

// Changes says what a version changes against the one in force.
func (h *Handbook) Changes(d *process.Definition) []diff.Change {
	old, ok := h.o.Set().Latest(d.ID)
	if !ok || old.Ref() == d.Ref() {
		return nil
	}
	return diff.Compare(old, d)
}

// Who is a person at the handbook.
type Who struct {
	account.Principal
	Remote string
}

// MayChange tells whether somebody may publish or approve versions of a process.
func (h *Handbook) MayChange(p account.Principal, id string) bool {
	owner := ""
	if d, ok := h.o.Set().Latest(id); ok {
		owner = d.Owner
	}
	return p.Kind == account.KindPerson && (p.Has(account.RoleHQITManager) || owner != "" && p.Has(owner))
}

// Publish keeps a version that then waits for somebody else's approval.
func (h *Handbook) Publish(ctx context.Context, who Who, text, comment string) (versions.Version, error) {
	if len(text) > MaxText {
		return versions.Version{}, &versions.Unclean{Findings: []lint.Finding{{Fault: process.Fault{Text: "the text is too long"}, Rule: "size", Error: true}}}
	}
	list, err := h.o.Store.Versions(ctx, "")
	if err != nil {
		return versions.Version{}, err
	}
	v, err := versions.Publish([]byte(text), who.Actor(""), comment, h.o.Now().UTC(), h.withFiles(list), h.o.Lint())
	if err == nil && !h.MayChange(who.Principal, v.ID) {
		err = ErrForbidden
	}
	if err == nil {
		err = h.o.Store.Add(ctx, v)
	}
	return v, h.audit(ctx, who, "process.publish", v.Ref, comment, err)
}

// withFiles counts the version that is in force from a file among those there
// are: the next one has a higher number.
func (h *Handbook) withFiles(list []versions.Version) []versions.Version {
	set := h.o.Set()
	for _, id := range set.IDs() {
		d, _ := set.Latest(id)
		if !slices.ContainsFunc(list, func(v versions.Version) bool { return v.ID == id && v.Number == d.Version }) {
			list = append(list, versions.Version{ID: id, Number: d.Version, Ref: d.Ref(), State: versions.Approved})
		}
	}
	return list
}

// Decide approves or rejects a version. One that is approved is in force at once
// for incidents that open; those that are open stay on theirs.
func (h *Handbook) Decide(ctx context.Context, who Who, id string, number int, approve bool, reason string) (versions.Version, error) {
	list, err := h.o.Store.Versions(ctx, id)
	if err != nil {
		return versions.Version{}, err
	}
	n := slices.IndexFunc(list, func(v versions.Version) bool { return v.Number == number })
	if n < 0 {
		return versions.Version{}, fmt.Errorf("%s@%d: %w", id, number, ErrUnknown)
	}
	v, action := list[n], "process.approve"
	switch {
	case !h.MayChange(who.Principal, id):
		err = ErrForbidden
	case approve:
		v, err = versions.Approve(v, who.Actor(""), h.o.Now().UTC())
	default:
		action = "process.reject"
		v, err = versions.Reject(v, who.Actor(""), reason, h.o.Now().UTC())
	}
	if err == nil {
		err = h.o.Store.Decide(ctx, v)
	}
	if err := h.audit(ctx, who, action, v.Ref, reason, err); err != nil {
		return v, err
	}
	return v, h.o.Apply(ctx)
}

// audit records what was done, or tried; the first error decides.
func (h *Handbook) audit(ctx context.Context, who Who, action, object, detail string, err error) error {
	e := account.AuditEntry{Actor: who.Name, Action: action, Object: object, Detail: detail, Remote: who.Remote}
	if err != nil {
		e.Action, e.Detail = action+".refused", err.Error()
		if failed := h.o.Record(ctx, e); failed != nil {
			return fmt.Errorf("%w (and %w)", err, failed)
		}
		return err
	}
	return h.o.Record(ctx, e)
}
