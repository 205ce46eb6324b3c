package writeup

import (
	"archive/zip"
	"bytes"
	"encoding/xml"
	"errors"
	"io"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/faultline/faultline/collector/incident"
	"github.com/faultline/faultline/internal/lang"
)

var t0 = time.Date(2026, 2, 13, 8, 30, 0, 0, time.UTC)

// story is a line that was cut, with what people and vendors did; it has text
// that would be markup where it is not escaped.
func story(t *testing.T) (View, []incident.Event) {
	t.Helper()
	text := func(zh, en string) lang.Text { return lang.Text{ZH: zh, EN: en} }
	value := 100.0
	d := incident.Diagnosis{Cause: "line/u:2", Class: incident.ClassCarrierLine, Site: "shanghai", Device: "u:2", Component: "line-2", Circuit: "SH-0231",
		VendorKind: incident.VendorCarrier, Severity: incident.SeverityMajor, Title: text("联通专线中断", "Unicom line is cut"), Proof: text("两端端口正常", "both ports are up"),
		Affected: []string{"sh-core", "shanghai", "u:3"}, Evidence: []incident.Observation{{Element: "P", Subject: "u:2", Truth: "bad", Value: &value, Unit: "percent", At: t0, Text: text("丢包", "loss")}}}
	li := incident.Actor{Kind: "person", ID: "li", Name: "李 <b>", Role: "branch_it"}
	at := func(m int) time.Time { return t0.Add(time.Duration(m) * time.Minute) }
	notify := incident.Effect{Key: "n1", Kind: incident.EffectNotify, Params: map[string]string{"role": "hq_it_manager", "reason": "opened"}}
	done := notify
	done.Params, done.Result = nil, map[string]string{"to": "zhao"}
	alert := incident.AlertRef{Fingerprint: "a", Name: "LineLoss", Summary: text("线路丢包 100 %", "100 % loss"), Firing: true, Since: t0}
	events := []incident.Event{
		{At: at(0), Kind: incident.Opened, Actor: incident.System, Diagnosis: &d, Number: "20260213-0001", Process: "network", ProcessVersion: "network@2#x", FaultAt: t0, Practice: true},
		{At: at(0), Kind: incident.AlertJoined, Actor: incident.System, Alert: &alert},
		{At: at(0), Kind: incident.EffectQueued, Actor: incident.System, Effect: &notify},
		{At: at(1), Kind: incident.EffectDone, Actor: incident.System, Effect: &done},
		{At: at(1), Kind: incident.ClockStarted, Actor: incident.System, Clock: &incident.Clock{Name: "respond", Title: text("响应", "Response"), Target: "10m", Calendar: "work"}},
		{At: at(4), Kind: incident.Acked, Actor: li},
		{At: at(5), Kind: incident.Decided, Actor: li, Choice: "circuit", Comment: "端口正常 | <script>alert(1)</script>"},
		{At: at(6), Kind: incident.TicketChanged, Actor: incident.System, Ticket: &incident.Ticket{Key: "k", VendorName: "联通", State: "sent", OpenedAt: at(6),
			Messages: []incident.TicketMessage{{Key: "m", State: "sent", Subject: "SH-0231 中断"}}}},
		{At: at(11), Kind: incident.ClockBreached, Actor: incident.System, Clock: &incident.Clock{Name: "respond", Elapsed: 11 * time.Minute}},
		{At: at(60), Kind: incident.AlertResolved, Actor: incident.System, Alert: &alert},
		{At: at(60), Kind: incident.RecoverySeen, Actor: incident.System},
		{At: at(75), Kind: incident.Verified, Actor: incident.System, Proof: text("15 分钟无丢包", "no loss for 15 minutes")},
		{At: at(80), Kind: incident.Closed, Actor: li, Reason: "ok"},
	}
	for n := range events {
		events[n].IncidentID = "ab12"
	}
	i, sealed, err := incident.Append(incident.Incident{}, events)
	if err != nil {
		t.Fatal(err)
	}
	shanghai, err := time.LoadLocation("Asia/Shanghai")
	if err != nil {
		t.Fatal(err)
	}
	kinds := map[string]string{"sh-core": "device", "shanghai": "site", "u:3": "line"}
	return View{Incident: i, Place: text("上海分公司，南京路 1 号", "Shanghai branch"), Users: 120, Zone: shanghai,
		Name: func(id string) (string, lang.Text) { return kinds[id], text("名"+id, "name "+id) }}, sealed
}

func TestIncidentReport(t *testing.T) {
	v, events := story(t)
	v.Fields = Fields{FieldLessons: "巡检 <i>光缆</i>\r\n第二行"}
	d, err := Build(IncidentReport, v, events, t0.Add(3*time.Hour), lang.ZH)
	if err != nil {
		t.Fatal(err)
	}
	if got, want := d.Missing, []string{FieldCause, FieldImpact, FieldImprovements}; !slices.Equal(got, want) {
		t.Errorf("missing %v, want %v", got, want)
	}
	text := d.Markdown(Signed{})
	for _, want := range []string{
		"【演练】事故总结报告 20260213-0001", "2026-02-13 16:30:00 +08:00", "上海分公司，南京路 1 号", "SH-0231", "专线故障", "重要", // time and place in the reader's zone
		"线路丢包 100 %", "受影响机构\\*\\*", "1：名shanghai (shanghai)", "1：名u:3 (u:3)", "120", "异常", "丢包 100 percent",
		"决定：circuit", "已通知 联通：SH-0231 中断", "超时：响应", "测量证实恢复：15 分钟无丢包", "1 小时 0 分钟", "0 小时 11 分钟", "已通知：zhao", "第二行", "（待填写）",
	} {
		want = strings.ReplaceAll(want, `\*\*`, "**")
		if !strings.Contains(text, want) {
			t.Errorf("%q is not in\n%s", want, text)
		}
	}
	for _, never := range []string{"<script", "<i>"} {
		if strings.Contains(text, never) {
			t.Errorf("%s is markup in Markdown", never)
		}
	}
}

func TestEveryKindInBothLanguages(t *testing.T) {
	v, events := story(t)
	for _, kind := range Kinds() {
		for _, language := range []string{lang.ZH, lang.EN} {
			d, err := Build(kind, v, events, t0.Add(time.Hour), language)
			if err != nil {
				t.Fatal(err)
			}
			html, err := d.HTML(Signed{Version: 2, By: "赵", At: t0, Zone: v.Zone})
			if err != nil {
				t.Fatal(err)
			}
			page := string(html)
			if strings.Contains(page, "<script") || strings.Contains(page, "李 <b>") || !strings.Contains(page, `data-mark="`) || !strings.Contains(page, "赵") {
				t.Errorf("%s %s: %s", kind, language, page)
			}
			for _, s := range d.Sections {
				for _, key := range []string{s.Title} {
					if strings.HasPrefix(key, "section.") {
						t.Errorf("%s %s: %s has no words", kind, language, key)
					}
				}
				for _, r := range s.Rows {
					if len(r) != len(s.Head) {
						t.Errorf("%s: row %v under head %v", s.ID, r, s.Head)
					}
				}
			}
			checkDOCX(t, d)
		}
	}
	if _, err := Build("novel", v, events, t0, lang.EN); err == nil {
		t.Error("an unknown kind is written")
	}
}

// checkDOCX reads the parts back: each is well-formed, and everything that was
// said is in the text.
func checkDOCX(t *testing.T, d Document) {
	t.Helper()
	b, err := d.DOCX(Signed{})
	if err != nil {
		t.Fatal(err)
	}
	z, err := zip.NewReader(bytes.NewReader(b), int64(len(b)))
	if err != nil {
		t.Fatal(err)
	}
	text := map[string]string{}
	for _, f := range z.File {
		r, err := f.Open()
		if err != nil {
			t.Fatal(err)
		}
		var said strings.Builder
		dec := xml.NewDecoder(r)
		for {
			tok, err := dec.Token()
			if errors.Is(err, io.EOF) {
				break
			}
			if err != nil {
				t.Fatalf("%s: %v", f.Name, err)
			}
			if c, ok := tok.(xml.CharData); ok {
				said.Write(c)
			}
		}
		text[f.Name] = said.String()
	}
	if !strings.Contains(text["word/header1.xml"], d.Mark) {
		t.Error("the practice mark is not in the header")
	}
	for _, s := range d.Sections {
		for _, p := range append(slices.Concat(s.Rows...), append(s.Paragraphs, s.Title)...) {
			if !strings.Contains(text["word/document.xml"], p) {
				t.Errorf("%s: %q is not in the text", d.Kind, p)
			}
		}
	}
}

func TestWhatIsOpenSaysSo(t *testing.T) {
	v, events := story(t)
	i, err := incident.Fold(events[:6])
	if err != nil {
		t.Fatal(err)
	}
	v.Incident, v.Users = i, 0
	d, err := Build(Emergency, v, events[:6], t0.Add(95*time.Minute), lang.EN)
	if err != nil {
		t.Fatal(err)
	}
	text := d.Markdown(Signed{})
	for _, want := range []string{"Has lasted**: 1 h 35 min", "Users**: not known", "DRILL", "(to be written)"} {
		if !strings.Contains(text, want) {
			t.Errorf("%q is not in\n%s", want, text)
		}
	}
	if got, want := d.Missing, []string{FieldMeasures, FieldImpact, FieldNext}; !slices.Equal(got, want) {
		t.Errorf("missing %v, want %v", got, want)
	}
}

// TestBothLanguages finds words that are missing in one language.
func TestBothLanguages(t *testing.T) {
	for key, w := range words {
		if w.ZH == "" || w.EN == "" || strings.Count(w.ZH, "%") != strings.Count(w.EN, "%") {
			t.Errorf("%s: %q, %q", key, w.ZH, w.EN)
		}
	}
}

// TestUpward: the process's notices and those of progress stand in the order of
// their times, each with what became of it.
func TestUpward(t *testing.T) {
	v, events := story(t)
	title := lang.Text{ZH: "进展通报 1", EN: "Progress 1"}
	v.Progress = []Notice{{At: t0.Add(30 * time.Minute), Person: "王总", Title: title, State: "failed"}, {At: t0.Add(30 * time.Second), Person: "赵经理", Title: title, State: "sent"}}
	d, err := Build(Emergency, v, events, t0.Add(2*time.Hour), lang.ZH)
	if err != nil {
		t.Fatal(err)
	}
	rows := d.Sections[slices.IndexFunc(d.Sections, func(s Section) bool { return s.ID == "upward" })].Rows
	var got []string
	for _, r := range rows {
		got = append(got, strings.Join(r[1:], " / "))
	}
	want := []string{"赵经理 / 进展通报 1 / 已通知", "hq_it_manager / 故障发生 / 已通知：zhao", "王总 / 进展通报 1 / 未送达"}
	if !slices.Equal(got, want) {
		t.Errorf("told %q, want %q", got, want)
	}
}
