package app

import (
	"errors"
	"fmt"
	"net/http"
	"slices"
	"time"

	"github.com/faultline/faultline/collector/account"
	"github.com/faultline/faultline/collector/api"
	"github.com/faultline/faultline/collector/inspection"
	"github.com/faultline/faultline/collector/register"
	"github.com/faultline/faultline/collector/web"
	"github.com/faultline/faultline/internal/lang"
)

// registerJSON answers GET /api/v1/register with the rows of all sheets that the
// reader sees, and what ends.
func (a *App) registerJSON(w http.ResponseWriter, r *http.Request) error {
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
	writeJSON(w, map[string]any{"sheets": sheets, "ends": append([]register.Expiry{}, ends...)})
	return nil
}

// scoreboardJSON answers GET /api/v1/scoreboard?month=2026-11.
func (a *App) scoreboardJSON(w http.ResponseWriter, r *http.Request) error {
	month := time.Now()
	if s := r.URL.Query().Get("month"); s != "" {
		var err error
		if month, err = time.ParseInLocation("2006-01", s, a.graph().Location("")); err != nil {
			return invalidQuery("month 不是月份", "month is not a month", "month=2026-11")
		}
	}
	b, err := a.scoreboardOf(r.Context(), month)
	if err != nil {
		return fmt.Errorf("count the scoreboard: %w", err)
	}
	if p, _ := account.From(r.Context()); !p.SeesAll() {
		b = b.At(p.Sees, false)
	}
	if v := r.URL.Query().Get("vendor"); v != "" {
		b = b.For(v)
	}
	writeJSON(w, b)
	return nil
}

// inspectionsJSON answers GET /api/v1/inspections?site=b1&from=2026-11-01&to=2026-11-30.
func (a *App) inspectionsJSON(w http.ResponseWriter, r *http.Request) error {
	p, _ := account.From(r.Context())
	q := r.URL.Query()
	site := q.Get("site")
	if !p.Sees(site) {
		return invalidQuery("没有此站点", "no such site", "site=ID")
	}
	days, err := a.inspections.Days(r.Context(), site, q.Get("from"), q.Get("to"))
	if errors.Is(err, inspection.ErrNone) {
		return invalidQuery("没有此站点或日期", "no such site or days", "site=ID&from=2026-11-01&to=2026-11-30 (≤ 400 d)")
	}
	if err != nil {
		return fmt.Errorf("read inspections of %s: %w", site, err)
	}
	writeJSON(w, map[string]any{"days": append([]inspection.Day{}, days...), "count": inspection.Count(site, days)})
	return nil
}

// invalidQuery refuses a request's parameters; like shows how they are written.
func invalidQuery(zh, en, like string) error {
	return &api.Refusal{Why: api.Invalid, Text: lang.Text{ZH: zh, EN: en}, Hint: lang.Text{ZH: "例如 " + like, EN: "for example " + like}}
}
