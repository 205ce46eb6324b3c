// Package notify carries out the effect "notify": it tells the people of our own
// company who have a role at a site. Who is told when is decided by the process;
// the channels (mail, plugins) only deliver.
package notify

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"

	"github.com/faultline/faultline/collector/effect"
	"github.com/faultline/faultline/collector/incident"
	"github.com/faultline/faultline/collector/inventory"
	"github.com/faultline/faultline/collector/outbox"
	"github.com/faultline/faultline/internal/lang"
	"github.com/faultline/faultline/plugins/notify"
	"github.com/faultline/faultline/plugins/ticket"
)

// maxPartial bounds the effects of which it is remembered who was told already.
const maxPartial = 1024

// Options configure an Executor. Channel and Graph are required.
type Options struct {
	Channel notify.Channel
	Graph   func() *inventory.Graph // the inventory as it is now
	// URL returns the incident's page; nil leaves it out.
	URL func(incidentID string) string
	// StepTitle returns what people call a step; nil shows its id.
	StepTitle func(i incident.Incident, step string) lang.Text
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
	if o.Channel == nil || o.Graph == nil {
		return nil, errors.New("notify effect: channel and inventory are required")
	}
	return &Executor{o: o, told: map[string]map[string]bool{}}, nil
}

// Execute implements outbox.Executor. People who were told are not told again
// when another's notice fails, unless the collector was restarted in between.
func (e *Executor) Execute(ctx context.Context, j outbox.Job) (outbox.Outcome, error) {
	people, problem := e.people(j)
	if problem != "" {
		return outbox.Fail(problem), nil
	}
	told := e.begun(j.Effect.Key)
	var retry, final error
	for _, p := range people {
		if told[p.ID] {
			continue
		}
		err := e.o.Channel.Deliver(ctx, e.notice(j, p))
		var te *ticket.Error
		switch {
		case err == nil:
			told[p.ID] = true
		case errors.As(err, &te) && !te.Retryable:
			final = errors.Join(final, fmt.Errorf("%s: %w", p.ID, err))
		default:
			retry = errors.Join(retry, fmt.Errorf("%s: %w", p.ID, err))
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

// people are those who have one of the roles at the site and an address, in the
// order of the inventory.
func (e *Executor) people(j outbox.Job) (found []inventory.Person, problem string) {
	site := j.Effect.Params[effect.Site]
	if site == "" {
		site = j.Incident.Diagnosis.Site
	}
	var roles []string
	for r := range strings.SplitSeq(j.Effect.Params[effect.Role], ",") {
		roles = append(roles, strings.TrimSpace(r))
	}
	for _, p := range e.o.Graph().Inventory().People {
		has := slices.ContainsFunc(roles, func(r string) bool { return slices.Contains(p.Roles, r) })
		here := len(p.Sites) == 0 || slices.Contains(p.Sites, site)
		if has && here && p.Email != "" {
			found = append(found, p)
		}
	}
	if len(found) == 0 {
		return nil, fmt.Sprintf("nobody with an e-mail address has the role %s at %s: add people to the inventory", strings.Join(roles, " or "), site)
	}
	return found, ""
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
