// Package certificate is the input that says when certificates in files end, with
// the names of x509-certificate-exporter, and how long before that it is to be
// told. It reads PEM, bundles included, and DER; it verifies nothing, and private
// keys that stand in the same files are passed over. What servers show on the
// network the input probe asks.
package certificate

import (
	"bytes"
	"context"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"github.com/faultline/faultline/agent/input/failure"
	"github.com/faultline/faultline/agent/input/frame"
	"github.com/faultline/faultline/agent/input/glob"
	"github.com/faultline/faultline/agent/input/option"
	"github.com/faultline/faultline/plugins/base"
	"github.com/faultline/faultline/plugins/input"
)

// maxFile bounds what is read of one file, in bytes.
const maxFile = 4 << 20

// Options are the settings of the input.
type Options struct {
	Now func() time.Time // default time.Now
}

// Input looks at certificates.
type Input = frame.Input[settings]

// New makes an Input.
func New(o Options) *Input {
	return frame.New(frame.Work[settings]{Name: "certificate", Now: o.Now, Parse: parse, Gather: gather})
}

// settings are a target's options, checked.
type settings struct {
	pattern         string
	maxFiles        int
	maxCertificates int // of all files
	warn, critical  time.Duration
}

func parse(t base.Target) (settings, error) {
	const day = 24 * time.Hour
	o := option.New("certificate", t.Options)
	s := settings{pattern: o.Path("path", true), maxFiles: o.Number("max_files", 100, 1, 2000), maxCertificates: o.Number("max_certificates", 200, 1, 5000),
		warn: o.Duration("warn", 30*day, time.Hour, 1000*day), critical: o.Duration("critical", 7*day, time.Hour, 1000*day)}
	if err := glob.Check(s.pattern); s.pattern != "" && err != nil {
		o.Fault("path: %w", err)
	}
	if s.critical > s.warn {
		o.Fault("critical %s is longer than warn %s", s.critical, s.warn)
	}
	return s, o.Err()
}

func gather(ctx context.Context, s settings, now time.Time, put frame.Put) error {
	files, err := glob.Files(s.pattern)
	if err != nil {
		return err
	}
	if len(files) == 0 {
		return failure.As(failure.Missing, fmt.Errorf("certificates %s: no such file", s.pattern))
	}
	var faults []error
	if len(files) > s.maxFiles {
		faults = append(faults, fmt.Errorf("certificates %s: %d files, of which %d are read (max_files)", s.pattern, len(files), s.maxFiles))
		files = files[:s.maxFiles]
	}
	told, unread := 0, 0
	for _, f := range files {
		if err := ctx.Err(); err != nil {
			return err
		}
		found, err := read(f.Path)
		if err != nil {
			unread++
			faults = append(faults, fmt.Errorf("certificates %s: %w", f.Path, err))
		}
		put("x509_cert_error", truth(err != nil), "filename", filepath.Base(f.Path), "filepath", f.Path)
		for _, c := range found {
			if told++; told <= s.maxCertificates {
				s.put(c, f.Path, now, put)
			}
		}
	}
	if told > s.maxCertificates {
		faults = append(faults, fmt.Errorf("certificates %s: %d certificates, of which %d are told (max_certificates)", s.pattern, told, s.maxCertificates))
	}
	put("x509_read_errors", float64(unread))
	if unread == len(files) {
		return failure.As(failure.Malformed, errors.Join(faults...))
	}
	if len(faults) > 0 {
		return input.Partial{Err: errors.Join(faults...)}
	}
	return nil
}

func (s settings) put(c *x509.Certificate, path string, now time.Time, put frame.Put) {
	labels := []string{"filename", filepath.Base(path), "filepath", path, "serial_number", c.SerialNumber.String()}
	labels = append(append(labels, names("issuer_", c.Issuer)...), names("subject_", c.Subject)...)
	tell := func(name string, v float64) { put(name, v, labels...) }
	tell("x509_cert_not_before", float64(c.NotBefore.Unix()))
	tell("x509_cert_not_after", float64(c.NotAfter.Unix()))
	tell("x509_cert_expired", truth(now.After(c.NotAfter)))
	tell("faultline_certificate_warn_seconds", s.warn.Seconds())
	tell("faultline_certificate_critical_seconds", s.critical.Seconds())
}

// names are the parts of a name that the exporter makes labels of.
func names(prefix string, n pkix.Name) []string {
	var out []string
	add := func(part string, values ...string) {
		if len(values) > 0 {
			out = append(out, prefix+part, values[0])
		}
	}
	add("C", n.Country...)
	add("ST", n.Province...)
	add("L", n.Locality...)
	add("O", n.Organization...)
	add("OU", n.OrganizationalUnit...)
	add("CN", n.CommonName)
	return out
}

// read returns the certificates of a file: all of a PEM file's that can be read,
// or the one of a DER file. What cannot be read is an error beside them.
func read(path string) ([]*x509.Certificate, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer func() { _ = f.Close() }()
	b, err := io.ReadAll(io.LimitReader(f, maxFile+1))
	if err != nil {
		return nil, err
	}
	if len(b) > maxFile {
		return nil, fmt.Errorf("larger than %d bytes", maxFile)
	}
	return certificates(b)
}

func certificates(b []byte) (found []*x509.Certificate, err error) {
	if !bytes.Contains(b, []byte("-----BEGIN ")) {
		c, err := x509.ParseCertificate(b)
		if err != nil {
			return nil, errors.New("no certificate, neither PEM nor DER")
		}
		return []*x509.Certificate{c}, nil
	}
	var faults []error
	n := 0
	for rest := b; ; {
		var block *pem.Block
		if block, rest = pem.Decode(rest); block == nil {
			break
		}
		if block.Type != "CERTIFICATE" && block.Type != "TRUSTED CERTIFICATE" && block.Type != "X509 CERTIFICATE" {
			continue
		}
		n++
		c, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			faults = append(faults, fmt.Errorf("certificate %d: %w", n, err))
			continue
		}
		found = append(found, c)
	}
	if n == 0 {
		return nil, errors.New("no certificate in it")
	}
	return found, errors.Join(faults...)
}

func truth(b bool) float64 {
	if b {
		return 1
	}
	return 0
}
