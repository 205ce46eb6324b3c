package app

import (
	"cmp"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/faultline/faultline/agent/syslog"
	"github.com/faultline/faultline/internal/pki"
)

// Names in the data directory of the certificate that the agent makes for log lines
// over TLS when it is given none.
const (
	ownCertificate = "syslog-cert.pem"
	ownKey         = "syslog-key.pem"
)

// ownLife is how long that certificate counts: senders are told it by its
// fingerprint, so that a new one costs a visit to each.
const ownLife = 10 * 365 * 24 * time.Hour

// syslogTLS is what the listener for log lines over TLS shows; nil: there is none.
func (a *App) syslogTLS() (*tls.Config, error) {
	c := a.cfg.Syslog
	if c.TLS == "" {
		return nil, nil
	}
	files := syslog.Certificate{CertFile: c.CertFile, KeyFile: cmp.Or(c.KeyFile, c.CertFile), ClientCAFile: c.ClientCAFile}
	if files.CertFile == "" {
		files.CertFile, files.KeyFile = filepath.Join(a.cfg.Data, ownCertificate), filepath.Join(a.cfg.Data, ownKey)
		fingerprint, err := makeCertificate(files, a.cfg.Agent, time.Now())
		if err != nil {
			return nil, fmt.Errorf("syslog: certificate: %w", err)
		}
		a.log.Info("log lines are taken over TLS with a certificate of the agent's own: tell senders its file or its fingerprint", "file", files.CertFile, "sha256", fingerprint)
	}
	return syslog.ServerTLS(files)
}

// makeCertificate makes a certificate that signs itself, unless there is one, and
// returns its SHA-256.
func makeCertificate(files syslog.Certificate, name string, now time.Time) (string, error) {
	text, err := os.ReadFile(files.CertFile)
	if err == nil {
		b, derr := pki.Decode(text)
		if derr != nil || len(b.Certificates) == 0 {
			return "", fmt.Errorf("%s: %w", files.CertFile, errors.Join(derr, errors.New("holds no certificate: remove it and it is made anew")))
		}
		return pki.Fingerprint(b.Certificates[0]), nil
	}
	if !errors.Is(err, fs.ErrNotExist) {
		return "", err
	}
	key, err := pki.NewKey()
	if err != nil {
		return "", err
	}
	serial, err := pki.NewSerial()
	if err != nil {
		return "", err
	}
	host, _ := os.Hostname()
	t := &x509.Certificate{SerialNumber: serial, Subject: pkix.Name{CommonName: name}, NotBefore: now.Add(-24 * time.Hour), NotAfter: now.Add(ownLife),
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}, DNSNames: []string{name, cmp.Or(host, name)}, BasicConstraintsValid: true}
	der, err := x509.CreateCertificate(rand.Reader, t, t, key.Public(), key)
	if err != nil {
		return "", err
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		return "", err
	}
	pem, err := pki.EncodeKey(key)
	if err != nil {
		return "", err
	}
	if err := os.WriteFile(files.KeyFile, pem, 0o600); err != nil {
		return "", err
	}
	return pki.Fingerprint(cert), os.WriteFile(files.CertFile, pki.EncodeCertificate(cert), 0o644) //nolint:gosec // it is shown to everybody
}
