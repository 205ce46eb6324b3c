package certificate

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"math/big"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/faultline/faultline/agent/input/inputtest"
	"github.com/faultline/faultline/plugins/base"
	"github.com/faultline/faultline/plugins/input"
)

func target(options ...string) base.Target {
	t := base.Target{ID: "c", Input: "certificate", Options: map[string]string{}}
	for i := 0; i < len(options); i += 2 {
		t.Options[options[i]] = options[i+1]
	}
	return t
}

// made returns a certificate in DER.
func made(t testing.TB, name string, serial int64, until time.Time) []byte {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	c := &x509.Certificate{SerialNumber: big.NewInt(serial), Subject: pkix.Name{CommonName: name, Organization: []string{"分公司"}, Country: []string{"CN"}},
		NotBefore: until.Add(-365 * 24 * time.Hour), NotAfter: until}
	b, err := x509.CreateCertificate(rand.Reader, c, c, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func asPEM(kind string, der []byte) string {
	return string(pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}))
}

func TestCertificates(t *testing.T) {
	now := time.Unix(1_700_000_000, 0)
	soon, gone := made(t, "shop", 7, now.Add(48*time.Hour)), made(t, "old", 8, now.Add(-time.Hour))
	dir := inputtest.Write(t, map[string]string{
		"bundle.pem": "a word before\n" + asPEM("CERTIFICATE", soon) + asPEM("EC PRIVATE KEY", []byte("secret")) + asPEM("CERTIFICATE", gone),
		"one.der":    string(soon), "half.pem": asPEM("CERTIFICATE", soon) + asPEM("CERTIFICATE", gone[:40]), "key.pem": asPEM("EC PRIVATE KEY", []byte("secret")),
		"rubbish.crt": "\x30\x82 rubbish", "big.pem": strings.Repeat("x", maxFile+1),
	})
	in := New(Options{Now: func() time.Time { return now }})
	of := func(name, serial, cn string) string {
		return "{filename=" + name + ",filepath=" + filepath.Join(dir, name) + ",issuer_C=CN,issuer_CN=" + cn + ",issuer_O=分公司,serial_number=" + serial + ",subject_C=CN,subject_CN=" + cn + ",subject_O=分公司}"
	}
	file := func(name string) string { return "{filename=" + name + ",filepath=" + filepath.Join(dir, name) + "}" }
	r := inputtest.Up(t, in, target("path", filepath.Join(dir, "bundle.pem"), "warn", "20d", "critical", "36h"))
	for series, v := range map[string]float64{
		"x509_cert_not_after" + of("bundle.pem", "7", "shop"): 1.7e9 + 2*86400, "x509_cert_expired" + of("bundle.pem", "7", "shop"): 0,
		"x509_cert_expired" + of("bundle.pem", "8", "old"): 1, "x509_cert_not_before" + of("bundle.pem", "8", "old"): 1.7e9 - 3600 - 365*86400,
		"faultline_certificate_warn_seconds" + of("bundle.pem", "7", "shop"): 20 * 86400, "faultline_certificate_critical_seconds" + of("bundle.pem", "7", "shop"): 36 * 3600,
		"x509_read_errors": 0, "x509_cert_error" + file("bundle.pem"): 0,
	} {
		r.Want(t, series, v)
	}
	r = inputtest.Up(t, in, target("path", filepath.Join(dir, "one.der")))
	r.Want(t, "x509_cert_not_after"+of("one.der", "7", "shop"), 1.7e9+2*86400)

	r, err := inputtest.Gather(t, in, target("path", filepath.Join(dir, "*.*")))
	if !errors.As(err, new(input.Partial)) {
		t.Fatalf("some files that cannot be read: %v", err)
	}
	r.Want(t, "x509_read_errors", 4)
	r.Want(t, "x509_cert_error"+file("half.pem"), 1)
	r.Want(t, "x509_cert_not_after"+of("half.pem", "7", "shop"), 1.7e9+2*86400)
	for _, secret := range []string{"secret", "EC PRIVATE"} {
		if strings.Contains(err.Error(), secret) {
			t.Errorf("the error tells of a key: %v", err)
		}
	}
	if _, err = inputtest.Gather(t, in, target("path", filepath.Join(dir, "bundle.pem"), "max_certificates", "1")); !errors.As(err, new(input.Partial)) {
		t.Errorf("more than max_certificates: %v", err)
	}
	for name, reason := range map[string]string{"key.pem": "malformed", "rubbish.crt": "malformed", "big.pem": "malformed", "none*": "missing", "gone/x": "missing"} {
		tg := target("path", filepath.Join(dir, name))
		tg.ID = name
		inputtest.Down(t, in, tg, reason)
	}
	for _, bad := range [][]string{{}, {"path", "x.pem"}, {"path", "/x/["}, {"path", "/x", "warn", "1d", "critical", "2d"}, {"path", "/x", "more", "1"}} {
		if in.CheckTarget(target(bad...)) == nil {
			t.Errorf("%v is taken", bad)
		}
	}
}

func FuzzCertificates(f *testing.F) {
	der := made(f, "a", 1, time.Unix(1.7e9, 0))
	f.Add(der)
	f.Add([]byte(asPEM("CERTIFICATE", der) + asPEM("CERTIFICATE", der[:9])))
	f.Fuzz(func(t *testing.T, b []byte) {
		found, err := certificates(b)
		if len(found) == 0 && err == nil {
			t.Fatal("neither a certificate nor an error")
		}
	})
}
