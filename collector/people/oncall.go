package people

import (
	"slices"
	"time"
)

// OnCall returns who serves in the role at the site by a rota that names the
// site, and the duty; a deputy stands in until the duty's end. It is false where
// no such rota has anybody on call: rotas of all sites name nobody at this one.
func (d *Directory) OnCall(role, site string, at time.Time) (*Person, Duty, bool) {
	for _, r := range d.rotasFor(role, site) {
		if !slices.Contains(r.Sites, site) {
			continue
		}
		for _, duty := range r.OnCall(at) {
			who, _, ok := d.StandIn(duty.Person, at)
			if !ok {
				continue
			}
			if p, known := d.Person(who); known {
				return p, duty, true
			}
		}
	}
	return nil, Duty{}, false
}
