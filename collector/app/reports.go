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
func (a *App) reportRows(w http.ResponseWriter, r *http.Request) {
	var bounds [2]time.Time
	for i, name := range []string{"from", "to"} {
		v := r.URL.Query().Get(name)
		if v == "" {
			continue
		}
		at, err := time.Parse(time.DateOnly, v)
		if err != nil {
			writeJSON(w, http.StatusBadRequest, map[string]string{"error": fmt.Sprintf("%s: %q is not a date", name, v), "hint": "write 2026-03-01"})
			return
		}
		bounds[i] = at
	}
	rows, err := a.store.ReportRows(r.Context(), bounds[0], bounds[1])
	if err != nil {
		a.log.Error("read report", "err", err)
		writeJSON(w, http.StatusInternalServerError, map[string]string{"error": "the report could not be read"})
		return
	}
	p, _ := account.From(r.Context())
	rows = slices.DeleteFunc(rows, func(row report.Row) bool { return !p.Sees(row.Site) })
	writeJSON(w, http.StatusOK, map[string]any{"rows": append([]report.Row{}, rows...)})
}

func writeJSON(w http.ResponseWriter, status int, v any) {
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(v)
}
