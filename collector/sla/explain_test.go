package sla

import (
	"strings"
	"testing"
	"time"
)

func TestExplain(t *testing.T) {
	cases := []struct {
		name, clock, now string
		entries          func(b *book)
		zh, en           string
	}{
		{"make-up Saturday", "branch", "2026-02-13 16:30", func(b *book) { b.add("2026-02-13 16:30", start("branch")) },
			"「分公司处理」于 2026-02-14（周六）13:30 到期：限时工作时间 4 小时（工作日历），自 2026-02-13（周五）16:30 起算；02-13（周五） 计 30 分钟、02-14（周六）（调休上班）计 3 小时 30 分钟。",
			"handling by the branch is due Sat 2026-02-14 13:30: 4 h of working time on the calendar Working calendar from Fri 2026-02-13 16:30; 30 min on Fri 02-13, 3 h 30 min on Sat 02-14 (worked in exchange)."},
		{"over a wait and a holiday", "branch", "2026-10-08 11:00", func(b *book) {
			b.add("2026-09-30 13:00", start("branch"))
			b.add("2026-09-30 14:00", Entry{What: EntryPause, Wait: "w", Reason: "carrier", Owner: "carrier-a", By: "li"})
			b.add("2026-10-08 10:00", resume("w"))
		},
			"「分公司处理」于 2026-10-08（周四）14:00 到期：限时工作时间 4 小时（工作日历），自 2026-09-30（周三）13:00 起算；09-30（周三） 计 1 小时、10-08（周四） 计 3 小时；不计 10-01（周四） 至 10-07（周三）（国庆节）；2026-09-30（周三）14:00 至 2026-10-08（周四）10:00 暂停（等待运营商修复线路，等待 carrier-a，由 li 登记）。",
			"handling by the branch is due Thu 2026-10-08 14:00: 4 h of working time on the calendar Working calendar from Wed 2026-09-30 13:00; 1 h on Wed 09-30, 3 h on Thu 10-08; not counted Thu 10-01 to Wed 10-07 (National Day); waited from Wed 2026-09-30 14:00 to Thu 2026-10-08 10:00 (carrier repairs the line, for carrier-a, entered by li)."},
		{"one working day", "hq", "2026-11-20 10:00", func(b *book) { b.add("2026-11-20 10:00", start("hq")) },
			"「总公司处理」于 2026-11-23（周一）10:00 到期：限时 1 个工作日（下一工作日同一时刻）（工作日历），自 2026-11-20（周五）10:00 起算；11-20（周五） 计 6 小时、11-23（周一） 计 1 小时；不计 11-21（周六） 至 11-22（周日）（非工作日）。",
			"handling by head office is due Mon 2026-11-23 10:00: 1 working day (the next one, same time) on the calendar Working calendar from Fri 2026-11-20 10:00; 6 h on Fri 11-20, 1 h on Mon 11-23; not counted Sat 11-21 to Sun 11-22 (not worked)."},
		{"paused", "branch", "2026-11-20 12:00", func(b *book) {
			b.add("2026-11-20 10:00", start("branch"))
			b.add("2026-11-20 11:00", wait("w", "user"))
		},
			"「分公司处理」已暂停：限时工作时间 4 小时（工作日历），自 2026-11-20（周五）10:00 起算，已用 1 小时，恢复后还剩 3 小时；11-20（周五） 计 1 小时；2026-11-20（周五）11:00 起暂停（等待用户答复，等待 user，由 li 登记）。",
			"handling by the branch is paused: 4 h of working time on the calendar Working calendar from Fri 2026-11-20 10:00, 1 h used, 3 h left once it goes on; 1 h on Fri 11-20; waiting since Fri 2026-11-20 11:00 (user is asked, for user, entered by li)."},
		{"elapsed", "security", "2026-11-21 23:30", func(b *book) { b.add("2026-11-21 23:30", start("security")) },
			"「安全事件上报」于 2026-11-22（周日）00:30 到期：限时 1 小时（全天候），自 2026-11-21（周六）23:30 起算。",
			"report of a security event is due Sun 2026-11-22 00:30: 1 h of elapsed time on the calendar Around the clock from Sat 2026-11-21 23:30."},
		{"unknown year", "branch", "2026-12-31 16:45", func(b *book) { b.add("2026-12-31 16:30", start("branch")) },
			"「分公司处理」何时到期未知：日历 cn-workday 没有 2027 年的放假安排，请日历负责人录入该年通知；已用 15 分钟。",
			"When handling by the branch is due is not known: calendar cn-workday has no holidays of 2027; its owner has to enter that year's notice; 15 min used so far."},
		{"idle", "branch", "2026-12-31 16:45", func(*book) {}, "「分公司处理」尚未开始计时。", "handling by the branch has not begun."},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			b := newBook(t)
			c.entries(b)
			got := b.clocks.Explain(b.l, b.read(c.clock, c.now))
			if got.ZH != c.zh {
				t.Errorf("zh\n got %s\nwant %s", got.ZH, c.zh)
			}
			if got.EN != c.en {
				t.Errorf("en\n got %s\nwant %s", got.EN, c.en)
			}
		})
	}
}

func TestExplainLongLimitIsShort(t *testing.T) {
	b := newBook(t)
	b.add("2026-03-02 09:00", start("branch"))
	b.add("2026-03-02 09:00", Entry{What: EntryTarget, Clock: "branch", Target: "140h"})
	got := b.clocks.Explain(b.l, b.read("branch", "2026-03-02 09:00"))
	if !strings.Contains(got.EN, "105 h on the next 15 working days") || len([]rune(got.ZH)) > 400 {
		t.Errorf("%s\n%s", got.EN, got.ZH)
	}
}

// TestAllClocksAtOnce runs the documents' clocks over one ledger.
func TestAllClocksAtOnce(t *testing.T) {
	b := newBook(t)
	for _, c := range []string{"respond", "branch", "hq", "security", "outage"} {
		b.add("2026-02-13 16:30", start(c))
	}
	b.add("2026-02-13 16:30", Entry{What: EntryStart, Clock: "vendor", Target: "4h"})
	b.add("2026-02-13 16:35", Entry{What: EntryStop, Clock: "respond"})
	b.add("2026-02-13 16:40", wait("w", "carrier"))
	b.add("2026-02-14 09:40", resume("w"))
	b.add("2026-02-14 13:10", wait("x", "access"))
	b.add("2026-02-14 14:10", resume("x"))
	now := "2026-02-14 14:10"
	for clock, want := range map[string]string{
		"branch": "2026-02-14 14:30", "security": "2026-02-13 17:30", "outage": "2026-02-13 20:30", "vendor": "2026-02-13 20:30",
		// One working day is 7 h here. 10 min on Friday, 2 h 20, 10 min and 2 h 50
		// between the waits on Saturday; 1 h 30 are left after the Spring Festival.
		"hq": "2026-02-24 10:30",
	} {
		b.due(clock, now, want)
	}
	all := b.clocks.ReadAll(b.l, b.limits, at(t, now))
	if len(all) != 6 {
		t.Fatalf("%d clocks", len(all))
	}
	for _, s := range all {
		if wantLate := map[string]string{"branch": "2026-02-14 16:30", "hq": "2026-02-24 13:30"}[s.Limit.ID]; wantLate != "" && !s.Late.Equal(at(t, wantLate)) {
			t.Errorf("%s is told further up at %s, want %s", s.Limit.ID, s.Late.In(shanghai), wantLate)
		}
	}
	if s := all[0]; s.Phase != PhaseStopped || s.Breached || s.Elapsed != 5*time.Minute {
		t.Errorf("respond: %+v", s)
	}
}

// TestVendorsOwnClock: a contract names its time and, where it counts working
// hours, its calendar; another vendor's starts anew.
func TestVendorsOwnClock(t *testing.T) {
	b := newBook(t)
	if _, err := b.l.Add(b.limits, Entry{Seq: 1, What: EntryStart, Clock: "vendor"}); err == nil {
		t.Error("a vendor's clock without a contract's time")
	}
	if _, err := b.l.Add(b.limits, Entry{Seq: 1, What: EntryStart, Clock: "branch", Hours: "always"}); err == nil {
		t.Error("our own limit on another calendar")
	}
	b.add("2026-11-20 16:00", Entry{What: EntryStart, Clock: "vendor", Target: "8h"})
	b.due("vendor", "2026-11-20 16:00", "2026-11-21 00:00")
	b.add("2026-11-20 16:30", Entry{What: EntryStart, Clock: "vendor", Target: "8h", Hours: "work"})
	b.due("vendor", "2026-11-20 16:30", "2026-11-24 09:30")
	if text := b.clocks.Explain(b.l, b.read("vendor", "2026-11-20 16:30")); !strings.Contains(text.ZH, "工作日历") {
		t.Errorf("%s", text.ZH)
	}
}

func TestStatus(t *testing.T) {
	c := shipped(t)
	for day, want := range map[string]string{"2026-10-31": LevelGreen, "2026-11-01": LevelYellow, "2026-11-22": LevelYellow, "2026-12-14": LevelYellow, "2026-12-15": LevelRed} {
		got := c.Status(at(t, day+" 00:00"))
		if len(got) != 2 || got[1].Year != 2027 || got[1].Level != want || got[0].Level != LevelGreen || got[0].Document == "" {
			t.Errorf("%s: %+v, want %s", day, got, want)
		}
	}
	if got := c.Status(at(t, "2027-01-01 00:00")); got[0].Level != LevelRed || got[0].Known {
		t.Errorf("the year itself is missing: %+v", got[0])
	}
	if got := c.Status(at(t, "2025-12-20 00:00")); got[1].Level != LevelGreen || !strings.Contains(got[1].Text.ZH, "国办发明电〔2025〕7号") {
		t.Errorf("2026 is entered: %+v", got[1])
	}
}

func TestWhy(t *testing.T) {
	fsys := shippedFiles(t)
	fsys["branch.yaml"] = yamlOf("apiVersion: faultline/v1\nkind: Calendar\nid: b3\nlayer: branch\nextends: cn-workday\ndays: [{date: \"2026-11-20\", name: {zh-CN: 防汛}}, {date: \"2026-11-19\", hours: [\"09:00-12:00\"]}]\n")
	fsys["site.yaml"] = yamlOf("apiVersion: faultline/v1\nkind: Calendar\nid: b3-s1\nlayer: site\nextends: b3\ndays: [{date: \"2026-11-20\", hours: [\"10:00-11:00\"]}]\n")
	c, err := Load(fsys)
	if err != nil {
		t.Fatal(err)
	}
	cal, _ := c.Get("b3-s1")
	for day, want := range map[string]Why{
		"2026-11-20": {Works: true, Layer: "b3-s1", Hours: []string{"10:00-11:00"}},
		"2026-11-19": {Works: true, Layer: "b3", Hours: []string{"09:00-12:00"}},
		"2026-02-14": {Works: true, Layer: "b3-s1", Source: "国务院办公厅关于2026年部分节假日安排的通知（国办发明电〔2025〕7号）", Hours: []string{"09:00-12:00", "13:00-17:00"}},
		"2026-10-01": {Layer: "b3-s1", Source: "国务院办公厅关于2026年部分节假日安排的通知（国办发明电〔2025〕7号）"},
	} {
		got, err := cal.Why(at(t, day+" 12:00"))
		if err != nil || got.Works != want.Works || got.Layer != want.Layer || got.Source != want.Source || strings.Join(got.Hours, " ") != strings.Join(want.Hours, " ") {
			t.Errorf("%s: %+v, %v", day, got, err)
		}
	}
	if got := strings.Join(cal.Layers(), ">"); got != "cn-workday>b3>b3-s1" {
		t.Errorf("layers %s", got)
	}
	fsys["wrong.yaml"] = yamlOf("apiVersion: faultline/v1\nkind: Calendar\nid: w\nlayer: company\nextends: b3\n")
	if _, err := Load(fsys); err == nil || !strings.Contains(err.Error(), "wrong.yaml:4: layer: a company calendar cannot extend the branch calendar b3") {
		t.Errorf("layers upside down: %v", err)
	}
}
