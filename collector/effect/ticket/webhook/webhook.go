// Package webhook hands tickets to a vendor's own system as signed JSON over
// HTTP (a ticket.Desk). What the vendor answers later comes in elsewhere.
package webhook

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/faultline/faultline/collector/lease"
	"github.com/faultline/faultline/internal/outgoing"
	"github.com/faultline/faultline/plugins/ticket"
)

// SignatureHeader carries v1=<hex HMAC-SHA256 of the body>, once for every key
// in use, separated by commas: a receiver that knows one of them is content, so
// keys can be changed without a gap.
const SignatureHeader = "X-Faultline-Signature"

// timeout is how long a receiver may take to answer 2xx.
const timeout = 5 * time.Second

// maxAnswer bounds what is read of an answer.
const maxAnswer = 64 << 10

// Options configure a Desk.
type Options struct {
	Keys   []string     // newest first; all of them sign. None: nothing is sent until there is one
	Client *http.Client // nil: one of our own, which follows no redirects
}

// Desk posts tickets to the address in the vendor's desk option url.
type Desk struct {
	keys   []string
	client *http.Client
}

var _ ticket.Desk = (*Desk)(nil)

// New returns a Desk.
func New(o Options) (*Desk, error) {
	for n, k := range o.Keys {
		if len(k) < 16 {
			return nil, fmt.Errorf("webhook desk: key %d is shorter than 16 characters", n+1)
		}
	}
	c := o.Client
	if c == nil {
		c = outgoing.Client()
	}
	return &Desk{keys: o.Keys, client: c}, nil
}

// Name returns "webhook".
func (*Desk) Name() string { return "webhook" }

// Body is the JSON of a post.
type Body struct {
	Version    string            `json:"version"` // "1"
	Key        string            `json:"key"`     // of the ticket: the same for all its messages
	MessageKey string            `json:"message_key"`
	Number     string            `json:"number"`
	Subject    string            `json:"subject"`
	Text       string            `json:"text"`
	Fields     map[string]string `json:"fields"`
	Thread     []string          `json:"thread,omitempty"` // refs of the earlier messages, oldest first
	Repeat     bool              `json:"repeat,omitempty"` // may have arrived before: see Idempotency-Key
	At         time.Time         `json:"at"`
}

// Answer is what a receiver may answer; all of it is optional.
type Answer struct {
	ID  string `json:"id"`
	URL string `json:"url"`
}

// Send implements ticket.Desk. The header Idempotency-Key is the same for every
// repeat of a message.
func (d *Desk) Send(ctx context.Context, t ticket.Ticket) (ticket.Ref, error) {
	if len(d.keys) == 0 {
		return ticket.Ref{}, &ticket.Error{Op: "webhook sign", Retryable: true, Hint: "set webhook.keys in the collector's configuration",
			Err: errors.New("no signing key")}
	}
	target, err := address(t.To)
	if err != nil {
		return ticket.Ref{}, &ticket.Error{Op: "webhook address", Hint: "set desk_options.url of the vendor in the inventory", Err: err}
	}
	body, err := json.Marshal(Body{Version: "1", Key: t.Key, MessageKey: t.MessageKey, Number: t.Number, Subject: t.Subject,
		Text: t.Body, Fields: t.Fields, Thread: t.Thread, Repeat: t.Repeat, At: t.At})
	if err != nil {
		return ticket.Ref{}, &ticket.Error{Op: "webhook body", Err: err}
	}
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, target, bytes.NewReader(body))
	if err != nil {
		return ticket.Ref{}, &ticket.Error{Op: "webhook post", Err: outgoing.Bare(err)}
	}
	outgoing.Once(req)
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("User-Agent", "Faultline")
	req.Header.Set("Idempotency-Key", t.MessageKey)
	req.Header.Set(SignatureHeader, Sign(body, d.keys...))
	resp, err := outgoing.Do(d.client.Do, req, func() error { return lease.Check(ctx) })
	if err != nil {
		// Once the connection stood, the receiver may have read it all.
		return ticket.Ref{}, &ticket.Error{Op: "webhook post", Retryable: true, Ambiguous: !outgoing.NeverConnected(err) && !errors.Is(err, lease.ErrLost), Err: outgoing.Bare(err)}
	}
	defer func() { _ = resp.Body.Close() }()
	raw, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer))
	if resp.StatusCode/100 != 2 {
		return ticket.Ref{}, refusal(resp.StatusCode, raw)
	}
	if err != nil {
		return ticket.Ref{}, &ticket.Error{Op: "webhook answer", Retryable: true, Ambiguous: true, Err: outgoing.Bare(err)}
	}
	var a Answer
	if json.Unmarshal(raw, &a) != nil || a.ID == "" {
		a.ID = t.MessageKey // the receiver does not say what it calls the ticket
	}
	return ticket.Ref{ID: a.ID, URL: a.URL}, nil
}

// Find implements ticket.Desk. A webhook cannot be asked; its receiver knows
// repeats by their Idempotency-Key.
func (*Desk) Find(context.Context, string) (ticket.Ref, bool, error) {
	return ticket.Ref{}, false, ticket.ErrCannotSearch
}

// Sign returns the signature header's value of a body under the keys.
func Sign(body []byte, keys ...string) string {
	sigs := make([]string, len(keys))
	for n, k := range keys {
		h := hmac.New(sha256.New, []byte(k))
		h.Write(body)
		sigs[n] = "v1=" + hex.EncodeToString(h.Sum(nil))
	}
	return strings.Join(sigs, ",")
}

// Verify tells whether a signature header's value holds a signature of the body
// under the key: what a receiver does.
func Verify(header string, body []byte, key string) bool {
	want := []byte(Sign(body, key))
	for sig := range strings.SplitSeq(header, ",") {
		if hmac.Equal([]byte(strings.TrimSpace(sig)), want) {
			return true
		}
	}
	return false
}

// address checks the one address that a ticket by webhook goes to.
func address(to []string) (string, error) {
	if len(to) != 1 {
		return "", fmt.Errorf("%d addresses, want one", len(to))
	}
	u, err := url.Parse(to[0])
	if err != nil || u.Host == "" || (u.Scheme != "https" && u.Scheme != "http") {
		return "", errors.New("not a http or https address")
	}
	return to[0], nil
}

// refusal is the error of an answer that is not 2xx.
func refusal(code int, body []byte) *ticket.Error {
	text := strings.ToValidUTF8(strings.Join(strings.Fields(string(body[:min(len(body), 200)])), " "), "")
	e := &ticket.Error{Op: "webhook post", Err: fmt.Errorf("answered %d %s", code, strings.TrimSpace(http.StatusText(code)+" "+text))}
	switch {
	case code == http.StatusTooManyRequests, code == http.StatusRequestTimeout:
		e.Retryable = true
	case code >= 500:
		e.Retryable = true
		e.Ambiguous = code == http.StatusBadGateway || code == http.StatusGatewayTimeout
	case code == http.StatusUnauthorized, code == http.StatusForbidden:
		e.Hint = "does the receiver know the signing key?"
	case code/100 == 3:
		e.Hint = "redirects are not followed: set the final address"
	}
	return e
}
