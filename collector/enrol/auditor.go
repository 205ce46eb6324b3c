package enrol

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/faultline/faultline/collector/account"
)

// auditFold is how long equal refusals are folded: an agent whose certificate
// was revoked comes back every few seconds, and strangers must not fill the
// audit trail.
const (
	auditFold  = 10 * time.Minute
	auditLimit = 4096 // different refusals remembered
)

// auditor writes audit entries: what was granted at once, refusals at once and
// then folded into a count.
type auditor struct {
	store  Store
	log    *slog.Logger
	now    func() time.Time
	folded prometheus.Counter

	mu   sync.Mutex // guards held
	held map[account.AuditEntry]*fold
}

type fold struct {
	since time.Time
	more  int
}

func newAuditor(store Store, log *slog.Logger, now func() time.Time, folded prometheus.Counter) *auditor {
	return &auditor{store: store, log: log, now: now, folded: folded, held: map[account.AuditEntry]*fold{}}
}

// granted writes an entry that must be written for the deed to be done.
func (a *auditor) granted(ctx context.Context, e account.AuditEntry) error {
	e.At = a.now().UTC()
	return a.store.Audit(ctx, e)
}

// refused writes an entry unless an equal one was written of late. That it
// cannot be written is logged: the refusal stands.
func (a *auditor) refused(ctx context.Context, e account.AuditEntry) {
	e.At = time.Time{}
	if !a.fresh(e) {
		a.folded.Inc()
		return
	}
	a.write(ctx, e)
}

// fresh tells whether the entry is to be written now, and counts it if not. Of
// more kinds of refusals than are remembered none is written until old ones go.
func (a *auditor) fresh(e account.AuditEntry) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	if f := a.held[e]; f != nil {
		f.more++
		return false
	}
	if len(a.held) >= auditLimit {
		return false
	}
	a.held[e] = &fold{since: a.now()}
	return true
}

// flush writes the counts of what was folded long enough.
func (a *auditor) flush(ctx context.Context) {
	for e, f := range a.takeOld() {
		if f.more > 0 {
			e.Detail = fmt.Sprintf("%s (%d more since %s)", e.Detail, f.more, f.since.UTC().Format(time.TimeOnly))
			a.write(ctx, e)
		}
	}
}

func (a *auditor) takeOld() map[account.AuditEntry]fold {
	a.mu.Lock()
	defer a.mu.Unlock()
	old := map[account.AuditEntry]fold{}
	for e, f := range a.held {
		if a.now().Sub(f.since) >= auditFold {
			old[e] = *f
			delete(a.held, e)
		}
	}
	return old
}

func (a *auditor) write(ctx context.Context, e account.AuditEntry) {
	// A client that hangs up must not keep its refusal out of the audit.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
	defer cancel()
	e.At = a.now().UTC()
	if err := a.store.Audit(ctx, e); err != nil {
		a.log.Error("enrol: refusal is not in the audit trail", "action", e.Action, "object", e.Object, "remote", e.Remote, "err", err)
	}
}
