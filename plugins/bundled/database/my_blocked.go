package database

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/go-sql-driver/mysql"
)

// waiterSet gathers waiting sessions by id.
type waiterSet map[int64]*waiter

// add notes that a session waits, and for whom; blocker 0 is not known.
func (ws waiterSet) add(id, blocker int64, waited float64, on string) {
	w := ws[id]
	if w == nil {
		w = &waiter{id: id, on: on}
		ws[id] = w
	}
	w.waited = max(w.waited, waited)
	if blocker != 0 && blocker != id && !slices.Contains(w.blockers, blocker) {
		w.blockers = append(w.blockers, blocker)
	}
}

// readBlocked finds who waits for whom: for rows as InnoDB says, for tables as
// the server says where it keeps account of who holds them. Where it does not,
// only that sessions wait is known.
func (m *mysqlLogin) readBlocked(ctx context.Context, r *reading) error {
	ws := waiterSet{}
	if err := m.rowWaiters(ctx, ws); err != nil {
		return err
	}
	if err := m.tableWaiters(ctx, ws); err != nil {
		return err
	}
	list := make([]waiter, 0, len(ws))
	for _, id := range slices.Sorted(maps.Keys(ws)) {
		list = append(list, *ws[id])
	}
	return r.putBlocked(ctx, list, len(list), m.details)
}

// rowWaiters are the sessions that wait for rows, with those that hold them.
func (m *mysqlLogin) rowWaiters(ctx context.Context, ws waiterSet) error {
	waits, requesting, blocking, privilege := "information_schema.INNODB_LOCK_WAITS", "requesting_trx_id", "blocking_trx_id", "PROCESS"
	if !m.mariadb && m.version >= 80001 {
		waits, requesting, blocking = "performance_schema.data_lock_waits", "REQUESTING_ENGINE_TRANSACTION_ID", "BLOCKING_ENGINE_TRANSACTION_ID"
		privilege = "PROCESS and SELECT ON performance_schema.*"
	}
	t, err := m.ask(ctx, "SELECT DISTINCT r.trx_mysql_thread_id AS id, b.trx_mysql_thread_id AS blocker, TIMESTAMPDIFF(SECOND, r.trx_wait_started, NOW()) AS waited"+
		" FROM "+waits+" w JOIN information_schema.INNODB_TRX r ON r.trx_id = w."+requesting+
		" JOIN information_schema.INNODB_TRX b ON b.trx_id = w."+blocking+" ORDER BY 3 DESC LIMIT 1000")
	if err != nil {
		return m.permission(err, privilege)
	}
	for i := range t.rows {
		ws.add(t.id(i, "id"), t.id(i, "blocker"), t.orZero(i, "waited"), "row")
	}
	return nil
}

// tableWaiters are the sessions that wait for tables and the like. How long is
// taken from how long their statement runs.
func (m *mysqlLogin) tableWaiters(ctx context.Context, ws waiterSet) error {
	t, err := m.ask(ctx, "SELECT ID AS id, TIME AS time, STATE AS state FROM "+m.processes()+" WHERE COMMAND <> 'Daemon' AND "+waiting+" ORDER BY TIME DESC LIMIT %d", waitersRead)
	if err != nil || len(t.rows) == 0 {
		return m.permission(err, "PROCESS")
	}
	for i := range t.rows {
		ws.add(t.id(i, "id"), 0, t.orZero(i, "time"), strings.TrimPrefix(t.text(i, "state"), "Waiting for "))
	}
	if !m.schema {
		return nil
	}
	// Granted to one session and wanted by another: who holds an object in a mode
	// that agrees with the one wanted is named too, beside the one that does not.
	t, err = m.ask(ctx, "SELECT DISTINCT wt.PROCESSLIST_ID AS id, gt.PROCESSLIST_ID AS blocker FROM performance_schema.metadata_locks w"+
		" JOIN performance_schema.metadata_locks g ON g.OBJECT_TYPE = w.OBJECT_TYPE AND g.OBJECT_SCHEMA <=> w.OBJECT_SCHEMA AND g.OBJECT_NAME <=> w.OBJECT_NAME"+
		" AND g.LOCK_STATUS = 'GRANTED' AND g.OWNER_THREAD_ID <> w.OWNER_THREAD_ID AND g.LOCK_TYPE <> 'INTENTION_EXCLUSIVE'"+
		" JOIN performance_schema.threads wt ON wt.THREAD_ID = w.OWNER_THREAD_ID JOIN performance_schema.threads gt ON gt.THREAD_ID = g.OWNER_THREAD_ID"+
		" WHERE w.LOCK_STATUS = 'PENDING' AND gt.PROCESSLIST_ID IS NOT NULL LIMIT 1000")
	var e *mysql.MySQLError
	if errors.As(err, &e) && e.Number == 1146 { // servers before 5.7 and 10.5 do not have the table
		return nil
	}
	for i := range t.rows {
		if id := t.id(i, "id"); ws[id] != nil {
			ws.add(id, t.id(i, "blocker"), 0, "")
		}
	}
	return m.permission(err, "SELECT ON performance_schema.*")
}

// details finds out about sessions. One that is idle in its transaction shows no
// statement; where the server remembers its last, that is shown.
func (m *mysqlLogin) details(ctx context.Context, ids []int64) (map[int64]session, error) {
	in := idList(ids)
	t, err := m.ask(ctx, "SELECT "+mysqlSession+", TIMESTAMPDIFF(SECOND, t.trx_started, NOW()) AS transaction FROM "+m.processes()+
		" p LEFT JOIN information_schema.INNODB_TRX t ON t.trx_mysql_thread_id = p.ID WHERE p.ID IN ("+in+")")
	if err != nil {
		return nil, m.permission(err, "PROCESS")
	}
	found := map[int64]session{}
	var silent []int64
	for i := range t.rows {
		s := sessionOf(t, i, mysqlDialect)
		if s.state == "idle" && s.transaction >= 0 {
			s.state = "idle in transaction"
		}
		if s.statement == "" {
			silent = append(silent, s.id)
		}
		found[s.id] = s
	}
	if len(silent) > 0 && m.schema {
		err = m.lastStatements(ctx, silent, found)
	}
	return found, err
}

// lastStatements adds what sessions did last, and under which program's name.
func (m *mysqlLogin) lastStatements(ctx context.Context, ids []int64, found map[int64]session) error {
	t, err := m.ask(ctx, "SELECT t.PROCESSLIST_ID AS id, LEFT(s.SQL_TEXT, 4000) AS statement FROM performance_schema.threads t"+
		" JOIN performance_schema.events_statements_current s ON s.THREAD_ID = t.THREAD_ID WHERE t.PROCESSLIST_ID IN ("+idList(ids)+")")
	for i := range t.rows {
		s := found[t.id(i, "id")]
		if last := sessionOf(t, i, mysqlDialect).statement; last != "" {
			s.statement = "last: " + last
			found[s.id] = s
		}
	}
	if err != nil {
		return fmt.Errorf("last statements: %w", m.permission(err, "SELECT ON performance_schema.*"))
	}
	return nil
}
