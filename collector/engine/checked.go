package engine

import (
	"time"

	"github.com/faultline/faultline/collector/alert"
	"github.com/faultline/faultline/collector/evidence"
	"github.com/faultline/faultline/collector/truth"
)

// CheckedBy makes Options.Checked of the evidence at a moment.
func CheckedBy(view evidence.View) func(alert.Alert) time.Time {
	return func(a alert.Alert) time.Time { return checkedBy(view, a) }
}

// checkedBy returns when the thing an alert is about was last measured by the
// evidence; zero when no reading says so.
func checkedBy(view evidence.View, a alert.Alert) time.Time {
	element := a.Annotations["faultline_element"]
	if element == "" {
		return time.Time{}
	}
	subjects := []string{a.Device()}
	if element == evidence.Agent {
		subjects = []string{a.Labels["agent"]}
	}
	var at time.Time
	for _, s := range subjects {
		if s == "" {
			continue
		}
		for _, k := range view.Find(evidence.Key{Element: element, Subject: s}) {
			if k.Component != "" && a.Component() != "" && k.Component != a.Component() {
				continue
			}
			if r := view.Get(k); r.Truth != truth.Unknown && r.At.After(at) {
				at = r.At
			}
		}
	}
	return at
}
