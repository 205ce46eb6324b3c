package drill_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/faultline/faultline/collector/account"
	"github.com/faultline/faultline/collector/account/accounttest"
	"github.com/faultline/faultline/collector/alert"
	"github.com/faultline/faultline/collector/api"
	"github.com/faultline/faultline/collector/diagnose"
	"github.com/faultline/faultline/collector/drill"
	"github.com/faultline/faultline/collector/engine"
	"github.com/faultline/faultline/collector/incident"
	"github.com/faultline/faultline/collector/inventory"
	"github.com/faultline/faultline/collector/lease"
	"github.com/faultline/faultline/collector/outbox"
	"github.com/faultline/faultline/collector/process"
	"github.com/faultline/faultline/collector/route"
	"github.com/faultline/faultline/collector/ruler"
	"github.com/faultline/faultline/collector/scenario"
	"github.com/faultline/faultline/collector/sla"
	"github.com/faultline/faultline/collector/sqlstore"
	"github.com/faultline/faultline/collector/truth"
	"github.com/faultline/faultline/collector/writeup"
	"github.com/faultline/faultline/internal/lang"
	"github.com/faultline/faultline/rules"
)

// house is a collector's engine, database, drills and API under a clock that the
// test moves, over the company of the shipped scenarios.
type house struct {
	t       *testing.T
	dir     string
	now     time.Time
	store   *sqlstore.Store
	gen     int64
	inv     *inventory.Inventory
	rules   *scenario.Rules
	stories []*scenario.Story
	engine  *engine.Engine
	desk    *drill.Desk
	ways    map[string]outbox.Executor
	real    []incident.Diagnosis // what diagnosis says of what is really measured
	sent    []string             // what really went out, by kind
	account *account.Service
	srv     *httptest.Server
	tokens  map[string]string
	follows bool // another collector leads
}

type reader struct{ *sqlstore.Store }

func (r reader) Incidents(ctx context.Context, q api.Query) ([]incident.Incident, string, error) {
	return r.Store.Incidents(ctx, sqlstore.Query{States: q.States, Sites: q.Sites, Limit: q.Limit})
}

func (h *house) Act(ctx context.Context, a api.Action) error { return h.engine.Handle(ctx, a.Event()) }

func (h *house) Report(context.Context, api.Report) (api.Reported, error) {
	return api.Reported{}, engine.ErrNotFound
}

func must[T any](t *testing.T) func(v T, err error) T {
	return func(v T, err error) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}

func newHouse(t *testing.T) *house {
	h := &house{t: t, dir: t.TempDir(), now: time.Date(2026, 11, 23, 2, 0, 0, 0, time.UTC), tokens: map[string]string{}}
	sub := func(name string) fs.FS { return must[fs.FS](t)(fs.Sub(rules.FS(), name)) }
	h.inv = must[*inventory.Inventory](t)(inventory.Parse("company.yaml", must[[]byte](t)(fs.ReadFile(rules.FS(), "scenarios/inventories/company.yaml"))))
	h.rules = &scenario.Rules{Alerts: must[*ruler.Rules](t)(ruler.Load(sub("alerts"))), Causes: must[*diagnose.Rules](t)(diagnose.Load(sub("diagnosis"))), Routes: must[*route.Table](t)(route.Load(sub("routes"))),
		Processes: must[*process.Set](t)(process.Load(sub("processes"))), Calendars: must[*sla.Calendars](t)(sla.Load(sub("calendars")))}
	h.stories = must[[]*scenario.Story](t)(scenario.LoadStories(sub("drills")))
	h.store = must[*sqlstore.Store](t)(sqlstore.Open(t.Context(), sqlstore.Options{URL: "sqlite:" + filepath.Join(h.dir, "f.db")}))
	t.Cleanup(func() { _ = h.store.Close() })
	if err := h.store.Migrate(t.Context()); err != nil {
		t.Fatal(err)
	}
	gen, ok, err := h.store.AcquireLease(t.Context(), lease.Writer, "node", time.Hour)
	if err != nil || !ok {
		t.Fatal(ok, err)
	}
	h.gen = gen
	h.account = must[*account.Service](t)(account.New(account.Options{Store: h.store, Params: accounttest.Cheap()}))
	h.start()
	return h
}

// start makes engine, desk and API, as after a restart.
func (h *house) start() {
	t, clock := h.t, func() time.Time { return h.now }
	t.Helper()
	graph := inventory.NewGraph(h.inv)
	log := slog.New(slog.NewTextHandler(t.Output(), &slog.HandlerOptions{Level: slog.LevelWarn}))
	h.engine = must[*engine.Engine](t)(engine.New(engine.Options{Store: h.store, Lease: func() (int64, bool) { return h.gen, true }, Processes: h.rules.Processes, Calendars: h.rules.Calendars, Now: clock, Hold: 15 * time.Minute, Settle: 5 * time.Second, Logger: log,
		Diagnose: func([]alert.Alert, time.Time) engine.Diagnosis { return engine.Diagnosis{Causes: h.real} },
		Route: func(d incident.Diagnosis, now time.Time) route.Decision {
			if d.Rule == "" { // the test's own
				return route.Decision{Process: d.Process, VendorKind: d.VendorKind, VendorID: "telecom", VendorName: "Telecom", Severity: d.Severity}
			}
			return h.rules.Routes.Decide(d, graph, now)
		},
		Site: func(string) engine.SiteFacts { return engine.SiteFacts{} }, Graph: func() *inventory.Graph { return graph }}))
	h.desk = must[*drill.Desk](t)(drill.New(drill.Options{Store: h.store, Engine: h.engine, Leads: func() bool { return !h.follows }, Stories: func() []*scenario.Story { return h.stories }, Rules: func() *scenario.Rules { return h.rules },
		Inventory: func() *inventory.Inventory { return h.inv }, Processes: func() *process.Set { return h.rules.Processes }, Record: h.account.Record, Dir: filepath.Join(h.dir, "drills"), Now: clock, Logger: log}))
	t.Cleanup(h.desk.Leave)
	out := func(kind string) outbox.Executor {
		return outbox.Func(func(_ context.Context, j outbox.Job) (outbox.Outcome, error) {
			h.sent = append(h.sent, kind+" "+j.Incident.Drill)
			return outbox.Finish("sent", nil), nil
		})
	}
	h.ways = must[map[string]outbox.Executor](t)(h.desk.Executors(drill.Ways{Graph: func() *inventory.Graph { return graph }, Lookback: 20 * time.Second, Real: map[string]outbox.Executor{
		incident.EffectTicket: out("ticket"), incident.EffectNotify: out("notice"), incident.EffectVerify: out("verify"), incident.EffectReport: out("report"), incident.EffectAsk: out("ask")}}))
	offers := func(i incident.Incident, roles []string) (list []api.Offer) {
		d, _ := h.rules.Processes.Version(i.ProcessVersion)
		for _, a := range process.Actions(d, i, roles) {
			list = append(list, api.Offer{Kind: a.Kind, Choice: a.Choice, NeedsComment: a.NeedsComment})
		}
		return list
	}
	handler := must[http.Handler](t)(api.Handler(api.Options{Accounts: h.account, Incidents: reader{h.store}, Engine: h, Work: noWork{}, Offers: offers, Now: clock, Logger: log, KnownSite: func(id string) bool { _, ok := graph.Site(id); return ok },
		Drills: &api.Drills{Desk: h.desk, Report: func(_ context.Context, r drill.Record, language string, _ *time.Location) writeup.Document {
			return r.Report(drill.Names{}, h.now, language)
		}}}))
	h.srv = httptest.NewServer(handler)
	t.Cleanup(h.srv.Close)
}

type noWork struct{ api.Work }

// as returns a token of the role.
func (h *house) as(role string) string {
	if h.tokens[role] == "" {
		h.tokens[role] = must[string](h.t)(h.account.IssueToken(h.t.Context(), "test", account.Token{Name: "by " + role, Roles: []string{role}, Sites: []string{"north"}}))
	}
	return h.tokens[role]
}

// ask calls the API and returns status and body.
func (h *house) ask(role, method, path string, in any) (int, string) {
	h.t.Helper()
	body := must[[]byte](h.t)(json.Marshal(in))
	r := must[*http.Request](h.t)(http.NewRequestWithContext(h.t.Context(), method, h.srv.URL+path, bytes.NewReader(body)))
	r.Header.Set("Authorization", "Bearer "+h.as(role))
	r.Header.Set("Content-Type", "application/json")
	res := must[*http.Response](h.t)(http.DefaultClient.Do(r))
	defer func() { _ = res.Body.Close() }()
	return res.StatusCode, string(must[[]byte](h.t)(io.ReadAll(res.Body)))
}

// get asks and decodes what must be answered well.
func (h *house) get(role, method, path string, in, out any) {
	h.t.Helper()
	status, body := h.ask(role, method, path, in)
	if status >= 300 {
		h.t.Fatalf("%s %s: %d %s", method, path, status, body)
	}
	if err := json.Unmarshal([]byte(body), out); err != nil {
		h.t.Fatal(err)
	}
}

// until lets seconds pass until is says so.
func (h *house) until(id, what string, most time.Duration, is func() bool) {
	h.t.Helper()
	for end := h.now.Add(most); !is(); h.now = h.now.Add(time.Second) {
		if h.now.After(end) {
			h.t.Fatalf("not within %s: %s", most, what)
		}
		if err := h.desk.Round(h.t.Context(), id); err != nil {
			h.t.Fatal(err)
		}
		if err := h.engine.Tick(h.t.Context()); err != nil {
			h.t.Fatal(err)
		}
		h.deliver()
	}
}

// deliver carries out what is due, as the outbox does.
func (h *house) deliver() {
	h.t.Helper()
	for _, row := range must[[]outbox.Row](h.t)(h.store.ClaimEffects(h.t.Context(), h.gen, h.now, 100)) {
		i := must[incident.Incident](h.t)(h.store.Incident(h.t.Context(), row.Effect.IncidentID))
		x := h.ways[row.Effect.Kind]
		if x == nil {
			h.t.Fatalf("no way for %s", row.Effect.Kind)
		}
		o := must[outbox.Outcome](h.t)(x.Execute(h.t.Context(), outbox.Job{Effect: row.Effect, Incident: i, Attempt: row.Attempts}))
		if o.After() > 0 {
			must[bool](h.t)(h.store.RetryEffect(h.t.Context(), outbox.Retry{Key: row.Effect.Key, Generation: h.gen, At: h.now.Add(o.After())}))
			continue
		}
		f, kind := row.Effect, incident.EffectDone
		if f.Outcome, f.Result = o.Word(), o.Result(); o.Failed() {
			kind, f.Problem = incident.EffectFailed, o.Word()
		}
		if err := h.engine.Handle(h.t.Context(), incident.Event{ID: f.Key + "/done", IncidentID: i.ID, Kind: kind, At: h.now, Actor: incident.System, Effect: &f}); err != nil {
			h.t.Fatal(err)
		}
	}
}

// split returns the incidents that are real and those of drills.
func (h *house) split() (real, drills []incident.Incident) {
	list, _, err := h.store.Incidents(h.t.Context(), sqlstore.Query{})
	if err != nil {
		h.t.Fatal(err)
	}
	for _, i := range list {
		if i.Drill == "" {
			real = append(real, i)
		} else {
			drills = append(drills, i)
		}
	}
	return real, drills
}

func (h *house) act(role, id string, in map[string]string) {
	h.t.Helper()
	if status, body := h.ask(role, "POST", "/api/v1/incidents/"+id+"/actions", in); status >= 300 {
		h.t.Fatalf("%v: %d %s", in, status, body)
	}
}

// TestDrillFromStartToScore walks a drill through the API: start, acknowledge,
// decide, a restart in the middle, a real fault of the same line beside it,
// recovery by the drill's evidence, confirmation, score, report, signature.
func TestDrillFromStartToScore(t *testing.T) {
	h := newHouse(t)
	if status, body := h.ask("branch_it", "POST", "/api/v1/drills", map[string]any{"site": "north", "story": "line-cut"}); status != http.StatusForbidden {
		t.Fatalf("a branch starts a drill: %d %s", status, body)
	}
	if status, _ := h.ask("hq_network", "POST", "/api/v1/drills", map[string]any{"site": "north", "story": "nothing"}); status != http.StatusUnprocessableEntity {
		t.Errorf("an unknown story: %d", status)
	}
	var d struct {
		drill.Record
		Tickets []drill.Held
	}
	h.get("hq_network", "POST", "/api/v1/drills", map[string]any{"site": "north", "story": "line-cut", "limit_seconds": 3600, "hold_seconds": 20}, &d)
	path := "/api/v1/drills/" + d.ID
	if status, _ := h.ask("hq_network", "POST", "/api/v1/drills", map[string]any{"site": "north", "story": "line-cut"}); status != http.StatusUnprocessableEntity {
		t.Errorf("a second drill at the site: %d", status)
	}
	opened := func() bool { _, drills := h.split(); return len(drills) == 1 }
	h.until(d.ID, "an incident is opened", time.Minute, opened)
	_, drills := h.split()
	i := drills[0]
	if !i.Practice || i.Diagnosis.Class != incident.ClassCarrierLine || i.Diagnosis.Device != "telecom:north" {
		t.Fatalf("opened as %+v", i.Diagnosis)
	}
	h.act("branch_it", i.ID, map[string]string{"action": "ack"})
	h.act("branch_it", i.ID, map[string]string{"action": "decide", "choice": "circuit"})

	// A restart: another engine and desk over the same store.
	h.desk.Leave()
	h.start()
	if err := h.desk.Resume(t.Context()); err != nil {
		t.Fatal(err)
	}
	h.now = h.now.Add(30 * time.Second)
	h.until(d.ID, "it goes on", time.Minute, func() bool { return len(h.sent) > 0 })
	if _, drills = h.split(); len(drills) != 1 || !drills[0].Firing() || !drills[0].RecoveredAt.IsZero() {
		t.Fatalf("after the restart: %d incidents, %+v", len(drills), drills)
	}

	// The same line fails in earnest.
	a := alert.Alert{Fingerprint: "real", Name: "x", State: alert.Firing, Truth: truth.Bad, Labels: map[string]string{"device": "telecom:north", "site": "north"}, ActiveAt: h.now, FiredAt: h.now, EvaluatedAt: h.now}
	h.real = []incident.Diagnosis{{Cause: "line/telecom:north", Class: incident.ClassCarrierLine, Process: "network", Severity: incident.SeverityMajor, Site: "north", Device: "telecom:north", VendorKind: incident.VendorCarrier, Alerts: []string{"real"}, Affected: []string{}, Rank: 5}}
	if err := h.engine.HandleAlerts(t.Context(), engine.Round{Now: h.now, Firing: []alert.Alert{a}, Changed: []alert.Alert{a}}); err != nil {
		t.Fatal(err)
	}
	h.deliver()
	real, _ := h.split()
	if len(real) != 1 || real[0].Practice || real[0].PreviousID != "" || len(real[0].Alerts) != 1 {
		t.Fatalf("the real fault beside the drill: %+v", real)
	}
	if got := strings.Join(h.sent, ","); !strings.Contains(got, "ticket ,") && !strings.HasSuffix(got, "ticket ") || strings.Contains(got, "ticket "+d.ID) {
		t.Errorf("went out: %s; want the real ticket and not the drill's", got)
	}
	h.get("hq_network", "GET", path, nil, &d)
	if len(d.Tickets) == 0 || !strings.Contains(d.Tickets[0].Subject, "演练") || !strings.Contains(d.Tickets[0].Body, "DRILL") || d.Tickets[0].Vendor != "telecom" {
		t.Errorf("held back: %+v", d.Tickets)
	}

	h.get("hq_network", "POST", path+"/actions", map[string]string{"action": "repair"}, &d)
	h.until(d.ID, "recovery is proved by the drill's evidence", 5*time.Minute, func() bool { _, x := h.split(); return x[0].State == incident.StateVerified })
	if real, _ = h.split(); real[0].State != incident.StateOpen || !real[0].RecoveredAt.IsZero() {
		t.Errorf("the drill's recovery touches the real fault: %s", real[0].State)
	}
	h.act("branch_it", i.ID, map[string]string{"action": "decide", "choice": "ok"})
	h.until(d.ID, "the drill ends by itself", time.Minute, func() bool { h.get("hq_network", "GET", path, nil, &d); return d.State == drill.Ended })
	if d.Reason != drill.ReasonFinished || d.Score == nil || !d.Score.FoundIt || d.Score.Points < 90 {
		t.Fatalf("ended by %s, scored %+v", d.Reason, d.Score)
	}
	if err := d.Verify(); err != nil {
		t.Error(err)
	}
	events := must[[]incident.Event](t)(h.store.Events(t.Context(), i.ID))
	if err := incident.VerifyChain(events); err != nil || events[len(events)-1].Hash != d.Incidents[0].Head && int64(len(events)) == d.Incidents[0].Version {
		t.Errorf("the incident's chain: %v, head %s, filed %+v", err, events[len(events)-1].Hash, d.Incidents)
	}
	for _, format := range []string{"html", "docx"} {
		if status, body := h.ask("hq_network", "GET", path+"/report?lang=en&format="+format, nil); status != 200 || format == "html" && !strings.Contains(body, "DRILL") {
			t.Errorf("%s: %d %.200s", format, status, body)
		}
	}
	if status, _ := h.ask("hq_network", "POST", path+"/actions", map[string]string{"action": "sign", "name": "x"}); status != http.StatusForbidden {
		t.Errorf("a program signs: %d", status)
	}
	p := account.Principal{Kind: account.KindPerson, ID: "u1", Name: "wang", Roles: []string{account.RoleHQNetwork}}
	if r, err := h.desk.Sign(t.Context(), p, d.ID, "王工", "::1"); err != nil || r.Signed == nil || r.Verify() != nil {
		t.Errorf("signed %+v, %v", r.Signed, err)
	}
	if real, _ = h.split(); real[0].State != incident.StateOpen {
		t.Errorf("the end of the drill ends the real fault: %s", real[0].State)
	}
}

// TestDrillIsStoppedAndEndsAtItsLimit: both close what is left and say why.
func TestDrillIsStoppedAndEndsAtItsLimit(t *testing.T) {
	for _, stop := range []bool{true, false} {
		t.Run(fmt.Sprint("stopped ", stop), func(t *testing.T) {
			h := newHouse(t)
			var d drill.Record
			h.get("hq_it_manager", "POST", "/api/v1/drills", map[string]any{"site": "north", "story": "room-hot", "limit_seconds": 90, "repair_after_seconds": 80}, &d)
			h.until(d.ID, "an incident is opened", time.Minute, func() bool { _, x := h.split(); return len(x) == 1 })
			if stop {
				if status, _ := h.ask("hq_it_manager", "POST", "/api/v1/drills/"+d.ID+"/actions", map[string]string{"action": "stop"}); status != http.StatusUnprocessableEntity {
					t.Errorf("stopped without a reason: %d", status)
				}
				h.get("hq_it_manager", "POST", "/api/v1/drills/"+d.ID+"/actions", map[string]string{"action": "stop", "reason": "a real fault elsewhere"}, &d)
			} else {
				h.until(d.ID, "its limit ends it", 2*time.Minute, func() bool {
					h.get("hq_it_manager", "GET", "/api/v1/drills/"+d.ID, nil, &d)
					return d.State == drill.Ended
				})
			}
			_, x := h.split()
			events := must[[]incident.Event](t)(h.store.Events(t.Context(), x[0].ID))
			said := ""
			for _, e := range events {
				if e.Kind == incident.Closed {
					said += e.Comment
				}
			}
			if x[0].State != incident.StateClosed || d.State != drill.Ended || d.Score == nil || d.Score.Points != 0 && stop || !strings.Contains(said, lang.Text{ZH: "演练"}.ZH) || stop && !strings.Contains(said, "a real fault elsewhere") {
				t.Errorf("%s, ended by %s, score %+v, closed with %q", x[0].State, d.Reason, d.Score, said)
			}
			if err := d.Verify(); err != nil {
				t.Error(err)
			}
			if status, _ := h.ask("hq_it_manager", "POST", "/api/v1/drills/"+d.ID+"/actions", map[string]string{"action": "repair"}); status != http.StatusUnprocessableEntity {
				t.Errorf("repaired after its end: %d", status)
			}
		})
	}
}
