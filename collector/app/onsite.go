package app

import "time"

// siteRole is who has hands at a site, by the handbook.
const siteRole = "branch_it"

// onSite is whom a vendor calls at a site, and until when: who is on call there
// by the site's own rota until that duty ends, else the site's contact in the
// inventory.
func (a *App) onSite(site string, now time.Time) (contact string, until time.Time) {
	if p, duty, ok := a.directory().OnCall(siteRole, site, now); ok && p.Phone != "" {
		return p.Name + " " + p.Phone, duty.To
	}
	s, _ := a.graph().Site(site)
	return s.Contact, time.Time{}
}
