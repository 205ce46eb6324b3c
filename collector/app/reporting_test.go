package app

import (
	"bytes"
	"context"
	"fmt"
	"image"
	"image/jpeg"
	"io"
	"log/slog"
	"mime/multipart"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/faultline/faultline/collector/config"
	"github.com/faultline/faultline/collector/incident"
	"github.com/faultline/faultline/collector/knowledge"
	"github.com/faultline/faultline/collector/writeup"
	"github.com/faultline/faultline/internal/lang"
)

const reportingCompany = `
company: Test
sites:
  - {id: hq, name: {zh-CN: 总公司, en: Head office}, kind: hq}
  - {id: sh, name: {zh-CN: 上海分公司, en: Shanghai}, kind: branch}
devices:
  - {id: sh-sw-1, name: {zh-CN: 接入交换机, en: Access switch}, site: sh, kind: switch, vendor: Huawei, model: S5720-28P, addresses: [127.0.0.1]}
  - {id: hq-rtr-1, name: {zh-CN: 总部路由器, en: Head office router}, site: hq, kind: router, addresses: [127.0.0.1]}
`

// runCollector serves a collector over a small company until the test ends.
func runCollector(t *testing.T) (*App, string) {
	t.Helper()
	cfg := smallCompany(t)
	a, _ := serveCollector(t, cfg)
	return a, cfg.ExternalURL
}

// smallCompany is the configuration of a collector with nothing in it yet.
func smallCompany(t *testing.T) config.Config {
	t.Helper()
	dir := t.TempDir()
	inventory := filepath.Join(dir, "company.yaml")
	if err := os.WriteFile(inventory, []byte(reportingCompany), 0o600); err != nil {
		t.Fatal(err)
	}
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	cfg := config.Default()
	cfg.Data, cfg.Inventory, cfg.Listen = filepath.Join(dir, "data"), inventory, ln.Addr().String()
	cfg.ExternalURL = "http://" + cfg.Listen
	_ = ln.Close()
	if err := os.MkdirAll(cfg.Data, 0o700); err != nil {
		t.Fatal(err)
	}
	return cfg
}

// serveCollector serves until stop or the test's end.
func serveCollector(t *testing.T, cfg config.Config) (a *App, stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	a, err := New(ctx, cfg, Options{Logger: slog.New(slog.NewTextHandler(t.Output(), &slog.HandlerOptions{Level: slog.LevelWarn})), Version: "test"})
	if err != nil {
		cancel()
		t.Fatal(err)
	}
	done := make(chan error, 1)
	go func() { done <- a.Run(ctx) }()
	stop = sync.OnceFunc(func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	t.Cleanup(stop)
	until(t, "the collector rules", func() bool {
		_, err := a.engine.Incidents(ctx)
		res, getErr := http.Get(cfg.ExternalURL + "/-/ready")
		if getErr == nil {
			_ = res.Body.Close()
		}
		return err == nil && getErr == nil
	})
	return a, stop
}

// until polls for a minute: a loaded machine is slow.
func until(t *testing.T, what string, is func() bool) {
	t.Helper()
	for deadline := time.Now().Add(time.Minute); !is(); time.Sleep(50 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("not within a minute: %s", what)
		}
	}
}

// read returns an answer's body and checks its status.
func read(t *testing.T, res *http.Response, err error, status int) string {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	if err != nil || res.StatusCode != status {
		t.Fatalf("%s %s: %d, want %d, %v\n%s", res.Request.Method, res.Request.URL, res.StatusCode, status, err, b)
	}
	return string(b)
}

// TestReportFromFormToKnowledge goes the whole round as somebody without an
// account: form, private page, confirmation; and what is learned from it.
func TestReportFromFormToKnowledge(t *testing.T) {
	a, base := runCollector(t)
	ctx := t.Context()
	res, err := http.Get(base + "/report/sh/guess")
	read(t, res, err, http.StatusNotFound)
	if err := a.reporter.NewSiteLink(ctx, "sh"); err != nil {
		t.Fatal(err)
	}
	if _, err := a.knowledge.Put(ctx, knowledge.Entry{ID: "k1", State: knowledge.Published, Public: true, Title: lang.Text{ZH: "交换机灯不亮"}, Symptoms: lang.Text{ZH: "二楼没有网络，交换机灯不亮"}, Solution: lang.Text{ZH: "检查电源插头"},
		Models: []string{"S5720-28P"}, Owner: "hq_network", UpdatedBy: "wang", ReviewBy: time.Now().AddDate(0, 6, 0)}); err != nil {
		t.Fatal(err)
	}
	links, err := a.reporter.SiteLinks(ctx)
	if err != nil {
		t.Fatal(err)
	}
	form := base + "/report/sh/" + links["sh"]
	res, err = http.Get(form)
	if page := read(t, res, err, 200); !strings.Contains(page, "sh-sw-1") || !strings.Contains(page, "网络不通") {
		t.Fatalf("the form:\n%s", page)
	}
	what := url.Values{"site": {"sh"}, "device": {"sh-sw-1"}, "category": {"equipment"}, "symptoms": {"二楼没有网络，交换机灯不亮"}, "key": {"k-1"}}
	res, err = http.PostForm(form, what)
	if page := read(t, res, err, 200); !strings.Contains(page, "检查电源插头") || !strings.Contains(page, `name="photo"`) {
		t.Fatalf("the second page shows no knowledge:\n%s", page)
	}
	follow, page := sendReport(t, form, what, "李雷")
	for _, want := range []string{"已收到", "最迟响应时间", "人工上报：二楼没有网络", "1 张照片"} {
		if !strings.Contains(page, want) {
			t.Fatalf("%q is not on the private page:\n%s", want, page)
		}
	}
	what.Set("key", "k-2")
	if _, joined := sendReport(t, form, what, "韩梅梅"); !strings.Contains(joined, "没有另开一单") {
		t.Fatalf("a second report of the same did not join:\n%s", joined)
	}
	open := a.openIncidents(ctx)
	if len(open) != 1 || open[0].Diagnosis.Class != incident.ClassDevice || len(open[0].Attachments) != 2 {
		t.Fatalf("%d incidents: %+v", len(open), open)
	}
	clock, ok := open[0].ClockNamed("respond")
	if !ok || clock.Target != "10m" || clock.State != incident.ClockRunning {
		t.Fatalf("the clock for an answer: %+v", clock)
	}
	closeByPerson(t, a, *open[0])
	res, err = http.Get(follow)
	if page := read(t, res, err, 200); !strings.Contains(page, "处理完毕") {
		t.Fatalf("after the end:\n%s", page)
	}
	learned(t, a, open[0].ID)
}

// sendReport sends the second page with a photo and returns the private page.
func sendReport(t *testing.T, form string, what url.Values, name string) (address, page string) {
	t.Helper()
	var b bytes.Buffer
	m := multipart.NewWriter(&b)
	for k, v := range what {
		_ = m.WriteField(k, v[0])
	}
	_ = m.WriteField("send", "1")
	_ = m.WriteField("name", name)
	f, err := m.CreateFormFile("photo", "IMG_1.jpg")
	if err == nil {
		err = jpeg.Encode(f, image.NewGray(image.Rect(0, 0, len(name), 8)), nil) // another picture for each
	}
	if err == nil {
		err = m.Close()
	}
	if err != nil {
		t.Fatal(err)
	}
	res, err := http.Post(form, m.FormDataContentType(), &b)
	page = read(t, res, err, 200)
	return res.Request.URL.String(), page
}

// closeByPerson takes the incident and closes it with a reason.
func closeByPerson(t *testing.T, a *App, i incident.Incident) {
	t.Helper()
	who := incident.Actor{Kind: "person", ID: "li", Name: "li", Role: "hq_network"}
	for n, e := range []incident.Event{{Kind: incident.Acked}, {Kind: incident.Commented, Comment: "插好电源插头后恢复"}, {Kind: incident.Closed, Comment: "已恢复", Reason: "已恢复"}} {
		e.ID, e.IncidentID, e.At, e.Actor = fmt.Sprintf("act-%d", n), i.ID, time.Now(), who
		if err := a.engine.Handle(t.Context(), e); err != nil {
			t.Fatal(err)
		}
	}
}

// learned waits for what is written when an incident ends: the draft for the
// knowledge base and the incident report.
func learned(t *testing.T, a *App, id string) {
	t.Helper()
	var draft knowledge.Entry
	until(t, "a draft is in the knowledge base", func() bool {
		e, err := a.knowledge.Get(t.Context(), "kb-"+id)
		draft = e
		return err == nil
	})
	if draft.State != knowledge.Draft || !strings.Contains(draft.Solution.ZH, "插好电源插头后恢复") || draft.Models[0] != "S5720-28P" {
		t.Errorf("%+v", draft)
	}
	until(t, "the incident report is drafted", func() bool {
		papers, err := a.store.Documents(t.Context(), id)
		if err != nil {
			t.Fatal(err)
		}
		for _, p := range papers {
			if p.Kind == writeup.IncidentReport && p.Language == lang.ZH {
				whole, err := a.store.Document(t.Context(), id, p.ID)
				return err == nil && regexp.MustCompile(`经验教训(?s:.*)待填写`).Match(whole.Body) && bytes.Contains(whole.Body, []byte("上海分公司"))
			}
		}
		return false
	})
}
