package database

import (
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/faultline/faultline/plugins/bundled/database/pgwire"
)

// applicationName is how the server lists our session.
const applicationName = "faultline"

// postgres is a login to PostgreSQL. Every query is a read-only transaction of
// its own with limits to its time, so that nothing is set beyond it: poolers
// that hand a session on are not confused.
type postgres struct {
	conn    *pgwire.Conn
	set     *settings
	version int // server_version_num: 150020; 0: not known
	all     bool
	list    []section
}

// The oldest version whose views are known here.
const oldestPostgres = 100000

func loginPostgres(ctx context.Context, nc net.Conn, s *settings) (login, error) {
	password, err := s.secret()
	if err != nil {
		return nil, &settingsError{err}
	}
	secured, err := s.secured()
	if err != nil {
		return nil, &settingsError{err}
	}
	conn, err := pgwire.Login(ctx, nc, pgwire.Config{User: s.user, Password: password.Reveal(), Database: s.database, Application: applicationName,
		TLS: secured, TLSOptional: s.tls == tlsPrefer, ClearText: s.verified()})
	if err != nil {
		return nil, err
	}
	p := &postgres{conn: conn, set: s, version: postgresVersion(conn.Parameter("server_version"))}
	p.list = []section{{"server", false, p.readServer}}
	if p.version < oldestPostgres {
		p.list = append(p.list, section{"version", false, p.tooOld})
		return p, nil
	}
	p.list = append(p.list, []section{
		{"activity", false, p.readActivity},
		{"blocked", false, p.readBlocked},
		{"databases", false, p.readDatabases},
		{"locks", false, p.readLocks},
		{"replication", false, p.readReplication},
		{"slots", false, p.readSlots},
		{"prepared", false, p.readPrepared},
		{"statements", true, p.readStatements},
		{"sizes", true, p.readSizes},
		{"tables", true, p.readTables},
		{"checkpoints", false, p.readCheckpoints},
		{"tablespaces", true, p.readTablespaces},
		{"indexes", true, p.readIndexes},
		{"bloat", true, p.readBloat},
	}...)
	return p, nil
}

// postgresVersion turns "15.20 (Debian 15.20-0+deb12u1)" into 150020, "9.6.3"
// into 90603 and "17beta1" into 170000; 0 means that it is no version.
func postgresVersion(s string) int {
	var n [3]int
	for i, part := range strings.SplitN(s, ".", 3) {
		end := strings.IndexFunc(part, func(r rune) bool { return r < '0' || r > '9' })
		if end >= 0 {
			part = part[:end]
		}
		n[i], _ = strconv.Atoi(part)
		if end >= 0 {
			break
		}
	}
	if n[0] >= 10 {
		return n[0]*10000 + n[1]
	}
	return n[0]*10000 + n[1]*100 + n[2]
}

func (p *postgres) sections() []section     { return p.list }
func (p *postgres) reason(err error) reason { return postgresReason(err) }
func (p *postgres) broken() bool            { return p.conn.Broken() }
func (p *postgres) close()                  { p.conn.Close() }

func (p *postgres) ping(ctx context.Context) error {
	_, err := p.conn.Query(ctx, "SELECT 1")
	return err
}

// ask runs one SELECT in a transaction of its own.
func (p *postgres) ask(ctx context.Context, sql string, args ...any) (table, error) {
	limit := p.set.statementTimeout
	if deadline, ok := ctx.Deadline(); ok {
		limit = min(limit, time.Until(deadline)*9/10)
	}
	if limit < 50*time.Millisecond {
		return table{}, context.DeadlineExceeded
	}
	r, err := p.conn.Query(ctx, fmt.Sprintf("BEGIN READ ONLY; SET LOCAL statement_timeout = %d; SET LOCAL lock_timeout = %d; SET LOCAL search_path = pg_catalog; ",
		limit.Milliseconds(), limit.Milliseconds())+fmt.Sprintf(sql, args...)+"; COMMIT")
	if err != nil {
		return table{}, err
	}
	t := newTable(r.Names)
	t.rows = make([][]value, len(r.Rows))
	for i, row := range r.Rows {
		t.rows[i] = make([]value, len(row))
		for j, v := range row {
			t.rows[i][j] = value{v.Text, v.Valid}
		}
	}
	return t, nil
}

// one asks for a single row.
func (p *postgres) one(ctx context.Context, sql string, args ...any) (table, error) {
	t, err := p.ask(ctx, sql, args...)
	if err == nil && len(t.rows) != 1 {
		err = fmt.Errorf("%d rows, want one", len(t.rows))
	}
	return t, err
}

// SQLSTATEs of PostgreSQL (appendix A of its manual).
var postgresReasons = map[string]reason{
	"28P01": password,
	"28000": refused, // no line in pg_hba.conf, or no such role
	"3D000": noDatabase,
	"53300": exhausted,
	"57P03": starting,
	"57P01": stopping,
	"57P02": recovering, // another session crashed the server
	"57014": timedOut,
	"55P03": timedOut,
}

func postgresReason(err error) reason {
	var e *pgwire.Error
	var s *settingsError
	switch {
	case errors.As(err, &s):
		return misset
	case errors.As(err, &e):
		switch r := postgresReasons[e.Code]; {
		case r == starting:
			return notYet(e.Message)
		case r == exhausted && mentions(e.Message, "for role", "角色"): // a limit of our user, not the server's
			return refused
		default:
			return r
		}
	case errors.Is(err, pgwire.ErrClearText):
		return noTLS
	case errors.Is(err, pgwire.ErrMethod):
		return refused
	case errors.Is(err, pgwire.ErrLost) && commonReason(err) == noFailure:
		return lost
	}
	return noFailure
}

// notYet tells apart why the server does not let anybody in yet; one code
// stands for all, only the words differ.
func notYet(message string) reason {
	switch {
	case mentions(message, "shutting down", "关闭"):
		return stopping
	case mentions(message, "recovery", "consistent", "恢复"):
		return recovering
	default:
		return starting
	}
}

// mentions tells whether a message, in English or Chinese, has one of the words.
func mentions(message string, words ...string) bool {
	return slices.ContainsFunc(words, func(w string) bool { return strings.Contains(message, w) })
}

// permission says which role is missing when the server refuses to show
// something.
func (p *postgres) permission(err error) error {
	var e *pgwire.Error
	if errors.As(err, &e) && e.Code == "42501" {
		return fmt.Errorf("%w: GRANT pg_monitor TO %s", err, p.set.user)
	}
	return err
}

// hidden is the error of sections that see their own session only.
func (p *postgres) hidden() error {
	return fmt.Errorf("other users' sessions are hidden: GRANT pg_monitor TO %s", p.set.user)
}

func (p *postgres) tooOld(context.Context, *reading) error {
	return fmt.Errorf("version %s: of servers older than 10 only the answer is measured", p.conn.Parameter("server_version"))
}

// readServer asks what server this is.
func (p *postgres) readServer(ctx context.Context, r *reading) error {
	monitor := "false"
	if p.version >= oldestPostgres {
		monitor = "pg_has_role(current_user, 'pg_read_all_stats', 'USAGE')"
	}
	t, err := p.one(ctx, `SELECT version() AS version, current_setting('server_version') AS short, pg_is_in_recovery() AS replica,
		extract(epoch FROM pg_postmaster_start_time()) AS started, extract(epoch FROM clock_timestamp() - pg_postmaster_start_time()) AS uptime, %s AS monitor,
		current_setting('max_connections')::int AS max, current_setting('superuser_reserved_connections')::int AS reserved,
		coalesce(current_setting('reserved_connections', true), '0')::int AS reserved_role, current_setting('max_locks_per_transaction')::int AS locks,
		current_setting('autovacuum_vacuum_threshold')::int AS vacuum_threshold, current_setting('autovacuum_analyze_threshold')::int AS analyze_threshold,
		txid_snapshot_xmax(txid_current_snapshot()) AS txid`, monitor)
	if err != nil {
		return err
	}
	p.all = t.truth(0, "monitor")
	r.put("pg_static", 1, "version", t.text(0, "version"), "short_version", t.text(0, "short"))
	r.put("faultline_database_info", 1, "kind", "PostgreSQL", "version", t.text(0, "short"))
	t.puts(r, 0, nil, map[string]string{"max": "pg_settings_max_connections", "reserved": "pg_settings_superuser_reserved_connections",
		"reserved_role": "pg_settings_reserved_connections", "started": "pg_postmaster_start_time_seconds",
		"locks": "pg_settings_max_locks_per_transaction", "vacuum_threshold": "pg_settings_autovacuum_vacuum_threshold",
		"analyze_threshold": "pg_settings_autovacuum_analyze_threshold", "txid": "pg_txid_current", // taken from a snapshot: asking for one uses one up
		"uptime": "faultline_database_uptime_seconds", "replica": "pg_replication_is_replica"})
	r.tellRestart(t.orZero(0, "started"), 1)
	r.tellRole(t.truth(0, "replica"))
	return nil
}
