package enterprise

import (
	"fmt"
	"strings"

	"github.com/faultline/faultline/plugins/base"
	"github.com/faultline/faultline/plugins/bundled/database/sqlmask"
)

// tellBlocked tells who waits for whom: rows with waiter, waiter_user, waiter_program,
// waiter_host, wait (seconds), wait_for, blocker, blocker_user, blocker_program,
// blocker_host, database and statement.
func tellBlocked(r *reading, rows []row) {
	longest, waiting := 0.0, map[string]bool{}
	type who struct{ user, program, database string }
	by := map[who]float64{}
	blockers := map[string]bool{}
	for _, w := range rows {
		waiting[w["waiter"]] = true
	}
	for _, w := range rows {
		longest = max(longest, w.orZero("wait"))
		if !waiting[w["blocker"]] { // who waits for nobody
			blockers[w["blocker"]] = true
			by[who{w["blocker_user"], mask(w["blocker_program"]), w["database"]}]++
		}
	}
	r.put("faultline_database_blocked_sessions", float64(len(waiting)))
	r.put("faultline_database_blocking_sessions", float64(len(blockers)))
	r.put("faultline_database_longest_wait_seconds", longest)
	for b, n := range by {
		r.put("faultline_database_blocked_by", n, "usename", b.user, "application_name", b.program, "datname", b.database)
	}
	was := r.server.blocked
	r.server.blocked = len(rows) > 0
	switch {
	case len(rows) > 0 && !was:
		w := rows[0]
		r.event(eventBlocked, fmt.Sprintf("session %s (%s, %s on %s) holds what %d sessions wait for", w["blocker"], w["blocker_user"], w["blocker_program"], w["blocker_host"], len(waiting)),
			map[string]string{"blocker": w["blocker"], "blocker_user": w["blocker_user"], "blocker_application": w["blocker_program"], "blocker_host": w["blocker_host"], "waiter": w["waiter"], "waiter_user": w["waiter_user"],
				"waiter_application": w["waiter_program"], "waiter_host": w["waiter_host"], "wait_for": w["wait_for"], "database": w["database"], "statement": masked(w["statement"])})
	case len(rows) == 0 && was:
		r.event(eventReleased, "no session waits for another any more", nil)
	}
}

func (r *reading) event(kind, text string, attrs map[string]string) {
	r.sink.Event(base.Event{Kind: kind, At: r.now, Text: text, Attrs: attrs})
}

// mask takes numbers of three digits and more out of a program's name, since a
// label names a thing and not a run of it.
func mask(s string) string {
	var out strings.Builder
	for i := 0; i < len(s); {
		n := i
		for n < len(s) && s[n] >= '0' && s[n] <= '9' {
			n++
		}
		switch {
		case n-i >= 3:
			out.WriteByte('*')
			i = n
		case n > i:
			out.WriteString(s[i:n])
			i = n
		default:
			out.WriteByte(s[i])
			i++
		}
	}
	return out.String()
}

// tellStatements tells rows with seconds: how long each statement runs.
func tellStatements(r *reading, rows []row) {
	n, longest := 0.0, 0.0
	for _, s := range rows {
		seconds := s.orZero("seconds")
		longest = max(longest, seconds)
		if seconds >= r.slowAfter.Seconds() {
			n++
		}
	}
	r.put("faultline_database_slow_statements", n)
	r.put("faultline_database_longest_statement_seconds", longest)
}

// tellBackups tells rows with name, type and age (seconds).
func tellBackups(r *reading, rows []row) {
	for _, b := range rows {
		r.column("faultline_database_backup_age_seconds", b, "age", "datname", b["name"], "type", strings.ToLower(b["type"]))
	}
	if r.backupAge > 0 {
		r.put("faultline_database_backup_max_age_seconds", r.backupAge.Seconds())
	}
}

// masked is a statement without its literals, cut.
func masked(s string) string { return sqlmask.Mask(sqlmask.PostgreSQL, s, 300) }
