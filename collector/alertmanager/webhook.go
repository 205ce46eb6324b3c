package alertmanager

import (
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/faultline/faultline/collector/alert"
	"github.com/faultline/faultline/collector/incident"
)

// Webhook is the body that Alertmanager posts to webhook receivers, version 4:
// one incident is one group of alerts.
type Webhook struct {
	Receiver          string            `json:"receiver"`
	Status            string            `json:"status"` // firing, resolved
	Alerts            []HookAlert       `json:"alerts"`
	GroupLabels       map[string]string `json:"groupLabels"`
	CommonLabels      map[string]string `json:"commonLabels"`
	CommonAnnotations map[string]string `json:"commonAnnotations"`
	ExternalURL       string            `json:"externalURL"`
	Version           string            `json:"version"` // "4"
	GroupKey          string            `json:"groupKey"`
	TruncatedAlerts   int               `json:"truncatedAlerts"`
}

// HookAlert is one alert of a Webhook.
type HookAlert struct {
	Status       string            `json:"status"`
	Labels       map[string]string `json:"labels"`
	Annotations  map[string]string `json:"annotations"`
	StartsAt     time.Time         `json:"startsAt"`
	EndsAt       time.Time         `json:"endsAt"` // zero while it fires
	GeneratorURL string            `json:"generatorURL"`
	Fingerprint  string            `json:"fingerprint"`
}

// maxHookAlerts bounds the alerts of one body; TruncatedAlerts counts the others.
const maxHookAlerts = 500

// WebhookOf is the incident as a webhook. Alerts bear the incident's labels
// beside their own; an incident that a person reported has one of its own.
func WebhookOf(i incident.Incident, url, language string) Webhook {
	d := i.Diagnosis
	w := Webhook{Receiver: ReceiverName, Status: "resolved", ExternalURL: url, Version: "4", GroupLabels: map[string]string{"incident": i.Number},
		GroupKey: fmt.Sprintf("{}:{incident=%q}", i.Number), Alerts: []HookAlert{}}
	open := i.State == incident.StateOpen && i.ParentID == ""
	if open {
		w.Status = "firing"
	}
	own := map[string]string{"incident": i.Number, "class": d.Class, alert.LabelSite: d.Site, alert.LabelDevice: d.Device, alert.LabelSeverity: i.Severity, "process": d.Process}
	if i.Practice {
		own["practice"] = "true"
	}
	notes := map[string]string{"summary": d.Title.In(language), "description": d.Proof.In(language), "vendor": i.VendorName, "affected": strings.Join(d.Affected, ", ")}
	alerts := i.Alerts
	if len(alerts) == 0 {
		alerts = []incident.AlertRef{{Name: "FaultReported", Fingerprint: alert.Fingerprint(map[string]string{"incident": i.Number}), Firing: true, Since: i.OpenedAt}}
	}
	for _, a := range alerts {
		if len(w.Alerts) == maxHookAlerts {
			w.TruncatedAlerts++
			continue
		}
		w.Alerts = append(w.Alerts, hookAlert(i, a, own, notes, url, open))
	}
	w.CommonLabels, w.CommonAnnotations = w.Alerts[0].Labels, w.Alerts[0].Annotations
	for _, a := range w.Alerts[1:] {
		w.CommonLabels, w.CommonAnnotations = shared(w.CommonLabels, a.Labels), shared(w.CommonAnnotations, a.Annotations)
	}
	return w
}

// hookAlert is one alert; one of an incident that is over is over as well.
func hookAlert(i incident.Incident, a incident.AlertRef, own, notes map[string]string, url string, open bool) HookAlert {
	out := HookAlert{Status: "firing", Labels: map[string]string{}, Annotations: map[string]string{}, StartsAt: a.Since.UTC(), GeneratorURL: url, Fingerprint: a.Fingerprint}
	for _, from := range []map[string]string{own, a.Labels} { // the alert's own word wins
		for k, v := range from {
			if v != "" {
				out.Labels[k] = v
			}
		}
	}
	if out.Labels[alert.LabelName] == "" {
		out.Labels[alert.LabelName] = a.Name
	}
	for k, v := range notes {
		if v != "" {
			out.Annotations[k] = v
		}
	}
	if open && (a.Firing || a.ResolvedAt.IsZero()) {
		return out
	}
	out.Status = "resolved"
	for _, t := range []time.Time{a.ResolvedAt, i.RecoveredAt, i.VerifiedAt, i.ClosedAt} {
		if out.EndsAt.IsZero() && !t.IsZero() {
			out.EndsAt = t.UTC()
		}
	}
	if out.EndsAt.IsZero() { // folded into another incident: it goes on there
		out.EndsAt = out.StartsAt
	}
	return out
}

// shared is what two label sets have in common.
func shared(a, b map[string]string) map[string]string {
	out := map[string]string{}
	for k, v := range a {
		if b[k] == v {
			out[k] = v
		}
	}
	return out
}

// JSON is the body as it is sent.
func (w Webhook) JSON() []byte {
	b, err := json.Marshal(w)
	if err != nil {
		panic(fmt.Sprintf("alertmanager webhook: %v", err)) // texts and times
	}
	return b
}
