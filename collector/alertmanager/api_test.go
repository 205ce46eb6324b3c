package alertmanager

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/faultline/faultline/collector/account"
	"github.com/faultline/faultline/collector/alert"
	"github.com/faultline/faultline/collector/incident"
	"github.com/faultline/faultline/internal/lang"
)

// call makes a request and decodes the answer into out, if any.
func (f *fixture) call(method, path, body string, out any) int {
	f.t.Helper()
	req, err := http.NewRequestWithContext(f.t.Context(), method, f.base()+path, strings.NewReader(body))
	if err != nil {
		f.t.Fatal(err)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		f.t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	raw, err := io.ReadAll(resp.Body)
	if err != nil {
		f.t.Fatal(err)
	}
	if out != nil {
		if err := json.Unmarshal(raw, out); err != nil {
			f.t.Fatalf("%s %s: %d, %v: %s", method, path, resp.StatusCode, err, raw)
		}
	}
	return resp.StatusCode
}

// TestDuplicateKey takes what vmalert writes: a key twice, the last counts.
func TestDuplicateKey(t *testing.T) {
	f := newFixture(t)
	if code := f.call("POST", "/api/v2/alerts", `[{"startsAt":"2026-11-21T19:59:37.444831739Z","labels":{"alertname":"VmaDown","alertgroup":"g","alertname":"VmaDown","severity":"major"},"annotations":{"summary":"线路 1"}}]`, nil); code != 200 {
		t.Fatalf("answered %d", code)
	}
	if d := cmp.Diff(f.board.Alerts()[0].Labels, map[string]string{"alertname": "VmaDown", "alertgroup": "g", "severity": "major"}); d != "" {
		t.Error(d)
	}
}

func TestPostAlerts(t *testing.T) {
	f := newFixture(t)
	tests := []struct {
		name, body string
		code, open int
	}{
		{"nothing", `[]`, 200, 0},
		{"no JSON", `{`, 400, 0},
		{"an object", `{"labels":{}}`, 400, 0},
		{"no labels", `[{"labels":{}}]`, 400, 0},
		{"empty labels do not count", `[{"labels":{"a":""}}]`, 400, 0},
		{"ends before it starts", `[{"labels":{"alertname":"x"},"startsAt":"2026-11-21T08:00:00Z","endsAt":"2026-11-21T07:00:00Z"}]`, 400, 0},
		{"wrong time", `[{"labels":{"alertname":"x"},"startsAt":"yesterday"}]`, 400, 0},
		{"the sound one of two", `[{"labels":{"alertname":"good","empty":""}},{"labels":{}}]`, 400, 1},
		{"its end", `[{"labels":{"alertname":"good"},"endsAt":"` + time.Now().Add(-time.Millisecond).UTC().Format(time.RFC3339Nano) + `"}]`, 200, 0},
		{"any label name", `[{"labels":{"alertname":"x","站点.名":"上海"}}]`, 200, 1},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if code := f.call("POST", "/api/v2/alerts", tt.body, nil); code != tt.code || len(f.board.Alerts()) != tt.open {
				t.Errorf("%d with %d open, want %d with %d", code, len(f.board.Alerts()), tt.code, tt.open)
			}
		})
	}
	if code := f.call("POST", "/api/v2/alerts", "["+strings.Repeat(" ", maxBody)+"]", nil); code != http.StatusRequestEntityTooLarge {
		t.Errorf("too large: %d", code)
	}
}

// TestTimeout resolves what names no end and is not repeated.
func TestTimeout(t *testing.T) {
	f := newFixture(t)
	post := func() { f.call("POST", "/api/v2/alerts", `[{"labels":{"alertname":"x"}}]`, nil) }
	pass := func(d time.Duration) { f.mu.Lock(); f.shift += d; f.mu.Unlock() }
	for range 4 {
		post()
		pass(4 * time.Minute)
		if len(f.board.Alerts()) != 1 {
			t.Fatal("resolved although it is repeated")
		}
	}
	pass(time.Minute + time.Second)
	if len(f.board.Alerts()) != 0 {
		t.Fatal("open although nobody repeats it")
	}
	var all []shown
	if f.call("GET", "/api/v2/alerts", "", &all); len(all) != 0 {
		t.Errorf("shown %+v", all)
	}
}

func TestGetAlerts(t *testing.T) {
	f := newFixture(t)
	f.call("POST", "/api/v2/alerts", `[{"labels":{"alertname":"A","site":"b2","device":"rt"},"generatorURL":"http://p"},{"labels":{"alertname":"B","site":"b2","device":"rt"}},{"labels":{"alertname":"C","site":"b3"}}]`, nil)
	f.call("POST", "/api/v2/silences", silence(`{"name":"alertname","value":"B","isRegex":false,"isEqual":true}`, -time.Hour, time.Hour), nil)
	for query, want := range map[string][]string{
		"": {"A", "B", "C"}, "?active=false": {"B"}, "?silenced=false": {"A", "C"}, "?filter=site%3Db3": {"C"}, "?filter=alertname%3D~%22A%7CB%22&filter=device%3Drt": {"A", "B"},
		"?receiver=fault.*": {"A", "B", "C"}, "?receiver=mail": nil, "?inhibited=false&unprocessed=false": {"A", "B", "C"},
	} {
		var all []shown
		if code := f.call("GET", "/api/v2/alerts"+query, "", &all); code != 200 {
			t.Errorf("%s: %d", query, code)
		}
		var names []string
		for _, a := range all {
			names = append(names, a.Labels["alertname"])
			if a.Labels["alertname"] == "B" && (a.Status.State != "suppressed" || len(a.Status.SilencedBy) != 1) {
				t.Errorf("B is %+v", a.Status)
			}
		}
		slices.Sort(names)
		if !slices.Equal(names, want) {
			t.Errorf("%s: %v, want %v", query, names, want)
		}
	}
	for _, bad := range []string{"?active=maybe", "?filter=%3D", "?receiver=("} {
		if code := f.call("GET", "/api/v2/alerts"+bad, "", nil); code != 400 {
			t.Errorf("%s: %d", bad, code)
		}
	}
	var groups []group
	f.call("GET", "/api/v2/alerts/groups", "", &groups)
	sizes := map[string]int{}
	for _, g := range groups {
		sizes[fmt.Sprint(g.Labels)] = len(g.Alerts)
	}
	if d := cmp.Diff(sizes, map[string]int{"map[device:rt site:b2]": 2, "map[site:b3]": 1}); d != "" {
		t.Error(d)
	}
	// The members that the API's description requires, and lists that are no null.
	var raw []map[string]json.RawMessage
	f.call("GET", "/api/v2/alerts", "", &raw)
	for _, field := range []string{"annotations", "endsAt", "fingerprint", "receivers", "startsAt", "status", "updatedAt", "labels"} {
		if len(raw[0][field]) == 0 || bytes.Contains(raw[0][field], []byte("null")) {
			t.Errorf("%s is %s", field, raw[0][field])
		}
	}
	var status struct{ Config, VersionInfo, Cluster map[string]any }
	if code := f.call("GET", "/api/v2/status", "", &status); code != 200 || status.VersionInfo["version"] != Speaks || status.Cluster["status"] != "disabled" {
		t.Errorf("status %d %+v", code, status)
	}
	var rs []receiver
	if f.call("GET", "/api/v2/receivers", "", &rs); len(rs) != 1 || rs[0].Name != ReceiverName {
		t.Errorf("receivers %+v", rs)
	}
}

// silence is the body of a silence from now.
func silence(matchers string, from, to time.Duration) string {
	stamp := func(d time.Duration) string { return time.Now().Add(d).UTC().Format(time.RFC3339Nano) }
	return `{"matchers":[` + matchers + `],"startsAt":"` + stamp(from) + `","endsAt":"` + stamp(to) + `","createdBy":"li","comment":"割接"}`
}

func TestSites(t *testing.T) {
	f := newFixture(t)
	all := account.Principal{Kind: account.KindProgram, Name: "prom", Roles: []string{"hq_network"}}
	branch := account.Principal{Kind: account.KindPerson, Name: "wang", Roles: []string{"branch_it"}, Sites: []string{"b2"}}
	viewer := account.Principal{Kind: account.KindPerson, Name: "look", Roles: []string{account.RoleViewer}}
	f.ask(viewer)
	if code := f.call("POST", "/api/v2/alerts", `[{"labels":{"alertname":"A"}}]`, nil); code != 403 {
		t.Errorf("a viewer posts: %d", code)
	}
	f.ask(branch)
	if code := f.call("POST", "/api/v2/alerts", `[{"labels":{"alertname":"A"}},{"labels":{"alertname":"X","site":"b3"}}]`, nil); code != 400 {
		t.Errorf("another's site: %d", code)
	}
	got := f.board.Alerts()
	if len(got) != 1 || got[0].Labels["site"] != "b2" || got[0].Sender != "wang" || got[0].Fingerprint != alert.Fingerprint(got[0].Labels) {
		t.Fatalf("%+v", got)
	}
	var made struct{ SilenceID string }
	everything := silence(`{"name":"alertname","value":".+","isRegex":true}`, -time.Minute, time.Hour)
	f.call("POST", "/api/v2/silences", everything, &made)
	f.ask(all)
	f.call("POST", "/api/v2/alerts", `[{"labels":{"alertname":"B","site":"b3"}}]`, nil)
	var list []shown
	f.call("GET", "/api/v2/alerts?silenced=false", "", &list)
	if len(list) != 1 || list[0].Labels["alertname"] != "B" {
		t.Errorf("the branch silenced others: %+v", list)
	}
	var global struct{ SilenceID string }
	f.call("POST", "/api/v2/silences", silence(`{"name":"alertname","value":"B"}`, -time.Minute, time.Hour), &global)
	f.ask(branch)
	f.call("GET", "/api/v2/alerts", "", &list)
	if len(list) != 1 || list[0].Labels["alertname"] != "A" {
		t.Errorf("the branch sees %+v", list)
	}
	if code := f.call("DELETE", "/api/v2/silence/"+global.SilenceID, "", nil); code != 403 {
		t.Errorf("the branch ends another's silence: %d", code)
	}
	var s shownSilence
	if code := f.call("GET", "/api/v2/silence/"+made.SilenceID, "", &s); code != 200 || s.CreatedBy != "wang (li)" {
		t.Errorf("%d, by %q", code, s.CreatedBy)
	}
	if code := f.call("DELETE", "/api/v2/silence/"+made.SilenceID, "", nil); code != 200 {
		t.Errorf("its own: %d", code)
	}
	if code := f.call("GET", "/api/v2/silence/nothing", "", nil); code != 404 {
		t.Errorf("unknown: %d", code)
	}
}

// TestSilenceStores runs both stores through the same story.
func TestSilenceStores(t *testing.T) {
	now := time.Date(2026, 11, 21, 8, 0, 0, 0, time.UTC)
	for name, store := range map[string]Silences{"memory": &Memory{}, "stored": Stored{&kv{}}} {
		t.Run(name, func(t *testing.T) {
			ctx := context.Background()
			s := Silence{Matchers: []Matcher{{Name: "site", Value: "b.", IsRegex: true, IsEqual: true}}, StartsAt: now.Add(time.Hour), EndsAt: now.Add(2 * time.Hour), CreatedBy: "li", Comment: "c"}
			put := func(s Silence, at time.Time) string {
				t.Helper()
				have, err := store.Silences(ctx)
				if err != nil {
					t.Fatal(err)
				}
				write, id, err := change(have, s, at)
				if err != nil {
					t.Fatal(err)
				}
				if err := store.PutSilences(ctx, write...); err != nil {
					t.Fatal(err)
				}
				return id
			}
			id := put(s, now)
			s.ID, s.EndsAt = id, now.Add(3*time.Hour)
			if again := put(s, now); again != id {
				t.Errorf("a pending silence that moves is %s, was %s", again, id)
			}
			have, err := store.Silences(ctx)
			if err != nil || len(have) != 1 || have[0].State(now) != Pending || !have[0].Mutes(map[string]string{"site": "b2"}, now.Add(90*time.Minute)) || have[0].Mutes(map[string]string{"site": "b22"}, now.Add(90*time.Minute)) {
				t.Fatalf("%+v, %v", have, err)
			}
			s.Matchers = []Matcher{{Name: "site", Value: "b3", IsEqual: true}} // another thing: the old one ends
			if other := put(s, now.Add(90*time.Minute)); other == id {
				t.Error("a silence of something else keeps its ID")
			}
			have, err = store.Silences(ctx)
			states := []string{}
			for _, x := range have {
				states = append(states, x.State(now.Add(91*time.Minute)))
			}
			slices.Sort(states)
			if err != nil || !slices.Equal(states, []string{Active, Expired}) {
				t.Errorf("%v, %v", states, err)
			}
			s.ID = "gone"
			if _, _, err := change(have, s, now); !errors.Is(err, errUnknown) {
				t.Errorf("unknown: %v", err)
			}
			h := &Handler{o: Options{Silences: store, Now: func() time.Time { return now.Add(200 * time.Hour) }}}
			if err := h.Prune(ctx); err != nil {
				t.Fatal(err)
			}
			if have, err := store.Silences(ctx); err != nil || len(have) != 0 {
				t.Errorf("after pruning %+v, %v", have, err)
			}
		})
	}
}

// TestMute never takes an alert from an incident that owns it.
func TestMute(t *testing.T) {
	now := time.Now()
	s := Silence{ID: "s", Matchers: []Matcher{{Name: "site", Value: "b2", IsEqual: true}}, StartsAt: now.Add(-time.Minute), EndsAt: now.Add(time.Minute)}
	firing := []alert.Alert{{Fingerprint: "1", Labels: map[string]string{"site": "b2"}}, {Fingerprint: "2", Labels: map[string]string{"site": "b2"}}, {Fingerprint: "3", Labels: map[string]string{"site": "b3"}}}
	kept, muted := Mute(firing, []Silence{s}, func(fp string) bool { return fp == "2" }, now)
	if len(kept) != 2 || len(muted) != 1 || muted[0].Fingerprint != "1" {
		t.Errorf("kept %+v, muted %+v", kept, muted)
	}
	if kept, _ = Mute(firing, []Silence{s}, nil, now.Add(time.Hour)); len(kept) != 3 {
		t.Errorf("an expired silence mutes: %+v", kept)
	}
}

func TestWebhookOf(t *testing.T) {
	at := time.Date(2026, 11, 21, 8, 0, 0, 0, time.UTC)
	i := incident.Incident{ID: "ab12", Number: "20261121-0042", State: incident.StateOpen, Severity: "major", OpenedAt: at, VendorName: "甲运营商",
		Diagnosis: incident.Diagnosis{Class: "carrier_line", Site: "b2", Device: "line-2", Process: "network", Title: lang.Text{ZH: "专线中断", EN: "line down"}},
		Alerts: []incident.AlertRef{{Fingerprint: "f1", Name: "LineDown", Labels: map[string]string{"device": "line-2"}, Firing: true, Since: at},
			{Fingerprint: "f2", Name: "HostDown", Labels: map[string]string{"device": "h1"}, Since: at, ResolvedAt: at.Add(time.Minute)}}}
	w := WebhookOf(i, "https://noc.example.com/incidents/ab12", lang.ZH)
	if w.Status != "firing" || w.GroupKey != `{}:{incident="20261121-0042"}` || w.Version != "4" || w.CommonLabels["site"] != "b2" || w.CommonLabels["device"] != "" || w.CommonAnnotations["summary"] != "专线中断" {
		t.Errorf("%+v", w)
	}
	if a := w.Alerts; a[0].Status != "firing" || !a[0].EndsAt.IsZero() || a[1].Status != "resolved" || !a[1].EndsAt.Equal(at.Add(time.Minute)) || a[1].Labels["device"] != "h1" || a[1].Labels["alertname"] != "HostDown" {
		t.Errorf("%+v", w.Alerts)
	}
	if !strings.Contains(string(w.JSON()), `"endsAt":"0001-01-01T00:00:00Z"`) {
		t.Errorf("a firing alert's end: %s", w.JSON())
	}
	// What we send we understand.
	back, err := ParseWebhook(w.JSON(), at.Add(time.Hour))
	if err != nil || len(back) != 2 || back[0].Resolved(at.Add(48*time.Hour)) || !back[1].Resolved(at.Add(time.Hour)) {
		t.Errorf("%+v, %v", back, err)
	}
	i.State, i.VerifiedAt, i.Alerts = incident.StateVerified, at.Add(2*time.Minute), nil
	if w = WebhookOf(i, "u", lang.EN); w.Status != "resolved" || len(w.Alerts) != 1 || !w.Alerts[0].EndsAt.Equal(at.Add(2*time.Minute)) {
		t.Errorf("reported and verified: %+v", w)
	}
}
