package web

import (
	"net/http"

	"github.com/faultline/faultline/collector/account"
	"github.com/faultline/faultline/collector/api"
)

// auditorRoutes are the page of what the auditor found; none without an auditor.
func (c *console) auditorRoutes() map[string]handler {
	if c.Auditor == nil {
		return nil
	}
	return map[string]handler{"GET /auditor": c.auditorPage}
}

type auditorData struct{ api.AuditView }

// auditorPage shows which open incidents stand still or lost something, since when
// and what to do. Everybody sees what concerns their sites.
func (c *console) auditorPage(w http.ResponseWriter, r *http.Request, p *page) error {
	v, err := c.Auditor(r.Context())
	if err != nil {
		return err
	}
	p.Title, p.D = p.T("auditor.title"), auditorData{v.Seen(account.PrincipalOf(p.User), p.now)}
	return c.render(w, r, http.StatusOK, "auditor", p)
}
