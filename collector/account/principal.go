package account

import (
	"context"
	"slices"

	"github.com/faultline/faultline/collector/incident"
	"github.com/faultline/faultline/collector/people"
)

// Kinds of principals; they are the kinds of incident.Actor.
const (
	KindPerson  = "person"
	KindProgram = "program"
	KindAgent   = "agent"
)

// Principal is whoever a request comes from, after it proved who it is.
type Principal struct {
	Kind     string
	ID       string
	Name     string
	Roles    []string
	Sites    []string // empty: all for roles of head office, none for a branch's IT (people.See)
	AgentID  string   // of agents
	Language string
}

// Admin tells whether the principal may do everything.
func (p Principal) Admin() bool { return slices.Contains(p.Roles, RoleAdmin) }

// Has tells whether the principal has the role or is an administrator.
func (p Principal) Has(role string) bool { return p.Admin() || slices.Contains(p.Roles, role) }

// MayRead tells whether the principal may look at incidents at all: there is
// something that it sees.
func (p Principal) MayRead() bool {
	return p.Kind != KindAgent && len(p.Roles) > 0 && (p.SeesAll() || len(p.Sites) > 0)
}

// MayAct tells whether the principal may act on incidents: it has a role that
// is more than looking on.
func (p Principal) MayAct() bool {
	return p.MayRead() && slices.ContainsFunc(p.Roles, func(r string) bool { return r != RoleViewer })
}

// ActingRoles are the roles the principal may act in: an administrator's are
// all of them, since processes know the company's roles only.
func (p Principal) ActingRoles() []string {
	if !p.Admin() {
		return p.Roles
	}
	var all []string
	for _, r := range Roles() {
		all = append(all, r.ID)
	}
	return all
}

// Viewer is the principal as people.See asks about it.
func (p Principal) Viewer() people.Viewer {
	return people.Viewer{Kind: p.Kind, Roles: p.Roles, Sites: p.Sites}
}

// View is how much of the subject the principal may see.
func (p Principal) View(s people.Subject) people.View { return people.See(p.Viewer(), s) }

// Sees tells whether the principal may see things of the site whole.
func (p Principal) Sees(site string) bool { return p.View(people.Subject{Site: site}) == people.Whole }

// SeesAll tells whether the principal's scope has no limit: it sees also what
// belongs to no site.
func (p Principal) SeesAll() bool { return p.Sees("") }

// Actor returns the principal as the actor of an event. Of several roles the
// one asked for is named if the principal holds it, else admin, else the first.
func (p Principal) Actor(role string) incident.Actor {
	a := incident.Actor{Kind: p.Kind, ID: p.ID, Name: p.Name}
	switch {
	case role != "" && slices.Contains(p.Roles, role):
		a.Role = role
	case p.Admin():
		a.Role = RoleAdmin
	case len(p.Roles) > 0:
		a.Role = p.Roles[0]
	}
	return a
}

type principalKey struct{}

// With returns a context that carries the principal.
func With(ctx context.Context, p Principal) context.Context {
	return context.WithValue(ctx, principalKey{}, p)
}

// From returns the principal that With put there.
func From(ctx context.Context) (Principal, bool) {
	p, ok := ctx.Value(principalKey{}).(Principal)
	return p, ok
}
