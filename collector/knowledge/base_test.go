//go:build unix

package knowledge

import (
	"database/sql"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/faultline/faultline/collector/sqlstore/storetest"
	"github.com/faultline/faultline/internal/lang"
)

var t0 = time.Date(2026, 11, 22, 1, 0, 0, 0, time.UTC)

func at0() time.Time { return t0 }

// newSQLite returns pools as collector/sqlstore makes them.
func newSQLite(t testing.TB) Database {
	t.Helper()
	dsn := "file:" + filepath.Join(t.TempDir(), "k.db")
	w, err := sql.Open("sqlite", dsn+"?_txlock=immediate&_pragma=busy_timeout(5000)&_pragma=journal_mode(WAL)")
	if err != nil {
		t.Fatal(err)
	}
	w.SetMaxOpenConns(1)
	r, err := sql.Open("sqlite", dsn+"?_pragma=busy_timeout(5000)&_pragma=query_only(1)")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _, _ = w.Close(), r.Close() })
	return Database{Read: r, Write: w}
}

func TestSQLite(t *testing.T) { contract(t, newSQLite) }

func TestPostgres(t *testing.T) {
	p, err := storetest.StartPostgres()
	if err != nil {
		storetest.SkipOrFail(t, err)
	}
	t.Cleanup(p.Stop)
	db, err := sql.Open("pgx", p.URL(t))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	first := true
	contract(t, func(t testing.TB) Database { // one database, emptied: making one takes a second
		if !first {
			if _, err := db.Exec("TRUNCATE knowledge, knowledge_words, knowledge_models, knowledge_history"); err != nil {
				t.Fatal(err)
			}
		}
		first = false
		return Database{Read: db, Write: db, Postgres: true}
	})
}

// contract is what a knowledge base does, on either database.
func contract(t *testing.T, open func(testing.TB) Database) {
	for name, test := range map[string]func(*testing.T, *Base){
		"put, read, conflict":   testPut,
		"drafts are added once": testDrafts,
		"suggestions":           testSuggestions,
		"who is shown what":     testShown,
		"hostile text":          testHostile,
		"lists and reviews":     testLists,
		"votes":                 testVotes,
		"words are counted":     testCounts,
		"writers at once":       testWriters,
		"history and undo":      testHistory,
	} {
		t.Run(name, func(t *testing.T) {
			b := New(open(t), at0)
			for range 2 {
				if err := b.Migrate(t.Context()); err != nil {
					t.Fatal(err)
				}
			}
			test(t, b)
		})
	}
}

func entry(id, title, symptoms, solution string) Entry {
	return Entry{ID: id, State: Published, Title: lang.Text{ZH: title}, Symptoms: lang.Text{ZH: symptoms}, Solution: lang.Text{ZH: solution}, Owner: "hq_network", UpdatedBy: "wang", ReviewBy: t0.AddDate(0, 6, 0)}
}

func put(t testing.TB, b *Base, e Entry) Entry {
	t.Helper()
	out, err := b.Put(t.Context(), e)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func testPut(t *testing.T, b *Base) {
	e := entry("k1", "专线中断", "分公司网络不通", "联系运营商")
	e.Models, e.Tags, e.Sites = []string{"AR6280"}, []string{"专线"}, []string{"branch-1"}
	stored := put(t, b, e)
	if stored.Version != 1 || !stored.UpdatedAt.Equal(t0) {
		t.Errorf("%+v", stored)
	}
	got, err := b.Get(t.Context(), "k1")
	if err != nil || cmp.Diff(stored, got) != "" {
		t.Errorf("read back: %v\n%s", err, cmp.Diff(stored, got))
	}
	stored.Title.EN = "leased line down"
	second := put(t, b, stored)
	if second.Version != 2 {
		t.Errorf("version %d", second.Version)
	}
	if _, err := b.Put(t.Context(), stored); !errors.Is(err, ErrConflict) {
		t.Errorf("on an old version: %v", err)
	}
	if _, err := b.Put(t.Context(), e); !errors.Is(err, ErrConflict) {
		t.Errorf("a second entry of the id: %v", err)
	}
	if _, err := b.Get(t.Context(), "none"); !errors.Is(err, ErrNotFound) {
		t.Errorf("no such entry: %v", err)
	}
	for field, change := range map[string]func(*Entry){
		"owner": func(e *Entry) { e.Owner = "" }, "solution": func(e *Entry) { e.Solution = lang.Text{} }, "review_by": func(e *Entry) { e.ReviewBy = t0.AddDate(4, 0, 0) },
		"state": func(e *Entry) { e.State = "x" }, "title": func(e *Entry) { e.Title = lang.Text{} }, "id": func(e *Entry) { e.ID = "" }, "updated_by": func(e *Entry) { e.UpdatedBy = "" },
		"symptoms": func(e *Entry) { e.Symptoms.EN = strings.Repeat("x", maxText+1) },
	} {
		bad := entry("k2", "x", "", "y")
		change(&bad)
		var fault *Fault
		if _, err := b.Put(t.Context(), bad); !errors.As(err, &fault) || fault.Field != field {
			t.Errorf("%s: %v", field, err)
		}
	}
}

func testDrafts(t *testing.T, b *Base) {
	e := entry("kb-1", "草稿", "", "")
	e.State, e.Solution = Draft, lang.Text{}
	for n, want := range []bool{true, false} {
		if added, err := b.AddDraft(t.Context(), e); err != nil || added != want {
			t.Errorf("time %d: %v, %v", n, added, err)
		}
	}
	if got, err := b.Suggest(t.Context(), Query{Text: "草稿 草稿", AllSites: true}); err != nil || len(got) != 0 {
		t.Errorf("a draft is suggested: %v, %v", got, err)
	}
	e.State = Published
	if _, err := b.AddDraft(t.Context(), e); err == nil {
		t.Error("a published draft")
	}
}

// library is knowledge as a company has it, in both languages.
func library(t testing.TB, b *Base) {
	add := func(id, class, kind, vendor, model, title, symptoms, solution string) {
		e := entry(id, title, symptoms, solution)
		if title[0] < 128 {
			e.Title, e.Symptoms, e.Solution = lang.Text{EN: title}, lang.Text{EN: symptoms}, lang.Text{EN: solution}
		}
		e.Class, e.DeviceKind, e.Vendor = class, kind, vendor
		if model != "" {
			e.Models = []string{model}
		}
		put(t, b, e)
	}
	add("line-cut", "carrier_line", "", "", "", "专线中断：光缆被挖断", "分公司专线中断，总公司侧光口无光，本端路由器运行正常", "联系运营商抢修光缆，恢复后测试丢包率")
	add("line-loss", "carrier_line", "", "", "", "专线丢包率高", "专线丢包、延时抖动，视频会议卡顿", "请运营商更换光模块并测试环路")
	add("line-flap", "carrier_line", "router", "Huawei", "AR6280", "Leased line flapping", "the WAN port goes up and down every few minutes, BGP neighbour resets", "force duplex on both ends, the carrier replaced the media converter")
	add("sw-power", "device", "switch", "Huawei", "S5720-56C-PWR-EI-AC", "交换机电源模块故障", "交换机重启，电源指示灯熄灭，下联用户断网", "更换电源模块，供应商出具检查报告")
	add("sw-loop", "device", "switch", "Huawei", "S5720-28P-SI", "接入交换机环路", "大量广播，端口闪烁，MAC 地址漂移", "找到成环的网线并拔除，开启环路检测")
	add("sw-fan", "device", "switch", "H3C", "S5130S-28S-EI", "风扇故障告警", "交换机温度过高，风扇转速为零", "更换风扇框")
	add("ups-bat", "power", "ups", "APC", "SRT5KXLI", "UPS 电池老化", "市电中断后 UPS 只支撑几分钟，电池告警", "维保商更换电池组，做放电测试")
	add("ups-en", "power", "ups", "APC", "SRT5KXLI", "UPS on battery after a mains failure", "UPS reports on battery, runtime low, load 80%", "the breaker had tripped; reset it and check the load")
	add("ac-leak", "environment", "cooling", "", "", "机房空调漏水", "漏水告警，机房湿度升高", "疏通排水管，更换水浸传感器")
	add("ora-lock", "database", "database", "Oracle", "", "数据库锁等待", "业务系统卡顿，会话阻塞，锁等待超时", "找出阻塞会话，与开发确认后结束会话，优化事务")
	add("ora-space", "database", "database", "Oracle", "", "Tablespace full", "ORA-01653 unable to extend table, inserts fail", "add a data file in test first, then in production")
	add("cfg-vlan", "configuration", "switch", "Huawei", "S5720-56C-PWR-EI-AC", "VLAN 配置错误导致断网", "变更后部分用户无法获取地址", "恢复配置备份，核对 VLAN 与 DHCP 中继")
}

func ids(list []Suggestion) []string {
	var out []string
	for _, s := range list {
		out = append(out, s.Entry.ID)
	}
	return out
}

func testSuggestions(t *testing.T, b *Base) {
	library(t, b)
	for _, c := range []struct {
		name, first string
		q           Query
	}{
		{"Chinese symptoms", "line-cut", Query{Class: "carrier_line", Text: "二分公司专线断了，光口没有光"}},
		{"other words for it", "line-loss", Query{Class: "carrier_line", Text: "视频会议很卡，丢包严重"}},
		{"English, other tense", "line-flap", Query{Class: "carrier_line", Text: "wan port flapped, BGP neighbor reset again"}},
		{"model and symptoms", "sw-power", Query{Class: "device", Model: "S5720-56C-PWR-EI-AC", Vendor: "huawei", Text: "交换机重启后电源灯不亮"}},
		{"same family", "sw-loop", Query{Class: "device", Model: "S5720-52X-PWR-SI", Text: "端口一直闪烁 广播很多"}},
		{"full-width letters", "ups-bat", Query{Class: "power", Text: "ＵＰＳ电池告警"}},
		{"English of a class", "ups-en", Query{Class: "power", DeviceKind: "ups", Text: "UPS running on battery, mains failed"}},
		{"an error number", "ora-space", Query{Class: "database", Text: "ORA-01653"}},
		{"locks", "ora-lock", Query{Class: "database", Text: "系统卡顿，很多会话在等待锁"}},
		{"after a change", "cfg-vlan", Query{Class: "configuration", Model: "S5720-56C-PWR-EI-AC", Text: "改了配置以后用户拿不到地址"}},
		{"no class, only words", "ac-leak", Query{Text: "机房漏水"}},
		{"model alone", "sw-fan", Query{Model: "S5130S-28S-EI"}},
	} {
		c.q.AllSites = true
		got, err := b.Suggest(t.Context(), c.q)
		if err != nil || len(got) == 0 || got[0].Entry.ID != c.first {
			t.Errorf("%s: %v, %v; want %s first", c.name, ids(got), err, c.first)
			continue
		}
		if len(got[0].Why) == 0 || got[0].Why[0].ZH == "" || got[0].Why[0].EN == "" {
			t.Errorf("%s: no reason", c.name)
		}
	}
	for _, q := range []Query{{Text: "午餐吃什么"}, {Text: ""}, {Class: "device"}, {Text: "the of and"}, {Text: "!!! ???"}} {
		q.AllSites = true
		if got, err := b.Suggest(t.Context(), q); err != nil || len(got) != 0 {
			t.Errorf("%+v: %v, %v; nothing fits", q, ids(got), err)
		}
	}
}

func testShown(t *testing.T, b *Base) {
	e := entry("own", "核心路由器故障处理", "路由器故障", "重启")
	e.Sites = []string{"branch-1"}
	put(t, b, e)
	e.ID, e.Sites, e.Practice = "practice", nil, true
	put(t, b, e)
	e.ID, e.Practice, e.State = "old", false, Retired
	put(t, b, e)
	e.ID, e.State, e.ReviewBy = "due", Published, t0.Add(-time.Hour)
	put(t, b, e)
	for name, c := range map[string]struct {
		q    Query
		want string
	}{
		"own site": {Query{Site: "branch-1"}, "own due"}, "other site": {Query{Site: "branch-2"}, "due"}, "no site": {Query{}, "due"}, "head office": {Query{AllSites: true}, "own due"},
		"practice": {Query{AllSites: true, Practice: true}, "practice"},
	} {
		c.q.Text = "核心路由器故障，路由器故障处理"
		got, err := b.Suggest(t.Context(), c.q)
		if err != nil || strings.Join(ids(got), " ") != c.want {
			t.Errorf("%s: %v, %v; want %s", name, ids(got), err, c.want)
		}
		for _, s := range got {
			if s.Due != (s.Entry.ID == "due") {
				t.Errorf("%s: %s is due: %v", name, s.Entry.ID, s.Due)
			}
		}
	}
}

func testHostile(t *testing.T, b *Base) {
	for n, s := range []string{`'; DROP TABLE knowledge; --`, `" OR 1 NOT`, `NEAR(a b) * ^ AND`, "\x00\xff\xfe", `a\'b:1A | !c & <-> (`, strings.Repeat("专线中断", 4000), strings.Repeat("x", 3000), "🙂🙂 💥", "k.*/-_.-"} {
		e := entry(fmt.Sprintf("h%d", n), "标题"+s[:min(len(s), 200)], s[:min(len(s), 9000)], "解决 "+s[:min(len(s), 50)])
		stored := put(t, b, e)
		stored.Cause = lang.Same(s[:min(len(s), 100)])
		put(t, b, stored)
		if _, err := b.Suggest(t.Context(), Query{Text: s, Model: s, AllSites: true}); err != nil {
			t.Errorf("%.20q: %v", s, err)
		}
	}
	if list, err := b.List(t.Context(), Filter{}); err != nil || len(list) != 9 {
		t.Errorf("%d entries, %v", len(list), err)
	}
}

func testLists(t *testing.T, b *Base) {
	for n := range 12 {
		e := entry(fmt.Sprintf("k%02d", n), "标题", "", "解决")
		e.ReviewBy, e.Owner = t0.AddDate(0, n-6, 0), []string{"li", "wang"}[n%2]
		put(t, b, e)
	}
	due, err := b.List(t.Context(), Filter{ReviewBy: t0, Owner: "li"})
	if err != nil || len(due) != 4 || due[0].ID != "k00" || !due[0].Due(t0.Add(time.Second)) {
		t.Errorf("%d to review, %v", len(due), err)
	}
	var all []string
	for after := ""; ; {
		page, err := b.List(t.Context(), Filter{After: after, Limit: 5, State: Published})
		if err != nil {
			t.Fatal(err)
		}
		if len(page) == 0 {
			break
		}
		for _, e := range page {
			all = append(all, e.ID)
		}
		after = page[len(page)-1].ID
	}
	if len(all) != 12 || !slices.IsSorted(all) {
		t.Errorf("paged: %v", all)
	}
}

func testVotes(t *testing.T, b *Base) {
	put(t, b, entry("k", "标题", "", "解决"))
	for _, v := range []struct {
		incident string
		helped   bool
	}{{"1", true}, {"1", true}, {"2", true}, {"3", false}} {
		if err := b.Voted(t.Context(), "k", v.incident, v.helped); err != nil {
			t.Fatal(err)
		}
	}
	if e, err := b.Get(t.Context(), "k"); err != nil || e.Helpful != 2 || e.Useless != 1 || !slices.Equal(e.Incidents, []string{"1", "2"}) {
		t.Errorf("%+v, %v", e, err)
	}
}

// testCounts compares the word counts with the entries after changes.
func testCounts(t *testing.T, b *Base) {
	library(t, b)
	e, err := b.Get(t.Context(), "line-cut")
	if err != nil {
		t.Fatal(err)
	}
	e.Symptoms, e.Solution = lang.Text{ZH: "完全不同的文字"}, lang.Text{ZH: "别的办法"}
	put(t, b, e)
	all, err := b.List(t.Context(), Filter{Limit: 500})
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]int{}
	for _, e := range all {
		for w := range e.unique() {
			want[w]++
		}
	}
	rows, err := b.db.Read.QueryContext(t.Context(), "SELECT word, entries FROM knowledge_words WHERE entries <> 0")
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	got := map[string]int{}
	for rows.Next() {
		var w string
		var n int
		if err := rows.Scan(&w, &n); err != nil {
			t.Fatal(err)
		}
		got[w] = n
	}
	if diff := cmp.Diff(want, got); diff != "" || rows.Err() != nil {
		t.Errorf("counts (-want +got):\n%s", diff)
	}
}

// testWriters lets ten people change one entry and write their own at once.
func testWriters(t *testing.T, b *Base) {
	put(t, b, entry("shared", "标题", "", "解决"))
	var wg sync.WaitGroup
	errs := make(chan error, 100)
	for n := range 10 {
		wg.Go(func() {
			e := entry(fmt.Sprintf("own-%d", n), "专线中断", "交换机 电源 风扇 专线", "解决")
			if _, err := b.Put(t.Context(), e); err != nil {
				errs <- err
			}
			for {
				e, err := b.Get(t.Context(), "shared")
				if err != nil {
					errs <- err
					return
				}
				e.Tags = append(e.Tags, fmt.Sprint(n))
				if _, err = b.Put(t.Context(), e); err == nil {
					return
				}
				if !errors.Is(err, ErrConflict) {
					errs <- err
					return
				}
			}
		})
	}
	wg.Wait()
	close(errs)
	for err := range errs {
		t.Error(err)
	}
	if e, err := b.Get(t.Context(), "shared"); err != nil || len(e.Tags) != 10 || e.Version != 11 {
		t.Errorf("%d of 10 changes kept, version %d, %v", len(e.Tags), e.Version, err)
	}
}

func testHistory(t *testing.T, b *Base) {
	first := put(t, b, entry("h1", "旧标题", "旧现象", "旧办法"))
	second := first
	second.Title.ZH, second.Symptoms.ZH, second.UpdatedBy = "新标题", "新现象", "zhao"
	second = put(t, b, second)
	if err := b.Voted(t.Context(), "h1", "20261121-0001", true); err != nil {
		t.Fatal(err)
	}
	if _, err := b.Undo(t.Context(), "h1", 1, second.Version, "li"); !errors.Is(err, ErrConflict) {
		t.Errorf("undone on a version that is not the newest: %v", err)
	}
	got, err := b.Undo(t.Context(), "h1", 1, 3, "li")
	if err != nil || got.Version != 4 || got.Title.ZH != "旧标题" || got.UpdatedBy != "li" || got.Helpful != 1 || len(got.Incidents) != 1 {
		t.Errorf("%+v, %v", got, err)
	}
	if found, err := b.Suggest(t.Context(), Query{Text: "旧现象 旧标题", AllSites: true}); err != nil || len(found) != 1 {
		t.Errorf("the words of the old version are searched again: %v, %v", found, err)
	}
	list, err := b.History(t.Context(), "h1")
	if err != nil || len(list) != 4 || list[0].Version != 4 || list[2].Title.ZH != "新标题" {
		t.Errorf("%v, %v", list, err)
	}
	if _, err := b.History(t.Context(), "none"); !errors.Is(err, ErrNotFound) {
		t.Errorf("no such entry: %v", err)
	}
	if _, err := b.Undo(t.Context(), "h1", 9, 4, "li"); !errors.Is(err, ErrNotFound) {
		t.Errorf("no such version: %v", err)
	}
}
