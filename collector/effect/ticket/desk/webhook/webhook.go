// Package webhook is a service desk of one's own (ITSM, OA) reached by signed
// JSON: the same body and signature as collector/effect/ticket/webhook, an
// address to search where there is one, and the status coming back signed alike.
package webhook

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"time"

	signed "github.com/faultline/faultline/collector/effect/ticket/webhook"
	"github.com/faultline/faultline/plugins/desk"
	"github.com/faultline/faultline/plugins/desk/rest"
	"github.com/faultline/faultline/plugins/ticket"
)

// Options configure a Remote. URL and Keys are required.
type Options struct {
	URL    string   // POST: a message
	Search string   // GET ?ticket=… or ?ticket=…&message=…: what is there; "" cannot search
	Keys   []string // newest first; all of them sign, any of them is believed
	HTTP   *http.Client
	Now    func() time.Time
}

// Remote is a system behind a webhook.
type Remote struct {
	o    Options
	c, s *rest.Client
}

var _ desk.Remote = (*Remote)(nil)

// New checks the options.
func New(o Options) (*Remote, error) {
	if o.URL == "" || len(o.Keys) == 0 || slices.ContainsFunc(o.Keys, func(k string) bool { return len(k) < 16 }) {
		return nil, errors.New("webhook desk: url and keys of at least 16 characters are required")
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	client := func(base string) *rest.Client {
		return &rest.Client{System: "webhook", Base: base, HTTP: o.HTTP, Now: o.Now, Timeout: 5 * time.Second}
	}
	return &Remote{o: o, c: client(o.URL), s: client(o.Search)}, nil
}

// Open implements desk.Remote.
func (r *Remote) Open(ctx context.Context, t ticket.Ticket) (ticket.Ref, error) {
	return r.post(ctx, t)
}

// Add implements desk.Remote.
func (r *Remote) Add(ctx context.Context, _ string, t ticket.Ticket) error {
	_, err := r.post(ctx, t)
	return err
}

func (r *Remote) post(ctx context.Context, t ticket.Ticket) (ticket.Ref, error) {
	body, err := json.Marshal(signed.Body{Version: "1", Key: t.Key, MessageKey: t.MessageKey, Number: t.Number, Subject: t.Subject, Text: t.Body, Fields: t.Fields,
		Thread: t.Thread, Repeat: t.Repeat, At: t.At})
	if err != nil {
		return ticket.Ref{}, &ticket.Error{Op: "webhook body", Err: err}
	}
	var raw []byte
	err = r.c.Do(ctx, rest.Call{Op: "post", Method: http.MethodPost, Body: body, Write: true, Raw: &raw, Judge: desk.JudgeJSON,
		Header: map[string]string{"Idempotency-Key": t.MessageKey, signed.SignatureHeader: signed.Sign(body, r.o.Keys...)}})
	ref := answered(raw)
	ref.ID = cmp.Or(ref.ID, desk.Mark(t.Key))
	return ref, err
}

// answered reads an answer of which all is optional: an id, text or number.
func answered(raw []byte) (ref ticket.Ref) {
	var x struct {
		ID  any
		URL string
	}
	if json.Unmarshal(raw, &x) == nil && x.ID != nil {
		ref.ID, ref.URL = fmt.Sprint(x.ID), x.URL
	}
	return ref
}

// found is what a search answers.
type found struct {
	Found bool   `json:"found"`
	ID    string `json:"id"`
	URL   string `json:"url"`
}

func (r *Remote) find(ctx context.Context, q url.Values) (found, error) {
	var f found
	if r.o.Search == "" {
		return f, ticket.ErrCannotSearch
	}
	q.Set("at", r.o.Now().UTC().Format(time.RFC3339))
	query := q.Encode()
	err := r.s.Do(ctx, rest.Call{Op: "search", Method: http.MethodGet, Path: "?" + query, Into: &f, Judge: desk.JudgeJSON,
		Header: map[string]string{signed.SignatureHeader: signed.Sign([]byte(query), r.o.Keys...)}})
	return f, err
}

// FindTicket implements desk.Remote.
func (r *Remote) FindTicket(ctx context.Context, key string) (ticket.Ref, bool, error) {
	f, err := r.find(ctx, url.Values{"ticket": {key}})
	return ticket.Ref{ID: cmp.Or(f.ID, desk.Mark(key)), URL: f.URL}, f.Found, err
}

// FindMessage implements desk.Remote.
func (r *Remote) FindMessage(ctx context.Context, id, messageKey string) (bool, error) {
	f, err := r.find(ctx, url.Values{"id": {id}, "message": {messageKey}})
	return f.Found, err
}

// Status is what such a system posts to us when something happened to a ticket.
type Status struct {
	ID     string    `json:"id"`     // of the event: the same for its repeats
	Key    string    `json:"key"`    // of the ticket, as it was told; or Ref
	Ref    string    `json:"ref"`    // the system's own id
	Status string    `json:"status"` // one of ticket.Statuses, or none
	Text   string    `json:"text"`
	By     string    `json:"by"`
	At     time.Time `json:"at"`
}

// Faults of a post.
var (
	ErrSignature = errors.New("webhook status: the signature is wrong")
	ErrStale     = errors.New("webhook status: it is too old, or from the future")
)

// fresh is how old a post may be: an older one may be a copy that someone kept.
const fresh = 48 * time.Hour

// Receive reads a post. The body must be as it came.
func (r *Remote) Receive(signature string, body []byte) (ticket.Update, error) {
	ok := false
	for _, k := range r.o.Keys {
		ok = signed.Verify(signature, body, k) || ok
	}
	if !ok {
		return ticket.Update{}, ErrSignature
	}
	var s Status
	if err := json.Unmarshal(body, &s); err != nil {
		return ticket.Update{}, fmt.Errorf("webhook status: %w", err)
	}
	now := r.o.Now()
	switch {
	case s.ID == "" || s.Key == "" && s.Ref == "":
		return ticket.Update{}, errors.New("webhook status: id, and key or ref, are required")
	case s.Status != "" && !slices.Contains(ticket.Statuses(), s.Status):
		return ticket.Update{}, fmt.Errorf("webhook status: %q is not one of %v", desk.Line(s.Status, 40), ticket.Statuses())
	case s.At.IsZero() || now.Sub(s.At) > fresh || s.At.Sub(now) > 10*time.Minute:
		return ticket.Update{}, ErrStale
	}
	return ticket.Update{ID: s.ID, Ref: s.Ref, Key: s.Key, Status: s.Status, Text: desk.Text(s.Text, 4000), By: desk.Line(s.By, 100), At: s.At.UTC()}, nil
}
