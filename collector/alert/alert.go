// Package alert is one condition on one thing: what a rule found, for one set
// of labels, and in which state it is. Package ruler makes alerts; nothing here
// evaluates, stores or sends.
package alert

import (
	"encoding/hex"
	"hash/fnv"
	"maps"
	"slices"
	"time"

	"github.com/faultline/faultline/collector/truth"
)

// State is where an alert stands.
type State string

// The states. Pending becomes Firing after the rule's `for`; Firing becomes
// Resolved when the condition is known to be gone (after keep_firing_for).
const (
	Inactive State = "inactive"
	Pending  State = "pending"
	Firing   State = "firing"
	Resolved State = "resolved"
)

// Well-known labels of alerts.
const (
	LabelName      = "alertname"
	LabelSite      = "site"
	LabelDevice    = "device"    // inventory name of the device or line the alert is about
	LabelComponent = "component" // part of the device: a port, a mount point, a database
	LabelSeverity  = "severity"  // critical, major, minor (warning reads as minor; info opens nothing)
)

// Alert is one instance of a rule. Times are UTC; zero means not yet.
type Alert struct {
	Fingerprint string            `json:"fingerprint"` // of the labels; identity over restarts
	Name        string            `json:"name"`        // the rule's name
	Labels      map[string]string `json:"labels"`
	Annotations map[string]string `json:"annotations,omitempty"`
	State       State             `json:"state"`
	Truth       truth.Truth       `json:"truth"` // of the last evaluation; Unknown keeps the state as it is
	Value       float64           `json:"value"`
	ActiveAt    time.Time         `json:"active_at"`   // condition first seen true
	FiredAt     time.Time         `json:"fired_at"`    // became Firing
	ResolvedAt  time.Time         `json:"resolved_at"` // became Resolved
	GoneAt      time.Time         `json:"gone_at"`     // condition first known false while Firing (keep_firing_for runs)
	EvaluatedAt time.Time         `json:"evaluated_at"`
	// UnknownSince is when Truth became Unknown; zero while it is known.
	UnknownSince time.Time `json:"unknown_since,omitzero"`
}

// Transition is a change of state that others act on.
type Transition struct {
	Alert Alert     `json:"alert"` // as it is now
	From  State     `json:"from"`
	To    State     `json:"to"`
	At    time.Time `json:"at"`
}

// Site returns the label site.
func (a Alert) Site() string { return a.Labels[LabelSite] }

// Device returns the label device.
func (a Alert) Device() string { return a.Labels[LabelDevice] }

// Component returns the label component.
func (a Alert) Component() string { return a.Labels[LabelComponent] }

// Severity returns critical, major, minor or info; other words read as minor.
func (a Alert) Severity() string {
	switch s := a.Labels[LabelSeverity]; s {
	case "critical", "major", "minor", "info":
		return s
	default:
		return "minor"
	}
}

// Fingerprint returns the identity of a label set, 16 hex digits.
func Fingerprint(labels map[string]string) string {
	h := fnv.New64a()
	for _, k := range slices.Sorted(maps.Keys(labels)) {
		h.Write([]byte(k))
		h.Write([]byte{0xff})
		h.Write([]byte(labels[k]))
		h.Write([]byte{0xff})
	}
	return hex.EncodeToString(h.Sum(nil))
}
