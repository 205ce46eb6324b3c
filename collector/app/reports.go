package app

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"time"

	"github.com/faultline/faultline/collector/account"
	"github.com/faultline/faultline/collector/report"
)

// reportRows answers GET /api/v1/report?from=2026-03-01&to=2026-04-01 with the
// report's rows of incidents opened in that time, of the sites the reader sees.
func (a *App) reportRows(w http.ResponseWriter, r *http.Request) error {
	var bounds [2]time.Time
	for i, name := range []string{"from", "to"} {
		v := r.URL.Query().Get(name)
		if v == "" {
			continue
		}
		at, err := time.Parse(time.DateOnly, v)
		if err != nil {
			return invalidQuery(fmt.Sprintf("%s：%q 不是日期", name, v), fmt.Sprintf("%s: %q is not a date", name, v), name+"=2026-03-01")
		}
		bounds[i] = at
	}
	rows, err := a.store.ReportRows(r.Context(), bounds[0], bounds[1])
	if err != nil {
		return fmt.Errorf("read the report: %w", err)
	}
	p, _ := account.From(r.Context())
	rows = slices.DeleteFunc(rows, func(row report.Row) bool { return !p.Sees(row.Site) })
	writeJSON(w, map[string]any{"rows": append([]report.Row{}, rows...)})
	return nil
}

func writeJSON(w http.ResponseWriter, v any) {
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	_ = json.NewEncoder(w).Encode(v)
}
