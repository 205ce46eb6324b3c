//go:build linux

package database_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"testing"
	"time"
)

// authority makes certificates for the time of a test.
type authority struct {
	t    *testing.T
	dir  string
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
	file string // the authority's own certificate
}

func newAuthority(t *testing.T) *authority {
	t.Helper()
	a := &authority{t: t, dir: serverDir(t)}
	a.cert, a.key, a.file, _ = a.issue("authority", &x509.Certificate{IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign})
	return a
}

// issue makes a certificate and returns it with its key, and the files of both.
func (a *authority) issue(name string, c *x509.Certificate) (*x509.Certificate, *ecdsa.PrivateKey, string, string) {
	a.t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		a.t.Fatal(err)
	}
	c.SerialNumber, c.Subject = big.NewInt(time.Now().UnixNano()), pkix.Name{CommonName: name}
	c.NotBefore, c.NotAfter = time.Now().Add(-time.Hour), time.Now().Add(time.Hour)
	parent, signer := a.cert, a.key
	if parent == nil {
		parent, signer = c, key
	}
	der, err := x509.CreateCertificate(rand.Reader, c, parent, &key.PublicKey, signer)
	if err != nil {
		a.t.Fatal(err)
	}
	made, err := x509.ParseCertificate(der)
	if err != nil {
		a.t.Fatal(err)
	}
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		a.t.Fatal(err)
	}
	return made, key, a.write(name+".crt", "CERTIFICATE", der), a.write(name+".key", "PRIVATE KEY", private)
}

func (a *authority) write(name, kind string, der []byte) string {
	a.t.Helper()
	path := filepath.Join(a.dir, name)
	if err := os.WriteFile(path, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}), 0o600); err != nil {
		a.t.Fatal(err)
	}
	return path
}

// forServer makes a certificate for the address 127.0.0.1 and gives its files to
// the user who runs the server.
func (a *authority) forServer(user string) (cert, key string) {
	a.t.Helper()
	_, _, cert, key = a.issue("server", &x509.Certificate{IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, DNSNames: []string{"db.example"}})
	_, chown, err := owner(user)
	for _, path := range []string{cert, key} {
		if err == nil {
			err = chown(path)
		}
	}
	if err != nil {
		a.t.Fatal(err)
	}
	return cert, key
}

func TestPostgresTLS(t *testing.T) {
	a, stranger := newAuthority(t), newAuthority(t)
	cert, key := a.forServer("postgres")
	p := startPostgres(t, "ssl=on", "ssl_cert_file="+cert, "ssl_key_file="+key)
	secured := func(w *watch) {
		t.Helper()
		w.good()
		if got := p.admin("SELECT ssl FROM pg_stat_ssl JOIN pg_stat_activity USING (pid) WHERE usename = 'monitor'"); got != "t" {
			t.Errorf("the connection's TLS: %q", got)
		}
		w.in.Close()
		until(t, "it has logged out", func() bool { return p.admin("SELECT count(*) FROM pg_stat_activity WHERE usename = 'monitor'") == "0" })
	}
	secured(p.watch())
	secured(p.watch("tls", "require"))
	secured(p.watch("tls", "verify-ca", "ca_file", a.file, "server_name", "another.example"))
	secured(p.watch("tls", "verify-full", "ca_file", a.file))
	secured(p.watch("tls", "verify-full", "ca_file", a.file, "server_name", "db.example"))
	p.watch("tls", "verify-full", "ca_file", a.file, "server_name", "another.example").bad("tls", "another.example")
	p.watch("tls", "verify-full", "ca_file", stranger.file).bad("tls", "unknown authority")
	p.watch("tls", "verify-ca", "ca_file", stranger.file).bad("tls")
	p.watch("tls", "verify-ca").bad("tls") // the system's authorities do not know ours
	p.watch("tls", "verify-full", "ca_file", filepath.Join(a.dir, "missing.crt")).bad("settings", "ca_file")

	p.writeHBA("hostssl all all 127.0.0.1/32 scram-sha-256\nhost all postgres 127.0.0.1/32 scram-sha-256")
	p.watch("tls", "disable").bad("refused", "28000")

	// Where the server wants the password itself, it gets it only after it has
	// shown who it is.
	p.writeHBA("host all postgres 127.0.0.1/32 scram-sha-256\nhost all all 127.0.0.1/32 password")
	p.watch("tls", "disable").bad("tls", "clear text")
	p.watch("tls", "require").bad("tls", "clear text")
	secured(p.watch("tls", "verify-full", "ca_file", a.file))
}

func TestPostgresMethods(t *testing.T) {
	p := startPostgres(t)
	p.writeHBA("host all postgres 127.0.0.1/32 scram-sha-256\nhost all plain 127.0.0.1/32 trust\nhost all all 127.0.0.1/32 md5")
	p.admin("SET password_encryption = md5; CREATE ROLE old LOGIN PASSWORD '" + monitorPassword + "' IN ROLE pg_monitor; CREATE ROLE \"用户\" LOGIN PASSWORD '密码' IN ROLE pg_monitor")
	p.watch("user", "old").good()
	p.watch("user", "old", "password", "wrong-password").bad("password")
	p.watch("user", "用户", "password", "密码").good()
	p.admin("ALTER ROLE \"用户\" PASSWORD '密码二'; ALTER ROLE monitor PASSWORD '口令'") // scram-sha-256 again
	p.watch("user", "用户", "password", "密码二").good()
	p.watch("password", "口令").good()
	p.watch("user", "plain", "password", "").partial("pg_monitor")

	t.Setenv("FAULTLINE_TEST_PASSWORD", "口令")
	p.watch("password_env", "FAULTLINE_TEST_PASSWORD").good()
	file := filepath.Join(t.TempDir(), "password")
	if err := os.WriteFile(file, []byte("口令\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	w := p.watch("password_file", file)
	w.good()
	if err := os.WriteFile(file, []byte("新口令\n"), 0o600); err != nil { // changed on both sides: the next login takes it
		t.Fatal(err)
	}
	p.admin("ALTER ROLE monitor PASSWORD '新口令'; SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'monitor'")
	w.good()
	if w.dialled() != 2 {
		t.Errorf("%d connections", w.dialled())
	}
}
