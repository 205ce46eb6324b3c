package redfish

import (
	"bytes"
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/faultline/faultline/agent/input/failure"
)

// Bounds of one reading.
const (
	maxRequests = 400
	maxBody     = 8 << 20
	root        = "/redfish/v1/"
)

// client asks one service during one reading. It is used by one goroutine.
type client struct {
	http           *http.Client
	host           string
	user, password string
	session        bool
	token, place   string // of the session
	left           int    // requests
	most           int    // bytes of an answer
}

func newClient(s settings, password string) (*client, error) {
	c := &client{host: s.address, user: s.user, password: password, session: s.session, left: maxRequests, most: maxBody}
	config, err := s.tls.Config()
	if err != nil {
		return nil, err
	}
	if len(s.pin) > 0 {
		config.InsecureSkipVerify = true // the certificate itself is compared instead
		config.VerifyConnection = func(state tls.ConnectionState) error { return pinned(state, s.pin) }
	}
	dial := &net.Dialer{}
	c.http = &http.Client{Transport: &http.Transport{TLSClientConfig: config, DialContext: dial.DialContext, MaxIdleConns: 1, MaxConnsPerHost: 1, ForceAttemptHTTP2: false},
		CheckRedirect: func(next *http.Request, via []*http.Request) error {
			if next.URL.Host != c.host || next.URL.Scheme != "https" || len(via) > 3 {
				return http.ErrUseLastResponse // credentials go nowhere else
			}
			return nil
		}}
	return c, nil
}

// pinned compares the certificate's SHA-256.
func pinned(state tls.ConnectionState, pin []byte) error {
	sum := sha256.Sum256(state.PeerCertificates[0].Raw)
	if subtle.ConstantTimeCompare(sum[:], pin) != 1 {
		return failure.As("certificate", fmt.Errorf("the certificate has the SHA-256 %x, not the one in pin_sha256", sum))
	}
	return nil
}

// login begins a session, where that is wanted.
func (c *client) login(ctx context.Context) error {
	if !c.session {
		return nil
	}
	body, err := json.Marshal(map[string]string{"UserName": c.user, "Password": c.password})
	if err != nil {
		return err
	}
	resp, err := c.do(ctx, http.MethodPost, root+"SessionService/Sessions", body)
	if err != nil {
		return fmt.Errorf("session: %w", err)
	}
	_ = resp.Body.Close()
	c.token = resp.Header.Get("X-Auth-Token")
	if u, err := url.Parse(resp.Header.Get("Location")); err == nil && within(u.Path) {
		c.place = u.Path
	}
	if c.token == "" {
		return failure.As(failure.Malformed, errors.New("session: the answer has no X-Auth-Token"))
	}
	return nil
}

// close ends the session, so that its place is free, and the connection.
func (c *client) close() {
	if c.place != "" {
		ctx, cancel := context.WithTimeout(context.Background(), 2*time.Second) // also when the reading ran out of time
		defer cancel()
		c.left = 1
		if resp, err := c.do(ctx, http.MethodDelete, c.place, nil); err == nil {
			_ = resp.Body.Close()
		}
	}
	c.http.CloseIdleConnections()
}

// within tells whether a link leads into the service; only such are followed.
func within(path string) bool {
	return strings.HasPrefix(path, "/redfish/") && !strings.Contains(path, "..") && len(path) < 500
}

// get reads one resource into v.
func (c *client) get(ctx context.Context, path string, v any) error {
	path, _, _ = strings.Cut(path, "#")
	if !within(path) {
		return failure.As(failure.Malformed, fmt.Errorf("a link leads out of the service: %.80q", path))
	}
	resp, err := c.do(ctx, http.MethodGet, path, nil)
	if err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	defer func() { _ = resp.Body.Close() }()
	b, err := io.ReadAll(io.LimitReader(resp.Body, int64(c.most)+1))
	switch {
	case err != nil:
		return fmt.Errorf("%s: %w", path, err)
	case len(b) > c.most:
		return failure.As(failure.TooLarge, fmt.Errorf("%s: more than %d bytes", path, c.most))
	}
	err = json.Unmarshal(b, v)
	if errors.As(err, new(*json.UnmarshalTypeError)) {
		err = nil // one property of another kind than the schema says: the others are taken
	}
	if err != nil {
		return failure.As(failure.Malformed, fmt.Errorf("%s: %w", path, err))
	}
	return nil
}

// do sends one request. The caller closes the body of an answer.
func (c *client) do(ctx context.Context, method, path string, body []byte) (*http.Response, error) {
	if c.left--; c.left < 0 {
		return nil, failure.As(failure.TooLarge, fmt.Errorf("more than %d requests in one reading", maxRequests))
	}
	req, err := http.NewRequestWithContext(ctx, method, (&url.URL{Scheme: "https", Host: c.host, Path: path}).String(), bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	req.Header.Set("Accept", "application/json")
	req.Header.Set("OData-Version", "4.0")
	req.Header.Set("User-Agent", "faultline-agent")
	if body != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	switch {
	case c.token != "":
		req.Header.Set("X-Auth-Token", c.token)
	case c.user != "" && body == nil:
		req.SetBasicAuth(c.user, c.password)
	}
	resp, err := c.http.Do(req)
	if err != nil {
		var sent *url.Error
		if errors.As(err, &sent) {
			err = sent.Err // without the address, which is told already
		}
		return nil, err
	}
	if resp.StatusCode/100 == 2 {
		return resp, nil
	}
	_ = resp.Body.Close()
	return nil, refusal(resp.StatusCode)
}

// status is an answer that says no.
type status int

// Error names the status.
func (s status) Error() string {
	switch s {
	case http.StatusUnauthorized:
		return "the service refuses the user or the password (401)"
	case http.StatusForbidden:
		return "the user may not read this (403)"
	}
	return fmt.Sprintf("the service answers %d %s", int(s), http.StatusText(int(s)))
}

func refusal(code int) error {
	switch code {
	case http.StatusUnauthorized, http.StatusForbidden:
		return failure.As(failure.Denied, status(code))
	case http.StatusNotFound:
		return failure.As(failure.Missing, status(code))
	}
	return failure.As(failure.Status, status(code))
}
