package reporter

import (
	"slices"

	"github.com/faultline/faultline/collector/incident"
	"github.com/faultline/faultline/collector/inventory"
	"github.com/faultline/faultline/internal/lang"
)

// JoinNew says that the person looked at the open incidents and that theirs is
// none of them.
const JoinNew = "new"

// Match returns the open incident that a report is about, and why: the one the
// person recognised; one whose root or whose affected things hold the reported
// device; one upstream of it; an earlier report of the same; and, where no
// device is named, the site's only incident that such symptoms can come of.
func Match(d Draft, open []incident.Incident, g *inventory.Graph) (incident.Incident, lang.Text, bool) {
	near := Near(d.Site, open, g)
	find := func(fits func(incident.Incident) bool) (incident.Incident, bool) {
		n := slices.IndexFunc(near, fits)
		if n < 0 {
			return incident.Incident{}, false
		}
		return near[n], true
	}
	if i, ok := find(func(i incident.Incident) bool { return d.Join != "" && i.ID == d.Join }); ok {
		return i, lang.Text{ZH: "您确认是同一故障", EN: "you said that it is the same fault"}, true
	}
	cause := Diagnosis(d, g).Cause
	if i, ok := find(func(i incident.Incident) bool { return i.Diagnosis.Cause == cause }); ok {
		return i, lang.Text{ZH: "已有人上报同一现象", EN: "somebody has reported the same"}, true
	}
	if d.Device != "" {
		return matchDevice(d, g, find)
	}
	if d.Join == JoinNew {
		return incident.Incident{}, lang.Text{}, false
	}
	return only(d, near)
}

func matchDevice(d Draft, g *inventory.Graph, find func(func(incident.Incident) bool) (incident.Incident, bool)) (incident.Incident, lang.Text, bool) {
	if i, ok := find(func(i incident.Incident) bool { return i.Diagnosis.Device == d.Device }); ok {
		return i, lang.Text{ZH: "该设备或专线的故障正在处理", EN: "a fault of this device or line is being dealt with"}, true
	}
	if i, ok := find(func(i incident.Incident) bool { return slices.Contains(i.Diagnosis.Affected, d.Device) }); ok {
		return i, lang.Text{ZH: "该设备受正在处理的故障影响", EN: "this device is down because of a fault that is being dealt with"}, true
	}
	if d.Join == JoinNew {
		return incident.Incident{}, lang.Text{}, false
	}
	if i, ok := find(func(i incident.Incident) bool {
		return slices.Contains(g.Affected([]string{i.Diagnosis.Device}), d.Device)
	}); ok {
		return i, lang.Text{ZH: "该设备依赖的设备或专线正在处理", EN: "what this device depends on is being dealt with"}, true
	}
	return incident.Incident{}, lang.Text{}, false
}

// only is the site's single open incident that has such symptoms.
func only(d Draft, near []incident.Incident) (incident.Incident, lang.Text, bool) {
	var fits []incident.Incident
	for _, i := range near {
		if i.Diagnosis.Site == d.Site && slices.Contains(causes[d.Category], i.Diagnosis.Class) && i.Diagnosis.Rule != reportRule {
			fits = append(fits, i)
		}
	}
	if len(fits) != 1 {
		return incident.Incident{}, lang.Text{}, false
	}
	return fits[0], lang.Text{ZH: "本地点正在处理的故障会造成此现象", EN: "the fault that is being dealt with at this place causes this"}, true
}

// causes are the classes of faults by which people see such symptoms.
var causes = map[string][]string{
	NetworkDown: {incident.ClassCarrierLine, incident.ClassDevice, incident.ClassPower, incident.ClassConfiguration},
	NetworkSlow: {incident.ClassCarrierLine, incident.ClassConfiguration},
	System:      {incident.ClassServer, incident.ClassDatabase, incident.ClassCarrierLine, incident.ClassPower},
	Power:       {incident.ClassPower},
	Room:        {incident.ClassEnvironment, incident.ClassPower},
	Security:    {incident.ClassSecurity},
}

// Near are the open incidents that people of a site may mean: the site's own and
// those that affect it, nobody's child, oldest first. Exercises are left out.
func Near(site string, open []incident.Incident, g *inventory.Graph) []incident.Incident {
	var out []incident.Incident
	for _, i := range open {
		if i.State != incident.StateOpen || i.ParentID != "" || IsDrill(i.Diagnosis) {
			continue
		}
		touches := func(id string) bool { return id == site || g.SiteOf(id) == site }
		if i.Diagnosis.Site == site || slices.ContainsFunc(i.Diagnosis.Affected, touches) {
			out = append(out, i)
		}
	}
	return out
}

// IsDrill tells whether a diagnosis is of an exercise: its cause says so.
func IsDrill(d incident.Diagnosis) bool { return len(d.Cause) > 6 && d.Cause[:6] == "drill/" }

// reportRule is the rule of a diagnosis that only a person's report made.
const reportRule = "report"

// Diagnosis is what can be said of a fault that only a person saw. It names no
// vendor: nobody outside is called on hearsay.
func Diagnosis(d Draft, g *inventory.Graph) incident.Diagnosis {
	out := incident.Diagnosis{Cause: reportRule + "/" + d.Site + "/" + d.Device, Class: classOf(d, g), Site: d.Site, Device: d.Device, Process: "network",
		VendorKind: incident.VendorNone, Severity: incident.SeverityMajor, Provisional: true, Rule: reportRule, Affected: []string{},
		Title:   lang.Text{ZH: "人工上报：" + firstLine(d.Symptoms), EN: "Reported: " + firstLine(d.Symptoms)},
		Proof:   lang.Text{ZH: "由 " + who(d) + " 上报：" + d.Symptoms, EN: "Reported by " + who(d) + ": " + d.Symptoms},
		Decides: lang.Text{ZH: "现场判断或后续测量", EN: "a judgement on site or further measurements"}}
	if d.Device == "" {
		out.Cause += d.Category
	}
	if d.Category == NetworkSlow || d.Category == Other && d.Device == "" {
		out.Severity = incident.SeverityMinor
	}
	return out
}

// classOf is the class that symptoms and device speak for.
func classOf(d Draft, g *inventory.Graph) string {
	switch d.Category {
	case Power:
		return incident.ClassPower
	case Room:
		return incident.ClassEnvironment
	case Security:
		return incident.ClassSecurity
	}
	if _, ok := g.Line(d.Device); ok {
		return incident.ClassCarrierLine
	}
	if dev, ok := g.Device(d.Device); ok {
		switch dev.Kind {
		case "ups", "pdu":
			return incident.ClassPower
		case "environment", "cooling":
			return incident.ClassEnvironment
		case "server":
			return incident.ClassServer
		case "database":
			return incident.ClassDatabase
		}
		return incident.ClassDevice
	}
	if d.Category == System {
		return incident.ClassServer
	}
	return incident.ClassDevice
}

func who(d Draft) string {
	for _, s := range []string{d.Name, d.By.Name, d.By.ID} {
		if s != "" {
			return s
		}
	}
	return "?"
}

func firstLine(s string) string {
	r := []rune(s)
	for n, c := range r {
		if c == '\n' || c == '\r' {
			r = r[:n]
			break
		}
	}
	if len(r) > 60 {
		return string(r[:60]) + "…"
	}
	return string(r)
}
