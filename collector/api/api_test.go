package api_test

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/faultline/faultline/collector/account"
	"github.com/faultline/faultline/collector/account/accounttest"
	"github.com/faultline/faultline/collector/api"
	"github.com/faultline/faultline/collector/engine"
	"github.com/faultline/faultline/collector/incident"
	"github.com/faultline/faultline/internal/lang"
	"github.com/faultline/faultline/internal/wire"
)

var at = time.Date(2026, 11, 21, 14, 3, 15, 0, time.UTC)

// estate is incidents, engine, work and practice in memory.
type estate struct {
	incidents []incident.Incident
	acts      []api.Action
	reports   []api.Report
	query     api.Query
	refuse    error
	work      chan wire.Work
	broken    []string
}

func (e *estate) Incident(_ context.Context, id string) (incident.Incident, error) {
	for _, i := range e.incidents {
		if i.ID == id {
			return i, nil
		}
	}
	return incident.Incident{}, engine.ErrNotFound
}

func (e *estate) Incidents(_ context.Context, q api.Query) (out []incident.Incident, next string, err error) {
	e.query = q
	for _, i := range e.incidents {
		if (len(q.Sites) == 0 || slices.Contains(q.Sites, i.Diagnosis.Site)) && (len(q.States) == 0 || slices.Contains(q.States, i.State)) {
			out = append(out, i)
		}
	}
	if q.Limit > 0 && len(out) > q.Limit {
		return out[:q.Limit], out[q.Limit-1].ID, nil
	}
	return out, "", nil
}

func (e *estate) Events(_ context.Context, id string) ([]incident.Event, error) {
	ev, err := incident.Event{IncidentID: id, At: at, Kind: incident.Opened, Actor: incident.System}.Seal(1, "")
	return []incident.Event{ev}, err
}

func (e *estate) Act(_ context.Context, a api.Action) error {
	if e.refuse != nil {
		return e.refuse
	}
	e.acts = append(e.acts, a)
	return nil
}

func (e *estate) Report(_ context.Context, r api.Report) (api.Reported, error) {
	e.reports = append(e.reports, r)
	return api.Reported{IncidentID: "i-sh"}, nil
}

func (e *estate) Poll(ctx context.Context, agent string, after int64, _ string) (wire.Work, error) {
	select {
	case w := <-e.work:
		return w, nil
	case <-ctx.Done():
		return wire.Work{}, ctx.Err()
	}
}

func (e *estate) Faults() []string { return []string{"ups", "line"} }
func (e *estate) Broken() []string { return e.broken }
func (e *estate) Break(_ context.Context, f string) error {
	if !slices.Contains(e.Faults(), f) {
		return &api.Refusal{Why: api.Invalid, Text: lang.Same("no fault " + f)}
	}
	e.broken = append(e.broken, f)
	return nil
}
func (e *estate) Mend(context.Context) error { e.broken = nil; return nil }

func offers(i incident.Incident, roles []string) []api.Offer {
	if slices.Contains(roles, account.RoleAdmin) || slices.Contains(roles, i.StepRole) {
		return []api.Offer{{Kind: api.ActAck}, {Kind: api.ActDecide, Choice: "circuit"}, {Kind: api.ActDecide, Choice: "device", NeedsComment: true},
			{Kind: api.ActDone, NeedsComment: true, Missing: []string{"running_report"}}, {Kind: api.ActAttach, Documents: []string{"running_report"}},
			{Kind: api.ActPause, Choice: "user", NeedsComment: true}, {Kind: api.ActResume, NeedsComment: true}}
	}
	return nil
}

type fixture struct {
	*estate
	h        http.Handler
	store    *accounttest.Memory
	accounts *account.Service
	tokens   map[string]string
	papers   papers
}

func newFixture(t *testing.T) *fixture {
	t.Helper()
	inc := func(id, site string) incident.Incident {
		return incident.Incident{ID: id, Number: "20261121-" + id, State: incident.StateOpen, OpenedAt: at, Step: "triage", StepRole: account.RoleBranchIT, Severity: "major", Process: "network",
			Diagnosis: incident.Diagnosis{Class: incident.ClassCarrierLine, Site: site, Device: "carrier-a:line-2", Component: "line-2", VendorKind: incident.VendorCarrier,
				Title: lang.Text{ZH: "专线中断", EN: "line down"}, Proof: lang.Text{ZH: "证据", EN: "proof"}, Affected: []string{"rtr-2"}},
			Clocks:  []incident.Clock{{Name: "respond", Title: lang.Text{ZH: "响应", EN: "respond"}, State: "running", DueAt: at.Add(10 * time.Minute), Elapsed: time.Minute}},
			Tickets: []incident.Ticket{{Key: "k", VendorKind: incident.VendorCarrier, State: "sent", OpenedAt: at}},
			Alerts:  []incident.AlertRef{{Fingerprint: "f", Name: "LineDown", Firing: true, Since: at, Times: 1}}}
	}
	closed := inc("i-bj-old", "bj")
	closed.State, closed.VerifiedAt, closed.ClosedAt, closed.ParentID = incident.StateClosed, at, at, "i-bj"
	f := &fixture{estate: &estate{incidents: []incident.Incident{inc("i-sh", "sh"), inc("i-bj", "bj"), closed}, work: make(chan wire.Work, 1)},
		store: &accounttest.Memory{}, tokens: map[string]string{}, papers: papers{}}
	now := func() time.Time { return at }
	var err error
	f.accounts, err = account.New(account.Options{Store: f.store, Params: accounttest.Cheap(), Now: now})
	if err != nil {
		t.Fatal(err)
	}
	for name, tok := range map[string]account.Token{
		"admin": {Roles: []string{account.RoleAdmin}}, "viewer": {Roles: []string{account.RoleViewer}},
		"sh": {Roles: []string{account.RoleBranchIT}, Sites: []string{"sh"}}, "bj": {Roles: []string{account.RoleBranchIT}, Sites: []string{"bj"}},
		"network": {Roles: []string{account.RoleHQNetwork}}, "agent": {AgentID: "agent-sh"}, "expired": {Roles: []string{account.RoleAdmin}, Expires: at},
	} {
		tok.Name = name
		if f.tokens[name], err = f.accounts.IssueToken(t.Context(), "test", tok); err != nil {
			t.Fatal(err)
		}
	}
	f.h, err = api.Handler(api.Options{Accounts: f.accounts, Incidents: f, Engine: f, Work: f, Offers: offers, Documents: f.papers, Practice: f, Now: now,
		KnownSite: func(s string) bool { return s == "sh" || s == "bj" }, Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	return f
}

func (f *fixture) do(who, method, path, body string, header ...string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(method, path, strings.NewReader(body))
	if tok := f.tokens[who]; tok != "" {
		r.Header.Set("Authorization", "Bearer "+tok)
	}
	if body != "" {
		r.Header.Set("Content-Type", "application/json")
	}
	for i := 0; i+1 < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	w := httptest.NewRecorder()
	f.h.ServeHTTP(w, r)
	return w
}

func TestListHasTheAgreedFields(t *testing.T) {
	f := newFixture(t)
	w := f.do("admin", "GET", "/api/v1/incidents", "")
	var out struct {
		Incidents []map[string]any `json:"incidents"`
	}
	if err := json.Unmarshal(w.Body.Bytes(), &out); err != nil || len(out.Incidents) != 3 {
		t.Fatalf("%d %s: %v", w.Code, w.Body, err)
	}
	open := out.Incidents[0]
	for _, k := range strings.Fields(`id number opened_at state class device component site process step vendor_kind vendor_name affected
		parent_id provisional severity title proof alerts clocks tickets verified_at closed_at`) {
		if _, ok := open[k]; !ok {
			t.Errorf("field %s is missing", k)
		}
	}
	for k, want := range map[string]any{"opened_at": "2026-11-21T14:03:15Z", "verified_at": nil, "closed_at": nil, "parent_id": nil,
		"affected": []any{"rtr-2"}, "title": "line down", "provisional": false, "state": "open"} {
		if diff := cmp.Diff(want, open[k]); diff != "" {
			t.Errorf("%s (-want +got)\n%s", k, diff)
		}
	}
	if old := out.Incidents[2]; old["parent_id"] != "i-bj" || old["closed_at"] != "2026-11-21T14:03:15Z" {
		t.Errorf("closed child: %v %v", old["parent_id"], old["closed_at"])
	}
	if f.query.Limit != 0 || len(f.query.States) != 0 {
		t.Errorf("without state and limit all was not asked for: %+v", f.query)
	}
}

func TestListSelects(t *testing.T) {
	f := newFixture(t)
	for path, want := range map[string]string{
		"?state=open,verified": "i-sh i-bj ", "?state=closed": "i-bj-old ", "?site=bj": "i-bj i-bj-old ", "?limit=1": "i-sh next=i-sh", "?site=nowhere": "",
	} {
		var out struct {
			Incidents []api.Incident
			Next      string
		}
		w := f.do("admin", "GET", "/api/v1/incidents"+path, "")
		if err := json.Unmarshal(w.Body.Bytes(), &out); err != nil || out.Incidents == nil {
			t.Errorf("%s: %s", path, w.Body)
		}
		got := ""
		for _, i := range out.Incidents {
			got += i.ID + " "
		}
		if out.Next != "" {
			got += "next=" + out.Next
		}
		if got != want {
			t.Errorf("%s: got %q want %q", path, got, want)
		}
	}
	for _, bad := range []string{"?state=gone", "?limit=0", "?limit=x", "?limit=1001"} {
		if w := f.do("admin", "GET", "/api/v1/incidents"+bad, ""); w.Code != 422 {
			t.Errorf("%s: %d", bad, w.Code)
		}
	}
	if w := f.do("admin", "GET", "/api/v1/incidents?lang=zh-CN", ""); !strings.Contains(w.Body.String(), `"title":"专线中断"`) {
		t.Errorf("lang=zh-CN: %s", w.Body)
	}
}

// TestWhoMayDoWhat is the matrix of accounts and requests; the second half are
// writes, which must not reach the engine unless the answer is 2xx.
func TestWhoMayDoWhat(t *testing.T) {
	who := []string{"admin", "viewer", "network", "sh", "bj", "agent", "expired", "nobody"}
	ack := `{"action":"ack"}`
	report := `{"site":"sh","symptoms":"no network"}`
	for _, c := range []struct {
		method, path, body string
		want               []int
	}{
		{"GET", "/api/v1/incidents", "", []int{200, 200, 200, 200, 200, 403, 401, 401}},
		{"GET", "/api/v1/incidents/i-sh", "", []int{200, 200, 200, 200, 404, 403, 401, 401}},
		{"GET", "/api/v1/incidents/i-sh/timeline", "", []int{200, 200, 200, 200, 404, 403, 401, 401}},
		{"GET", "/api/v1/incidents/i-sh/tickets", "", []int{200, 200, 200, 200, 404, 403, 401, 401}},
		{"GET", "/api/v1/incidents/i-sh/evidence", "", []int{200, 200, 200, 200, 404, 403, 401, 401}},
		{"GET", "/api/v1/incidents/i-none", "", []int{404, 404, 404, 404, 404, 403, 401, 401}},
		{"GET", "/api/v1/practice", "", []int{200, 200, 200, 200, 200, 403, 401, 401}},
		{"GET", "/docs", "", []int{200, 200, 200, 200, 200, 200, 200, 200}},
		{"GET", "/-/healthy", "", []int{200, 200, 200, 200, 200, 200, 200, 200}},
		{"GET", "/-/ready", "", []int{200, 200, 200, 200, 200, 200, 200, 200}},
		{"POST", "/api/v1/incidents/i-sh/actions", ack, []int{200, 403, 403, 200, 404, 403, 401, 401}},
		{"POST", "/api/v1/incidents", report, []int{201, 403, 201, 201, 422, 403, 401, 401}},
	} {
		f := newFixture(t)
		for n, w := range who {
			before := len(f.acts) + len(f.reports)
			got := f.do(w, c.method, c.path, c.body)
			if got.Code != c.want[n] {
				t.Errorf("%s %s as %s: %d, want %d: %s", c.method, c.path, w, got.Code, c.want[n], got.Body)
			}
			if wrote := len(f.acts)+len(f.reports) > before; wrote != (c.method == "POST" && got.Code < 300) {
				t.Errorf("%s %s as %s: answered %d, engine called: %v", c.method, c.path, w, got.Code, wrote)
			}
		}
	}
}

func TestListIsCutToTheAccountsSites(t *testing.T) {
	f := newFixture(t)
	for path, want := range map[string]int{"": 1, "?site=bj": 0, "?site=sh,bj": 1} {
		w := f.do("sh", "GET", "/api/v1/incidents"+path, "")
		if n := strings.Count(w.Body.String(), `"number"`); n != want || strings.Contains(w.Body.String(), `"site":"bj"`) {
			t.Errorf("%q: %d incidents, want %d: %s", path, n, want, w.Body)
		}
	}
}

func TestActions(t *testing.T) {
	for _, c := range []struct {
		name, body string
		refuse     error
		want       int
	}{
		{"ack", `{"action":"ack"}`, nil, 200},
		{"decide as suggested", `{"action":"decide","choice":"circuit"}`, nil, 200},
		{"overrule without a reason", `{"action":"decide","choice":"device"}`, nil, 422},
		{"overrule", `{"action":"decide","choice":"device","comment":"router is dark"}`, nil, 200},
		{"decide nothing", `{"action":"decide"}`, nil, 422},
		{"decide what is not offered", `{"action":"decide","choice":"weather"}`, nil, 409},
		{"not at this step", `{"action":"approve"}`, nil, 409},
		{"comment", `{"action":"comment","comment":"called the carrier"}`, nil, 200},
		{"empty comment", `{"action":"comment","comment":" "}`, nil, 422},
		{"close without a reason", `{"action":"close"}`, nil, 422},
		{"unknown action", `{"action":"explode"}`, nil, 422},
		{"unknown field", `{"action":"ack","force":true}`, nil, 400},
		{"two documents", `{"action":"ack"}{}`, nil, 400},
		{"no JSON", `ack`, nil, 400},
		{"too long a comment", `{"action":"comment","comment":"` + strings.Repeat("x", 4001) + `"}`, nil, 422},
		{"too large", `{"action":"comment","comment":"` + strings.Repeat("x", 70000) + `"}`, nil, 413},
		{"changed meanwhile", `{"action":"ack"}`, fmt.Errorf("commit: %w", engine.ErrConflict), 409},
		{"fenced", `{"action":"ack"}`, engine.ErrFenced, 503},
		{"engine forbids", `{"action":"ack"}`, &api.Refusal{Why: api.Forbidden}, 403},
		{"engine fails", `{"action":"ack"}`, fmt.Errorf("disk of /secret/path is full"), 500},
	} {
		t.Run(c.name, func(t *testing.T) {
			f := newFixture(t)
			f.refuse = c.refuse
			w := f.do("sh", "POST", "/api/v1/incidents/i-sh/actions", c.body)
			if w.Code != c.want {
				t.Fatalf("%d, want %d: %s", w.Code, c.want, w.Body)
			}
			if c.want == 200 {
				es, _ := f.store.AuditEntries(t.Context(), 1)
				if len(f.acts) != 1 || es[0].Actor != "sh" || !strings.HasPrefix(es[0].Action, "incident.") || es[0].Remote == "" {
					t.Errorf("acts %+v, audit %+v", f.acts, es)
				}
				return
			}
			var p struct{ Error, Hint string }
			if err := json.Unmarshal(w.Body.Bytes(), &p); err != nil || w.Header().Get("Content-Type") != "application/problem+json" {
				t.Errorf("not a problem document: %s", w.Body)
			}
			if strings.Contains(w.Body.String(), "secret") {
				t.Errorf("the inside of the collector is told: %s", w.Body)
			}
		})
	}
}

func TestActionsAreFacts(t *testing.T) {
	actor := incident.Actor{Kind: "person", Name: "li"}
	for kind, want := range map[string]incident.Event{
		api.ActAck:         {Kind: incident.Acked, Comment: "c"},
		api.ActDecide:      {Kind: incident.Decided, Choice: "x", Comment: "c"},
		api.ActVendorFixed: {Kind: incident.VendorReported, Choice: "reported_fixed", Comment: "c"},
		api.ActClose:       {Kind: incident.Closed, Reason: "c", Comment: "c"},
	} {
		want.ID, want.IncidentID, want.At, want.Actor = "a1", "i", at, actor
		got := api.Action{ID: "a1", IncidentID: "i", Kind: kind, Choice: "x", Comment: "c", Actor: actor, At: at}.Event()
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s (-want +got)\n%s", kind, diff)
		}
	}
}

func TestIdempotencyKeyIsTheAccountsOwn(t *testing.T) {
	f := newFixture(t)
	for _, who := range []string{"sh", "admin"} {
		f.do(who, "POST", "/api/v1/incidents/i-sh/actions", `{"action":"ack"}`, "Idempotency-Key", "k1")
	}
	if len(f.acts) != 2 || f.acts[0].ID == f.acts[1].ID || !strings.HasSuffix(f.acts[0].ID, "k1") {
		t.Errorf("%+v", f.acts)
	}
}

func TestReport(t *testing.T) {
	f := newFixture(t)
	w := f.do("sh", "POST", "/api/v1/incidents", `{"site":"sh","device":"sw-1","symptoms":" no network ","contact":"8123"}`)
	if w.Code != 201 || w.Header().Get("Location") != "/api/v1/incidents/i-sh" || f.reports[0].Symptoms != "no network" {
		t.Errorf("%d %v %+v", w.Code, w.Header(), f.reports)
	}
	for _, bad := range []string{`{}`, `{"site":"sh"}`, `{"site":"mars","symptoms":"x"}`} {
		if w := f.do("admin", "POST", "/api/v1/incidents", bad); w.Code != 422 {
			t.Errorf("%s: %d", bad, w.Code)
		}
	}
}

func TestBrowsersOfOtherSitesCannotWrite(t *testing.T) {
	f := newFixture(t)
	w := f.do("admin", "POST", "/api/v1/incidents/i-sh/actions", `{"action":"ack"}`, "Sec-Fetch-Site", "cross-site")
	if w.Code != 403 || len(f.acts) != 0 {
		t.Errorf("cross-site write: %d", w.Code)
	}
	if w := f.do("admin", "POST", "/api/v1/incidents/i-sh/actions", `{"action":"ack"}`, "Content-Type", "text/plain"); w.Code != 415 {
		t.Errorf("a form's content type: %d", w.Code)
	}
}

func TestLongPoll(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFixture(t)
		start := time.Now()
		w := f.do("agent", "GET", "/api/v1/agents/self/work?after=7", "")
		if waited := time.Since(start); w.Code != 200 || strings.TrimSpace(w.Body.String()) != `{"version":7}` || waited != 25*time.Second {
			t.Errorf("nothing new: %d %s after %s", w.Code, w.Body, waited)
		}
		f.work <- wire.Work{Version: 8}
		if w := f.do("agent", "GET", "/api/v1/agents/self/work?after=7", ""); !strings.Contains(w.Body.String(), `"version":8`) {
			t.Errorf("new: %s", w.Body)
		}
		if w := f.do("admin", "GET", "/api/v1/agents/self/work", ""); w.Code != 403 {
			t.Errorf("a person polls as an agent: %d", w.Code)
		}
		if w := f.do("agent", "GET", "/api/v1/agents/self", ""); w.Code != 200 || !strings.Contains(w.Body.String(), `"agent":`) {
			t.Errorf("who am I: %d %s", w.Code, w.Body)
		}
		if w := f.do("agent", "GET", "/api/v1/agents/self/work?after=-1", ""); w.Code != 422 {
			t.Errorf("after=-1: %d", w.Code)
		}
	})
}

func TestPractice(t *testing.T) {
	f := newFixture(t)
	for _, c := range []struct {
		who, body string
		code      int
		broken    string
	}{
		{"network", `{"action":"break","fault":"line"}`, 200, "line"}, {"network", `{"action":"break","fault":"sun"}`, 422, "line"},
		{"viewer", `{"action":"mend"}`, 403, "line"}, {"network", `{"action":"burn"}`, 422, "line"}, {"network", `{"action":"mend"}`, 200, ""},
	} {
		if w := f.do(c.who, "POST", "/api/v1/practice", c.body); w.Code != c.code || strings.Join(f.broken, " ") != c.broken {
			t.Errorf("%s %s: %d, broken %v", c.who, c.body, w.Code, f.broken)
		}
	}
}
