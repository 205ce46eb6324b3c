package probe

import (
	"context"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/hex"
	"net"
	"sync"
	"time"
)

// tlsCheck shakes hands and looks at what the server shows, also where that is
// not to be trusted: an expired certificate is what people want to know of.
type tlsCheck struct {
	name     string // expected of the certificate; "" is the host connected to
	insecure bool   // a certificate that is not trusted is no failure
}

// tlsSeen is what one handshake showed.
type tlsSeen struct {
	mu    sync.Mutex // guards the fields below: net/http may shake hands in a goroutine of its own
	state *tls.ConnectionState
	chain []*x509.Certificate // verified, the first that leads to a root
	err   error               // of verifying
}

// config makes a client's configuration that notes the last handshake in seen.
func (t *tlsCheck) config(seen *tlsSeen) *tls.Config {
	return &tls.Config{
		ServerName:         t.name,
		InsecureSkipVerify: true, // VerifyConnection does it, after a look at the certificate
		VerifyConnection: func(s tls.ConnectionState) error {
			chain, err := verify(s)
			seen.mu.Lock()
			seen.state, seen.chain, seen.err = &s, chain, err
			seen.mu.Unlock()
			if t.insecure {
				return nil
			}
			return err
		},
	}
}

// verify checks the certificates as crypto/tls would.
func verify(s tls.ConnectionState) ([]*x509.Certificate, error) {
	o := x509.VerifyOptions{DNSName: s.ServerName, Intermediates: x509.NewCertPool()}
	for _, c := range s.PeerCertificates[1:] {
		o.Intermediates.AddCert(c)
	}
	chains, err := s.PeerCertificates[0].Verify(o)
	if err != nil {
		return nil, &tls.CertificateVerificationError{UnverifiedCertificates: s.PeerCertificates, Err: err}
	}
	return chains[0], nil
}

// handshake secures the connection.
func (t *tlsCheck) handshake(ctx context.Context, c net.Conn, r *result) (net.Conn, error) {
	seen := &tlsSeen{}
	secure := tls.Client(c, t.config(seen))
	err := secure.HandshakeContext(ctx)
	seen.put(r)
	return secure, err
}

// put says until when the certificates are good, whether they are trusted, and
// which version was agreed on.
func (t *tlsSeen) put(r *result) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.state == nil {
		return
	}
	earliest := func(certs []*x509.Certificate) float64 {
		var at time.Time
		for _, c := range certs {
			if at.IsZero() || c.NotAfter.Before(at) {
				at = c.NotAfter
			}
		}
		return float64(at.Unix())
	}
	leaf := t.state.PeerCertificates[0]
	fingerprint := sha256.Sum256(leaf.Raw)
	r.put("probe_ssl_earliest_cert_expiry", earliest(t.state.PeerCertificates))
	if t.chain != nil {
		r.put("probe_ssl_last_chain_expiry_timestamp_seconds", earliest(t.chain))
	}
	r.put("probe_ssl_last_chain_info", 1, "fingerprint_sha256", hex.EncodeToString(fingerprint[:]), "subject", leaf.Subject.String(), "issuer", leaf.Issuer.String())
	r.put("faultline_probe_ssl_trusted", truth(t.err == nil))
	r.put("probe_tls_version_info", 1, "version", tls.VersionName(t.state.Version))
}
