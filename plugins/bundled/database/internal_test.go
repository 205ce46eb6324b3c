package database

import (
	"cmp"
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/go-sql-driver/mysql"

	"github.com/faultline/faultline/plugins/base"
	"github.com/faultline/faultline/plugins/bundled/database/pgwire"
)

func TestVersions(t *testing.T) {
	for s, want := range map[string]int{"15.20 (Debian 15.20-0+deb12u1)": 150020, "9.6.3": 90603, "9.2.4": 90204, "17beta1": 170000, "16.4": 160004, "": 0, "x": 0} {
		if got := postgresVersion(s); got != want {
			t.Errorf("PostgreSQL %q is %d, want %d", s, got, want)
		}
	}
	for s, want := range map[string]string{"10.11.19-MariaDB-0+deb12u1-log": "true 101119", "8.0.36": "false 80036", "5.7.44-log": "false 50744",
		"11.4.2-MariaDB": "true 110402", "8.4.0-commercial": "false 80400"} {
		mariadb, v := mysqlVersion(s)
		if got := fmt.Sprint(mariadb, v); got != want {
			t.Errorf("MySQL %q is %s, want %s", s, got, want)
		}
	}
}

// What servers say that no test here can make them say.
func TestReasons(t *testing.T) {
	for _, c := range []struct {
		err  error
		want reason
	}{
		{&pgwire.Error{Code: "57P03", Message: "the database system is starting up"}, starting},
		{&pgwire.Error{Code: "57P03", Message: "the database system is in recovery mode"}, recovering},
		{&pgwire.Error{Code: "57P03", Message: "the database system is not accepting connections"}, starting},
		{&pgwire.Error{Code: "57P03", Message: "the database system is shutting down"}, stopping},
		{&pgwire.Error{Code: "57P03", Message: "数据库系统正在关闭"}, stopping},
		{&pgwire.Error{Code: "57P03", Message: "数据库系统处于恢复模式"}, recovering},
		{&pgwire.Error{Code: "53300", Message: "remaining connection slots are reserved"}, exhausted},
		{&pgwire.Error{Code: "XX000"}, noFailure},
		{&mysql.MySQLError{Number: 1129}, hostBlocked},
		{&mysql.MySQLError{Number: 1053}, stopping},
		{&mysql.MySQLError{Number: 1203}, refused},
		{&mysql.MySQLError{Number: 3118}, password},
		{&mysql.MySQLError{Number: 1064}, noFailure},
	} {
		wrapped := fmt.Errorf("wrapped: %w", c.err)
		if got := cmp.Or(postgresReason(wrapped), mysqlReason(wrapped)); got != c.want {
			t.Errorf("%v is %q, want %q", c.err, got, c.want)
		}
	}
	for _, r := range reasons {
		if r.reason.words() == string(r.reason) {
			t.Errorf("%s has no words", r.reason)
		}
	}
}

func TestCompareStatements(t *testing.T) {
	w := &watched{}
	digests := func(now map[string]cost) string {
		var out []string
		for _, s := range w.compare(now, 1) {
			out = append(out, fmt.Sprintf("%s:%g/%g", s.digest, s.seconds, s.calls))
		}
		return strings.Join(out, " ")
	}
	for i, step := range []struct {
		now  map[string]cost
		want string
	}{
		{map[string]cost{"a": {10, 100}, "b": {1000, 10}}, ""},                                // nothing to compare with
		{map[string]cost{"a": {10, 100}, "b": {1001, 10.01}}, ""},                             // a did not run, b was fast
		{map[string]cost{"a": {12, 104}, "b": {1002, 15.01}}, "b:5/1 a:4/2"},                  // both were slow
		{map[string]cost{"a": {1, 3}, "b": {1002, 15.01}}, "a:3/1"},                           // statistics were reset
		{map[string]cost{"a": {1, 3}, "b": {1002, 15.01}, "c": {2, 5}, "d": {9, 1}}, "c:5/2"}, // new ones
	} {
		if got := digests(step.now); got != step.want {
			t.Errorf("step %d: got %q, want %q", i, got, step.want)
		}
	}
	full := map[string]cost{}
	for i := range statementsCompared {
		full[fmt.Sprint(i)] = cost{1, 1}
	}
	w.compare(full, 1)
	if got := digests(map[string]cost{"unseen": {1, 1000}}); got != "" {
		t.Errorf("one that may have been left out before is taken for new: %s", got)
	}
}

func TestTidy(t *testing.T) {
	for in, want := range map[string]string{"psql": "psql", "billing-12": "billing-12", "worker 48213": "worker *", "app-550e8400-e29b-41d4-a716-446655440000": "app-*-e29b-41d4-a*-*",
		strings.Repeat("长", 100): strings.Repeat("长", 60) + "…", "": ""} {
		if got := tidy(in); got != want {
			t.Errorf("%q becomes %q, want %q", in, got, want)
		}
	}
}

func TestOldNames(t *testing.T) {
	got := oldNames(map[string]int{"replica_io_running": 0, "seconds_behind_source": 1, "source_host": 2, "last_sql_errno": 3})
	for name, i := range map[string]int{"slave_io_running": 0, "seconds_behind_master": 1, "master_host": 2, "last_sql_errno": 3} {
		if got[name] != i {
			t.Errorf("%s: %v", name, got)
		}
	}
}

// A target that is no longer gathered is logged out of and forgotten.
func TestIdleTargetIsForgotten(t *testing.T) {
	in := New(Options{})
	defer in.Close()
	target := base.Target{ID: "t", Address: "127.0.0.1", Options: map[string]string{"kind": "postgresql"}}
	w, err := in.watch(target)
	if err != nil {
		t.Fatal(err)
	}
	ended := &endedLogin{}
	w.mu.Lock()
	w.login = ended
	w.expire() // gathered at this moment: nothing happens
	w.mu.Unlock()
	if ended.closed {
		t.Fatal("logged out while it is gathered")
	}
	w.expire()
	if again, _ := in.watch(target); !ended.closed || again == w || len(in.watched) != 1 {
		t.Errorf("closed %v, the same %v, %d targets", ended.closed, again == w, len(in.watched))
	}
}

type endedLogin struct {
	login
	closed bool
}

func (l *endedLogin) close() { l.closed = true }

func TestPart(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	half, stop := part(ctx, 2)
	defer stop()
	if d, _ := half.Deadline(); time.Until(d) > 31*time.Second || time.Until(d) < 28*time.Second {
		t.Errorf("half a minute is %v", time.Until(d))
	}
}
