package database

import (
	"context"
	"database/sql/driver"
	"errors"
	"fmt"
	"io"
	"net"
	"strconv"
	"strings"
	"time"

	"github.com/go-sql-driver/mysql"
)

// mysqlLogin is a login to MySQL or MariaDB. It uses the driver's connection
// directly: database/sql would log in again whenever it likes.
type mysqlLogin struct {
	conn    driver.Conn
	net     *guardedConn
	set     *settings
	mariadb bool
	version int  // 101119 for 10.11.19, 80036 for 8.0.36
	schema  bool // performance_schema is on
	list    []section
	lost    bool
}

// askedMost bounds the rows of one answer.
const askedMost = 10_000

func loginMySQL(ctx context.Context, nc net.Conn, s *settings) (login, error) {
	password, err := s.secret()
	if err != nil {
		return nil, &settingsError{err}
	}
	secured, err := s.secured()
	if err != nil {
		return nil, &settingsError{err}
	}
	guarded, err := greeted(ctx, nc)
	if err != nil {
		return nil, err
	}
	cfg := mysql.NewConfig()
	cfg.User, cfg.Passwd, cfg.DBName = s.user, password.Reveal(), s.database
	cfg.Net, cfg.Addr = "tcp", s.address
	cfg.TLS, cfg.AllowFallbackToPlaintext = secured, s.tls == tlsPrefer
	cfg.AllowCleartextPasswords = s.verified()
	cfg.ConnectionAttributes = "program_name:" + applicationName
	cfg.Logger = &mysql.NopLogger{} // what matters comes back as an error
	cfg.DialFunc = func(context.Context, string, string) (net.Conn, error) { return guarded, nil }
	connector, err := mysql.NewConnector(cfg)
	if err != nil {
		return nil, &settingsError{err}
	}
	m := &mysqlLogin{net: guarded, set: s}
	err = caught(func() (err error) { m.conn, err = connector.Connect(ctx); return err })
	if err != nil {
		return nil, err
	}
	if err := m.prepare(ctx); err != nil {
		m.close()
		return nil, err
	}
	return m, nil
}

// greeted waits for the server's greeting until ctx ends.
func greeted(ctx context.Context, nc net.Conn) (*guardedConn, error) {
	stop := context.AfterFunc(ctx, func() { _ = nc.SetReadDeadline(time.Unix(1, 0)) })
	guarded, err := greet(nc)
	if !stop() && err != nil {
		err = ctx.Err()
	}
	return guarded, err
}

// prepare learns what server it is and makes the session read only, bounded in
// time and in the server's own time zone, in which InnoDB reports.
func (m *mysqlLogin) prepare(ctx context.Context) error {
	t, err := m.ask(ctx, "SELECT VERSION() AS version, @@global.performance_schema AS ps")
	if err != nil {
		return err
	}
	m.mariadb, m.version = mysqlVersion(t.text(0, "version"))
	m.schema = t.truth(0, "ps")
	limit := fmt.Sprintf("SET SESSION max_execution_time = %d", m.set.statementTimeout.Milliseconds())
	if m.mariadb {
		limit = fmt.Sprintf("SET SESSION max_statement_time = %g", m.set.statementTimeout.Seconds())
	}
	for _, s := range []string{"SET SESSION time_zone = 'SYSTEM', lock_wait_timeout = 1", "SET SESSION TRANSACTION READ ONLY", limit} {
		if _, err := m.ask(ctx, s); err != nil && m.lost {
			return err
		} // an old server may not know one of them
	}
	m.list = []section{
		{"server", false, m.readServer},
		{"status", false, m.readStatus},
		{"activity", false, m.readActivity},
		{"transactions", false, m.readTransactions},
		{"blocked", false, m.readBlocked},
		{"replication", false, m.readReplication},
		{"statements", true, m.readStatements},
		{"sizes", true, m.readSizes},
		{"tablespaces", true, m.readTablespaces},
		{"backups", true, m.readBackups},
	}
	if m.set.heartbeat != "" {
		m.list = append(m.list, section{"heartbeat", false, m.readHeartbeat})
	}
	return nil
}

// mysqlVersion reads "10.11.19-MariaDB-0+deb12u1-log" and "8.0.36".
func mysqlVersion(s string) (mariadb bool, version int) {
	var n [3]int
	for i, part := range strings.SplitN(s, ".", 3) {
		if end := strings.IndexFunc(part, func(r rune) bool { return r < '0' || r > '9' }); end >= 0 {
			part = part[:end]
		}
		n[i], _ = strconv.Atoi(part)
	}
	return strings.Contains(s, "MariaDB"), n[0]*10000 + n[1]*100 + n[2]
}

func (m *mysqlLogin) sections() []section     { return m.list }
func (m *mysqlLogin) reason(err error) reason { return mysqlReason(err) }
func (m *mysqlLogin) broken() bool            { return m.lost }

// close says goodbye; a server that no longer reads is not waited for.
func (m *mysqlLogin) close() {
	_ = m.net.SetDeadline(time.Now().Add(time.Second))
	_ = m.conn.Close()
	m.lost = true
}

func (m *mysqlLogin) ping(ctx context.Context) error {
	_, err := m.ask(ctx, "SELECT 1")
	return err
}

// ask runs one statement and returns its rows, with names in lower case. Any
// error but one of the server itself ends the login.
func (m *mysqlLogin) ask(ctx context.Context, query string, args ...any) (table, error) {
	if len(args) > 0 {
		query = fmt.Sprintf(query, args...)
	}
	m.net.allow()
	var t table
	err := caught(func() (err error) { t, err = m.rows(ctx, query); return err })
	var own *mysql.MySQLError
	if err != nil && !errors.As(err, &own) {
		m.lost = true
		if ctx.Err() != nil {
			err = ctx.Err()
		}
	}
	if err != nil {
		return table{}, err
	}
	return t, nil
}

func (m *mysqlLogin) rows(ctx context.Context, query string) (t table, err error) {
	rows, err := m.conn.(driver.QueryerContext).QueryContext(ctx, query, nil)
	if err != nil {
		return t, err
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	t = newTable(rows.Columns())
	cells := make([]driver.Value, len(rows.Columns()))
	for len(t.rows) < askedMost {
		switch err := rows.Next(cells); {
		case errors.Is(err, io.EOF):
			return t, nil
		case err != nil:
			return t, err
		}
		row := make([]value, len(cells))
		for i, c := range cells {
			row[i] = valueOf(c)
		}
		t.rows = append(t.rows, row)
	}
	return t, errors.New("the result is larger than anything asked for")
}

func valueOf(c driver.Value) value {
	switch c := c.(type) {
	case nil:
		return value{}
	case []byte:
		return value{strings.ToValidUTF8(string(c), "\uFFFD"), true}
	case string:
		return value{strings.ToValidUTF8(c, "\uFFFD"), true}
	case float64:
		return value{strconv.FormatFloat(c, 'f', -1, 64), true}
	case float32:
		return value{strconv.FormatFloat(float64(c), 'f', -1, 32), true}
	default:
		return value{fmt.Sprint(c), true}
	}
}

// Error numbers of MySQL and MariaDB (their reference manuals).
var mysqlReasons = map[uint16]reason{
	1045: password,
	1698: password, // the account cannot log in with a password
	1862: password, // it has expired
	3118: password, // the account is locked
	3955: password, // for a while, after wrong passwords
	4151: password, // MariaDB's: the account is locked
	1130: refused,
	1044: refused, // no right to the database
	1251: refused, // authentication the client does not speak
	1129: hostBlocked,
	1049: noDatabase,
	1040: exhausted,
	1203: refused, // this user has as many connections as it may
	1226: refused, // or has done as much
	1053: stopping,
	1077: stopping,
	1317: timedOut,
	1969: timedOut, // max_statement_time
	3024: timedOut, // max_execution_time
	1205: timedOut,
}

func mysqlReason(err error) reason {
	var e *mysql.MySQLError
	var s *settingsError
	switch {
	case errors.As(err, &s):
		return misset
	case errors.As(err, &e):
		return mysqlReasons[e.Number]
	case errors.Is(err, mysql.ErrNoTLS), errors.Is(err, mysql.ErrCleartextPassword):
		return noTLS
	case isAny(err, mysql.ErrInvalidConn, driver.ErrBadConn, io.EOF, io.ErrUnexpectedEOF, mysql.ErrMalformPkt):
		return lost
	}
	return noFailure
}

// permission says which privilege is missing when the server refuses to show
// something.
func (m *mysqlLogin) permission(err error, privilege string) error {
	var e *mysql.MySQLError
	if errors.As(err, &e) && (e.Number == 1227 || e.Number == 1142 || e.Number == 1044 || e.Number == 1143) {
		return fmt.Errorf("%w: GRANT %s to %s", err, privilege, m.set.user)
	}
	return err
}
