package api

import (
	"cmp"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/faultline/faultline/collector/account"
	"github.com/faultline/faultline/collector/engine"
	"github.com/faultline/faultline/collector/incident"
	"github.com/faultline/faultline/collector/people"
	"github.com/faultline/faultline/internal/lang"
)

// maxLimit is the longest page of a list.
const maxLimit = 1000

// listIncidents answers GET /api/v1/incidents.
func (s *server) listIncidents(w http.ResponseWriter, r *http.Request) error {
	q, err := parseQuery(r)
	if err != nil {
		return err
	}
	p, _ := account.From(r.Context())
	out := struct {
		Incidents []Incident `json:"incidents"`
		Notices   []Notice   `json:"notices,omitempty"` // other sites' incidents that affect the reader's
		Next      string     `json:"next,omitempty"`
	}{Incidents: []Incident{}}
	q, some := Scoped(q, p)
	if !some {
		return answer(w, http.StatusOK, out)
	}
	found, next, err := s.sorted(r, q)
	if err != nil {
		return err
	}
	language := s.language(r)
	for _, i := range found {
		out.Incidents = append(out.Incidents, s.view(i, language))
	}
	out.Next = next
	if q.Cursor == "" && s.Noticed != nil {
		for _, i := range s.Noticed(r.Context(), p) {
			out.Notices = append(out.Notices, NoticeOf(i, language))
		}
	}
	return answer(w, http.StatusOK, out)
}

// SortPriority asks for a list by whom to serve first.
const SortPriority = "priority"

// sorted reads the incidents in the order that ?sort= asks for: newest first, or
// by priority, those of one priority that have waited longest first. A list by
// priority has one page.
func (s *server) sorted(r *http.Request, q Query) ([]incident.Incident, string, error) {
	switch by := r.URL.Query().Get("sort"); {
	case by == "":
		return s.Incidents.Incidents(r.Context(), q)
	case by != SortPriority || s.Priority == nil:
		return nil, "", invalid("sort 只能是 priority", "sort is priority, or left out")
	case q.Cursor != "":
		return nil, "", invalid("按优先级排序没有下一页", "a list by priority has no further pages")
	}
	limit := q.Limit
	q.Limit = 0
	found, _, err := s.Incidents.Incidents(r.Context(), q)
	if err != nil {
		return nil, "", err
	}
	ByPriority(found, s.Priority)
	if limit > 0 && len(found) > limit {
		found = found[:limit]
	}
	return found, "", nil
}

// ByPriority sorts incidents by whom to serve first.
func ByPriority(list []incident.Incident, priority func(incident.Incident) int) {
	rank := make(map[string]int, len(list))
	for _, i := range list {
		rank[i.ID] = priority(i)
	}
	slices.SortStableFunc(list, func(a, b incident.Incident) int {
		return cmp.Or(cmp.Compare(rank[a.ID], rank[b.ID]), a.OpenedAt.Compare(b.OpenedAt), cmp.Compare(a.ID, b.ID))
	})
}

// parseQuery reads state, site, class, limit and cursor; state and site may be
// lists with commas.
func parseQuery(r *http.Request) (Query, error) {
	v := r.URL.Query()
	q := Query{States: list(v["state"]), Sites: list(v["site"]), Class: v.Get("class"), Cursor: v.Get("cursor")}
	states := []string{incident.StateOpen, incident.StateVerified, incident.StateClosed}
	for _, st := range q.States {
		if !slices.Contains(states, st) {
			return q, invalid("状态 "+st+" 不存在：可用 open、verified、closed", "no state "+st+": use open, verified, closed")
		}
	}
	if l := v.Get("limit"); l != "" {
		n, err := strconv.Atoi(l)
		if err != nil || n < 1 || n > maxLimit {
			return q, invalid("limit 必须是 1 到 1000 的整数", "limit must be a number from 1 to 1000")
		}
		q.Limit = n
	}
	return q, nil
}

func list(values []string) []string {
	var out []string
	for _, v := range values {
		for s := range strings.SplitSeq(v, ",") {
			if s = strings.TrimSpace(s); s != "" {
				out = append(out, s)
			}
		}
	}
	return out
}

// Scoped narrows the query to what the principal may see; some is false when
// nothing is left of it.
func Scoped(q Query, p account.Principal) (scoped Query, some bool) {
	switch {
	case p.SeesAll():
		return q, true
	case len(q.Sites) == 0:
		q.Sites = p.Sites
	default:
		q.Sites = slices.DeleteFunc(slices.Clone(q.Sites), func(site string) bool { return !p.Sees(site) })
	}
	return q, len(q.Sites) > 0
}

// one returns the incident of the path if the principal may see it whole;
// otherwise it does not exist, so that a branch cannot probe another's incidents.
func (s *server) one(r *http.Request) (incident.Incident, error) {
	i, view, err := s.seen(r)
	if err == nil && view != people.Whole {
		return incident.Incident{}, engine.ErrNotFound
	}
	return i, err
}

// seen returns the incident of the path and how much of it the principal sees;
// one that is hidden does not exist.
func (s *server) seen(r *http.Request) (incident.Incident, people.View, error) {
	i, err := s.Incidents.Incident(r.Context(), r.PathValue("id"))
	if err != nil {
		return i, people.Hidden, err
	}
	p, _ := account.From(r.Context())
	view := p.View(SubjectOf(i, s.SiteOf))
	if view == people.Hidden {
		return incident.Incident{}, view, engine.ErrNotFound
	}
	return i, view, nil
}

// getIncident answers with the incident, or with what a site that it affects is
// told of it.
func (s *server) getIncident(w http.ResponseWriter, r *http.Request) error {
	i, view, err := s.seen(r)
	if err != nil {
		return err
	}
	if view != people.Whole {
		return answer(w, http.StatusOK, NoticeOf(i, s.language(r)))
	}
	return answer(w, http.StatusOK, s.detail(i, s.language(r)))
}

// getTimeline answers with the events as they were written, hashes included, so
// that anybody can check the chain.
func (s *server) getTimeline(w http.ResponseWriter, r *http.Request) error {
	i, err := s.one(r)
	if err != nil {
		return err
	}
	events, err := s.Incidents.Events(r.Context(), i.ID)
	if err != nil {
		return err
	}
	return answer(w, http.StatusOK, map[string]any{"events": append([]incident.Event{}, events...)})
}

func (s *server) getTickets(w http.ResponseWriter, r *http.Request) error {
	i, err := s.one(r)
	if err != nil {
		return err
	}
	return answer(w, http.StatusOK, map[string]any{"tickets": ticketViews(i.Tickets)})
}

// evidenceView is how an incident's diagnosis was reached.
type evidenceView struct {
	Proof        string                 `json:"proof"`
	Rule         string                 `json:"rule"`
	RunnerUp     string                 `json:"runner_up"`
	Against      string                 `json:"against"`
	Provisional  bool                   `json:"provisional"`
	Decides      string                 `json:"decides"`
	Observations []incident.Observation `json:"observations"`
	Texts        map[string]lang.Text   `json:"texts"`
}

func (s *server) getEvidence(w http.ResponseWriter, r *http.Request) error {
	i, err := s.one(r)
	if err != nil {
		return err
	}
	d, l := i.Diagnosis, s.language(r)
	return answer(w, http.StatusOK, evidenceView{
		Proof: d.Proof.In(l), Rule: d.Rule, RunnerUp: d.RunnerUp, Against: d.Against.In(l), Provisional: d.Provisional, Decides: d.Decides.In(l),
		Observations: append([]incident.Observation{}, d.Evidence...),
		Texts:        map[string]lang.Text{"proof": d.Proof, "against": d.Against, "decides": d.Decides},
	})
}
