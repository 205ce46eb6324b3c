package probe

import (
	"context"
	"crypto/tls"
	"io"
	"net"
	"net/http"
	"net/http/httptrace"
	"net/url"
	"regexp"
	"strconv"
	"strings"
	"time"
)

// bodyLimit is how much of a page is read.
const bodyLimit = 1 << 20

// httpProbe fetches one page over a new connection.
type httpProbe struct {
	resolver
	url      *url.URL
	method   string
	hostName string
	timeout  time.Duration
	status   map[int]bool // empty: any 2xx
	body     *regexp.Regexp
	without  *regexp.Regexp
	insecure bool
	follow   bool
}

func newHTTP(o *options, opts Options) (module, error) {
	p := &httpProbe{
		method: o.text("method", http.MethodGet), hostName: o.text("host", ""), timeout: o.duration("timeout", 5*time.Second),
		status: map[int]bool{}, body: o.pattern("body"), without: o.pattern("body_without"),
		insecure: o.flag("insecure", false), follow: o.flag("follow_redirects", true),
	}
	address := o.address
	if !strings.Contains(address, "://") {
		address = "http://" + address
	}
	u, err := url.Parse(address)
	if err != nil || u.Hostname() == "" || u.Scheme != "http" && u.Scheme != "https" {
		o.fault("address is not an http or https URL")
		return p, nil
	}
	p.url, p.resolver = u, o.resolver(u.Hostname(), opts)
	for s := range strings.SplitSeq(o.text("status", ""), ",") {
		if s = strings.TrimSpace(s); s == "" {
			continue
		}
		code, err := strconv.Atoi(s)
		if err != nil || code < 100 || code > 599 {
			o.fault("status %q: want codes such as 200,301", s)
		}
		p.status[code] = true
	}
	return p, nil
}

func (p *httpProbe) run(ctx context.Context, r *result) error {
	ctx, cancel := context.WithTimeout(ctx, p.timeout)
	defer cancel()
	ip, resolved, err := p.lookup(ctx, r)
	r.put("probe_http_duration_seconds", resolved.Seconds(), "phase", "resolve")
	if err != nil {
		r.put("probe_http_status_code", 0)
		r.failed(err)
		return nil
	}
	ph := &phases{}
	req, err := http.NewRequestWithContext(httptrace.WithClientTrace(ctx, ph.trace()), p.method, p.url.String(), nil)
	if err != nil {
		return err
	}
	req.Host = p.hostName
	redirects := 0
	seen := &tlsSeen{}
	client := p.client(ip.String(), &redirects, seen)
	defer client.CloseIdleConnections()
	resp, err := client.Do(req)
	seen.put(r)
	if err != nil {
		r.put("probe_http_status_code", 0)
		ph.put(r, time.Now())
		r.failed(err)
		return nil
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, bodyLimit))
	ph.put(r, time.Now())
	r.put("probe_http_redirects", float64(redirects))
	r.success = p.judge(r, resp, body) && err == nil
	return nil
}

// client makes a client that connects to the resolved address of the target
// and looks up other hosts, met in redirects, as usual.
func (p *httpProbe) client(ip string, redirects *int, seen *tlsSeen) *http.Client {
	var d net.Dialer
	t := &http.Transport{
		DisableKeepAlives: true,
		TLSClientConfig:   (&tlsCheck{insecure: p.insecure}).config(seen),
		ForceAttemptHTTP2: true,
		DialContext: func(ctx context.Context, network, addr string) (net.Conn, error) {
			if host, port, err := net.SplitHostPort(addr); err == nil && host == p.host {
				addr = net.JoinHostPort(ip, port)
			}
			return d.DialContext(ctx, network, addr)
		},
	}
	return &http.Client{Transport: t, CheckRedirect: func(_ *http.Request, via []*http.Request) error {
		if !p.follow || len(via) > 10 {
			return http.ErrUseLastResponse
		}
		*redirects = len(via)
		return nil
	}}
}

// judge hands over what the answer says and tells whether it is as expected.
func (p *httpProbe) judge(r *result, resp *http.Response, body []byte) bool {
	r.put("probe_http_status_code", float64(resp.StatusCode))
	r.put("probe_http_content_length", float64(resp.ContentLength))
	r.put("probe_http_uncompressed_body_length", float64(len(body)))
	r.put("probe_http_version", float64(resp.ProtoMajor)+float64(resp.ProtoMinor)/10)
	r.put("probe_http_ssl", truth(resp.TLS != nil))
	ok := p.status[resp.StatusCode] || len(p.status) == 0 && resp.StatusCode/100 == 2
	if p.body != nil || p.without != nil {
		bad := p.body != nil && !p.body.Match(body) || p.without != nil && p.without.Match(body)
		r.put("probe_failed_due_to_regex", truth(bad))
		ok = ok && !bad
	}
	return ok
}

// phases are the moments of the last request; zero: never reached.
type phases struct {
	connect, connected, secure, secured, written, first time.Time
}

func (ph *phases) trace() *httptrace.ClientTrace {
	return &httptrace.ClientTrace{
		ConnectStart:         func(string, string) { ph.connect = time.Now() },
		ConnectDone:          func(string, string, error) { ph.connected = time.Now() },
		TLSHandshakeStart:    func() { ph.secure = time.Now() },
		TLSHandshakeDone:     func(tls.ConnectionState, error) { ph.secured = time.Now() },
		WroteRequest:         func(httptrace.WroteRequestInfo) { ph.written = time.Now() },
		GotFirstResponseByte: func() { ph.first = time.Now() },
	}
}

func (ph *phases) put(r *result, end time.Time) {
	between := func(phase string, from, to time.Time) {
		d := 0.0
		if !from.IsZero() && to.After(from) {
			d = to.Sub(from).Seconds()
		}
		r.put("probe_http_duration_seconds", d, "phase", phase)
	}
	between("connect", ph.connect, ph.connected)
	between("tls", ph.secure, ph.secured)
	between("processing", ph.written, ph.first)
	between("transfer", ph.first, end)
}
