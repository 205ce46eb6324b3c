// Package link is how an agent reaches its collector: the base URL, the token,
// TLS, connections that are made anew after a fault, and the pace of retries.
// It does not know what is sent; agent/uplink and agent/control do.
package link

import (
	"bytes"
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"
)

// answerLimit bounds what is read of an answer if a request does not say.
const answerLimit = 64 << 10

// Options are a client's settings. Only URL is required.
type Options struct {
	URL       string            // of the collector, without /api: https://hq.example:443
	Token     func() string     // asked for every request; nil or "": none is sent
	TLS       *tls.Config       // zero: the system's roots
	UserAgent string            // zero: faultline-agent
	Transport http.RoundTripper // replaces the network; for tests
}

// Client sends requests to one collector. It may be used from many goroutines.
type Client struct {
	base      *url.URL
	opt       Options
	transport http.RoundTripper
}

// New makes a client. It connects to nothing yet.
func New(opt Options) (*Client, error) {
	base, err := url.Parse(opt.URL)
	if err != nil {
		return nil, errors.New("collector URL cannot be read; write it as https://host:port")
	}
	if base.Scheme != "http" && base.Scheme != "https" || base.Host == "" || base.RawQuery != "" || base.Fragment != "" || base.User != nil {
		return nil, fmt.Errorf("collector URL %q: write it as https://host:port, without user, query or fragment", base.Redacted())
	}
	opt.UserAgent = cmp.Or(opt.UserAgent, "faultline-agent")
	c := &Client{base: base, opt: opt, transport: opt.Transport}
	if c.transport == nil {
		c.transport = newTransport(opt.TLS)
	}
	return c, nil
}

// newTransport speaks HTTP/1.1 only: there a request given up takes its
// connection with it, whereas HTTP/2 would go on with a connection that a
// silently cut line has killed.
func newTransport(conf *tls.Config) *http.Transport {
	protocols := new(http.Protocols)
	protocols.SetHTTP1(true)
	return &http.Transport{
		Proxy:               http.ProxyFromEnvironment,
		DialContext:         (&net.Dialer{Timeout: 3 * time.Second, KeepAlive: 15 * time.Second}).DialContext,
		TLSClientConfig:     conf.Clone(),
		TLSHandshakeTimeout: 4 * time.Second,
		Protocols:           protocols,
		MaxIdleConnsPerHost: 2,
		IdleConnTimeout:     90 * time.Second,
		WriteBufferSize:     16 << 10,
	}
}

// Request is one request to the collector. Method and Path are required; ctx
// bounds the time.
type Request struct {
	Method string
	Path   string // from the base URL on, with a query if needed: /api/v1/write
	Header http.Header
	Body   []byte // not changed before the request has ended, nor after
	Limit  int64  // bytes read of the answer; zero: 64 KiB
}

// Answer is the collector's answer, read whole.
type Answer struct {
	Status int
	Header http.Header
	Body   []byte
}

// OK tells whether the status is 2xx.
func (a Answer) OK() bool { return a.Status/100 == 2 }

// Text returns the beginning of the body as one line, for errors.
func (a Answer) Text() string {
	return strings.Join(strings.Fields(string(a.Body[:min(len(a.Body), 300)])), " ")
}

// Do sends one request and reads the answer. Any status is an answer; an error
// means there was none. After an error no connection is used again.
// Redirections are not followed: the token is for one place only.
func (c *Client) Do(ctx context.Context, r Request) (Answer, error) {
	a, err := c.do(ctx, r)
	if err == nil {
		return a, nil
	}
	if t, ok := c.transport.(interface{ CloseIdleConnections() }); ok {
		t.CloseIdleConnections()
	}
	if cause := context.Cause(ctx); errors.Is(err, context.DeadlineExceeded) && cause != nil {
		err = fmt.Errorf("no answer in time: %w", cause)
	}
	return Answer{}, fmt.Errorf("%s %s: %w", strings.ToLower(r.Method), pathOnly(r.Path), err)
}

func (c *Client) do(ctx context.Context, r Request) (Answer, error) {
	req, err := http.NewRequestWithContext(ctx, r.Method, strings.TrimSuffix(c.base.String(), "/")+r.Path, bytes.NewReader(r.Body))
	if err != nil {
		return Answer{}, errors.New("request cannot be made")
	}
	for k, v := range r.Header {
		req.Header[k] = v
	}
	req.Header.Set("User-Agent", c.opt.UserAgent)
	if c.opt.Token != nil {
		if token := c.opt.Token(); token != "" {
			req.Header.Set("Authorization", "Bearer "+token)
		}
	}
	resp, err := c.transport.RoundTrip(req)
	if err != nil {
		return Answer{}, err
	}
	defer resp.Body.Close()
	limit := cmp.Or(r.Limit, answerLimit)
	body, err := io.ReadAll(io.LimitReader(resp.Body, limit+1))
	if err != nil {
		return Answer{}, fmt.Errorf("read answer: %w", err)
	}
	if int64(len(body)) > limit {
		return Answer{}, fmt.Errorf("answer is larger than %d bytes", limit)
	}
	return Answer{Status: resp.StatusCode, Header: resp.Header, Body: body}, nil
}

func pathOnly(path string) string {
	path, _, _ = strings.Cut(path, "?")
	return path
}
