package enterprise

import (
	"strconv"
	"strings"
)

// oracleSections ask Oracle 12.2 and later by the views of its Database Reference;
// the first is the login's proof. A role with SELECT_CATALOG_ROLE reads them all.
var oracleSections = []section{
	{name: "instance", tell: oracleInstance, query: `SELECT i.instance_name, i.version, i.status, d.name AS database, d.database_role, d.open_mode, (SYSDATE - i.startup_time) * 86400 AS uptime
FROM v$instance i CROSS JOIN v$database d`},
	{name: "sessions", tell: oracleSessions, query: `SELECT inst_id, status, type, COUNT(*) AS value FROM gv$session GROUP BY inst_id, status, type`},
	{name: "resources", tell: oracleResources, query: `SELECT inst_id, resource_name, current_utilization, TRIM(limit_value) AS limit_value FROM gv$resource_limit WHERE resource_name IN ('processes', 'sessions')`},
	{name: "activity", tell: oracleActivity, query: `SELECT inst_id, name, value FROM gv$sysstat
WHERE name IN ('user commits', 'user rollbacks', 'execute count', 'parse count (total)', 'enqueue deadlocks')`},
	{name: "locks", tell: tellBlocked, query: `SELECT w.inst_id || ':' || w.sid AS waiter, w.username AS waiter_user, w.program AS waiter_program, w.machine AS waiter_host, w.wait_time_micro / 1000000 AS wait, w.event AS wait_for,
w.final_blocking_instance || ':' || w.final_blocking_session AS blocker, b.username AS blocker_user, b.program AS blocker_program, b.machine AS blocker_host, w.service_name AS database,
(SELECT MIN(SUBSTR(q.sql_text, 1, 900)) FROM gv$sql q WHERE q.inst_id = w.inst_id AND q.sql_id = w.sql_id) AS statement
FROM gv$session w LEFT JOIN gv$session b ON b.inst_id = w.final_blocking_instance AND b.sid = w.final_blocking_session
WHERE w.final_blocking_session_status = 'VALID' AND w.type = 'USER' AND w.state = 'WAITING' AND w.wait_class = 'Application' ORDER BY w.wait_time_micro DESC`},
	{name: "statements", tell: tellStatements, query: `SELECT last_call_et AS seconds FROM gv$session
WHERE status = 'ACTIVE' AND type = 'USER' AND final_blocking_session IS NULL AND sql_id IS NOT NULL AND program <> 'faultline' ORDER BY last_call_et DESC`},
	{name: "standby", tell: oracleStandby, query: `SELECT name, value FROM v$dataguard_stats WHERE name IN ('apply lag', 'transport lag')`},
	{name: "destinations", tell: oracleDestinations, query: `SELECT dest_id, status, error FROM v$archive_dest WHERE target = 'STANDBY' AND status <> 'INACTIVE'`},
	{name: "tablespaces", slow: true, tell: oracleTablespaces, query: `SELECT m.tablespace_name, t.contents, m.used_space * t.block_size AS used, m.tablespace_size * t.block_size AS most, m.used_percent
FROM dba_tablespace_usage_metrics m JOIN dba_tablespaces t ON t.tablespace_name = m.tablespace_name`},
	{name: "files", slow: true, tell: oracleFiles, query: `SELECT SUM(bytes) AS bytes FROM v$datafile`},
	{name: "backups", slow: true, tell: tellBackups, query: `SELECT d.name, CASE WHEN b.input_type IN ('DB FULL', 'DB INCR') THEN 'full' WHEN b.input_type = 'ARCHIVELOG' THEN 'log' ELSE b.input_type END AS type,
MIN((SYSDATE - b.end_time) * 86400) AS age FROM v$rman_backup_job_details b CROSS JOIN v$database d WHERE b.status LIKE 'COMPLETED%'
GROUP BY d.name, CASE WHEN b.input_type IN ('DB FULL', 'DB INCR') THEN 'full' WHEN b.input_type = 'ARCHIVELOG' THEN 'log' ELSE b.input_type END`},
}

func oracleInstance(r *reading, rows []row) {
	for _, i := range rows {
		r.put("faultline_database_info", 1, "kind", oracle, "version", i["version"], "role", strings.ToLower(i["database_role"]), "open_mode", strings.ToLower(i["open_mode"]))
		r.column("faultline_database_uptime_seconds", i, "uptime")
		r.put("faultline_database_is_replica", truth(strings.Contains(i["database_role"], "STANDBY")))
	}
}

func oracleSessions(r *reading, rows []row) {
	active := 0.0
	for _, s := range rows {
		r.column("oracledb_sessions_value", s, "value", "inst_id", s["inst_id"], "status", s["status"], "type", s["type"])
		if s["status"] == "ACTIVE" && s["type"] == "USER" {
			active += s.orZero("value")
		}
	}
	r.put("faultline_database_active_sessions", active)
}

// oracleResources tells the fullest of sessions and processes, of any instance, as
// the connections in use.
func oracleResources(r *reading, rows []row) {
	fullest, used, limit := -1.0, 0.0, 0.0
	for _, x := range rows {
		labels := []string{"inst_id", x["inst_id"], "resource_name", x["resource_name"]}
		n := x.orZero("current_utilization")
		r.put("oracledb_resource_current_utilization", n, labels...)
		most, ok := x.number("limit_value")
		if !ok {
			most = -1 // unlimited, as the exporter says it
		}
		r.put("oracledb_resource_limit_value", most, labels...)
		if most > 0 && n/most > fullest {
			fullest, used, limit = n/most, n, most
		}
	}
	if fullest >= 0 {
		r.put("faultline_database_connections", used)
		r.put("faultline_database_connections_limit", limit)
		r.put("faultline_database_connections_used_ratio", fullest)
	}
}

func oracleActivity(r *reading, rows []row) {
	sums := map[string]float64{}
	for _, a := range rows {
		name := strings.NewReplacer(" ", "_", "(", "", ")", "").Replace(a["name"])
		r.column("oracledb_activity_"+name, a, "value", "inst_id", a["inst_id"])
		sums[name] += a.orZero("value")
	}
	for metric, name := range map[string]string{"commits_total": "user_commits", "rollbacks_total": "user_rollbacks", "deadlocks_total": "enqueue_deadlocks"} {
		if v, ok := sums[name]; ok {
			r.put("faultline_database_"+metric, v)
		}
	}
}

// oracleStandby tells how far a standby is behind. There are rows on a standby only.
func oracleStandby(r *reading, rows []row) {
	for _, s := range rows {
		seconds, ok := interval(s["value"])
		if ok {
			r.put("faultline_database_replication_lag_seconds", seconds, "channel", s["name"])
		}
		if s["name"] == "apply lag" {
			r.put("faultline_database_replication_running", truth(ok), "channel", s["name"]) // unknown where nothing is applied
		}
	}
}

// interval reads a day-to-second interval: +00 00:01:05.
func interval(s string) (float64, bool) {
	days, clock, ok := strings.Cut(strings.TrimPrefix(strings.TrimSpace(s), "+"), " ")
	parts := strings.Split(clock, ":")
	d, err := strconv.ParseFloat(days, 64)
	if !ok || err != nil || len(parts) != 3 {
		return 0, false
	}
	total := d * 86400
	for i, unit := range []float64{3600, 60, 1} {
		v, err := strconv.ParseFloat(parts[i], 64)
		if err != nil {
			return 0, false
		}
		total += v * unit
	}
	return total, true
}

func oracleDestinations(r *reading, rows []row) {
	for _, d := range rows {
		r.put("faultline_database_replication_running", truth(d["status"] == "VALID"), "channel", "destination "+d["dest_id"])
	}
}

func oracleTablespaces(r *reading, rows []row) {
	for _, t := range rows {
		labels := []string{"tablespace", t["tablespace_name"], "type", t["contents"]}
		r.column("oracledb_tablespace_bytes", t, "used", labels...)
		r.column("oracledb_tablespace_max_bytes", t, "most", labels...)
		r.put("oracledb_tablespace_free", t.orZero("most")-t.orZero("used"), labels...)
		r.column("oracledb_tablespace_used_percent", t, "used_percent", labels...)
	}
}

func oracleFiles(r *reading, rows []row) {
	for _, f := range rows {
		r.column("faultline_database_size_bytes", f, "bytes")
	}
}
