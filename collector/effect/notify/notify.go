// Package notify carries out the effect "notify": it plans messages to the
// people of our own company who act in a role at a site (package post sends
// them), and hands notices to the groups of those roles (package chat). Which
// role is told when is decided by the process, who that is by package people.
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
	"github.com/faultline/faultline/collector/people"
	"github.com/faultline/faultline/internal/lang"
	"github.com/faultline/faultline/plugins/ticket"
)

// maxPartial bounds the effects of which it is remembered who was told already.
const maxPartial = 1024

// Planner keeps messages to people and sends them; *post.Post is one.
type Planner interface {
	// Take plans messages about the incident; nil means they are safe. Repeats
	// change nothing.
	Take(ctx context.Context, i incident.Incident, h people.Happening, to []people.Told) error
}

// Groups are the chat groups that robots speak in; *chat.Service is one.
type Groups interface {
	// Robots returns whom each robot serves.
	Robots() []robot.Settings
	// Deliver hands a notice over; nil means it is safe and will be said. Its
	// errors are *ticket.Error.
	Deliver(ctx context.Context, robot string, n chat.Notice) error
}

// Options configure an Executor. People, Directory and Graph are required.
type Options struct {
	People    Planner
	Directory func() *people.Directory
	Groups    Groups                  // nil: no robots
	Graph     func() *inventory.Graph // the inventory as it is now
	// Priority is whom to serve first, 1 to 4; nil: by severity.
	Priority func(i incident.Incident) int
	// Roles returns who is accountable for the step, and who owns the process and is
	// told when nobody else can be; "" is nobody. Nil: neither.
	Roles func(i incident.Incident, step string) (accountable, owner string)
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
	if o.People == nil || o.Directory == nil || o.Graph == nil {
		return nil, errors.New("notify effect: people, their directory and the inventory are required")
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	return &Executor{o: o, told: map[string]map[string]bool{}}, nil
}

// receiver is the people of the effect's roles, or a group.
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
	out := outbox.Finish(effect.OutcomePlanned, result)
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
	if told := e.audience(j, roles, site); len(told) > 0 {
		var ids []string
		for _, t := range told {
			ids = append(ids, t.Person)
		}
		all = append(all, receiver{strings.Join(ids, ", "), func(ctx context.Context) error {
			return e.o.People.Take(ctx, j.Incident, e.happening(j), told)
		}})
	}
	if e.o.Groups != nil {
		for _, g := range e.o.Groups.Robots() {
			if g.Wants(roles, site, j.Incident.Severity) {
				all = append(all, receiver{"robot:" + g.Name, func(ctx context.Context) error { return e.o.Groups.Deliver(ctx, g.Name, e.groupNotice(j, g)) }})
			}
		}
	}
	if len(all) == 0 {
		return nil, fmt.Sprintf("nobody has the role %s at %s: add people to the inventory or to the people files", strings.Join(roles, " or "), site)
	}
	return all, ""
}

// audience are the people who act in the roles now. When nobody does, whoever
// owns the process is told instead, and why.
func (e *Executor) audience(j outbox.Job, roles []string, site string) []people.Told {
	d, now := e.o.Directory(), e.o.Now()
	accountable, owner := "", ""
	if e.o.Roles != nil {
		accountable, owner = e.o.Roles(j.Incident, j.Incident.Step)
	}
	event := eventOf(j.Effect.Params[effect.Reason])
	var all []people.Told
	add := func(list []people.Told) {
		for _, t := range list {
			if !slices.ContainsFunc(all, func(o people.Told) bool { return o.Person == t.Person }) {
				all = append(all, t)
			}
		}
	}
	for _, role := range roles {
		o := people.Occasion{Event: event, Priority: e.priority(j.Incident), Site: site, Responsible: role}
		switch event {
		case "late": // the process names whom it leads to
			o.Accountable = role
		case "breached", "escalated":
			o.Accountable = accountable
		}
		list, missing := d.Audience(o, now)
		add(list)
		if slices.Contains(missing, role) && role != "" && owner != "" {
			add(instead(d.Who(owner, "", now), role))
		}
	}
	return all
}

// instead says why the owner is told.
func instead(list []people.Told, role string) []people.Told {
	for n := range list {
		list[n].Because = lang.Text{ZH: "角色 " + role + " 无人在岗，通知流程负责人", EN: "nobody is present in the role " + role + ": the process's owner is told"}
	}
	return list
}

// events are the policy's words (people.Policy.On) for reasons; others are news
// for whoever acts.
var events = map[string]string{
	effect.ReasonOpened: "opened", effect.ReasonReopened: "opened", effect.ReasonWarn: "warned", effect.ReasonBreach: "breached", effect.ReasonLate: "late",
	effect.ReasonTimeout: "escalated", effect.ReasonVendorSays: "vendor", effect.ReasonVendorUnknown: "vendor", effect.ReasonVendorLate: "vendor", effect.ReasonVendorAway: "vendor", effect.ReasonTicketFailed: "vendor", effect.ReasonClosed: "closed",
}

func eventOf(reason string) string {
	if e, ok := events[reason]; ok {
		return e
	}
	return "entered"
}

func (e *Executor) priority(i incident.Incident) int {
	if e.o.Priority != nil {
		return e.o.Priority(i)
	}
	return map[string]int{incident.SeverityCritical: 1, incident.SeverityMajor: 2}[i.Severity]
}

// happening is what people are told, in both languages.
func (e *Executor) happening(j outbox.Job) people.Happening {
	zh, en := e.write(j, lang.ZH), e.write(j, lang.EN)
	return people.Happening{ID: j.Effect.Key, Event: eventOf(j.Effect.Params[effect.Reason]), Priority: e.priority(j.Incident), At: e.o.Now().UTC(),
		Title: lang.Text{ZH: zh.subject, EN: en.subject}, Text: lang.Text{ZH: zh.body, EN: en.body}}
}

// Closing returns subject and body of the message that the incident is over.
func (e *Executor) Closing(i incident.Incident) (title, text lang.Text) {
	h := e.happening(outbox.Job{Effect: incident.Effect{Params: map[string]string{effect.Reason: effect.ReasonClosed}}, Incident: i})
	return h.Title, h.Text
}

// Say returns subject and body of a message about the incident for one of the
// effect.Reason words, for what is not an effect of the process.
func (e *Executor) Say(i incident.Incident, reason string, params map[string]string) (title, text lang.Text) {
	all := maps.Clone(params)
	if all == nil {
		all = map[string]string{}
	}
	all[effect.Reason] = reason
	h := e.happening(outbox.Job{Effect: incident.Effect{Params: all}, Incident: i})
	return h.Title, h.Text
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
