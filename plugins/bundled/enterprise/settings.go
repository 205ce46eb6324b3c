package enterprise

import (
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

// The kinds of databases.
const (
	oracle    = "oracle"
	sqlServer = "sqlserver"
)

// settings are a target's options, checked.
type settings struct {
	kind, address, host string
	port                int
	user, service       string // service of Oracle, database of SQL Server
	password            secret.String
	passwordFile        string
	tls                 string
	slowAfter, details  time.Duration
	backupAge           time.Duration // 0: backups are not judged
}

// Login is what a connection needs.
type Login struct {
	Kind, Host, User, Service, TLS string // TLS: disable, require, verify-full
	Port                           int
	Password                       secret.String
}

const maxSecret = 4096 // of a password's file, in bytes

func parseSettings(t base.Target, secretDir string) (s settings, err error) {
	var faults []error
	fault := func(format string, args ...any) { faults = append(faults, fmt.Errorf(format, args...)) }
	used := map[string]bool{}
	text := func(name, otherwise string) string {
		used[name] = true
		if v := t.Options[name]; v != "" {
			return v
		}
		return otherwise
	}
	duration := func(name string, otherwise time.Duration) time.Duration {
		d, err := time.ParseDuration(text(name, otherwise.String()))
		if err != nil || d < 0 || d > 90*24*time.Hour {
			fault("%s: want a duration such as 30s or 26h", name)
		}
		return d
	}
	s = settings{kind: text("kind", ""), user: text("user", "faultline"), password: secret.String(text("password", "")), passwordFile: text("password_file", ""),
		slowAfter: duration("slow_after", 30*time.Second), details: duration("details_every", time.Minute), backupAge: duration("backup_max_age", 0)}
	port := "1521"
	switch s.kind {
	case oracle:
		s.tls = text("tls", "disable")
		if s.service = text("service", ""); s.service == "" {
			fault("service is missing: the service's name, as in lsnrctl status")
		}
	case sqlServer:
		port = "1433"
		s.service, s.tls = text("database", "master"), text("tls", "require")
	default:
		fault("kind %q: want oracle or sqlserver", s.kind)
		s.tls = "disable"
	}
	if !slices.Contains([]string{"disable", "require", "verify-full"}, s.tls) {
		fault("tls %q: want disable, require or verify-full", s.tls)
	}
	if s.password != "" && s.passwordFile != "" {
		fault("only one of password and password_file may be given")
	}
	if rel, err := filepath.Rel(secretDir, s.passwordFile); secretDir != "" && s.passwordFile != "" && (err != nil || !filepath.IsLocal(rel)) {
		fault("password_file: %s: want a file in %s", s.passwordFile, secretDir)
	}
	host, p, err := net.SplitHostPort(t.Address)
	if err != nil {
		host, p = strings.Trim(t.Address, "[]"), port
	}
	if s.port, err = strconv.Atoi(p); err != nil || s.port < 1 || s.port > 65535 || host == "" || strings.ContainsAny(host, "/ @?") {
		fault("address %q: want host or host:port", t.Address)
	}
	s.host, s.address = host, net.JoinHostPort(host, p)
	for name := range t.Options {
		if !used[name] {
			fault("option %q is not known to input enterprise_database with kind %q", name, s.kind)
		}
	}
	return s, errors.Join(faults...)
}

// login is the settings with the password as it is now.
func (s settings) login() (Login, error) {
	l := Login{Kind: s.kind, Host: s.host, Port: s.port, User: s.user, Service: s.service, TLS: s.tls, Password: s.password}
	if s.passwordFile == "" {
		return l, nil
	}
	info, err := os.Stat(s.passwordFile)
	if err == nil && (!info.Mode().IsRegular() || info.Size() > maxSecret) {
		err = fmt.Errorf("%s: want a file of at most %d bytes", s.passwordFile, maxSecret)
	}
	if err != nil {
		return l, fmt.Errorf("password_file: %w", err)
	}
	b, err := os.ReadFile(s.passwordFile)
	l.Password = secret.String(strings.TrimSpace(string(b)))
	return l, err
}
