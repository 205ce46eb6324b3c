// Package pagerduty speaks PagerDuty's Events API, version 2, so that whatever
// can alert PagerDuty can alert us, and PagerDuty's webhooks, version 3, so that
// whatever listens to PagerDuty can listen to us. It translates; what alerts
// mean is judged elsewhere (intake, diagnose, engine).
package pagerduty

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/faultline/faultline/collector/alert"
	"github.com/faultline/faultline/collector/intake"
)

// Actions of events.
const (
	Trigger     = "trigger"
	Acknowledge = "acknowledge"
	Resolve     = "resolve"
)

// Bounds of the Events API, in characters and bytes.
const (
	maxDedup   = 255
	maxSummary = 1024
	maxBody    = 512 << 10
	maxField   = 1024
)

// Event is one event as senders write it.
type Event struct {
	RoutingKey string `json:"routing_key"`
	Action     string `json:"event_action"`
	DedupKey   string `json:"dedup_key"`
	Client     string `json:"client"`
	ClientURL  string `json:"client_url"`
	Payload    struct {
		Summary   string          `json:"summary"`
		Source    string          `json:"source"`
		Severity  string          `json:"severity"`
		Timestamp string          `json:"timestamp"`
		Component string          `json:"component"`
		Group     string          `json:"group"`
		Class     string          `json:"class"`
		Details   json.RawMessage `json:"custom_details"`
	} `json:"payload"`
	Links []struct {
		Href string `json:"href"`
		Text string `json:"text"`
	} `json:"links"`
}

// Parse reads an event and returns what is wrong with it, all of it, in the
// words of PagerDuty's answers.
func Parse(body []byte) (Event, []string) {
	var e Event
	if err := json.Unmarshal(body, &e); err != nil {
		return e, []string{"Invalid JSON: " + err.Error()}
	}
	var wrong []string
	need := func(ok bool, text string) {
		if !ok {
			wrong = append(wrong, text)
		}
	}
	need(e.RoutingKey != "", "'routing_key' is missing or blank")
	need(slices.Contains([]string{Trigger, Acknowledge, Resolve}, e.Action), "'event_action' must be one of: trigger, acknowledge, resolve")
	need(utf8.RuneCountInString(e.DedupKey) <= maxDedup, fmt.Sprintf("'dedup_key' is too long (maximum is %d characters)", maxDedup))
	need(e.Action == Trigger || e.Action == "" || e.DedupKey != "", "'dedup_key' is missing or blank")
	if e.Action != Trigger {
		return e, wrong
	}
	p := e.Payload
	need(strings.TrimSpace(p.Summary) != "", "'payload.summary' is missing or blank")
	need(utf8.RuneCountInString(p.Summary) <= maxSummary, fmt.Sprintf("'payload.summary' is too long (maximum is %d characters)", maxSummary))
	need(strings.TrimSpace(p.Source) != "", "'payload.source' is missing or blank")
	need(slices.Contains([]string{"critical", "error", "warning", "info"}, p.Severity), "'payload.severity' is invalid (must be one of the following: 'critical', 'warning', 'error' or 'info')")
	for name, v := range map[string]string{"source": p.Source, "component": p.Component, "group": p.Group, "class": p.Class} {
		need(len(v) <= maxField, fmt.Sprintf("'payload.%s' is too long", name))
	}
	slices.Sort(wrong)
	return e, wrong
}

// Fingerprint is the identity of a dedup_key of one sender: another sender's
// equal key is another alert.
func Fingerprint(sender, dedup string) string {
	return alert.Fingerprint(map[string]string{"pagerduty": sender, "dedup_key": dedup})
}

// details whose values become labels: they say what the alert is about.
var known = []string{alert.LabelSite, alert.LabelDevice, "instance", "job", "line", "circuit"}

// Alert is the event as an alert that opens or goes on; Parse found nothing wrong
// with it.
func (e Event) Alert(sender string, now time.Time) intake.Alert {
	p := e.Payload
	labels := map[string]string{alert.LabelName: p.Summary, alert.LabelSeverity: p.Severity, "source": p.Source,
		alert.LabelComponent: p.Component, "group": p.Group, "class": p.Class, "dedup_key": e.DedupKey}
	if p.Class != "" {
		labels[alert.LabelName] = p.Class
	}
	var details map[string]any
	if json.Unmarshal(p.Details, &details) == nil {
		for _, k := range known {
			if v, ok := details[k].(string); ok && len(v) <= maxField {
				labels[k] = v
			}
		}
	}
	maps.DeleteFunc(labels, func(_, v string) bool { return v == "" })
	a := intake.Alert{Fingerprint: Fingerprint(sender, e.DedupKey), Source: "pagerduty", Sender: sender, Labels: labels,
		Annotations: map[string]string{"summary": p.Summary}, URL: e.ClientURL, StartsAt: now.UTC(), UpdatedAt: now.UTC()}
	if t, err := time.Parse(time.RFC3339, p.Timestamp); err == nil && !t.After(now) {
		a.StartsAt = t.UTC()
	}
	if len(p.Details) > 0 && len(p.Details) <= 16<<10 && string(p.Details) != "null" {
		a.Annotations["details"] = string(p.Details)
	}
	if e.Client != "" {
		a.Annotations["client"] = e.Client
	}
	if len(e.Links) > 0 {
		a.Annotations["link"] = e.Links[0].Href
	}
	return a
}

// newDedup is the key of a trigger that names none: each is an alert of its own.
func newDedup() string {
	var b [16]byte
	_, _ = rand.Read(b[:]) // crypto/rand.Read never fails since Go 1.24
	return hex.EncodeToString(b[:])
}

// Board keeps alerts; *intake.Board is one.
type Board interface {
	// Take keeps what senders report; nil means it is safe.
	Take(ctx context.Context, reports []intake.Alert) error
	// Alert returns an open alert.
	Alert(fingerprint string) (intake.Alert, bool)
	// Acknowledge notes who acknowledged an open alert.
	Acknowledge(ctx context.Context, fingerprint, by string) (bool, error)
}

// Sender is whom a routing key belongs to.
type Sender struct {
	Name  string
	Sites []string // empty: all
}

// ErrKey says that a routing key opens nothing.
var ErrKey = errors.New("routing_key is not known")

// errSite says that a sender speaks for a site that is not its own.
var errSite = errors.New("the event names a site that is not the sender's")

// take does what the event says. An acknowledgement or resolution of what is not
// open is dropped, as PagerDuty drops it.
func take(ctx context.Context, b Board, acked func(context.Context, intake.Alert) error, s Sender, e Event, now time.Time) error {
	fp := Fingerprint(s.Name, e.DedupKey)
	open, isOpen := b.Alert(fp)
	switch {
	case e.Action == Trigger:
		a := e.Alert(s.Name, now)
		if isOpen {
			a.StartsAt = open.StartsAt
		}
		if len(s.Sites) == 1 && a.Labels[alert.LabelSite] == "" {
			a.Labels[alert.LabelSite] = s.Sites[0]
		}
		if len(s.Sites) > 0 && !slices.Contains(s.Sites, a.Labels[alert.LabelSite]) {
			return errSite
		}
		return b.Take(ctx, []intake.Alert{a})
	case !isOpen:
		return nil
	case e.Action == Acknowledge:
		if _, err := b.Acknowledge(ctx, fp, s.Name); err != nil || acked == nil {
			return err
		}
		return acked(ctx, open)
	default:
		open.EndsAt, open.UpdatedAt, open.Ended = now.UTC(), now.UTC(), true
		if open.EndsAt.Before(open.StartsAt) {
			open.EndsAt = open.StartsAt
		}
		return b.Take(ctx, []intake.Alert{open})
	}
}

// keyName is what logs may say of a routing key.
func keyName(key string) string {
	sum := sha256.Sum256([]byte(key))
	return hex.EncodeToString(sum[:4])
}
