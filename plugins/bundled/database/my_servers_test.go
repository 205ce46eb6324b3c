//go:build linux

package database_test

import (
	"context"
	"database/sql"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/go-sql-driver/mysql"
)

// myTemplate is the data directory of a MariaDB server that was never started,
// made once.
var myTemplate = sync.OnceValues(func() (string, error) {
	if _, err := exec.LookPath("mariadb-install-db"); err != nil {
		return "", fmt.Errorf("%w: mariadb-install-db (apt-get install mariadb-server)", errMissing)
	}
	attr, chown, err := owner("mysql")
	if err != nil {
		return "", err
	}
	top, err := scratch()
	if err != nil {
		return "", err
	}
	dir := filepath.Join(top, "my-template")
	if err := os.Mkdir(dir, 0o755); err != nil {
		return "", err
	}
	if err := chown(dir); err != nil {
		return "", err
	}
	install := exec.Command("mariadb-install-db", "--no-defaults", "--datadir="+filepath.Join(dir, "data"), "--auth-root-authentication-method=normal", "--skip-test-db",
		"--innodb-log-file-size=8M")
	install.Dir, install.SysProcAttr = dir, attr
	if out, err := install.CombinedOutput(); err != nil {
		return "", fmt.Errorf("mariadb-install-db: %w: %s", err, out)
	}
	return filepath.Join(dir, "data"), nil
})

// myServer is a private MariaDB server.
type myServer struct{ *server }

// Grants that the documentation asks for.
const leastGrants = "GRANT PROCESS, REPLICATION CLIENT, SLAVE MONITOR ON *.* TO monitor@'%'; GRANT SELECT ON performance_schema.* TO monitor@'%'"

// startMariaDB starts a server with the options, name=value, the users admin,
// monitor (as documented) and plain, and a database shop.
func startMariaDB(t *testing.T, options ...string) myServer {
	t.Helper()
	m := newMariaDB(t, options...)
	m.start()
	m.root("DELETE FROM mysql.global_priv WHERE User = ''; FLUSH PRIVILEGES; " +
		"CREATE USER admin@'%' IDENTIFIED BY '" + adminPassword + "'; GRANT ALL ON *.* TO admin@'%' WITH GRANT OPTION; CREATE USER monitor@'%' IDENTIFIED BY '" + monitorPassword +
		"'; " + leastGrants + "; CREATE USER plain@'%' IDENTIFIED BY '" + monitorPassword +
		"'; CREATE DATABASE shop; CREATE TABLE shop.accounts (id int PRIMARY KEY, owner varchar(40)) ENGINE=InnoDB; INSERT INTO shop.accounts VALUES (1, 1), (2, 2), (3, 3)")
	return m
}

func newMariaDB(t *testing.T, options ...string) myServer {
	t.Helper()
	template, err := myTemplate()
	if err != nil {
		skipOrFail(t, err)
	}
	attr, chown, err := owner("mysql")
	dir := serverDir(t)
	if err == nil {
		err = chown(dir)
	}
	if err != nil {
		skipOrFail(t, err)
	}
	copyTree(t, template, filepath.Join(dir, "data"))
	bin, err := exec.LookPath("mariadbd")
	if err != nil {
		bin = "/usr/sbin/mariadbd"
	}
	m := myServer{&server{t: t, dir: dir, port: freePort(t), attr: attr}}
	m.args = []string{bin, "--no-defaults", "--datadir=" + filepath.Join(dir, "data"), "--port=" + strconv.Itoa(m.port), "--bind-address=127.0.0.1",
		"--socket=" + m.socket(), "--pid-file=" + filepath.Join(dir, "pid"), "--innodb-flush-log-at-trx-commit=0", "--innodb-buffer-pool-size=16M",
		"--innodb-log-file-size=8M", "--skip-name-resolve"}
	for _, o := range options {
		m.args = append(m.args, "--"+o)
	}
	t.Cleanup(func() { m.stop(syscall.SIGTERM) })
	return m
}

func (m myServer) socket() string { return filepath.Join(m.dir, "s") }

func (m myServer) start() {
	m.t.Helper()
	m.run(func() error {
		db := m.open("root", "", "unix", m.socket())
		defer db.Close()
		return db.Ping()
	})
}

func (m myServer) open(user, password, network, address string) *sql.DB {
	m.t.Helper()
	c := mysql.NewConfig()
	c.User, c.Passwd, c.Net, c.Addr = user, password, network, address
	c.MultiStatements, c.Logger = true, &mysql.NopLogger{}
	connector, err := mysql.NewConnector(c)
	if err != nil {
		m.t.Fatal(err)
	}
	return sql.OpenDB(connector)
}

// root runs statements as the server's owner.
func (m myServer) root(statements string) {
	m.t.Helper()
	db := m.open("root", "", "unix", m.socket())
	defer db.Close()
	if _, err := db.Exec(statements); err != nil {
		m.t.Fatalf("%s: %v", statements, err)
	}
}

// mySession is one client of a server.
type mySession struct {
	t    *testing.T
	conn *sql.Conn
}

func (m myServer) session() mySession { return m.sessionOf("admin", adminPassword) }

func (m myServer) sessionOf(user, password string) mySession {
	m.t.Helper()
	db := m.open(user, password, "tcp", m.address())
	conn, err := db.Conn(context.Background())
	if err != nil {
		m.t.Fatal(err)
	}
	m.t.Cleanup(func() { _ = conn.Close(); _ = db.Close() })
	return mySession{m.t, conn}
}

// do runs statements.
func (s mySession) do(statements string) {
	s.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	if _, err := s.conn.ExecContext(ctx, statements); err != nil {
		s.t.Fatalf("%s: %v", statements, err)
	}
}

// get returns the one value a query answers with, as text.
func (s mySession) get(query string) string {
	s.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	var v sql.NullString
	if err := s.conn.QueryRowContext(ctx, query).Scan(&v); err != nil {
		s.t.Fatalf("%s: %v", query, err)
	}
	return v.String
}

// later runs a statement and does not wait for its end, which may be an error.
func (s mySession) later(statement string) {
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() { defer close(done); _, _ = s.conn.ExecContext(ctx, statement) }()
	s.t.Cleanup(func() { cancel(); <-done })
}

// watch is an input that looks at the server as user monitor.
func (m myServer) watch(options ...string) *watch {
	m.t.Helper()
	return newWatch(m.t, m.address(), append([]string{"kind", "mariadb", "user", "monitor", "password", monitorPassword}, options...)...)
}
