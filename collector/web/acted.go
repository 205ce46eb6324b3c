package web

import (
	"errors"
	"net/http"

	"github.com/faultline/faultline/collector/api"
	"github.com/faultline/faultline/collector/engine"
	"github.com/faultline/faultline/collector/incident"
)

// acted answers what somebody did on an incident's page: it leads on to next, or,
// refused or overtaken, shows the incident as it is now and why.
func (c *console) acted(w http.ResponseWriter, r *http.Request, p *page, i incident.Incident, err error, next string) error {
	var refusal *api.Refusal
	switch {
	case err == nil:
		redirect(w, r, next)
		return nil
	case errors.As(err, &refusal), errors.Is(err, engine.ErrConflict):
		var status int
		status, p.Error, p.Hint = c.explain(p, err)
		if now, err := c.one(r, p); err == nil {
			i = now
		}
		return c.showDetail(w, r, p, i, status)
	}
	return err
}
