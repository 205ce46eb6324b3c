package ticket

import (
	"fmt"
	"strings"
	"text/template"

	"github.com/faultline/faultline/collector/effect"
	"github.com/faultline/faultline/collector/effect/ticket/chart"
	"github.com/faultline/faultline/internal/lang"
	desk "github.com/faultline/faultline/plugins/ticket"
)

// Sizes of a mail's charts, in pixels: as wide as a mail, drawn twice as fine so
// that they are sharp on phones.
const (
	chartWidth  = 536
	chartHeight = 170
	maxCharts   = 4
)

// page is what the HTML template sees.
type page struct {
	view
	Lang    string
	W       map[string]string // the words between the facts
	Subject string
	Ask     []string // the paragraphs before the facts
	Facts   []fact
	Charts  []picture
	Alarm   bool // something is broken now
}

type fact struct {
	Name, Value string
	Strong      bool
}

type picture struct{ CID, Title, Unit string }

// pageWords are the words of the HTML mail, by language.
var pageWords = map[string]map[string]string{
	lang.ZH: {"drill": "演练（DRILL）：这是演练工单，不是真实故障，请勿派工。", "how": "判断依据", "first": "目前为初步判断。", "measured": "监测证据", "from": "%s侧", "affected": "受影响", "more": "等另外 %d 项",
		"call": "现场联系人", "until": "可联系至", "answer": "请在回复中说明", "button": "打开工单：受理 / 反馈 / 上传报告", "note": "说明", "told": "原工单",
		"foot": "请直接回复本邮件，并保留主题中的单号。本邮件由 Faultline 监测系统根据测量数据自动发出。", "shaded": "底色部分为故障时段"},
	lang.EN: {"drill": "DRILL (演练): this ticket belongs to a drill, nothing real has failed. Do not dispatch anybody.", "how": "How we know", "first": "This is a first judgement.", "measured": "Measurements", "from": "Seen from %s", "affected": "Affected", "more": "and %d more",
		"call": "Contact on site", "until": "until", "answer": "Please answer with", "button": "Open the ticket: accept, answer, upload", "note": "Note", "told": "Ticket taken back",
		"foot": "Please reply to this message and keep the number in the subject. Sent by Faultline from its measurements.", "shaded": "shaded: while the fault lasted"},
}

// factNames are the facts in their order, by language.
var factNames = map[string]lang.Text{
	"number": {ZH: "故障单号", EN: "Incident"}, "site": {ZH: "站点", EN: "Site"}, "class": {ZH: "故障类别", EN: "Class"}, "line": {ZH: "线路", EN: "Line"}, "circuit": {ZH: "电路编号", EN: "Circuit number"},
	"a": {ZH: "A 端", EN: "A end"}, "b": {ZH: "B 端", EN: "B end"}, "bandwidth": {ZH: "带宽", EN: "Bandwidth"}, "device": {ZH: "设备", EN: "Device"}, "model": {ZH: "型号", EN: "Model"},
	"serial": {ZH: "序列号", EN: "Serial number"}, "address": {ZH: "管理地址", EN: "Management address"}, "part": {ZH: "部位", EN: "Part"}, "contract": {ZH: "合同", EN: "Contract"},
	"since": {ZH: "故障开始", EN: "Since"}, "recovered": {ZH: "恢复时间", EN: "Recovered"}, "by": {ZH: "约定修复时间", EN: "Repair agreed by"},
}

// page writes the HTML of a message and the pictures in it. Plain text says the
// same for those who see no HTML.
func (r *Renderer) page(m *Message, t *template.Template, v view, in Input) error {
	l := language(in.Vendor)
	p := page{view: v, Lang: l, W: pageWords[l], Subject: m.Subject, Alarm: v.Recovered == "" && v.Told == "" && v.Reason != effect.ReasonClosed}
	lead, err := run(t, "lead", v)
	if err != nil {
		return err
	}
	for line := range strings.Lines(lead) {
		if line = strings.TrimSpace(line); line != "" {
			p.Ask = append(p.Ask, line)
		}
	}
	p.Facts = facts(v, l)
	if asks(v.Reason) || v.Reason == effect.ReasonRecovered {
		if err := draw(m, &p, in, l); err != nil {
			return err
		}
	}
	var b strings.Builder
	if err := r.html.ExecuteTemplate(&b, "page.html.tmpl", p); err != nil {
		return fmt.Errorf("write ticket page: %w", err)
	}
	m.HTML = b.String()
	return nil
}

// draw makes the charts: a picture in the mail each, and the same as SVG.
func draw(m *Message, p *page, in Input, l string) error {
	for n, c := range in.Charts[:min(len(in.Charts), maxCharts)] {
		if len(c.Points) == 0 {
			continue
		}
		if c.Fault.IsZero() {
			c.Fault, c.End = in.Incident.FaultAt, in.Incident.RecoveredAt
		}
		if c.Zone == nil {
			c.Zone = in.Graph.Location(in.Incident.Diagnosis.Site)
		}
		pic, err := chart.PNG(c, chartWidth, chartHeight)
		if err != nil {
			return fmt.Errorf("write ticket: %w", err)
		}
		name := fmt.Sprintf("chart-%d", n+1)
		m.Attachments = append(m.Attachments, desk.Attachment{Name: name + ".png", ContentType: "image/png", Data: pic},
			desk.Attachment{Name: name + ".svg", ContentType: "image/svg+xml", Data: []byte(chart.SVG(c, chartWidth, chartHeight))})
		p.Charts = append(p.Charts, picture{CID: name + ".png", Title: c.Title, Unit: c.Unit})
	}
	return nil
}

// facts are the lines of the table, those that are known.
func facts(v view, l string) []fact {
	var out []fact
	add := func(name, value string, strong bool) {
		if value != "" {
			out = append(out, fact{factNames[name].In(l), value, strong})
		}
	}
	add("number", v.Number, false)
	if x := v.Line; x != nil && v.Told == "" {
		add("circuit", x.Circuit, true)
		add("line", strings.TrimSpace(x.Name+" "+x.Role), false)
		add("a", x.A, false)
		add("b", x.B, false)
		add("bandwidth", x.Bandwidth, false)
	}
	if x := v.Device; x != nil && v.Told == "" {
		add("device", strings.TrimSpace(x.Name+" "+x.Kind), true)
		add("model", x.Model, false)
		add("serial", x.Serial, false)
		add("address", x.Address, false)
	}
	site := v.Site.Name
	if v.Site.Address != "" {
		site += " · " + v.Site.Address
	}
	add("site", site, false)
	if v.Told != "" {
		return out
	}
	add("part", v.Component, false)
	add("contract", v.Contract, false)
	add("class", strings.TrimSuffix(v.Class+" · "+v.Severity, " · "), false)
	since := v.Since
	if v.Recovered == "" && since != "" {
		since += map[string]string{lang.ZH: "（已持续 " + v.Lasted + "）", lang.EN: " (" + v.Lasted + " so far)"}[l]
	}
	add("since", since, true)
	add("recovered", v.Recovered, true)
	add("by", v.RepairBy, true)
	return out
}
