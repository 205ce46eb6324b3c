package api

import (
	"context"
	"net/http"
	"slices"
	"time"

	"github.com/faultline/faultline/collector/account"
	"github.com/faultline/faultline/collector/incident"
	"github.com/faultline/faultline/internal/lang"
)

// judgedFor is how far back judgements are counted unless asked otherwise.
const judgedFor = 90 * 24 * time.Hour

// Judged returns what people decided in incidents opened since.
type Judged func(ctx context.Context, since time.Time) ([]incident.Judgement, error)

type ruleView struct {
	Rule        string          `json:"rule"`
	Judged      int             `json:"judged"`
	Overruled   int             `json:"overruled"`
	Overrulings []overruledView `json:"overrulings"`
}

type overruledView struct {
	IncidentID string    `json:"incident_id"`
	Number     string    `json:"number"`
	Suggested  string    `json:"suggested"`
	Choice     string    `json:"choice"`
	Reason     string    `json:"reason"`
	By         string    `json:"by"`
	At         time.Time `json:"at"`
}

// listRules answers how people judged the diagnoses of each rule, of the sites
// that the reader sees.
func (s *server) listRules(w http.ResponseWriter, r *http.Request) error {
	if s.JudgedBy == nil {
		return &httpError{status: http.StatusNotFound, text: lang.Text{ZH: "此采集中心不统计推翻率", EN: "this collector does not count judgements"}}
	}
	since := s.Now().Add(-judgedFor)
	if v := r.URL.Query().Get("since"); v != "" {
		at, err := time.Parse(time.RFC3339, v)
		if err != nil {
			return invalid("since 应为 RFC 3339 时间", "since must be a time as in RFC 3339")
		}
		since = at
	}
	p, _ := account.From(r.Context())
	all, err := s.JudgedBy(r.Context(), since)
	if err != nil {
		return err
	}
	all = slices.DeleteFunc(all, func(j incident.Judgement) bool { return !p.Sees(j.Site) })
	out := []ruleView{}
	for _, rec := range incident.ByRule(all) {
		v := ruleView{Rule: rec.Rule, Judged: rec.Judged, Overruled: rec.Overruled, Overrulings: []overruledView{}}
		for _, j := range rec.Overrulings {
			v.Overrulings = append(v.Overrulings, overruledView{j.IncidentID, j.Number, j.Suggested, j.Choice, j.Comment, j.By.Name, j.At.UTC()})
		}
		out = append(out, v)
	}
	return answer(w, http.StatusOK, map[string]any{"since": since.UTC(), "rules": out})
}
