package app

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/faultline/faultline/collector/account"
	"github.com/faultline/faultline/collector/api"
	"github.com/faultline/faultline/collector/incident"
	"github.com/faultline/faultline/collector/progress"
	"github.com/faultline/faultline/collector/sqlstore"
	"github.com/faultline/faultline/collector/writeup"
	"github.com/faultline/faultline/internal/lang"
)

// TestProgressUpward: once somebody wants it, those above are told of an emergency
// at once, at milestones and every so often, each notice once whatever restarts;
// when it is closed nothing of it stays but the notices.
func TestProgressUpward(t *testing.T) {
	cfg := companyWithPeople(t, ladder)
	a, stop := serveCollector(t, cfg)
	li := incident.Actor{Kind: account.KindPerson, ID: "li", Name: "li", Role: "branch_it"}
	got, err := actor{a}.Report(t.Context(), api.Report{ID: "r1", Site: "sh", Symptoms: "没有网络", Name: "李雷", Contact: "138", Actor: li, At: time.Now()})
	if err != nil {
		t.Fatal(err)
	}
	start := time.Now()
	at := func(after time.Duration, want ...string) {
		t.Helper()
		until(t, "progress is told", func() bool { return a.tellProgress(t.Context(), start.Add(after)) == nil })
		if told := progressTo(t, a, got.IncidentID); !slices.Equal(told, want) {
			t.Errorf("after %s told %q, want %q", after, told, want)
		}
	}
	at(time.Second)
	if err := (progressDesk{a}).Set(t.Context(), got.IncidentID, progress.Wanted{Every: time.Hour, By: "li", At: start}); err != nil {
		t.Fatal(err)
	}
	if names := (progressDesk{a}).Readers(mustIncident(t, a, got.IncidentID)); !slices.Contains(names, "主管") {
		t.Errorf("the page names %q as those above", names)
	}
	at(2*time.Second, "1 boss")
	at(30*time.Minute, "1 boss")
	stop()
	a, _ = serveCollector(t, cfg)
	at(31*time.Minute, "1 boss")
	until(t, "the collector acts", func() bool {
		return actor{a}.Act(t.Context(), api.Action{ID: "a1", IncidentID: got.IncidentID, Kind: api.ActAck, Actor: li, Comment: "已到机房", At: time.Now()}) == nil
	})
	at(62*time.Minute, "1 boss", "2 boss")
	list, err := a.store.Notices(t.Context(), sqlstore.NoticeQuery{Incident: got.IncidentID})
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range list {
		if strings.Contains(m.Key, "progress/1") && (!strings.Contains(m.Title.ZH, "进展通报") || !strings.Contains(m.Text.ZH, "第 1 期") || !strings.Contains(m.Text.EN, "So far:\n- ")) {
			t.Errorf("the first notice says %q, %q", m.Title.ZH, m.Text)
		}
	}
	v, err := a.writeupView(t.Context(), mustIncident(t, a, got.IncidentID))
	if err != nil {
		t.Fatal(err)
	}
	report, err := writeup.Build(writeup.Emergency, v, nil, time.Now(), lang.ZH)
	if err != nil {
		t.Fatal(err)
	}
	n := slices.IndexFunc(report.Sections, func(s writeup.Section) bool { return s.ID == "upward" })
	if n < 0 {
		t.Fatal("the emergency report does not say who was told")
	}
	if rows := report.Sections[n].Rows; len(rows) != 2 || rows[0][1] != "主管" || !strings.Contains(rows[1][2], "进展通报") {
		t.Errorf("the emergency report lists as told %q", rows)
	}
	_, last, err := progressDesk{a}.Of(t.Context(), got.IncidentID)
	if err != nil || last.Number != 2 {
		t.Errorf("the page says %+v, %v", last, err)
	}
	if err := a.forgetProgress(t.Context(), got.IncidentID); err != nil {
		t.Fatal(err)
	}
	if kept, err := a.store.KVList(t.Context(), "progress/"); err != nil || len(kept) != 2 {
		t.Errorf("of an open incident %d settings are kept, want 2: %v", len(kept), err)
	}
	if err := a.forgetProgress(t.Context(), "gone"); err != nil {
		t.Errorf("an incident that is not there: %v", err)
	}
}

// progressTo lists the numbers of the incident's progress notices and whom they
// were for.
func progressTo(t *testing.T, a *App, id string) (out []string) {
	t.Helper()
	list, err := a.store.Notices(t.Context(), sqlstore.NoticeQuery{Incident: id})
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range list {
		if _, rest, is := strings.Cut(m.Key, "progress/"); is {
			n, _, _ := strings.Cut(rest, "/")
			out = append(out, fmt.Sprint(n, " ", m.Receiver))
		}
	}
	slices.Sort(out)
	return out
}
