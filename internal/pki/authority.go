package pki

import (
	"crypto"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"fmt"
	"math/big"
	"net"
	"net/url"
	"strings"
	"time"
)

// BackDate is how long before its issue a certificate begins, so that machines
// whose clocks are behind take it too.
const BackDate = 24 * time.Hour

// authorityLife is how long the collector's authority holds. Agents pin it, so a
// new one means enrolling all of them again.
const authorityLife = 25 * 365 * 24 * time.Hour

// Authority signs the certificates of one collector and its agents. It may be
// used from many goroutines.
type Authority struct {
	Certificate *x509.Certificate
	Key         crypto.Signer
}

// NewAuthority makes an authority with a new key.
func NewAuthority(now time.Time) (*Authority, error) {
	key, err := NewKey()
	if err != nil {
		return nil, fmt.Errorf("make authority: %w", err)
	}
	serial, err := NewSerial()
	if err != nil {
		return nil, fmt.Errorf("make authority: %w", err)
	}
	t := &x509.Certificate{
		SerialNumber: serial, Subject: pkix.Name{CommonName: "Faultline " + serial.Text(36)[:8]},
		NotBefore: now.Add(-BackDate), NotAfter: now.Add(authorityLife),
		IsCA: true, BasicConstraintsValid: true, MaxPathLenZero: true, KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageCRLSign,
	}
	der, err := x509.CreateCertificate(rand.Reader, t, t, key.Public(), key)
	if err != nil {
		return nil, fmt.Errorf("make authority: %w", err)
	}
	c, err := x509.ParseCertificate(der)
	if err != nil {
		return nil, fmt.Errorf("make authority: %w", err)
	}
	return &Authority{Certificate: c, Key: key}, nil
}

// ParseAuthority reads an authority from the PEM of its certificate and key and
// checks that they belong together.
func ParseAuthority(text []byte) (*Authority, error) {
	b, err := Decode(text)
	if err != nil {
		return nil, err
	}
	if len(b.Certificates) != 1 || b.Key == nil {
		return nil, errors.New("authority: want one certificate and its key")
	}
	a := &Authority{Certificate: b.Certificates[0], Key: b.Key}
	if !a.Certificate.IsCA || !Belongs(a.Certificate, a.Key) {
		return nil, errors.New("authority: the key is not the certificate's, or the certificate may not sign others")
	}
	return a, nil
}

// Pool is the authority alone.
func (a *Authority) Pool() *x509.CertPool {
	p := x509.NewCertPool()
	p.AddCert(a.Certificate)
	return p
}

// NewSerial is a random serial number of 127 bits (RFC 5280 4.1.2.2: positive,
// at most 20 octets).
func NewSerial() (*big.Int, error) {
	n, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 126))
	if err != nil {
		return nil, err
	}
	return n.SetBit(n, 126, 1), nil
}

// SerialText is how a serial number is written in the store and in logs.
func SerialText(n *big.Int) string { return strings.ToLower(n.Text(16)) }

// Identity is who an agent's certificate says it is.
type Identity struct {
	Agent string // inventory id
	Site  string // inventory id
}

// nameScheme begins the URI by which certificates name agents and collectors.
const (
	nameScheme    = "faultline"
	hostAgent     = "agent"
	hostCollector = "collector"
)

// IssueAgent signs a certificate that lets the key's holder be the agent, from
// now for life.
func (a *Authority) IssueAgent(key crypto.PublicKey, id Identity, now time.Time, life time.Duration) (*x509.Certificate, error) {
	if id.Agent == "" || id.Site == "" {
		return nil, errors.New("issue certificate: agent or site is missing")
	}
	return a.issue(key, &x509.Certificate{
		Subject: pkix.Name{CommonName: id.Agent, OrganizationalUnit: []string{id.Site}}, NotBefore: now.Add(-BackDate), NotAfter: now.Add(life),
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
		URIs:        []*url.URL{{Scheme: nameScheme, Host: hostAgent, Path: "/" + url.PathEscape(id.Site) + "/" + url.PathEscape(id.Agent)}},
	})
}

// IssueCollector signs a certificate for the collector's own listener. Agents
// know it by authority and purpose; the names are for people's programs.
func (a *Authority) IssueCollector(key crypto.PublicKey, names []string, now time.Time, life time.Duration) (*x509.Certificate, error) {
	t := &x509.Certificate{
		Subject: pkix.Name{CommonName: "Faultline collector"}, NotBefore: now.Add(-BackDate), NotAfter: now.Add(life),
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}, URIs: []*url.URL{{Scheme: nameScheme, Host: hostCollector}},
	}
	for _, n := range names {
		if ip := net.ParseIP(n); ip != nil {
			t.IPAddresses = append(t.IPAddresses, ip)
		} else if n != "" {
			t.DNSNames = append(t.DNSNames, n)
		}
	}
	return a.issue(key, t)
}

func (a *Authority) issue(key crypto.PublicKey, t *x509.Certificate) (*x509.Certificate, error) {
	serial, err := NewSerial()
	if err != nil {
		return nil, fmt.Errorf("issue certificate: %w", err)
	}
	t.SerialNumber, t.BasicConstraintsValid, t.KeyUsage = serial, true, x509.KeyUsageDigitalSignature
	if t.NotAfter.After(a.Certificate.NotAfter) {
		t.NotAfter = a.Certificate.NotAfter
	}
	der, err := x509.CreateCertificate(rand.Reader, t, a.Certificate, key, a.Key)
	if err != nil {
		return nil, fmt.Errorf("issue certificate: %w", err)
	}
	return x509.ParseCertificate(der)
}

// IdentityOf reads who an agent's certificate says it is.
func IdentityOf(c *x509.Certificate) (Identity, error) {
	for _, u := range c.URIs {
		if u.Scheme != nameScheme || u.Host != hostAgent {
			continue
		}
		site, agent, ok := strings.Cut(strings.TrimPrefix(u.Path, "/"), "/")
		site, errSite := url.PathUnescape(site)
		agent, errAgent := url.PathUnescape(agent)
		if ok && errSite == nil && errAgent == nil && site != "" && agent != "" {
			return Identity{Agent: agent, Site: site}, nil
		}
	}
	return Identity{}, errors.New("the certificate names no agent")
}
