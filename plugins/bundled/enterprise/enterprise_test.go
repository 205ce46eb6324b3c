package enterprise

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	mssql "github.com/microsoft/go-mssqldb"
	"github.com/sijms/go-ora/v2/network"

	"github.com/faultline/faultline/plugins/base"
	"github.com/faultline/faultline/plugins/input"
)

const password = "s3cret-db-word"

// fake is a driver of database/sql that answers each question with a table in the
// shape that the makers' references give for the views; no server stands behind it.
type fake struct {
	mu      sync.Mutex
	answers map[string]answer // by a text that the question contains
	logins  int
	asked   []string
	refuse  error
	last    Login
}

// answer is a table or a refusal.
type answer struct {
	columns string
	rows    [][]driver.Value
	err     error
}

func (f *fake) open(l Login) (*sql.DB, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.last = l
	return sql.OpenDB(f), nil
}

func (f *fake) Connect(context.Context) (driver.Conn, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.logins++
	if f.refuse != nil {
		return nil, f.refuse
	}
	return &conn{f}, nil
}

func (f *fake) Driver() driver.Driver { return nil }

type conn struct{ *fake }

func (c *conn) Prepare(string) (driver.Stmt, error) {
	return nil, errors.New("the input prepares nothing")
}
func (c *conn) Close() error              { return nil }
func (c *conn) Begin() (driver.Tx, error) { return nil, errors.New("the input begins nothing") }

func (c *conn) QueryContext(_ context.Context, query string, args []driver.NamedValue) (driver.Rows, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.asked = append(c.asked, query)
	if !strings.HasPrefix(query, "SELECT ") || strings.Contains(query, ";") || len(args) > 0 {
		return nil, fmt.Errorf("no plain question: %s", query)
	}
	for part, a := range c.answers {
		if strings.Contains(query, part) {
			return &cursor{columns: strings.Fields(a.columns), rows: a.rows}, a.err
		}
	}
	return &cursor{}, nil
}

type cursor struct {
	columns []string
	rows    [][]driver.Value
}

func (c *cursor) Columns() []string { return c.columns }
func (c *cursor) Close() error      { return nil }
func (c *cursor) Next(into []driver.Value) error {
	if len(c.rows) == 0 {
		return io.EOF
	}
	copy(into, c.rows[0])
	c.rows = c.rows[1:]
	return nil
}

// recorder keeps what a Gather hands over, and complains of series told twice.
type recorder struct {
	t      *testing.T
	values map[string]float64
	events []base.Event
}

func (r *recorder) Sample(s base.Sample) {
	var labels []string
	for _, l := range s.Labels {
		if l.Name != base.MetricName {
			labels = append(labels, l.Name+"="+l.Value)
		}
	}
	key := s.Labels.Name() + "{" + strings.Join(labels, ",") + "}"
	if _, twice := r.values[key]; twice {
		r.t.Errorf("%s is told twice", key)
	}
	r.values[key] = s.Value
}

func (r *recorder) Block(base.Block)   { r.t.Error("a block") }
func (r *recorder) Event(e base.Event) { r.events = append(r.events, e) }

func (r *recorder) want(series string, v float64) {
	r.t.Helper()
	if got, ok := r.values[series]; !ok || got != v {
		r.t.Errorf("%s is %v (there: %t), want %v", series, got, ok, v)
	}
}

func gather(t *testing.T, in *Input, tg base.Target) (*recorder, error) {
	t.Helper()
	r := &recorder{t: t, values: map[string]float64{}}
	return r, in.Gather(t.Context(), tg, r)
}

func oracleTarget() base.Target {
	return base.Target{ID: "ora", Address: "db1", Options: map[string]string{"kind": "oracle", "service": "ORCL", "password": password, "backup_max_age": "26h"}}
}

func sqlServerTarget() base.Target {
	return base.Target{ID: "ms", Address: "db2", Options: map[string]string{"kind": "sqlserver", "password": password}}
}

func oracleFake() *fake {
	return &fake{answers: map[string]answer{
		"v$instance":        {columns: "INSTANCE_NAME VERSION STATUS DATABASE DATABASE_ROLE OPEN_MODE UPTIME", rows: [][]driver.Value{{"orcl1", "19.0.0.0.0", "OPEN", "ORCL", "PRIMARY", "READ WRITE", "86400"}}},
		"COUNT(*) AS value": {columns: "INST_ID STATUS TYPE VALUE", rows: [][]driver.Value{{"1", "ACTIVE", "USER", int64(7)}, {"1", "INACTIVE", "USER", int64(30)}, {"1", "ACTIVE", "BACKGROUND", int64(60)}}},
		"gv$resource_limit": {columns: "INST_ID RESOURCE_NAME CURRENT_UTILIZATION LIMIT_VALUE", rows: [][]driver.Value{{"1", "processes", int64(285), "300"}, {"1", "sessions", int64(97), "472"}, {"2", "processes", int64(5), "UNLIMITED"}}},
		"gv$sysstat":        {columns: "INST_ID NAME VALUE", rows: [][]driver.Value{{"1", "user commits", int64(100)}, {"2", "user commits", int64(50)}, {"1", "parse count (total)", int64(9)}, {"1", "enqueue deadlocks", int64(2)}}},
		"final_blocking_session_status": {columns: "WAITER WAITER_USER WAITER_PROGRAM WAITER_HOST WAIT WAIT_FOR BLOCKER BLOCKER_USER BLOCKER_PROGRAM BLOCKER_HOST DATABASE STATEMENT", rows: [][]driver.Value{
			{"1:31", "APP", "app.exe", "pc1", "125.5", "enq: TX - row lock contention", "1:20", "BATCH", "batch20261122.exe", "srv", "ORCL", "update t set x='private' where id=1"}, {"1:32", "APP", "app.exe", "pc2", "3", "enq: TX", "1:20", "BATCH", "batch20261122.exe", "srv", "ORCL", nil}}},
		"last_call_et":         {columns: "SECONDS", rows: [][]driver.Value{{int64(610)}, {int64(31)}, {int64(2)}}},
		"v$dataguard_stats":    {columns: "NAME VALUE", rows: [][]driver.Value{{"apply lag", "+00 00:01:05"}, {"transport lag", "+01 00:00:00"}}},
		"v$archive_dest":       {columns: "DEST_ID STATUS ERROR", rows: [][]driver.Value{{"2", "ERROR", "ORA-12541"}, {"3", "VALID", nil}}},
		"dba_tablespace_usage": {columns: "TABLESPACE_NAME CONTENTS USED MOST USED_PERCENT", rows: [][]driver.Value{{"USERS", "PERMANENT", "96000", "100000", "96"}}},
		"v$datafile":           {columns: "BYTES", rows: [][]driver.Value{{"123456"}}},
		"v$rman_backup_job":    {columns: "NAME TYPE AGE", rows: [][]driver.Value{{"ORCL", "full", "100000"}, {"ORCL", "log", "900"}}},
	}}
}

func TestOracle(t *testing.T) {
	f := oracleFake()
	now := time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)
	in := New(Options{Open: f.open, Now: func() time.Time { return now }})
	r, err := gather(t, in, oracleTarget())
	if err != nil {
		t.Fatal(err)
	}
	for series, v := range map[string]float64{
		"oracledb_up{}": 1, "faultline_database_serving{}": 1, "faultline_database_info{kind=oracle,open_mode=read write,role=primary,version=19.0.0.0.0}": 1, "faultline_database_is_replica{}": 0,
		"oracledb_sessions_value{inst_id=1,status=INACTIVE,type=USER}": 30, "faultline_database_active_sessions{}": 7, "oracledb_resource_current_utilization{inst_id=1,resource_name=processes}": 285,
		"oracledb_resource_limit_value{inst_id=2,resource_name=processes}": -1, "faultline_database_connections_used_ratio{}": 0.95, "oracledb_activity_parse_count_total{inst_id=1}": 9,
		"faultline_database_commits_total{}": 150, "faultline_database_deadlocks_total{}": 2, "faultline_database_blocked_sessions{}": 2, "faultline_database_blocking_sessions{}": 1,
		"faultline_database_longest_wait_seconds{}": 125.5, "faultline_database_blocked_by{application_name=batch*.exe,datname=ORCL,usename=BATCH}": 2, "faultline_database_slow_statements{}": 2,
		"faultline_database_longest_statement_seconds{}": 610, "faultline_database_replication_lag_seconds{channel=apply lag}": 65, "faultline_database_replication_lag_seconds{channel=transport lag}": 86400,
		"faultline_database_replication_running{channel=destination 2}": 0, "faultline_database_replication_running{channel=destination 3}": 1,
		"oracledb_tablespace_used_percent{tablespace=USERS,type=PERMANENT}": 96, "oracledb_tablespace_free{tablespace=USERS,type=PERMANENT}": 4000, "faultline_database_size_bytes{}": 123456,
		"faultline_database_backup_age_seconds{datname=ORCL,type=full}": 100000, "faultline_database_backup_max_age_seconds{}": 93600, "faultline_database_section_success{section=backups}": 1,
	} {
		r.want(series, v)
	}
	if len(r.events) != 1 || r.events[0].Kind != eventBlocked || r.events[0].Attrs["blocker"] != "1:20" || strings.Contains(r.events[0].Attrs["statement"], "private") {
		t.Errorf("events %v", r.events)
	}
	f.mu.Lock()
	delete(f.answers, "final_blocking_session_status")
	f.answers["dba_tablespace_usage"] = answer{err: errors.New("asked too early")}
	f.mu.Unlock()
	now = now.Add(10 * time.Second)
	if r, err = gather(t, in, oracleTarget()); err != nil {
		t.Fatal(err) // what is slow is not asked within the minute, and told again
	}
	r.want("oracledb_tablespace_used_percent{tablespace=USERS,type=PERMANENT}", 96)
	r.want("faultline_database_blocked_sessions{}", 0)
	if len(r.events) != 1 || r.events[0].Kind != eventReleased || f.logins != 1 {
		t.Errorf("events %v, %d logins", r.events, f.logins)
	}
	now = now.Add(time.Minute)
	r, err = gather(t, in, oracleTarget())
	if !errors.As(err, new(input.Partial)) {
		t.Errorf("got %v", err)
	}
	r.want("faultline_database_section_success{section=tablespaces}", 0)
	r.want("oracledb_up{}", 1)
}

func sqlServerFake() *fake {
	return &fake{answers: map[string]answer{
		"dm_os_sys_info":    {columns: "version edition uptime most", rows: [][]driver.Value{{"16.0.4105.2", "Standard Edition (64-bit)", int64(3600), int64(32767)}}},
		"COUNT(*) AS n":     {columns: "name status n most", rows: [][]driver.Value{{"erp", "sleeping", int64(40), int64(100)}, {"erp", "running", int64(3), int64(100)}, {nil, "sleeping", int64(1), int64(100)}}},
		"Number of Deadloc": {columns: "name instance value", rows: [][]driver.Value{{"Number of Deadlocks/sec", "_Total", int64(5)}, {"Number of Deadlocks/sec", "Key", int64(4)}, {"Batch Requests/sec", "", int64(900)}, {"Page life expectancy", "", int64(4000)}, {"Transactions/sec", "erp", int64(70)}, {"User Connections", "", int64(44)}}},
		"blocking_session_id > 0": {columns: "waiter waiter_user waiter_program waiter_host wait wait_for blocker blocker_user blocker_program blocker_host database statement", rows: [][]driver.Value{
			{int64(61), "app", "erp", "pc1", 40.0, "LCK_M_X", int64(60), "app", "erp", "pc9", "erp", "UPDATE t SET x=N'geheim'"}, {int64(62), "app", "erp", "pc2", 8.5, "LCK_M_S", int64(61), "app", "erp", "pc1", "erp", nil}}},
		"total_elapsed_time": {columns: "seconds", rows: [][]driver.Value{{45.5}, {0.1}}},
		"dm_tran_active":     {columns: "longest idle", rows: [][]driver.Value{{int64(2000), int64(1900)}}},
		"dm_hadr_database": {columns: "group replica name state suspended is_local is_primary send_queue redo_queue lag", rows: [][]driver.Value{{"ag1", "n1", "erp", "SYNCHRONIZED", int64(0), int64(1), int64(1), int64(0), int64(0), nil}, {"ag1", "n1", "crm", "SYNCHRONIZED", int64(0), int64(1), int64(1), nil, nil, nil},
			{"ag1", "n2", "erp", "NOT SYNCHRONIZING", int64(0), int64(0), int64(0), int64(1024), int64(2048), int64(77)}, {"ag1", "n2", "crm", "SYNCHRONIZING", int64(1), int64(0), int64(0), nil, nil, nil}, {"ag1", "n3", "erp", "SYNCHRONIZING", int64(0), int64(0), int64(0), nil, nil, int64(1)}}},
		"FROM sys.databases": {columns: "name state", rows: [][]driver.Value{{"erp", int64(0)}, {"old", int64(4)}}},
		"sys.master_files":   {columns: "name logicalname type bytes most", rows: [][]driver.Value{{"erp", "erp", "ROWS", 8192000.0, nil}, {"erp", "erp_log", "LOG", 819200.0, 1638400.0}}},
		"Percent Log Used":   {columns: "name value", rows: [][]driver.Value{{"erp", int64(91)}}},
		"msdb.dbo.backupset": {columns: "name type age", rows: [][]driver.Value{{"erp", "full", int64(200000)}, {"erp", "log", int64(600)}}},
	}}
}

func TestSQLServer(t *testing.T) {
	f := sqlServerFake()
	delete(f.answers, "FROM sys.databases") // two questions contain it
	f.answers["SELECT name, state FROM"] = answer{columns: "name state", rows: [][]driver.Value{{"erp", int64(0)}, {"old", int64(4)}}}
	r, err := gather(t, New(Options{Open: f.open}), sqlServerTarget())
	if err != nil {
		t.Fatal(err)
	}
	for series, v := range map[string]float64{
		"mssql_up{}": 1, "faultline_database_uptime_seconds{}": 3600, "faultline_database_connections{}": 44, "faultline_database_connections_used_ratio{}": 0.44, "mssql_connections{database=erp,state=sleeping}": 40,
		"mssql_deadlocks{}": 5, "faultline_database_deadlocks_total{}": 5, "windows_mssql_locks_deadlocks{resource=Key}": 4, "mssql_batch_requests{}": 900, "mssql_page_life_expectancy{}": 4000, "mssql_transactions{database=erp}": 70,
		"faultline_database_blocked_sessions{}": 2, "faultline_database_blocking_sessions{}": 1, "faultline_database_longest_wait_seconds{}": 40, "faultline_database_blocked_by{application_name=erp,datname=erp,usename=app}": 1,
		"faultline_database_slow_statements{}": 1, "faultline_database_longest_idle_transaction_seconds{}": 1900, "faultline_database_is_replica{}": 0,
		"faultline_database_replication_running{channel=ag1/erp@n2}": 0, "faultline_database_replication_running{channel=ag1/crm@n2}": 0, "faultline_database_replication_running{channel=ag1/erp@n3}": 1,
		"faultline_database_replication_lag_seconds{channel=ag1/erp@n2}": 77, "mssql_database_state{database=old}": 4, "mssql_database_filesize{database=erp,logicalname=erp_log,type=LOG}": 819200,
		"faultline_database_size_bytes{datname=erp}": 9011200, "mssql_log_used_percent{database=erp}": 91, "faultline_database_backup_age_seconds{datname=erp,type=full}": 200000,
	} {
		r.want(series, v)
	}
	if len(r.events) != 1 || strings.Contains(fmt.Sprint(r.events), "geheim") {
		t.Errorf("events %v", r.events)
	}
	if f.last.TLS != "require" || f.last.Port != 1433 || f.last.Service != "master" {
		t.Errorf("login %+v", f.last)
	}
}

// TestRefusals: each refusal has its word, and what it says of the server; a wrong
// password is not tried again at once, and never quoted.
func TestRefusals(t *testing.T) {
	for name, c := range map[string]struct {
		target  base.Target
		err     error
		reason  string
		serving float64 // -1: not told
	}{
		"ora password": {oracleTarget(), &network.OracleError{ErrCode: 1017, ErrMsg: "ORA-01017: " + password}, "password", 1}, "ora full": {oracleTarget(), &network.OracleError{ErrCode: 20}, "too_many_connections", 0},
		"ora starts": {oracleTarget(), &network.OracleError{ErrCode: 1033}, "starting", 0}, "ora rights": {oracleTarget(), &network.OracleError{ErrCode: 942}, "query", 0}, "ora service": {oracleTarget(), &network.OracleError{ErrCode: 12514}, "database_missing", 1},
		"ms password": {sqlServerTarget(), mssql.Error{Number: 18456, Message: "Login failed " + password}, "password", 1}, "ms database": {sqlServerTarget(), mssql.Error{Number: 4060}, "database_missing", 1}, "ms full": {sqlServerTarget(), mssql.Error{Number: 17809}, "too_many_connections", 0},
		"closed": {sqlServerTarget(), &net.OpError{Op: "dial", Err: syscall.ECONNREFUSED}, "port_closed", 0}, "name": {oracleTarget(), &net.DNSError{Err: "no such host"}, "unresolved", -1}, "late": {oracleTarget(), context.DeadlineExceeded, "timeout", 0},
	} {
		t.Run(name, func(t *testing.T) {
			f := &fake{refuse: c.err}
			now := time.Unix(1e9, 0)
			in := New(Options{Open: f.open, Now: func() time.Time { return now }})
			r, err := gather(t, in, c.target)
			if err == nil || strings.Contains(err.Error(), password) {
				t.Errorf("got %v", err)
			}
			r.want("faultline_database_failed{reason="+c.reason+"}", 1)
			if c.serving >= 0 {
				r.want("faultline_database_serving{}", c.serving)
			} else if _, ok := r.values["faultline_database_serving{}"]; ok {
				t.Error("what is ours to mend speaks against the server")
			}
			logins := f.logins
			now = now.Add(10 * time.Second)
			if _, err := gather(t, in, c.target); err == nil || (c.reason == "password") != (f.logins == logins) {
				t.Errorf("%d logins after %d: %v", f.logins, logins, err)
			}
			now = now.Add(time.Minute)
			f.mu.Lock()
			f.refuse = nil
			f.mu.Unlock()
			r, err = gather(t, in, c.target)
			if err != nil {
				t.Fatal(err)
			}
			r.want("faultline_database_failed{reason="+c.reason+"}", 0)
		})
	}
}

func TestCheckTarget(t *testing.T) {
	in := New(Options{})
	dir := t.TempDir()
	in.Restrict(dir)
	for want, options := range map[string]map[string]string{
		"want oracle or sqlserver": {"kind": "db2"}, "service is missing": {"kind": "oracle"}, "only one of": {"kind": "sqlserver", "password": "a", "password_file": filepath.Join(dir, "b")},
		"want a file in": {"kind": "sqlserver", "password_file": "/etc/shadow"}, "want disable": {"kind": "sqlserver", "tls": "maybe"}, `"service" is not known`: {"kind": "sqlserver", "service": "x"}, "want a duration": {"kind": "sqlserver", "slow_after": "soon"},
	} {
		if err := in.CheckTarget(base.Target{Address: "db", Options: options}); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v: got %v, want %q", options, err, want)
		}
	}
	file := filepath.Join(dir, "word")
	if err := os.WriteFile(file, []byte(password+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	f := sqlServerFake()
	in = New(Options{Open: f.open})
	in.Restrict(dir)
	if _, err := gather(t, in, base.Target{ID: "x", Address: "db:1499", Options: map[string]string{"kind": "sqlserver", "password_file": file}}); err != nil {
		t.Fatal(err)
	}
	if string(f.last.Password) != password || f.last.Port != 1499 {
		t.Errorf("login to port %d with another password than the file's", f.last.Port)
	}
}

// TestDrivers: the makers' drivers take our settings and say that nobody listens.
func TestDrivers(t *testing.T) {
	l, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := l.Addr().String()
	_ = l.Close()
	for _, tg := range []base.Target{oracleTarget(), sqlServerTarget()} {
		tg.Address = address
		r, err := gather(t, New(Options{}), tg)
		if err == nil || strings.Contains(err.Error(), password) {
			t.Errorf("got %v", err)
		}
		r.want("faultline_database_failed{reason=port_closed}", 1)
	}
}
