// Package outbox carries out pending effects: it claims their rows on the lease
// holder, runs the executor of each kind at least once, with back-off, and
// reports the outcome as an event. It does not know what a ticket or a check is
// (package effect does) and never writes incidents (package engine does, and
// closes the effect's row in the same transaction).
//
// A row is queued, then sending while an executor may be at work, then done,
// failed or cancelled. A row found sending under an older lease generation was
// left by a collector that died in between. If it had begun, what it was to do may
// have been done: it is claimed again as ambiguous, and the executor searches or
// says that it repeats itself. Executors of the kind Marked say themselves when
// they begin (lease.Begin), which is kept before anything leaves: what they had not
// begun is done as if for the first time. All others count as begun once claimed.
package outbox

import (
	"context"
	"time"

	"github.com/faultline/faultline/collector/incident"
)

// States of an effect's row.
const (
	Queued    = "queued"
	Sending   = "sending"
	Done      = "done"
	Failed    = "failed"
	Cancelled = "cancelled"
)

// Row is an effect with its delivery state.
type Row struct {
	Effect    incident.Effect
	State     string
	Attempts  int       // how often it was claimed
	Ambiguous bool      // an earlier attempt may have succeeded
	Begun     bool      // the last attempt may have done something that cannot be taken back
	ClaimedBy int64     // lease generation that made the last attempt
	CreatedAt time.Time // when it was first due
	NextAt    time.Time // when it is tried next
	EndedAt   time.Time // when its outcome was committed
	Problem   string    // why the last attempt failed
}

// Retry says when and why a claimed row is to be tried again.
type Retry struct {
	Key        string
	Generation int64 // that claimed it
	At         time.Time
	Problem    string
	Ambiguous  bool
}

// Marked is the kind of effects whose executor calls lease.Begin before anything
// leaves. It costs one synced write for each attempt, which is worth it where a
// repeat is seen by people outside.
const Marked = incident.EffectTicket

// Store keeps the rows.
type Store interface {
	// ClaimEffects marks due rows as sending under the generation and returns
	// them, at most limit, earliest first. It returns engine.ErrFenced when the
	// generation is not current. Of the rows of one incident that share a Lane
	// only the first unfinished one is claimed, so that messages keep their order.
	// A row that an older generation left is ambiguous if it had begun. Those of the
	// kind Marked are claimed as not begun.
	ClaimEffects(ctx context.Context, generation int64, now time.Time, limit int) ([]Row, error)
	// BeginEffect keeps, synced, that a claimed row begins; false when it is no longer
	// claimed by that generation.
	BeginEffect(ctx context.Context, key string, generation int64) (bool, error)
	// RetryEffect puts a claimed row back; false when it is no longer claimed by
	// that generation.
	RetryEffect(ctx context.Context, r Retry) (bool, error)
	// EffectRow returns the row as it stands now.
	EffectRow(ctx context.Context, key string) (Row, error)
	// Incident returns the incident an effect belongs to.
	Incident(ctx context.Context, id string) (incident.Incident, error)
}

// Lane names the queue within its incident that an effect waits in: messages to
// one vendor or role are delivered in order. "" waits for nothing.
func Lane(f incident.Effect) string {
	switch f.Kind {
	case incident.EffectTicket, incident.EffectNotify:
		return f.Kind + "/" + f.Params["vendor"] + "/" + f.Params["role"]
	default:
		return ""
	}
}
