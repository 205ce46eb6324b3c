package api

import (
	"context"
	"net/http"
	"time"

	"github.com/faultline/faultline/collector/account"
	"github.com/faultline/faultline/collector/engine"
)

// auditLate is the age at which the auditor's last pass is no longer a word about
// the present: five passes.
const auditLate = 5 * time.Minute

// AuditView is the last pass of the auditor of the collector that holds the lease,
// as every collector answers it; the zero time says that none was made yet.
type AuditView struct {
	At       time.Time        `json:"at"`
	Late     bool             `json:"late"` // the auditor should have looked again since
	Findings []engine.Finding `json:"findings"`
}

// Seen returns what of the view concerns sites the principal sees.
func (v AuditView) Seen(p account.Principal, now time.Time) AuditView {
	out := AuditView{At: v.At, Late: now.Sub(v.At) > auditLate, Findings: []engine.Finding{}}
	for _, f := range v.Findings {
		if p.Sees(f.Site) {
			out.Findings = append(out.Findings, f)
		}
	}
	return out
}

// Auditor reads what the auditor last found.
type Auditor func(ctx context.Context) (AuditView, error)

// getAuditor answers GET /api/v1/auditor.
func (s *server) getAuditor(w http.ResponseWriter, r *http.Request) error {
	v := AuditView{}
	if s.Auditor != nil {
		var err error
		if v, err = s.Auditor(r.Context()); err != nil {
			return err
		}
	}
	p, _ := account.From(r.Context())
	return answer(w, http.StatusOK, v.Seen(p, time.Now()))
}
