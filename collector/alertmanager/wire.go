package alertmanager

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/faultline/faultline/collector/alert"
	"github.com/faultline/faultline/collector/intake"
)

// Bounds of one posted alert.
const (
	maxAlerts     = 10_000 // in one request
	maxLabels     = 64
	maxName       = 256
	maxValue      = 4096
	maxAnnotation = 32 << 10
)

// posted is an alert as senders write it. Of a key that occurs twice in labels
// the last counts (vmalert sends alertname twice).
type posted struct {
	Labels       map[string]string `json:"labels"`
	Annotations  map[string]string `json:"annotations"`
	StartsAt     time.Time         `json:"startsAt"`
	EndsAt       time.Time         `json:"endsAt"`
	GeneratorURL string            `json:"generatorURL"`
}

// ParseAlerts reads the body of POST alerts. It returns the alerts that are
// sound together with an error that names the others.
func ParseAlerts(body []byte, timeout time.Duration, now time.Time) ([]intake.Alert, error) {
	var in []posted
	if err := json.Unmarshal(body, &in); err != nil {
		return nil, fmt.Errorf("alerts: %w", err)
	}
	if len(in) > maxAlerts {
		return nil, fmt.Errorf("%d alerts in one request, want at most %d", len(in), maxAlerts)
	}
	var out []intake.Alert
	var errs []error
	for i, p := range in {
		a, err := p.alert(timeout, now)
		if err != nil {
			if len(errs) < 20 {
				errs = append(errs, fmt.Errorf("alert %d: %w", i+1, err))
			}
			continue
		}
		a.Source = "alertmanager"
		out = append(out, a)
	}
	return out, errors.Join(errs...)
}

// alert is the posted alert as we keep it: without an end it lives for the
// timeout, an end in the past resolves it.
func (p posted) alert(timeout time.Duration, now time.Time) (intake.Alert, error) {
	for k, v := range p.Labels {
		if v == "" {
			delete(p.Labels, k)
		}
	}
	if err := checkLabels(p.Labels, p.Annotations); err != nil {
		return intake.Alert{}, err
	}
	a := intake.Alert{Fingerprint: alert.Fingerprint(p.Labels), Labels: p.Labels, Annotations: p.Annotations, URL: p.GeneratorURL,
		StartsAt: p.StartsAt.UTC(), EndsAt: p.EndsAt.UTC(), UpdatedAt: now.UTC()}
	if len(a.URL) > maxValue {
		a.URL = ""
	}
	if p.StartsAt.IsZero() {
		a.StartsAt = now.UTC()
		if !p.EndsAt.IsZero() {
			a.StartsAt = a.EndsAt
		}
	}
	if p.EndsAt.IsZero() {
		a.EndsAt, a.Timeout = now.Add(timeout).UTC(), true
	}
	if a.EndsAt.Before(a.StartsAt) {
		return a, errors.New("start time must be before end time")
	}
	a.Ended = a.Resolved(now)
	return a, nil
}

func checkLabels(labels, annotations map[string]string) error {
	if len(labels) == 0 {
		return errors.New("at least one label pair required")
	}
	if len(labels) > maxLabels || len(annotations) > maxLabels {
		return fmt.Errorf("more than %d labels or annotations", maxLabels)
	}
	for k, v := range labels {
		if k == "" || len(k) > maxName || len(v) > maxValue || !utf8.ValidString(k) || !utf8.ValidString(v) || strings.ContainsRune(k, 0) {
			return fmt.Errorf("label %q is not a valid one", k[:min(len(k), 40)])
		}
	}
	for k, v := range annotations {
		if k == "" || len(k) > maxName || len(v) > maxAnnotation {
			return fmt.Errorf("annotation %q is not a valid one", k[:min(len(k), 40)])
		}
	}
	return nil
}

// hook is the webhook of an Alertmanager, version 4. Newer fields are ignored.
type hook struct {
	Version string `json:"version"`
	Alerts  []struct {
		posted
		Status string `json:"status"`
	} `json:"alerts"`
}

// ParseWebhook reads what another Alertmanager sends to its receivers: an
// unresolved alert has the zero end and lives until it is resolved, since the
// sender repeats itself only every few hours.
func ParseWebhook(body []byte, now time.Time) ([]intake.Alert, error) {
	var in hook
	if err := json.Unmarshal(body, &in); err != nil {
		return nil, fmt.Errorf("webhook: %w", err)
	}
	if in.Version != "4" {
		return nil, fmt.Errorf("webhook: version %q, want 4", in.Version)
	}
	if len(in.Alerts) > maxAlerts {
		return nil, fmt.Errorf("%d alerts in one request, want at most %d", len(in.Alerts), maxAlerts)
	}
	var out []intake.Alert
	var errs []error
	for i, p := range in.Alerts {
		if p.Status == "resolved" && (p.EndsAt.IsZero() || p.EndsAt.After(now)) {
			p.EndsAt = now
		}
		a, err := p.alert(time.Hour, now)
		if err != nil {
			errs = append(errs, fmt.Errorf("alert %d: %w", i+1, err))
			continue
		}
		if p.Status != "resolved" {
			a.EndsAt, a.Timeout, a.Ended = time.Time{}, false, false
		}
		a.Source = "webhook"
		out = append(out, a)
	}
	return out, errors.Join(errs...)
}

// receiver is where an alert goes.
type receiver struct {
	Name string `json:"name"`
}

// shown is an alert as the API shows it.
type shown struct {
	Annotations  map[string]string `json:"annotations"`
	EndsAt       time.Time         `json:"endsAt"`
	Fingerprint  string            `json:"fingerprint"`
	Receivers    []receiver        `json:"receivers"`
	StartsAt     time.Time         `json:"startsAt"`
	Status       alertStatus       `json:"status"`
	UpdatedAt    time.Time         `json:"updatedAt"`
	GeneratorURL string            `json:"generatorURL,omitempty"`
	Labels       map[string]string `json:"labels"`
}

type alertStatus struct {
	InhibitedBy []string `json:"inhibitedBy"`
	MutedBy     []string `json:"mutedBy"`
	SilencedBy  []string `json:"silencedBy"`
	State       string   `json:"state"`
}

// farOff is the end shown of alerts that have none: the API requires one.
const farOff = 24 * time.Hour

// show translates an alert.
func show(a intake.Alert, silences []Silence, now time.Time) shown {
	s := shown{Annotations: a.Annotations, EndsAt: a.EndsAt, Fingerprint: a.Fingerprint, Receivers: []receiver{{ReceiverName}}, StartsAt: a.StartsAt,
		UpdatedAt: a.UpdatedAt, GeneratorURL: a.URL, Labels: a.Labels, Status: alertStatus{InhibitedBy: []string{}, MutedBy: []string{}, State: Active}}
	if s.Annotations == nil {
		s.Annotations = map[string]string{}
	}
	if s.EndsAt.IsZero() {
		s.EndsAt = now.Add(farOff).UTC()
	}
	if s.Status.SilencedBy = mutedBy(silences, a.Labels, now); len(s.Status.SilencedBy) > 0 {
		s.Status.State = "suppressed"
	}
	return s
}

// shownSilence is a silence as the API shows it.
type shownSilence struct {
	Silence
	Status struct {
		State string `json:"state"`
	} `json:"status"`
}

func showSilence(s Silence, now time.Time) shownSilence {
	out := shownSilence{Silence: s}
	out.Silence.Sites = nil // not of this API
	out.Status.State = s.State(now)
	return out
}
