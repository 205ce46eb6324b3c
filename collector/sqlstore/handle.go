package sqlstore

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/faultline/faultline/collector/engine"
)

// conn is what *sql.DB and *sql.Tx have in common.
type conn interface {
	ExecContext(ctx context.Context, query string, args ...any) (sql.Result, error)
	QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error)
	QueryRowContext(ctx context.Context, query string, args ...any) *sql.Row
}

// handle runs statements written with ? on either database.
type handle struct {
	c      conn
	d      dialect
	fenced int64 // lease generation that the transaction has proved; 0: none
}

// exec runs a statement and returns how many rows it changed.
func (h handle) exec(ctx context.Context, q string, args ...any) (int64, error) {
	r, err := h.c.ExecContext(ctx, h.d.rewrite(q), bind(args)...)
	if err != nil {
		return 0, err
	}
	return r.RowsAffected()
}

// row runs a query for one row; sql.ErrNoRows becomes engine.ErrNotFound.
func (h handle) row(ctx context.Context, dest []any, q string, args ...any) error {
	err := h.c.QueryRowContext(ctx, h.d.rewrite(q), bind(args)...).Scan(dest...)
	if errors.Is(err, sql.ErrNoRows) {
		return engine.ErrNotFound
	}
	return err
}

// each runs a query and calls scan for every row.
func (h handle) each(ctx context.Context, scan func(*sql.Rows) error, q string, args ...any) error {
	rows, err := h.c.QueryContext(ctx, h.d.rewrite(q), bind(args)...)
	if err != nil {
		return err
	}
	defer func() { _ = rows.Close() }()
	for rows.Next() {
		if err := scan(rows); err != nil {
			return err
		}
	}
	return rows.Err()
}

// bodies runs a query for one column of JSON and decodes it.
func bodies[T any](ctx context.Context, h handle, q string, args ...any) ([]T, error) {
	out := []T{}
	err := h.each(ctx, func(r *sql.Rows) error {
		var raw []byte
		if err := r.Scan(&raw); err != nil {
			return err
		}
		var v T
		if err := json.Unmarshal(raw, &v); err != nil {
			return err
		}
		out = append(out, v)
		return nil
	}, q, args...)
	return out, err
}

// body runs a query for one JSON value.
func body[T any](ctx context.Context, h handle, q string, args ...any) (T, error) {
	var v T
	var raw []byte
	if err := h.row(ctx, []any{&raw}, q, args...); err != nil {
		return v, err
	}
	return v, json.Unmarshal(raw, &v)
}

// encode is v as JSON text.
func encode(v any) (string, error) {
	b, err := json.Marshal(v)
	if err != nil {
		return "", fmt.Errorf("encode %T: %w", v, err)
	}
	return string(b), nil
}
