package register

import (
	"cmp"
	"slices"
	"strconv"
	"time"

	"github.com/faultline/faultline/collector/inventory"
	"github.com/faultline/faultline/internal/lang"
)

// Kinds of things that end.
const (
	EndsWarranty    = "warranty"
	EndsContract    = "contract"
	EndsCircuit     = "circuit"
	EndsCertificate = "certificate"
)

// warnDays are how many days ahead people are warned, most first; 0 is the last
// day.
var warnDays = []int{60, 30, 7, 0}

// Expiry is something that ends on a day.
type Expiry struct {
	Kind   string    `json:"kind"` // warranty, contract, circuit, certificate
	ID     string    `json:"id"`
	Name   string    `json:"name,omitempty"`
	Vendor string    `json:"vendor,omitempty"`
	Site   string    `json:"site,omitempty"` // "": of several sites, or of none
	Until  string    `json:"until"`          // the last day it holds
	Days   int       `json:"days"`           // left: 0 on the last day, below when it is over
	Stage  int       `json:"stage"`          // the warning it has reached: 60, 30, 7, 0; -1: none yet, -2: over
	End    time.Time `json:"end"`            // the moment after which it holds no more
	// Covered tells that a later contract takes over, so that nobody need be warned.
	Covered bool `json:"covered,omitempty"`
}

// Found is an end that was measured: a certificate a server shows.
type Found struct {
	ID, Site string
	End      time.Time
}

// Expiries returns everything of the register that ends, and what was found by
// measuring, the nearest first. Days are counted in the site's zone.
func Expiries(g *inventory.Graph, found []Found, now time.Time) []Expiry {
	inv := g.Inventory()
	var out []Expiry
	add := func(e Expiry, zone *time.Location) {
		end, err := time.ParseInLocation(time.DateOnly, e.Until, zone)
		if err != nil {
			return
		}
		e.End = end.AddDate(0, 0, 1)
		y, m, d := now.In(zone).Date()
		e.Days = int(end.Sub(time.Date(y, m, d, 0, 0, 0, 0, zone)).Round(24*time.Hour) / (24 * time.Hour))
		e.Stage = stage(e.Days)
		out = append(out, e)
	}
	for _, c := range inv.Contracts {
		if c.Until == "" {
			continue
		}
		e := Expiry{Kind: EndsContract, ID: c.ID, Name: cmp.Or(c.Number, c.Note), Vendor: c.Vendor, Until: c.Until, Covered: covered(inv, c)}
		if c.Kind == "warranty" {
			e.Kind = EndsWarranty
		}
		if len(c.Sites) == 1 {
			e.Site = c.Sites[0]
		} else if len(c.Devices) == 1 {
			e.Site = g.SiteOf(c.Devices[0])
		}
		add(e, g.Location(e.Site))
	}
	for _, l := range inv.Lines {
		if l.Until != "" {
			add(Expiry{Kind: EndsCircuit, ID: l.ID, Name: l.Circuit, Vendor: l.Carrier, Site: l.Site, Until: l.Until}, g.Location(l.Site))
		}
	}
	for _, c := range inv.Certificates {
		site := cmp.Or(c.Site, g.SiteOf(c.Device))
		add(Expiry{Kind: EndsCertificate, ID: c.ID, Name: c.Name, Vendor: c.Vendor, Site: site, Until: c.Until}, g.Location(site))
	}
	for _, f := range found {
		zone := g.Location(f.Site)
		add(Expiry{Kind: EndsCertificate, ID: f.ID, Name: "TLS", Site: f.Site, Until: f.End.In(zone).Format(time.DateOnly)}, zone)
	}
	slices.SortStableFunc(out, func(a, b Expiry) int { return cmp.Or(cmp.Compare(a.Until, b.Until), cmp.Compare(a.ID, b.ID)) })
	return out
}

// stage is the nearest warning that has been reached.
func stage(days int) int {
	reached := -1
	for _, w := range warnDays {
		if days <= w {
			reached = w
		}
	}
	if days < 0 {
		return -2
	}
	return reached
}

// covered tells whether another contract over the same scope begins, by a date of
// its own, before this one ends or on the day after, and lasts longer.
func covered(inv *inventory.Inventory, c inventory.Contract) bool {
	return slices.ContainsFunc(inv.Contracts, func(o inventory.Contract) bool {
		return o.ID != c.ID && (o.Until == "" || o.Until > c.Until) && o.From != "" && o.From <= nextDay(c.Until) && subset(c.Sites, o.Sites) && within(c, o)
	})
}

func nextDay(day string) string {
	t, err := time.Parse(time.DateOnly, day)
	if err != nil {
		return day
	}
	return t.AddDate(0, 0, 1).Format(time.DateOnly)
}

// subset tells whether a scope lies within another, where empty is everything.
func subset(inner, outer []string) bool {
	if len(outer) == 0 {
		return true
	}
	return len(inner) > 0 && !slices.ContainsFunc(inner, func(s string) bool { return !slices.Contains(outer, s) })
}

func within(c, o inventory.Contract) bool {
	switch {
	case len(o.Devices) == 0 && len(o.Kinds) == 0:
		return true
	case len(c.Devices) > 0:
		return subset(c.Devices, o.Devices) && len(o.Devices) > 0
	case len(c.Kinds) > 0:
		return subset(c.Kinds, o.Kinds) && len(o.Kinds) > 0
	}
	return false
}

// Words says what ends and when, in a sentence.
func (e Expiry) Words() lang.Text {
	kind := map[string]lang.Text{EndsWarranty: t("保修", "The warranty"), EndsContract: t("维保合同", "The maintenance contract"),
		EndsCircuit: t("专线合同", "The contract of circuit"), EndsCertificate: t("证书或许可", "The certificate or licence")}[e.Kind]
	name := e.ID
	if e.Name != "" {
		name += "（" + e.Name + "）"
	}
	nameEN := e.ID
	if e.Name != "" {
		nameEN += " (" + e.Name + ")"
	}
	switch {
	case e.Days < 0:
		return t(kind.ZH+" "+name+" 已于 "+e.Until+" 到期", kind.EN+" "+nameEN+" ended on "+e.Until)
	case e.Days == 0:
		return t(kind.ZH+" "+name+" 今天（"+e.Until+"）到期", kind.EN+" "+nameEN+" ends today, "+e.Until)
	}
	return t(kind.ZH+" "+name+" 将于 "+e.Until+" 到期，还有 "+strconv.Itoa(e.Days)+" 天", kind.EN+" "+nameEN+" ends on "+e.Until+", in "+strconv.Itoa(e.Days)+" days")
}

// Warn tells whether people are to be told now, and the key of that warning: one
// for each stage of one end.
func (e Expiry) Warn() (key string, tell bool) {
	if e.Stage == -1 || e.Covered {
		return "", false
	}
	return "expiry/" + e.Kind + "/" + e.ID + "/" + e.Until + "/" + strconv.Itoa(e.Stage), true
}

// Roles are whom a warning goes to.
func (e Expiry) Roles() []string {
	switch e.Kind {
	case EndsCircuit, EndsCertificate:
		return []string{"hq_network", "branch_it"}
	}
	return []string{"hq_facility", "hq_network", "branch_it"}
}
