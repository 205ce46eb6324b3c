package database

import (
	"context"
	"strings"

	"github.com/faultline/faultline/plugins/bundled/database/sqlmask"
)

const mysqlDialect = sqlmask.MySQL

// processes is where sessions are listed. Since 8.0.22 MySQL has a view that
// needs no lock that every session needs.
func (m *mysqlLogin) processes() string {
	if !m.mariadb && m.version >= 80022 && m.schema {
		return "performance_schema.processlist"
	}
	return "information_schema.PROCESSLIST"
}

// Conditions on rows of the process list. working leaves out the server's own
// threads; waiting are states in which a session waits for a lock that the
// server, not InnoDB, keeps. A lock that programs take by name is left out: they
// queue that way on purpose.
const (
	working = "COMMAND IN ('Query', 'Execute') AND USER NOT IN ('system user', 'event_scheduler') AND ID <> CONNECTION_ID()"
	waiting = "(LEFT(STATE, 11) = 'Waiting for' AND LOCATE('lock', STATE) > 0 OR STATE = 'Locked')"
)

// readActivity counts sessions and the statements that run.
func (m *mysqlLogin) readActivity(ctx context.Context, r *reading) error {
	slow := m.set.slowAfter.Seconds()
	t, err := m.ask(ctx, "SELECT COALESCE(SUM("+working+"), 0) AS active, COALESCE(SUM("+working+" AND NOT "+waiting+" AND TIME >= %g), 0) AS slow,"+
		" COALESCE(MAX(IF("+working+" AND NOT "+waiting+", TIME, 0)), 0) AS slowest, COALESCE(SUM(LEFT(COMMAND, 11) = 'Binlog Dump'), 0) AS standbys"+
		" FROM (SELECT ID, USER, COMMAND, TIME, COALESCE(STATE, '') AS STATE FROM "+m.processes()+") p", slow)
	if err != nil {
		return m.permission(err, "PROCESS")
	}
	t.puts(r, 0, nil, map[string]string{"active": "faultline_database_active_sessions", "slow": "faultline_database_slow_statements",
		"slowest": "faultline_database_longest_statement_seconds", "standbys": "faultline_database_standbys"})
	if err := m.tellSlow(ctx, r, t.orZero(0, "slow"), slow); err != nil {
		return err
	}
	return m.countActivity(ctx, r)
}

// mysqlSession are the columns that sessionOf reads.
const mysqlSession = "p.ID AS id, p.USER AS usename, SUBSTRING_INDEX(p.HOST, ':', 1) AS client, p.DB AS datname," +
	" IF(p.COMMAND = 'Sleep', 'idle', p.COMMAND) AS state, LEFT(p.INFO, 4000) AS statement"

// tellSlow sends events for statements that have become slow. Those that wait
// for a row are the matter of readBlocked.
func (m *mysqlLogin) tellSlow(ctx context.Context, r *reading, n, slow float64) error {
	if n == 0 {
		clear(r.w.slow)
		return nil
	}
	t, err := m.ask(ctx, "SELECT "+mysqlSession+", TIME AS age, UNIX_TIMESTAMP() - TIME AS begun FROM "+m.processes()+" p WHERE "+working+
		" AND NOT "+waiting+" AND TIME >= %g AND ID NOT IN (SELECT trx_mysql_thread_id FROM information_schema.INNODB_TRX WHERE trx_state = 'LOCK WAIT')"+
		" ORDER BY TIME DESC LIMIT %d", slow, slowStatements)
	if err == nil {
		r.tellSlow(t, mysqlDialect)
	}
	return m.permission(err, "PROCESS")
}

// countActivity reports sessions by what they do and by user.
func (m *mysqlLogin) countActivity(ctx context.Context, r *reading) error {
	t, err := m.ask(ctx, "SELECT USER AS usename, LOWER(COMMAND) AS command, COUNT(*) AS n FROM "+m.processes()+" GROUP BY 1, 2 ORDER BY 3 DESC LIMIT %d", activityGroups)
	if err != nil {
		return m.permission(err, "PROCESS")
	}
	byUser, byCommand := map[string]float64{}, map[string]float64{}
	for i := range t.rows {
		byUser[t.text(i, "usename")] += t.orZero(i, "n")
		byCommand[strings.ReplaceAll(t.text(i, "command"), " ", "_")] += t.orZero(i, "n")
	}
	for _, f := range []struct {
		metric, label string
		counts        map[string]float64
	}{{"mysql_info_schema_processlist_processes_by_user", "mysql_user", byUser}, {"mysql_info_schema_processlist_threads", "command", byCommand}} {
		fam := r.family(f.metric)
		for v, n := range f.counts {
			r.count(fam, n, f.label, v)
		}
		r.end(fam)
	}
	return nil
}

// readTransactions looks at InnoDB's open transactions.
func (m *mysqlLogin) readTransactions(ctx context.Context, r *reading) error {
	t, err := m.ask(ctx, "SELECT COALESCE(SUM(age >= %g), 0) AS n, COALESCE(MAX(age), 0) AS longest, COALESCE(MAX(IF(COMMAND = 'Sleep', TIME, 0)), 0) AS idle FROM"+
		" (SELECT TIMESTAMPDIFF(SECOND, t.trx_started, NOW()) AS age, p.COMMAND, p.TIME FROM information_schema.INNODB_TRX t JOIN "+m.processes()+
		" p ON p.ID = t.trx_mysql_thread_id WHERE p.ID <> CONNECTION_ID()) a", m.set.longAfter.Seconds())
	if err != nil {
		return m.permission(err, "PROCESS")
	}
	t.puts(r, 0, nil, map[string]string{"n": "faultline_database_long_transactions", "longest": "faultline_database_longest_transaction_seconds",
		"idle": "faultline_database_longest_idle_transaction_seconds"})
	return nil
}
