package api

import (
	"net/http"

	"github.com/faultline/faultline/collector/account"
	"github.com/faultline/faultline/internal/lang"
)

type practiceView struct {
	Faults []string `json:"faults"`
	Broken []string `json:"broken"`
}

// errNoPractice says there is no practice branch here.
var errNoPractice = &httpError{status: http.StatusNotFound, text: lang.Text{ZH: "未配置演练分公司", EN: "no practice branch is configured"}}

func (s *server) getPractice(w http.ResponseWriter, _ *http.Request) error {
	if s.Practice == nil {
		return errNoPractice
	}
	return answer(w, http.StatusOK, practiceView{append([]string{}, s.Practice.Faults()...), append([]string{}, s.Practice.Broken()...)})
}

// postPractice answers POST /api/v1/practice {"action":"break","fault":"line"}
// and {"action":"mend"}.
func (s *server) postPractice(w http.ResponseWriter, r *http.Request) error {
	if s.Practice == nil {
		return errNoPractice
	}
	var in struct {
		Action string `json:"action"`
		Fault  string `json:"fault"`
	}
	if err := decode(w, r, &in); err != nil {
		return err
	}
	if in.Action != "break" && in.Action != "mend" {
		return invalid("action 必须是 break 或 mend", "action must be break or mend")
	}
	p, _ := account.From(r.Context())
	if err := s.Accounts.Record(r.Context(), account.AuditEntry{Actor: p.Name, Action: "practice." + in.Action, Object: in.Fault, Remote: account.Remote(r)}); err != nil {
		return err
	}
	var err error
	if in.Action == "break" {
		err = s.Practice.Break(r.Context(), in.Fault)
	} else {
		err = s.Practice.Mend(r.Context())
	}
	if err != nil {
		return err
	}
	return s.getPractice(w, r)
}
