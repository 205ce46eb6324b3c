// Package link is how an agent reaches its collector: the base URL, the token or
// certificate, TLS, the proxy, connections that are made anew after a fault, and the pace of retries.
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
	"maps"
	"net"
	"net/http"
	"net/url"
	"strings"
	"sync/atomic"
	"time"

	"github.com/faultline/faultline/internal/pki"
	"github.com/faultline/faultline/internal/secret"
)

// answerLimit bounds what is read of an answer if a request does not say.
const answerLimit = 64 << 10

// Credential is by what an agent and its collector know each other. Its methods
// may be called from many goroutines.
type Credential interface {
	// Certificate is shown in each handshake; nil: none. Another pointer than
	// before means that connections shall be made anew.
	Certificate() *tls.Certificate
	// VerifyCollector judges what the other side shows. Nothing else does: neither
	// the system's roots nor the host name count.
	VerifyCollector(tls.ConnectionState) error
	// Header is sent with every request. It is not changed.
	Header() http.Header
	// Answered sees the header of every answer.
	Answered(http.Header)
}

// Options are a client's settings. Only URL is required.
type Options struct {
	URL        string            // of the collector, without /api: https://hq.example:443
	Credential Credential        // nil: none; with one the URL must be https, and TLS is not used
	Proxy      secret.String     // URL of an HTTP proxy, may hold a password; "": as HTTPS_PROXY and NO_PROXY say
	Token      func() string     // asked for every request; nil or "": none is sent
	TLS        *tls.Config       // zero: the system's roots
	UserAgent  string            // zero: faultline-agent
	Transport  http.RoundTripper // replaces the network; for tests
}

// Client sends requests to one collector. It may be used from many goroutines.
type Client struct {
	base      *url.URL
	opt       Options
	transport http.RoundTripper
	shown     atomic.Pointer[tls.Certificate] // by the request before
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
	if opt.Credential != nil {
		if base.Scheme != "https" {
			return nil, fmt.Errorf("collector URL %q: an enrolled agent speaks https only", base.Redacted())
		}
		opt.TLS = credentialTLS(opt.Credential)
	}
	proxy, err := proxyOf(opt.Proxy)
	if err != nil {
		return nil, err
	}
	c := &Client{base: base, opt: opt, transport: opt.Transport}
	if c.transport == nil {
		t := newTransport(opt.TLS)
		t.Proxy = proxy
		c.transport = t
	}
	return c, nil
}

// credentialTLS lets the credential alone judge the collector. The protocol's
// name tells the collector that an agent calls.
func credentialTLS(cred Credential) *tls.Config {
	return &tls.Config{
		MinVersion: tls.VersionTLS13, NextProtos: []string{pki.ALPN, "http/1.1"},
		InsecureSkipVerify: true, VerifyConnection: cred.VerifyCollector,
		GetClientCertificate: func(*tls.CertificateRequestInfo) (*tls.Certificate, error) {
			if c := cred.Certificate(); c != nil {
				return c, nil
			}
			return &tls.Certificate{}, nil
		},
	}
}

func proxyOf(address secret.String) (func(*http.Request) (*url.URL, error), error) {
	if address == "" {
		return http.ProxyFromEnvironment, nil
	}
	u, err := url.Parse(address.Reveal())
	if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" && u.Scheme != "socks5" {
		return nil, errors.New("proxy cannot be read; write it as http://host:port")
	}
	return http.ProxyURL(u), nil
}

// connectTimeout is how long a connection may take to be made. Across a line that
// is cut without a word the kernel would try for two minutes; within this time it
// sends two SYNs, and a mended line is found by the next attempt.
const connectTimeout = 2 * time.Second

// newTransport speaks HTTP/1.1 only: there a request given up takes its
// connection with it, whereas HTTP/2 would go on with a connection that a
// silently cut line has killed.
func newTransport(conf *tls.Config) *http.Transport {
	protocols := new(http.Protocols)
	protocols.SetHTTP1(true)
	return &http.Transport{
		Proxy:               http.ProxyFromEnvironment,
		DialContext:         (&net.Dialer{Timeout: connectTimeout, KeepAlive: 15 * time.Second}).DialContext,
		TLSClientConfig:     conf.Clone(),
		TLSHandshakeTimeout: 2 * connectTimeout,
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
	c.closeIdle()
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
	c.introduce(req)
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
	c.answered(resp.Header)
	return Answer{Status: resp.StatusCode, Header: resp.Header, Body: body}, nil
}

// introduce puts the credential's header on a request. Connections that were
// made with an earlier certificate are not used again once they are idle.
func (c *Client) introduce(req *http.Request) {
	cred := c.opt.Credential
	if cred == nil {
		return
	}
	maps.Copy(req.Header, cred.Header())
	now := cred.Certificate()
	if before := c.shown.Swap(now); before != nil && before != now {
		c.closeIdle()
	}
}

// answered shows an answer to the credential. A refused connection may be one
// with an earlier certificate: the next request makes its own.
func (c *Client) answered(h http.Header) {
	if c.opt.Credential == nil {
		return
	}
	c.opt.Credential.Answered(h)
	if h.Get(pki.HeaderRefused) != "" {
		c.closeIdle()
	}
}

func (c *Client) closeIdle() {
	if t, ok := c.transport.(interface{ CloseIdleConnections() }); ok {
		t.CloseIdleConnections()
	}
}

func pathOnly(path string) string {
	path, _, _ = strings.Cut(path, "?")
	return path
}
