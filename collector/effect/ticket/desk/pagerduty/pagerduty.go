// Package pagerduty hands tickets to PagerDuty, Flashduty and all else that
// speaks PagerDuty's Events API v2, and reads what PagerDuty's v3 webhooks say
// of them. The ticket's key is the dedup key: a repeat joins the open alert.
package pagerduty

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/faultline/faultline/collector/effect/ticket/webhook"
	"github.com/faultline/faultline/plugins/desk"
	"github.com/faultline/faultline/plugins/desk/rest"
	"github.com/faultline/faultline/plugins/ticket"
)

// Address is PagerDuty's own.
const Address = "https://events.pagerduty.com"

// Options configure a Remote. RoutingKey is required.
type Options struct {
	URL        string // "" is PagerDuty's; Flashduty and others name theirs
	Path       string // "" is /v2/enqueue
	RoutingKey string // of the integration
	Client     string // what PagerDuty shows as the sender; "" is Faultline
	ClientURL  string
	Secrets    []string // of the webhooks coming back, newest first
	HTTP       *http.Client
	Now        func() time.Time
}

// Remote is one integration.
type Remote struct {
	o Options
	c *rest.Client
}

var _ desk.Remote = (*Remote)(nil)

// New checks the options.
func New(o Options) (*Remote, error) {
	if o.RoutingKey == "" {
		return nil, errors.New("pagerduty: routing_key is required")
	}
	o.URL, o.Path, o.Client = cmp.Or(o.URL, Address), cmp.Or(o.Path, "/v2/enqueue"), cmp.Or(o.Client, "Faultline")
	return &Remote{o: o, c: &rest.Client{System: "pagerduty", Base: o.URL, HTTP: o.HTTP, Now: o.Now}}, nil
}

// Bounds of the API.
const (
	maxSummary = 1024
	maxDedup   = 255
	maxEvent   = 512 << 10 // bytes
)

// DedupKey is the key of a ticket there.
func DedupKey(ticketKey string) string {
	if len(ticketKey) <= maxDedup {
		return ticketKey
	}
	return desk.Mark(ticketKey)
}

// Open implements desk.Remote.
func (r *Remote) Open(ctx context.Context, t ticket.Ticket) (ticket.Ref, error) {
	if desk.Ends(t) || t.Fields["reason"] == "recovered" {
		return ticket.Ref{ID: DedupKey(t.Key)}, r.enqueue(ctx, "resolve", t)
	}
	return ticket.Ref{ID: DedupKey(t.Key)}, r.enqueue(ctx, "trigger", t)
}

// Add implements desk.Remote: news is another trigger with the same key, which
// PagerDuty adds to the alert's log; the end resolves.
func (r *Remote) Add(ctx context.Context, _ string, t ticket.Ticket) error {
	_, err := r.Open(ctx, t)
	return err
}

func (r *Remote) enqueue(ctx context.Context, action string, t ticket.Ticket) error {
	event := map[string]any{"routing_key": r.o.RoutingKey, "event_action": action, "dedup_key": DedupKey(t.Key), "client": r.o.Client}
	if r.o.ClientURL != "" {
		event["client_url"] = r.o.ClientURL
	}
	if action == "trigger" {
		severity := map[string]string{"critical": "critical", "major": "error", "minor": "warning"}[desk.Severity(t)]
		details := map[string]any{"text": desk.Text(t.Body, 60_000)}
		for k, v := range t.Fields {
			details[k] = desk.Text(v, 4000)
		}
		event["payload"] = map[string]any{"summary": desk.Line(t.Subject, maxSummary), "source": cmp.Or(t.Fields["device"], t.Fields["site"], "faultline"), "severity": cmp.Or(severity, "error"),
			"timestamp": t.At.UTC().Format(time.RFC3339), "component": t.Fields["component"], "group": t.Fields["site"], "class": t.Fields["class"], "custom_details": details}
	}
	body, err := json.Marshal(event)
	if err != nil || len(body) > maxEvent {
		return &ticket.Error{Op: "pagerduty event", Err: cmp.Or(err, fmt.Errorf("%d bytes, %d are taken", len(body), maxEvent))}
	}
	return r.c.Do(ctx, rest.Call{Op: action, Method: http.MethodPost, Path: r.o.Path, Body: body, Write: true, Judge: judge})
}

// judge reads the answer's own word: status success.
func judge(body []byte) error {
	var x struct {
		Status, Message string
		Errors          []string
		Error           any
	}
	if err := json.Unmarshal(body, &x); err != nil {
		return errors.New("answer is not as documented: " + desk.Line(string(body[:min(len(body), 200)]), 200))
	}
	if x.Status == "success" || x.Status == "" && x.Error == nil && len(x.Errors) == 0 {
		return nil
	}
	cause := fmt.Errorf("said %s: %s %v", x.Status, desk.Line(x.Message, 200), x.Errors)
	return &rest.Refused{Retryable: x.Status != "invalid event" && x.Status != "invalid key", Err: cause}
}

// FindTicket implements desk.Remote: the Events API cannot be asked. A repeat
// with the same dedup key joins what is there.
func (*Remote) FindTicket(context.Context, string) (ticket.Ref, bool, error) {
	return ticket.Ref{}, false, ticket.ErrCannotSearch
}

// FindMessage implements desk.Remote.
func (*Remote) FindMessage(context.Context, string, string) (bool, error) {
	return false, ticket.ErrCannotSearch
}

// SignatureHeader carries v1=<hex HMAC-SHA256 of the body>, several with commas
// while secrets rotate.
const SignatureHeader = "X-PagerDuty-Signature"

// ErrSignature says that a webhook is not signed by a secret we know.
var ErrSignature = errors.New("pagerduty webhook: the signature is wrong")

// meanings of PagerDuty's events; others are none of a ticket's.
var meanings = map[string]string{"incident.acknowledged": ticket.StatusAccepted, "incident.reassigned": "", "incident.escalated": "", "incident.annotated": "",
	"incident.status_update_published": "", "incident.resolved": ticket.StatusFixed, "incident.reopened": ticket.StatusWorking, "incident.unacknowledged": ""}

// Receive reads a v3 webhook; known is false for events that say nothing of a
// ticket. The body must be as it came.
func (r *Remote) Receive(signature string, body []byte) (u ticket.Update, known bool, err error) {
	if !signed(signature, body, r.o.Secrets) {
		return u, false, ErrSignature
	}
	var x struct {
		Event struct {
			ID         string
			EventType  string    `json:"event_type"`
			OccurredAt time.Time `json:"occurred_at"`
			Agent      struct{ Summary string }
			Data       struct {
				ID          string
				IncidentKey string `json:"incident_key"`
				Content     string
				Message     string
				Incident    struct{ ID, Summary string }
			}
		}
	}
	if err := json.Unmarshal(body, &x); err != nil {
		return u, false, fmt.Errorf("pagerduty webhook: %w", err)
	}
	status, ok := meanings[x.Event.EventType]
	if !ok || x.Event.ID == "" || x.Event.Data.IncidentKey == "" {
		return u, false, nil
	}
	text := desk.Text(cmp.Or(x.Event.Data.Content, x.Event.Data.Message, x.Event.EventType), 4000)
	return ticket.Update{ID: x.Event.ID, Ref: x.Event.Data.IncidentKey, Key: x.Event.Data.IncidentKey, Status: status, Text: text, By: x.Event.Agent.Summary, At: x.Event.OccurredAt.UTC()}, true, nil
}

// signed checks all signatures against all secrets.
func signed(header string, body []byte, secrets []string) bool {
	ok := false
	for _, secret := range secrets {
		if secret == "" {
			continue
		}
		ok = webhook.Verify(header, body, secret) || ok
	}
	return ok
}
