package probe

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"os"
	"regexp"
	"time"
)

// tcpProbe connects, and may send a line, read until something is seen, or
// shake hands for TLS.
type tcpProbe struct {
	resolver
	port    string
	timeout time.Duration
	send    string
	expect  *regexp.Regexp
	tls     *tls.Config // nil: plain
}

func newTCP(o *options, opts Options) (module, error) {
	p := &tcpProbe{timeout: o.duration("timeout", 3*time.Second), send: o.text("send", ""), expect: o.pattern("expect")}
	p.resolver, p.port = o.hostPort(0, opts)
	if secure, insecure, name := o.flag("tls", false), o.flag("insecure", false), o.text("server_name", p.host); secure {
		p.tls = &tls.Config{ServerName: name, InsecureSkipVerify: insecure}
	}
	return p, nil
}

func (p *tcpProbe) run(ctx context.Context, r *result) error {
	ctx, cancel := context.WithTimeout(ctx, p.timeout)
	defer cancel()
	ip, _, err := p.lookup(ctx, r)
	if err != nil {
		return nil
	}
	var d net.Dialer
	c, err := d.DialContext(ctx, "tcp", net.JoinHostPort(ip.String(), p.port))
	if err != nil {
		return nil // refused, unreachable, silent: that is what was asked
	}
	defer c.Close()
	deadline, _ := ctx.Deadline()
	if err := c.SetDeadline(deadline); err != nil {
		return nil
	}
	if p.tls != nil {
		secure := tls.Client(c, p.tls)
		if err := secure.HandshakeContext(ctx); err != nil {
			return nil
		}
		putTLS(r, secure.ConnectionState())
		c = secure
	}
	if p.send != "" {
		if _, err := io.WriteString(c, p.send); err != nil {
			return nil
		}
	}
	r.success = p.expect == nil || p.seen(c, r)
	return nil
}

// seen reads until the expected text has come, the peer ends, or time is over.
func (p *tcpProbe) seen(c net.Conn, r *result) bool {
	const most = 64 << 10
	var got []byte
	buf := make([]byte, 4096)
	for len(got) < most {
		n, err := c.Read(buf)
		got = append(got, buf[:n]...)
		if p.expect.Match(got) {
			r.put("probe_failed_due_to_regex", 0)
			return true
		}
		if err != nil {
			if !errors.Is(err, os.ErrDeadlineExceeded) || len(got) > 0 {
				r.put("probe_failed_due_to_regex", 1)
			}
			return false
		}
	}
	r.put("probe_failed_due_to_regex", 1)
	return false
}

// putTLS says when the first certificate of the chain ends and which version
// was agreed on.
func putTLS(r *result, s tls.ConnectionState) {
	var earliest time.Time
	for _, cert := range s.PeerCertificates {
		if earliest.IsZero() || cert.NotAfter.Before(earliest) {
			earliest = cert.NotAfter
		}
	}
	if !earliest.IsZero() {
		r.put("probe_ssl_earliest_cert_expiry", float64(earliest.Unix()))
	}
	r.put("probe_tls_version_info", 1, "version", tls.VersionName(s.Version))
}
