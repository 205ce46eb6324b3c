package option

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/faultline/faultline/internal/secret"
)

// EnvPrefix begins the names of environment variables that targets may use as
// secrets, so that none can be had that is meant for something else.
const EnvPrefix = "FAULTLINE_"

const (
	maxSecret = 4096    // of a secret's file, in bytes
	maxPEM    = 1 << 20 // of a file of certificates, in bytes
)

// Secret is where a target's password or token comes from.
type Secret struct {
	name, file, env string
	value           secret.String
}

// Secret reads NAME, NAME_file and NAME_env, of which one may be given. Files
// must lie in dir: targets come from the collector, files are the agent's. An
// empty dir allows any.
func (r *Reader) Secret(name, dir string) Secret {
	s := Secret{name: name, value: secret.String(r.Text(name, "")), file: r.Text(name+"_file", ""), env: r.Text(name+"_env", "")}
	given := 0
	for _, v := range []string{string(s.value), s.file, s.env} {
		if v != "" {
			given++
		}
	}
	if given > 1 {
		r.Fault("only one of %s, %[1]s_file and %[1]s_env may be given", name)
	}
	if s.env != "" && !strings.HasPrefix(s.env, EnvPrefix) {
		r.Fault("%s_env %q: want a name that begins with %s", name, s.env, EnvPrefix)
	}
	r.within(name+"_file", dir, s.file)
	return s
}

func (r *Reader) within(name, dir, path string) {
	if dir == "" || path == "" {
		return
	}
	if rel, err := filepath.Rel(dir, path); err != nil || !filepath.IsLocal(rel) {
		r.Fault("%s: %s: want a file in %s", name, path, dir)
	}
}

// Given tells whether there is a secret at all.
func (s Secret) Given() bool { return s.value != "" || s.file != "" || s.env != "" }

// Value returns the secret as it is now: files change.
func (s Secret) Value() (secret.String, error) {
	switch {
	case s.env != "":
		v, ok := os.LookupEnv(s.env)
		if !ok {
			return "", fmt.Errorf("%s_env: %s is not set", s.name, s.env)
		}
		return secret.String(v), nil
	case s.file != "":
		b, err := small(s.file, maxSecret)
		if err != nil {
			return "", fmt.Errorf("%s_file: %w", s.name, err)
		}
		return secret.String(strings.TrimSpace(string(b))), nil
	}
	return s.value, nil
}

// small reads a regular file of at most so many bytes.
func small(path string, most int64) ([]byte, error) {
	info, err := os.Stat(path)
	if err == nil && (!info.Mode().IsRegular() || info.Size() > most) {
		err = fmt.Errorf("%s: want a file of at most %d bytes", path, most)
	}
	if err != nil {
		return nil, err
	}
	return os.ReadFile(path)
}

// TLS says how a connection is secured.
type TLS struct {
	caFile, certFile, keyFile, name string
	insecure                        bool
}

// TLS reads ca_file, cert_file, key_file, server_name and insecure. The key's
// file must lie in dir.
func (r *Reader) TLS(dir string) TLS {
	t := TLS{caFile: r.Path("ca_file", false), certFile: r.Path("cert_file", false), keyFile: r.Path("key_file", false),
		name: r.Text("server_name", ""), insecure: r.Flag("insecure", false)}
	if (t.certFile == "") != (t.keyFile == "") {
		r.Fault("cert_file and key_file belong together")
	}
	if t.insecure && t.caFile != "" {
		r.Fault("ca_file is of no use with insecure")
	}
	r.within("key_file", dir, t.keyFile)
	return t
}

// Config returns the settings for a connection. The files are read each time,
// since certificates are renewed.
func (t TLS) Config() (*tls.Config, error) {
	c := &tls.Config{ServerName: t.name, MinVersion: tls.VersionTLS12, InsecureSkipVerify: t.insecure}
	if t.caFile != "" {
		pem, err := small(t.caFile, maxPEM)
		if err != nil {
			return nil, fmt.Errorf("ca_file: %w", err)
		}
		c.RootCAs = x509.NewCertPool()
		if !c.RootCAs.AppendCertsFromPEM(pem) {
			return nil, fmt.Errorf("ca_file: no certificate in %s", t.caFile)
		}
	}
	if t.certFile != "" {
		pair, err := tls.LoadX509KeyPair(t.certFile, t.keyFile)
		if err != nil {
			return nil, fmt.Errorf("cert_file: %w", err)
		}
		c.Certificates = []tls.Certificate{pair}
	}
	return c, nil
}
