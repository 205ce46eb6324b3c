// Package intake keeps the alerts that other systems send us: by what their
// labels say they are one and the same, until they are resolved, by their sender
// or because nobody repeats them. Packages alertmanager and pagerduty translate
// what arrives; diagnose and engine judge it like alerts of our own rules. It
// decides nothing about incidents.
package intake

import (
	"maps"
	"strings"
	"time"

	"github.com/faultline/faultline/collector/alert"
	"github.com/faultline/faultline/collector/truth"
)

// Alert is one alert of another system.
type Alert struct {
	Fingerprint string            `json:"fingerprint"` // identity
	Source      string            `json:"source"`      // the protocol: alertmanager, webhook, pagerduty
	Sender      string            `json:"sender"`      // who sent it last
	Labels      map[string]string `json:"labels"`
	Annotations map[string]string `json:"annotations,omitempty"`
	URL         string            `json:"url,omitempty"` // where it comes from
	StartsAt    time.Time         `json:"starts_at"`
	EndsAt      time.Time         `json:"ends_at,omitzero"`  // zero: until its sender resolves it
	Timeout     bool              `json:"timeout,omitempty"` // EndsAt is ours, since the sender named none
	Ended       bool              `json:"ended,omitempty"`   // the sender said that it is over; else EndsAt only passed
	UpdatedAt   time.Time         `json:"updated_at"`
	AckedBy     string            `json:"acked_by,omitempty"`
}

// Resolved tells whether the alert is over at the time.
func (a Alert) Resolved(at time.Time) bool { return !a.EndsAt.IsZero() && !a.EndsAt.After(at) }

// merge returns what two reports of one alert say together; fresh arrived last.
func merge(old, fresh Alert, now time.Time) Alert {
	over := fresh.Resolved(now)
	switch {
	case old.Resolved(now) && !over:
		return fresh // a new occurrence, or one that is not over after all
	case !old.Resolved(now) && over && fresh.StartsAt.Before(fresh.EndsAt) && fresh.EndsAt.Before(old.StartsAt):
		return old // the end of an earlier occurrence, late; one that names no beginning ends whatever is open
	case over && old.EndsAt.After(fresh.EndsAt) && old.Resolved(now):
		fresh.EndsAt = old.EndsAt
	}
	if old.StartsAt.Before(fresh.StartsAt) {
		fresh.StartsAt = old.StartsAt
	}
	// A time that the sender named outlasts our own timeout: of a pair of senders
	// one may name none.
	if !over && fresh.Timeout && !old.Timeout && old.EndsAt.After(fresh.EndsAt) {
		fresh.EndsAt, fresh.Timeout = old.EndsAt, false
	}
	if fresh.AckedBy == "" {
		fresh.AckedBy = old.AckedBy
	}
	return fresh
}

// severities are the words that other systems use for ours.
var severities = map[string]string{
	"critical": "critical", "crit": "critical", "page": "critical", "emergency": "critical", "fatal": "critical", "disaster": "critical", "p1": "critical",
	"error": "major", "major": "major", "high": "major", "p2": "major",
	"warning": "minor", "warn": "minor", "minor": "minor", "average": "minor", "medium": "minor", "p3": "minor",
	"info": "info", "information": "info", "informational": "info", "none": "info", "low": "info", "p4": "info", "p5": "info",
}

// Severity is our word for another system's; minor for words we do not know.
func Severity(word string) string {
	if s, ok := severities[strings.ToLower(strings.TrimSpace(word))]; ok {
		return s
	}
	return "minor"
}

// Judged returns the alert as one of our own that fires. Its labels site and
// device are what place says when the sender named none; they do not belong to
// its identity.
func (a Alert) Judged(place func(labels map[string]string) (site, device string)) alert.Alert {
	labels := maps.Clone(a.Labels)
	if labels == nil {
		labels = map[string]string{}
	}
	labels[alert.LabelSeverity] = Severity(labels[alert.LabelSeverity])
	if place != nil {
		site, device := place(a.Labels)
		for k, v := range map[string]string{alert.LabelSite: site, alert.LabelDevice: device} {
			if labels[k] == "" && v != "" {
				labels[k] = v
			}
		}
	}
	return alert.Alert{Fingerprint: a.Fingerprint, Name: labels[alert.LabelName], Labels: labels, Annotations: a.Annotations, State: alert.Firing,
		Truth: truth.Bad, Value: 1, ActiveAt: a.StartsAt, FiredAt: a.StartsAt, EvaluatedAt: a.UpdatedAt}
}
