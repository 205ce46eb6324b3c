package web

import (
	"context"
	"maps"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/fstest"
	"time"

	"github.com/faultline/faultline/collector/account"
	"github.com/faultline/faultline/collector/duty"
	"github.com/faultline/faultline/collector/engine"
	"github.com/faultline/faultline/collector/incident"
	"github.com/faultline/faultline/collector/people"
	"github.com/faultline/faultline/collector/report"
	"github.com/faultline/faultline/collector/sla"
	"github.com/faultline/faultline/internal/lang"
)

const staffFile = `apiVersion: faultline/v1
kind: People
people:
  - {id: chen, name: 陈工, roles: [hq_network], email: chen@example.com, deputies: [zhou]}
  - {id: zhou, name: 周工, roles: [hq_network], email: zhou@example.com}
  - {id: li, name: 李工, roles: [branch_it], sites: [shanghai]}
rotas:
  - id: hq-network
    title: {zh-CN: 总公司网络值班, en: HQ network}
    role: hq_network
    rotations: [{id: week, people: [chen, zhou], start: "2026-01-05T09:00", every: 1w}]
  - id: chengdu
    title: {zh-CN: 成都值班, en: Chengdu}
    role: branch_it
    sites: [chengdu]
    shifts: [{person: li, start: "2026-01-05T09:00", end: "2026-01-06T09:00", rule: FREQ=DAILY}]
chains:
  - {id: network, title: {zh-CN: 网络升级, en: network escalation}, rungs: [{after: 15m, tell: ["oncall:hq-network"]}], last: hq_it_manager}
`

// settings is a duty.Store in memory.
type settings struct {
	mu sync.Mutex
	kv map[string]string
}

func (s *settings) KVGet(_ context.Context, name string) (string, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	v, ok := s.kv[name]
	if !ok {
		return "", engine.ErrNotFound
	}
	return v, nil
}

func (s *settings) KVPut(_ context.Context, name, value string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.kv[name] = value
	return nil
}

func (s *settings) KVList(_ context.Context, prefix string) (map[string]string, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	out := maps.Clone(s.kv)
	maps.DeleteFunc(out, func(k, _ string) bool { return !strings.HasPrefix(k, prefix) })
	return out, nil
}

func (s *settings) KVDelete(_ context.Context, names ...string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, n := range names {
		delete(s.kv, n)
	}
	return nil
}

// told is Notices in memory.
type toldBook struct {
	list  []people.Message
	again []string
}

func (b *toldBook) Of(_ context.Context, id string) (out []people.Message, err error) {
	for _, m := range b.list {
		if m.Incident == id {
			out = append(out, m)
		}
	}
	return out, nil
}

func (b *toldBook) Recent(_ context.Context, states []string, _ int) (out []people.Message, err error) {
	for _, m := range b.list {
		if len(states) == 0 || slices.Contains(states, m.State) {
			out = append(out, m)
		}
	}
	return out, nil
}

func (b *toldBook) Counts(context.Context) (map[string]int, error) {
	return map[string]int{"sent": 1, "failed": 1}, nil
}

func (b *toldBook) Again(_ context.Context, _ account.Principal, key, _ string) error {
	b.again = append(b.again, key)
	return nil
}

type dayBook struct{ d report.Daily }

func (b dayBook) Days(context.Context) ([]string, error) { return []string{b.d.Day}, nil }
func (b dayBook) Report(_ context.Context, day string) (report.Daily, error) {
	if day != b.d.Day {
		return report.Daily{}, engine.ErrNotFound
	}
	return b.d, nil
}

// staffed is a fixture with people, notices and a report.
func staffed(t *testing.T) (*fixture, *toldBook) {
	t.Helper()
	d, err := people.Load(fstest.MapFS{"p.yaml": {Data: []byte(staffFile)}}, people.Options{})
	if err != nil {
		t.Fatal(err)
	}
	var f *fixture
	book := &toldBook{list: []people.Message{
		{Key: "01line/0/1/li", Incident: "01line", Receiver: "li", Kind: people.MessageOpening, Priority: 2, At: testNow.Add(-12 * time.Minute), Title: lang.Text{ZH: "新故障：专线中断", EN: "New fault: line cut"}, State: people.MessageSent},
		{Key: "01line/0/2/chen", Incident: "01line", Receiver: "chen", Kind: people.MessageOpening, Priority: 2, At: testNow.Add(-10 * time.Minute), Title: lang.Text{ZH: "新故障：专线中断", EN: "New fault: line cut"}, State: people.MessageFailed,
			Reason: lang.Same("550 no such user"), Because: lang.Text{ZH: "值班：总公司网络值班", EN: "on call: HQ network"}},
		{Key: "02ups/0/1/zhou", Incident: "02ups", Receiver: "zhou", Kind: people.MessageUpdate, Priority: 3, At: testNow.Add(-9 * time.Minute), Title: lang.Text{ZH: "待处理", EN: "Your turn"}, State: people.MessageHeld,
			Reason: lang.Text{ZH: "免打扰时段", EN: "quiet hours"}, Until: testNow.Add(8 * time.Hour)},
	}}
	day := report.MakeDaily(report.DailyInput{From: testNow.Add(-24 * time.Hour), To: testNow.Add(time.Second), Now: testNow, Zone: time.UTC, Incidents: sampleIncidents(),
		Lines: []report.DailyLine{{ID: "unicom:line-2", Name: lang.Text{ZH: "联通专线 A", EN: "Unicom line A"}, Available: .99123}}})
	f = newFixture(t, func(o *Options) {
		var err error
		o.Duty, err = duty.Open(t.Context(), duty.Options{Store: &settings{kv: map[string]string{}}, Base: func() *people.Directory { return d }, Now: o.Now,
			Access: func(ctx context.Context) (map[string]bool, error) {
				users, err := o.Accounts.Users(ctx)
				may := map[string]bool{}
				for _, u := range users {
					may[u.Name] = !u.Disabled
				}
				return may, err
			},
			Audit: func(ctx context.Context, by, action, object, detail string) error {
				return o.Accounts.Record(ctx, account.AuditEntry{Actor: by, Action: action, Object: object, Detail: detail})
			}})
		if err != nil {
			t.Fatal(err)
		}
		o.FeedKey, o.Notices, o.Dailies = []byte("k"), book, dayBook{day}
		o.Priority = func(incident.Incident) int { return 1 }
		o.Escalation = func(_ context.Context, i incident.Incident) (Escalation, error) {
			s, err := d.Trigger("network", i.Diagnosis.Site, testNow, func(string) (*sla.Calendar, error) { return nil, engine.ErrNotFound })
			if err != nil {
				return Escalation{}, err
			}
			acts := []people.Act{{At: testNow.Add(-40 * time.Minute), Person: "chen", What: "ack"}}
			return Escalation{Title: lang.Text{ZH: "网络升级", EN: "network escalation"}, Snapshot: s, Standing: d.Stand(s, acts, testNow), Name: d.Name}, nil
		}
	})
	return f, book
}

func (f *fixture) audited(action string) bool {
	list, err := f.store.AuditEntries(f.t.Context(), 100)
	if err != nil {
		f.t.Fatal(err)
	}
	return slices.ContainsFunc(list, func(e account.AuditEntry) bool { return e.Action == action })
}

// root makes an administrator and signs in.
func (f *fixture) root() *browser {
	f.t.Helper()
	u, err := f.store.UserByName(f.t.Context(), "new")
	if err != nil {
		f.t.Fatal(err)
	}
	u.MustChange = false
	if err := f.store.PutUser(f.t.Context(), u); err != nil {
		f.t.Fatal(err)
	}
	return f.as("new")
}

func TestUsersPage(t *testing.T) {
	f, _ := staffed(t)
	admin, li := f.root(), f.as("li")
	if status, _, _ := li.get("/users"); status != http.StatusForbidden {
		t.Errorf("a branch's IT at the users page: %d", status)
	}
	if status, _, _ := li.post("/users", "do", "disable", "user", "chen"); status != http.StatusForbidden {
		t.Errorf("a branch's IT takes access away: %d", status)
	}
	status, _, page := admin.post("/users", "do", "add", "name", "wang", "role", "branch_it")
	if status != http.StatusUnprocessableEntity || !strings.Contains(page, "needs its sites") {
		t.Errorf("a branch's IT of no branch: %d", status)
	}
	status, _, page = admin.post("/users", "do", "add", "name", "wang", "role", "branch_it", "site", "chengdu")
	secret := regexp.MustCompile(`class="secret">([^<]+)<`).FindStringSubmatch(page)
	if status != 200 || secret == nil || !f.audited("user_created") {
		t.Fatalf("add: %d", status)
	}
	b := f.browser()
	if _, at, _ := b.post("/sign-in", "name", "wang", "password", secret[1]); at != "/password" {
		t.Errorf("the one-time password leads to %s", at)
	}
	if _, at, _ := admin.post("/users", "do", "disable", "user", "li"); at != "/users?done=user_disabled" || !f.audited("user_disabled") {
		t.Errorf("disable leads to %s", at)
	}
	if _, at, _ := li.get("/incidents"); !strings.HasPrefix(at, "/sign-in") {
		t.Errorf("li still sees %s", at)
	}
	if status, _, page := admin.post("/users", "do", "disable", "user", "new"); status != 422 || !strings.Contains(page, "nobody takes away their own access") {
		t.Errorf("an administrator shuts themselves out: %d", status)
	}
	if status, _, page := admin.post("/users", "do", "scope", "user", "new", "role", "viewer"); status != 422 || !strings.Contains(page, "one administrator has to remain") {
		t.Errorf("no administrator is left: %d", status)
	}
	req, _ := http.NewRequest("POST", f.srv.URL+"/users", strings.NewReader("do=enable&user=li"))
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	req.Header.Set("Sec-Fetch-Site", "cross-site")
	resp, err := admin.client.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	if u, err := f.store.UserByName(t.Context(), "li"); err != nil || !u.Disabled || resp.StatusCode != http.StatusForbidden {
		t.Errorf("another site's form: %d, %v, disabled %v", resp.StatusCode, err, u.Disabled)
	}
}

func TestTokens(t *testing.T) {
	f, _ := staffed(t)
	admin := f.root()
	status, _, page := admin.post("/users", "do", "token", "name", "grafana", "days", "30", "role", "viewer")
	secret := regexp.MustCompile(`class="secret">([^<]+)<`).FindStringSubmatch(page)
	if status != 200 || secret == nil {
		t.Fatalf("issue: %d", status)
	}
	if p, err := f.accounts.Authenticate(t.Context(), secret[1]); err != nil || p.Name != "grafana" || p.MayAct() {
		t.Fatalf("%+v, %v", p, err)
	}
	tokens, err := f.accounts.Tokens(t.Context())
	if err != nil || len(tokens) != 1 || !tokens[0].Expires.Equal(testNow.Add(30*24*time.Hour)) {
		t.Fatalf("%+v, %v", tokens, err)
	}
	if _, _, page = admin.get("/users"); strings.Contains(page, secret[1]) {
		t.Error("the token can be read again")
	}
	if _, at, _ := admin.post("/users", "do", "revoke", "token", tokens[0].Hash); at != "/users?done=token_revoked" || !f.audited("token_revoked") {
		t.Errorf("revoke leads to %s", at)
	}
	if _, err := f.accounts.Authenticate(t.Context(), secret[1]); err == nil {
		t.Error("a revoked token opens the door")
	}
	for _, days := range []string{"", "0", "99999", "x"} {
		if status, _, _ := admin.post("/users", "do", "token", "name", "x", "days", days, "role", "viewer"); status != 422 {
			t.Errorf("token for %q days: %d", days, status)
		}
	}
}

func TestOnCallPage(t *testing.T) {
	f, _ := staffed(t)
	chen := f.as("chen")
	_, _, page := chen.get("/oncall")
	if !strings.Contains(page, "HQ network") || !strings.Contains(page, "Chengdu") || !strings.Contains(page, "On call now") {
		t.Error("the rotas are not shown")
	}
	if _, _, page := f.as("li").get("/oncall"); strings.Contains(page, "Chengdu") || !strings.Contains(page, "HQ network") {
		t.Error("a branch sees another branch's rota, or not the general one")
	}
	from, to := testNow.Add(-time.Hour).In(time.FixedZone("", 8*3600)).Format(wallLayout), testNow.Add(time.Hour).In(time.FixedZone("", 8*3600)).Format(wallLayout)
	if status, _, _ := f.as("li").post("/oncall", "do", "override", "rota", "hq-network", "person", "zhou", "from", from, "to", to); status != http.StatusForbidden {
		t.Errorf("a branch changes head office's rota: %d", status)
	}
	for _, person := range []string{"zhou", "chen"} { // whoever serves, the other is put in
		if status, _, _ := chen.post("/oncall", "do", "override", "rota", "hq-network", "person", person, "from", from, "to", to, "reason", "培训"); status != 200 {
			t.Fatalf("override: %d", status)
		}
	}
	if _, _, page = chen.get("/oncall"); !strings.Contains(page, "培训") || !f.audited("duty.override") {
		t.Error("the override is not shown or not audited")
	}
	ids := regexp.MustCompile(`name="change" value="([^"]+)"`).FindAllStringSubmatch(page, -1)
	if len(ids) != 2 {
		t.Fatalf("%d changes can be undone", len(ids))
	}
	if _, at, _ := chen.post("/oncall", "do", "undo", "change", ids[0][1]); at != "/oncall?done=undo" || !f.audited("duty.override_undone") {
		t.Errorf("undo leads to %s", at)
	}
	if status, _, _ := chen.post("/oncall", "do", "override", "rota", "hq-network", "person", "nobody", "from", from, "to", to); status != 422 {
		t.Errorf("an override by nobody: %d", status)
	}
	if status, _, _ := f.as("guest").post("/oncall", "do", "away", "person", "guest", "from", from, "to", to); status != http.StatusForbidden {
		t.Error("a viewer changes duty")
	}
}

func TestFeed(t *testing.T) {
	f, _ := staffed(t)
	_, _, page := f.as("chen").get("/oncall")
	m := regexp.MustCompile(`href="(/oncall/feed/hq-network[^"]+)"`).FindStringSubmatch(page)
	if m == nil {
		t.Fatal("no link to the calendar")
	}
	link, anybody := strings.ReplaceAll(m[1], "&amp;", "&"), f.browser()
	if status, _, ics := anybody.get(link); status != 200 || !strings.Contains(ics, "BEGIN:VEVENT") || !strings.Contains(ics, "RRULE:") {
		t.Fatalf("feed: %d", status)
	}
	if status, _, _ := anybody.get(strings.Replace(link, "user=chen", "user=li", 1)); status != 404 {
		t.Errorf("another's token: %d", status)
	}
	u, _ := f.store.UserByName(t.Context(), "chen")
	u.Disabled = true
	f.store.PutUser(t.Context(), u)
	if status, _, _ := anybody.get(link); status != 404 {
		t.Errorf("the feed of who has no access: %d", status)
	}
}

func TestToldAndEscalationAreShown(t *testing.T) {
	f, book := staffed(t)
	chen := f.as("chen")
	_, _, page := chen.get("/incidents/01line")
	for _, want := range []string{"550 no such user", "network escalation", "Taking it stops the escalation alone", "nothing seen of it", ">P1<"} {
		if !strings.Contains(page, want) {
			t.Errorf("the incident's page lacks %q", want)
		}
	}
	if _, _, page = chen.get("/told?state=held"); !strings.Contains(page, "quiet hours") || strings.Contains(page, "550 no such user") {
		t.Error("held messages")
	}
	if _, at, _ := chen.post("/told", "key", "01line/0/2/chen", "next", "/incidents/01line"); at != "/incidents/01line" || !slices.Equal(book.again, []string{"01line/0/2/chen"}) {
		t.Errorf("again leads to %s, asked %q", at, book.again)
	}
	li := f.as("li")
	if _, _, page = li.get("/told"); strings.Contains(page, "550 no such user") || !strings.Contains(page, "/incidents/01line") {
		t.Error("a branch reads another's messages, or not its own")
	}
	if status, _, _ := li.post("/told", "key", "x"); status != http.StatusForbidden {
		t.Errorf("a branch sends again: %d", status)
	}
}

func TestDailyPage(t *testing.T) {
	f, _ := staffed(t)
	_, _, page := f.as("chen").get("/daily")
	for _, want := range []string{"Opened 2, Closed 0, Late 1", "99.123 %", "20261121-0042"} {
		if !strings.Contains(page, want) {
			t.Errorf("the report lacks %q", want)
		}
	}
	if strings.Contains(page, "20261121-0040") {
		t.Error("practice is in the report")
	}
	if status, _, _ := f.as("li").get("/daily"); status != 404 {
		t.Errorf("a branch reads all sites' report: %d", status)
	}
}

// changed are the options with a test's own.
func changed(o Options, change []func(*Options)) Options {
	for _, c := range change {
		c(&o)
	}
	return o
}
