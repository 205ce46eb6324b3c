package database

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/faultline/faultline/plugins/bundled/database/pgwire"
	"github.com/faultline/faultline/plugins/bundled/database/sqlmask"
)

// readStatements reads pg_stat_statements where it is installed in the database
// logged in to; elsewhere there is nothing to read and nothing amiss.
func (p *postgres) readStatements(ctx context.Context, r *reading) error {
	view, err := p.statementsView(ctx)
	if err != nil || view == "" {
		return err
	}
	spent := "total_exec_time"
	if p.version < 130000 {
		spent = "total_time"
	}
	t, err := p.ask(ctx, `SELECT s.queryid, u.rolname AS "user", d.datname, sum(s.calls) AS calls, sum(s.%s) / 1000 AS seconds, sum(s.rows) AS rows
		FROM %s(false) s LEFT JOIN pg_roles u ON u.oid = s.userid LEFT JOIN pg_database d ON d.oid = s.dbid
		WHERE s.queryid IS NOT NULL GROUP BY 1, 2, 3 ORDER BY seconds DESC LIMIT %d`, spent, view, statementsCompared)
	var e *pgwire.Error
	if errors.As(err, &e) && e.Code == "55000" { // installed, but not in shared_preload_libraries
		return nil
	}
	if err != nil {
		return p.permission(err)
	}
	costs := map[string]cost{}
	for i := range t.rows {
		c := costs[t.text(i, "queryid")]
		c.calls += t.orZero(i, "calls")
		c.seconds += t.orZero(i, "seconds")
		costs[t.text(i, "queryid")] = c
		if i < statementsShown {
			t.puts(r, i, []string{"queryid", t.text(i, "queryid"), "user", t.text(i, "user"), "datname", t.text(i, "datname")},
				map[string]string{"calls": "pg_stat_statements_calls_total", "seconds": "pg_stat_statements_seconds_total", "rows": "pg_stat_statements_rows_total"})
		}
	}
	return r.tellSpent(ctx, costs, sqlmask.PostgreSQL, func(ctx context.Context, digests []string) (map[string]string, error) {
		return p.statementTexts(ctx, view, digests)
	})
}

// statementsView returns the function that lists statements, with its schema, or
// "" when the extension is not there.
func (p *postgres) statementsView(ctx context.Context) (string, error) {
	t, err := p.ask(ctx, `SELECT quote_ident(n.nspname) AS schema, has_schema_privilege(n.oid, 'USAGE') AS usable
		FROM pg_extension e JOIN pg_namespace n ON n.oid = e.extnamespace WHERE e.extname = 'pg_stat_statements'`)
	switch schema := t.text(0, "schema"); {
	case err != nil || schema == "":
		return "", err
	case !t.truth(0, "usable"):
		return "", fmt.Errorf("pg_stat_statements is out of reach: GRANT USAGE ON SCHEMA %s TO %s", schema, p.set.user)
	default:
		return schema + ".pg_stat_statements", nil
	}
}

func (p *postgres) statementTexts(ctx context.Context, view string, digests []string) (map[string]string, error) {
	var ids []string
	for _, d := range digests {
		if _, err := strconv.ParseInt(d, 10, 64); err == nil {
			ids = append(ids, d)
		}
	}
	t, err := p.ask(ctx, `SELECT DISTINCT ON (queryid) queryid, left(query, 4000) AS query FROM %s(true) WHERE queryid IN (%s)`, view, strings.Join(ids, ", "))
	found := map[string]string{}
	for i := range t.rows {
		found[t.text(i, "queryid")] = t.text(i, "query")
	}
	return found, err
}
