package scrape

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"mime"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/faultline/faultline/agent/input/exposition"
	"github.com/faultline/faultline/agent/input/failure"
	"github.com/faultline/faultline/agent/input/option"
	"github.com/faultline/faultline/plugins/base"
)

// accept prefers OpenMetrics, as Prometheus does, with names that fit the old rules.
const accept = "application/openmetrics-text;version=1.0.0;escaping=underscores;q=0.7,text/plain;version=0.0.4;q=0.5,*/*;q=0.1"

// settings are a target's options, checked.
type settings struct {
	url        *url.URL
	user       string
	password   option.Secret
	token      option.Secret
	tls        option.TLS
	maxBytes   int
	maxSamples int
	honour     bool // timestamps of the page
}

// parseSettings reads a target and returns every fault of it.
func parseSettings(t base.Target, opts Options) (*settings, error) {
	o := option.New("scrape", t.Options)
	s := &settings{user: o.Text("username", ""), password: o.Secret("password", opts.SecretDir), token: o.Secret("token", opts.SecretDir),
		tls: o.TLS(opts.SecretDir), maxBytes: o.Number("max_bytes", 8<<20, 1<<10, 64<<20), maxSamples: o.Number("max_samples", 20_000, 1, 100_000),
		honour: o.Flag("honor_timestamps", true)}
	o.Text("job", "") // the collector puts it on the samples
	path, scheme, port := o.Text("path", "/metrics"), o.OneOf("scheme", "http", "https"), o.Number("port", 9100, 1, 65535)
	if address := t.Address; strings.Contains(address, "://") {
		u, err := url.Parse(address)
		if err != nil || u.Hostname() == "" || u.Scheme != "http" && u.Scheme != "https" || u.User != nil {
			o.Fault("address is no http or https URL without credentials")
		}
		s.url = u
	} else {
		_, at := o.HostPort(address, port)
		if !strings.HasPrefix(path, "/") {
			o.Fault("path %q: want one that begins with /", path)
		}
		u, err := url.Parse(scheme + "://" + at + path)
		if err != nil {
			o.Fault("path %q: %w", path, err)
		}
		s.url = u
	}
	if s.url != nil && s.url.Path == "" {
		s.url.Path = "/metrics"
	}
	if s.password.Given() && s.user == "" {
		o.Fault("password without username")
	}
	if s.user != "" && s.token.Given() {
		o.Fault("username and token exclude each other")
	}
	return s, o.Err()
}

// shown is the address without its query, which may hold secrets.
func (s *settings) shown() string { return s.url.Scheme + "://" + s.url.Host + s.url.Path }

// idle is for how long a connection is kept for the next poll.
const idle = 2 * time.Minute

// client keeps one connection. Redirects lead nowhere else: who answers for the
// target is the one that was asked, and the only one to be shown credentials.
func (s *settings) client() *http.Client {
	dial := &net.Dialer{KeepAlive: 30 * time.Second}
	t := &http.Transport{MaxIdleConns: 1, IdleConnTimeout: idle, DialContext: dial.DialContext,
		DialTLSContext: func(ctx context.Context, network, address string) (net.Conn, error) {
			c, err := s.tls.Config() // at each connection: certificates are renewed
			if err != nil {
				return nil, err
			}
			if c.ServerName == "" {
				c.ServerName = s.url.Hostname()
			}
			return (&tls.Dialer{NetDialer: dial, Config: c}).DialContext(ctx, network, address)
		}}
	return &http.Client{Transport: t, CheckRedirect: func(next *http.Request, via []*http.Request) error {
		if next.URL.Host != s.url.Host || next.URL.Scheme != s.url.Scheme || len(via) > 3 {
			return http.ErrUseLastResponse
		}
		return nil
	}}
}

// fetch reads the page into tg.page.
func (tg *target) fetch(ctx context.Context) (exposition.Format, error) {
	s := tg.settings
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, s.url.String(), nil)
	if err != nil {
		return 0, fmt.Errorf("scrape %s: %w", s.shown(), err)
	}
	req.Header.Set("Accept", accept)
	req.Header.Set("User-Agent", "faultline-agent")
	if deadline, ok := ctx.Deadline(); ok {
		req.Header.Set("X-Prometheus-Scrape-Timeout-Seconds", strconv.FormatFloat(time.Until(deadline).Seconds(), 'f', 3, 64))
	}
	if err := s.authorise(req); err != nil {
		return 0, err
	}
	resp, err := tg.client.Do(req)
	if err != nil {
		return 0, fmt.Errorf("scrape %s: %w", s.shown(), withoutURL(err))
	}
	defer resp.Body.Close()
	switch {
	case resp.StatusCode == http.StatusUnauthorized, resp.StatusCode == http.StatusForbidden:
		return 0, failure.As(failure.Denied, fmt.Errorf("scrape %s: HTTP status %d: look at username, password or token", s.shown(), resp.StatusCode))
	case resp.StatusCode != http.StatusOK:
		return 0, failure.As(failure.Status, fmt.Errorf("scrape %s: HTTP status %d, want 200", s.shown(), resp.StatusCode))
	}
	if err := tg.read(resp.Body); err != nil {
		return 0, err
	}
	return formatOf(resp.Header.Get("Content-Type"))
}

// read fills tg.page, of which it keeps the memory.
func (tg *target) read(r io.Reader) error {
	limit := tg.settings.maxBytes
	tg.page = tg.page[:0]
	for {
		if len(tg.page) == cap(tg.page) {
			tg.page = append(tg.page, make([]byte, max(32<<10, len(tg.page)))...)[:len(tg.page)]
		}
		n, err := r.Read(tg.page[len(tg.page):cap(tg.page)])
		tg.page = tg.page[:len(tg.page)+n]
		switch {
		case len(tg.page) > limit:
			return failure.As(failure.TooLarge, fmt.Errorf("page of %s: more than max_bytes, which is %d", tg.settings.shown(), limit))
		case err == io.EOF:
			return nil
		case err != nil:
			return fmt.Errorf("page of %s: %w", tg.settings.shown(), err)
		}
	}
}

func (s *settings) authorise(req *http.Request) error {
	switch {
	case s.user != "":
		p, err := s.password.Value()
		if err != nil {
			return err
		}
		req.SetBasicAuth(s.user, p.Reveal())
	case s.token.Given():
		v, err := s.token.Value()
		if err != nil {
			return err
		}
		req.Header.Set("Authorization", "Bearer "+v.Reveal())
	}
	return nil
}

// formatOf tells a page's format by its type. A page without one, or of plain
// text, is in the old format; what is no text at all is no page of an exporter.
func formatOf(contentType string) (exposition.Format, error) {
	kind, _, err := mime.ParseMediaType(contentType)
	switch {
	case kind == "application/openmetrics-text":
		return exposition.OpenMetrics, nil
	case contentType == "", err != nil, kind == "text/plain", kind == "application/octet-stream":
		return exposition.Text, nil
	}
	return 0, failure.As(failure.Malformed, fmt.Errorf("content type %q: want text/plain or application/openmetrics-text", kind))
}

// withoutURL takes the address off an error of net/http: its query may hold secrets.
func withoutURL(err error) error {
	if u := (*url.Error)(nil); errors.As(err, &u) {
		err = u.Err
	}
	if errors.Is(err, http.ErrSchemeMismatch) {
		return failure.As("tls", err)
	}
	return err
}
