package engine

import (
	"github.com/faultline/faultline/collector/alert"
	"github.com/faultline/faultline/collector/incident"
	"github.com/faultline/faultline/collector/truth"
)

// Bounds of a storm. With more alerts than crowd, those of one rule about one
// device are diagnosed as one and share its fate; an incident with more alerts
// than detailed keeps of the others what tells them apart, not what they say.
const (
	crowd    = 2000
	detailed = 200
)

// thin returns one alert for each group of a crowd, and the groups by the
// fingerprint that stands for them; groups is nil when there is no crowd. The
// first to fire stands for its group; it is bad when any of them is.
func thin(firing []alert.Alert) (few []alert.Alert, groups map[string][]string) {
	if len(firing) <= crowd {
		return firing, nil
	}
	at := map[group]int{}
	var members [][]string
	for i := range firing {
		a := &firing[i]
		key := groupOf(a)
		n, known := at[key]
		if !known {
			at[key] = len(few)
			few, members = append(few, *a), append(members, []string{a.Fingerprint})
			continue
		}
		members[n] = append(members[n], a.Fingerprint)
		first, worst := &few[n], worseTruth(a.Truth, few[n].Truth)
		if a.FiredAt.Before(first.FiredAt) || a.FiredAt.Equal(first.FiredAt) && a.Fingerprint < first.Fingerprint {
			*first = *a
		}
		first.Truth = worst
	}
	groups = make(map[string][]string, len(few))
	for n := range few {
		groups[few[n].Fingerprint] = members[n]
	}
	return few, groups
}

// group is what alerts of a crowd have in common that stand for each other.
type group struct{ name, site, device, agent, severity, symptom string }

func groupOf(a *alert.Alert) group {
	return group{a.Name, a.Labels[alert.LabelSite], a.Device(), a.Labels["agent"], a.Severity(), a.Annotations["faultline_symptom"]}
}

func worseTruth(a, b truth.Truth) truth.Truth {
	switch {
	case a == truth.Bad || b == truth.Bad:
		return truth.Bad
	case a == truth.Unknown || b == truth.Unknown:
		return truth.Unknown
	}
	return truth.OK
}

// whole gives every cause and every hold the alerts that were left out of it.
func whole(d Diagnosis, groups map[string][]string) Diagnosis {
	if groups == nil {
		return d
	}
	for i, c := range d.Causes {
		var all []string
		for _, fp := range c.Alerts {
			all = append(all, groups[fp]...)
		}
		d.Causes[i].Alerts = all
	}
	held := map[string]bool{}
	for fp := range d.Held {
		for _, member := range groups[fp] {
			held[member] = true
		}
	}
	d.Held = held
	return d
}

// brief is what is kept of an alert of an incident that has many.
func brief(r incident.AlertRef) incident.AlertRef {
	short := map[string]string{}
	for _, l := range []string{alert.LabelDevice, alert.LabelComponent, "agent"} {
		if v := r.Labels[l]; v != "" {
			short[l] = v
		}
	}
	r.Labels, r.Summary.ZH, r.Summary.EN = short, "", ""
	return r
}

// shorten makes the alerts beyond the bound brief. have is how many the incident
// has already.
func shorten(facts []incident.Event, have int) []incident.Event {
	for i := range facts {
		for n := range facts[i].Alerts {
			if have+n >= detailed {
				facts[i].Alerts[n] = brief(facts[i].Alerts[n])
			}
		}
	}
	return facts
}
