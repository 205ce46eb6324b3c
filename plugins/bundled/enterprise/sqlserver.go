package enterprise

import "strings"

// sqlServerSections ask SQL Server 2016 and later by its dynamic management views;
// the first is the login's proof. VIEW SERVER STATE, VIEW ANY DEFINITION and read
// access to msdb's backupset let a login read them all.
var sqlServerSections = []section{
	{name: "instance", tell: msInstance, query: `SELECT CAST(SERVERPROPERTY('ProductVersion') AS nvarchar(64)) AS version, CAST(SERVERPROPERTY('Edition') AS nvarchar(64)) AS edition,
DATEDIFF(second, sqlserver_start_time, SYSDATETIME()) AS uptime, @@MAX_CONNECTIONS AS most FROM sys.dm_os_sys_info`},
	{name: "connections", tell: msConnections, query: `SELECT DB_NAME(database_id) AS name, status, COUNT(*) AS n, @@MAX_CONNECTIONS AS most FROM sys.dm_exec_sessions WHERE is_user_process = 1 GROUP BY DB_NAME(database_id), status`},
	{name: "counters", tell: msCounters, query: `SELECT RTRIM(counter_name) AS name, RTRIM(instance_name) AS instance, cntr_value AS value FROM sys.dm_os_performance_counters
WHERE (counter_name IN ('Number of Deadlocks/sec', 'Transactions/sec') AND instance_name <> 'mssqlsystemresource')
OR (counter_name = 'Page life expectancy' AND object_name LIKE '%Buffer Manager%') OR counter_name IN ('Batch Requests/sec', 'User Connections')`},
	{name: "locks", tell: tellBlocked, query: `SELECT r.session_id AS waiter, s.login_name AS waiter_user, s.program_name AS waiter_program, s.host_name AS waiter_host, r.wait_time / 1000.0 AS wait, r.wait_type AS wait_for,
r.blocking_session_id AS blocker, b.login_name AS blocker_user, b.program_name AS blocker_program, b.host_name AS blocker_host, DB_NAME(r.database_id) AS [database], SUBSTRING(t.text, 1, 900) AS statement
FROM sys.dm_exec_requests r JOIN sys.dm_exec_sessions s ON s.session_id = r.session_id LEFT JOIN sys.dm_exec_sessions b ON b.session_id = r.blocking_session_id
OUTER APPLY sys.dm_exec_sql_text(r.sql_handle) t WHERE r.blocking_session_id > 0 AND r.blocking_session_id <> r.session_id ORDER BY r.wait_time DESC`},
	{name: "statements", tell: tellStatements, query: `SELECT r.total_elapsed_time / 1000.0 AS seconds FROM sys.dm_exec_requests r JOIN sys.dm_exec_sessions s ON s.session_id = r.session_id
WHERE s.is_user_process = 1 AND r.session_id <> @@SPID AND r.blocking_session_id = 0 AND COALESCE(r.wait_type, '') NOT IN ('WAITFOR', 'BROKER_RECEIVE_WAITFOR', 'SP_SERVER_DIAGNOSTICS_SLEEP', 'XE_LIVE_TARGET_TVF')
ORDER BY r.total_elapsed_time DESC`},
	{name: "transactions", tell: msTransactions, query: `SELECT MAX(DATEDIFF(second, t.transaction_begin_time, GETDATE())) AS longest, MAX(CASE WHEN s.status = 'sleeping' THEN DATEDIFF(second, t.transaction_begin_time, GETDATE()) END) AS idle
FROM sys.dm_tran_active_transactions t JOIN sys.dm_tran_session_transactions x ON x.transaction_id = t.transaction_id JOIN sys.dm_exec_sessions s ON s.session_id = x.session_id WHERE s.is_user_process = 1`},
	{name: "availability", tell: msAvailability, query: `SELECT g.name AS [group], a.replica_server_name AS replica, DB_NAME(d.database_id) AS name, d.synchronization_state_desc AS state, CAST(d.is_suspended AS int) AS suspended,
CAST(d.is_local AS int) AS is_local, CAST(d.is_primary_replica AS int) AS is_primary, d.log_send_queue_size * 1024 AS send_queue, d.redo_queue_size * 1024 AS redo_queue, d.secondary_lag_seconds AS lag
FROM sys.dm_hadr_database_replica_states d JOIN sys.availability_groups g ON g.group_id = d.group_id JOIN sys.availability_replicas a ON a.replica_id = d.replica_id`},
	{name: "databases", tell: msDatabases, query: `SELECT name, state FROM sys.databases`},
	{name: "files", slow: true, tell: msFiles, query: `SELECT DB_NAME(database_id) AS name, name AS logicalname, type_desc AS type, size * 8192.0 AS bytes, CASE WHEN max_size > 0 THEN max_size * 8192.0 END AS most FROM sys.master_files`},
	{name: "logs", slow: true, tell: msLogs, query: `SELECT RTRIM(instance_name) AS name, cntr_value AS value FROM sys.dm_os_performance_counters WHERE counter_name = 'Percent Log Used' AND instance_name NOT IN ('_Total', 'mssqlsystemresource')`},
	// what was never backed up is as old as the database
	{name: "backups", slow: true, tell: tellBackups, query: `SELECT d.name, k.type, DATEDIFF(second, COALESCE(MAX(b.backup_finish_date), MIN(d.create_date)), GETDATE()) AS age
FROM sys.databases d CROSS JOIN (SELECT 'full' AS type, 'D' AS code UNION ALL SELECT 'log', 'L') k LEFT JOIN msdb.dbo.backupset b ON b.database_name = d.name AND b.type = k.code
WHERE d.database_id <> 2 AND d.state = 0 AND (k.type = 'full' OR d.recovery_model <> 3) GROUP BY d.name, k.type`},
}

func msInstance(r *reading, rows []row) {
	for _, i := range rows {
		r.put("faultline_database_info", 1, "kind", sqlServer, "version", i["version"], "edition", i["edition"])
		r.column("faultline_database_uptime_seconds", i, "uptime")
	}
}

func msConnections(r *reading, rows []row) {
	total, active, most := 0.0, 0.0, 0.0
	for _, c := range rows {
		n := c.orZero("n")
		r.put("mssql_connections", n, "database", c["name"], "state", c["status"])
		total, most = total+n, max(most, c.orZero("most"))
		if c["status"] == "running" {
			active += n
		}
	}
	r.put("faultline_database_connections", total)
	r.put("faultline_database_active_sessions", active)
	if most > 0 {
		r.put("faultline_database_connections_limit", most)
		r.put("faultline_database_connections_used_ratio", total/most)
	}
}

func msCounters(r *reading, rows []row) {
	for _, c := range rows {
		switch c["name"] {
		case "Number of Deadlocks/sec": // in spite of its name the number since the start
			if c["instance"] == "_Total" {
				r.column("mssql_deadlocks", c, "value")
				r.column("faultline_database_deadlocks_total", c, "value")
			} else {
				r.column("windows_mssql_locks_deadlocks", c, "value", "resource", c["instance"])
			}
		case "Transactions/sec":
			if c["instance"] != "_Total" {
				r.column("mssql_transactions", c, "value", "database", c["instance"])
			}
		case "Batch Requests/sec":
			r.column("mssql_batch_requests", c, "value")
		case "Page life expectancy":
			r.column("mssql_page_life_expectancy", c, "value")
		case "User Connections":
			r.column("windows_mssql_genstats_user_connections", c, "value")
		}
	}
}

func msTransactions(r *reading, rows []row) {
	for _, t := range rows {
		r.put("faultline_database_longest_transaction_seconds", t.orZero("longest"))
		r.put("faultline_database_longest_idle_transaction_seconds", t.orZero("idle"))
	}
}

// msAvailability tells of availability groups: the primary sees all replicas, a
// secondary itself.
func msAvailability(r *reading, rows []row) {
	local, primary := false, false
	for _, a := range rows {
		channel := a["group"] + "/" + a["name"] + "@" + a["replica"]
		if a.orZero("is_local") == 1 {
			local, primary = true, primary || a.orZero("is_primary") == 1
		}
		if a.orZero("is_primary") == 1 {
			continue
		}
		runs := a.orZero("suspended") == 0 && strings.HasPrefix(a["state"], "SYNCHRONI")
		r.put("faultline_database_replication_running", truth(runs), "channel", channel)
		r.column("faultline_database_replication_lag_seconds", a, "lag", "channel", channel)
		r.column("mssql_availability_send_queue_bytes", a, "send_queue", "channel", channel)
		r.column("mssql_availability_redo_queue_bytes", a, "redo_queue", "channel", channel)
	}
	if local {
		r.put("faultline_database_is_replica", truth(!primary))
	}
}

func msDatabases(r *reading, rows []row) {
	for _, d := range rows {
		r.column("mssql_database_state", d, "state", "database", d["name"])
	}
}

func msFiles(r *reading, rows []row) {
	sums := map[string]float64{}
	for _, f := range rows {
		labels := []string{"database", f["name"], "logicalname", f["logicalname"], "type", f["type"]}
		r.column("mssql_database_filesize", f, "bytes", labels...)
		r.column("mssql_database_file_max_bytes", f, "most", labels...)
		sums[f["name"]] += f.orZero("bytes")
	}
	for name, v := range sums {
		r.put("faultline_database_size_bytes", v, "datname", name)
	}
}

func msLogs(r *reading, rows []row) {
	for _, l := range rows {
		r.column("mssql_log_used_percent", l, "value", "database", l["name"])
	}
}
