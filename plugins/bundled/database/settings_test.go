//go:build linux

package database_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/faultline/faultline/plugins/base"
	"github.com/faultline/faultline/plugins/bundled/database"
)

func TestCheckTarget(t *testing.T) {
	dir := t.TempDir()
	for _, c := range []struct {
		name, address string
		options       map[string]string
		want          string // "" is right
	}{
		{"least", "10.1.0.40", map[string]string{"kind": "postgresql"}, ""},
		{"port", "10.1.0.40:6432", map[string]string{"kind": "mariadb", "user": "m", "password": "p"}, ""},
		{"IPv6", "[fd00::1]:5432", map[string]string{"kind": "postgres"}, ""},
		{"everything", "db.example", map[string]string{"kind": "mysql", "user": "m", "database": "d", "password_file": filepath.Join(dir, "p"), "tls": "verify-full",
			"ca_file": "/etc/ca", "cert_file": "/etc/c", "key_file": filepath.Join(dir, "k"), "server_name": "n", "blocked_after": "1s", "slow_after": "1m",
			"long_after": "1h", "statement_timeout": "2s", "details_every": "5m"}, ""},
		{"kind", "a", map[string]string{"kind": "oracle"}, `kind "oracle": want postgresql, mysql or mariadb`},
		{"no address", "", map[string]string{"kind": "mysql"}, `address "": want host or host:port`},
		{"bad port", "a:b", map[string]string{"kind": "mysql"}, `address "a:b"`},
		{"socket", "/run/mysqld.sock", map[string]string{"kind": "mysql"}, "want host or host:port"},
		{"unknown option", "a", map[string]string{"kind": "mysql", "paswword": "x"}, `option "paswword" is not known`},
		{"duration", "a", map[string]string{"kind": "mysql", "slow_after": "30"}, `slow_after "30": want a duration`},
		{"tls", "a", map[string]string{"kind": "mysql", "tls": "yes"}, `tls "yes": want one of prefer, disable`},
		{"useless authority", "a", map[string]string{"kind": "mysql", "ca_file": "/etc/ca"}, "ca_file is of no use with tls prefer"},
		{"half a pair", "a", map[string]string{"kind": "mysql", "cert_file": "/etc/c"}, "belong together"},
		{"two passwords", "a", map[string]string{"kind": "mysql", "password": "x", "password_env": "FAULTLINE_X"}, "only one of"},
		{"foreign variable", "a", map[string]string{"kind": "mysql", "password_env": "AWS_SECRET_ACCESS_KEY"}, "begins with FAULTLINE_"},
		{"foreign file", "a", map[string]string{"kind": "mysql", "password_file": "/etc/shadow"}, "want a file in"},
		{"a way out", "a", map[string]string{"kind": "mysql", "password_file": dir + "/../../etc/shadow"}, "want a file in"},
		{"heartbeat and backups", "a", map[string]string{"kind": "mysql", "heartbeat": "ops.heartbeat", "backup_max_age": "26h"}, ""},
		{"heartbeat", "a", map[string]string{"kind": "mysql", "heartbeat": "ops.heartbeat; DROP TABLE x"}, "want schema.table"},
		{"heartbeat of PostgreSQL", "a", map[string]string{"kind": "postgresql", "heartbeat": "ops.heartbeat"}, `option "heartbeat" is not known`},
		{"two faults", "", map[string]string{"kind": "x"}, "address"},
	} {
		t.Run(c.name, func(t *testing.T) {
			in := database.New(database.Options{SecretDir: dir})
			err := in.CheckTarget(base.Target{ID: "t", Address: c.address, Options: c.options})
			if c.want == "" && err != nil || c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)) {
				t.Errorf("got %v, want %q", err, c.want)
			}
		})
	}
}

// A password file may be anything by name; what is read is small and a file.
func TestPasswordFileIsBounded(t *testing.T) {
	big := filepath.Join(t.TempDir(), "big")
	if err := os.WriteFile(big, make([]byte, 5000), 0o600); err != nil {
		t.Fatal(err)
	}
	address := fmt.Sprintf("127.0.0.1:%d", listen(t))
	for _, path := range []string{big, t.TempDir(), "/dev/zero"} {
		w := newWatch(t, address, "kind", "postgresql", "password_file", path)
		w.bad("settings", "want a file of at most 4096 bytes")
	}
}

// After Close nothing is asked.
func TestClose(t *testing.T) {
	in := database.New(database.Options{})
	in.Close()
	in.Close()
	ctx, cancel := context.WithTimeout(t.Context(), time.Second)
	defer cancel()
	if err := in.Gather(ctx, base.Target{ID: "t", Address: "127.0.0.1", Options: map[string]string{"kind": "mysql"}}, &sink{}); err == nil {
		t.Error("asked after Close")
	}
}

// What answers is no database.
func TestForeignServer(t *testing.T) {
	for _, c := range []struct{ name, greeting, kind, reason string }{
		{"silent", "", "postgresql", "timeout"},
		{"silent", "", "mysql", "timeout"},
		{"SSH", "SSH-2.0-OpenSSH_9.2\r\n", "postgresql", "lost"},
		{"SSH", "SSH-2.0-OpenSSH_9.2\r\n", "mysql", "other"},
		{"HTTP", "\x05\x00\x00\x00HTTP/", "mysql", "other"}, // the driver panics at it
	} {
		t.Run(c.name+" "+c.kind, func(t *testing.T) {
			w := newWatch(t, fmt.Sprintf("127.0.0.1:%d", serve(t, c.greeting)), "kind", c.kind, "tls", "disable")
			s, err := w.gatherWithin(time.Second)
			w.isBad(s, err, c.reason)
			w.want(s, 1, "faultline_database_port_open")
			w.want(s, 0, "faultline_database_login_success")
		})
	}
}

// MySQL blocks a host that has broken off a hundred logins: a server that takes
// connections and is silent is not asked at every poll.
func TestSilentServerIsSpared(t *testing.T) {
	w := newWatch(t, fmt.Sprintf("127.0.0.1:%d", listen(t)), "kind", "mysql")
	begin := time.Now()
	for second := 0; second < 120; second += 5 {
		w.setClock(begin.Add(time.Duration(second) * time.Second))
		s, err := w.gatherWithin(200 * time.Millisecond)
		w.isBad(s, err, "timeout")
	}
	if n := w.dialled(); n < 8 || n > 12 {
		t.Errorf("%d logins in two minutes, 24 polls", n)
	}
}
