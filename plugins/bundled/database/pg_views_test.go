//go:build linux

package database_test

import (
	"syscall"
	"testing"
)

func TestPostgresReplica(t *testing.T) {
	primary := startPostgres(t)
	standby := primary.standby()
	standby.start()
	up, down := primary.watch(), standby.watch()
	var s *sink
	until(t, "the standby streams", func() bool {
		s = up.good()
		_, ok := s.value("pg_stat_replication_pg_wal_lsn_diff", "application_name", "standby1", "client_addr", "127.0.0.1", "state", "streaming")
		return ok
	})
	up.want(s, 1, "faultline_database_standbys")
	up.want(s, 1, "pg_replication_slots_active", "slot_name", "standby", "slot_type", "physical")
	up.want(s, 0, "faultline_database_is_replica")
	s = down.good()
	down.want(s, 1, "faultline_database_is_replica")
	down.want(s, 1, "pg_replication_is_replica")
	down.want(s, 1, "faultline_database_replication_running")
	down.want(s, 0, "faultline_database_replay_paused")

	primary.admin("CREATE TABLE sooner (i int)")
	until(t, "the table is there", func() bool { return standby.admin("SELECT to_regclass('sooner')") != "" })
	down.want(down.good(), 0, "pg_replication_lag_seconds")
	standby.admin("SELECT pg_wal_replay_pause()")
	primary.admin("CREATE TABLE later (i int)")
	until(t, "the replica lags", func() bool {
		s = down.good()
		v, _ := s.value("pg_replication_lag_seconds")
		return v > 0.2
	})
	down.wantAbove(s, 0, "faultline_database_replication_lag_seconds")
	down.wantAbove(s, 0, "faultline_database_replay_lag_bytes")
	down.want(s, 1, "faultline_database_replay_paused")
	standby.admin("SELECT pg_wal_replay_resume()")

	primary.stop(syscall.SIGINT)
	until(t, "replication has stopped", func() bool { s = down.good(); return s.kinds() != "" })
	down.want(s, 0, "faultline_database_replication_running")
	if s.kinds() != "database_replication" || s.events[0].Attrs["state"] != "stopped" {
		t.Errorf("events %+v", s.events)
	}

	standby.admin("SELECT pg_promote()")
	until(t, "it is primary", func() bool { s = down.good(); return s.kinds() != "" })
	if s.kinds() != "change" || s.events[0].Attrs["role"] != "primary" {
		t.Errorf("events %+v", s.events)
	}
	down.want(s, 0, "faultline_database_is_replica")
	down.none(s, "faultline_database_replication_running")

	primary.start()
	s = up.good()
	up.want(s, 0, "faultline_database_standbys")
	up.want(s, 0, "pg_replication_slots_active", "slot_name", "standby")
}

// Without pg_monitor the rest is still read, and what is missing is named.
func TestPostgresPermissions(t *testing.T) {
	p := startPostgres(t)
	w := p.watch("user", "plain", "blocked_after", "100ms")
	s := w.partial("activity: other users' sessions are hidden: GRANT pg_monitor TO plain")
	w.want(s, 0, "faultline_database_section_success", "section", "activity")
	w.want(s, 1, "faultline_database_section_success", "section", "blocked")
	w.want(s, 1, "faultline_database_section_success", "section", "databases")
	w.want(s, 1, "pg_exporter_last_scrape_error")
	w.wantAbove(s, 0, "faultline_database_connections")
	w.none(s, "faultline_database_slow_statements") // not known is not none

	p.admin("REVOKE CONNECT ON DATABASE template1 FROM PUBLIC")
	w = p.watch("user", "plain", "blocked_after", "100ms")
	w.partial("sizes: permission denied for database template1 (SQLSTATE 42501): GRANT pg_monitor TO plain")
	if s = w.partial("sizes: permission denied"); s == nil { // read once a minute, said at every poll
		t.Error("not said")
	}

	holder := p.session()
	holder.do("BEGIN; LOCK TABLE accounts")
	p.session().later("SELECT * FROM accounts")
	until(t, "one waits", func() bool { return p.waiting() == "1" })
	s = w.partial("blocked: other users' sessions are hidden")
	w.want(s, 1, "faultline_database_blocked_sessions")
}

func TestPostgresStatements(t *testing.T) {
	p := startPostgres(t, "shared_preload_libraries=pg_stat_statements")
	p.admin("CREATE SCHEMA \"odd name\"; CREATE EXTENSION pg_stat_statements SCHEMA \"odd name\"")
	p.watch().partial("statements: pg_stat_statements is out of reach: GRANT USAGE ON SCHEMA \"odd name\" TO monitor")
	p.admin("GRANT USAGE ON SCHEMA \"odd name\" TO monitor")
	w := p.watch("slow_after", "200ms", "details_every", "100ms", "long_after", "200ms")
	w.good()
	p.session().do("SELECT pg_sleep(0.3), '4711-secret'")
	var s *sink
	until(t, "it is told", func() bool { s = w.good(); return s.kinds() != "" })
	e := s.events[0]
	if e.Kind != "database_slow_statement" || e.Attrs["calls"] != "1" || e.Attrs["statement"] != "SELECT pg_sleep($1), $2" || e.Attrs["mean_seconds"] != "0.3" {
		t.Errorf("event %+v", e)
	}
	w.want(s, 1, "faultline_database_slow_statement_kinds")
	w.wantAbove(s, 0, "pg_stat_statements_seconds_total", "user", "postgres", "datname", "postgres")
	w.wantAbove(s, 0, "pg_stat_statements_calls_total", "user", "postgres")

	runs := p.session()
	runs.later("SELECT pg_sleep(600), '4711-secret'")
	idle := p.session()
	idle.do("BEGIN; SELECT 1")
	until(t, "it is told", func() bool { s = w.good(); return s.kinds() != "" })
	if e := s.events[0]; e.Kind != "database_slow_statement" || e.Attrs["statement"] != "SELECT pg_sleep(?), ?" || e.Attrs["application"] != "billing 4711" {
		t.Errorf("event %+v", e)
	}
	w.want(s, 1, "faultline_database_slow_statements")
	w.wantAbove(s, 0.2, "faultline_database_longest_statement_seconds")
	until(t, "transactions are long", func() bool {
		s = w.good()
		v, _ := s.value("faultline_database_long_transactions")
		return v == 2
	})
	w.wantAbove(s, 0.2, "faultline_database_longest_transaction_seconds")
	w.wantAbove(s, 0.1, "faultline_database_longest_idle_transaction_seconds")
	if s.kinds() != "" {
		t.Errorf("told again: %+v", s.events)
	}
}

func TestPostgresDeadlockIsCounted(t *testing.T) {
	p := startPostgres(t, "deadlock_timeout=50ms")
	w := p.watch()
	a, b := p.session(), p.session()
	a.do("BEGIN; UPDATE accounts SET owner = 'a' WHERE id = 1")
	b.do("BEGIN; UPDATE accounts SET owner = 'b' WHERE id = 2")
	a.later("UPDATE accounts SET owner = 'a' WHERE id = 2")
	b.later("UPDATE accounts SET owner = 'b' WHERE id = 1")
	until(t, "one of them was sent back", func() bool {
		return p.admin("SELECT count(*) FROM pg_stat_activity WHERE application_name LIKE 'billing%' AND state = 'idle'") == "1"
	})
	p.admin("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name LIKE 'billing%' AND pid <> pg_backend_pid()") // they report what they did
	until(t, "it is counted", func() bool {
		v, _ := w.good().value("faultline_database_deadlocks_total")
		return v == 1
	})
}
