//go:build linux

package database_test

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"
)

// What is archived, how large tablespaces are, which indexes are of no use and what
// of the files is air.
func TestPostgresUpkeep(t *testing.T) {
	p := startPostgres(t, "archive_mode=on", "archive_command=test -e archive_now", "autovacuum=off")
	w := p.watch("details_every", "100ms", "statement_timeout", "10s")
	space := filepath.Join(p.dir, "space")
	_, chown, err := owner("postgres")
	if err == nil {
		err = os.Mkdir(space, 0o700)
	}
	if err == nil {
		err = chown(space)
	}
	if err != nil {
		t.Fatal(err)
	}
	admin := p.session()
	admin.do("CREATE TABLESPACE fast LOCATION '" + space + "'")
	admin.do("CREATE TABLE orders (id int PRIMARY KEY, note text) TABLESPACE fast; INSERT INTO orders SELECT i, repeat('x', 60) FROM generate_series(1, 60000) i")
	admin.do("CREATE TABLE twice (id int); INSERT INTO twice VALUES (1), (1)")
	if _, err := admin.Query(t.Context(), "CREATE UNIQUE INDEX CONCURRENTLY twice_id ON twice (id)"); err == nil {
		t.Fatal("a unique index on what is there twice was built")
	}
	admin.do("DELETE FROM orders WHERE id % 20 <> 0")
	admin.do("VACUUM ANALYZE orders")

	s := w.good()
	w.wantAbove(s, 4e6, "faultline_database_tablespace_size_bytes", "tablespace", "fast")
	w.wantAbove(s, 4e6, "faultline_database_tablespace_size_bytes", "tablespace", "pg_default")
	w.want(s, 1, "faultline_database_invalid_indexes")
	w.want(s, 0, "pg_general_index_info_pg_relation_size", "indexrelname", "twice_id", "relname", "twice") // it came to nothing
	w.wantAbove(s, 1e6, "pg_general_index_info_pg_relation_size", "indexrelname", "orders_pkey")
	w.none(s, "pg_bloat_table_bloat_pct") // its statistics are hidden
	admin.do("GRANT SELECT ON orders TO monitor")
	until(t, "the estimate is there", func() bool {
		s = w.good()
		_, ok := s.value("pg_bloat_table_bloat_pct", "relname", "orders")
		return ok
	})
	w.wantAbove(s, 85, "pg_bloat_table_bloat_pct", "relname", "orders")
	w.wantAbove(s, 5e6, "pg_bloat_table_real_size", "relname", "orders")
	w.wantAbove(s, 85, "pg_bloat_btree_bloat_pct", "idxname", "orders_pkey")
	w.wantAbove(s, 1e6, "pg_bloat_btree_real_size", "idxname", "orders_pkey")
	admin.do("VACUUM FULL ANALYZE orders")
	admin.do("INSERT INTO orders SELECT i, repeat('x', 60) FROM generate_series(60001, 120000) i")
	admin.do("ANALYZE orders")
	until(t, "nothing is air", func() bool {
		v, ok := w.good().value("pg_bloat_table_bloat_pct", "relname", "orders")
		return ok && v < 10
	})

	requested, _ := w.good().value("pg_stat_bgwriter_checkpoints_req_total")
	admin.do("CHECKPOINT; SELECT pg_switch_wal()")
	until(t, "the checkpoint is counted and the archive fails", func() bool {
		s = w.good()
		n, _ := s.value("pg_stat_bgwriter_checkpoints_req_total")
		failed, _ := s.value("pg_stat_archiver_failed_count")
		return n > requested && failed > 0
	})
	w.want(s, 0, "faultline_database_archiving")
	w.none(s, "pg_stat_archiver_last_archive_age")
	if err := os.WriteFile(filepath.Join(p.dir, "data", "archive_now"), nil, 0o644); err != nil {
		t.Fatal(err)
	}
	until(t, "it archives again", func() bool {
		admin.do("CREATE TABLE wakes_the_archiver ()") // which waits a minute by itself after three failures
		admin.do("DROP TABLE wakes_the_archiver")
		admin.do("SELECT pg_switch_wal()")
		s = w.good()
		v, _ := s.value("faultline_database_archiving")
		return v == 1
	})
	w.wantAbove(s, 0, "pg_stat_archiver_archived_count")
	w.wantAbove(s, 0, "faultline_database_backup_age_seconds", "type", "log")
}

// The age of the oldest transaction is said per database and state.
func TestPostgresTransactionAge(t *testing.T) {
	p := startPostgres(t)
	w := p.watch()
	s := p.session()
	s.do("BEGIN; SELECT 1")
	until(t, "the transaction is older", func() bool {
		v, ok := w.good().value("pg_stat_activity_max_tx_duration", "datname", "postgres", "state", "idle in transaction")
		return ok && v > 0.3
	})
	s.do("COMMIT")
	until(t, "it has ended", func() bool {
		v, _ := w.good().value("pg_stat_activity_max_tx_duration", "datname", "postgres", "state", "idle in transaction")
		return v == 0
	})
}

// Heartbeats, backups and InnoDB's files, as far as one may read them.
func TestMariaDBUpkeep(t *testing.T) {
	m := startMariaDB(t)
	w := m.watch("heartbeat", "ops.heartbeat", "backup_max_age", "26h", "details_every", "100ms")
	admin := m.session()
	admin.do("CREATE DATABASE ops; CREATE TABLE ops.heartbeat (ts varchar(26) NOT NULL, server_id int unsigned PRIMARY KEY)")
	w.partial("heartbeat", "GRANT SELECT ON ops.heartbeat to monitor")
	admin.do("GRANT SELECT ON ops.heartbeat TO monitor@'%'")
	w.partial("nobody writes heartbeats")
	admin.do("INSERT INTO ops.heartbeat VALUES (DATE_FORMAT(NOW(6) - INTERVAL 90 SECOND, '%Y-%m-%dT%H:%i:%s.%f'), 1)")
	var s *sink
	until(t, "a heartbeat and the files are read", func() bool {
		s = w.good()
		_, ok := s.value("faultline_database_tablespace_size_bytes", "tablespace", "shop/accounts")
		return ok
	})
	stored, _ := s.value("mysql_heartbeat_stored_timestamp_seconds", "server_id", "1")
	now, _ := s.value("mysql_heartbeat_now_timestamp_seconds", "server_id", "1")
	if late := now - stored; late < 90 || late > 120 || time.Since(time.UnixMilli(int64(now*1000))).Abs() > time.Minute {
		t.Errorf("heartbeat of %v at %v", stored, now)
	}
	w.wantAbove(s, 1e6, "mysql_info_schema_innodb_tablespace_file_size_bytes", "tablespace_name", "innodb_system")
	w.wantAbove(s, 50_000, "faultline_database_tablespace_size_bytes", "tablespace", "shop/accounts")
	w.want(s, 26*3600, "faultline_database_backup_max_age_seconds")
	w.none(s, "faultline_database_backup_age_seconds")

	// As mariadb-backup --history of 10.11 makes it (MariaDB's manual).
	admin.do(`CREATE TABLE mysql.mariadb_backup_history (uuid varchar(40) NOT NULL, name varchar(255), tool_name varchar(255), tool_command text, tool_version varchar(255),
		ibbackup_version varchar(255), server_version varchar(255), start_time timestamp NULL, end_time timestamp NULL, lock_time bigint, binlog_pos varchar(128),
		innodb_from_lsn bigint, innodb_to_lsn bigint, partial enum('Y','N'), incremental enum('Y','N'), format enum('file','tar','xbstream'), compressed enum('Y','N'), PRIMARY KEY (uuid))`)
	w.none(w.good(), "faultline_database_backup_age_seconds") // it is not ours to read
	admin.do("GRANT SELECT ON mysql.mariadb_backup_history TO monitor@'%'")
	for i, hours := range []int{30, 54} {
		admin.do(fmt.Sprintf("INSERT INTO mysql.mariadb_backup_history (uuid, end_time, incremental) VALUES ('full%d', NOW() - INTERVAL %d HOUR, 'N')", i, hours))
	}
	admin.do("INSERT INTO mysql.mariadb_backup_history (uuid, end_time, incremental) VALUES ('step', NOW() - INTERVAL 1 HOUR, 'Y'), ('broken', NULL, 'N')")
	until(t, "the backups are seen", func() bool {
		s = w.good()
		_, ok := s.value("faultline_database_backup_age_seconds", "type", "full")
		return ok
	})
	for kind, hours := range map[string]float64{"full": 30, "incremental": 1} {
		if v, _ := s.value("faultline_database_backup_age_seconds", "type", kind, "datname", "all"); v < hours*3600 || v > hours*3600+600 {
			t.Errorf("%s backup is %v s old, want %v h", kind, v, hours)
		}
	}
}
