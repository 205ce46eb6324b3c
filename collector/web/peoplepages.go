package web

import (
	"context"
	"net/http"

	"github.com/faultline/faultline/collector/account"
	"github.com/faultline/faultline/collector/duty"
	"github.com/faultline/faultline/collector/incident"
)

// PeopleOptions are what the pages about people and notices need.
type PeopleOptions struct {
	Duty    *duty.Book // who is on call; nil: no page
	FeedKey []byte     // secret of calendar links; empty: none
	Notices Notices    // messages to people; nil: not shown
	Dailies Dailies    // daily reports; nil: not shown
	// Escalation returns where the incident's chain is; nil: not shown.
	Escalation func(ctx context.Context, i incident.Incident) (Escalation, error)
	// Priority is whom to serve first, 1 to 4; nil: not shown.
	Priority func(i incident.Incident) int
}

// peopleNav says which of the pages the reader is offered.
type peopleNav struct {
	HasDuty, HasTold, HasDaily, IsAdmin bool
}

func (c *console) peopleNav(u account.User) peopleNav {
	who := account.PrincipalOf(u)
	return peopleNav{HasDuty: c.Duty != nil, HasTold: c.Notices != nil, HasDaily: c.Dailies != nil && who.SeesAll(), IsAdmin: who.Admin()}
}

// peoplePages mounts the pages.
func (c *console) peoplePages(mux *http.ServeMux) {
	mux.Handle("GET /oncall/feed/{rota}", c.open(c.feed))
	for pattern, h := range map[string]handler{
		"GET /oncall": c.onCall, "POST /oncall": c.changeDuty, "GET /told": c.told, "POST /told": c.tellAgain, "GET /daily": c.daily,
		"GET /users": c.admin(c.usersPage), "POST /users": c.admin(c.changeUsers),
	} {
		mux.Handle(pattern, c.signedIn(h, false))
	}
}
