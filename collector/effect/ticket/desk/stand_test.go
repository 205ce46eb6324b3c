package desk_test

import (
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/faultline/faultline/collector/effect/ticket/desk"
	"github.com/faultline/faultline/collector/effect/ticket/desk/itop"
	"github.com/faultline/faultline/collector/effect/ticket/desk/jira"
	"github.com/faultline/faultline/collector/effect/ticket/desk/pagerduty"
	"github.com/faultline/faultline/collector/effect/ticket/desk/servicedeskplus"
	"github.com/faultline/faultline/collector/effect/ticket/desk/webhook"
	signed "github.com/faultline/faultline/collector/effect/ticket/webhook"
)

const hookKey = "hook-key-0123456789"

func same(s string) string { return s }

func systems() []system {
	return []system{
		{"jira", `{"errorMessages":["The issue could not be created"],"errors":{}}`, func(clk *clock) (standIn, func(*http.Client) (desk.Remote, error)) {
			return &jiraStand{clk: clk, version: "2", lag: 10 * time.Second}, func(c *http.Client) (desk.Remote, error) {
				return jira.New(jira.Options{URL: "https://jira.test", Token: "t", Project: "OPS", CloseTransition: "Done", HTTP: c, Now: clk.now})
			}
		}, desk.Mark},
		{"jira-cloud", `{"errorMessages":["x"]}`, func(clk *clock) (standIn, func(*http.Client) (desk.Remote, error)) {
			return &jiraStand{clk: clk, version: "3", lag: 20 * time.Second}, func(c *http.Client) (desk.Remote, error) {
				return jira.New(jira.Options{URL: "https://jira.test", User: "u@x", Token: "t", Project: "OPS", Version: 3, HTTP: c, Now: clk.now})
			}
		}, desk.Mark},
		{"servicedeskplus", `{"response_status":{"status_code":4000,"status":"failed","messages":[{"status_code":5000,"message":"busy"}]}}`, func(clk *clock) (standIn, func(*http.Client) (desk.Remote, error)) {
			return &sdpStand{clk: clk}, func(c *http.Client) (desk.Remote, error) {
				return servicedeskplus.New(servicedeskplus.Options{URL: "https://sdp.test", Key: "k", Requester: "Faultline", Closes: true, HTTP: c, Now: clk.now})
			}
		}, desk.Mark},
		{"itop", `{"code":10,"message":"Error: busy","objects":null}`, func(clk *clock) (standIn, func(*http.Client) (desk.Remote, error)) {
			return &itopStand{clk: clk}, func(c *http.Client) (desk.Remote, error) {
				return itop.New(itop.Options{URL: "https://itop.test", User: "u", Password: "p", Organization: "HQ", Caller: "noc@example.com", Stimulus: "ev_resolve", HTTP: c, Now: clk.now})
			}
		}, desk.Mark},
		{"pagerduty", `{"status":"throttle exceeded","message":"later"}`, func(clk *clock) (standIn, func(*http.Client) (desk.Remote, error)) {
			return &pagerStand{}, func(c *http.Client) (desk.Remote, error) {
				return pagerduty.New(pagerduty.Options{RoutingKey: strings.Repeat("k", 32), HTTP: c, Now: clk.now})
			}
		}, same},
		{"webhook with search", `{"success":false,"message":"busy"}`, func(clk *clock) (standIn, func(*http.Client) (desk.Remote, error)) {
			return &hookStand{}, func(c *http.Client) (desk.Remote, error) {
				return webhook.New(webhook.Options{URL: "https://itsm.test/hook", Search: "https://itsm.test/find", Keys: []string{hookKey}, HTTP: c, Now: clk.now})
			}
		}, same},
		{"webhook that knows repeats", `{"errcode":40001,"errmsg":"busy"}`, func(clk *clock) (standIn, func(*http.Client) (desk.Remote, error)) {
			return &hookStand{idempotent: true}, func(c *http.Client) (desk.Remote, error) {
				return webhook.New(webhook.Options{URL: "https://itsm.test/hook", Keys: []string{hookKey}, HTTP: c, Now: clk.now})
			}
		}, same},
	}
}

// jiraStand answers as Jira documents: issue, edit, transitions, search. What is
// made shows up in searches only after a lag, as in the real one.
type jiraStand struct {
	clk     *clock
	version string
	lag     time.Duration
	issues  []*jiraIssue
}

type jiraIssue struct {
	key, status string
	made, at    time.Time
	labels      []string
	comments    []map[string]any
}

func (s *jiraStand) tickets() map[string][]string {
	out := map[string][]string{}
	for _, i := range s.issues {
		// labels: faultline, ticket, then the messages as they came; those of
		// two-step messages are not counted
		name := i.labels[1]
		for out[name] != nil {
			name += " doubled"
		}
		out[name] = i.labels[2:]
		if len(i.comments) != 2 {
			out[name] = append(out[name], fmt.Sprintf("%d comments", len(i.comments)))
		}
		if s.version == "2" {
			if i.status != "Done" || len(out[name]) != 4 {
				out[name] = append(out[name], "not closed")
			} else {
				out[name] = slices.Delete(slices.Clone(out[name]), 2, 3) // "said", before it was closed
			}
		}
	}
	return out
}

var jiraIssuePath = regexp.MustCompile(`^/rest/api/(\d)/issue/([A-Z]+-\d+)(/transitions)?$`)

func (s *jiraStand) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	var body map[string]any
	_ = json.NewDecoder(r.Body).Decode(&body)
	search := "/rest/api/2/search"
	if s.version == "3" {
		search = "/rest/api/3/search/jql"
	}
	if r.Header.Get("Authorization") == "" {
		w.WriteHeader(401)
		return
	}
	if r.Method == "POST" && r.URL.Path == "/rest/api/"+s.version+"/issue" {
		s.create(w, body)
		return
	}
	if r.Method == "GET" && r.URL.Path == search {
		s.search(w, r.URL.Query().Get("jql"))
		return
	}
	m := jiraIssuePath.FindStringSubmatch(r.URL.Path)
	at := slices.IndexFunc(s.issues, func(i *jiraIssue) bool { return m != nil && i.key == m[2] })
	if m == nil || m[1] != s.version || at < 0 {
		reply(w, 404, map[string]any{"errorMessages": []string{"no such thing"}})
		return
	}
	i := s.issues[at]
	switch {
	case m[3] != "" && r.Method == "GET":
		all := []any{}
		if i.status != "Done" {
			all = append(all, map[string]any{"id": "31", "name": "Done"})
		}
		reply(w, 200, map[string]any{"transitions": all})
	case m[3] != "":
		i.status, i.at = "Done", s.clk.now()
		w.WriteHeader(204)
	case r.Method == "PUT":
		for _, c := range list(dig(body, "update", "comment")) {
			i.comments = append(i.comments, map[string]any{"id": fmt.Sprint(len(i.comments) + 1), "body": dig(c, "add", "body"), "created": s.clk.now().Format(jiraTime)})
		}
		for _, l := range list(dig(body, "update", "labels")) {
			if l := fmt.Sprint(dig(l, "add")); !slices.Contains(i.labels, l) {
				i.labels = append(i.labels, l)
			}
		}
		i.at = s.clk.now()
		w.WriteHeader(204)
	default:
		reply(w, 200, map[string]any{"key": i.key, "fields": map[string]any{"labels": i.labels}})
	}
}

const jiraTime = "2006-01-02T15:04:05.000-0700"

func list(v any) []any { l, _ := v.([]any); return l }

func (s *jiraStand) create(w http.ResponseWriter, body map[string]any) {
	var labels []string
	for _, l := range list(dig(body, "fields", "labels")) {
		labels = append(labels, l.(string))
	}
	_, document := dig(body, "fields", "description").(map[string]any)
	if summary, _ := dig(body, "fields", "summary").(string); summary == "" || strings.Contains(summary, "\n") || len([]rune(summary)) > 255 || document != (s.version == "3") {
		reply(w, 400, map[string]any{"errors": map[string]any{"summary": "bad"}})
		return
	}
	i := &jiraIssue{key: fmt.Sprintf("OPS-%d", len(s.issues)+1), status: "To Do", made: s.clk.now(), at: s.clk.now(), labels: labels}
	s.issues = append(s.issues, i)
	reply(w, 201, map[string]any{"id": "1", "key": i.key, "self": "x"})
}

var jqlLabel = regexp.MustCompile(`labels = "([a-z0-9]+)"`)

func (s *jiraStand) search(w http.ResponseWriter, jql string) {
	m := jqlLabel.FindStringSubmatch(jql)
	found := []any{}
	for _, i := range s.issues {
		if m != nil && slices.Contains(i.labels, m[1]) && s.clk.now().Sub(i.made) >= s.lag {
			category := map[string]string{"To Do": "new", "In Progress": "indeterminate", "Done": "done"}[i.status]
			found = append(found, map[string]any{"key": i.key, "fields": map[string]any{"labels": i.labels, "updated": i.at.Format(jiraTime),
				"status": map[string]any{"name": i.status, "statusCategory": map[string]any{"key": category}}, "comment": map[string]any{"comments": i.comments}}})
		}
	}
	reply(w, 200, map[string]any{"issues": found})
}

// sdpStand answers as ServiceDesk Plus v3 documents: requests, notes, close, lists.
type sdpStand struct {
	clk      *clock
	requests []*sdpRequest
}

type sdpRequest struct {
	id, subject, status string
	at                  time.Time
	notes               []map[string]any
}

var markRe = regexp.MustCompile(`flm[0-9a-f]{16}`)

func (s *sdpStand) tickets() map[string][]string {
	out := map[string][]string{}
	for _, q := range s.requests {
		name := markRe.FindString(q.subject)
		for out[name] != nil {
			name += " doubled"
		}
		out[name] = []string{firstOf(q.subject)}
		for _, n := range q.notes {
			out[name] = append(out[name], markRe.FindString(fmt.Sprint(n["description"])))
		}
		if q.status != "Closed" {
			out[name] = append(out[name], "not closed")
		}
	}
	return out
}

var numberRe = regexp.MustCompile(`FL#20261121-(\d{4})`)

// firstOf is the mark of a ticket's first message, by the number in its subject.
func firstOf(subject string) string {
	m := numberRe.FindStringSubmatch(subject)
	return desk.Mark("in" + m[1] + "/0/ticket")
}

var sdpPath = regexp.MustCompile(`^/api/v3/requests(?:/(\d+))?(/notes|/close)?$`)

func (s *sdpStand) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	ok := map[string]any{"status_code": 2000, "status": "success"}
	m := sdpPath.FindStringSubmatch(r.URL.Path)
	if m == nil || r.Header.Get("authtoken") == "" || r.Header.Get("Accept") != "application/vnd.manageengine.sdp.v3+json" {
		reply(w, 400, map[string]any{"response_status": map[string]any{"status_code": 4000, "status": "failed"}})
		return
	}
	var q *sdpRequest
	for _, x := range s.requests {
		if x.id == m[1] {
			q = x
		}
	}
	switch {
	case r.Method == "POST" && m[1] == "":
		subject, _ := dig(form(r, "input_data"), "request", "subject").(string)
		if subject == "" || len([]rune(subject)) > 250 {
			reply(w, 200, map[string]any{"response_status": map[string]any{"status_code": 4000, "status": "failed", "messages": []any{map[string]any{"status_code": 4012, "message": "subject"}}}})
			return
		}
		q = &sdpRequest{id: fmt.Sprint(100 + len(s.requests)), subject: subject, status: "Open", at: s.clk.now()}
		s.requests = append(s.requests, q)
		reply(w, 201, map[string]any{"request": map[string]any{"id": q.id}, "response_status": ok})
	case r.Method == "GET" && m[1] == "":
		reply(w, 200, map[string]any{"requests": s.search(r.URL.Query().Get("input_data")), "response_status": []any{ok}})
	case q == nil:
		reply(w, 404, map[string]any{"response_status": map[string]any{"status_code": 4000, "status": "failed", "messages": []any{map[string]any{"status_code": 4007}}}})
	case m[2] == "/notes" && r.Method == "POST":
		text := dig(form(r, "input_data"), "request_note", "description")
		q.notes = append(q.notes, map[string]any{"id": fmt.Sprint(len(q.notes) + 1), "description": text, "created_time": map[string]any{"value": fmt.Sprint(s.clk.now().UnixMilli())}, "created_by": map[string]any{"name": "x"}})
		q.at = s.clk.now()
		reply(w, 201, map[string]any{"request_note": map[string]any{"id": "1"}, "response_status": ok})
	case m[2] == "/notes":
		reply(w, 200, map[string]any{"notes": q.notes, "response_status": []any{ok}})
	case m[2] == "/close":
		if q.status == "Closed" {
			reply(w, 200, map[string]any{"response_status": map[string]any{"status_code": 4000, "status": "failed", "messages": []any{map[string]any{"status_code": 4002, "message": "closed already"}}}})
			return
		}
		q.status, q.at = "Closed", s.clk.now()
		reply(w, 200, map[string]any{"response_status": ok})
	default:
		reply(w, 200, map[string]any{"request": sdpView(q), "response_status": ok})
	}
}

func sdpView(q *sdpRequest) map[string]any {
	return map[string]any{"id": q.id, "subject": q.subject, "status": map[string]any{"name": q.status}, "last_updated_time": map[string]any{"value": fmt.Sprint(q.at.UnixMilli())}}
}

func (s *sdpStand) search(input string) []any {
	var x struct {
		ListInfo struct {
			SearchCriteria []struct{ Field, Condition, Value string } `json:"search_criteria"`
		} `json:"list_info"`
	}
	_ = json.Unmarshal([]byte(input), &x)
	found := []any{}
	for _, q := range s.requests {
		if strings.Contains(q.subject, x.ListInfo.SearchCriteria[0].Value) {
			found = append(found, sdpView(q))
		}
	}
	return found
}

// itopStand answers as iTop's REST/JSON does: always 200, code says how it went.
type itopStand struct {
	clk  *clock
	held []*itopTicket
}

type itopTicket struct {
	id, status, description string
	log                     []any
}

func (s *itopStand) tickets() map[string][]string {
	out := map[string][]string{}
	for _, x := range s.held {
		marks := markRe.FindAllString(x.description, 2)
		name := marks[0]
		for out[name] != nil {
			name += " doubled"
		}
		out[name] = []string{marks[1]}
		for _, e := range slices.Backward(x.log) {
			out[name] = append(out[name], markRe.FindString(fmt.Sprint(dig(e, "message"))))
		}
		if x.status != "resolved" {
			out[name] = append(out[name], "not resolved")
		}
	}
	return out
}

var likeRe = regexp.MustCompile(`LIKE '%([^%]+)%'`)

func (s *itopStand) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	data := form(r, "json_data")
	objects := map[string]any{}
	show := func(x *itopTicket) {
		objects["Incident::"+x.id] = map[string]any{"code": 0, "key": x.id, "fields": map[string]any{"id": x.id, "status": x.status, "last_update": "2026-11-21 16:00:00", "public_log": map[string]any{"entries": x.log}}}
	}
	key := fmt.Sprint(data["key"])
	at := slices.IndexFunc(s.held, func(x *itopTicket) bool { return x.id == key })
	entry := func() {
		s.held[at].log = append([]any{map[string]any{"message": dig(data, "fields", "public_log"), "date": s.clk.now().Format(time.DateTime), "user_login": "x"}}, s.held[at].log...)
		show(s.held[at])
	}
	switch op := data["operation"]; {
	case op == "core/create":
		x := &itopTicket{id: fmt.Sprint(1 + len(s.held)), status: "new", description: fmt.Sprint(dig(data, "fields", "description"))}
		s.held = append(s.held, x)
		show(x)
	case op == "core/get" && strings.HasPrefix(key, "SELECT"):
		for _, x := range s.held {
			if strings.Contains(x.description, likeRe.FindStringSubmatch(key)[1]) {
				show(x)
			}
		}
	case at < 0:
		reply(w, 200, map[string]any{"code": 100, "message": "no such object", "objects": nil})
		return
	case op == "core/get":
		show(s.held[at])
	case op == "core/update":
		entry()
	case op == "core/apply_stimulus":
		if s.held[at].status == "resolved" {
			reply(w, 200, map[string]any{"code": 10, "message": "Invalid stimulus", "objects": nil})
			return
		}
		s.held[at].status = "resolved"
		entry()
	}
	reply(w, 200, map[string]any{"code": 0, "message": "Found", "objects": objects})
}

// pagerStand takes events as PagerDuty does: one open alert for a dedup key.
type pagerStand struct {
	alerts map[string][]string
	open   map[string]bool
}

func (s *pagerStand) tickets() map[string][]string {
	for k := range s.open {
		if s.open[k] {
			s.alerts[k] = append(s.alerts[k], "not resolved")
		}
	}
	return s.alerts
}

func (s *pagerStand) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if s.alerts == nil {
		s.alerts, s.open = map[string][]string{}, map[string]bool{}
	}
	var e map[string]any
	_ = json.NewDecoder(r.Body).Decode(&e)
	key, _ := e["dedup_key"].(string)
	switch e["event_action"] {
	case "trigger":
		if dig(e, "payload", "summary") == "" || dig(e, "payload", "source") == nil || dig(e, "payload", "severity") != "critical" {
			reply(w, 400, map[string]any{"status": "invalid event", "errors": []string{"payload"}})
			return
		}
		if !s.open[key] && len(s.alerts[key]) > 0 {
			s.alerts[key] = append(s.alerts[key], "opened again")
		}
		s.open[key] = true
	case "resolve":
		s.open[key] = false
	}
	// The messages are told apart by what they do: opened, news, resolved.
	n := map[string]int{"trigger": len(s.alerts[key]), "resolve": 2}[fmt.Sprint(e["event_action"])]
	m := fmt.Sprintf("%s/%d/ticket", strings.TrimSuffix(key, "/vendor"), min(n, 1))
	if e["event_action"] == "resolve" {
		m = strings.TrimSuffix(key, "/vendor") + "/2/ticket"
	} else if strings.HasSuffix(fmt.Sprint(dig(e, "payload", "summary")), " 0") {
		m = strings.TrimSuffix(key, "/vendor") + "/0/ticket"
	}
	if !slices.Contains(s.alerts[key], m) {
		s.alerts[key] = append(s.alerts[key], m)
	}
	reply(w, 202, map[string]any{"status": "success", "message": "Event processed", "dedup_key": key})
}

// hookStand is an ITSM of one's own.
type hookStand struct {
	idempotent bool
	all        map[string][]string
	seen       map[string]bool
}

func (s *hookStand) tickets() map[string][]string { return maps.Clone(s.all) }

func (s *hookStand) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if s.all == nil {
		s.all, s.seen = map[string][]string{}, map[string]bool{}
	}
	if r.Method == "GET" {
		if !signed.Verify(r.Header.Get(signed.SignatureHeader), []byte(r.URL.RawQuery), hookKey) {
			w.WriteHeader(403)
			return
		}
		q := r.URL.Query()
		key := q.Get("ticket") + strings.TrimPrefix(q.Get("id"), "id-")
		found := len(s.all[key]) > 0 && (q.Get("message") == "" || slices.Contains(s.all[key], q.Get("message")))
		reply(w, 200, map[string]any{"found": found, "id": "id-" + key})
		return
	}
	raw, _ := io.ReadAll(r.Body)
	var b signed.Body
	_ = json.Unmarshal(raw, &b)
	if !signed.Verify(r.Header.Get(signed.SignatureHeader), raw, hookKey) {
		w.WriteHeader(403)
		return
	}
	if id := r.Header.Get("Idempotency-Key"); !s.idempotent || !s.seen[id] {
		s.seen[id] = true
		s.all[b.Key] = append(s.all[b.Key], b.MessageKey)
	}
	reply(w, 200, map[string]any{"id": "id-" + b.Key})
}
