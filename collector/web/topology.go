package web

import (
	"net/http"

	"github.com/faultline/faultline/collector/account"
	"github.com/faultline/faultline/collector/inventory"
	"github.com/faultline/faultline/collector/topology"
)

// mostRows is how many rows each list of the page shows.
const mostRows = 300

type topologyData struct {
	topology.Found
	Site      string
	Sites     []inventory.Site
	MoreDrift int // that are not listed
	MoreOffer int
	MoreSeen  int
}

// Marked says what is wrong with a sighting, "" when nothing is.
func (d topologyData) Marked(s topology.Sighting) string {
	for _, x := range d.Drift {
		if x.Device == s.Device && x.Port == s.Port && x.Seen == s.Neighbor {
			return x.Kind
		}
	}
	return ""
}

// topologyPage shows who was seen at whose port, what differs from the inventory,
// and what the inventory could say.
func (c *console) topologyPage(w http.ResponseWriter, r *http.Request, p *page) error {
	if c.Topology == nil {
		return errLost
	}
	d := topologyData{Found: c.Topology(), Site: r.URL.Query().Get("site")}
	who, inv := account.PrincipalOf(p.User), c.Inventory()
	shown, siteOf := map[string]bool{}, map[string]string{}
	for _, s := range inv.Sites {
		if who.Sees(s.ID) {
			d.Sites = append(d.Sites, s)
			shown[s.ID] = d.Site == "" || d.Site == s.ID
		}
	}
	for _, dev := range inv.Devices {
		siteOf[dev.ID] = dev.Site
	}
	of := func(device string) bool { return shown[siteOf[device]] }
	d.Drift, d.MoreDrift = chosen(d.Drift, func(x topology.Drift) bool { return of(x.Device) })
	d.Proposals, d.MoreOffer = chosen(d.Proposals, func(x topology.Proposal) bool { return of(x.Device) })
	d.Sightings, d.MoreSeen = chosen(d.Sightings, func(x topology.Sighting) bool { return of(x.Device) })
	p.Title, p.D = p.T("topology.title"), d
	return c.render(w, r, http.StatusOK, "topology", p)
}

// chosen returns the first rows that are taken, and how many more there are.
func chosen[T any](all []T, take func(T) bool) (rows []T, more int) {
	for _, x := range all {
		switch {
		case !take(x):
		case len(rows) == mostRows:
			more++
		default:
			rows = append(rows, x)
		}
	}
	return rows, more
}
