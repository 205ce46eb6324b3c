package database

import (
	"cmp"
	"fmt"
	"math"
	"time"

	"github.com/faultline/faultline/plugins/base"
)

// tellRestart sends an event when the server began anew since the last poll.
// started is in Unix seconds and known to some seconds.
func (r *reading) tellRestart(started, to float64) {
	was := r.w.started
	r.w.started = started
	if was != 0 && started > was+to {
		r.event(base.EventRestart, fmt.Sprintf("the database server has restarted at %s", time.Unix(int64(started), 0).UTC().Format(time.RFC3339)),
			map[string]string{"started": decimal(math.Round(started)), "before": decimal(math.Round(was))})
	}
}

// tellRole reports whether the server is a replica, and sends an event when
// that changed.
func (r *reading) tellRole(replica bool) {
	r.put("faultline_database_is_replica", truth(replica))
	was := r.w.replica
	r.w.replica = &replica
	if was == nil || *was == replica {
		return
	}
	text, role := "the replica has become a primary", "primary"
	if replica {
		text, role = "the primary has become a replica", "replica"
	}
	r.event(base.EventChange, text, map[string]string{"what": "role", "role": role})
}

// tellReplication reports whether a channel of replication runs, and sends an
// event when that changed. why holds no data and may be empty.
func (r *reading) tellReplication(channel string, runs bool, why string) {
	f := truth(runs)
	r.put("faultline_database_replication_running", f, "channel", channel)
	was, known := r.w.channels[channel]
	r.w.channels[channel] = runs
	if !known && runs || known && was == runs {
		return
	}
	text, state := "replication has stopped", "stopped"
	if runs {
		text, state = "replication runs again", "running"
	}
	if channel != "" {
		text += " on channel " + channel
	}
	if why != "" {
		text += ": " + why
	}
	r.event(EventReplication, text, map[string]string{"channel": cmp.Or(channel, "default"), "state": state, "reason": why})
}
