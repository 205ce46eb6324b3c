package probe

import (
	"context"
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
	tls     *tlsCheck // nil: plain
}

func newTCP(o *options, opts Options) (module, error) {
	p := &tcpProbe{timeout: o.duration("timeout", 3*time.Second), send: o.text("send", ""), expect: o.pattern("expect")}
	p.resolver, p.port = o.hostPort(0, opts)
	if secure, insecure, name := o.flag("tls", false), o.flag("insecure", false), o.text("server_name", p.host); secure {
		p.tls = &tlsCheck{name: name, insecure: insecure}
	}
	return p, nil
}

func (p *tcpProbe) run(ctx context.Context, r *result) error {
	ctx, cancel := context.WithTimeout(ctx, p.timeout)
	defer cancel()
	ip, _, err := p.lookup(ctx, r)
	if err != nil {
		r.failed(err)
		return nil
	}
	var d net.Dialer
	start := time.Now()
	c, err := d.DialContext(ctx, "tcp", net.JoinHostPort(ip.String(), p.port))
	r.put("faultline_probe_tcp_connect_seconds", time.Since(start).Seconds())
	if err != nil {
		r.failed(err) // refused, unreachable, silent: that is what was asked
		return nil
	}
	defer c.Close()
	deadline, _ := ctx.Deadline()
	if err := c.SetDeadline(deadline); err != nil {
		return nil
	}
	if p.tls != nil {
		secure, err := p.tls.handshake(ctx, c, r)
		if err != nil {
			r.failed(err)
			return nil
		}
		c = secure
	}
	if p.send != "" {
		if _, err := io.WriteString(c, p.send); err != nil {
			r.failed(err)
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
			if errors.Is(err, os.ErrDeadlineExceeded) && len(got) == 0 {
				r.failed(err)
			} else {
				r.put("probe_failed_due_to_regex", 1)
			}
			return false
		}
	}
	r.put("probe_failed_due_to_regex", 1)
	return false
}
