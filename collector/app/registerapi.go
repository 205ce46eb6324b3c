package app

import (
	"errors"
	"net/http"
	"slices"
	"time"

	"github.com/faultline/faultline/collector/account"
	"github.com/faultline/faultline/collector/inspection"
	"github.com/faultline/faultline/collector/register"
	"github.com/faultline/faultline/collector/web"
)

// registerJSON answers GET /api/v1/register with the rows of all sheets that the
// reader sees, and what ends.
func (a *App) registerJSON(w http.ResponseWriter, r *http.Request) {
	p, _ := account.From(r.Context())
	g := a.graph()
	keep := web.RegisterRow(g, p)
	sheets := map[string][]map[string]string{}
	for _, s := range register.Sheets() {
		sheets[s.Name] = []map[string]string{}
		for _, row := range register.Rows(g.Inventory(), s) {
			if keep(row) {
				sheets[s.Name] = append(sheets[s.Name], row.Cells)
			}
		}
	}
	ends := slices.DeleteFunc(a.expiries(time.Now()), func(e register.Expiry) bool { return e.Site != "" && !p.Sees(e.Site) })
	writeJSON(w, http.StatusOK, map[string]any{"sheets": sheets, "ends": append([]register.Expiry{}, ends...)})
}

// scoreboardJSON answers GET /api/v1/scoreboard?month=2026-11.
func (a *App) scoreboardJSON(w http.ResponseWriter, r *http.Request) {
	month := time.Now()
	if s := r.URL.Query().Get("month"); s != "" {
		var err error
		if month, err = time.ParseInLocation("2006-01", s, a.graph().Location("")); err != nil {
			writeJSON(w, http.StatusUnprocessableEntity, map[string]string{"error": "month: not a month", "hint": "write 2026-11"})
			return
		}
	}
	b, err := a.scoreboardOf(r.Context(), month)
	if err != nil {
		a.log.Error("count the scoreboard", "err", err)
		writeJSON(w, http.StatusInternalServerError, map[string]string{"error": "the scoreboard could not be counted"})
		return
	}
	if p, _ := account.From(r.Context()); !p.SeesAll() {
		b = b.At(p.Sees, false)
	}
	if v := r.URL.Query().Get("vendor"); v != "" {
		b = b.For(v)
	}
	writeJSON(w, http.StatusOK, b)
}

// inspectionsJSON answers GET /api/v1/inspections?site=b1&from=2026-11-01&to=2026-11-30.
func (a *App) inspectionsJSON(w http.ResponseWriter, r *http.Request) {
	p, _ := account.From(r.Context())
	q := r.URL.Query()
	if site := q.Get("site"); !p.Sees(site) {
		writeJSON(w, http.StatusNotFound, map[string]string{"error": "no such site"})
		return
	}
	days, err := a.inspections.Days(r.Context(), q.Get("site"), q.Get("from"), q.Get("to"))
	switch {
	case errors.Is(err, inspection.ErrNone):
		writeJSON(w, http.StatusUnprocessableEntity, map[string]string{"error": "no such site or days", "hint": "site=ID&from=2026-11-01&to=2026-11-30, at most 400 days"})
	case err != nil:
		a.log.Error("read inspections", "err", err)
		writeJSON(w, http.StatusInternalServerError, map[string]string{"error": "the inspections could not be read"})
	default:
		writeJSON(w, http.StatusOK, map[string]any{"days": append([]inspection.Day{}, days...), "count": inspection.Count(q.Get("site"), days)})
	}
}
