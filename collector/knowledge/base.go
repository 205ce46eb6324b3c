package knowledge

import (
	"context"
	"database/sql"
	"embed"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"strconv"
	"strings"
	"time"

	"github.com/pressly/goose/v3"
	"github.com/pressly/goose/v3/lock"
)

//go:embed migrations
var migrations embed.FS

// Errors a caller branches on.
var (
	ErrNotFound = errors.New("no such knowledge entry")
	ErrConflict = errors.New("the knowledge entry was changed by somebody else meanwhile: read it again")
)

// writeTimeout bounds one transaction.
const writeTimeout = 10 * time.Second

// Database is where the entries are: the pools of the collector's relational
// state. On SQLite Write has one connection that takes the lock at once.
type Database struct {
	Read, Write *sql.DB // the same on PostgreSQL
	Postgres    bool
	Logger      *slog.Logger // nil: slog.Default
}

// Base is the knowledge base. Its methods may be called from several goroutines.
type Base struct {
	db  Database
	now func() time.Time
}

// New returns a base over the database; call Migrate before the first use. now
// is time.Now outside tests. The pools stay the caller's to close.
func New(db Database, now func() time.Time) *Base {
	if db.Logger == nil {
		db.Logger = slog.Default()
	}
	return &Base{db: db, now: now}
}

// Migrate brings the base's tables to the version of this program. They have a
// version table of their own. Several nodes may call it at once.
func (b *Base) Migrate(ctx context.Context) error {
	dialect, dir := goose.DialectSQLite3, "migrations/sqlite"
	opts := []goose.ProviderOption{goose.WithTableName("knowledge_version"), goose.WithSlog(b.db.Logger)}
	if b.db.Postgres {
		dialect, dir = goose.DialectPostgres, "migrations/postgres"
		l, err := lock.NewPostgresSessionLocker(lock.WithLockID(5_887_940_537_704_921_959))
		if err != nil {
			return fmt.Errorf("migrate knowledge: %w", err)
		}
		opts = append(opts, goose.WithSessionLocker(l))
	}
	files, err := fs.Sub(migrations, dir)
	if err != nil {
		return fmt.Errorf("migrate knowledge: %w", err)
	}
	p, err := goose.NewProvider(dialect, b.db.Write, files, opts...)
	if err != nil {
		return fmt.Errorf("migrate knowledge: %w", err)
	}
	if _, err := p.Up(ctx); err != nil {
		return fmt.Errorf("migrate knowledge: %w", err)
	}
	return nil
}

// rewrite turns ? into $1, $2, ... for PostgreSQL.
func (b *Base) rewrite(q string) string {
	if !b.db.Postgres {
		return q
	}
	var out strings.Builder
	n := 0
	for _, r := range q {
		if r == '?' {
			n++
			out.WriteString("$" + strconv.Itoa(n))
			continue
		}
		out.WriteRune(r)
	}
	return out.String()
}

func (b *Base) tx(ctx context.Context, fn func(tx *sql.Tx) error) error {
	ctx, cancel := context.WithTimeout(ctx, writeTimeout)
	defer cancel()
	tx, err := b.db.Write.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	if err := fn(tx); err != nil {
		_ = tx.Rollback()
		return err
	}
	return tx.Commit()
}

// query is what reads: a pool or a transaction.
type query interface {
	QueryContext(ctx context.Context, q string, args ...any) (*sql.Rows, error)
}

// entries runs a query for bodies.
func (b *Base) entries(ctx context.Context, c query, q string, args ...any) ([]Entry, error) {
	rows, err := c.QueryContext(ctx, b.rewrite(q), args...)
	if err != nil {
		return nil, err
	}
	defer func() { _ = rows.Close() }()
	out := []Entry{}
	for rows.Next() {
		var raw []byte
		if err := rows.Scan(&raw); err != nil {
			return nil, err
		}
		var e Entry
		if err := json.Unmarshal(raw, &e); err != nil {
			return nil, err
		}
		out = append(out, e)
	}
	return out, rows.Err()
}

// clean makes text that both databases take: UTF-8 without NUL.
func clean(s string) string {
	return strings.ReplaceAll(strings.ToValidUTF8(s, "\uFFFD"), "\x00", "\uFFFD")
}
