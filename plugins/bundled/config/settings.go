package config

import (
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/faultline/faultline/internal/secret"
	"github.com/faultline/faultline/plugins/base"
)

// settings are a target's options, checked.
type settings struct {
	vendor   *vendor
	address  string // host:port
	user     string
	password secret.String
	enable   secret.String // of the privileged mode
	keyPass  secret.String

	passwordFile, keyFile string
	hostKey               string // expected fingerprint, SHA256:...; "" is the one first seen
	legacy                bool   // also algorithms that are no longer safe
}

var optionNames = []string{"vendor", "username", "password", "password_file", "enable_password", "key_file", "key_password", "host_key", "legacy"}

// settings reads a target and returns every fault of it.
func (in *Input) settings(t base.Target) (*settings, error) {
	var faults []error
	fault := func(format string, args ...any) { faults = append(faults, fmt.Errorf(format, args...)) }
	for name := range t.Options {
		if !slices.Contains(optionNames, name) {
			fault("option %q is not known; there are %s", name, strings.Join(optionNames, ", "))
		}
	}
	o := t.Options
	s := &settings{vendor: in.vendors[o["vendor"]], user: o["username"], password: secret.String(o["password"]), enable: secret.String(o["enable_password"]),
		keyPass: secret.String(o["key_password"]), passwordFile: o["password_file"], keyFile: o["key_file"], hostKey: o["host_key"]}
	if s.vendor == nil {
		fault("vendor %q: want one of %s", o["vendor"], strings.Join(slices.Sorted(maps.Keys(in.vendors)), ", "))
	}
	if s.user == "" {
		fault("username is missing")
	}
	if s.password == "" && s.passwordFile == "" && s.keyFile == "" {
		fault("one of password, password_file and key_file is needed")
	}
	if s.password != "" && s.passwordFile != "" {
		fault("only one of password and password_file may be given")
	}
	if s.hostKey != "" && !strings.HasPrefix(s.hostKey, "SHA256:") {
		fault("host_key %q: want a fingerprint SHA256:...", s.hostKey)
	}
	var err error
	if s.legacy, err = strconv.ParseBool(orFalse(o["legacy"])); err != nil {
		fault("legacy %q: want true or false", o["legacy"])
	}
	host, port, err := net.SplitHostPort(t.Address)
	if err != nil {
		host, port = strings.Trim(t.Address, "[]"), "22"
	}
	if n, err := strconv.ParseUint(port, 10, 16); host == "" || err != nil || n == 0 {
		fault("address %q: want a host, or host:port", t.Address)
	}
	s.address = net.JoinHostPort(host, port)
	return s, errors.Join(faults...)
}

func orFalse(s string) string {
	if s == "" {
		return "false"
	}
	return s
}

// secretFile reads a file that a target names.
func (in *Input) secretFile(path string) ([]byte, error) {
	const most = 64 << 10
	var f io.ReadCloser
	var err error
	if in.opts.SecretDir == "" {
		f, err = os.Open(path)
	} else {
		var root *os.Root
		if root, err = os.OpenRoot(in.opts.SecretDir); err != nil {
			return nil, err
		}
		defer func() { _ = root.Close() }()
		name := path
		if filepath.IsAbs(path) {
			if name, err = filepath.Rel(in.opts.SecretDir, path); err != nil {
				return nil, err
			}
		}
		f, err = root.Open(name)
	}
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return io.ReadAll(io.LimitReader(f, most))
}
