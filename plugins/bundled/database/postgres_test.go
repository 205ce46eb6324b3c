//go:build linux

package database_test

import (
	"fmt"
	"strings"
	"syscall"
	"testing"
	"time"
)

func TestPostgres(t *testing.T) {
	p := startPostgres(t)
	w := p.watch()
	first := w.good()
	for _, name := range []string{"faultline_database_connect_duration_seconds", "faultline_database_login_duration_seconds", "faultline_database_query_duration_seconds",
		"faultline_database_uptime_seconds", "faultline_database_connections_used_ratio", "faultline_database_commits_total", "pg_postmaster_start_time_seconds",
		"pg_txid_current"} {
		w.wantAbove(first, 0, name)
	}
	for name, want := range map[string]float64{"pg_up": 1, "pg_exporter_last_scrape_error": 0, "pg_settings_max_connections": 40, "pg_settings_max_locks_per_transaction": 64, "pg_settings_autovacuum_vacuum_threshold": 50,
		"pg_settings_autovacuum_analyze_threshold": 50, "pg_replication_is_replica": 0,
		"faultline_database_is_replica": 0, "faultline_database_connections_limit": 37, "faultline_database_blocked_sessions": 0,
		"faultline_database_blocking_sessions": 0, "faultline_database_longest_wait_seconds": 0, "faultline_database_long_transactions": 0,
		"faultline_database_slow_statements": 0, "faultline_database_deadlocks_total": 0, "faultline_database_standbys": 0, "pg_replication_lag_seconds": 0,
		"faultline_database_slots": 0, "faultline_database_prepared_transactions": 0, "faultline_database_advisory_waits": 0} {
		w.want(first, want, name)
	}
	w.wantAbove(first, 5e6, "pg_database_size_bytes", "datname", "postgres")
	w.wantAbove(first, 5e6, "faultline_database_size_bytes", "datname", "template1")
	w.wantAbove(first, 0, "pg_stat_database_xact_commit", "datname", "postgres")
	w.want(first, 1, "pg_stat_activity_count", "usename", "monitor", "application_name", "faultline", "state", "active", "backend_type", "client backend")
	w.want(first, 100, "pg_stat_user_tables_n_live_tup", "relname", "accounts")
	w.want(first, 0, "pg_stat_user_tables_n_tup_hot_upd", "relname", "accounts")
	for _, section := range []string{"server", "activity", "blocked", "databases", "locks", "replication", "slots", "prepared", "statements", "sizes", "tables"} {
		w.want(first, 1, "faultline_database_section_success", "section", section)
	}

	pid := p.admin("SELECT pid FROM pg_stat_activity WHERE application_name = 'faultline'")
	until(t, "no other session is left", func() bool {
		n, _ := w.good().value("faultline_database_connections")
		return n == 1
	})
	for range 5 {
		s := w.good()
		w.wantAbove(s, 5e6, "pg_database_size_bytes", "datname", "postgres") // read once a minute, repeated
		w.none(s, "faultline_database_login_duration_seconds")               // the login is kept
	}
	if got := p.admin("SELECT string_agg(pid::text, ' ') FROM pg_stat_activity WHERE usename = 'monitor'"); got != pid || w.dialled() != 1 {
		t.Errorf("sessions %s, at first %s; %d connections", got, pid, w.dialled())
	}
	if got := p.admin("SELECT count(*) FROM pg_stat_activity WHERE usename = 'monitor' AND state = 'idle' AND xact_start IS NULL AND backend_xmin IS NULL"); got != "1" {
		t.Errorf("between polls the session holds something: %s", got)
	}
	w.in.Close()
	until(t, "the session has gone", func() bool {
		return p.admin("SELECT count(*) FROM pg_stat_activity WHERE usename = 'monitor'") == "0"
	})
	if log := p.log(); strings.Contains(log, "unexpected EOF") {
		t.Errorf("logged out without a goodbye:\n%s", log)
	}
}

// One session holds a table, twelve wait for it, one of them holds back another.
func TestPostgresBlocked(t *testing.T) {
	p := startPostgres(t)
	w := p.watch("blocked_after", "200ms")
	w.good()
	holder := p.session()
	holder.do("BEGIN; LOCK TABLE accounts IN ACCESS EXCLUSIVE MODE; SELECT '4711-secret'")
	for i := range 12 {
		p.session().later(fmt.Sprintf("INSERT INTO accounts VALUES (%d, '4711-secret')", 1000+i))
	}
	until(t, "twelve wait", func() bool { return p.waiting() == "12" })
	var s *sink
	until(t, "it is told", func() bool { s = w.good(); return len(s.events) > 0 })
	w.want(s, 12, "faultline_database_blocked_sessions")
	w.want(s, 1, "faultline_database_blocking_sessions")
	w.wantAbove(s, 0.2, "faultline_database_longest_wait_seconds")
	w.want(s, 12, "faultline_database_blocked_by", "usename", "postgres", "application_name", "billing *", "datname", "postgres")
	w.want(s, 0, "faultline_database_slow_statements")
	w.want(s, 12, "pg_locks_count", "datname", "postgres", "mode", "rowexclusivelock")

	e := s.events[0]
	if e.Kind != "database_blocked" || len(s.events) != 1 {
		t.Fatalf("events %+v", s.events)
	}
	for name, want := range map[string]string{"blocked": "12", "session": holder.pid(), "user": "postgres", "application": "billing 4711", "client": "127.0.0.1",
		"database": "postgres", "state": "idle in transaction", "on": "relation public.accounts RowExclusiveLock",
		"statement": "BEGIN; LOCK TABLE accounts IN ACCESS EXCLUSIVE MODE; SELECT ?"} {
		if e.Attrs[name] != want {
			t.Errorf("attribute %s is %q, want %q", name, e.Attrs[name], want)
		}
	}
	if n := strings.Count(e.Attrs["waiting"], "INSERT INTO accounts VALUES (?, ?)"); n != 5 || !strings.Contains(e.Attrs["waiting"], "and 7 more") {
		t.Errorf("waiting:\n%s", e.Attrs["waiting"])
	}
	for _, words := range []string{"12 sessions wait for " + holder.pid(), "user postgres", "application billing 4711", "idle in transaction", "LOCK TABLE accounts"} {
		if !strings.Contains(e.Text, words) {
			t.Errorf("%q is not in %s", words, e.Text)
		}
	}

	if s = w.good(); len(s.events) != 0 {
		t.Errorf("told again: %+v", s.events)
	}
	holder.do("ROLLBACK")
	until(t, "nobody waits", func() bool { return p.waiting() == "0" })
	s = w.good()
	w.want(s, 0, "faultline_database_blocked_sessions")
	w.want(s, 0, "faultline_database_blocked_by", "application_name", "billing *") // once, so that the series ends at 0
	if s.kinds() != "database_released" || s.events[0].Attrs["most_blocked"] != "12" || s.events[0].Attrs["session"] != holder.pid() {
		t.Errorf("events %+v", s.events)
	}
	if s = w.good(); len(s.events) != 0 {
		t.Errorf("told again: %+v", s.events)
	}
}

func (s pgSession) pid() string { return s.do("SELECT pg_backend_pid()") }

// Rows: one holds, a second waits and holds back a third. The first is the root
// of all.
func TestPostgresChain(t *testing.T) {
	p := startPostgres(t, "max_prepared_transactions=2")
	w := p.watch("blocked_after", "100ms")
	first, second, third := p.session(), p.session(), p.session()
	root := first.pid()
	first.do("BEGIN; UPDATE accounts SET owner = 'x' WHERE id = 1")
	second.do("BEGIN; UPDATE accounts SET owner = 'y' WHERE id = 2")
	second.later("UPDATE accounts SET owner = 'y' WHERE id = 1")
	third.later("UPDATE accounts SET owner = 'z' WHERE id = 2")
	until(t, "two wait", func() bool { return p.waiting() == "2" })
	var s *sink
	until(t, "it is told", func() bool { s = w.good(); return len(s.events) > 0 })
	w.want(s, 2, "faultline_database_blocked_sessions")
	w.want(s, 1, "faultline_database_blocking_sessions")
	if e := s.events[0]; e.Attrs["session"] != root || e.Attrs["blocked"] != "2" {
		t.Errorf("event %+v, want root %s", e, root)
	}

	// A prepared transaction has no session.
	first.do("PREPARE TRANSACTION 'left behind'")
	until(t, "it is told", func() bool { s = w.good(); return strings.Contains(s.kinds(), "database_blocked") })
	w.want(s, 1, "faultline_database_prepared_transactions")
	if s.kinds() != "database_blocked database_released" || !strings.Contains(s.events[0].Text, "for prepared transaction left behind (user postgres, database postgres)") {
		t.Errorf("events %+v", s.events)
	}
}

func TestPostgresAdvisoryLocksAreNoBlockade(t *testing.T) {
	p := startPostgres(t)
	w := p.watch("blocked_after", "100ms")
	p.session().do("SELECT pg_advisory_lock(1)")
	p.session().later("SELECT pg_advisory_lock(1)")
	until(t, "one waits", func() bool { return p.waiting() == "1" })
	s := w.good()
	w.want(s, 0, "faultline_database_blocked_sessions")
	w.want(s, 1, "faultline_database_advisory_waits")
}

func TestPostgresExhausted(t *testing.T) {
	p := startPostgres(t, "max_connections=8", "superuser_reserved_connections=2", "max_wal_senders=0")
	kept := p.watch()
	kept.good()
	for range 5 {
		c, err := p.login("plain", monitorPassword)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(c.Close)
	}
	s := p.watch().bad("too_many_connections", "all connections are in use", "53300")
	kept.want(s, 1, "faultline_database_port_open")
	kept.want(s, 0, "faultline_database_login_success")
	kept.want(s, 0, "faultline_database_serving")
	kept.want(s, 0, "pg_up")

	until(t, "nobody else is there", func() bool { // its login is there still, and sees how full it is
		s = kept.good()
		n, _ := s.value("faultline_database_connections")
		return n == 6
	})
	kept.want(s, 1, "faultline_database_connections_used_ratio")
}

func TestPostgresRefusals(t *testing.T) {
	p := startPostgres(t)
	t.Run("password", func(t *testing.T) {
		w := p.watch("password", "wrong-password")
		begin := time.Now()
		w.setClock(begin)
		s := w.bad("password", "log in as monitor", "user or password is wrong", "28P01")
		w.want(s, 1, "faultline_database_port_open")
		w.want(s, 1, "faultline_database_serving") // it is our password, not the server
		w.setClock(begin.Add(5 * time.Second))
		s = w.bad("password")
		w.none(s, "faultline_database_serving")
		w.none(s, "faultline_database_port_open")
		if w.dialled() != 1 {
			t.Errorf("%d tries within 5 s: servers lock accounts", w.dialled())
		}
		w.setClock(begin.Add(31 * time.Second))
		w.bad("password")
		if w.dialled() != 2 {
			t.Errorf("%d tries within 31 s", w.dialled())
		}
		w.target.Options["password"] = monitorPassword // new settings are tried at once
		w.good()
	})
	for _, c := range []struct{ name, reason, words, option, value string }{
		{"role", "password", "28P01", "user", "nobody"}, // the server does not say that there is none
		{"database", "database_missing", "3D000", "database", "nowhere"},
		{"variable", "settings", "FAULTLINE_NOT_SET is not set", "password_env", "FAULTLINE_NOT_SET"},
		{"file", "settings", "no such file", "password_file", "/nonexistent/password"},
		{"TLS", "tls", "no secure connection", "tls", "require"},
	} {
		t.Run(c.name, func(t *testing.T) {
			p.watch(c.option, c.value).bad(c.reason, c.words)
		})
	}
	t.Run("limit of the role", func(t *testing.T) {
		p.admin("ALTER ROLE plain CONNECTION LIMIT 0")
		p.watch("user", "plain").bad("refused", "53300")
	})
	t.Run("host", func(t *testing.T) {
		p.writeHBA("host all postgres 127.0.0.1/32 scram-sha-256")
		p.watch().bad("refused", "28000", "pg_hba.conf")
	})
}

func TestPostgresStops(t *testing.T) {
	p := startPostgres(t)
	w := p.watch()
	w.good()
	p.stop(syscall.SIGINT)
	s := w.bad("port_closed", "connect", "the port is closed")
	w.want(s, 0, "faultline_database_port_open")
	w.want(s, 0, "faultline_database_serving")
	_, err := w.gather()
	if _, again := w.gather(); fmt.Sprint(err) != fmt.Sprint(again) {
		t.Errorf("the words change while nothing does:\n%v\n%v", err, again)
	}
	stopped := time.Now()
	until(t, "two seconds have passed", func() bool { return time.Since(stopped) > 2*time.Second })
	p.start()
	if s = w.good(); s.kinds() != "restart" {
		t.Errorf("events %+v", s.events)
	}
}

func TestPostgresFrozen(t *testing.T) {
	p := startPostgres(t)
	w := p.watch()
	w.good()
	p.freeze(syscall.SIGSTOP)
	begin := time.Now()
	s, err := w.gatherWithin(time.Second)
	if took := time.Since(begin); took > 1500*time.Millisecond {
		t.Errorf("took %v", took)
	}
	w.isBad(s, err, "timeout", "no answer in time")
	w.want(s, 1, "faultline_database_port_open") // the kernel answers for it
	w.want(s, 0, "faultline_database_serving")
	p.freeze(syscall.SIGCONT)
	w.good()
}

// A standby that lets nobody in answers like a server that starts.
func TestPostgresStarting(t *testing.T) {
	primary := startPostgres(t)
	standby := primary.standby("hot_standby=off")
	standby.launch()
	w := standby.watch()
	until(t, "it answers", func() bool {
		s, _ := w.gather()
		return s.failed() == "starting"
	})
	s := w.bad("starting", "57P03")
	w.want(s, 1, "faultline_database_port_open")
	w.want(s, 0, "faultline_database_serving")
}

func TestNoServer(t *testing.T) {
	for _, c := range []struct{ name, address, reason string }{
		{"name", "no-such-host.invalid:5432", "unresolved"},
		{"port", fmt.Sprintf("127.0.0.1:%d", freePort(t)), "port_closed"},
	} {
		t.Run(c.name, func(t *testing.T) {
			for _, kind := range []string{"postgresql", "mysql"} {
				w := newWatch(t, c.address, "kind", kind)
				s := w.bad(c.reason, kind, "connect")
				w.want(s, 0, "faultline_database_port_open")
			}
		})
	}
}
