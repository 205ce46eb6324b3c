package web

import (
	"context"
	"encoding/json"
	"io/fs"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/faultline/faultline/collector/api"
	"github.com/faultline/faultline/collector/drill"
	"github.com/faultline/faultline/collector/engine"
	"github.com/faultline/faultline/collector/incident"
	"github.com/faultline/faultline/collector/inventory"
	"github.com/faultline/faultline/collector/process"
	"github.com/faultline/faultline/collector/scenario"
	"github.com/faultline/faultline/collector/writeup"
	"github.com/faultline/faultline/internal/lang"
	"github.com/faultline/faultline/rules"
)

// drillShelf keeps drills in memory; its incidents are the fixture's.
type drillShelf struct {
	shelf
	*fixture
}

func (s drillShelf) KVList(_ context.Context, prefix string) (map[string]string, error) {
	out := map[string]string{}
	for k, v := range s.shelf {
		if strings.HasPrefix(k, prefix) {
			out[k] = v
		}
	}
	return out, nil
}

// restingEngine plays nothing.
type restingEngine struct{}

func (restingEngine) HandleDrill(context.Context, engine.DrillRound) error { return nil }
func (restingEngine) EndDrill(context.Context, string, incident.Actor, string) (int, error) {
	return 0, nil
}
func (restingEngine) Incidents(context.Context) ([]*incident.Incident, error) { return nil, nil }

// TestDrillsOnTheConsole: who may lead one is offered the stories, everybody who
// sees the site sees how it went, and every page says that it is a drill.
func TestDrillsOnTheConsole(t *testing.T) {
	kept := drillShelf{shelf: shelf{}}
	f := newFixture(t, func(o *Options) {
		o.Drills = &api.Drills{Desk: drillDesk(t, &kept, o), Report: func(_ context.Context, r drill.Record, language string, zone *time.Location) writeup.Document {
			return r.Report(drill.Names{Zone: zone, Word: Words(language)}, testNow, language)
		}}
	})
	kept.fixture = f
	over := drill.Record{ID: "over", State: drill.Ended, Story: "line-cut", Title: lang.Text{ZH: "专线中断", EN: "A leased line is cut"}, Brief: lang.Text{ZH: "中断", EN: "cut"}, Site: "shanghai", Leader: "chen", StartedAt: testNow.Add(-time.Hour), EndedAt: testNow, Reason: drill.ReasonStopped, Words: "<b>enough</b>", Truth: scenario.Truth{Class: incident.ClassCarrierLine, Vendor: incident.VendorCarrier},
		Score: &drill.Score{Points: 73, Parts: []drill.Part{{ID: drill.PartAnswer, Points: 25, Most: 25}, {ID: drill.PartDecisions}}, Decisions: []drill.Decision{{Number: "1", By: "li", Choice: "device", Truth: "circuit", Worth: drill.Wrong, Overruled: true}}}}
	on := drill.Record{ID: "on", State: drill.Running, Title: lang.Text{ZH: "机房高温", EN: "The room is hot"}, Brief: lang.Text{ZH: "热", EN: "hot"}, Site: "shanghai", Leader: "chen", StartedAt: testNow, Limit: testNow.Add(time.Hour)}
	for _, r := range []drill.Record{over, on} {
		b, err := json.Marshal(r)
		if err != nil {
			t.Fatal(err)
		}
		kept.shelf["drill/"+r.ID] = string(b)
	}
	kept.shelf["drill-ticket/on/k"] = `{"key":"k","at":"2026-11-22T03:00:00Z","vendor":"telecom","subject":"【演练】x","body":"*** DRILL <i>"}`
	for _, c := range []struct {
		who, path, language string
		status              int
		want, not           []string
	}{
		{"chen", "/drills", "en", 200, []string{"A leased line is cut", "DRILL", "73", `name="story"`, `value="line-cut"`, "Start a drill"}, nil},
		{"li", "/drills", "zh-CN", 200, []string{"专线中断", "演练由流程负责人"}, []string{`name="story"`}},
		{"chen", "/drills/on", "zh-CN", 200, []string{"机房高温", "演练", `value="repair"`, `value="stop"`, "【演练】x", "*** DRILL &lt;i&gt;"}, []string{`value="sign"`}},
		{"li", "/drills/on", "en", 200, []string{"The room is hot", "DRILL"}, []string{`value="repair"`, `value="stop"`}},
		{"chen", "/drills/over", "en", 200, []string{"73 / 100", "against the evidence", "the truth: circuit", "&lt;b&gt;enough&lt;/b&gt;", `value="sign"`, "nothing to judge"}, []string{`value="repair"`}},
		{"chen", "/drills/over/report", "en", 200, []string{"DRILL", "73", "carrier line"}, []string{"<b>enough</b>"}},
		{"chen", "/drills/none", "en", 404, nil, nil},
	} {
		b := f.as(c.who)
		b.header.Set("Accept-Language", c.language)
		status, _, page := b.get(c.path)
		if status != c.status {
			t.Errorf("%s %s: %d, want %d\n%.400s", c.who, c.path, status, c.status, page)
		}
		for _, want := range c.want {
			if !strings.Contains(page, want) {
				t.Errorf("%s %s lacks %q", c.who, c.path, want)
			}
		}
		for _, not := range c.not {
			if strings.Contains(page, not) {
				t.Errorf("%s %s has %q", c.who, c.path, not)
			}
		}
	}
	if code, _, page := f.as("chen").post("/drills", "site", "shanghai", "story", "nothing", "limit", "30"); code != http.StatusUnprocessableEntity || !strings.Contains(page, `value="30"`) {
		t.Errorf("an unknown story: %d, or what was typed is lost", code)
	}
	if code, _, _ := f.as("li").post("/drills", "site", "shanghai", "story", "line-cut"); code != http.StatusForbidden {
		t.Errorf("a branch starts a drill: %d", code)
	}
	if code, _, _ := f.as("chen").post("/drills/over", "action", "sign", "name", "陈工"); code >= 400 {
		t.Errorf("signed: %d", code)
	}
	if !strings.Contains(kept.shelf["drill/over"], `"name":"陈工"`) || !f.audited("drill.sign") {
		t.Errorf("the signature is not kept: %s", kept.shelf["drill/over"])
	}
}

func drillDesk(t *testing.T, kept *drillShelf, o *Options) *drill.Desk {
	t.Helper()
	dir, err := fs.Sub(rules.FS(), "drills")
	if err != nil {
		t.Fatal(err)
	}
	stories, err := scenario.LoadStories(dir)
	if err != nil {
		t.Fatal(err)
	}
	if dir, err = fs.Sub(rules.FS(), "processes"); err != nil {
		t.Fatal(err)
	}
	set, err := process.Load(dir)
	if err != nil {
		t.Fatal(err)
	}
	d, err := drill.New(drill.Options{Store: kept, Engine: restingEngine{}, Leads: func() bool { return true }, Stories: func() []*scenario.Story { return stories }, Rules: func() *scenario.Rules { return nil },
		Inventory: func() *inventory.Inventory { return o.Inventory() }, Processes: func() *process.Set { return set }, Record: o.Accounts.Record, Dir: t.TempDir(), Now: func() time.Time { return testNow }})
	if err != nil {
		t.Fatal(err)
	}
	return d
}
