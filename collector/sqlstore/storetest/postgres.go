//go:build unix

package storetest

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	_ "github.com/jackc/pgx/v5/stdlib" // the driver "pgx"
)

// Postgres is a private PostgreSQL server on a free loopback port.
type Postgres struct {
	dir  string
	port int
	cmd  *exec.Cmd
	dbs  atomic.Int64
}

// ErrNoPostgres says that the server's programs are not installed here, or that
// this user may not run them.
var ErrNoPostgres = errors.New("no PostgreSQL server programs (apt-get install postgresql-15)")

const postgresPassword = "storetest"

// StartPostgres makes and starts a server in a new temporary directory. Stop
// ends it. As root it runs as the user postgres, which the server insists on.
func StartPostgres() (*Postgres, error) {
	bin, err := postgresBin()
	if err != nil {
		return nil, err
	}
	dir, err := os.MkdirTemp("", "faultline-postgres-")
	if err != nil {
		return nil, err
	}
	p := &Postgres{dir: dir}
	if err := p.start(bin); err != nil {
		p.Stop()
		return nil, fmt.Errorf("start postgres: %w", err)
	}
	return p, nil
}

// postgresBin is the directory of the newest installed server.
func postgresBin() (string, error) {
	found, err := filepath.Glob("/usr/lib/postgresql/*/bin/postgres")
	if err != nil || len(found) == 0 {
		return "", ErrNoPostgres
	}
	slices.Sort(found)
	return filepath.Dir(found[len(found)-1]), nil
}

func (p *Postgres) start(bin string) error {
	attr, owner, err := serverUser()
	if err != nil {
		return err
	}
	pw := filepath.Join(p.dir, "pw")
	if err := os.WriteFile(pw, []byte(postgresPassword+"\n"), 0o600); err != nil {
		return err
	}
	if owner != nil {
		if err := errors.Join(os.Chown(p.dir, owner.uid, owner.gid), os.Chown(pw, owner.uid, owner.gid)); err != nil {
			return err
		}
	}
	data := filepath.Join(p.dir, "data")
	initdb := exec.Command(filepath.Join(bin, "initdb"), "-D", data, "-U", "postgres", "-A", "scram-sha-256", "--pwfile="+pw,
		"-E", "UTF8", "--locale=C.UTF-8", "--no-sync")
	initdb.Dir, initdb.SysProcAttr = p.dir, attr
	if out, err := initdb.CombinedOutput(); err != nil {
		return fmt.Errorf("initdb: %w: %s", err, out)
	}
	if p.port, err = freePort(); err != nil {
		return err
	}
	log, err := os.Create(filepath.Join(p.dir, "log"))
	if err != nil {
		return err
	}
	defer func() { _ = log.Close() }()
	p.cmd = exec.Command(filepath.Join(bin, "postgres"), "-D", data, "-p", strconv.Itoa(p.port), "-h", "127.0.0.1", "-k", p.dir,
		"-c", "fsync=off", "-c", "synchronous_commit=off", "-c", "full_page_writes=off", "-c", "max_connections=200")
	p.cmd.Dir, p.cmd.SysProcAttr, p.cmd.Stdout, p.cmd.Stderr = p.dir, attr, log, log
	if err := p.cmd.Start(); err != nil {
		return err
	}
	return p.await()
}

type serverOwner struct{ uid, gid int }

// serverUser returns how to run the server: as postgres when we are root.
func serverUser() (*syscall.SysProcAttr, *serverOwner, error) {
	if os.Geteuid() != 0 {
		return &syscall.SysProcAttr{}, nil, nil
	}
	u, err := user.Lookup("postgres")
	if err != nil {
		return nil, nil, ErrNoPostgres
	}
	uid, err1 := strconv.Atoi(u.Uid)
	gid, err2 := strconv.Atoi(u.Gid)
	if err := errors.Join(err1, err2); err != nil {
		return nil, nil, err
	}
	attr := &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}}
	return attr, &serverOwner{uid, gid}, nil
}

// await returns when the server answers.
func (p *Postgres) await() error {
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	db, err := sql.Open("pgx", p.url("postgres"))
	if err != nil {
		return err
	}
	defer func() { _ = db.Close() }()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		if err = db.PingContext(ctx); err == nil {
			return nil
		}
		select {
		case <-ctx.Done():
			log, _ := os.ReadFile(filepath.Join(p.dir, "log"))
			return fmt.Errorf("no answer: %w: %s", err, log)
		case <-tick.C:
		}
	}
}

func (p *Postgres) url(database string) string {
	return fmt.Sprintf("postgres://postgres:%s@127.0.0.1:%d/%s?sslmode=disable", postgresPassword, p.port, database)
}

// URL makes an empty database and returns its address for sqlstore.Open.
func (p *Postgres) URL(t testing.TB) string {
	t.Helper()
	name := "t" + strconv.FormatInt(p.dbs.Add(1), 10)
	db, err := sql.Open("pgx", p.url("postgres"))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = db.Close() }()
	if _, err := db.Exec("CREATE DATABASE " + name); err != nil {
		t.Fatalf("create database: %v", err)
	}
	return p.url(name)
}

// Stop ends the server and removes its directory.
func (p *Postgres) Stop() {
	if p.cmd != nil && p.cmd.Process != nil {
		_ = p.cmd.Process.Signal(syscall.SIGINT) // fast shutdown
		_ = p.cmd.Wait()
	}
	_ = os.RemoveAll(p.dir)
}

// freePort asks the system for a port nobody uses at the moment.
func freePort() (int, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return 0, err
	}
	port := l.Addr().(*net.TCPAddr).Port
	return port, l.Close()
}

// SkipOrFail ends a test that needs a server: a skip here, a failure in CI,
// where nothing may be skipped.
func SkipOrFail(t testing.TB, err error) {
	t.Helper()
	if errors.Is(err, ErrNoPostgres) && !strings.EqualFold(os.Getenv("CI"), "true") {
		t.Skip(err)
	}
	t.Fatal(err)
}
