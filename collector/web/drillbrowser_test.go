package web

import (
	"encoding/json"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/faultline/faultline/collector/api"
	"github.com/faultline/faultline/collector/drill"
	"github.com/faultline/faultline/collector/incident"
	"github.com/faultline/faultline/collector/scenario"
	"github.com/faultline/faultline/internal/lang"
)

// drillsToSee are one that runs and one that is over, with the fixture's incidents.
func drillsToSee() []drill.Record {
	title, brief := lang.Text{ZH: "专线中断", EN: "A leased line is cut"}, lang.Text{ZH: "分公司的一条专线在施工中被挖断。", EN: "Works cut one of the branch's leased lines."}
	at := func(d time.Duration) time.Time { return testNow.Add(d) }
	log := []drill.Entry{{Seq: 1, At: at(-time.Hour), By: "chen", Act: drill.ActStarted}, {Seq: 2, At: at(-40 * time.Minute), By: "chen", Act: drill.ActRepaired}}
	on := drill.Record{ID: "on", State: drill.Running, Title: title, Brief: brief, Site: "shanghai", Leader: "chen", StartedAt: at(-time.Hour), Limit: at(time.Hour), RepairBy: at(30 * time.Minute),
		Incidents: []drill.Chain{{ID: "01line"}}, Log: log[:1]}
	over := on
	over.ID, over.State, over.Reason, over.EndedAt, over.MendedAt = "over", drill.Ended, drill.ReasonFinished, at(-10*time.Minute), at(-40*time.Minute)
	over.Truth, over.Log = scenario.Truth{Class: incident.ClassCarrierLine, Vendor: incident.VendorCarrier}, append(log, drill.Entry{Seq: 3, At: at(-10 * time.Minute), By: "system", Act: drill.ActEnded}, drill.Entry{Seq: 4, At: at(-10 * time.Minute), By: "system", Act: drill.ActScored})
	over.Score = &drill.Score{Points: 83, Parts: []drill.Part{{ID: drill.PartAnswer, Points: 25, Most: 25}, {ID: drill.PartDecisions, Points: 20, Most: 30}, {ID: drill.PartClocks, Points: 25, Most: 25}, {ID: drill.PartEnd, Points: 13, Most: 20}},
		Decisions: []drill.Decision{{Number: "20261121-0042", Step: "triage", By: "li", Choice: "device", Truth: "circuit", Worth: drill.Wrong, Overruled: true}, {Number: "20990101-0001", By: "li", Choice: "ok", Worth: drill.Unjudged}}}
	return []drill.Record{on, over}
}

// TestDrillInChromium looks at a single drill's page while it runs and when it is
// over; FAULTLINE_SCREENSHOTS keeps the pictures.
func TestDrillInChromium(t *testing.T) {
	if testing.Short() {
		t.Skip("short: pages are not driven in a browser")
	}
	browser := chromium(t)
	kept := drillShelf{shelf: shelf{}}
	f := newFixture(t, func(o *Options) {
		o.Drills = &api.Drills{Desk: drillDesk(t, &kept, o)}
		o.ChoiceTitle = func(_ incident.Incident, choice string) lang.Text {
			return map[string]lang.Text{"device": {ZH: "设备故障", EN: "The device"}, "circuit": {ZH: "专线故障", EN: "The leased line"}}[choice]
		}
	})
	kept.fixture = f
	for _, r := range drillsToSee() {
		b, err := json.Marshal(r)
		if err != nil {
			t.Fatal(err)
		}
		kept.shelf["drill/"+r.ID] = string(b)
		kept.shelf["drill-ticket/"+r.ID+"/k"] = `{"key":"01line/1/ticket","at":"2026-11-22T03:00:00Z","vendor":"telecom","subject":"【演练】[FL#20261121-0001] 上海分公司 专线中断 SH-0231","body":"*** 演练 DRILL ***\n线路 SH-0231 中断，请派人处理。\n"}`
	}
	f.wait.Store(int64(1500 * time.Millisecond))
	for _, look := range []struct {
		id, name, language, theme string
		width, height             int
		want                      string
	}{{"on", "drill-on-zh", "zh-CN", "light", 1440, 1300, "专线中断"}, {"on", "drill-on-en-phone", "en", "dark", 500, 2200, "A leased line is cut"},
		{"over", "drill-over-zh-phone", "zh-CN", "dark", 500, 2600, "设备故障"}, {"over", "drill-over-en", "en", "light", 1440, 1500, "the truth: The leased line"}} {
		q := url.Values{"as": {"chen"}, "lang": {look.language}, "theme": {look.theme}, "next": {"/drills/" + look.id}}
		dom, _ := drive(t, browser, f.srv.URL+"/test-sign-in?"+q.Encode(), look.name, look.language, look.width, look.height)
		if !strings.Contains(dom, look.want) {
			t.Errorf("%s: the page lacks %q", look.name, look.want)
		}
	}
}
