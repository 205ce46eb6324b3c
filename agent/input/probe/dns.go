package probe

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"regexp"
	"strings"
	"time"

	"golang.org/x/net/dns/dnsmessage"
)

var dnsTypes = map[string]dnsmessage.Type{
	"A": dnsmessage.TypeA, "AAAA": dnsmessage.TypeAAAA, "CNAME": dnsmessage.TypeCNAME, "MX": dnsmessage.TypeMX,
	"NS": dnsmessage.TypeNS, "PTR": dnsmessage.TypePTR, "SOA": dnsmessage.TypeSOA, "SRV": dnsmessage.TypeSRV, "TXT": dnsmessage.TypeTXT,
}

// dnsProbe asks one name server one question. It succeeds when the server
// answers without error, with at least one record, of which one is as expected.
type dnsProbe struct {
	resolver
	port      string
	name      dnsmessage.Name
	kind      dnsmessage.Type
	transport string
	expect    *regexp.Regexp
	timeout   time.Duration
}

func newDNS(o *options, opts Options) (module, error) {
	p := &dnsProbe{transport: o.text("transport", "udp"), expect: o.pattern("expect"), timeout: o.duration("timeout", 3*time.Second)}
	p.resolver, p.port = o.hostPort(53, opts)
	query := o.text("query", "")
	name, err := dnsmessage.NewName(strings.TrimSuffix(query, ".") + ".")
	if query == "" || err != nil {
		o.fault("query %q: want a name to ask for", query)
	}
	kind, ok := dnsTypes[strings.ToUpper(o.text("type", "A"))]
	if !ok {
		o.fault("type %q is not known", o.values["type"])
	}
	if p.transport != "udp" && p.transport != "tcp" {
		o.fault("transport %q: want udp or tcp", p.transport)
	}
	p.name, p.kind = name, kind
	return p, nil
}

func (p *dnsProbe) run(ctx context.Context, r *result) error {
	ctx, cancel := context.WithTimeout(ctx, p.timeout)
	defer cancel()
	ip, _, err := p.lookup(ctx, r)
	if err != nil {
		r.put("probe_dns_query_succeeded", 0)
		r.failed(err)
		return nil
	}
	start := time.Now()
	m, err := p.ask(ctx, p.transport, ip.String())
	if err == nil && m.Truncated && p.transport == "udp" {
		m, err = p.ask(ctx, "tcp", ip.String())
	}
	r.put("probe_dns_duration_seconds", time.Since(start).Seconds(), "phase", "request")
	r.put("probe_dns_query_succeeded", truth(err == nil))
	if err != nil {
		r.failed(err)
		return nil
	}
	r.put("faultline_probe_dns_rcode", float64(m.RCode))
	r.put("probe_dns_answer_rrs", float64(len(m.Answers)))
	r.put("probe_dns_authority_rrs", float64(len(m.Authorities)))
	r.put("probe_dns_additional_rrs", float64(len(m.Additionals)))
	r.success = m.RCode == dnsmessage.RCodeSuccess && len(m.Answers) > 0
	if p.expect != nil {
		met := p.met(m.Answers)
		r.put("probe_failed_due_to_regex", truth(!met))
		r.success = r.success && met
	}
	return nil
}

func (p *dnsProbe) met(answers []dnsmessage.Resource) bool {
	for _, a := range answers {
		if p.expect.MatchString(recordText(a.Body)) {
			return true
		}
	}
	return false
}

// ask sends the question and returns the answer to it.
func (p *dnsProbe) ask(ctx context.Context, transport, ip string) (*dnsmessage.Message, error) {
	id := uint16(rand.Uint32())
	q := dnsmessage.Message{
		Header:    dnsmessage.Header{ID: id, RecursionDesired: true},
		Questions: []dnsmessage.Question{{Name: p.name, Type: p.kind, Class: dnsmessage.ClassINET}},
	}
	packed, err := q.Pack()
	if err != nil {
		return nil, err
	}
	var d net.Dialer
	c, err := d.DialContext(ctx, transport, net.JoinHostPort(ip, p.port))
	if err != nil {
		return nil, err
	}
	defer c.Close()
	if deadline, ok := ctx.Deadline(); ok {
		if err := c.SetDeadline(deadline); err != nil {
			return nil, err
		}
	}
	if transport == "tcp" {
		packed = append(binary.BigEndian.AppendUint16(nil, uint16(len(packed))), packed...)
	}
	if _, err := c.Write(packed); err != nil {
		return nil, err
	}
	for {
		raw, err := readDNS(c, transport)
		if err != nil {
			return nil, err
		}
		m := &dnsmessage.Message{}
		if err := m.Unpack(raw); err != nil {
			if transport == "tcp" {
				return nil, err
			}
			continue // somebody else's datagram; the deadline ends this
		}
		if m.ID == id && m.Response {
			return m, nil
		}
	}
}

func readDNS(c net.Conn, transport string) ([]byte, error) {
	buf := make([]byte, 65_535)
	if transport == "udp" {
		n, err := c.Read(buf)
		return buf[:n], err
	}
	if _, err := io.ReadFull(c, buf[:2]); err != nil {
		return nil, err
	}
	n := int(binary.BigEndian.Uint16(buf))
	if n < 12 {
		return nil, errors.New("answer is too short")
	}
	_, err := io.ReadFull(c, buf[:n])
	return buf[:n], err
}

// recordText is a record's data as people write it.
func recordText(b dnsmessage.ResourceBody) string {
	switch x := b.(type) {
	case *dnsmessage.AResource:
		return net.IP(x.A[:]).String()
	case *dnsmessage.AAAAResource:
		return net.IP(x.AAAA[:]).String()
	case *dnsmessage.CNAMEResource:
		return x.CNAME.String()
	case *dnsmessage.NSResource:
		return x.NS.String()
	case *dnsmessage.PTRResource:
		return x.PTR.String()
	case *dnsmessage.MXResource:
		return fmt.Sprintf("%d %s", x.Pref, x.MX)
	case *dnsmessage.SRVResource:
		return fmt.Sprintf("%d %d %d %s", x.Priority, x.Weight, x.Port, x.Target)
	case *dnsmessage.SOAResource:
		return fmt.Sprintf("%s %s %d", x.NS, x.MBox, x.Serial)
	case *dnsmessage.TXTResource:
		return strings.Join(x.TXT, "")
	}
	return ""
}
