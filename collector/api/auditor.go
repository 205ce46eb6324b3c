package api

import (
	"net/http"
	"time"

	"github.com/faultline/faultline/collector/account"
	"github.com/faultline/faultline/collector/engine"
)

// AuditView is the auditor's last pass on this collector; the zero time says
// that it made none, because it does not hold the lease.
type AuditView struct {
	At       time.Time        `json:"at"`
	Findings []engine.Finding `json:"findings"`
}

// Seen returns what of the view concerns sites the principal sees.
func (v AuditView) Seen(p account.Principal) AuditView {
	out := AuditView{At: v.At, Findings: []engine.Finding{}}
	for _, f := range v.Findings {
		if p.Sees(f.Site) {
			out.Findings = append(out.Findings, f)
		}
	}
	return out
}

// getAuditor answers GET /api/v1/auditor.
func (s *server) getAuditor(w http.ResponseWriter, r *http.Request) error {
	v := AuditView{}
	if s.Auditor != nil {
		v = s.Auditor()
	}
	p, _ := account.From(r.Context())
	return answer(w, http.StatusOK, v.Seen(p))
}
