package database

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/faultline/faultline/internal/secret"
	"github.com/faultline/faultline/plugins/base"
)

// The kinds of databases, as the option kind names them.
const (
	kindPostgreSQL = "postgresql"
	kindMySQL      = "mysql"
	kindMariaDB    = "mariadb" // asked like MySQL; the server says which it is
)

// The values of the option tls, as libpq names them.
const (
	tlsDisable  = "disable"
	tlsPrefer   = "prefer"  // when the server offers it, unverified
	tlsRequire  = "require" // unverified
	tlsVerifyCA = "verify-ca"
	tlsVerify   = "verify-full"
)

// settings are a target's options, checked.
type settings struct {
	kind     string // postgresql or mysql
	address  string // host:port
	host     string
	user     string
	database string

	password     secret.String
	passwordFile string
	passwordEnv  string

	tls                                string
	caFile, certFile, keyFile, tlsName string
	blockedAfter, slowAfter, longAfter time.Duration
	statementTimeout, details          time.Duration
	heartbeat                          string        // schema.table
	backupAge                          time.Duration // 0: no limit is said
}

// envPrefix begins the names of environment variables that targets may use as
// passwords, so that none can be had that is meant for something else.
const envPrefix = "FAULTLINE_"

// parseSettings reads a target and returns every fault of it.
func parseSettings(t base.Target, opts Options) (*settings, error) {
	o := &optionReader{values: t.Options, used: map[string]bool{}}
	s := &settings{
		user: o.text("user", "faultline"), password: secret.String(o.text("password", "")),
		passwordFile: o.text("password_file", ""), passwordEnv: o.text("password_env", ""),
		tls:    o.oneOf("tls", tlsPrefer, tlsDisable, tlsRequire, tlsVerifyCA, tlsVerify),
		caFile: o.text("ca_file", ""), certFile: o.text("cert_file", ""), keyFile: o.text("key_file", ""), tlsName: o.text("server_name", ""),
		blockedAfter: o.duration("blocked_after", 3*time.Second), slowAfter: o.duration("slow_after", 30*time.Second),
		longAfter: o.duration("long_after", 10*time.Minute), statementTimeout: o.duration("statement_timeout", 3*time.Second),
		details: o.duration("details_every", time.Minute),
	}
	port := "3306"
	switch s.kind = o.text("kind", ""); s.kind {
	case kindPostgreSQL, "postgres":
		s.kind, port = kindPostgreSQL, "5432"
		s.database = o.text("database", "postgres")
	case kindMySQL, kindMariaDB:
		s.kind = kindMySQL
		s.database = o.text("database", "")
		if s.heartbeat = o.text("heartbeat", ""); s.heartbeat != "" && !heartbeatName.MatchString(s.heartbeat) {
			o.fault("heartbeat %q: want schema.table", s.heartbeat)
		}
		s.backupAge = o.duration("backup_max_age", 0)
	default:
		o.used["database"] = true
		o.fault("kind %q: want postgresql, mysql or mariadb", s.kind)
	}
	s.setAddress(t.Address, port, o)
	s.checkSecrets(o, opts)
	return s, o.err()
}

func (s *settings) setAddress(address, port string, o *optionReader) {
	host, p, err := net.SplitHostPort(address)
	if err != nil {
		host, p = strings.Trim(address, "[]"), port
	}
	if n, err := strconv.ParseUint(p, 10, 16); err != nil || n == 0 || host == "" || strings.ContainsAny(host, "/ ") {
		o.fault("address %q: want host or host:port", address)
	}
	s.host, s.address = host, net.JoinHostPort(host, p)
	if s.tlsName == "" {
		s.tlsName = host
	}
}

func (s *settings) checkSecrets(o *optionReader, opts Options) {
	given := 0
	for _, v := range []string{string(s.password), s.passwordFile, s.passwordEnv} {
		if v != "" {
			given++
		}
	}
	if given > 1 {
		o.fault("only one of password, password_file and password_env may be given")
	}
	if s.passwordEnv != "" && !strings.HasPrefix(s.passwordEnv, envPrefix) {
		o.fault("password_env %q: want a name that begins with %s", s.passwordEnv, envPrefix)
	}
	if (s.certFile == "") != (s.keyFile == "") {
		o.fault("cert_file and key_file belong together")
	}
	for name, path := range map[string]string{"password_file": s.passwordFile, "key_file": s.keyFile} {
		if err := within(opts.SecretDir, path); err != nil {
			o.fault("%s: %w", name, err)
		}
	}
	if s.caFile != "" && (s.tls == tlsDisable || s.tls == tlsPrefer || s.tls == tlsRequire) {
		o.fault("ca_file is of no use with tls %s: want %s or %s", s.tls, tlsVerifyCA, tlsVerify)
	}
}

// within checks that path lies in dir.
func within(dir, path string) error {
	if dir == "" || path == "" {
		return nil
	}
	rel, err := filepath.Rel(dir, path)
	if err != nil || !filepath.IsLocal(rel) {
		return fmt.Errorf("%s: want a file in %s", path, dir)
	}
	return nil
}

// maxSecret is how much of a password file is read, in bytes.
const maxSecret = 4096

// secret returns the password as it is now.
func (s *settings) secret() (secret.String, error) {
	switch {
	case s.passwordEnv != "":
		v, ok := os.LookupEnv(s.passwordEnv)
		if !ok {
			return "", fmt.Errorf("password_env: %s is not set", s.passwordEnv)
		}
		return secret.String(v), nil
	case s.passwordFile != "":
		info, err := os.Stat(s.passwordFile)
		if err == nil && (!info.Mode().IsRegular() || info.Size() > maxSecret) {
			err = fmt.Errorf("%s: want a file of at most %d bytes", s.passwordFile, maxSecret)
		}
		if err != nil {
			return "", fmt.Errorf("password_file: %w", err)
		}
		v, err := s.password.OrFile(s.passwordFile)
		if err != nil {
			return "", fmt.Errorf("password_file: %w", err)
		}
		return v, nil
	default:
		return s.password, nil
	}
}

// secured returns the TLS settings, or nil for plain connections. The files are
// read each time, since certificates are renewed.
func (s *settings) secured() (*tls.Config, error) {
	if s.tls == tlsDisable {
		return nil, nil
	}
	c := &tls.Config{ServerName: s.tlsName, MinVersion: tls.VersionTLS12, InsecureSkipVerify: s.tls != tlsVerify}
	if s.caFile != "" {
		pem, err := os.ReadFile(s.caFile)
		if err != nil {
			return nil, fmt.Errorf("ca_file: %w", err)
		}
		c.RootCAs = x509.NewCertPool()
		if !c.RootCAs.AppendCertsFromPEM(pem) {
			return nil, fmt.Errorf("ca_file: no certificate in %s", s.caFile)
		}
	}
	if s.certFile != "" {
		pair, err := tls.LoadX509KeyPair(s.certFile, s.keyFile)
		if err != nil {
			return nil, fmt.Errorf("cert_file: %w", err)
		}
		c.Certificates = []tls.Certificate{pair}
	}
	if s.tls == tlsVerifyCA {
		c.VerifyConnection = func(cs tls.ConnectionState) error { return verifyChain(cs, c.RootCAs) }
	}
	return c, nil
}

// verifyChain checks who signed the server's certificate, but not its name.
func verifyChain(cs tls.ConnectionState, roots *x509.CertPool) error {
	if len(cs.PeerCertificates) == 0 {
		return errors.New("the server showed no certificate")
	}
	o := x509.VerifyOptions{Roots: roots, Intermediates: x509.NewCertPool()}
	for _, c := range cs.PeerCertificates[1:] {
		o.Intermediates.AddCert(c)
	}
	_, err := cs.PeerCertificates[0].Verify(o)
	return err
}

// verified tells whether the server's identity is checked.
func (s *settings) verified() bool { return s.tls == tlsVerify || s.tls == tlsVerifyCA }

// optionReader reads options and gathers what is wrong with them.
type optionReader struct {
	values map[string]string
	used   map[string]bool
	faults []error
}

func (o *optionReader) fault(format string, args ...any) {
	o.faults = append(o.faults, fmt.Errorf(format, args...))
}

func (o *optionReader) text(name, otherwise string) string {
	o.used[name] = true
	if v := o.values[name]; v != "" {
		return v
	}
	return otherwise
}

// oneOf takes the first allowed value when there is none.
func (o *optionReader) oneOf(name string, allowed ...string) string {
	v := o.text(name, allowed[0])
	if !slices.Contains(allowed, v) {
		o.fault("%s %q: want one of %s", name, v, strings.Join(allowed, ", "))
	}
	return v
}

func (o *optionReader) duration(name string, otherwise time.Duration) time.Duration {
	s := o.text(name, "")
	if s == "" {
		return otherwise
	}
	d, err := time.ParseDuration(s)
	if err != nil || d < 100*time.Millisecond || d > 7*24*time.Hour {
		o.fault("%s %q: want a duration such as 30s, from 100ms to 168h", name, s)
		return otherwise
	}
	return d
}

// err returns all faults, options that nobody asked for among them.
func (o *optionReader) err() error {
	var unknown []string
	for name := range o.values {
		if !o.used[name] {
			unknown = append(unknown, name)
		}
	}
	slices.Sort(unknown)
	for _, name := range unknown {
		o.fault("option %q is not known to input database", name)
	}
	return errors.Join(o.faults...)
}
