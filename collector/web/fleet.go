package web

import (
	"net/http"
	"strings"

	"github.com/faultline/faultline/collector/account"
	"github.com/faultline/faultline/collector/fleet"
)

// fleetRoutes are the pages about what agents are to have and have.
func (c *console) fleetRoutes() map[string]handler {
	if c.Fleet == nil {
		return nil
	}
	return map[string]handler{"GET /agents": c.agentsPage, "GET /agents/{agent}": c.agentPage, "POST /agents/rollouts": c.moveRollout}
}

type fleetData struct {
	Rollouts []fleet.RolloutView
	Agents   []fleet.View
	MayMove  bool
}

// Shorten is a version as a table shows it.
func (fleetData) Shorten(v string) string { return shorten(v) }

func shorten(v string) string {
	if len(v) > 7 {
		return v[len(v)-7:]
	}
	return v
}

func (c *console) agentsPage(w http.ResponseWriter, r *http.Request, p *page) error {
	who := account.PrincipalOf(p.User)
	p.Title, p.D = p.T("agents.title"), fleetData{Rollouts: c.Fleet.Fleet.Rollouts(), Agents: c.Fleet.Agents(who), MayMove: c.Fleet.MayCommand(who)}
	return c.render(w, r, http.StatusOK, "agents", p)
}

func (c *console) agentPage(w http.ResponseWriter, r *http.Request, p *page) error {
	for _, v := range c.Fleet.Agents(account.PrincipalOf(p.User)) {
		if v.Agent == r.PathValue("agent") {
			p.Title, p.D = v.Agent, v
			return c.render(w, r, http.StatusOK, "agent", p)
		}
	}
	return errLost
}

// moveRollout takes one of the buttons.
func (c *console) moveRollout(w http.ResponseWriter, r *http.Request, p *page) error {
	if err := r.ParseForm(); err != nil {
		return err
	}
	kind, action, _ := strings.Cut(r.PostForm.Get("do"), " ")
	if err := c.Fleet.Command(r.Context(), account.PrincipalOf(p.User), kind, action, account.Remote(r)); err != nil {
		return err
	}
	redirect(w, r, "/agents")
	return nil
}
