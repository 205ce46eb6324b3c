package api_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"mime/multipart"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/faultline/faultline/collector/account"
	"github.com/faultline/faultline/collector/account/accounttest"
	"github.com/faultline/faultline/collector/alert"
	"github.com/faultline/faultline/collector/api"
	"github.com/faultline/faultline/collector/engine"
	"github.com/faultline/faultline/collector/incident"
	"github.com/faultline/faultline/collector/lease"
	"github.com/faultline/faultline/collector/process"
	"github.com/faultline/faultline/collector/process/scenario"
	"github.com/faultline/faultline/collector/route"
	"github.com/faultline/faultline/collector/sla"
	"github.com/faultline/faultline/collector/sqlstore"
	"github.com/faultline/faultline/collector/truth"
)

// walker is a collector's engine, database and API under a clock that the test
// moves: what people do comes by HTTP, what is measured from the test.
type walker struct {
	t      *testing.T
	set    *process.Set
	cals   *sla.Calendars
	store  *sqlstore.Store
	engine *engine.Engine
	srv    *httptest.Server
	tokens map[string]string
	issue  func(name string, roles ...string) string

	now     time.Time
	cause   []incident.Diagnosis // what diagnosis says
	vendors map[string]string
	vendor  string // who is called at the opening
}

// walkReader is the store as the API reads it.
type walkReader struct{ *sqlstore.Store }

func (r walkReader) Incidents(ctx context.Context, q api.Query) ([]incident.Incident, string, error) {
	return r.Store.Incidents(ctx, sqlstore.Query{States: q.States, Sites: q.Sites, Limit: q.Limit})
}

// Act and Report make the walker the API's engine.
func (w *walker) Act(ctx context.Context, a api.Action) error { return w.engine.Handle(ctx, a.Event()) }

func (w *walker) Report(context.Context, api.Report) (api.Reported, error) {
	return api.Reported{}, engine.ErrNotFound
}

func newWalker(t *testing.T) *walker {
	t.Helper()
	w := &walker{t: t, tokens: map[string]string{}}
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	var err error
	w.set, err = process.Load(os.DirFS("../../rules/processes"))
	must(err)
	w.cals, err = sla.Load(os.DirFS("../../rules/calendars"))
	must(err)
	w.store, err = sqlstore.Open(t.Context(), sqlstore.Options{URL: "sqlite:" + filepath.Join(t.TempDir(), "walk.db")})
	must(err)
	t.Cleanup(func() { _ = w.store.Close() })
	must(w.store.Migrate(t.Context()))
	gen, ok, err := w.store.AcquireLease(t.Context(), lease.Writer, "walker", time.Hour)
	must(err)
	clock := func() time.Time { return w.now }
	w.engine, err = engine.New(engine.Options{Store: w.store, Lease: func() (int64, bool) { return gen, ok }, Processes: w.set, Calendars: w.cals, Now: clock, Hold: 20 * time.Second, Documents: true,
		Diagnose: func([]alert.Alert, time.Time) engine.Diagnosis { return engine.Diagnosis{Causes: w.cause} },
		Route: func(d incident.Diagnosis, _ time.Time) route.Decision {
			return route.Decision{Process: d.Process, VendorKind: d.VendorKind, Severity: d.Severity, VendorID: w.vendor, VendorName: w.vendor}
		},
		Site:   func(string) engine.SiteFacts { return engine.SiteFacts{} },
		Vendor: func(kind string, _ incident.Diagnosis) (string, string) { return w.vendors[kind], w.vendors[kind] }, Logger: slog.New(slog.NewTextHandler(t.Output(), nil))})
	must(err)
	accounts, err := account.New(account.Options{Store: w.store, Params: accounttest.Cheap()})
	must(err)
	w.issue = func(name string, roles ...string) string {
		if w.tokens[name] == "" {
			w.tokens[name], err = accounts.IssueToken(t.Context(), "test", account.Token{Name: name, Roles: roles, Sites: []string{"branch-2"}})
			must(err)
		}
		return w.tokens[name]
	}
	h, err := api.Handler(api.Options{Accounts: accounts, Incidents: walkReader{w.store}, Engine: w, Work: &estate{}, Offers: w.offers, Documents: w.store, Requests: w.request, Now: clock, Logger: slog.New(slog.NewTextHandler(t.Output(), nil))})
	must(err)
	w.srv = httptest.NewServer(h)
	t.Cleanup(w.srv.Close)
	return w
}

func (w *walker) offers(i incident.Incident, roles []string) (out []api.Offer) {
	d, _ := w.set.Version(i.ProcessVersion)
	for _, a := range append(process.Actions(d, i, roles), process.Waits(d, i, roles)...) {
		out = append(out, api.Offer{Kind: a.Kind, Choice: a.Choice, NeedsComment: a.NeedsComment, Missing: a.Missing, Documents: a.Documents})
	}
	return out
}

// call asks the API as somebody and decodes the answer.
func (w *walker) call(who, method, path string, in, out any) error {
	body, err := json.Marshal(in)
	if err != nil {
		return err
	}
	return w.send(who, method, path, "application/json", bytes.NewReader(body), out)
}

func (w *walker) send(who, method, path, media string, body io.Reader, out any) error {
	r, err := http.NewRequestWithContext(w.t.Context(), method, w.srv.URL+path, body)
	if err != nil {
		return err
	}
	r.Header.Set("Authorization", "Bearer "+who)
	r.Header.Set("Content-Type", media)
	res, err := http.DefaultClient.Do(r)
	if err != nil {
		return err
	}
	defer func() { _ = res.Body.Close() }()
	b, err := io.ReadAll(res.Body)
	if err == nil && res.StatusCode >= 300 {
		err = fmt.Errorf("%s %s: %d %s", method, path, res.StatusCode, b)
	}
	if err != nil || out == nil {
		return err
	}
	return json.Unmarshal(b, out)
}

// walkZone is where stories' times are.
var walkZone = time.FixedZone("CST", 8*3600)

// person is the token of who does something in a story: hq_network-2 is a second
// person of the role; a name without a role may do everything.
func (w *walker) person(by string) string {
	role, _, _ := strings.Cut(by, "-")
	if !account.KnownRole(role) {
		role = account.RoleAdmin
	}
	return w.issue("by "+by, role)
}

// walk plays a story and returns the incident's log as the API tells it.
func (w *walker) walk(s scenario.Story) ([]incident.Event, error) {
	at, err := time.ParseInLocation(time.DateTime, s.Opened.At, walkZone)
	if err != nil {
		return nil, err
	}
	w.now, w.vendors, w.vendor = at, s.Vendors, s.Opened.Vendor
	if d, ok := w.set.Latest(s.Process); ok && d.Request() {
		return w.walkRequest(s)
	}
	a := alert.Alert{Fingerprint: "a", State: alert.Firing, Labels: map[string]string{"alertname": "x", "device": "x", "site": "branch-2"}, Truth: truth.Bad, ActiveAt: at.Add(-30 * time.Second), FiredAt: at, EvaluatedAt: at}
	w.cause = []incident.Diagnosis{{Cause: s.Opened.Class + "/x", Class: s.Opened.Class, Site: "branch-2", Device: "x", Process: s.Process, VendorKind: s.Opened.VendorKind,
		Severity: incident.SeverityMajor, Recovery: "up == 1", Affected: []string{}, Alerts: []string{"a"}}}
	if err := w.engine.HandleAlerts(w.t.Context(), engine.Round{Now: at, Firing: []alert.Alert{a}, Changed: []alert.Alert{a}}); err != nil {
		return nil, err
	}
	var list struct{ Incidents []api.Incident }
	if err := w.call(w.issue("admin", account.RoleAdmin), "GET", "/api/v1/incidents?state=open", nil, &list); err != nil || len(list.Incidents) != 1 {
		return nil, fmt.Errorf("%d incidents are open: %w", len(list.Incidents), err)
	}
	return w.goOn(list.Incidents[0].ID, s)
}

// walkRequest opens what people ask for, by the API, and plays the story.
func (w *walker) walkRequest(s scenario.Story) ([]incident.Event, error) {
	var opened api.Incident
	in := map[string]string{"process": s.Process, "site": "branch-2", "symptoms": "asked for in a walk"}
	if err := w.call(w.issue("admin", account.RoleAdmin), "POST", "/api/v1/incidents", in, &opened); err != nil {
		return nil, err
	}
	if opened.Class != incident.ClassRequest || opened.Process != s.Process {
		return nil, fmt.Errorf("opened as %s on %s", opened.Class, opened.Process)
	}
	return w.goOn(opened.ID, s)
}

// request opens a request as the collector does; the change's form is a fact of
// its story.
func (w *walker) request(ctx context.Context, r api.Request) (api.Reported, error) {
	d := incident.Diagnosis{Cause: "request/" + r.ID, Class: incident.ClassRequest, Site: r.Site, Process: r.Process, VendorKind: incident.VendorNone, Severity: incident.SeverityMinor, Rule: "request", Affected: []string{}}
	id, err := w.engine.Open(ctx, engine.Opening{FactID: r.ID, Diagnosis: d, Actor: r.Actor, Comment: r.Text, At: r.At})
	return api.Reported{IncidentID: id}, err
}

// goOn brings the story's facts.
func (w *walker) goOn(id string, s scenario.Story) ([]incident.Event, error) {
	for n, f := range s.Facts {
		if err := w.fact(id, f); err != nil {
			return nil, fmt.Errorf("fact %d: %w", n+1, err)
		}
	}
	return w.leave(id)
}

// leave returns the incident's log, and ends the incident if it is open.
func (w *walker) leave(id string) ([]incident.Event, error) {
	var log struct{ Events []incident.Event }
	if err := w.call(w.tokens["admin"], "GET", "/api/v1/incidents/"+id+"/timeline", nil, &log); err != nil {
		return nil, err
	}
	i, open := w.engine.Incident(id)
	if !open || !i.Open() {
		return log.Events, nil
	}
	if i.Firing() {
		if err := w.measured(id, incident.Event{Kind: incident.AlertResolved, Alert: &incident.AlertRef{Fingerprint: "a"}}); err != nil {
			return nil, err
		}
	}
	return log.Events, w.call(w.tokens["admin"], "POST", "/api/v1/incidents/"+id+"/actions", map[string]string{"action": api.ActClose, "comment": "end of the walk"}, nil)
}

// fact brings a line of the story, after the timers that are due before it.
func (w *walker) fact(id string, f scenario.Fact) error {
	first := func() (incident.Timer, bool) {
		i, _ := w.engine.Incident(id)
		if len(i.Timers) == 0 {
			return incident.Timer{}, false
		}
		return slices.MinFunc(i.Timers, func(a, b incident.Timer) int { return a.Due.Compare(b.Due) }), true
	}
	fire := func(t incident.Timer) error {
		if t.Due.After(w.now) {
			w.now = t.Due
		}
		return w.engine.Tick(w.t.Context())
	}
	if f.At == "timer" {
		t, ok := first()
		if !ok {
			return fmt.Errorf("no timer is set")
		}
		return fire(t)
	}
	at, err := w.instant(f.At)
	if err != nil {
		return err
	}
	for t, ok := first(); ok && t.Due.Before(at); t, ok = first() {
		if err := fire(t); err != nil {
			return err
		}
	}
	w.now = at
	err = w.take(id, f)
	if f.Refused {
		if err == nil {
			return fmt.Errorf("%s %s was taken, want it refused", f.Fact, f.Choice)
		}
		return nil
	}
	return err
}

// instant reads a fact's time as stories write it.
func (w *walker) instant(at string) (time.Time, error) {
	switch {
	case at == "":
		return w.now, nil
	case strings.HasPrefix(at, "+"):
		after, err := time.ParseDuration(at[1:])
		return w.now.Add(after), err
	case len(at) == len(time.TimeOnly):
		at = w.now.In(walkZone).Format(time.DateOnly) + " " + at
	}
	return time.ParseInLocation(time.DateTime, at, walkZone)
}

// outcome tells what the newest effect of the kind came to.
func (w *walker) outcome(id, kind, outcome string) error {
	i, _ := w.engine.Incident(id)
	for _, p := range slices.Backward(i.Pending) {
		if p.Kind != kind {
			continue
		}
		e := incident.Event{Kind: incident.EffectDone, Effect: &incident.Effect{Key: p.Key, IncidentID: id, Kind: kind, Outcome: outcome, Result: map[string]string{"ref": "<1@x>"}}}
		if kind == incident.EffectTicket && outcome == "failed" {
			e.Kind, e.Effect.Problem = incident.EffectFailed, "550 no such user"
		}
		return w.measured(id, e)
	}
	return fmt.Errorf("no %s is pending", kind)
}

// rediagnosed is another cause that measurements found.
func (w *walker) rediagnosed(id string, f scenario.Fact) error {
	i, _ := w.engine.Incident(id)
	e := incident.Event{Kind: incident.Diagnosed, VendorID: f.Vendor, VendorName: f.Vendor}
	into := f.Into
	if into == "" {
		into = i.Process
	}
	if d, ok := w.set.Latest(into); ok {
		e.Process, e.ProcessVersion = into, d.Ref()
	}
	e.Diagnosis = &incident.Diagnosis{Cause: f.Class + "/x", Class: f.Class, Site: "branch-2", Device: "x", Process: into, VendorKind: f.Kind, Severity: incident.SeverityMajor, Recovery: "up == 1", Affected: []string{}}
	return w.measured(id, e)
}

// handIn hands in a document as people do.
func (w *walker) handIn(who, id, kind string) error {
	var b bytes.Buffer
	m := multipart.NewWriter(&b)
	part, err := m.CreateFormFile("file", kind+".pdf")
	if err != nil {
		return err
	}
	_, _ = part.Write([]byte("%PDF-1.7 " + kind))
	_, _ = m.WriteField("kind", kind), m.Close()
	return w.send(who, "POST", "/api/v1/incidents/"+id+"/documents", m.FormDataContentType(), &b, nil)
}

// walkActions are the stories' words for what people do at the API.
var walkActions = map[string]string{"acked": api.ActAck, "decided": api.ActDecide, "approved": api.ActApprove, "rejected": api.ActReject, "done": api.ActDone,
	"reopened": api.ActReopen, "pause": api.ActPause, "resume": api.ActResume, "closed": api.ActClose, "commented": api.ActComment}

func (w *walker) take(id string, f scenario.Fact) error {
	act := map[string]string{"action": walkActions[f.Fact], "choice": f.Choice, "comment": f.Comment}
	alertRef := &incident.AlertRef{Fingerprint: "a"}
	switch f.Fact {
	case "recovered":
		return w.measured(id, incident.Event{Kind: incident.AlertResolved, Alert: alertRef}, incident.Event{Kind: incident.RecoverySeen})
	case "failed_again":
		return w.measured(id, incident.Event{Kind: incident.AlertJoined, Alert: alertRef}, incident.Event{Kind: incident.RecoveryLost})
	case "verify":
		return w.outcome(id, incident.EffectVerify, f.Choice)
	case "ticket":
		return w.outcome(id, incident.EffectTicket, f.Choice)
	case "diagnosed":
		return w.rediagnosed(id, f)
	case "folded":
		return w.measured(id, incident.Event{Kind: incident.Folded, ParentID: "p1"})
	case "attached":
		return w.handIn(w.person(f.By), id, f.Choice)
	case "vendor_reported":
		act["action"], act["choice"] = map[string]string{"accepted": api.ActVendorAccepted, "reported_fixed": api.ActVendorFixed, "returned": api.ActVendorReturned}[f.Choice], ""
	}
	if act["action"] == "" {
		return fmt.Errorf("no way to bring %s", f.Fact)
	}
	return w.call(w.person(f.By), "POST", "/api/v1/incidents/"+id+"/actions", act, nil)
}

// measured tells the engine what measurements and effects say.
func (w *walker) measured(id string, facts ...incident.Event) error {
	for _, e := range facts {
		e.IncidentID, e.At = id, w.now
		if err := w.engine.Handle(w.t.Context(), e); err != nil {
			return err
		}
	}
	return nil
}
