package database

import (
	"context"
	"errors"
	"strings"
)

// mysqlVariables are reported as mysql_global_variables_*; variables that a
// server does not have are left out by it.
var mysqlVariables = []string{"max_connections", "max_user_connections", "read_only", "super_read_only", "innodb_buffer_pool_size", "innodb_log_file_size",
	"key_buffer_size", "long_query_time", "open_files_limit", "performance_schema", "query_cache_size", "slow_query_log", "table_open_cache",
	"thread_cache_size", "tmp_table_size", "sort_buffer_size", "join_buffer_size", "read_buffer_size", "read_rnd_buffer_size",
	"innodb_additional_mem_pool_size", "innodb_log_buffer_size", "max_connect_errors", "max_allowed_packet",
	"max_prepared_stmt_count", "innodb_force_recovery", "wsrep_on", "wsrep_desync"}

// readServer asks what server this is and how it is set.
func (m *mysqlLogin) readServer(ctx context.Context, r *reading) error {
	t, err := m.ask(ctx, "SHOW GLOBAL VARIABLES WHERE Variable_name IN ('version', 'version_comment', 'innodb_version', '"+strings.Join(mysqlVariables, "', '")+"')")
	if err != nil {
		return err
	}
	text := map[string]string{}
	for i := range t.rows {
		name := strings.ToLower(t.text(i, "variable_name"))
		text[name] = t.text(i, "value")
		if v, ok := mysqlNumber(t.text(i, "value")); ok && !strings.Contains(name, "version") {
			r.put("mysql_global_variables_"+name, v)
		}
	}
	kind := "MySQL"
	if m.mariadb {
		kind = "MariaDB"
	}
	r.put("mysql_version_info", 1, "version", text["version"], "version_comment", text["version_comment"], "innodb_version", text["innodb_version"])
	r.put("faultline_database_info", 1, "kind", kind, "version", text["version"])
	on, _ := mysqlNumber(text["wsrep_on"])
	r.w.cluster = on == 1
	limit, _ := mysqlNumber(text["max_connections"])
	r.w.limit = limit
	return nil
}

// mysqlNumber reads a number, or ON, YES and the like.
func mysqlNumber(s string) (float64, bool) {
	switch strings.ToUpper(s) {
	case "ON", "YES":
		return 1, true
	case "OFF", "NO", "CONNECTING":
		return 0, true
	}
	return (table{columns: map[string]int{"v": 0}, rows: [][]value{{{s, true}}}}).number(0, "v")
}

// mysqlStatus are reported as mysql_global_status_*, as mysqld_exporter does.
var mysqlStatus = []string{"Uptime", "Queries", "Questions", "Slow_queries", "Connections", "Threads_connected", "Threads_running", "Threads_cached",
	"Threads_created", "Max_used_connections", "Aborted_clients", "Aborted_connects", "Bytes_received", "Bytes_sent", "Created_tmp_tables",
	"Created_tmp_disk_tables", "Created_tmp_files", "Innodb_deadlocks", "Innodb_row_lock_waits", "Innodb_row_lock_time", "Innodb_row_lock_current_waits",
	"Innodb_buffer_pool_read_requests", "Innodb_buffer_pool_reads", "Innodb_buffer_pool_wait_free", "Innodb_data_read", "Innodb_data_written",
	"Innodb_data_fsyncs", "Innodb_os_log_written", "Innodb_log_waits", "Innodb_page_size", "Innodb_history_list_length", "Open_files", "Open_tables",
	"Opened_tables", "Opened_files", "Open_table_definitions", "Opened_table_definitions", "Select_full_join", "Select_full_range_join", "Select_range",
	"Select_range_check", "Select_scan", "Sort_merge_passes", "Sort_range", "Sort_rows", "Sort_scan", "Table_locks_immediate", "Table_locks_waited",
	"Table_open_cache_hits", "Table_open_cache_misses", "Table_open_cache_overflows", "Qcache_free_memory", "Qcache_hits", "Qcache_inserts",
	"Qcache_lowmem_prunes", "Qcache_not_cached", "Qcache_queries_in_cache", "Connection_errors_max_connections", "Connection_errors_internal",
	"Wsrep_cluster_size", "Wsrep_local_state", "Wsrep_ready", "Wsrep_connected", "Wsrep_local_recv_queue", "Wsrep_flow_control_paused", "Wsrep_local_cert_failures",
	"Prepared_stmt_count", "Innodb_num_open_files"}

// mysqlFamilies turn status variables that share a prefix into one metric with a
// label.
var mysqlFamilies = []struct{ prefix, metric, label string }{
	{"com_", "mysql_global_status_commands_total", "command"},
	{"handler_", "mysql_global_status_handlers_total", "handler"},
	{"innodb_rows_", "mysql_global_status_innodb_row_ops_total", "operation"},
	{"innodb_buffer_pool_pages_", "mysql_global_status_buffer_pool_pages", "state"},
}

// mysqlCommands are the commands reported.
var mysqlCommands = []string{"select", "insert", "update", "delete", "replace", "insert_select", "update_multi", "delete_multi", "replace_select", "load",
	"begin", "commit", "rollback", "call_procedure", "stmt_execute", "set_option", "change_db", "lock_tables", "unlock_tables", "alter_table", "create_table",
	"drop_table", "truncate", "kill", "flush"}

// readStatus reports the server's counters.
func (m *mysqlLogin) readStatus(ctx context.Context, r *reading) error {
	names := append([]string{}, mysqlStatus...)
	for _, c := range mysqlCommands {
		names = append(names, "Com_"+c)
	}
	t, err := m.ask(ctx, "SHOW GLOBAL STATUS WHERE Variable_name IN ('"+strings.Join(names, "', '")+
		"') OR Variable_name LIKE 'Handler\\_%' OR Variable_name LIKE 'Innodb\\_rows\\_%' OR Variable_name LIKE 'Innodb\\_buffer\\_pool\\_pages\\_%'")
	if err != nil {
		return err
	}
	status := map[string]float64{}
	for i := range t.rows {
		name := strings.ToLower(t.text(i, "variable_name"))
		v, ok := mysqlNumber(t.text(i, "value"))
		if !ok || !r.w.cluster && strings.HasPrefix(name, "wsrep_") {
			continue // outside a cluster the server says that it is not ready for one
		}
		status[name] = v
		metric, label := mysqlMetric(name)
		r.put(metric, v, label...)
	}
	if r.w.limit > 0 {
		r.putConnections(status["threads_connected"], r.w.limit)
	}
	r.put("faultline_database_uptime_seconds", status["uptime"])
	r.tellRestart(float64(r.at.UnixMilli())/1000-status["uptime"], 5) // our clock, and whole seconds
	return m.putDeadlocks(ctx, r, status)
}

// mysqlMetric is the metric of a status variable in lower case.
func mysqlMetric(name string) (string, []string) {
	for _, f := range mysqlFamilies {
		if rest, ok := strings.CutPrefix(name, f.prefix); ok {
			return f.metric, []string{f.label, rest}
		}
	}
	return "mysql_global_status_" + name, nil
}

// putDeadlocks reports what the server has done; MySQL counts deadlocks
// elsewhere than MariaDB.
func (m *mysqlLogin) putDeadlocks(ctx context.Context, r *reading, status map[string]float64) error {
	deadlocks, ok := status["innodb_deadlocks"]
	var err error
	if !ok {
		var t table
		t, err = m.ask(ctx, "SELECT MAX(IF(NAME = 'lock_deadlocks', `COUNT`, NULL)) AS n, MAX(IF(NAME = 'trx_rseg_history_len', `COUNT`, NULL)) AS history "+
			"FROM information_schema.INNODB_METRICS WHERE NAME IN ('lock_deadlocks', 'trx_rseg_history_len')")
		deadlocks, ok = t.number(0, "n")
		if n, known := t.number(0, "history"); known {
			status["innodb_history_list_length"] = n
		}
		err = m.permission(err, "PROCESS")
	}
	if n, known := status["innodb_history_list_length"]; known {
		r.put("mysql_info_schema_innodb_metrics_transaction_trx_rseg_history_len", n) // as mysqld_exporter calls it
	}
	r.put("faultline_database_commits_total", status["handler_commit"])
	r.put("faultline_database_rollbacks_total", status["handler_rollback"])
	if ok {
		r.put("faultline_database_deadlocks_total", deadlocks)
	}
	return err
}

// readSizes reports how much the files of each database hold, as InnoDB sees
// them; tables of other engines are not counted.
func (m *mysqlLogin) readSizes(ctx context.Context, r *reading) error {
	view := "INNODB_TABLESPACES"
	if m.mariadb || m.version < 80000 {
		view = "INNODB_SYS_TABLESPACES"
	}
	t, err := m.ask(ctx, "SELECT SUBSTRING_INDEX(NAME, '/', 1) AS name, SUM(FILE_SIZE) AS size FROM information_schema."+view+
		" WHERE NAME LIKE '%/%' GROUP BY 1 ORDER BY 2 DESC LIMIT 100")
	if err != nil {
		return m.permission(err, "PROCESS")
	}
	for i := range t.rows {
		t.puts(r, i, []string{"datname", t.text(i, "name")}, map[string]string{"size": "faultline_database_size_bytes"})
	}
	return nil
}

// readStatements reads what statements cost where performance_schema is on.
func (m *mysqlLogin) readStatements(ctx context.Context, r *reading) error {
	if !m.schema {
		return nil
	}
	t, err := m.ask(ctx, "SELECT SCHEMA_NAME AS name, DIGEST AS digest, COUNT_STAR AS calls, SUM_TIMER_WAIT / 1e12 AS seconds, SUM_ERRORS AS errors"+
		" FROM performance_schema.events_statements_summary_by_digest WHERE DIGEST IS NOT NULL ORDER BY SUM_TIMER_WAIT DESC LIMIT %d", statementsCompared)
	if err != nil {
		return m.permission(err, "SELECT ON performance_schema.*")
	}
	costs := map[string]cost{}
	for i := range t.rows {
		c := costs[t.text(i, "digest")]
		c.calls += t.orZero(i, "calls")
		c.seconds += t.orZero(i, "seconds")
		costs[t.text(i, "digest")] = c
		if i < statementsShown {
			t.puts(r, i, []string{"schema", t.text(i, "name"), "digest", t.text(i, "digest")}, map[string]string{
				"calls": "mysql_perf_schema_events_statements_total", "seconds": "mysql_perf_schema_events_statements_seconds_total",
				"errors": "mysql_perf_schema_events_statements_errors_total"})
		}
	}
	return r.tellSpent(ctx, costs, mysqlDialect, m.statementTexts)
}

// statementTexts finds statements by digest, which is hexadecimal.
func (m *mysqlLogin) statementTexts(ctx context.Context, digests []string) (map[string]string, error) {
	for _, d := range digests {
		if strings.Trim(d, "0123456789abcdefABCDEF") != "" {
			return nil, errors.New("a digest of a statement is not hexadecimal")
		}
	}
	t, err := m.ask(ctx, "SELECT DIGEST AS digest, LEFT(DIGEST_TEXT, 4000) AS text FROM performance_schema.events_statements_summary_by_digest"+
		" WHERE DIGEST IN ('"+strings.Join(digests, "', '")+"')")
	found := map[string]string{}
	for i := range t.rows {
		found[t.text(i, "digest")] = t.text(i, "text")
	}
	return found, err
}
