package web

import (
	"bufio"
	"encoding/json"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/faultline/faultline/collector/api"
	"github.com/faultline/faultline/collector/engine"
	"github.com/faultline/faultline/collector/incident"
	"github.com/faultline/faultline/internal/lang"
)

// browser is a person's browser without scripts.
type browser struct {
	*fixture
	client *http.Client
	header http.Header
}

func (f *fixture) browser() *browser {
	jar, err := cookiejar.New(nil)
	if err != nil {
		f.t.Fatal(err)
	}
	return &browser{f, &http.Client{Jar: jar}, http.Header{"Accept-Language": {"en"}}}
}

// as is a browser whose person is signed in.
func (f *fixture) as(name string) *browser {
	b := f.browser()
	status, _, _ := b.post("/sign-in", "name", name, "password", testPassword)
	if status != 200 {
		f.t.Fatalf("sign in %s: %d", name, status)
	}
	return b
}

// do returns status, path of the page it ended on, and the page.
func (b *browser) do(method, path string, body io.Reader) (status int, at, page string) {
	b.t.Helper()
	req, err := http.NewRequest(method, b.srv.URL+path, body)
	if err != nil {
		b.t.Fatal(err)
	}
	req.Header = b.header.Clone()
	if body != nil {
		req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	resp, err := b.client.Do(req)
	if err != nil {
		b.t.Fatal(err)
	}
	defer resp.Body.Close()
	out, err := io.ReadAll(resp.Body)
	if err != nil {
		b.t.Fatal(err)
	}
	return resp.StatusCode, resp.Request.URL.RequestURI(), string(out)
}

func (b *browser) get(path string) (int, string, string) {
	b.t.Helper()
	return b.do("GET", path, nil)
}

func (b *browser) post(path string, pairs ...string) (int, string, string) {
	b.t.Helper()
	v := url.Values{}
	for i := 0; i+1 < len(pairs); i += 2 {
		v.Set(pairs[i], pairs[i+1])
	}
	return b.do("POST", path, strings.NewReader(v.Encode()))
}

func TestSignInAndOut(t *testing.T) {
	b := newFixture(t).browser()
	if status, at, _ := b.get("/incidents/01line"); status != 200 || at != "/sign-in?next=%2Fincidents%2F01line" {
		t.Errorf("a stranger ends at %s (%d)", at, status)
	}
	if status, _, page := b.post("/sign-in", "name", "chen", "password", "wrong"); status != 401 || !strings.Contains(page, "Wrong name or password") || !strings.Contains(page, `value="chen"`) {
		t.Errorf("wrong password: %d", status)
	}
	if _, at, page := b.post("/sign-in", "name", "chen", "password", testPassword, "next", "/incidents/01line"); at != "/incidents/01line" || !strings.Contains(page, "SH-0231") {
		t.Errorf("after signing in: at %s", at)
	}
	if _, at, _ := b.post("/sign-out"); at != "/sign-in" {
		t.Errorf("after signing out: at %s", at)
	}
	if _, at, _ := b.get("/"); at != "/sign-in" {
		t.Errorf("signed out, but at %s", at)
	}
}

func TestSignInStartsANewSession(t *testing.T) {
	b := newFixture(t).browser()
	session := func() string {
		u, _ := url.Parse(b.srv.URL)
		for _, c := range b.client.Jar.Cookies(u) {
			if c.Name == "faultline_session" {
				return c.Value
			}
		}
		return ""
	}
	b.post("/sign-in", "name", "new", "password", testPassword)
	first := session()
	b.post("/password", "old", testPassword, "new", "autumn evening 9", "again", "autumn evening 9")
	if second := session(); first == "" || second == "" || first == second {
		t.Errorf("session before %q and after the password was set %q", first, second)
	}
}

func TestSignInLeadsNowhereElse(t *testing.T) {
	for in, want := range map[string]string{"/incidents?x=1": "/incidents?x=1", "https://evil.example/": "/", "//evil.example": "/", `/\evil.example`: "/", "javascript:alert(1)": "/", "": "/", "/a\r\nb": "/"} {
		if got := localPath(in); got != want {
			t.Errorf("localPath(%q) = %q, want %q", in, got, want)
		}
	}
}

func TestTooManySignIns(t *testing.T) {
	b := newFixture(t).browser()
	for range 5 {
		b.post("/sign-in", "name", "chen", "password", "wrong")
	}
	if status, _, page := b.post("/sign-in", "name", "chen", "password", testPassword); status != 429 || !strings.Contains(page, "Too many failed sign-ins: wait") {
		t.Errorf("sixth attempt: %d", status)
	}
}

func TestFirstSignInSetsAPassword(t *testing.T) {
	b := newFixture(t).browser()
	if _, at, _ := b.post("/sign-in", "name", "new", "password", testPassword); at != "/password" {
		t.Fatalf("first sign-in leads to %s", at)
	}
	for _, path := range []string{"/", "/incidents", "/incidents/01line", "/account", "/practice", "/events"} {
		if _, at, _ := b.get(path); at != "/password" {
			t.Errorf("%s before a password was set: at %s", path, at)
		}
	}
	for _, c := range []struct{ old, new, again, want string }{
		{"wrong", "autumn evening 9", "autumn evening 9", "present password is wrong"}, {testPassword, "short", "short", "at least 10"},
		{testPassword, "autumn evening 9", "autumn", "differ"}, {testPassword, testPassword, testPassword, "differ from the old"},
	} {
		if status, _, page := b.post("/password", "old", c.old, "new", c.new, "again", c.again); status != 422 || !strings.Contains(page, c.want) {
			t.Errorf("%+v: %d", c, status)
		}
	}
	if status, at, _ := b.post("/password", "old", testPassword, "new", "autumn evening 9", "again", "autumn evening 9"); status != 200 || at != "/" {
		t.Errorf("set: %d at %s", status, at)
	}
}

func TestPagesShowTheirThings(t *testing.T) {
	f := newFixture(t)
	for path, want := range map[string][]string{
		"/":                     {"Shanghai branch", "Chengdu branch", "open incidents", "agent-chengdu", "DRILL"},
		"/incidents":            {"20261121-0042", "20261121-0041", "Find the cause", "provisional"},
		"/incidents?state=all":  {"20260930-0007", "&lt;b&gt;Router&lt;/b&gt; failed", "2026-"},
		"/incidents/01line":     {"SH-0231", "100 % loss across it", "last known before", "overdue", "waits for", "no calendar for 2027", "smtp: connection refused", "Show technical entries (2)", "seen from agent-hq", "What would decide", "branch IT acts at this step"},
		"/incidents/03practice": {"This is a drill: what is measured", `class="practice"`},
		"/practice":             {"UPS loses mains", "The practice branch is whole"},
		"/account":              {"HQ network team", "Asia/Shanghai"},
	} {
		status, _, page := f.as("chen").get(path)
		if status != 200 {
			t.Errorf("%s: %d", path, status)
		}
		for _, w := range want {
			if !strings.Contains(page, w) {
				t.Errorf("%s does not show %q", path, w)
			}
		}
		if strings.Contains(page, "<script>alert") || strings.Contains(page, "<b>Router") {
			t.Errorf("%s: text from outside is not escaped", path)
		}
	}
}

func TestTimesAreInThePersonsZone(t *testing.T) {
	b := newFixture(t).as("chen")
	opened := testNow.Add(-13 * time.Minute)
	for _, c := range []struct {
		zone   string
		offset time.Duration
	}{{"", 8 * time.Hour}, {"UTC", 0}, {"Asia/Tokyo", 9 * time.Hour}} {
		zone, offset := c.zone, c.offset
		if zone != "" {
			b.post("/preferences", "zone", zone, "next", "/account")
		}
		if _, _, page := b.get("/incidents/01line"); !strings.Contains(page, ">"+opened.Add(offset).Format("01-02 15:04:05")+"<") {
			t.Errorf("zone %q: the time of opening is not shown in it", zone)
		}
	}
}

func TestPreferencesAreRemembered(t *testing.T) {
	f := newFixture(t)
	b := f.as("chen")
	if _, at, page := b.post("/preferences", "lang", "zh-CN", "theme", "dark", "next", "/incidents"); at != "/incidents" || !strings.Contains(page, `<html lang="zh-CN" data-theme="dark"`) || !strings.Contains(page, "故障单") {
		t.Errorf("at %s: not in Chinese and dark", at)
	}
	if _, _, page := f.as("chen").get("/"); !strings.Contains(page, `lang="zh-CN"`) {
		t.Error("the language does not follow the person to another browser")
	}
	if _, _, page := b.get("/incidents?state=closed&site="); !strings.Contains(page, `name="next" value="/incidents?state=closed&amp;site="`) {
		t.Error("a change of language would lose the filters")
	}
	b.post("/preferences", "lang", "tlh", "theme", "<x>", "zone", "../../etc/passwd")
	if _, _, page := b.get("/"); !strings.Contains(page, `<html lang="zh-CN" data-theme="dark"`) {
		t.Error("nonsense was taken for a preference")
	}
}

func TestBranchSeesItsOwn(t *testing.T) {
	b := newFixture(t).as("li")
	for path, want := range map[string]int{"/incidents/01line": 200, "/incidents/02ups": 404, "/incidents/02ups/process.svg": 404, "/incidents/01line/site.svg": 200, "/incidents/02ups/site.svg": 404, "/incidents/02ups/charts/charge": 404, "/incidents/nothing": 404, "/nothing": 404} {
		if status, _, _ := b.get(path); status != want {
			t.Errorf("%s: %d, want %d", path, status, want)
		}
	}
	for _, path := range []string{"/", "/incidents", "/incidents?site=chengdu", "/practice"} {
		if _, _, page := b.get(path); strings.Contains(page, "Chengdu") || strings.Contains(page, "20261121-0041") {
			t.Errorf("%s shows another branch", path)
		}
	}
	if status, _, _ := b.post("/incidents/02ups/actions", "offer", "ack"); status != 404 || len(b.acts) != 0 {
		t.Errorf("acted on another branch's incident: %d", status)
	}
}

func TestActing(t *testing.T) {
	for _, c := range []struct {
		name, who, offer, comment string
		refuse                    error
		status                    int
		says                      string
	}{
		{"take", "li", "ack", "", nil, 200, "Done: Take it"},
		{"decide", "li", "decide:circuit", "", nil, 200, "Done: Decide"},
		{"overrule needs a reason", "li", "decide:device", " ", nil, 422, "this needs a comment"},
		{"another's step", "chen", "ack", "", nil, 403, "another role acts here"},
		{"not now", "li", "approve", "", nil, 409, "cannot be done at this step"},
		{"viewer", "guest", "ack", "", nil, 403, "a viewer may not act"},
		{"comment by another role", "chen", "comment", "called them", nil, 200, "Done: Comment"},
		{"changed meanwhile", "li", "ack", "kept words", engine.ErrConflict, 409, "changed meanwhile"},
		{"engine refuses", "li", "ack", "", &api.Refusal{Why: api.NotNow, Text: lang.Same("acked already")}, 409, "acked already"},
		{"nonsense", "li", "<x>", "", nil, 422, "no action"},
	} {
		t.Run(c.name, func(t *testing.T) {
			f := newFixture(t)
			f.refuse = c.refuse
			status, _, page := f.as(c.who).post("/incidents/01line/actions", "offer", c.offer, "comment", c.comment, "key", "k1")
			if status != c.status || !strings.Contains(page, c.says) {
				t.Fatalf("%d, want %d and %q", status, c.status, c.says)
			}
			if wrote := len(f.acts) == 1; wrote != (c.status == 200) {
				t.Errorf("engine called: %v", wrote)
			}
			if c.status == 200 && (f.acts[0].ID != "act-person-u-"+c.who+"-k1" || f.acts[0].Actor.Name != c.who) {
				t.Errorf("act %+v", f.acts[0])
			}
			if c.status != 200 && c.comment == "kept words" && !strings.Contains(page, "kept words</textarea>") {
				t.Error("what was typed is lost")
			}
			es, err := f.store.AuditEntries(t.Context(), 1)
			if err != nil || es[0].Actor != c.who || strings.HasSuffix(es[0].Action, ".refused") != (c.status != 200) {
				t.Errorf("audit %+v, %v", es, err)
			}
		})
	}
}

func TestLiveFragmentsAreParts(t *testing.T) {
	b := newFixture(t).as("chen")
	b.header.Set("HX-Request", "true")
	for _, path := range []string{"/", "/incidents", "/incidents/01line?part=head", "/incidents/01line?part=evidence", "/incidents/01line?part=actions", "/incidents/01line?part=side", "/incidents/01line?part=timeline", "/practice"} {
		if status, _, page := b.get(path); status != 200 || strings.Contains(page, "<html") || len(page) < 40 {
			t.Errorf("%s: %d, %d bytes", path, status, len(page))
		}
	}
	if status, _, _ := b.get("/incidents/01line?part=nothing"); status != 404 {
		t.Errorf("unknown part: %d", status)
	}
	stranger := b.browser()
	stranger.header.Set("HX-Request", "true")
	if status, _, _ := stranger.get("/"); status != 401 {
		t.Errorf("a stranger's fragment: %d", status)
	}
}

func TestOtherSitesCannotWrite(t *testing.T) {
	b := newFixture(t).as("li")
	for _, h := range [][2]string{{"Sec-Fetch-Site", "cross-site"}, {"Origin", "https://evil.example"}} {
		b.header = http.Header{h[0]: {h[1]}}
		if status, _, _ := b.post("/incidents/01line/actions", "offer", "ack"); status != 403 || len(b.acts) != 0 {
			t.Errorf("%s: %s: %d", h[0], h[1], status)
		}
	}
}

func TestHeaders(t *testing.T) {
	f := newFixture(t)
	for _, path := range []string{"/sign-in", "/static/console.js", "/nothing"} {
		resp, err := http.Get(f.srv.URL + path)
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		csp := resp.Header.Get("Content-Security-Policy")
		if !strings.Contains(csp, "default-src 'none'") || strings.Contains(csp, "unsafe") || resp.Header.Get("X-Content-Type-Options") != "nosniff" {
			t.Errorf("%s: %v", path, resp.Header)
		}
	}
}

func TestPagesHaveNoInlineScriptOrStyle(t *testing.T) {
	b := newFixture(t).as("chen")
	for _, path := range []string{"/", "/incidents", "/incidents/01line", "/practice", "/account"} {
		_, _, page := b.get(path)
		for _, bad := range []string{" style=", "<style", "<script>", "onclick=", "onload=", "hx-on", "javascript:"} {
			if strings.Contains(page, bad) {
				t.Errorf("%s contains %q, which the content security policy forbids", path, bad)
			}
		}
	}
}

func TestStaticFiles(t *testing.T) {
	f := newFixture(t)
	a, err := loadAssets()
	if err != nil {
		t.Fatal(err)
	}
	for name := range a.content {
		resp, err := http.Get(f.srv.URL + a.url(name))
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		if resp.StatusCode != 200 || !strings.Contains(resp.Header.Get("Cache-Control"), "immutable") || resp.Header.Get("Content-Type") == "" {
			t.Errorf("%s: %d %v", name, resp.StatusCode, resp.Header)
		}
		if strings.HasPrefix(name, "vendor/") && strings.HasSuffix(name, ".js") {
			licence := strings.Split(name, "-")[0] + "-LICENSE.txt"
			if len(a.content[licence]) == 0 {
				t.Errorf("%s has no licence beside it (%s)", name, licence)
			}
		}
	}
}

func TestEventsTellOfOnesOwn(t *testing.T) {
	f := newFixture(t)
	b := f.as("li")
	resp, err := b.client.Get(f.srv.URL + "/events")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if ct := resp.Header.Get("Content-Type"); ct != "text/event-stream" {
		t.Fatalf("content type %s", ct)
	}
	lines := bufio.NewScanner(resp.Body)
	lines.Scan() // retry: subscribed before this was sent
	f.hub.Publish(Change{ID: "02ups", Site: "chengdu"})
	f.hub.Publish(Change{ID: "01line", Site: "shanghai"})
	for lines.Scan() {
		if data, ok := strings.CutPrefix(lines.Text(), "data: "); ok {
			var got map[string]string
			if err := json.Unmarshal([]byte(data), &got); err != nil || got["id"] != "01line" {
				t.Errorf("told %s: %v", data, err)
			}
			break
		}
	}
	f.hub.Close()
	for lines.Scan() { // ends, since the hub is closed
	}
}

func TestEventsAreBounded(t *testing.T) {
	f := newFixture(t)
	b := f.as("chen")
	for n := range listeners + 1 {
		resp, err := b.client.Get(f.srv.URL + "/events")
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		if want := map[bool]int{true: 200, false: 503}[n < listeners]; resp.StatusCode != want {
			t.Errorf("connection %d: %d, want %d", n+1, resp.StatusCode, want)
		}
	}
	f.hub.Close()
}

func TestSlowListenersAreToldToLookAtEverything(t *testing.T) {
	h, err := NewHub(1, nil)
	if err != nil {
		t.Fatal(err)
	}
	s, err := h.Subscribe()
	if err != nil {
		t.Fatal(err)
	}
	for range queueLen + 5 {
		h.Publish(Change{ID: "i"})
	}
	s.End()
	s.End()
	h.Close()
	var all bool
	for range queueLen {
		all = all || (<-s.C()).ID == ""
	}
	if !all {
		t.Error("changes were missed and nobody was told")
	}
}

func TestChartsAskOnlyWhatIsListed(t *testing.T) {
	f := newFixture(t)
	b := f.as("chen")
	status, _, body := b.get("/incidents/01line/charts/loss")
	var v chartView
	if err := json.Unmarshal([]byte(body), &v); status != 200 || err != nil || len(v.Series) != 2 || v.Series[0].Name != "agent-shanghai · 10.255.2.1" || len(v.Times) != len(v.Series[0].Values) {
		t.Fatalf("%d %v: %.200s", status, err, body)
	}
	if want := `faultline_probe_loss_ratio{device="unicom:line-2"} * 100 or on (device) 100 - 100 * probe_success{device="unicom:line-2"}`; f.exprs[0] != want {
		t.Errorf("asked %s", f.exprs[0])
	}
	for _, path := range []string{"/incidents/01line/charts/temperature", "/incidents/01line/charts/up", "/incidents/01line/charts/loss%7D", "/incidents/nothing/charts/loss"} {
		if status, _, _ := b.get(path); status != 404 {
			t.Errorf("%s: %d", path, status)
		}
	}
	if len(f.exprs) != 1 {
		t.Errorf("asked as well: %v", f.exprs[1:])
	}
}

func TestChartRange(t *testing.T) {
	at := time.Date(2026, 11, 21, 14, 0, 0, 0, time.UTC)
	for name, c := range map[string]struct {
		i          incident.Incident
		start, end time.Time
	}{
		"open":      {incident.Incident{OpenedAt: at, FaultAt: at.Add(-time.Minute)}, at.Add(-31 * time.Minute), at.Add(time.Hour)},
		"verified":  {incident.Incident{OpenedAt: at, VerifiedAt: at.Add(20 * time.Minute)}, at.Add(-30 * time.Minute), at.Add(30 * time.Minute)},
		"days long": {incident.Incident{OpenedAt: at.Add(-72 * time.Hour)}, at.Add(-23 * time.Hour), at.Add(time.Hour)},
	} {
		if start, end := chartRange(c.i, at.Add(time.Hour)); !start.Equal(c.start) || !end.Equal(c.end) {
			t.Errorf("%s: %s to %s", name, start, end)
		}
	}
}

func TestPractising(t *testing.T) {
	f := newFixture(t)
	if status, _, _ := f.as("guest").post("/practice", "break", "line"); status != 403 || len(f.broken) != 0 {
		t.Errorf("a viewer broke something: %d", status)
	}
	b := f.as("chen")
	if _, _, page := b.post("/practice", "break", "line"); !strings.Contains(page, "broken") || len(f.Broken()) != 1 {
		t.Error("not broken")
	}
	if _, _, page := b.post("/practice", "mend", "1"); !strings.Contains(page, "is whole") || len(f.Broken()) != 0 {
		t.Error("not mended")
	}
}

func TestTooLargeForm(t *testing.T) {
	if status, _, _ := newFixture(t).as("li").post("/incidents/01line/actions", "offer", "ack", "comment", strings.Repeat("x", 70000)); status != 413 {
		t.Errorf("%d", status)
	}
}
