//go:build linux

package database_test

import (
	"fmt"
	"strings"
	"syscall"
	"testing"
	"time"
)

func TestMariaDB(t *testing.T) {
	m := startMariaDB(t)
	w := m.watch()
	first := w.good()
	for _, name := range []string{"faultline_database_connect_duration_seconds", "faultline_database_login_duration_seconds", "faultline_database_query_duration_seconds",
		"faultline_database_commits_total", "mysql_global_status_queries", "mysql_global_status_threads_running",
		"mysql_global_variables_max_prepared_stmt_count", "mysql_global_status_innodb_num_open_files"} {
		w.wantAbove(first, 0, name)
	}
	for name, want := range map[string]float64{"mysql_up": 1, "mysql_exporter_last_scrape_error": 0, "mysql_global_variables_max_connections": 151,
		"mysql_global_status_aborted_connects": 0, "mysql_global_variables_innodb_force_recovery": 0, "mysql_global_status_prepared_stmt_count": 0, "faultline_database_connections_limit": 151, "faultline_database_is_replica": 0,
		"faultline_database_blocked_sessions": 0, "faultline_database_longest_wait_seconds": 0, "faultline_database_long_transactions": 0,
		"faultline_database_slow_statements": 0, "faultline_database_deadlocks_total": 0, "faultline_database_standbys": 0} {
		w.want(first, want, name)
	}
	for _, name := range []string{"faultline_database_uptime_seconds", "mysql_info_schema_innodb_metrics_transaction_trx_rseg_history_len"} {
		if _, ok := first.value(name); !ok {
			t.Errorf("no %s", name)
		}
	}
	w.none(first, "mysql_global_status_wsrep_ready") // it is in no cluster
	w.wantAbove(first, 50_000, "faultline_database_size_bytes", "datname", "shop")
	w.wantAbove(first, 0, "mysql_global_status_commands_total", "command", "select")
	w.want(first, 1, "mysql_info_schema_processlist_processes_by_user", "mysql_user", "monitor")
	for _, section := range []string{"server", "status", "activity", "transactions", "blocked", "replication", "statements", "sizes"} {
		w.want(first, 1, "faultline_database_section_success", "section", section)
	}
	until(t, "no other session is left", func() bool {
		s := w.good()
		n, _ := s.value("faultline_database_connections")
		ratio, _ := s.value("faultline_database_connections_used_ratio")
		return n == 1 && ratio == 1.0/151
	})
	admin := m.session()
	id := admin.get("SELECT ID FROM information_schema.PROCESSLIST WHERE USER = 'monitor'")
	for range 5 {
		w.wantAbove(w.good(), 50_000, "faultline_database_size_bytes", "datname", "shop") // read once a minute, repeated
	}
	if got := admin.get("SELECT GROUP_CONCAT(ID) FROM information_schema.PROCESSLIST WHERE USER = 'monitor'"); got != id || w.dialled() != 1 {
		t.Errorf("sessions %s, at first %s; %d connections", got, id, w.dialled())
	}
	w.in.Close()
	until(t, "the session has gone", func() bool {
		return admin.get("SELECT COUNT(*) FROM information_schema.PROCESSLIST WHERE USER = 'monitor'") == "0"
	})
	if got := admin.get("SELECT VARIABLE_VALUE FROM information_schema.GLOBAL_STATUS WHERE VARIABLE_NAME = 'Aborted_clients'"); got != "0" {
		t.Errorf("logged out without a goodbye: %s aborted", got)
	}
}

// Rows: one holds, a second waits and holds back a third. The first, idle, is
// the root of all.
func TestMariaDBBlocked(t *testing.T) {
	for _, schema := range []string{"OFF", "ON"} {
		t.Run("performance_schema "+schema, func(t *testing.T) {
			m := startMariaDB(t, "performance-schema="+schema)
			if schema == "ON" {
				m.root("UPDATE performance_schema.setup_consumers SET ENABLED = 'YES' WHERE NAME = 'events_statements_current'")
			}
			w := m.watch("blocked_after", "1s")
			w.good()
			first, second, third := m.session(), m.session(), m.session()
			root := first.get("SELECT CONNECTION_ID()")
			first.do("USE shop; START TRANSACTION; UPDATE accounts SET owner = '4711-secret' WHERE id = 1")
			second.do("USE shop; START TRANSACTION; UPDATE accounts SET owner = 'y' WHERE id = 2")
			second.later("UPDATE accounts SET owner = '4711-secret' WHERE id = 1")
			third.later("UPDATE shop.accounts SET owner = 'z' WHERE id = 2")
			var s *sink
			until(t, "it is told", func() bool { s = w.good(); return len(s.events) > 0 })
			w.want(s, 2, "faultline_database_blocked_sessions")
			w.want(s, 1, "faultline_database_blocking_sessions")
			w.wantAbove(s, 0.9, "faultline_database_longest_wait_seconds")
			w.want(s, 2, "faultline_database_blocked_by", "usename", "admin", "datname", "shop")
			e := s.events[0]
			want := map[string]string{"session": root, "blocked": "2", "user": "admin", "client": "127.0.0.1", "database": "shop", "state": "idle in transaction", "on": "row"}
			if schema == "ON" {
				want["statement"] = "last: UPDATE accounts SET owner = ? WHERE id = ?"
			}
			for name, v := range want {
				if e.Attrs[name] != v {
					t.Errorf("attribute %s is %q, want %q", name, e.Attrs[name], v)
				}
			}
			if e.Kind != "database_blocked" || !strings.Contains(e.Attrs["waiting"], "UPDATE shop.accounts SET owner = ? WHERE id = ?") {
				t.Errorf("event %+v", e)
			}
			first.do("ROLLBACK")
			until(t, "the second goes on", func() bool { s = w.good(); return strings.Contains(s.kinds(), "database_released") })
			if e := s.events[len(s.events)-1]; e.Attrs["session"] != root || e.Attrs["most_blocked"] != "2" {
				t.Errorf("event %+v", e)
			}
		})
	}
}

// A table that is altered while a transaction reads it, and all who come after.
func TestMariaDBTableLock(t *testing.T) {
	for _, c := range []struct {
		name    string
		options []string
		known   bool
	}{
		{"holder known", []string{"performance-schema=ON", "performance-schema-instrument=wait/lock/metadata/sql/mdl=ON"}, true},
		{"holder not known", []string{"performance-schema=OFF"}, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			m := startMariaDB(t, c.options...)
			w := m.watch("blocked_after", "1s")
			holder := m.session()
			holder.do("START TRANSACTION; SELECT * FROM shop.accounts")
			m.session().later("ALTER TABLE shop.accounts ADD COLUMN more int")
			admin := m.session()
			waiting := func(n string) func() bool {
				return func() bool {
					return admin.get("SELECT COUNT(*) FROM information_schema.PROCESSLIST WHERE STATE LIKE 'Waiting for table metadata lock'") == n
				}
			}
			until(t, "one waits", waiting("1"))
			m.session().later("SELECT * FROM shop.accounts")
			until(t, "two wait", waiting("2"))
			var s *sink
			until(t, "it is told", func() bool { s = w.good(); return len(s.events) > 0 })
			w.want(s, 2, "faultline_database_blocked_sessions")
			w.want(s, 1, "faultline_database_blocking_sessions")
			e, root := s.events[0], ""
			if c.known {
				root = holder.get("SELECT CONNECTION_ID()")
			}
			if e.Attrs["session"] != root || e.Attrs["blocked"] != "2" || e.Attrs["on"] != "table metadata lock" {
				t.Errorf("event %+v, want session %q", e, root)
			}
			if !c.known && !strings.Contains(e.Text, "2 sessions wait for somebody the server does not name") {
				t.Errorf("text %s", e.Text)
			}
			holder.do("COMMIT")
			until(t, "nobody waits", func() bool { s = w.good(); return s.kinds() == "database_released" })
		})
	}
}

func TestMariaDBNamedLocksAreNoBlockade(t *testing.T) {
	m := startMariaDB(t)
	w := m.watch()
	m.session().do("DO GET_LOCK('queue', 1)")
	m.session().later("DO GET_LOCK('queue', 60)")
	admin := m.session()
	until(t, "one waits", func() bool {
		return admin.get("SELECT COUNT(*) FROM information_schema.PROCESSLIST WHERE STATE = 'User lock'") == "1"
	})
	w.want(w.good(), 0, "faultline_database_blocked_sessions")
}

func TestMariaDBExhausted(t *testing.T) {
	m := startMariaDB(t, "max-connections=10")
	kept := m.watch()
	kept.good()
	m.root("GRANT USAGE ON *.* TO plain@'%' WITH MAX_USER_CONNECTIONS 9")
	until(t, "root's session has gone", func() bool { n, _ := kept.good().value("faultline_database_connections"); return n == 1 })
	for range 9 {
		m.sessionOf("plain", monitorPassword)
	}
	m.watch("user", "plain").bad("refused", "1226") // its own limit, not the server's
	until(t, "nobody else is there", func() bool {
		ratio, _ := kept.good().value("faultline_database_connections_used_ratio")
		return ratio == 1
	})
	root := m.open("root", "", "unix", m.socket()) // one more than all is the administrator's
	defer root.Close()
	if err := root.Ping(); err != nil {
		t.Fatal(err)
	}
	s := m.watch().bad("too_many_connections", "1040")
	kept.want(s, 0, "faultline_database_login_success")
	kept.want(s, 0, "faultline_database_serving")
	kept.want(s, 1, "faultline_database_port_open")
}

func TestMariaDBRefusals(t *testing.T) {
	m := startMariaDB(t)
	w := m.watch("password", "wrong-password")
	s := w.bad("password", "log in as monitor", "user or password is wrong", "1045")
	w.want(s, 1, "faultline_database_serving")
	w.bad("password")
	if w.dialled() != 1 {
		t.Errorf("%d tries at once: servers lock accounts", w.dialled())
	}
	m.watch("database", "nowhere").bad("refused", "1044")
	m.root("GRANT ALL ON nowhere.* TO monitor@'%'")
	m.watch("database", "nowhere").bad("database_missing", "1049")
	m.watch("tls", "require").bad("tls")
	m.root("DELETE FROM mysql.global_priv WHERE Host <> 'localhost'; FLUSH PRIVILEGES")
	s = m.watch().bad("refused", "1130", "not allowed")
	w.want(s, 1, "faultline_database_serving") // whoever may, is served
}

func TestMariaDBStops(t *testing.T) {
	m := startMariaDB(t)
	w := m.watch()
	w.good()
	m.stop(syscall.SIGTERM)
	s := w.bad("port_closed", "connect")
	w.want(s, 0, "faultline_database_serving")
	m.start()
	w.good()

	m.freeze(syscall.SIGSTOP)
	begin := time.Now()
	s, err := w.gatherWithin(time.Second)
	if took := time.Since(begin); took > 1500*time.Millisecond {
		t.Errorf("took %v", took)
	}
	w.isBad(s, err, "timeout")
	w.want(s, 1, "faultline_database_port_open")
	m.freeze(syscall.SIGCONT)
	w.good()

	// Killed by an administrator, the session is there again within one poll.
	admin := m.session()
	admin.do("KILL " + admin.get("SELECT ID FROM information_schema.PROCESSLIST WHERE USER = 'monitor'"))
	w.good()
}

func TestMariaDBPermissions(t *testing.T) {
	m := startMariaDB(t)
	s := m.watch("user", "plain").partial("transactions: Error 1227", "GRANT PROCESS to plain", "replication: Error 1227", "GRANT SLAVE MONITOR ON *.* to plain")
	w := m.watch()
	w.want(s, 0, "faultline_database_section_success", "section", "blocked")
	w.want(s, 1, "faultline_database_section_success", "section", "status")
	w.none(s, "faultline_database_blocked_sessions")
	w.wantAbove(s, 0, "faultline_database_connections_used_ratio")
}

// The session changes nothing and its statements end.
func TestMariaDBStatements(t *testing.T) {
	m := startMariaDB(t, "performance-schema=ON")
	m.root("UPDATE performance_schema.setup_consumers SET ENABLED = 'YES' WHERE NAME LIKE '%digest%' OR NAME LIKE '%statements_current'")
	w := m.watch("slow_after", "1s", "details_every", "100ms", "long_after", "1s")
	w.good()
	m.session().do("DO SLEEP(1.2), '4711-secret'")
	var s *sink
	until(t, "it is told", func() bool { s = w.good(); return s.kinds() != "" })
	e := s.events[0]
	if e.Kind != "database_slow_statement" || e.Attrs["calls"] != "1" || e.Attrs["mean_seconds"] != "1.2" || !strings.HasPrefix(e.Attrs["statement"], "DO `SLEEP`") {
		t.Errorf("event %+v", e)
	}
	w.wantAbove(s, 0, "mysql_perf_schema_events_statements_seconds_total")

	idle := m.session()
	idle.do("START TRANSACTION; UPDATE shop.accounts SET owner = 'x' WHERE id = 1")
	m.session().later("SELECT SLEEP(600), '4711-secret'")
	until(t, "it is told", func() bool { s = w.good(); return s.kinds() != "" })
	if e := s.events[0]; e.Kind != "database_slow_statement" || e.Attrs["statement"] != "SELECT SLEEP(?), ?" || e.Attrs["user"] != "admin" {
		t.Errorf("event %+v", e)
	}
	until(t, "the transaction is long", func() bool {
		s = w.good()
		v, _ := s.value("faultline_database_long_transactions")
		idle, _ := s.value("faultline_database_longest_idle_transaction_seconds")
		return v == 1 && idle > 0
	})
	w.want(s, 1, "faultline_database_slow_statements")
	w.wantAbove(s, 0, "faultline_database_longest_transaction_seconds")
	if s.kinds() != "" {
		t.Errorf("told again: %+v", s.events)
	}
}

func TestMariaDBReplica(t *testing.T) {
	m := startMariaDB(t, "log-bin", "server-id=1")
	r := startMariaDB(t, "server-id=2")
	m.root("GRANT REPLICATION SLAVE ON *.* TO plain@'%'; RESET MASTER")
	up, down := m.watch(), r.watch()
	down.want(down.good(), 0, "faultline_database_is_replica")
	r.root(fmt.Sprintf("CHANGE MASTER TO MASTER_HOST='127.0.0.1', MASTER_PORT=%d, MASTER_USER='plain', MASTER_PASSWORD='%s', MASTER_CONNECT_RETRY=1; START SLAVE", m.port, monitorPassword))
	var s *sink
	var events []string
	gather := func() *sink {
		s = down.good()
		for _, e := range s.events {
			events = append(events, e.Kind+" "+e.Attrs["state"]+e.Attrs["role"])
		}
		return s
	}
	until(t, "it replicates and has caught up", func() bool {
		running, _ := gather().value("faultline_database_replication_running")
		behind, known := s.value("mysql_slave_status_seconds_behind_master")
		return running == 1 && known && behind == 0
	})
	down.wantAbove(s, 0, "mysql_slave_status_master_server_id")
	down.want(s, 1, "mysql_slave_status_slave_io_running", "master_host", "127.0.0.1")
	down.want(s, 1, "mysql_slave_status_slave_sql_running")
	down.want(s, 0, "mysql_slave_status_seconds_behind_master")
	down.want(s, 0, "faultline_database_replication_lag_seconds")
	down.want(s, 1, "faultline_database_is_replica")
	until(t, "the master sees it", func() bool { v, _ := up.good().value("faultline_database_standbys"); return v == 1 })
	if events[0] != "change replica" {
		t.Errorf("events %v", events)
	}

	events = nil
	r.root("INSERT INTO shop.accounts VALUES (10, 'here')")
	m.root("INSERT INTO shop.accounts VALUES (10, '4711-secret')")
	until(t, "it breaks", func() bool {
		v, _ := gather().value("faultline_database_replication_running")
		return v == 0
	})
	down.want(s, 1062, "mysql_slave_status_last_sql_errno")
	last := s.events[len(s.events)-1]
	if last.Kind != "database_replication" || last.Attrs["state"] != "stopped" || last.Text != "replication has stopped: SQL thread: error 1062 (a row is there already)" {
		t.Errorf("event %+v", last)
	}
	r.root("STOP SLAVE; SET GLOBAL sql_slave_skip_counter = 1; START SLAVE")
	until(t, "it runs again", func() bool { gather(); return s.kinds() != "" })
	if events[len(events)-1] != "database_replication running" {
		t.Errorf("events %v", events)
	}
}

func TestMariaDBDeadlockIsCounted(t *testing.T) {
	m := startMariaDB(t)
	w := m.watch()
	a, b := m.session(), m.session()
	a.do("START TRANSACTION; UPDATE shop.accounts SET owner = 'a' WHERE id = 1")
	b.do("START TRANSACTION; UPDATE shop.accounts SET owner = 'b' WHERE id = 2")
	a.later("UPDATE shop.accounts SET owner = 'a' WHERE id = 2")
	b.later("UPDATE shop.accounts SET owner = 'b' WHERE id = 1")
	until(t, "it is counted", func() bool {
		v, _ := w.good().value("faultline_database_deadlocks_total")
		return v == 1
	})
}

func TestMariaDBTLS(t *testing.T) {
	a, stranger := newAuthority(t), newAuthority(t)
	cert, key := a.forServer("mysql")
	m := startMariaDB(t, "ssl-cert="+cert, "ssl-key="+key)
	m.root("CREATE USER secured@'%' IDENTIFIED BY '" + monitorPassword + "' REQUIRE SSL; GRANT PROCESS, SLAVE MONITOR ON *.* TO secured@'%'")
	m.watch("user", "secured").good()
	m.watch("user", "secured", "tls", "require").good()
	m.watch("user", "secured", "tls", "verify-full", "ca_file", a.file).good()
	m.watch("user", "secured", "tls", "verify-ca", "ca_file", a.file, "server_name", "another.example").good()
	m.watch("tls", "verify-full", "ca_file", a.file, "server_name", "another.example").bad("tls", "another.example")
	m.watch("tls", "verify-full", "ca_file", stranger.file).bad("tls", "unknown authority")
	m.watch("user", "secured", "tls", "disable").bad("password", "1045")
}
