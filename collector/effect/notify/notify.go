// Package notify carries out the effect "notify": it tells the people of our own
// company who have a role at a site, each by mail, and the groups of those roles
// by their robots. Who is told when is decided by the process; the channels
// (mail, package chat, plugins) only deliver.
package notify

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/faultline/faultline/collector/effect"
	"github.com/faultline/faultline/collector/effect/notify/chat"
	"github.com/faultline/faultline/collector/effect/notify/robot"
	"github.com/faultline/faultline/collector/incident"
	"github.com/faultline/faultline/collector/inventory"
	"github.com/faultline/faultline/collector/outbox"
	"github.com/faultline/faultline/internal/lang"
	"github.com/faultline/faultline/plugins/notify"
	"github.com/faultline/faultline/plugins/ticket"
)

// maxPartial bounds the effects of which it is remembered who was told already.
const maxPartial = 1024

// Groups are the chat groups that robots speak in; *chat.Service is one.
type Groups interface {
	// Robots returns whom each robot serves.
	Robots() []robot.Settings
	// Deliver hands a notice over; nil means it is safe and will be said. Its
	// errors are *ticket.Error.
	Deliver(ctx context.Context, robot string, n chat.Notice) error
}

// Options configure an Executor. Graph is required, and a Channel or Groups.
type Options struct {
	Channel notify.Channel          // nil: nobody is told by mail
	Groups  Groups                  // nil: no robots
	Graph   func() *inventory.Graph // the inventory as it is now
	// URL returns the incident's page; nil leaves it out.
	URL func(incidentID string) string
	// StepTitle returns what people call a step; nil shows its id.
	StepTitle func(i incident.Incident, step string) lang.Text
	// Buttons returns what people may do now, for apps that can show buttons; nil: none.
	Buttons func(i incident.Incident, roles []string, language string) []robot.Button
	Now     func() time.Time // nil: time.Now
}

// Executor tells people.
type Executor struct {
	o Options

	mu   sync.Mutex                 // guards told
	told map[string]map[string]bool // by effect key: who was told before others failed
}

var _ outbox.Executor = (*Executor)(nil)

// New returns an Executor.
func New(o Options) (*Executor, error) {
	if o.Channel == nil && o.Groups == nil || o.Graph == nil {
		return nil, errors.New("notify effect: a channel and the inventory are required")
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	return &Executor{o: o, told: map[string]map[string]bool{}}, nil
}

// receiver is a person or a group.
type receiver struct {
	id   string
	tell func(ctx context.Context) error
}

// Execute implements outbox.Executor. Who was told is not told again when
// another's notice fails, unless the collector was restarted in between.
func (e *Executor) Execute(ctx context.Context, j outbox.Job) (outbox.Outcome, error) {
	receivers, problem := e.receivers(j)
	if problem != "" {
		return outbox.Fail(problem), nil
	}
	told := e.begun(j.Effect.Key)
	var retry, final error
	for _, r := range receivers {
		if told[r.id] {
			continue
		}
		err := r.tell(ctx)
		var te *ticket.Error
		switch {
		case err == nil:
			told[r.id] = true
		case errors.As(err, &te) && !te.Retryable:
			final = errors.Join(final, fmt.Errorf("%s: %w", r.id, err))
		default:
			retry = errors.Join(retry, fmt.Errorf("%s: %w", r.id, err))
		}
	}
	if retry != nil {
		e.keep(j.Effect.Key, told)
		return outbox.Outcome{}, fmt.Errorf("notify %w", retry)
	}
	e.keep(j.Effect.Key, nil)
	if len(told) == 0 {
		return outbox.Fail("nobody could be told: " + final.Error()), nil
	}
	result := map[string]string{"to": strings.Join(slices.Sorted(maps.Keys(told)), ", ")}
	if final != nil {
		result["not_told"] = final.Error()
	}
	out := outbox.Finish(effect.OutcomeSent, result)
	if j.Ambiguous {
		out = out.Repeated()
	}
	return out, nil
}

// receivers are the people and the groups that the effect is for.
func (e *Executor) receivers(j outbox.Job) (all []receiver, problem string) {
	site := j.Effect.Params[effect.Site]
	if site == "" {
		site = j.Incident.Diagnosis.Site
	}
	var roles []string
	for r := range strings.SplitSeq(j.Effect.Params[effect.Role], ",") {
		roles = append(roles, strings.TrimSpace(r))
	}
	if e.o.Channel != nil {
		for _, p := range e.people(roles, site) {
			all = append(all, receiver{p.ID, func(ctx context.Context) error { return e.o.Channel.Deliver(ctx, e.notice(j, p)) }})
		}
	}
	if e.o.Groups != nil {
		for _, g := range e.o.Groups.Robots() {
			if g.Wants(roles, site, j.Incident.Severity) {
				all = append(all, receiver{"robot:" + g.Name, func(ctx context.Context) error { return e.o.Groups.Deliver(ctx, g.Name, e.groupNotice(j, g)) }})
			}
		}
	}
	if len(all) == 0 {
		return nil, fmt.Sprintf("nobody with an e-mail address has the role %s at %s: add people to the inventory", strings.Join(roles, " or "), site)
	}
	return all, ""
}

// people are those who have one of the roles at the site and an address, in the
// order of the inventory.
func (e *Executor) people(roles []string, site string) (found []inventory.Person) {
	for _, p := range e.o.Graph().Inventory().People {
		has := slices.ContainsFunc(roles, func(r string) bool { return slices.Contains(p.Roles, r) })
		here := len(p.Sites) == 0 || slices.Contains(p.Sites, site)
		if has && here && p.Email != "" {
			found = append(found, p)
		}
	}
	return found
}

// notice is what one person is told.
func (e *Executor) notice(j outbox.Job, p inventory.Person) notify.Notice {
	m := e.write(j, p.Language)
	n := notify.Notice{Key: j.Effect.Key + "/" + p.ID, To: p.Email, Subject: m.subject, Body: m.body, Severity: j.Incident.Severity, Repeat: j.Ambiguous}
	if e.o.URL != nil {
		n.URL = e.o.URL(j.Incident.ID)
	}
	return n
}

// groupNotice is what a group is told.
func (e *Executor) groupNotice(j outbox.Job, g robot.Settings) chat.Notice {
	m, d := e.write(j, g.Lang()), j.Incident.Diagnosis
	n := chat.Notice{Key: j.Effect.Key, Number: j.Incident.Number, Site: m.site, Fault: d.Title.In(g.Lang()), Tag: m.tag, Title: m.subject, Text: m.body,
		Short: strings.TrimSpace(m.site + " " + m.subject), Level: j.Incident.Severity, Repeat: j.Ambiguous, At: e.o.Now(),
		Fields: map[string]string{"incident": j.Incident.ID, "number": j.Incident.Number, "site": d.Site, "device": d.Device, "class": d.Class,
			"reason": j.Effect.Params[effect.Reason], "state": j.Incident.State}}
	if j.Incident.Practice {
		n.Fields["practice"] = "true"
	}
	if e.o.URL != nil {
		n.URL = e.o.URL(j.Incident.ID)
	}
	if e.o.Buttons != nil && g.IsApp() {
		n.Buttons = e.o.Buttons(j.Incident, g.Roles, g.Lang())
	}
	return n
}

// begun returns who was told in earlier attempts.
func (e *Executor) begun(key string) map[string]bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	if told, ok := e.told[key]; ok {
		return maps.Clone(told)
	}
	return map[string]bool{}
}

// keep remembers who was told, or forgets the effect.
func (e *Executor) keep(key string, told map[string]bool) {
	e.mu.Lock()
	defer e.mu.Unlock()
	delete(e.told, key)
	if told == nil {
		return
	}
	if len(e.told) >= maxPartial { // given up long ago, most of them
		clear(e.told)
	}
	e.told[key] = told
}
