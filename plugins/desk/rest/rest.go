// Package rest makes the HTTP calls of service-desk systems and says what their
// failures mean: to be made again, when, and whether the system may have done
// what was asked all the same. It knows no system.
package rest

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/faultline/faultline/internal/outgoing"
	"github.com/faultline/faultline/plugins/desk"
	"github.com/faultline/faultline/plugins/ticket"
)

// maxAnswer bounds what is read of an answer.
const maxAnswer = 8 << 20

// Client calls one system. It may be used from several goroutines.
type Client struct {
	System  string // in errors: jira
	Base    string // https://desk.example.com
	HTTP    *http.Client
	Timeout time.Duration     // of one call; 0 is 15 s
	Header  map[string]string // of every call: authorisation
	Now     func() time.Time  // nil: the clock; dates in Retry-After are read by it
}

// Call is one request.
type Call struct {
	Op     string // in errors: create issue
	Method string
	Path   string // below Base, with its query
	Body   any    // JSON; url.Values make a form; []byte goes as it is; nil is none
	Header map[string]string
	Write  bool    // it changes something: an unknown end is ambiguous
	Into   any     // the answer's JSON; nil is not read, an empty answer leaves it as it is
	Raw    *[]byte // the answer as it came; nil is not wanted
	// Judge looks for an error in a 2xx answer.
	Judge func(body []byte) error
}

// Do makes the call. Errors are *ticket.Error.
func (c *Client) Do(ctx context.Context, call Call) error {
	timeout := c.Timeout
	if timeout == 0 {
		timeout = 15 * time.Second
	}
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	req, err := c.request(ctx, call)
	if err != nil {
		return &ticket.Error{Op: c.op(call), Hint: "check the desk's address", Err: outgoing.Bare(err)}
	}
	client := c.HTTP
	if client == nil {
		client = plain
	}
	resp, err := client.Do(req)
	if err != nil {
		return &ticket.Error{Op: c.op(call), Retryable: true, Ambiguous: call.Write && !outgoing.NeverConnected(err), Err: outgoing.Bare(err)}
	}
	defer func() { _ = resp.Body.Close() }()
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer))
	if resp.StatusCode/100 != 2 {
		return c.refusal(call, resp, body)
	}
	if err != nil {
		return &ticket.Error{Op: c.op(call), Retryable: true, Ambiguous: call.Write, Err: outgoing.Bare(err)}
	}
	if call.Judge != nil {
		if err := call.Judge(body); err != nil {
			return c.said(call, err)
		}
	}
	if call.Raw != nil {
		*call.Raw = body
	}
	if call.Into == nil || len(bytes.TrimSpace(body)) == 0 {
		return nil
	}
	if err := json.Unmarshal(body, call.Into); err != nil {
		// It said well done in words we do not know: it may have done it.
		return &ticket.Error{Op: c.op(call), Retryable: true, Ambiguous: call.Write, Err: fmt.Errorf("answer is not as documented: %s", short(body))}
	}
	return nil
}

var plain = outgoing.Client()

func (c *Client) op(call Call) string { return c.System + " " + call.Op }

func (c *Client) request(ctx context.Context, call Call) (*http.Request, error) {
	var body io.Reader
	kind := ""
	switch b := call.Body.(type) {
	case nil:
	case url.Values:
		body, kind = strings.NewReader(b.Encode()), "application/x-www-form-urlencoded"
	case []byte:
		body, kind = bytes.NewReader(b), "application/json"
	default:
		raw, err := json.Marshal(b)
		if err != nil {
			return nil, err
		}
		body, kind = bytes.NewReader(raw), "application/json"
	}
	req, err := http.NewRequestWithContext(ctx, call.Method, strings.TrimSuffix(c.Base, "/")+call.Path, body)
	if err != nil {
		return nil, err
	}
	if call.Write {
		outgoing.Once(req)
	}
	req.Header.Set("User-Agent", "Faultline")
	req.Header.Set("Accept", "application/json")
	if kind != "" {
		req.Header.Set("Content-Type", kind)
	}
	for _, h := range []map[string]string{c.Header, call.Header} {
		for k, v := range h {
			req.Header.Set(k, v)
		}
	}
	return req, nil
}

// Refused is an error that a system says with success: whether it may pass.
type Refused struct {
	Retryable bool
	Hint      string
	Err       error
}

// Error returns the cause.
func (r *Refused) Error() string { return r.Err.Error() }

// said is the error of a 2xx answer that says it is one: the system did not do it.
func (c *Client) said(call Call, err error) error {
	var r *Refused
	if errors.As(err, &r) {
		return &ticket.Error{Op: c.op(call), Retryable: r.Retryable, Hint: r.Hint, Err: r.Err}
	}
	return &ticket.Error{Op: c.op(call), Retryable: true, Ambiguous: call.Write, Err: err}
}

// refusal is the error of an answer that is not 2xx.
func (c *Client) refusal(call Call, resp *http.Response, body []byte) error {
	code := resp.StatusCode
	e := &ticket.Error{Op: c.op(call), Err: fmt.Errorf("answered %d %s %s", code, http.StatusText(code), short(body))}
	switch {
	case code == http.StatusTooManyRequests, code == http.StatusServiceUnavailable:
		e.Retryable, e.Ambiguous = true, call.Write && code == http.StatusServiceUnavailable
		e.Err = &desk.Later{Later: ticket.Later{After: c.retryAfter(resp), Err: e.Err}, Gate: true}
	case code == http.StatusRequestTimeout, code >= 500:
		e.Retryable, e.Ambiguous = true, call.Write
	case code == http.StatusConflict, code == http.StatusLocked, code == 425:
		e.Retryable = true
	case code == http.StatusUnauthorized, code == http.StatusForbidden:
		e.Retryable, e.Hint = true, "check the desk's key and its rights; the ticket waits"
	case code/100 == 3:
		e.Hint = "redirects are not followed: set the final address"
	}
	return e
}

// retryAfter is what the system asks for, in seconds or as a date; 30 s when it
// does not say.
func (c *Client) retryAfter(resp *http.Response) time.Duration {
	v := strings.TrimSpace(resp.Header.Get("Retry-After"))
	if n, err := strconv.Atoi(v); err == nil && n >= 0 {
		return time.Duration(min(n, 86400)) * time.Second
	}
	now := time.Now
	if c.Now != nil {
		now = c.Now
	}
	if at, err := http.ParseTime(v); err == nil {
		return max(0, at.Sub(now()))
	}
	return 30 * time.Second
}

// short is the beginning of an answer, on one line.
func short(body []byte) string {
	return strings.ToValidUTF8(strings.Join(strings.Fields(string(body[:min(len(body), 300)])), " "), "")
}
