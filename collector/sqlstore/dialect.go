package sqlstore

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/stdlib" // also the driver "pgx"
	"github.com/pressly/goose/v3"
	"modernc.org/sqlite" // also the driver "sqlite"
	sqlite3 "modernc.org/sqlite/lib"
)

// dialect is what differs between the two databases: how to connect, how
// placeholders are written and what the time is.
type dialect struct {
	postgres bool
	dsn      string        // secret: may hold a password
	path     string        // SQLite: the file
	place    string        // where it is, for people; no secrets
	hint     string        // what to look at when it does not open
	idle     time.Duration // PostgreSQL: see Options.Idle
	now      string        // SQL for the database's time in microseconds
	goose    goose.Dialect
}

const (
	nowSQLite   = "CAST(unixepoch('subsec') * 1000000 AS INTEGER)"
	nowPostgres = "CAST(EXTRACT(EPOCH FROM clock_timestamp()) * 1000000 AS BIGINT)"
)

// parseURL understands sqlite:PATH and postgres://… .
func parseURL(s string) (dialect, error) {
	switch scheme, rest, _ := strings.Cut(s, ":"); scheme {
	case "sqlite":
		if rest == "" {
			return dialect{}, fmt.Errorf("database url sqlite: the path is missing (sqlite:data/faultline.db)")
		}
		path, err := filepath.Abs(rest)
		if err != nil {
			return dialect{}, fmt.Errorf("database url: %w", err)
		}
		return dialect{path: path, place: "sqlite:" + path, now: nowSQLite, goose: goose.DialectSQLite3,
			hint: "is the directory there, writable and on a local disk?"}, nil
	case "postgres", "postgresql":
		u, err := url.Parse(s)
		if err != nil {
			return dialect{}, fmt.Errorf("database url postgres: not a URL (postgres://user:password@host:5432/database)")
		}
		return dialect{postgres: true, dsn: s, place: "postgres://" + u.Host + u.Path, now: nowPostgres,
			goose: goose.DialectPostgres, hint: "is the server reachable, and do user, password and database exist?"}, nil
	default:
		return dialect{}, fmt.Errorf("database url: unknown kind %q (sqlite:PATH or postgres://…)", scheme)
	}
}

// explain adds to an error of SQLite what a person can do about it.
func (d dialect) explain(err error) error {
	var e *sqlite.Error
	if errors.As(err, &e) && e.Code()&0xff == sqlite3.SQLITE_FULL {
		return fmt.Errorf("%w; free space on the file system of %s", err, d.path)
	}
	return err
}

// open returns the pools for reading and for writing.
func (d dialect) open() (read, write *sql.DB, err error) {
	if d.postgres {
		config, err := pgx.ParseConfig(d.dsn)
		if err != nil {
			return nil, nil, err
		}
		db := stdlib.OpenDB(*config, stdlib.OptionAfterConnect(d.limitIdle))
		db.SetMaxOpenConns(16)
		db.SetMaxIdleConns(4)
		db.SetConnMaxIdleTime(5 * time.Minute)
		return db, db, nil
	}
	// The file holds password hashes: create it for us alone before SQLite would.
	f, err := os.OpenFile(d.path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, nil, err
	}
	if err := f.Close(); err != nil {
		return nil, nil, err
	}
	write, err = sql.Open("sqlite", sqliteDSN(d.path, "immediate", "busy_timeout(5000)", "journal_mode(WAL)", "synchronous(FULL)", "foreign_keys(1)"))
	if err != nil {
		return nil, nil, err
	}
	write.SetMaxOpenConns(1)
	read, err = sql.Open("sqlite", sqliteDSN(d.path, "deferred", "busy_timeout(5000)", "query_only(1)"))
	if err != nil {
		_ = write.Close()
		return nil, nil, err
	}
	read.SetMaxOpenConns(4)
	return read, write, nil
}

// limitIdle makes the server end a transaction whose client says nothing more. A
// collector that is frozen inside one would keep its lock on the lease, and no
// other could take over.
func (d dialect) limitIdle(ctx context.Context, c *pgx.Conn) error {
	_, err := c.Exec(ctx, fmt.Sprintf("SET idle_in_transaction_session_timeout = %d", d.idle.Milliseconds()))
	return err
}

// sqliteDSN is the URI of a database file. Transactions of the kind immediate
// take the write lock at once, so that two of them never dead-lock half-way.
func sqliteDSN(path, txlock string, pragmas ...string) string {
	path = filepath.ToSlash(path)
	if !strings.HasPrefix(path, "/") {
		path = "/" + path // C:/… on Windows
	}
	q := url.Values{"_pragma": pragmas, "_txlock": {txlock}}
	return (&url.URL{Scheme: "file", OmitHost: true, Path: path, RawQuery: q.Encode()}).String()
}

// rewrite turns ? into $1, $2, … for PostgreSQL. No statement here has a
// question mark elsewhere.
func (d dialect) rewrite(q string) string {
	if !d.postgres {
		return q
	}
	var b strings.Builder
	n := 0
	for i := range len(q) {
		if q[i] != '?' {
			b.WriteByte(q[i])
			continue
		}
		n++
		b.WriteByte('$')
		b.WriteString(strconv.Itoa(n))
	}
	return b.String()
}

// bind turns arguments into what both databases store: times into microseconds,
// truths into 0 and 1, and text into text that PostgreSQL takes (devices and
// agents send anything).
func bind(args []any) []any {
	out := make([]any, len(args))
	for i, a := range args {
		switch v := a.(type) {
		case time.Time:
			out[i] = micros(v)
		case bool:
			out[i] = int64(0)
			if v {
				out[i] = int64(1)
			}
		case string:
			out[i] = clean(v)
		default:
			out[i] = a
		}
	}
	return out
}

// clean makes s valid UTF-8 without NUL.
func clean(s string) string {
	return strings.ReplaceAll(strings.ToValidUTF8(s, "\uFFFD"), "\x00", "\uFFFD")
}

// micros is t in microseconds since the Unix epoch; 0 for the zero time.
func micros(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixMicro()
}
