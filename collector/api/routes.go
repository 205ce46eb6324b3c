package api

import (
	"errors"
	"net/http"
	"strconv"

	"github.com/faultline/faultline/collector/account"
	"github.com/faultline/faultline/internal/lang"
)

// route is one path and who may use it; a nil allow lets everybody in. The
// handler returns an error instead of answering when it cannot.
type route struct {
	method, path string
	allow        func(account.Principal) bool
	handle       func(w http.ResponseWriter, r *http.Request) error
}

// routes returns all routes. openapi.json describes exactly these (a test
// compares them).
func (s *server) routes() []route {
	read, act := account.Principal.MayRead, account.Principal.MayAct
	agent := func(p account.Principal) bool { return p.Kind == account.KindAgent }
	rs := []route{
		{"GET", "/api/v1/incidents", read, s.listIncidents},
		{"POST", "/api/v1/incidents", act, s.report},
		{"GET", "/api/v1/incidents/{id}", read, s.getIncident},
		{"GET", "/api/v1/incidents/{id}/timeline", read, s.getTimeline},
		{"GET", "/api/v1/incidents/{id}/tickets", read, s.getTickets},
		{"GET", "/api/v1/incidents/{id}/evidence", read, s.getEvidence},
		{"POST", "/api/v1/incidents/{id}/actions", act, s.act},
		{"GET", "/api/v1/incidents/{id}/actions", read, s.getOffers},
		{"GET", "/api/v1/incidents/{id}/changes", read, s.getChanges},
		{"GET", "/api/v1/incidents/{id}/remedies", read, s.remedied(s.listRemedies)},
		{"POST", "/api/v1/incidents/{id}/remedies", act, s.remedied(s.proposeRemedy)},
		{"POST", "/api/v1/incidents/{id}/remedies/{remedy}", act, s.remedied(s.actOnRemedy)},
		{"GET", "/api/v1/incidents/{id}/remedies/{remedy}/output", read, s.remedied(s.remedyOutput)},
		{"GET", "/api/v1/processes", read, s.listProcesses},
		{"POST", "/api/v1/processes", act, s.publishVersion},
		{"GET", "/api/v1/processes/{id}/versions", read, s.listVersions},
		{"GET", "/api/v1/processes/{id}/versions/{number}", read, s.getVersion},
		{"POST", "/api/v1/processes/{id}/versions/{number}/decision", act, s.decideVersion},
		{"POST", "/api/v1/processes/{id}/migration", act, s.migrate},
		{"GET", "/api/v1/incidents/{id}/documents", read, s.getDocuments},
		{"POST", "/api/v1/incidents/{id}/documents", act, s.postDocument},
		{"GET", "/api/v1/incidents/{id}/documents/{document}", read, s.getDocument},
		{"GET", "/api/v1/agents/self", agent, s.self},
		{"GET", "/api/v1/agents/self/work", agent, s.work},
		{"PUT", "/api/v1/agents/self/state", agent, s.putAgentState},
		{"GET", "/api/v1/agents/self/program/{sha256}", agent, s.getProgram},
		{"GET", "/api/v1/agents", read, s.listAgents},
		{"GET", "/api/v1/rollouts", read, s.listRollouts},
		{"POST", "/api/v1/rollouts/{kind}", act, s.postRollout},
		{"GET", "/api/v1/auditor", read, s.getAuditor},
		{"GET", "/api/v1/topology", read, s.getTopology},
		{"GET", "/api/v1/diagnosis/rules", read, s.listRules},
		{"GET", "/api/v1/quiets", read, s.listQuiets},
		{"POST", "/api/v1/quiets", act, s.postQuiet},
		{"DELETE", "/api/v1/quiets/{id}", act, s.liftQuiet},
		{"GET", "/api/v1/practice", read, s.getPractice},
		{"POST", "/api/v1/practice", act, s.postPractice},
		{"GET", "/api/v1/report", read, s.elsewhere(ReportRows)},
		{"GET", "/api/v1/register", read, s.elsewhere(Register)},
		{"GET", "/api/v1/scoreboard", read, s.elsewhere(Scoreboard)},
		{"GET", "/api/v1/inspections", read, s.elsewhere(Inspections)},
		{"GET", "/api/v1/trail", func(p account.Principal) bool { return p.MayRead() && p.SeesAll() }, s.elsewhere(Trail)},
		{"GET", "/api/v1/drills", read, s.drilled(s.listDrills)},
		{"POST", "/api/v1/drills", act, s.drilled(s.startDrill)},
		{"GET", "/api/v1/drills/stories", read, s.drilled(s.listStories)},
		{"GET", "/api/v1/drills/{id}", read, s.drilled(s.getDrill)},
		{"POST", "/api/v1/drills/{id}/actions", act, s.drilled(s.actOnDrill)},
		{"GET", "/api/v1/drills/{id}/report", read, s.drilled(s.drillReport)},
		{"GET", "/api/v1/openapi.json", nil, s.openAPI},
		{"GET", "/docs", nil, s.docs},
		{"GET", "/-/healthy", nil, s.healthy},
		{"GET", "/-/ready", nil, s.ready},
	}
	return rs
}

// Paths are all routes of Handler, as patterns of http.ServeMux.
func Paths() []string {
	var all []string
	for _, r := range (&server{}).routes() {
		all = append(all, r.method+" "+r.path)
	}
	return all
}

// elsewhere answers by the handler of that name in Options.
func (s *server) elsewhere(name string) func(http.ResponseWriter, *http.Request) error {
	return func(w http.ResponseWriter, r *http.Request) error {
		if h := s.Elsewhere[name]; h != nil {
			return h(w, r)
		}
		return &httpError{status: 404, text: lang.Text{ZH: "此采集器没有该内容", EN: "this collector has no such thing"}}
	}
}

// guarded puts identification, counting and error answers around a route.
func (s *server) guarded(rt route) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		cw := &codeWriter{ResponseWriter: w}
		secure(cw)
		if err := s.serve(cw, r, rt); err != nil {
			s.fail(cw, r, err)
		}
		s.requests.WithLabelValues(rt.method+" "+rt.path, strconv.Itoa(cw.code)).Inc()
	})
}

func (s *server) serve(w http.ResponseWriter, r *http.Request, rt route) error {
	if rt.allow == nil {
		return rt.handle(w, r)
	}
	p, err := s.Accounts.Identify(r, s.Sessions)
	if err != nil {
		return err
	}
	if !rt.allow(p) {
		return &Refusal{Why: Forbidden, Text: lang.Text{ZH: "此账号无权进行该操作", EN: "this account may not do that"},
			Hint: lang.Text{ZH: "请联系系统管理员分配角色", EN: "ask an administrator for a role that may"}}
	}
	return rt.handle(w, r.WithContext(account.With(r.Context(), p)))
}

func (s *server) unknownPath(w http.ResponseWriter, r *http.Request) {
	secure(w)
	s.fail(w, r, &httpError{status: http.StatusNotFound, text: lang.Text{ZH: "没有此路径", EN: "no such path"},
		hint: lang.Text{ZH: "见 /docs", EN: "see /docs"}})
}

func (s *server) healthy(w http.ResponseWriter, _ *http.Request) error {
	_, err := w.Write([]byte("Faultline collector is healthy.\n"))
	return err
}

func (s *server) ready(w http.ResponseWriter, r *http.Request) error {
	if s.Ready != nil {
		if err := s.Ready(r.Context()); err != nil {
			return errors.Join(errNotReady, err)
		}
	}
	_, err := w.Write([]byte("Faultline collector is ready.\n"))
	return err
}

// secure sets the headers every answer has.
func secure(w http.ResponseWriter) {
	h := w.Header()
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Content-Security-Policy", "default-src 'none'; style-src 'self'; frame-ancestors 'none'")
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("Cache-Control", "no-store")
}

// codeWriter remembers the status it sent.
type codeWriter struct {
	http.ResponseWriter
	code int
}

// WriteHeader sends the status.
func (w *codeWriter) WriteHeader(code int) {
	if w.code == 0 {
		w.code = code
	}
	w.ResponseWriter.WriteHeader(code)
}

// Write sends part of the body.
func (w *codeWriter) Write(b []byte) (int, error) {
	if w.code == 0 {
		w.code = http.StatusOK
	}
	return w.ResponseWriter.Write(b)
}

// Unwrap lets http.ResponseController reach the connection.
func (w *codeWriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }
