//go:build linux

package database_test

import (
	"context"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/faultline/faultline/plugins/bundled/database/pgwire"
)

// pgTemplate is the data directory of a server that was never started, made
// once.
var pgTemplate = sync.OnceValues(func() (string, error) {
	bin, err := programs("/usr/lib/postgresql/*/bin/postgres", "postgresql-15")
	if err != nil {
		return "", err
	}
	attr, chown, err := owner("postgres")
	if err != nil {
		return "", err
	}
	top, err := scratch()
	if err != nil {
		return "", err
	}
	dir := filepath.Join(top, "pg-template")
	pw := filepath.Join(dir, "pw")
	if err := os.Mkdir(dir, 0o755); err != nil {
		return "", err
	}
	if err := os.WriteFile(pw, []byte(adminPassword+"\n"), 0o600); err != nil {
		return "", err
	}
	for _, path := range []string{dir, pw} {
		if err := chown(path); err != nil {
			return "", err
		}
	}
	data := filepath.Join(dir, "data")
	initdb := exec.Command(filepath.Join(bin, "initdb"), "-D", data, "-U", "postgres", "-A", "scram-sha-256", "--pwfile="+pw, "-E", "UTF8", "--locale=C.UTF-8", "--no-sync", "--wal-segsize=1")
	initdb.Dir, initdb.SysProcAttr = dir, attr
	out, err := initdb.CombinedOutput()
	if err != nil {
		err = &exec.Error{Name: string(out), Err: err}
	}
	return data, err
})

// pgServer is a private PostgreSQL server.
type pgServer struct{ *server }

// startPostgres starts a server of its own with the settings, name=value, and
// the users monitor (pg_monitor) and plain.
func startPostgres(t *testing.T, settings ...string) pgServer {
	t.Helper()
	p := newPostgres(t, settings...)
	p.start()
	p.admin(`CREATE ROLE monitor LOGIN PASSWORD '` + monitorPassword + `' IN ROLE pg_monitor; CREATE ROLE plain LOGIN PASSWORD '` + monitorPassword + `';
		CREATE TABLE accounts (id int PRIMARY KEY, owner text); INSERT INTO accounts SELECT i, 'owner ' || i FROM generate_series(1, 100) i`)
	return p
}

// newPostgres prepares a server without starting it.
func newPostgres(t *testing.T, settings ...string) pgServer {
	t.Helper()
	template, err := pgTemplate()
	if err != nil {
		skipOrFail(t, err)
	}
	dir := serverDir(t)
	copyTree(t, template, filepath.Join(dir, "data"))
	return pgAt(t, dir, settings...)
}

// pgAt is a server for the data directory in dir.
func pgAt(t *testing.T, dir string, settings ...string) pgServer {
	t.Helper()
	bin, err := programs("/usr/lib/postgresql/*/bin/postgres", "postgresql-15")
	if err != nil {
		skipOrFail(t, err)
	}
	attr, chown, err := owner("postgres")
	if err == nil {
		err = chown(dir)
	}
	if err != nil {
		skipOrFail(t, err)
	}
	p := pgServer{&server{t: t, dir: dir, port: freePort(t), attr: attr}}
	p.args = []string{filepath.Join(bin, "postgres"), "-D", filepath.Join(dir, "data"), "-p", strconv.Itoa(p.port), "-h", "127.0.0.1", "-k", dir,
		"-c", "fsync=off", "-c", "shared_buffers=16MB", "-c", "max_connections=40", "-c", "min_wal_size=2MB", "-c", "max_wal_size=32MB"}
	for _, s := range settings {
		p.args = append(p.args, "-c", s)
	}
	t.Cleanup(func() { p.stop(syscall.SIGINT) })
	return p
}

func (p pgServer) start() {
	p.t.Helper()
	p.run(func() error {
		c, err := p.login("postgres", adminPassword)
		if err == nil {
			c.Close()
		}
		return err
	})
}

func (p pgServer) login(user, password string) (*pgwire.Conn, error) {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	nc, err := net.Dial("tcp", p.address())
	if err != nil {
		return nil, err
	}
	return pgwire.Login(ctx, nc, pgwire.Config{User: user, Password: password, Database: "postgres", Application: "billing 4711"})
}

// session is a client of a server; Query blocks.
type pgSession struct {
	*pgwire.Conn
	t *testing.T
}

// session logs in as an administrator.
func (p pgServer) session() pgSession {
	p.t.Helper()
	c, err := p.login("postgres", adminPassword)
	if err != nil {
		p.t.Fatal(err)
	}
	p.t.Cleanup(c.Close)
	return pgSession{c, p.t}
}

// do runs statements and returns the first cell.
func (s pgSession) do(sql string) string {
	s.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	r, err := s.Query(ctx, sql)
	if err != nil {
		s.t.Fatalf("%s: %v", sql, err)
	}
	if len(r.Rows) == 0 {
		return ""
	}
	return r.Rows[0][0].Text
}

// later runs statements and does not wait for their end, which may be an error.
func (s pgSession) later(sql string) {
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() { defer close(done); _, _ = s.Query(ctx, sql) }()
	s.t.Cleanup(func() { cancel(); <-done })
}

// admin runs statements in a session of its own.
func (p pgServer) admin(sql string) string {
	p.t.Helper()
	s := p.session()
	defer s.Close()
	return s.do(sql)
}

// watch is an input that looks at the server as user monitor.
func (p pgServer) watch(options ...string) *watch {
	p.t.Helper()
	all := map[string]string{"kind": "postgresql", "user": "monitor", "password": monitorPassword}
	for i := 0; i < len(options); i += 2 {
		all[options[i]] = options[i+1]
		if strings.HasPrefix(options[i], "password_") {
			delete(all, "password")
		}
	}
	var flat []string
	for k, v := range all {
		flat = append(flat, k, v)
	}
	return newWatch(p.t, p.address(), flat...)
}

// waiting is how many sessions wait for a lock.
func (p pgServer) waiting() string {
	return p.admin("SELECT count(*) FROM pg_locks WHERE NOT granted")
}

// writeHBA replaces who may log in how, and has the server read it.
func (p pgServer) writeHBA(lines string) {
	p.t.Helper()
	if err := os.WriteFile(filepath.Join(p.dir, "data", "pg_hba.conf"), []byte(lines+"\n"), 0o600); err != nil {
		p.t.Fatal(err)
	}
	admin := p.session()
	defer admin.Close()
	before := admin.do("SELECT pg_conf_load_time()")
	admin.do("SELECT pg_reload_conf()")
	until(p.t, "the server has read it", func() bool { return admin.do("SELECT pg_conf_load_time()") != before })
}

// standby copies the server as it runs into a replica that is not started yet.
func (p pgServer) standby(settings ...string) pgServer {
	p.t.Helper()
	dir := serverDir(p.t)
	attr, chown, err := owner("postgres")
	if err == nil {
		err = chown(dir)
	}
	if err != nil {
		p.t.Fatal(err)
	}
	p.admin("SELECT pg_create_physical_replication_slot('standby')")
	backup := exec.Command(filepath.Join(filepath.Dir(p.args[0]), "pg_basebackup"), "-D", filepath.Join(dir, "data"), "-R", "-S", "standby", "-X", "stream", "--no-sync", "-c", "fast",
		"-d", "host=127.0.0.1 user=postgres application_name=standby1 port="+strconv.Itoa(p.port))
	backup.Dir, backup.SysProcAttr = dir, attr
	backup.Env = append(os.Environ(), "PGPASSWORD="+adminPassword)
	if out, err := backup.CombinedOutput(); err != nil {
		p.t.Fatalf("pg_basebackup: %v: %s", err, out)
	}
	return pgAt(p.t, dir, settings...)
}
