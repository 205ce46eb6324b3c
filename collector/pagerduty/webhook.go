package pagerduty

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/faultline/faultline/collector/effect/ticket/webhook"
	"github.com/faultline/faultline/collector/incident"
)

// SignatureHeader carries v1=<hex HMAC-SHA256 of the body>, once for each key in
// use, separated by commas, so that keys can change without a gap.
const SignatureHeader = "X-PagerDuty-Signature"

// Sign returns the header's value: PagerDuty signs as our own webhooks do.
func Sign(body []byte, keys ...string) string { return webhook.Sign(body, keys...) }

// Verify tells whether one of the header's signatures is the body's under the key.
func Verify(header string, body []byte, key string) bool { return webhook.Verify(header, body, key) }

// Types of webhook events.
const (
	Triggered    = "incident.triggered"
	Acknowledged = "incident.acknowledged"
	Resolved     = "incident.resolved"
	ReopenedType = "incident.reopened"
	Annotated    = "incident.annotated"
)

// Webhook is the body of a webhook, version 3.
type Webhook struct {
	Event WebhookEvent `json:"event"`
}

// WebhookEvent is what happened.
type WebhookEvent struct {
	ID           string    `json:"id"` // the same for every repeat
	Type         string    `json:"event_type"`
	ResourceType string    `json:"resource_type"`
	OccurredAt   time.Time `json:"occurred_at"`
	Agent        *Ref      `json:"agent"`
	Client       *Client   `json:"client"`
	Data         any       `json:"data"`
}

// Ref names something of ours.
type Ref struct {
	ID      string `json:"id"`
	Type    string `json:"type"`
	Self    string `json:"self,omitempty"`
	HTMLURL string `json:"html_url,omitempty"`
	Summary string `json:"summary"`
}

// Client names this program.
type Client struct {
	Name string `json:"name"`
}

// Incident is the data of incident events.
type Incident struct {
	ID            string         `json:"id"`
	Type          string         `json:"type"`
	Self          string         `json:"self"`
	HTMLURL       string         `json:"html_url"`
	Number        string         `json:"number"` // ours has a dash: 20261121-0042
	Status        string         `json:"status"`
	Key           string         `json:"incident_key"`
	CreatedAt     time.Time      `json:"created_at"`
	Title         string         `json:"title"`
	Service       Ref            `json:"service"` // the site
	Assignees     []Ref          `json:"assignees"`
	Priority      *Ref           `json:"priority"`
	Urgency       string         `json:"urgency"`
	ResolveReason map[string]any `json:"resolve_reason"`
	Details       map[string]any `json:"custom_details"`
}

// Annotation is the data of incident.annotated.
type Annotation struct {
	Incident Ref    `json:"incident"`
	ID       string `json:"id"`
	Type     string `json:"type"`
	Content  string `json:"content"`
	Trimmed  bool   `json:"trimmed"`
}

// maxContent bounds a note, in characters.
const maxContent = 2000

// typeOf is the webhook that an event of an incident makes; "" for none. What was
// verified is not told again as resolved when it is closed.
func typeOf(e incident.Event, before incident.Incident) string {
	switch e.Kind {
	case incident.Opened:
		return Triggered
	case incident.Acked:
		return Acknowledged
	case incident.Verified, incident.Folded:
		return Resolved
	case incident.Closed:
		if before.State == incident.StateVerified {
			return ""
		}
		return Resolved
	case incident.Reopened:
		return ReopenedType
	case incident.Commented:
		return Annotated
	}
	return ""
}

// Webhooks returns the bodies that tell of the incident's events after the one
// numbered since, each with the event's number; url is where people see it.
func Webhooks(log []incident.Event, since int64, url, language string) (bodies []Body, err error) {
	var at incident.Incident
	for _, e := range log {
		before := at
		if at, err = incident.Apply(at, e); err != nil {
			return nil, fmt.Errorf("webhooks of incident %s: %w", e.IncidentID, err)
		}
		t := typeOf(e, before)
		if e.Seq <= since || t == "" {
			continue
		}
		w := Webhook{WebhookEvent{ID: eventID(e), Type: t, ResourceType: "incident", OccurredAt: e.At.UTC(), Agent: agentOf(e.Actor), Client: &Client{"Faultline"}}}
		if t == Annotated {
			w.Event.Data = annotation(e, at, url, language)
		} else {
			w.Event.Data = incidentData(e, at, url, language)
		}
		b, err := json.Marshal(w)
		if err != nil {
			return nil, fmt.Errorf("webhook of incident %s: %w", e.IncidentID, err)
		}
		bodies = append(bodies, Body{Seq: e.Seq, At: e.At, ID: w.Event.ID, Type: t, JSON: b})
	}
	return bodies, nil
}

// Body is one webhook ready to be signed and sent.
type Body struct {
	Seq  int64
	At   time.Time
	ID   string
	Type string
	JSON []byte
}

// eventID is a stable identity of 26 characters, as PagerDuty's are.
func eventID(e incident.Event) string {
	sum := sha256.Sum256([]byte(fmt.Sprintf("%s/%d", e.IncidentID, e.Seq)))
	return "01" + strings.ToUpper(hex.EncodeToString(sum[:12]))
}

func agentOf(a incident.Actor) *Ref {
	if a.Kind == incident.System.Kind {
		return nil
	}
	return &Ref{ID: a.ID, Type: "user_reference", Summary: a.Name}
}

func incidentData(e incident.Event, i incident.Incident, url, language string) Incident {
	d := i.Diagnosis
	out := Incident{ID: i.ID, Type: "incident", Self: url, HTMLURL: url, Number: i.Number, Key: d.Cause, CreatedAt: i.OpenedAt.UTC(),
		Title: d.Title.In(language), Service: Ref{ID: d.Site, Type: "service_reference", Summary: d.Site}, Assignees: []Ref{},
		Priority: &Ref{ID: i.Severity, Type: "priority_reference", Summary: i.Severity}, Urgency: "low",
		Details: map[string]any{"class": d.Class, "device": d.Device, "component": d.Component, "site": d.Site, "affected": d.Affected,
			"proof": d.Proof.In(language), "vendor": i.VendorName, "step": i.Step, "practice": i.Practice, "provisional": d.Provisional}}
	if i.Severity != incident.SeverityMinor {
		out.Urgency = "high"
	}
	switch {
	case e.Kind == incident.Folded:
		out.Status = "resolved"
		out.ResolveReason = map[string]any{"type": "merge_resolve_reason", "incident": Ref{ID: i.ParentID, Type: "incident_reference", Summary: i.ParentID}}
	case !i.Open() || i.State == incident.StateVerified:
		out.Status = "resolved"
	case i.Acked:
		out.Status = "acknowledged"
		out.Assignees = append(out.Assignees, Ref{ID: i.AckedBy.ID, Type: "user_reference", Summary: i.AckedBy.Name})
	default:
		out.Status = "triggered"
	}
	return out
}

func annotation(e incident.Event, i incident.Incident, url, language string) Annotation {
	text, trimmed := []rune(e.Comment), false
	if len(text) > maxContent {
		text, trimmed = text[:maxContent], true
	}
	return Annotation{Incident: Ref{ID: i.ID, Type: "incident_reference", Self: url, HTMLURL: url, Summary: "[#" + i.Number + "] " + i.Diagnosis.Title.In(language)},
		ID: eventID(e), Type: "annotation", Content: string(text), Trimmed: trimmed}
}
