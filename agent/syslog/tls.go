package syslog

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"os"
	"sync"
	"time"
)

// Certificate names what a receiver over TLS shows (RFC 5425).
type Certificate struct {
	CertFile, KeyFile string // PEM; read again when the first has changed
	ClientCAFile      string // PEM; senders have to show a certificate of these; "": any sender may
}

// look is how often the certificate's file is looked at, at most.
const look = time.Minute

// ServerTLS is the configuration of a listener that shows the certificate. Devices
// are old: TLS 1.2 is spoken too.
func ServerTLS(c Certificate) (*tls.Config, error) {
	k := &kept{files: c}
	if _, err := k.get(time.Now()); err != nil {
		return nil, err
	}
	out := &tls.Config{MinVersion: tls.VersionTLS12, GetCertificate: func(*tls.ClientHelloInfo) (*tls.Certificate, error) { return k.get(time.Now()) }}
	if c.ClientCAFile == "" {
		return out, nil
	}
	text, err := os.ReadFile(c.ClientCAFile)
	if err != nil {
		return nil, fmt.Errorf("syslog: client_ca_file: %w", err)
	}
	out.ClientCAs, out.ClientAuth = x509.NewCertPool(), tls.RequireAndVerifyClientCert
	if !out.ClientCAs.AppendCertsFromPEM(text) {
		return nil, fmt.Errorf("syslog: client_ca_file: %s holds no certificate", c.ClientCAFile)
	}
	return out, nil
}

// kept is a certificate from files. A new one that cannot be read leaves the old.
type kept struct {
	files Certificate

	mu     sync.Mutex // guards the fields below
	now    *tls.Certificate
	of     time.Time // when the file was written
	looked time.Time
}

func (k *kept) get(at time.Time) (*tls.Certificate, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.now != nil && at.Sub(k.looked) < look && !at.Before(k.looked) {
		return k.now, nil
	}
	k.looked = at
	st, err := os.Stat(k.files.CertFile)
	if err == nil && k.now != nil && st.ModTime().Equal(k.of) {
		return k.now, nil
	}
	c, rerr := tls.LoadX509KeyPair(k.files.CertFile, k.files.KeyFile)
	if err = errors.Join(err, rerr); err != nil {
		if k.now != nil {
			return k.now, nil
		}
		return nil, fmt.Errorf("syslog: certificate: %w", err)
	}
	k.now, k.of = &c, st.ModTime()
	return k.now, nil
}
