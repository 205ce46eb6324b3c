package app

import (
	"context"
	"fmt"
	"log/slog"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/fstest"
	"time"

	"github.com/faultline/faultline/collector/config"
	"github.com/faultline/faultline/collector/duty"
	"github.com/faultline/faultline/collector/effect/notify/post"
	"github.com/faultline/faultline/collector/engine"
	"github.com/faultline/faultline/collector/incident"
	"github.com/faultline/faultline/collector/inventory"
	"github.com/faultline/faultline/collector/lease"
	"github.com/faultline/faultline/collector/metricstore"
	"github.com/faultline/faultline/collector/metricstore/embedded"
	"github.com/faultline/faultline/collector/people"
	"github.com/faultline/faultline/collector/sqlstore"
	"github.com/faultline/faultline/internal/lang"
	"github.com/faultline/faultline/plugins/base"
	"github.com/faultline/faultline/plugins/notify"
)

// outbox of mails.
type mails struct {
	mu   sync.Mutex
	sent []notify.Notice
}

func (m *mails) Name() string { return "email" }

func (m *mails) Deliver(_ context.Context, n notify.Notice) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.sent = append(m.sent, n)
	return nil
}

func (m *mails) list() []notify.Notice {
	m.mu.Lock()
	defer m.mu.Unlock()
	return slices.Clone(m.sent)
}

// dailyApp is as much of a collector as the daily report needs, on real stores.
func dailyApp(t *testing.T, dir string, box *mails) (*App, int64) {
	t.Helper()
	log := slog.New(slog.DiscardHandler)
	cfg := config.Default()
	cfg.Data, cfg.ExternalURL, cfg.Daily.At = dir, "https://noc.example.com", "18:00"
	a := &App{cfg: cfg, log: log}
	var err error
	if a.store, err = sqlstore.Open(t.Context(), sqlstore.Options{URL: "sqlite:" + filepath.Join(dir, "f.db"), Logger: log}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { a.store.Close() })
	if err := a.store.Migrate(t.Context()); err != nil {
		t.Fatal(err)
	}
	if a.metrics, err = embedded.Open(embedded.Options{Dir: filepath.Join(dir, "metrics"), Retention: 400 * 24 * time.Hour, Logger: log}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { a.metrics.Close() })
	d, err := people.Load(fstest.MapFS{"p.yaml": {Data: []byte(`apiVersion: faultline/v1
kind: People
people:
  - {id: boss, name: 张总, roles: [hq_it_manager], email: boss@example.com}
  - {id: smith, name: Smith, roles: [hq_it_manager], email: smith@example.com, language: en}
  - {id: bound, name: 某, roles: [hq_it_manager], sites: [sh], email: bound@example.com}
  - {id: li, name: 李工, roles: [branch_it], sites: [sh], email: li@example.com}
`)}}, people.Options{})
	if err != nil {
		t.Fatal(err)
	}
	name := func(zh, en string) lang.Text { return lang.Text{ZH: zh, EN: en} }
	inv := &inventory.Inventory{Sites: []inventory.Site{{ID: "sh", Name: name("上海分公司", "Shanghai"), Kind: "branch"}, {ID: "cd", Name: name("成都分公司", "Chengdu"), Kind: "branch"}},
		Lines: []inventory.Line{{ID: "line-1", Name: name("专线一", "Line 1"), Site: "sh"}, {ID: "line-2", Name: name("专线二", "Line 2"), Site: "cd"}}}
	a.basis.Store(&basis{graph: inventory.NewGraph(inv), people: d})
	if a.duty, err = duty.Open(t.Context(), duty.Options{Store: a.store, Base: func() *people.Directory { return d }, Access: a.access, Now: time.Now,
		Audit: func(context.Context, string, string, string, string) error { return nil }}); err != nil {
		t.Fatal(err)
	}
	if a.post, err = post.New(post.Options{Store: a.store, Directory: a.directory, Channel: box, Logger: log,
		Closing: func(incident.Incident) (title, text lang.Text) { return }}); err != nil {
		t.Fatal(err)
	}
	if a.daily, err = newDaily(a); err != nil {
		t.Fatal(err)
	}
	gen, ok, err := a.store.AcquireLease(t.Context(), lease.Writer, "node", time.Hour)
	if err != nil || !ok {
		t.Fatalf("lease: %v %v", ok, err)
	}
	if err := a.post.Begin(t.Context(), gen); err != nil {
		t.Fatal(err)
	}
	return a, gen
}

// put commits an incident as it stands.
func put(t *testing.T, a *App, gen int64, i incident.Incident) {
	t.Helper()
	e, err := incident.Event{IncidentID: i.ID, ID: "open/" + i.ID, At: i.OpenedAt, Kind: incident.Opened, Actor: incident.System}.Seal(1, "")
	if err != nil {
		t.Fatal(err)
	}
	i.Version, i.LastHash, i.Number = 1, e.Hash, "20261121-"+i.ID
	i.Diagnosis.Title = lang.Text{ZH: "故障" + i.ID, EN: "fault " + i.ID}
	if err := a.store.Commit(t.Context(), engine.Commit{Generation: gen, Changes: []engine.Change{{After: i, Events: []incident.Event{e}}}}); err != nil {
		t.Fatal(err)
	}
}

// TestDailyReport compares what managers are mailed with what was put into the
// stores, and sees to it that it is mailed once whatever restarts.
func TestDailyReport(t *testing.T) {
	box, dir := &mails{}, t.TempDir()
	a, gen := dailyApp(t, dir, box)
	zone := a.daily.zone
	due := time.Date(2026, 11, 21, 18, 0, 0, 0, zone)
	at := func(hours int) time.Time { return due.Add(time.Duration(hours) * time.Hour).UTC() }
	late := []incident.Clock{{Name: "respond", Breached: true}}
	site := func(s string) incident.Diagnosis { return incident.Diagnosis{Site: s} }
	for _, i := range []incident.Incident{
		{ID: "0001", State: incident.StateOpen, OpenedAt: at(-2), Diagnosis: site("sh"), Clocks: late},
		{ID: "0002", State: incident.StateClosed, OpenedAt: at(-5), ClosedAt: at(-1), RecoveredAt: at(-3), FaultAt: at(-5), Diagnosis: site("sh")},
		{ID: "0003", State: incident.StateClosed, OpenedAt: at(-50), ClosedAt: at(-23), Diagnosis: site("cd")},
		{ID: "0004", State: incident.StateVerified, OpenedAt: at(-90), Diagnosis: site("cd"), Alerts: []incident.AlertRef{{Symptom: "filling"}}},
		{ID: "0005", State: incident.StateOpen, OpenedAt: at(-3), Diagnosis: site("sh"), Practice: true},
		{ID: "0006", State: incident.StateClosed, OpenedAt: at(-90), ClosedAt: at(-60), Diagnosis: site("sh")},
		{ID: "0007", State: incident.StateOpen, OpenedAt: at(1), Diagnosis: site("sh")},
	} {
		put(t, a, gen, i)
	}
	var loss []metricstore.Series // line-1 lost everything in a quarter of the minutes
	s := metricstore.Series{Labels: base.LabelsFrom("faultline_probe_loss_ratio", map[string]string{"role": "line", "device": "line-1", "site": "sh"})}
	for m := range 24 * 60 {
		v := 0.0
		if m%4 == 0 {
			v = 1
		}
		s.Points = append(s.Points, metricstore.Point{T: due.Add(time.Duration(m-24*60+1) * time.Minute).UnixMilli(), V: v})
	}
	if _, err := a.metrics.Append(t.Context(), append(loss, s)); err != nil {
		t.Fatal(err)
	}
	ctx := t.Context()
	if err := a.daily.Due(ctx, due.Add(-time.Hour)); err != nil { // the first start: nothing is made up for
		t.Fatal(err)
	}
	for range 3 {
		if err := a.daily.Due(ctx, due.Add(time.Minute)); err != nil {
			t.Fatal(err)
		}
	}
	again, err := newDaily(a) // a restart, or the other collector
	if err != nil {
		t.Fatal(err)
	}
	if err := again.Due(ctx, due.Add(2*time.Minute)); err != nil {
		t.Fatal(err)
	}
	if err := a.store.KVDelete(ctx, dailyLast); err != nil { // cut off between handing on and remembering
		t.Fatal(err)
	}
	if err := a.store.KVPut(ctx, dailyLast, due.AddDate(0, 0, -1).UTC().Format(time.RFC3339)); err != nil {
		t.Fatal(err)
	}
	if again, err = newDaily(a); err != nil {
		t.Fatal(err)
	}
	if err := again.Due(ctx, due.Add(3*time.Minute)); err != nil {
		t.Fatal(err)
	}
	got := mailed(t, a, box, 2)
	zh, en := got["boss@example.com"], got["smith@example.com"]
	if zh.Subject != "技术日报 2026-11-21：新增故障 2，关闭故障 2，超时限 1，容量预警 1" || en.Subject != "Daily technical report 2026-11-21: Opened 2, Closed 2, Late 1, Capacity warnings 1" {
		t.Errorf("subjects %q, %q", zh.Subject, en.Subject)
	}
	for _, want := range []string{"Line 1 75.000 %", "Line 2 not measured", "20261121-0002 Shanghai fault 0002 120 min down", "- Chengdu: open 0, to confirm 1", "2026-11-20 18:00 – 2026-11-21 18:00"} {
		if !strings.Contains(en.Body, want) {
			t.Errorf("the report lacks %q:\n%s", want, en.Body)
		}
	}
	if strings.Contains(en.Body, "0005") || strings.Contains(en.Body, "0006") || strings.Contains(en.Body, "0007") {
		t.Errorf("the report has what is practice, of another day or later:\n%s", en.Body)
	}
	if !strings.Contains(zh.HTML, `<a href="https://noc.example.com/incidents/0001">`) || !strings.Contains(zh.HTML, "上海分公司") {
		t.Errorf("page:\n%s", zh.HTML)
	}
	if r, err := (dailies{a}).Report(ctx, "2026-11-21"); err != nil || len(r.Opened) != 2 || len(r.Branches) != 2 {
		t.Errorf("%+v, %v", r, err)
	}
	madeUp(t, a, due)
}

// madeUp sees that three days of a long downtime are made up for, no more.
func madeUp(t *testing.T, a *App, due time.Time) {
	t.Helper()
	if err := a.daily.Due(t.Context(), due.AddDate(0, 0, 10).Add(time.Minute)); err != nil {
		t.Fatal(err)
	}
	days, err := dailies{a}.Days(t.Context())
	if want := []string{"2026-12-01", "2026-11-30", "2026-11-29", "2026-11-21"}; err != nil || !slices.Equal(days, want) {
		t.Errorf("days %v, want %v: %v", days, want, err)
	}
}

// mailed runs the post until so many mails are out and returns them by receiver.
func mailed(t *testing.T, a *App, box *mails, n int) map[string]notify.Notice {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- a.post.Run(ctx) }()
	deadline := time.Now().Add(20 * time.Second)
	for len(box.list()) < n && time.Now().Before(deadline) {
		time.Sleep(10 * time.Millisecond)
	}
	cancel()
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	got := map[string]notify.Notice{}
	for _, m := range box.list() {
		got[m.To] = m
	}
	if len(box.list()) != n || len(got) != n {
		t.Fatalf("%d mails to %v, want one to each of %d", len(box.list()), fmt.Sprint(got), n)
	}
	if err := a.post.Begin(t.Context(), 1); err != nil {
		t.Fatal(err)
	}
	return got
}
