package web

import (
	"cmp"
	"context"
	"html/template"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/faultline/faultline/collector/account"
	"github.com/faultline/faultline/collector/api"
	"github.com/faultline/faultline/collector/incident"
	"github.com/faultline/faultline/collector/inventory"
	"github.com/faultline/faultline/collector/register"
	"github.com/faultline/faultline/collector/truth"
	"github.com/faultline/faultline/internal/qr"
)

// Things are what the pages of devices and patch panels need; a nil *Things
// leaves them out.
type Things struct {
	Graph func() *inventory.Graph
	// State is what is known of a device now.
	State func(device string) truth.Truth
	// Seen returns who is seen at the ports of a site's devices.
	Seen func(ctx context.Context, site string) ([]register.Sighting, error)
	// Talkers returns the traffic of a device's ports, the busiest first, in bit/s.
	Talkers func(ctx context.Context, device string) ([]Talker, error)
	Address string // external_url; "": that of the request
}

// Talker is a port's traffic.
type Talker struct {
	Port    string
	In, Out float64 // bit/s
}

// thingRoutes are the pages of devices, their labels and patch panels.
func (c *console) thingRoutes() map[string]handler {
	if c.Things == nil {
		return nil
	}
	return map[string]handler{"GET /devices/{id}": c.devicePage, "GET /labels": c.labelsPage, "GET /patches": c.patchesPage}
}

// terms is a contract with its vendor.
type terms struct {
	inventory.Contract
	Vendor inventory.Vendor
}

type deviceData struct {
	inventory.Device
	State     string
	SiteName  string
	Contracts []terms
	Incidents []incident.Incident
	Patches   []register.PatchCheck
	Talkers   []Talker
}

func (c *console) devicePage(w http.ResponseWriter, r *http.Request, p *page) error {
	g := c.Things.Graph()
	dev, ok := g.Device(r.PathValue("id"))
	who := account.PrincipalOf(p.User)
	if !ok || !who.Sees(dev.Site) {
		return errLost
	}
	d := deviceData{Device: dev, State: c.Things.State(dev.ID).String(), SiteName: c.siteName(p, dev.Site)}
	for _, k := range g.ContractsOf(dev.ID, p.now) {
		v, _ := g.Vendor(k.Vendor)
		d.Contracts = append(d.Contracts, terms{k, v})
	}
	open, _, err := c.Incidents.Incidents(r.Context(), api.Query{States: []string{incident.StateOpen, incident.StateVerified}, Sites: []string{dev.Site}})
	if err != nil {
		return err
	}
	d.Incidents = slices.DeleteFunc(open, func(i incident.Incident) bool {
		return i.Diagnosis.Device != dev.ID && !slices.ContainsFunc(i.Diagnosis.Affected, func(x string) bool { return x == dev.ID || strings.HasPrefix(x, dev.ID+":") })
	})
	seen, err := c.Things.Seen(r.Context(), dev.Site)
	if err != nil {
		return err
	}
	d.Patches = slices.DeleteFunc(register.CheckPatches(g, dev.Site, seen), func(x register.PatchCheck) bool { return x.Switch != dev.ID && x.Device != dev.ID })
	if d.Talkers, err = c.Things.Talkers(r.Context(), dev.ID); err != nil {
		return err
	}
	p.Title = dev.ID
	if !dev.Name.IsZero() {
		p.Title = p.Text(dev.Name)
	}
	p.D = d
	return c.render(w, r, http.StatusOK, "device", p)
}

// Rate writes bit/s with a unit.
func (p *page) Rate(v float64) string {
	for _, u := range []struct {
		of   float64
		unit string
	}{{1e9, "Gbit/s"}, {1e6, "Mbit/s"}, {1e3, "kbit/s"}} {
		if v >= u.of {
			return strconv.FormatFloat(v/u.of, 'f', 1, 64) + " " + u.unit
		}
	}
	return strconv.FormatFloat(v, 'f', 0, 64) + " bit/s"
}

type label struct {
	inventory.Device
	SiteName string
	QR       template.HTML
}

type labelsData struct {
	Sites   []inventory.Site
	Site    string
	Labels  []label
	Address bool
}

// labelsPage shows a sheet of labels to print.
func (c *console) labelsPage(w http.ResponseWriter, r *http.Request, p *page) error {
	g, who := c.Things.Graph(), account.PrincipalOf(p.User)
	d := labelsData{Site: r.URL.Query().Get("site"), Address: c.Things.Address != ""}
	base := cmp.Or(strings.TrimSuffix(c.Things.Address, "/"), c.address(r))
	for _, s := range g.Inventory().Sites {
		if !who.Sees(s.ID) {
			continue
		}
		d.Sites = append(d.Sites, s)
		if d.Site != "" && d.Site != s.ID {
			continue
		}
		for _, dev := range g.DevicesOf(s.ID) {
			code, err := qr.Encode(base + "/devices/" + url.PathEscape(dev.ID))
			if err != nil {
				return err
			}
			d.Labels = append(d.Labels, label{Device: dev, SiteName: c.siteName(p, s.ID), QR: template.HTML(code.SVG(dev.ID))})
		}
	}
	p.Title, p.D = p.T("labels.title"), d
	return c.render(w, r, http.StatusOK, "labels", p)
}

type patchesData struct {
	Sites       []inventory.Site
	Site        string
	Rows        []register.PatchCheck
	Extra       []register.PatchCheck
	Differences int
	Traffic     map[string]Talker // by switch and port
}

func (c *console) patchesPage(w http.ResponseWriter, r *http.Request, p *page) error {
	g, who := c.Things.Graph(), account.PrincipalOf(p.User)
	d := patchesData{Site: r.URL.Query().Get("site"), Traffic: map[string]Talker{}}
	for _, s := range g.Inventory().Sites {
		if who.Sees(s.ID) {
			d.Sites = append(d.Sites, s)
		}
	}
	if d.Site == "" {
		for _, s := range d.Sites {
			if len(g.PatchesOf(s.ID)) > 0 {
				d.Site = s.ID
				break
			}
		}
	}
	if d.Site != "" {
		if !who.Sees(d.Site) {
			return errLost
		}
		seen, err := c.Things.Seen(r.Context(), d.Site)
		if err != nil {
			return err
		}
		all := register.CheckPatches(g, d.Site, seen)
		d.Differences = register.Differences(all)
		at := len(g.PatchesOf(d.Site))
		d.Rows, d.Extra = all[:at], all[at:]
		if err := c.traffic(r.Context(), d); err != nil {
			return err
		}
	}
	p.Title, p.D = p.T("patch.title"), d
	return c.render(w, r, http.StatusOK, "patches", p)
}

// traffic adds what goes through the switches' ports.
func (c *console) traffic(ctx context.Context, d patchesData) error {
	asked := map[string]bool{}
	for _, x := range slices.Concat(d.Rows, d.Extra) {
		if x.Switch == "" || asked[x.Switch] {
			continue
		}
		asked[x.Switch] = true
		talkers, err := c.Things.Talkers(ctx, x.Switch)
		if err != nil {
			return err
		}
		for _, t := range talkers {
			d.Traffic[x.Switch+" "+strings.ToLower(t.Port)] = t
		}
	}
	return nil
}

// Of returns the traffic of a switch's port.
func (d patchesData) Of(x register.PatchCheck) *Talker {
	t, ok := d.Traffic[x.Switch+" "+strings.ToLower(x.SwitchPort)]
	if !ok {
		return nil
	}
	return &t
}
