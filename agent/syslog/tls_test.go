package syslog

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"io"
	"math/big"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/faultline/faultline/internal/selfmetric"
	"github.com/faultline/faultline/plugins/base"
)

// certificate writes a certificate that signs itself, with its key, to one file.
func certificate(t *testing.T, file, name string) *x509.Certificate {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	c := &x509.Certificate{SerialNumber: big.NewInt(time.Now().UnixNano()), Subject: pkix.Name{CommonName: name}, DNSNames: []string{name}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth}}
	der, err := x509.CreateCertificate(rand.Reader, c, c, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	secret, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	text := append(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: secret})...)
	if err := os.WriteFile(file, text, 0o600); err != nil {
		t.Fatal(err)
	}
	parsed, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return parsed
}

// heard are the events so far.
func (s *site) heard() []base.Event {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.events)
}

// TestTLS has openssl send both framings over TLS; a sender without a certificate
// and one of an unknown CA are not heard where certificates are asked for.
func TestTLS(t *testing.T) {
	bin := program(t, "openssl", "openssl")
	dir := t.TempDir()
	server, friend, stranger := filepath.Join(dir, "server.pem"), filepath.Join(dir, "friend.pem"), filepath.Join(dir, "stranger.pem")
	certificate(t, server, "agent")
	certificate(t, friend, "friend")
	certificate(t, stranger, "stranger")
	for _, c := range []struct {
		name, clients string
		sender        string
		heard         bool
	}{
		{"anybody may", "", "", true},
		{"a certificate of the CA", friend, friend, true},
		{"no certificate", friend, "", false},
		{"another CA's certificate", friend, stranger, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			conf, err := ServerTLS(Certificate{CertFile: server, KeyFile: server, ClientCAFile: c.clients})
			if err != nil {
				t.Fatal(err)
			}
			s := open(t, true, func(o *Options) { o.UDP, o.TCP, o.TLS, o.TLSConfig = "", "", "127.0.0.1:0", conf })
			args := []string{"s_client", "-quiet", "-connect", s.r.TLSAddr().String(), "-CAfile", server, "-verify_return_error", "-verify_hostname", "agent"}
			if c.sender != "" {
				args = append(args, "-cert", c.sender, "-key", c.sender)
			}
			cmd := exec.Command(bin, args...)
			in, err := cmd.StdinPipe()
			if err != nil {
				t.Fatal(err)
			}
			var out strings.Builder
			cmd.Stdout, cmd.Stderr = &out, &out
			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}
			counted := "<30>1 2026-11-22T10:30:00Z b1sw systemd-networkd 1 - - eth0: Lost carrier"
			_, _ = fmt.Fprintf(in, "%d %s<30>Nov 22 10:30:00 b1sw systemd-networkd[1]: eth1: Lost carrier\n", len(counted), counted)
			if c.heard {
				for i, e := range s.wait(2) {
					if e.Component != fmt.Sprint("eth", i) {
						t.Errorf("event %d: %+v; openssl said %s", i, e, out.String())
					}
				}
			} else {
				for begin := time.Now(); selfmetric.Sum(s.r.meters.dropped.WithLabelValues("tls")) == 0; time.Sleep(time.Millisecond) {
					if time.Since(begin) > 30*time.Second {
						t.Fatalf("the sender is not refused; openssl said %s", out.String())
					}
				}
			}
			_ = in.Close()
			_ = cmd.Process.Kill()
			_ = cmd.Wait()
			if got := s.heard(); !c.heard && len(got) > 0 {
				t.Errorf("heard %v", got)
			}
		})
	}
}

// A connection that never begins to speak TLS is let go, and does not keep others out.
func TestTLSPlainSender(t *testing.T) {
	file := filepath.Join(t.TempDir(), "server.pem")
	certificate(t, file, "agent")
	conf, err := ServerTLS(Certificate{CertFile: file, KeyFile: file})
	if err != nil {
		t.Fatal(err)
	}
	s := open(t, true, func(o *Options) { o.UDP, o.TCP, o.TLS, o.TLSConfig = "", "", "127.0.0.1:0", conf })
	c, err := net.Dial("tcp", s.r.TLSAddr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	fmt.Fprintln(c, "<30>Nov 22 10:30:00 b1sw systemd-networkd[1]: eth1: Lost carrier")
	_ = c.SetReadDeadline(time.Now().Add(30 * time.Second))
	if _, err := io.Copy(io.Discard, c); err != nil {
		t.Errorf("a sender without TLS is not let go: %v", err)
	}
	if got := s.heard(); len(got) > 0 {
		t.Errorf("heard in the clear: %v", got)
	}
}

func TestCertificateIsReadAgain(t *testing.T) {
	file := filepath.Join(t.TempDir(), "server.pem")
	certificate(t, file, "first")
	k := &kept{files: Certificate{CertFile: file, KeyFile: file}}
	at := time.Now()
	name := func(after time.Duration) string {
		c, err := k.get(at.Add(after))
		if err != nil {
			t.Fatal(err)
		}
		return c.Leaf.Subject.CommonName
	}
	first := name(0)
	certificate(t, file, "second")
	if err := os.Chtimes(file, at.Add(time.Hour), at.Add(time.Hour)); err != nil {
		t.Fatal(err)
	}
	soon, later := name(time.Second), name(2*time.Minute)
	if err := os.WriteFile(file, []byte("half a certif"), 0o600); err != nil {
		t.Fatal(err)
	}
	if torn := name(4 * time.Minute); first != "first" || soon != "first" || later != "second" || torn != "second" {
		t.Errorf("shown %s, %s, %s, %s", first, soon, later, torn)
	}
	if _, err := ServerTLS(Certificate{CertFile: file, KeyFile: file}); err == nil {
		t.Error("a certificate that cannot be read is taken at the start")
	}
}
