package knowledge

import (
	"slices"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/faultline/faultline/collector/incident"
	"github.com/faultline/faultline/internal/lang"
)

func TestWords(t *testing.T) {
	for text, want := range map[string]string{
		"专线中断":                     "专线 线中 中断",
		"网络的故障":                    "网络 故障",
		"断 了":                      "断",
		"UPS电池，告警":                 "ups 电池 告警",
		"ＧＥ０／０／１ down":             "ge0/0/1 ge0 down",
		"S5720-56C-PWR-EI-AC":      "s5720-56c-pwr-ei-ac s5720 56c pwr ei ac",
		"flapping ports flapped":   "flap port flap",
		"batteries addresses loss": "battery address loss",
		"ORA-01653: unable":        "ora-01653 ora 01653 unabl",
		"the of and":               "",
		"10.1.2.3":                 "10.1.2.3 10",
		"":                         "",
	} {
		if got := strings.Join(Words(text), " "); got != want {
			t.Errorf("%q: %q, want %q", text, got, want)
		}
	}
}

func FuzzWords(f *testing.F) {
	f.Add("专线 S5720-56C ＧＥ０／０／１ \x00\xff")
	f.Fuzz(func(t *testing.T, s string) {
		words := Words(s)
		if len(words) > maxWords {
			t.Fatalf("%d words", len(words))
		}
		for _, w := range words {
			if w == "" || len(w) > maxWordSize || !utf8.ValidString(w) || strings.ContainsAny(w, " \"'\\\t\n\x00") {
				t.Fatalf("word %q", w)
			}
		}
	})
}

func closedIncident(t *testing.T) (incident.Incident, []incident.Event) {
	t.Helper()
	start := time.Date(2026, 11, 20, 2, 0, 0, 0, time.UTC)
	at := func(m int) time.Time { return start.Add(time.Duration(m) * time.Minute) }
	branch := incident.Actor{Kind: "person", ID: "li", Name: "李工", Role: "branch_it"}
	d := &incident.Diagnosis{Cause: "line/l2", Class: incident.ClassCarrierLine, Site: "branch-1", Device: "carrier-a:line-2", Title: lang.Text{ZH: "分公司专线中断", EN: "leased line of the branch down"},
		Proof: lang.Text{ZH: "对端无光", EN: "no light at the far end"}}
	events := []incident.Event{
		{Kind: incident.Opened, At: at(0), Number: "20261120-0001", Diagnosis: d, Process: "network", ProcessVersion: "network@1#x"},
		{Kind: incident.AlertJoined, At: at(0), Alert: &incident.AlertRef{Fingerprint: "f", Name: "LineDown", Firing: true, Summary: lang.Text{ZH: "专线不通", EN: "line is down"}}},
		{Kind: incident.Entered, At: at(0), Step: "triage"},
		{Kind: incident.Decided, At: at(7), Actor: branch, Step: "triage", Choice: "circuit", Comment: "光猫 LOS 灯亮，口令 hunter2"},
		{Kind: incident.VendorReported, At: at(95), Actor: incident.Actor{Kind: "vendor", Name: "Carrier A"}, Choice: "reported_fixed", Comment: "光缆已熔接"},
		{Kind: incident.AlertResolved, At: at(96), Alert: &incident.AlertRef{Fingerprint: "f", Name: "LineDown"}},
		{Kind: incident.Verified, At: at(111), Proof: lang.Text{ZH: "15 分钟无丢包", EN: "no loss for 15 min"}},
		{Kind: incident.Closed, At: at(120), Actor: branch, Reason: "confirmed"},
	}
	for n := range events {
		events[n].IncidentID = "i1"
	}
	i, err := incident.Fold(events)
	if err != nil {
		t.Fatal(err)
	}
	return i, events
}

func TestDraftFromIncident(t *testing.T) {
	i, events := closedIncident(t)
	about := About{DeviceKind: "router", Model: "AR6280", Vendor: "Huawei", Owner: "hq_network",
		Step: func(id string) lang.Text {
			return map[string]lang.Text{"triage": {ZH: "故障原因分析判断", EN: "judge the cause"}}[id]
		},
		Choice: func(_, id string) lang.Text {
			return map[string]lang.Text{"circuit": {ZH: "专线故障", EN: "line fault"}}[id]
		},
		Clean: func(s string) string { return strings.ReplaceAll(s, "hunter2", "***") }}
	e, ok := FromIncident(i, events, about, t0)
	if !ok || e.State != Draft || e.ID != "kb-i1" || e.Class != incident.ClassCarrierLine || !slices.Equal(e.Incidents, []string{"20261120-0001"}) || !slices.Equal(e.Models, []string{"AR6280"}) {
		t.Fatalf("%+v, %v", e, ok)
	}
	if err := e.Check(t0); err != nil {
		t.Error(err)
	}
	want := lang.Text{
		ZH: "+0:07 branch_it 在「故障原因分析判断」判断为「专线故障」：光猫 LOS 灯亮，口令 ***\n+1:35 Carrier A 回复 reported_fixed：光缆已熔接\n恢复依据：15 分钟无丢包",
		EN: "+0:07 branch_it decided in judge the cause: line fault: 光猫 LOS 灯亮，口令 ***\n+1:35 Carrier A answered reported_fixed: 光缆已熔接\nproof of recovery: no loss for 15 min",
	}
	if e.Solution != want {
		t.Errorf("solution\n%s\n%s", e.Solution.ZH, e.Solution.EN)
	}
	if e.Symptoms.ZH != "专线不通" || e.Cause.EN != "leased line of the branch down\nno light at the far end" {
		t.Errorf("symptoms %q, cause %q", e.Symptoms.ZH, e.Cause.EN)
	}
	if strings.Contains(e.Solution.ZH+e.Solution.EN, "李工") {
		t.Error("a person is named")
	}
	for name, change := range map[string]func(*incident.Incident, *[]incident.Event){
		"open":        func(i *incident.Incident, _ *[]incident.Event) { i.State = incident.StateVerified },
		"folded":      func(i *incident.Incident, _ *[]incident.Event) { i.ParentID = "i0" },
		"self-healed": func(_ *incident.Incident, e *[]incident.Event) { *e = slices.Concat((*e)[:3], (*e)[5:]) },
	} {
		i, events := closedIncident(t)
		change(&i, &events)
		if _, ok := FromIncident(i, events, about, t0); ok {
			t.Errorf("%s: a draft", name)
		}
	}
}
