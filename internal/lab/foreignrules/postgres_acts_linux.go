package main

import (
	"context"
	"io"
	"time"

	"github.com/faultline/faultline/plugins/bundled/database/pgwire"
)

// provokePostgres plays what goes wrong with a PostgreSQL server and its standby.
func provokePostgres(ctx context.Context, out io.Writer, file, name string) error {
	h, err := newTheatre(file)
	if err != nil {
		return err
	}
	defer h.done()
	p, err := newPgPlay(ctx, h)
	if p != nil {
		defer p.close()
	}
	if err != nil {
		return err
	}
	h.now = time.Now().Truncate(time.Second)
	if err := h.play(ctx, p.acts()); err != nil {
		return err
	}
	h.report(out, name)
	return nil
}

func (p *pgPlay) acts() []act {
	do := func(at func() *private, db string, statements ...string) func(context.Context) error {
		return func(ctx context.Context) error { return p.run(ctx, at(), db, statements...) }
	}
	primary, standby := func() *private { return p.private }, func() *private { return p.standby }
	return []act{
		{name: "the server has just been started", steps: 1},
		{name: "all is well", begin: p.settle, each: p.work, steps: 52},
		{name: "transactions are rolled back", each: func(ctx context.Context) error {
			if err := p.work(ctx); err != nil {
				return err
			}
			for range 60 {
				if _, err := p.worker.Query(ctx, "BEGIN; UPDATE small SET n = 1 WHERE id = 1; ROLLBACK"); err != nil {
					return err
				}
			}
			return nil
		}, steps: 4},
		{name: "deadlocks", each: p.deadlocks, steps: 5},
		{name: "connections are used up", begin: func(ctx context.Context) error {
			for range 40 {
				if err := p.open(ctx, 1, &p.held); err != nil {
					break // superusers have three more than others: the last is refused
				}
			}
			return nil
		}, each: p.work, steps: 12},
		{name: "the application holds too few connections", begin: func(context.Context) error { closeAll(&p.held); closeAll(&p.apps); return nil }, each: p.work, steps: 12},
		{name: "the application does nothing", steps: 32},
		{name: "one session holds many locks", begin: func(ctx context.Context) error {
			if err := p.open(ctx, 1, &p.held); err != nil {
				return err
			}
			_, err := p.held[0].Query(ctx, "BEGIN; SELECT pg_advisory_xact_lock(i) FROM generate_series(1, 800) i")
			return err
		}, each: p.work, steps: 12},
		{name: "reads from disk, checkpoints on request", begin: func(context.Context) error { closeAll(&p.held); return nil }, each: func(ctx context.Context) error {
			if err := p.work(ctx); err != nil {
				return err
			}
			if err := p.say(ctx, p.worker, "SELECT count(*) FROM big"); err != nil {
				return err
			}
			return p.run(ctx, p.private, "postgres", "CHECKPOINT")
		}, steps: 44},
		{name: "a setting is changed", begin: do(primary, "postgres", "ALTER SYSTEM SET autovacuum_vacuum_threshold = 60", "SELECT pg_reload_conf()"), each: p.work, steps: 3},
		{name: "rows are dead", begin: do(primary, "postgres", "CREATE TABLE dead WITH (autovacuum_enabled = false) AS SELECT i AS id FROM generate_series(1, 40000) i",
			"DELETE FROM dead WHERE id % 2 = 0"), each: p.work, steps: 14},
		{name: "the monitor's role is taken away", begin: do(primary, "postgres", "REVOKE pg_monitor FROM monitor"), each: p.work, steps: 2},
		{name: "a slot nobody reads", begin: do(primary, "postgres", "GRANT pg_monitor TO monitor", "SELECT pg_create_physical_replication_slot('forgotten', true)"), each: p.work, steps: 44},
		{name: "a standby that lags", begin: func(ctx context.Context) error {
			if err := p.withStandby(ctx); err != nil {
				return err
			}
			return p.lag(ctx)
		}, each: p.work, steps: 6},
		{name: "the standby is promoted", begin: do(standby, "postgres", "SELECT pg_wal_replay_resume()", "SELECT pg_promote()"), each: p.work, steps: 5},
		{name: "a transaction stays open", begin: p.forget, steps: 40},
		{name: "tables and indexes of air, an index that is not whole", begin: p.swell, steps: 80, step: 5 * time.Minute},
		{name: "no autovacuum for eleven days", begin: p.vacuumed, steps: 50, step: 6 * time.Hour},
		{name: "the server is stopped", begin: p.stopNow, steps: 8},
	}
}

// forget opens a transaction and waits until it is two minutes old by the server's
// clock, which is not played.
func (p *pgPlay) forget(ctx context.Context) error {
	p.worker.Close()
	p.worker = nil
	var list []*pgwire.Conn
	if err := p.open(ctx, 1, &list); err != nil {
		return err
	}
	p.held = list
	if _, err := list[0].Query(ctx, "BEGIN; SELECT txid_current()"); err != nil {
		return err
	}
	return wait(ctx, 123*time.Second)
}

// vacuumed has a table changed and vacuumed by the server itself, then changed
// again while it no longer vacuums.
func (p *pgPlay) vacuumed(ctx context.Context) error {
	closeAll(&p.held)
	if err := p.run(ctx, p.private, "postgres", "CREATE TABLE changed AS SELECT i AS id FROM generate_series(1, 2000) i", "UPDATE changed SET id = id", "SELECT pg_stat_force_next_flush()"); err != nil {
		return err
	}
	c, err := p.login(ctx, p.private, "postgres")
	if err != nil {
		return err
	}
	defer c.Close()
	for deadline := time.Now().Add(time.Minute); ; {
		r, err := c.Query(ctx, "SELECT last_autovacuum IS NOT NULL AND last_autoanalyze IS NOT NULL FROM pg_stat_user_tables WHERE relname = 'changed'")
		if err != nil {
			return err
		}
		if len(r.Rows) == 1 && r.Rows[0][0].Text == "t" || time.Now().After(deadline) {
			break
		}
		if err := wait(ctx, 200*time.Millisecond); err != nil {
			return err
		}
	}
	return p.run(ctx, p.private, "postgres", "ALTER TABLE changed SET (autovacuum_enabled = false)", "UPDATE changed SET id = id")
}
