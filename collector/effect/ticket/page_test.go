package ticket

import (
	"bytes"
	"encoding/base64"
	"image/png"
	"os"
	"strings"
	"testing"
	"time"

	"golang.org/x/net/html"

	"github.com/faultline/faultline/collector/effect"
	"github.com/faultline/faultline/collector/effect/ticket/chart"
	"github.com/faultline/faultline/collector/incident"
	"github.com/faultline/faultline/collector/inventory"
	"github.com/faultline/faultline/internal/lang"
)

// bothSides is lineDown as seen by agents at both ends.
func bothSides() (incident.Incident, *inventory.Graph) {
	i := lineDown()
	i.Diagnosis.Evidence = append(i.Diagnosis.Evidence, incident.Observation{Element: "P", Subject: "b2-rtr:GigabitEthernet0/0/0", Vantage: "agent-2", Truth: "ok", At: t0.Add(-5 * time.Second),
		Text: lang.Text{ZH: "本端端口 GigabitEthernet0/0/0 正常（5 秒前）", EN: "own port GigabitEthernet0/0/0 up (5 s ago)"}})
	for n := range 2 {
		i.Diagnosis.Evidence[n].Vantage = []string{"agent-2", "agent-hq"}[n]
	}
	i.Clocks = []incident.Clock{{Name: "vendor", State: "running", DueAt: t0.Add(4 * time.Hour)}}
	inv := *estate().Inventory()
	inv.Agents = []inventory.Agent{{ID: "agent-hq", Site: "hq"}, {ID: "agent-2", Site: "branch-2"}}
	return i, inventory.NewGraph(&inv)
}

func measured(language string) []chart.Chart {
	title := lang.Text{ZH: "上海主用专线丢包率（总公司 → 上海）", EN: "Loss across the line (HQ to Shanghai)"}
	c := chart.Chart{Name: "loss", Title: title.In(language), Unit: "%", Max: 100}
	for n := range 181 {
		v := float64(n%37) / 30
		if n >= 173 {
			v = 100
		}
		c.Points = append(c.Points, chart.Point{At: t0.Add(time.Duration(n-180) * 5 * time.Second), Value: v})
	}
	return []chart.Chart{c}
}

func written(t *testing.T, language string) Message {
	t.Helper()
	r, err := NewRenderer()
	if err != nil {
		t.Fatal(err)
	}
	i, g := bothSides()
	v, _ := g.Vendor("carrier-a")
	v.Language = language
	m, err := r.Render(Input{Effect: job(i).Effect, Incident: i, Vendor: v, Graph: g, Now: t0, Charts: measured(language), OnSite: "王工 021-5555 0102", Until: t0.Add(10 * time.Hour),
		PageURL: "https://noc.example.com/t/abc"})
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// TestPage holds what a dispatcher has to find in the mail, in both forms.
func TestPage(t *testing.T) {
	for l, words := range map[string][]string{
		lang.ZH: {"SH-0231", "总公司 hq-rtr GigabitEthernet0/0/2", "上海分公司 b2-rtr GigabitEthernet0/0/0", "2026-11-21 15:59:38 +08:00", "两端端口正常", "线路丢包 100%", "UPS 市电供电", "本端端口",
			"王工 021-5555 0102", "2026-11-22 02:00:00 +08:00", "2026-11-21 20:00:00 +08:00", "受理单号", "已派单，预计14:30", "https://noc.example.com/t/abc"},
		lang.EN: {"SH-0231", "Head office hq-rtr", "Both ends&#39; ports up|Both ends' ports up", "100 % loss", "your ticket number", "ETA 14:30", "Shanghai branch"},
	} {
		m := written(t, l)
		for _, w := range words {
			inHTML, inText, ok := strings.Cut(w, "|")
			if !ok {
				inText = inHTML
			}
			if !strings.Contains(html.UnescapeString(m.HTML), html.UnescapeString(inHTML)) {
				t.Errorf("%s: the HTML lacks %q", l, inHTML)
			}
			if !strings.Contains(m.Body, inText) {
				t.Errorf("%s: the text lacks %q", l, inText)
			}
		}
		if len(m.HTML) > 90<<10 {
			t.Errorf("%d bytes: mail programs cut at 102 kB", len(m.HTML))
		}
		if _, err := html.Parse(strings.NewReader(m.HTML)); err != nil {
			t.Error(err)
		}
		if len(m.Attachments) != 2 || !strings.Contains(m.HTML, `"cid:`+m.Attachments[0].Name+`"`) {
			t.Fatalf("%d attachments", len(m.Attachments))
		}
		if _, err := png.Decode(bytes.NewReader(m.Attachments[0].Data)); err != nil {
			t.Error(err)
		}
		if path := os.Getenv("FAULTLINE_MAIL_PAGE"); path != "" { // to look at it in a browser
			pic := "data:image/png;base64," + base64.StdEncoding.EncodeToString(m.Attachments[0].Data)
			if err := os.WriteFile(path+"-"+l+".html", []byte(strings.ReplaceAll(m.HTML, "cid:"+m.Attachments[0].Name, pic)), 0o600); err != nil {
				t.Fatal(err)
			}
		}
	}
}

// TestSidesAreNamed: the text says from where each thing was seen.
func TestSidesAreNamed(t *testing.T) {
	m := written(t, lang.ZH)
	hq, branch := strings.Index(m.Body, "监测证据（总公司）：\n  - 线路丢包 100%"), strings.Index(m.Body, "监测证据（上海分公司）：\n")
	if hq < 0 || branch < hq {
		t.Fatalf("sides at %d and %d in\n%s", hq, branch, m.Body)
	}
}

// TestPageEscapes: nothing in a device's name becomes markup.
func TestPageEscapes(t *testing.T) {
	r, err := NewRenderer()
	if err != nil {
		t.Fatal(err)
	}
	for _, reason := range []string{effect.ReasonOpened, effect.ReasonWithdrawn, effect.ReasonRecovered, effect.ReasonClosed} {
		i := lineDown()
		i.Diagnosis.Title, i.Diagnosis.Proof = lang.Same(`<script>x</script>`), lang.Same(`<img onerror=x>`)
		i.Diagnosis.Affected, i.Diagnosis.Evidence[0].Text = []string{`"><q>`}, lang.Same("<iframe>")
		v, _ := estate().Vendor("carrier-a")
		m, err := r.Render(Input{Effect: job(i, effect.Reason, reason, effect.Comment, "<svg onload=x>").Effect, Incident: i, Vendor: v, Graph: estate(), Now: t0, PageURL: "javascript:alert(1)"})
		if err != nil {
			t.Fatal(err)
		}
		for _, bad := range []string{"<script", "<img onerror", `"><q>`, "<iframe", "<svg", "javascript:alert"} {
			if strings.Contains(m.HTML, bad) {
				t.Errorf("%s: %q in the page", reason, bad)
			}
		}
	}
}
