package database

import (
	"context"
	"fmt"
	"regexp"
	"strings"
)

// heartbeatName is a table of pt-heartbeat as the option heartbeat names it.
var heartbeatName = regexp.MustCompile(`^[A-Za-z0-9_$]{1,64}\.[A-Za-z0-9_$]{1,64}$`)

// readHeartbeat reads the times that a program on the primary writes into a table
// (columns ts and server_id, as pt-heartbeat makes it): what a replica shows of it
// is how far behind it is, also while it applies one long statement.
func (m *mysqlLogin) readHeartbeat(ctx context.Context, r *reading) error {
	schema, table, _ := strings.Cut(m.set.heartbeat, ".")
	t, err := m.ask(ctx, "SELECT server_id, UNIX_TIMESTAMP(ts) AS stored, UNIX_TIMESTAMP(NOW(6)) AS now FROM `%s`.`%s` ORDER BY server_id LIMIT %d", schema, table, standbysRead)
	if err != nil {
		return m.permission(err, "SELECT ON "+m.set.heartbeat)
	}
	if len(t.rows) == 0 {
		return fmt.Errorf("%s is empty: nobody writes heartbeats", m.set.heartbeat)
	}
	for i := range t.rows {
		t.puts(r, i, []string{"server_id", t.text(i, "server_id")}, map[string]string{"stored": "mysql_heartbeat_stored_timestamp_seconds", "now": "mysql_heartbeat_now_timestamp_seconds"})
	}
	return nil
}

// histories are the tables in which backup programs keep what they did, and what in
// them tells a full backup; a table we may not read is not listed by the server.
var histories = []struct{ schema, table, kind string }{
	{"mysql", "mariadb_backup_history", "IF(incremental IN ('Y', '1'), 'incremental', 'full')"}, // mariadb-backup --history, 10.11 and later
	{"PERCONA_SCHEMA", "xtrabackup_history", "IF(incremental IN ('Y', '1'), 'incremental', 'full')"},
	{"mysql", "backup_history", "LOWER(IF(backup_type = 'INCREMENTAL', 'incremental', 'full'))"}, // MySQL Enterprise Backup
}

// readBackups says how old the newest backup of each type is, where a backup
// program keeps its history in the server and we may read it.
func (m *mysqlLogin) readBackups(ctx context.Context, r *reading) error {
	t, err := m.ask(ctx, "SELECT LOWER(CONCAT(TABLE_SCHEMA, '.', TABLE_NAME)) AS name FROM information_schema.TABLES WHERE"+
		" TABLE_SCHEMA IN ('mysql', 'PERCONA_SCHEMA') AND TABLE_NAME IN ('mariadb_backup_history', 'xtrabackup_history', 'backup_history')")
	if err != nil {
		return err
	}
	there := map[string]bool{}
	for i := range t.rows {
		there[t.text(i, "name")] = true
	}
	for _, h := range histories {
		if !there[strings.ToLower(h.schema+"."+h.table)] {
			continue
		}
		good := "end_time IS NOT NULL"
		if h.table == "backup_history" {
			good = "exit_state = 'SUCCESS'"
		}
		t, err := m.ask(ctx, "SELECT "+h.kind+" AS type, TIMESTAMPDIFF(SECOND, MAX(end_time), NOW()) AS age FROM `"+h.schema+"`.`"+h.table+"` WHERE "+good+" GROUP BY 1 LIMIT 4")
		if err != nil {
			return m.permission(err, "SELECT ON "+h.schema+"."+h.table)
		}
		for i := range t.rows {
			t.puts(r, i, []string{"datname", "all", "type", t.text(i, "type")}, map[string]string{"age": "faultline_database_backup_age_seconds"})
		}
	}
	return nil
}

// readTablespaces reports the largest files of InnoDB.
func (m *mysqlLogin) readTablespaces(ctx context.Context, r *reading) error {
	view := "INNODB_TABLESPACES"
	if m.mariadb || m.version < 80000 {
		view = "INNODB_SYS_TABLESPACES"
	}
	t, err := m.ask(ctx, "SELECT NAME AS name, FILE_SIZE AS size, ALLOCATED_SIZE AS allocated FROM information_schema."+view+" ORDER BY FILE_SIZE DESC, NAME LIMIT %d", tablesRead)
	if err != nil {
		return m.permission(err, "PROCESS ON *.*")
	}
	for i := range t.rows {
		t.puts(r, i, []string{"tablespace_name", t.text(i, "name")}, map[string]string{"size": "mysql_info_schema_innodb_tablespace_file_size_bytes",
			"allocated": "mysql_info_schema_innodb_tablespace_allocated_size_bytes"})
		t.puts(r, i, []string{"tablespace", t.text(i, "name")}, map[string]string{"size": "faultline_database_tablespace_size_bytes"})
	}
	return nil
}
