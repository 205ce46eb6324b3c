package database

import (
	"context"
)

// databasesRead bounds the databases with series of their own.
const databasesRead = 100

// databaseColumns are the columns of pg_stat_database that postgres_exporter
// reports under the same names.
var databaseColumns = []string{"numbackends", "xact_commit", "xact_rollback", "blks_read", "blks_hit", "tup_returned", "tup_fetched",
	"tup_inserted", "tup_updated", "tup_deleted", "conflicts", "temp_files", "temp_bytes", "deadlocks", "blk_read_time", "blk_write_time"}

// readDatabases reports what each database has done since its statistics were
// reset, and how old its oldest transaction id is.
func (p *postgres) readDatabases(ctx context.Context, r *reading) error {
	t, err := p.ask(ctx, `SELECT s.*, age(d.datfrozenxid) AS age FROM pg_stat_database s JOIN pg_database d ON d.oid = s.datid
		ORDER BY s.xact_commit DESC LIMIT %d`, databasesRead)
	if err != nil {
		return err
	}
	var commits, rollbacks, deadlocks, oldest float64
	for i := range t.rows {
		labels := []string{"datid", t.text(i, "datid"), "datname", t.text(i, "datname")}
		for _, c := range databaseColumns {
			if v, ok := t.number(i, c); ok {
				r.put("pg_stat_database_"+c, v, labels...)
			}
		}
		commits += t.orZero(i, "xact_commit")
		rollbacks += t.orZero(i, "xact_rollback")
		deadlocks += t.orZero(i, "deadlocks")
		oldest = max(oldest, t.orZero(i, "age"))
	}
	r.putWork(commits, rollbacks, deadlocks)
	r.put("faultline_database_transaction_ids_used_ratio", oldest/(1<<31))
	return nil
}

// putWork reports what the whole server has done.
func (r *reading) putWork(commits, rollbacks, deadlocks float64) {
	r.put("faultline_database_commits_total", commits)
	r.put("faultline_database_rollbacks_total", rollbacks)
	r.put("faultline_database_deadlocks_total", deadlocks)
}

// readLocks counts locks by database and mode.
func (p *postgres) readLocks(ctx context.Context, r *reading) error {
	t, err := p.ask(ctx, `SELECT coalesce(d.datname, '') AS datname, lower(l.mode) AS mode, count(*) AS n,
		count(*) FILTER (WHERE NOT l.granted AND l.locktype = 'advisory') AS advisory
		FROM pg_locks l LEFT JOIN pg_database d ON d.oid = l.database WHERE l.pid IS DISTINCT FROM pg_backend_pid()
		GROUP BY 1, 2 ORDER BY n DESC LIMIT %d`, 4*databasesRead)
	if err != nil {
		return err
	}
	f, advisory := r.family("pg_locks_count"), 0.0
	for i := range t.rows {
		r.count(f, t.orZero(i, "n"), "datname", t.text(i, "datname"), "mode", t.text(i, "mode"))
		advisory += t.orZero(i, "advisory")
	}
	r.end(f)
	r.put("faultline_database_advisory_waits", advisory)
	return nil
}

// readPrepared looks at prepared transactions, which hold their locks for as
// long as nobody ends them, across restarts.
func (p *postgres) readPrepared(ctx context.Context, r *reading) error {
	t, err := p.one(ctx, `SELECT count(*) AS n, coalesce(max(extract(epoch FROM clock_timestamp() - prepared)), 0) AS oldest FROM pg_prepared_xacts`)
	if err != nil {
		return err
	}
	t.puts(r, 0, nil, map[string]string{"n": "faultline_database_prepared_transactions", "oldest": "faultline_database_oldest_prepared_seconds"})
	return nil
}

// readSizes reports how large each database is; the server looks at every file
// for it.
func (p *postgres) readSizes(ctx context.Context, r *reading) error {
	t, err := p.ask(ctx, `SELECT datname, pg_database_size(oid) AS size FROM pg_database WHERE datallowconn ORDER BY datname LIMIT %d`, databasesRead)
	if err != nil {
		return p.permission(err)
	}
	for i := range t.rows {
		t.puts(r, i, []string{"datname", t.text(i, "datname")}, map[string]string{"size": "pg_database_size_bytes"})
		t.puts(r, i, []string{"datname", t.text(i, "datname")}, map[string]string{"size": "faultline_database_size_bytes"})
	}
	return nil
}

// tablesRead bounds the tables with series of their own, those with most dead
// rows.
const tablesRead = 20

// readTables reports the tables that need vacuuming most, of the database logged
// in to.
func (p *postgres) readTables(ctx context.Context, r *reading) error {
	t, err := p.ask(ctx, `SELECT current_database() AS datname, schemaname, relname, n_live_tup, n_dead_tup, n_tup_upd, n_tup_del, n_tup_hot_upd,
		extract(epoch FROM greatest(last_vacuum, last_autovacuum)) AS vacuumed, extract(epoch FROM last_autovacuum) AS autovacuumed,
		extract(epoch FROM last_autoanalyze) AS autoanalyzed
		FROM pg_stat_user_tables ORDER BY n_dead_tup DESC NULLS LAST LIMIT %d`, tablesRead)
	if err != nil {
		return err
	}
	for i := range t.rows {
		t.puts(r, i, []string{"datname", t.text(i, "datname"), "schemaname", t.text(i, "schemaname"), "relname", t.text(i, "relname")},
			map[string]string{"n_live_tup": "pg_stat_user_tables_n_live_tup", "n_dead_tup": "pg_stat_user_tables_n_dead_tup",
				"n_tup_upd": "pg_stat_user_tables_n_tup_upd", "n_tup_del": "pg_stat_user_tables_n_tup_del", "n_tup_hot_upd": "pg_stat_user_tables_n_tup_hot_upd",
				"vacuumed": "pg_stat_user_tables_last_vacuum", "autovacuumed": "pg_stat_user_tables_last_autovacuum",
				"autoanalyzed": "pg_stat_user_tables_last_autoanalyze"})
	}
	return nil
}
