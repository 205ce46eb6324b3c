package database

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/faultline/faultline/plugins/bundled/database/sqlmask"
)

// readActivity counts sessions, transactions and statements. Without the role
// pg_monitor the state of others is hidden, and only connections are counted.
func (p *postgres) readActivity(ctx context.Context, r *reading) error {
	slow, long := p.set.slowAfter.Seconds(), p.set.longAfter.Seconds()
	t, err := p.one(ctx, `SELECT count(*) FILTER (WHERE client) AS clients,
		current_setting('max_connections')::int - current_setting('superuser_reserved_connections')::int
			- coalesce(current_setting('reserved_connections', true), '0')::int AS max,
		count(*) FILTER (WHERE theirs AND state = 'active') AS active,
		count(*) FILTER (WHERE theirs AND transaction >= %g) AS long,
		coalesce(max(transaction) FILTER (WHERE theirs), 0) AS longest,
		coalesce(max(idle) FILTER (WHERE theirs AND state LIKE 'idle in transaction%%'), 0) AS idle,
		count(*) FILTER (WHERE works AND running >= %g) AS slow,
		coalesce(max(running) FILTER (WHERE works), 0) AS slowest
		FROM (SELECT *, client AND pid <> pg_backend_pid() AS theirs,
			client AND pid <> pg_backend_pid() AND state = 'active' AND wait_event_type IS DISTINCT FROM 'Lock' AS works FROM (
			SELECT pid, state, wait_event_type, backend_type = 'client backend' OR backend_type IS NULL AND datid IS NOT NULL AS client,
			extract(epoch FROM clock_timestamp() - xact_start) AS transaction, extract(epoch FROM clock_timestamp() - state_change) AS idle,
			extract(epoch FROM clock_timestamp() - query_start) AS running FROM pg_stat_activity) a) b`, long, slow)
	if err != nil {
		return err
	}
	r.putConnections(t.orZero(0, "clients"), t.orZero(0, "max"))
	if !p.all {
		return p.hidden()
	}
	t.puts(r, 0, nil, map[string]string{"active": "faultline_database_active_sessions",
		"long": "faultline_database_long_transactions", "longest": "faultline_database_longest_transaction_seconds",
		"idle": "faultline_database_longest_idle_transaction_seconds",
		"slow": "faultline_database_slow_statements", "slowest": "faultline_database_longest_statement_seconds"})
	return errors.Join(p.tellSlow(ctx, r, t.orZero(0, "slow"), slow), p.countActivity(ctx, r))
}

// putConnections reports how many of the connections that ordinary users can
// have are in use.
func (r *reading) putConnections(used, limit float64) {
	r.put("faultline_database_connections", used)
	r.put("faultline_database_connections_limit", limit)
	if limit > 0 {
		r.put("faultline_database_connections_used_ratio", used/limit)
	}
}

// sessionColumns are what sessionOf reads.
const sessionColumns = `pid AS id, usename, application_name AS application, host(client_addr) AS client, datname, state,
	nullif(backend_type, 'client backend') AS part, extract(epoch FROM clock_timestamp() - xact_start) AS transaction, left(query, 4000) AS statement`

// tellSlow sends events for statements that have become slow; n is how many
// there are.
func (p *postgres) tellSlow(ctx context.Context, r *reading, n, slow float64) error {
	if n == 0 {
		clear(r.w.slow)
		return nil
	}
	t, err := p.ask(ctx, `SELECT %s, extract(epoch FROM query_start) AS begun, extract(epoch FROM clock_timestamp() - query_start) AS age FROM pg_stat_activity
		WHERE backend_type = 'client backend' AND pid <> pg_backend_pid() AND state = 'active' AND wait_event_type IS DISTINCT FROM 'Lock'
		AND query_start < clock_timestamp() - interval '%g seconds' ORDER BY query_start LIMIT %d`, sessionColumns, slow, slowStatements)
	if err == nil {
		r.tellSlow(t, sqlmask.PostgreSQL)
	}
	return err
}

// activityGroups bounds the series of pg_stat_activity_count.
const activityGroups = 60

// countActivity reports the sessions by what they are and do.
func (p *postgres) countActivity(ctx context.Context, r *reading) error {
	t, err := p.ask(ctx, `SELECT datname, state, usename, application_name, backend_type, wait_event_type, count(*) AS n,
		coalesce(max(extract(epoch FROM clock_timestamp() - xact_start)), 0) AS longest FROM pg_stat_activity GROUP BY 1, 2, 3, 4, 5, 6 ORDER BY n DESC LIMIT %d`, activityGroups)
	if err != nil {
		return err
	}
	names := []string{"datname", "state", "usename", "application_name", "backend_type", "wait_event_type"}
	counts, longest := map[string]float64{}, map[string]float64{}
	f, ages := r.family("pg_stat_activity_count"), r.family("pg_stat_activity_max_tx_duration")
	for i := range t.rows {
		values := make([]string, len(names))
		for j, n := range names {
			values[j] = t.text(i, n)
		}
		values[3] = tidy(values[3])
		key := strings.Join(values, "\x00")
		counts[key] += t.orZero(i, "n")
		longest[key] = max(longest[key], t.orZero(i, "longest"))
	}
	for key, n := range counts {
		labels := make([]string, 0, 2*len(names))
		for j, v := range strings.Split(key, "\x00") {
			labels = append(labels, names[j], v)
		}
		r.count(f, n, labels...)
		r.count(ages, longest[key], labels...)
	}
	r.end(f)
	r.end(ages)
	return nil
}

// waitersRead bounds how many waiting sessions are looked at one by one.
const waitersRead = 200

// readBlocked finds who waits for whom. Waiting for an advisory lock is left
// out: programs queue that way on purpose. Before version 14 the server does not
// say since when a session waits; since when its statement runs stands for it.
func (p *postgres) readBlocked(ctx context.Context, r *reading) error {
	since := "l.waitstart"
	if p.version < 140000 {
		since = "(SELECT a.query_start FROM pg_stat_activity a WHERE a.pid = l.pid)"
	}
	t, err := p.ask(ctx, `SELECT pid, pg_blocking_pids(pid)::text AS blockers, extract(epoch FROM clock_timestamp() - since) AS waited, what, mode, total FROM (
		SELECT l.pid, %s AS since, l.mode, count(*) OVER () AS total,
			CASE WHEN l.relation IS NULL THEN l.locktype
				WHEN l.database = (SELECT oid FROM pg_database WHERE datname = current_database()) THEN l.locktype || ' ' || l.relation::regclass
				ELSE l.locktype || ' ' || l.relation END AS what
		FROM pg_locks l WHERE NOT l.granted AND l.locktype <> 'advisory') w ORDER BY since NULLS LAST LIMIT %d`, since, waitersRead)
	if err != nil {
		return err
	}
	total, waiters := 0, make([]waiter, 0, len(t.rows))
	for i := range t.rows {
		total = int(t.orZero(i, "total"))
		waiters = append(waiters, waiter{id: t.id(i, "pid"), blockers: pids(t.text(i, "blockers")), waited: max(t.orZero(i, "waited"), 0),
			on: t.text(i, "what") + " " + t.text(i, "mode")})
	}
	err = r.putBlocked(ctx, waiters, total, p.details)
	if err == nil && !p.all && len(waiters) > 0 {
		err = p.hidden()
	}
	return err
}

// pids reads an array of session ids, {1,2}.
func pids(s string) []int64 {
	var out []int64
	for _, p := range strings.Split(strings.Trim(s, "{}"), ",") {
		if n, err := strconv.ParseInt(p, 10, 64); err == nil {
			out = append(out, n)
		}
	}
	return out
}

// details finds out about sessions; id 0 is a prepared transaction.
func (p *postgres) details(ctx context.Context, ids []int64) (map[int64]session, error) {
	t, err := p.ask(ctx, `SELECT %s FROM pg_stat_activity WHERE pid IN (%s)`, sessionColumns, idList(ids))
	if err != nil {
		return nil, err
	}
	found := map[int64]session{}
	for i := range t.rows {
		s := sessionOf(t, i, sqlmask.PostgreSQL)
		found[s.id] = s
	}
	if slices.Contains(ids, 0) {
		err = p.preparedBlocker(ctx, found)
	}
	return found, err
}

// preparedBlocker names the oldest prepared transaction. Such a one holds locks
// without a session, and the server calls whoever waits for any of them blocked
// by 0.
func (p *postgres) preparedBlocker(ctx context.Context, found map[int64]session) error {
	t, err := p.ask(ctx, `SELECT 0 AS id, 'prepared transaction ' || gid AS part, owner AS usename, database AS datname, 'prepared' AS state,
		extract(epoch FROM clock_timestamp() - prepared) AS transaction FROM pg_prepared_xacts ORDER BY prepared LIMIT 1`)
	if err == nil && len(t.rows) == 1 {
		found[0] = sessionOf(t, 0, sqlmask.PostgreSQL)
	}
	return err
}

// idList writes ids with commas between them.
func idList(ids []int64) string {
	s := make([]string, len(ids))
	for i, id := range ids {
		s[i] = fmt.Sprint(id)
	}
	return strings.Join(s, ", ")
}
