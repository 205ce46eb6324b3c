package main

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/go-sql-driver/mysql"

	"github.com/faultline/faultline/plugins/base"
	"github.com/faultline/faultline/plugins/bundled/database"
)

// myPlay is a private MariaDB server and a replica of it.
type myPlay struct {
	h       *theatre
	in      *database.Input
	primary *private
	replica *private
	held    []*sql.Conn
	pools   []*sql.DB
}

// newMyPlay starts both, the replica following the primary.
func newMyPlay(ctx context.Context, h *theatre) (*myPlay, error) {
	p := &myPlay{h: h, in: database.New(database.Options{Now: h.clock})}
	for i, at := range []**private{&p.primary, &p.replica} {
		s, err := newPrivate("mysql")
		if err != nil {
			return p, err
		}
		*at = s
		if err := s.tool(ctx, nil, "mariadb-install-db", "--no-defaults", "--datadir="+filepath.Join(s.dir, "data"), "--auth-root-authentication-method=normal", "--skip-test-db"); err != nil {
			return p, err
		}
		bin, err := program("/usr/sbin/mariadbd", "mariadb-server")
		if err != nil {
			return p, err
		}
		s.args = []string{bin, "--no-defaults", "--datadir=" + filepath.Join(s.dir, "data"), "--port=" + strconv.Itoa(s.port), "--bind-address=127.0.0.1", "--socket=" + filepath.Join(s.dir, "s"),
			"--pid-file=" + filepath.Join(s.dir, "pid"), "--innodb-flush-log-at-trx-commit=0", "--innodb-buffer-pool-size=64M", "--innodb-log-buffer-size=2M", "--skip-name-resolve", "--log-bin",
			"--server-id=" + strconv.Itoa(i+1), "--max-connections=40", "--max-prepared-stmt-count=100", "--long-query-time=0.05", "--slow-query-log=ON"}
		if err := s.start(ctx, func(ctx context.Context) error { return p.run(ctx, s, "DO 1") }); err != nil {
			return p, err
		}
		if err := p.run(ctx, s, "SET sql_log_bin = 0", "CREATE USER monitor@'%' IDENTIFIED BY '"+secretOfTheLab+"'", "GRANT PROCESS, REPLICATION CLIENT, SLAVE MONITOR ON *.* TO monitor@'%'",
			"GRANT SELECT ON *.* TO monitor@'%'", "CREATE DATABASE ops", "CREATE TABLE ops.heartbeat (ts varchar(26) NOT NULL, server_id int unsigned PRIMARY KEY)", "CREATE DATABASE shop",
			"CREATE TABLE shop.small (id int PRIMARY KEY, n int)", "INSERT INTO shop.small SELECT seq, 0 FROM shop.seq_1_to_1000", "RESET MASTER"); err != nil {
			return p, err
		}
	}
	if err := p.beat(ctx); err != nil {
		return p, err
	}
	p.watch(p.primary, "my1")
	p.watch(p.replica, "my2")
	return p, p.run(ctx, p.replica, fmt.Sprintf("CHANGE MASTER TO MASTER_HOST='127.0.0.1', MASTER_PORT=%d, MASTER_USER='root', MASTER_CONNECT_RETRY=1", p.primary.port), "START SLAVE")
}

// beat is what the application and a heartbeat program do between two readings.
func (p *myPlay) beat(ctx context.Context) error {
	return p.run(ctx, p.primary, "UPDATE shop.small SET n = n + 1 WHERE id = 1", "REPLACE INTO ops.heartbeat VALUES (DATE_FORMAT(NOW(6), '%Y-%m-%dT%H:%i:%s.%f'), 1)")
}

func (p *myPlay) watch(s *private, device string) {
	p.h.targets = append(p.h.targets, measured{in: p.in, target: base.Target{ID: device, Input: "database", Address: s.address(),
		Options: map[string]string{"kind": "mariadb", "user": "monitor", "password": secretOfTheLab, "heartbeat": "ops.heartbeat"}},
		labels: map[string]string{"job": "database", "instance": device, "device": device, "site": "lab", "component": "mysql:3306", "role": "database"}})
}

func (p *myPlay) open(s *private) (*sql.DB, error) {
	c := mysql.NewConfig()
	c.User, c.Net, c.Addr, c.MultiStatements, c.Logger = "root", "unix", filepath.Join(s.dir, "s"), true, &mysql.NopLogger{}
	connector, err := mysql.NewConnector(c)
	if err != nil {
		return nil, err
	}
	return sql.OpenDB(connector), nil
}

// run runs statements as the server's owner, in one session.
func (p *myPlay) run(ctx context.Context, s *private, statements ...string) error {
	db, err := p.open(s)
	if err != nil {
		return err
	}
	defer func() { _ = db.Close() }()
	db.SetMaxOpenConns(1)
	for _, q := range statements {
		if _, err := db.ExecContext(ctx, q); err != nil {
			return fmt.Errorf("%.80s: %w", q, err)
		}
	}
	return nil
}

// hold opens n sessions and keeps them until letGo.
func (p *myPlay) hold(ctx context.Context, s *private, n int, first string) error {
	db, err := p.open(s)
	if err != nil {
		return err
	}
	p.pools = append(p.pools, db)
	for range n {
		c, err := db.Conn(ctx)
		if err == nil && first != "" {
			_, err = c.ExecContext(ctx, first)
		}
		if err != nil {
			return err
		}
		p.held = append(p.held, c)
	}
	return nil
}

func (p *myPlay) letGo(context.Context) error {
	for _, c := range p.held {
		_ = c.Close()
	}
	for _, db := range p.pools {
		_ = db.Close()
	}
	p.held, p.pools = nil, nil
	return nil
}

func (p *myPlay) close() {
	_ = p.letGo(context.Background())
	p.in.Close()
	for _, s := range []*private{p.primary, p.replica} {
		if s != nil {
			s.remove()
		}
	}
}

// provokeMySQL plays what goes wrong with a MariaDB server and its replica.
func provokeMySQL(ctx context.Context, out io.Writer, file, name string) error {
	h, err := newTheatre(file)
	if err != nil {
		return err
	}
	defer h.done()
	p, err := newMyPlay(ctx, h)
	if p != nil {
		defer p.close()
	}
	if err != nil {
		return err
	}
	if err := h.play(ctx, p.acts()); err != nil {
		return err
	}
	h.report(out, name)
	return nil
}

func (p *myPlay) acts() []act {
	on := func(s *private, statements ...string) func(context.Context) error {
		return func(ctx context.Context) error { return p.run(ctx, s, statements...) }
	}
	both := func(fs ...func(context.Context) error) func(context.Context) error {
		return func(ctx context.Context) error {
			for _, f := range fs {
				if err := f(ctx); err != nil {
					return err
				}
			}
			return nil
		}
	}
	busy := func(ctx context.Context) error {
		for range 28 {
			if err := p.hold(ctx, p.primary, 1, ""); err != nil {
				return err
			}
			c := p.held[len(p.held)-1]
			go func() { _, _ = c.ExecContext(ctx, "SELECT SLEEP(20)") }()
		}
		return wait(ctx, time.Second)
	}
	prepare := func(ctx context.Context) error {
		var b strings.Builder
		for i := range 90 {
			fmt.Fprintf(&b, "PREPARE s%d FROM 'SELECT %d';", i, i)
		}
		return p.hold(ctx, p.primary, 1, b.String())
	}
	questions := strings.Repeat("DO 1;", 2000)
	return []act{
		{name: "the servers have just been started", each: p.beat, steps: 1},
		{name: "all is well", begin: func(ctx context.Context) error { return wait(ctx, 61*time.Second) }, each: p.beat, steps: 64},
		{name: "connections are used up", begin: func(ctx context.Context) error { return p.hold(ctx, p.primary, 36, "") }, each: p.beat, steps: 12},
		{name: "many statements run at once", begin: both(p.letGo, busy), each: p.beat, steps: 12},
		{name: "many prepared statements", begin: both(p.letGo, prepare), each: p.beat, steps: 12},
		{name: "slow statements", begin: p.letGo, each: both(p.beat, on(p.primary, "SELECT SLEEP(0.1)")), steps: 14},
		{name: "an old snapshot is kept", begin: func(ctx context.Context) error {
			if err := p.hold(ctx, p.primary, 1, "SET SESSION TRANSACTION ISOLATION LEVEL REPEATABLE READ; START TRANSACTION WITH CONSISTENT SNAPSHOT; SELECT * FROM shop.small"); err != nil {
				return err
			}
			return p.run(ctx, p.primary, "SET sql_log_bin = 0", "BEGIN NOT ATOMIC FOR i IN 1..60000 DO UPDATE shop.small SET n = i WHERE id = 2 + i MOD 900; END FOR; END")
		}, each: p.beat, steps: 14},
		{name: "more than ten thousand questions a second", begin: p.letGo, each: func(ctx context.Context) error {
			db, err := p.open(p.primary)
			if err != nil {
				return err
			}
			defer func() { _ = db.Close() }()
			for range 85 {
				if _, err := db.ExecContext(ctx, questions); err != nil {
					return err
				}
			}
			return p.beat(ctx)
		}, steps: 16},
		{name: "the log buffer is too small", begin: on(p.primary, "SET GLOBAL max_allowed_packet = 67108864", "CREATE TABLE shop.blobs (id int AUTO_INCREMENT PRIMARY KEY, b longblob)"),
			each: both(p.beat, on(p.primary, "SET sql_log_bin = 0", "INSERT INTO shop.blobs (b) SELECT REPEAT('x', 8000000) FROM shop.seq_1_to_6", "TRUNCATE shop.blobs")), steps: 6},
		{name: "the replica's receiver is stopped", begin: on(p.replica, "STOP SLAVE IO_THREAD"), each: p.beat, steps: 8},
		{name: "the replica cannot apply a row", begin: both(on(p.replica, "START SLAVE IO_THREAD", "SET sql_log_bin = 0", "INSERT INTO shop.small VALUES (5000, 0)"),
			on(p.primary, "INSERT INTO shop.small VALUES (5000, 1)"), func(ctx context.Context) error { return wait(ctx, 2*time.Second) }), each: p.beat, steps: 8},
		{name: "the replica lags", begin: both(on(p.replica, "STOP SLAVE", "SET GLOBAL sql_slave_skip_counter = 1", "START SLAVE"), func(ctx context.Context) error { return wait(ctx, 2*time.Second) },
			func(ctx context.Context) error { return p.hold(ctx, p.replica, 1, "FLUSH TABLES WITH READ LOCK") }, p.beat, func(ctx context.Context) error { return wait(ctx, 33*time.Second) }),
			each: p.beat, steps: 8},
		{name: "few files may be open, recovery is forced", begin: both(p.letGo, p.narrow), steps: 12},
		{name: "the server is stopped", begin: func(context.Context) error { p.primary.stop(syscall.SIGTERM); return nil }, steps: 8},
	}
}

// narrow makes many tables and starts the server again with few files and forced
// recovery.
func (p *myPlay) narrow(ctx context.Context) error {
	for i := range 330 {
		if err := p.run(ctx, p.primary, fmt.Sprintf("SET sql_log_bin = 0; CREATE TABLE shop.t%d (id int)", i)); err != nil {
			return err
		}
	}
	p.primary.stop(syscall.SIGTERM)
	args := p.primary.args
	p.primary.args = append([]string{"/bin/sh", "-c", `ulimit -n 400; exec "$0" "$@"`}, args...)
	err := p.primary.start(ctx, func(ctx context.Context) error { return p.run(ctx, p.primary, "DO 1") }, "--innodb-open-files=390", "--table-open-cache=50", "--innodb-force-recovery=1")
	if err != nil {
		return err
	}
	var errs []error
	for i := range 330 {
		errs = append(errs, p.run(ctx, p.primary, fmt.Sprintf("SELECT * FROM shop.t%d", i)))
	}
	return errors.Join(errs...)
}
