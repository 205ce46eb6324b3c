package ruler

import (
	"maps"
	"slices"
	"time"

	"github.com/faultline/faultline/collector/alert"
	"github.com/faultline/faultline/collector/truth"
)

// results are what one evaluation of a rule found, by alert fingerprint.
type results struct {
	bad     map[string]match    // matching
	present map[string]struct{} // known, matching or not
}

// match is one element of a rule's answer.
type match struct {
	labels      map[string]string // of the alert
	annotations map[string]string
	value       float64
}

// outcome is one alert's step: what it is now, and whether that is a transition
// or worth storing.
type outcome struct {
	after      alert.Alert
	transition *alert.Transition
	changed    bool
	drop       bool // forget it; it was stored when changed before
}

// step advances the alerts of one rule. It reads no clock and no store: equal
// input gives equal output. With hold, nothing becomes firing or resolved.
func step(r *Rule, before map[string]alert.Alert, res results, now time.Time, hold bool) []outcome {
	var out []outcome
	for _, fp := range slices.Sorted(maps.Keys(res.bad)) {
		if _, known := before[fp]; !known {
			m := res.bad[fp]
			fresh := alert.Alert{Fingerprint: fp, Name: r.Name, Labels: m.labels, State: alert.Inactive}
			out = append(out, advance(r, fresh, res, now, hold))
		}
	}
	for _, fp := range slices.Sorted(maps.Keys(before)) {
		out = append(out, advance(r, before[fp], res, now, hold))
	}
	return out
}

// advance moves one alert.
func advance(r *Rule, a alert.Alert, res results, now time.Time, hold bool) outcome {
	was := a
	if a.State == alert.Resolved {
		// It was handed out as resolved; from here it begins anew.
		if _, bad := res.bad[a.Fingerprint]; !bad {
			return outcome{after: a, drop: true}
		}
		a = alert.Alert{Fingerprint: a.Fingerprint, Name: a.Name, Labels: a.Labels, State: alert.Inactive}
	}
	a.EvaluatedAt = now
	m, bad := res.bad[a.Fingerprint]
	_, present := res.present[a.Fingerprint]
	switch {
	case bad:
		a.Truth, a.UnknownSince = truth.Bad, time.Time{}
		a.Value, a.Annotations = m.value, m.annotations
		a = worse(r, a, now, hold)
	case present:
		a.Truth, a.UnknownSince = truth.OK, time.Time{}
		a = better(r, a, now, hold)
	default:
		a = unsure(r, a, now)
	}
	return judge(was, a, now)
}

// worse is the step of an alert whose condition holds.
func worse(r *Rule, a alert.Alert, now time.Time, hold bool) alert.Alert {
	a.GoneAt = time.Time{}
	if a.State == alert.Inactive {
		a.State, a.ActiveAt = alert.Pending, now
	}
	if a.State == alert.Pending && !hold && now.Sub(a.ActiveAt) >= r.For {
		a.State, a.FiredAt = alert.Firing, now
	}
	return a
}

// better is the step of an alert whose condition is known to be gone.
func better(r *Rule, a alert.Alert, now time.Time, hold bool) alert.Alert {
	switch a.State {
	case alert.Pending:
		a.State = alert.Inactive
	case alert.Firing:
		if a.GoneAt.IsZero() {
			a.GoneAt = now
		}
		if !hold && now.Sub(a.GoneAt) >= r.KeepFiringFor {
			a.State, a.ResolvedAt = alert.Resolved, now
		}
	}
	return a
}

// unsure is the step of an alert nothing is known of: a firing one stays, and
// its way back begins anew; a pending one is given up after the horizon.
func unsure(r *Rule, a alert.Alert, now time.Time) alert.Alert {
	if a.Truth != truth.Unknown || a.UnknownSince.IsZero() {
		a.UnknownSince = now
	}
	a.Truth, a.GoneAt = truth.Unknown, time.Time{}
	if a.State == alert.Pending && now.Sub(a.UnknownSince) >= r.Horizon {
		a.State = alert.Inactive
	}
	return a
}

func judge(was, a alert.Alert, now time.Time) outcome {
	o := outcome{after: a}
	switch {
	case was.State == alert.Inactive && a.State == alert.Inactive:
		o.drop = true
	case was.State == alert.Pending && a.State == alert.Inactive:
		o.drop = true
	case was.State != a.State:
		o.changed = true
		if a.State == alert.Firing || a.State == alert.Resolved {
			o.transition = &alert.Transition{Alert: a, From: was.State, To: a.State, At: now}
		}
	default:
		o.changed = was.Truth != a.Truth || was.GoneAt != a.GoneAt
	}
	return o
}
