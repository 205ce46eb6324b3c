package database

import (
	"cmp"
	"context"
	"fmt"
	"strings"
)

// replicaColumns are what mysqld_exporter reports of a replica, with the labels
// of its channel.
var replicaColumns = []string{"slave_io_running", "slave_sql_running", "seconds_behind_master", "sql_delay", "last_io_errno", "last_sql_errno",
	"read_master_log_pos", "exec_master_log_pos", "relay_log_space", "master_server_id"}

// readReplication reads how a replica is. Newer servers call master and slave
// source and replica; boards know the old names.
func (m *mysqlLogin) readReplication(ctx context.Context, r *reading) error {
	query, privilege := "SHOW SLAVE STATUS", "REPLICATION CLIENT ON *.*"
	switch {
	case m.mariadb:
		query = "SHOW ALL SLAVES STATUS"
		if m.version >= 100500 {
			privilege = "SLAVE MONITOR ON *.*"
		}
	case m.version >= 80022:
		query = "SHOW REPLICA STATUS"
	}
	t, err := m.ask(ctx, query)
	if err != nil {
		return m.permission(err, privilege)
	}
	t.columns = oldNames(t.columns)
	r.tellRole(len(t.rows) > 0)
	seen := map[string]bool{}
	for i := range t.rows {
		channel := cmp.Or(t.text(i, "connection_name"), t.text(i, "channel_name"))
		seen[channel] = true
		m.putChannel(r, t, i, channel)
	}
	for channel := range r.w.channels {
		if !seen[channel] {
			delete(r.w.channels, channel)
		}
	}
	return nil
}

func oldNames(columns map[string]int) map[string]int {
	old := make(map[string]int, len(columns))
	for name, i := range columns {
		old[strings.NewReplacer("replica", "slave", "source", "master").Replace(name)] = i
	}
	return old
}

func (m *mysqlLogin) putChannel(r *reading, t table, row int, channel string) {
	labels := []string{"master_host", t.text(row, "master_host"), "master_uuid", t.text(row, "master_uuid"),
		"channel_name", t.text(row, "channel_name"), "connection_name", t.text(row, "connection_name")}
	for _, c := range replicaColumns {
		if v, ok := mysqlNumber(t.text(row, c)); ok {
			r.put("mysql_slave_status_"+c, v, labels...)
		}
	}
	if lag, ok := t.number(row, "seconds_behind_master"); ok {
		r.put("faultline_database_replication_lag_seconds", lag, "channel", channel)
	}
	runs := t.text(row, "slave_io_running") == "Yes" && t.text(row, "slave_sql_running") == "Yes"
	why := ""
	for _, thread := range []string{"sql", "io"} {
		if n := int(t.orZero(row, "last_"+thread+"_errno")); n != 0 && !runs {
			why = fmt.Sprintf("%s thread: error %d %s", strings.ToUpper(thread), n, replicaErrors[n])
			break
		}
	}
	r.tellReplication(channel, runs, strings.TrimSpace(why))
}

// replicaErrors are what stops replication most often. The server's own text
// holds rows of tables, quoted in a way that no masking is sure of.
var replicaErrors = map[int]string{
	1032: "(a row to change is not there)", 1045: "(user or password is wrong)", 1062: "(a row is there already)", 1146: "(a table is not there)",
	1236: "(the source no longer has the log that is needed)", 1593: "(fatal error of the replica)", 1594: "(the relay log is damaged)",
	1950: "(GTIDs are out of order)", 2003: "(the source does not answer)", 2013: "(the connection to the source was lost)",
}
