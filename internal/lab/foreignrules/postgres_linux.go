package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/faultline/faultline/plugins/base"
	"github.com/faultline/faultline/plugins/bundled/database"
	"github.com/faultline/faultline/plugins/bundled/database/pgwire"
)

const secretOfTheLab = "only-on-this-loopback"

// pgPlay is a private PostgreSQL server with an application's database, shop.
type pgPlay struct {
	*private
	bin     string
	h       *theatre
	in      *database.Input
	standby *private
	apps    []*pgwire.Conn // the application's idle sessions
	held    []*pgwire.Conn
	worker  *pgwire.Conn
}

// login opens a session; those of the lab are bounded in time by ctx only.
func (p *pgPlay) login(ctx context.Context, at *private, db string) (*pgwire.Conn, error) {
	nc, err := (&net.Dialer{}).DialContext(ctx, "tcp", at.address())
	if err != nil {
		return nil, err
	}
	return pgwire.Login(ctx, nc, pgwire.Config{User: "postgres", Password: secretOfTheLab, Database: db, Application: "shop"})
}

// run runs statements, each by itself, in a session of its own.
func (p *pgPlay) run(ctx context.Context, at *private, db string, statements ...string) error {
	c, err := p.login(ctx, at, db)
	if err != nil {
		return err
	}
	defer c.Close()
	for _, s := range statements {
		if _, err := c.Query(ctx, s); err != nil {
			return fmt.Errorf("%.80s: %w", s, err)
		}
	}
	return nil
}

func newPgPlay(ctx context.Context, h *theatre) (*pgPlay, error) {
	bin, err := program("/usr/lib/postgresql/*/bin/postgres", "postgresql-15")
	if err != nil {
		return nil, err
	}
	server, err := newPrivate("postgres")
	if err != nil {
		return nil, err
	}
	p := &pgPlay{private: server, bin: filepath.Dir(bin), h: h, in: database.New(database.Options{Now: h.clock})}
	pw := filepath.Join(p.dir, "pw")
	if err := os.WriteFile(pw, []byte(secretOfTheLab+"\n"), 0o644); err != nil {
		return p, err
	}
	if err := p.tool(ctx, nil, filepath.Join(p.bin, "initdb"), "-D", filepath.Join(p.dir, "data"), "-U", "postgres", "-A", "scram-sha-256", "--pwfile="+pw, "-E", "UTF8",
		"--locale=C.UTF-8", "--no-sync"); err != nil {
		return p, err
	}
	p.args = p.command(p.private)
	if err := p.start(ctx, p.ready(p.private)); err != nil {
		return p, err
	}
	p.watch(p.private, "db1")
	return p, p.run(ctx, p.private, "postgres", "CREATE ROLE monitor LOGIN PASSWORD '"+secretOfTheLab+"' IN ROLE pg_monitor", "CREATE DATABASE shop")
}

func (p *pgPlay) command(s *private) []string {
	args := []string{filepath.Join(p.bin, "postgres"), "-D", filepath.Join(s.dir, "data"), "-p", strconv.Itoa(s.port), "-h", "127.0.0.1", "-k", s.dir}
	for _, o := range []string{"fsync=off", "synchronous_commit=off", "shared_buffers=16MB", "max_connections=40", "deadlock_timeout=10ms", "autovacuum_naptime=1s", "max_wal_size=2GB",
		"checkpoint_timeout=1h", "max_locks_per_transaction=64"} {
		args = append(args, "-c", o)
	}
	return args
}

func (p *pgPlay) ready(s *private) func(context.Context) error {
	return func(ctx context.Context) error { return p.run(ctx, s, "postgres", "SELECT 1") }
}

// watch has the agent's input look at a server, with the labels of a target.
func (p *pgPlay) watch(s *private, device string) {
	p.h.targets = append(p.h.targets, measured{in: p.in, target: base.Target{ID: device, Input: "database", Address: s.address(),
		Options: map[string]string{"kind": "postgresql", "user": "monitor", "password": secretOfTheLab, "statement_timeout": "5s"}},
		labels: map[string]string{"job": "database", "instance": device, "device": device, "site": "lab", "component": "postgresql:5432", "role": "database"}})
}

func (p *pgPlay) close() {
	p.in.Close()
	for _, s := range []*private{p.private, p.standby} {
		if s != nil {
			s.remove()
		}
	}
}

// open opens n idle sessions in shop.
func (p *pgPlay) open(ctx context.Context, n int, to *[]*pgwire.Conn) error {
	for range n {
		c, err := p.login(ctx, p.private, "shop")
		if err != nil {
			return err
		}
		*to = append(*to, c)
	}
	return nil
}

func closeAll(list *[]*pgwire.Conn) {
	for _, c := range *list {
		c.Close()
	}
	*list = nil
}

// work is what the application does between two readings: more than five
// transactions a second, all committed, from memory.
func (p *pgPlay) work(ctx context.Context) error {
	if p.worker == nil || p.worker.Broken() {
		c, err := p.login(ctx, p.private, "shop")
		if err != nil {
			return err
		}
		p.worker = c
	}
	return p.say(ctx, p.worker, "CALL works(150)")
}

// say runs a statement and has its statistics seen at once.
func (p *pgPlay) say(ctx context.Context, c *pgwire.Conn, statement string) error {
	if _, err := c.Query(ctx, statement); err != nil {
		return err
	}
	_, err := c.Query(ctx, "SELECT pg_stat_force_next_flush()")
	return err
}

func (p *pgPlay) settle(ctx context.Context) error {
	if err := p.run(ctx, p.private, "shop", "CREATE TABLE small (id int PRIMARY KEY, n int); INSERT INTO small SELECT i, 0 FROM generate_series(1, 100) i",
		"CREATE TABLE big AS SELECT i AS id, repeat('x', 500) AS filler FROM generate_series(1, 120000) i",
		"CREATE PROCEDURE works(many int) LANGUAGE plpgsql AS 'BEGIN FOR i IN 1..many LOOP UPDATE small SET n = n + 1 WHERE id = 1 + i % 100; COMMIT; END LOOP; END'"); err != nil {
		return err
	}
	return p.open(ctx, 6, &p.apps)
}

// deadlocks has two sessions wait for each other, three times.
func (p *pgPlay) deadlocks(ctx context.Context) error {
	var two []*pgwire.Conn
	defer closeAll(&two)
	if err := p.open(ctx, 2, &two); err != nil {
		return err
	}
	for range 3 {
		for i, c := range two {
			if _, err := c.Query(ctx, fmt.Sprintf("BEGIN; UPDATE small SET n = 0 WHERE id = %d", i+1)); err != nil {
				return err
			}
		}
		ends := make(chan error, 2)
		for i, c := range two {
			go func() { _, err := c.Query(ctx, fmt.Sprintf("UPDATE small SET n = 0 WHERE id = %d", 2-i)); ends <- err }()
		}
		if err := errors.Join(<-ends, <-ends); err == nil || !strings.Contains(err.Error(), "40P01") {
			return fmt.Errorf("two sessions that wait for each other ended with %w", errors.Join(err, errors.New("no deadlock")))
		}
		for _, c := range two {
			if _, err := c.Query(ctx, "ROLLBACK"); err != nil {
				return err
			}
		}
	}
	return nil // their statistics are written when the sessions end
}

// withStandby copies the server into one that follows it.
func (p *pgPlay) withStandby(ctx context.Context) error {
	s, err := newPrivate("postgres")
	if err != nil {
		return err
	}
	p.standby = s
	if err := p.run(ctx, p.private, "postgres", "SELECT pg_create_physical_replication_slot('standby')"); err != nil {
		return err
	}
	if err := p.tool(ctx, []string{"PGPASSWORD=" + secretOfTheLab}, filepath.Join(p.bin, "pg_basebackup"), "-D", filepath.Join(s.dir, "data"), "-R", "-S", "standby", "-X", "stream", "--no-sync",
		"-c", "fast", "-d", "host=127.0.0.1 user=postgres port="+strconv.Itoa(p.port)); err != nil {
		return err
	}
	s.args = p.command(s)
	if err := s.start(ctx, p.ready(s)); err != nil {
		return err
	}
	p.watch(s, "db2")
	return nil
}

// lag stops the standby's replay and writes what it would have to replay.
func (p *pgPlay) lag(ctx context.Context) error {
	if err := p.run(ctx, p.private, "shop", "CREATE TABLE seen (i int)"); err != nil {
		return err
	}
	deadline := time.Now().Add(30 * time.Second)
	for p.run(ctx, p.standby, "shop", "SELECT * FROM seen") != nil {
		if time.Now().After(deadline) {
			return errors.New("the standby does not follow")
		}
		time.Sleep(100 * time.Millisecond)
	}
	if err := errors.Join(p.run(ctx, p.standby, "postgres", "SELECT pg_wal_replay_pause()"), p.run(ctx, p.private, "shop", "CREATE TABLE unseen (i int)")); err != nil {
		return err
	}
	return wait(ctx, 6*time.Second) // the lag is the servers' own, by their clock
}

func wait(ctx context.Context, d time.Duration) error {
	select {
	case <-time.After(d):
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// swell makes a table and an index of which nineteen twentieths are air, and an
// index whose rebuilding was broken off.
func (p *pgPlay) swell(ctx context.Context) error {
	if err := p.run(ctx, p.private, "postgres", "CREATE UNLOGGED TABLE swollen WITH (autovacuum_enabled = false) AS SELECT i AS id, 'some words here' AS words FROM generate_series(1, 5200000) i",
		"CREATE INDEX swollen_id ON swollen (id)", "DELETE FROM swollen WHERE id % 20 <> 0", "VACUUM ANALYZE swollen", "GRANT SELECT ON swollen TO monitor",
		"CREATE TABLE rebuilt AS SELECT i AS id FROM generate_series(1, 1000) i", "CREATE INDEX rebuilt_id ON rebuilt (id)"); err != nil {
		return err
	}
	holder, err := p.login(ctx, p.private, "postgres")
	if err != nil {
		return err
	}
	defer holder.Close()
	if _, err := holder.Query(ctx, "BEGIN; UPDATE rebuilt SET id = id WHERE id = 1"); err != nil {
		return err
	}
	if err := p.run(ctx, p.private, "postgres", "SET statement_timeout = '1s'", "REINDEX INDEX CONCURRENTLY rebuilt_id"); err == nil || !strings.Contains(err.Error(), "57014") {
		return fmt.Errorf("REINDEX was not broken off: %w", errors.Join(err, errors.New("no time-out")))
	}
	return nil
}

func (p *pgPlay) stopNow(context.Context) error {
	p.stop(syscall.SIGINT)
	return nil
}
