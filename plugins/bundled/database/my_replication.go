package database

import (
	"cmp"
	"context"
	"strings"

	"github.com/faultline/faultline/plugins/bundled/database/sqlmask"
)

// replicaColumns are what mysqld_exporter reports of a replica, with the labels
// of its channel.
var replicaColumns = []string{"slave_io_running", "slave_sql_running", "seconds_behind_master", "sql_delay", "last_io_errno", "last_sql_errno",
	"read_master_log_pos", "exec_master_log_pos", "relay_log_space"}

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
	why := cmp.Or(t.text(row, "last_sql_error"), t.text(row, "last_io_error"))
	if runs {
		why = ""
	}
	r.tellReplication(channel, runs, sqlmask.Mask(mysqlDialect, why, statementLength))
}
