package database

import "context"

// readReplication looks at replication from both ends: on a replica whether it
// receives and how far behind it is, on any server who receives from it.
func (p *postgres) readReplication(ctx context.Context, r *reading) error {
	if r.w.replica != nil && *r.w.replica {
		if err := p.readReplica(ctx, r); err != nil {
			return err
		}
	} else {
		r.put("pg_replication_lag_seconds", 0)
		delete(r.w.channels, "")
	}
	return p.readStandbys(ctx, r)
}

// readReplica reads a replica. One that is fed from an archive has no receiver
// and needs none. What was received and replayed whole is no lag, however long
// the primary has been idle; before the first transaction was replayed only the
// bytes are known.
func (p *postgres) readReplica(ctx context.Context, r *reading) error {
	primary := "NULL" // settings that hold a password are shown to monitors only, and since version 12
	if p.all && p.version >= 120000 {
		primary = "current_setting('primary_conninfo', true) <> ''"
	}
	t, err := p.one(ctx, `SELECT CASE WHEN pg_last_wal_receive_lsn() = pg_last_wal_replay_lsn() THEN 0
			ELSE extract(epoch FROM clock_timestamp() - pg_last_xact_replay_timestamp()) END AS lag,
		extract(epoch FROM clock_timestamp() - pg_last_xact_replay_timestamp()) AS age,
		greatest(0, pg_wal_lsn_diff(pg_last_wal_receive_lsn(), pg_last_wal_replay_lsn())) AS bytes, %s AS streams, (SELECT count(*) FROM pg_stat_wal_receiver WHERE status = 'streaming') AS receives,
		pg_is_wal_replay_paused() AS paused`, primary)
	if err != nil {
		return p.permission(err)
	}
	t.puts(r, 0, nil, map[string]string{"lag": "pg_replication_lag_seconds", "age": "pg_replication_last_replay_seconds",
		"paused": "faultline_database_replay_paused", "bytes": "faultline_database_replay_lag_bytes"})
	if lag, ok := t.number(0, "lag"); ok {
		r.put("faultline_database_replication_lag_seconds", max(lag, 0), "channel", "")
	}
	if t.truth(0, "streams") || t.truth(0, "receives") {
		r.tellReplication("", t.truth(0, "receives"), "")
	}
	return nil
}

// standbysRead bounds the standbys with series of their own.
const standbysRead = 20

// readStandbys reports who replicates from this server.
func (p *postgres) readStandbys(ctx context.Context, r *reading) error {
	t, err := p.ask(ctx, `SELECT application_name, host(client_addr) AS client_addr, state, sync_state, count(*) OVER () AS total,
		pg_wal_lsn_diff(CASE WHEN pg_is_in_recovery() THEN pg_last_wal_receive_lsn() ELSE pg_current_wal_lsn() END, replay_lsn) AS bytes,
		extract(epoch FROM replay_lag) AS lag FROM pg_stat_replication ORDER BY application_name, client_addr LIMIT %d`, standbysRead)
	if err != nil {
		return err
	}
	total, bytes, lags := 0.0, r.family("pg_stat_replication_pg_wal_lsn_diff"), r.family("faultline_database_standby_lag_seconds")
	for i := range t.rows {
		total = t.orZero(i, "total")
		labels := []string{"application_name", tidy(t.text(i, "application_name")), "client_addr", t.text(i, "client_addr"), "state", t.text(i, "state")}
		if v, ok := t.number(i, "bytes"); ok {
			r.count(bytes, v, labels...)
		}
		r.count(lags, t.orZero(i, "lag"), labels[:4]...)
	}
	r.end(bytes)
	r.end(lags)
	r.put("faultline_database_standbys", total)
	return nil
}

// readSlots reports replication slots: one that nobody reads keeps the server's
// log until the disk is full.
func (p *postgres) readSlots(ctx context.Context, r *reading) error {
	t, err := p.ask(ctx, `SELECT slot_name, slot_type, coalesce(database, '') AS database, active,
		greatest(0, pg_wal_lsn_diff(CASE WHEN pg_is_in_recovery() THEN pg_last_wal_receive_lsn() ELSE pg_current_wal_lsn() END, restart_lsn)) AS retained
		FROM pg_replication_slots WHERE NOT temporary ORDER BY slot_name LIMIT %d`, standbysRead)
	if err != nil {
		return err
	}
	retained := r.family("faultline_database_slot_retained_bytes")
	for i := range t.rows {
		labels := []string{"slot_name", t.text(i, "slot_name"), "slot_type", t.text(i, "slot_type"), "database", t.text(i, "database")}
		r.put("pg_replication_slots_active", t.orZero(i, "active"), labels...)
		r.count(retained, t.orZero(i, "retained"), "slot_name", t.text(i, "slot_name"))
	}
	r.end(retained)
	r.put("faultline_database_slots", float64(len(t.rows)))
	return nil
}
