package report

import (
	"bytes"
	_ "embed"
	"fmt"
	"html/template"
	"strings"
	"time"

	"github.com/faultline/faultline/internal/lang"
)

//go:embed daily.html
var dailyHTML string

var dailyPage = template.Must(template.New("daily").Parse(dailyHTML))

// dailyWords are the report's captions.
var dailyWords = map[string]lang.Text{
	"title":     {ZH: "技术日报", EN: "Daily technical report"},
	"period":    {ZH: "统计时段", EN: "Period"},
	"opened":    {ZH: "新增故障", EN: "Opened"},
	"closed":    {ZH: "关闭故障", EN: "Closed"},
	"late":      {ZH: "超时限", EN: "Late"},
	"capacity":  {ZH: "容量预警", EN: "Capacity warnings"},
	"lines":     {ZH: "专线可用率", EN: "Availability of lines"},
	"branches":  {ZH: "各站点未结事项", EN: "Open items by site"},
	"open":      {ZH: "处理中", EN: "open"},
	"verified":  {ZH: "待确认", EN: "to confirm"},
	"oldest":    {ZH: "最早", EN: "oldest"},
	"none":      {ZH: "无", EN: "none"},
	"unknown":   {ZH: "无测量数据", EN: "not measured"},
	"minutes":   {ZH: "中断 %.0f 分钟", EN: "%.0f min down"},
	"separator": {ZH: "，", EN: ", "},
}

// DailyView is a report as it is shown in one language.
type DailyView struct {
	Daily
	Lang string
	zone *time.Location
	url  func(id string) string
}

// View returns the report for showing; zone nil is the report's own, url names
// an incident's page and may be nil.
func (d Daily) View(language string, zone *time.Location, url func(id string) string) DailyView {
	if zone == nil {
		var err error
		if zone, err = time.LoadLocation(d.Zone); err != nil {
			zone = time.UTC
		}
	}
	return DailyView{d, language, zone, url}
}

// W returns a caption.
func (v DailyView) W(key string) string { return dailyWords[key].In(v.Lang) }

// Text returns the text in the language.
func (v DailyView) Text(t lang.Text) string { return t.In(v.Lang) }

// Time returns the moment in the zone.
func (v DailyView) Time(t time.Time) string { return t.In(v.zone).Format("2006-01-02 15:04") }

// Percent returns a share of a line.
func (v DailyView) Percent(l DailyLine) string {
	if l.Unknown {
		return v.W("unknown")
	}
	return fmt.Sprintf("%.3f %%", 100*l.Available)
}

// URL names an incident's page; "" is none.
func (v DailyView) URL(id string) string {
	if v.url == nil {
		return ""
	}
	return v.url(id)
}

// Down says how long an item's outage was, "" while it lasts.
func (v DailyView) Down(i DailyItem) string {
	if i.Minutes <= 0 {
		return ""
	}
	return fmt.Sprintf(v.W("minutes"), i.Minutes)
}

// Summary is the report in one line.
func (v DailyView) Summary() string {
	var parts []string
	for _, p := range []struct {
		key string
		n   int
	}{{"opened", len(v.Opened)}, {"closed", len(v.Closed)}, {"late", len(v.Late)}, {"capacity", len(v.Capacity)}} {
		parts = append(parts, fmt.Sprintf("%s %d", v.W(p.key), p.n))
	}
	return strings.Join(parts, v.W("separator"))
}

// Subject is the mail's subject.
func (v DailyView) Subject() string {
	return v.W("title") + " " + v.Day + lang.Text{ZH: "：", EN: ": "}.In(v.Lang) + v.Summary()
}

// Sections are the lists of incidents, with their captions.
func (v DailyView) Sections() []DailySection {
	return []DailySection{{"opened", v.Opened}, {"closed", v.Closed}, {"late", v.Late}, {"capacity", v.Capacity}}
}

// DailySection is one list of incidents.
type DailySection struct {
	Key   string
	Items []DailyItem
}

// Plain is the report as text.
func (v DailyView) Plain() string {
	var b strings.Builder
	line := func(format string, args ...any) { fmt.Fprintf(&b, format+"\n", args...) }
	line("%s %s", v.W("title"), v.Day)
	line("%s: %s – %s (%s)", v.W("period"), v.Time(v.From), v.Time(v.To), v.zone)
	line("%s", v.Summary())
	for _, s := range v.Sections() {
		line("\n%s: %d", v.W(s.Key), len(s.Items))
		for _, i := range s.Items {
			line("- %s", strings.Join(strings.Fields(fmt.Sprintf("%s %s %s %s", i.Number, v.Text(i.SiteName), v.Text(i.Title), v.Down(i))), " "))
		}
	}
	line("\n%s:", v.W("lines"))
	for _, l := range v.Lines {
		line("- %s %s", v.Text(l.Name), v.Percent(l))
	}
	line("\n%s:", v.W("branches"))
	for _, p := range v.Branches {
		line("- %s: %s %d%s%s %d%s%s %s", v.Text(p.Name), v.W("open"), p.Open, v.W("separator"), v.W("verified"), p.Verified, v.W("separator"), v.W("oldest"), v.Time(p.Oldest))
	}
	if len(v.Branches) == 0 {
		line("%s", v.W("none"))
	}
	return b.String()
}

// HTML is the report as a mail's page: no script, no picture, no outside file.
func (v DailyView) HTML() (string, error) {
	var b bytes.Buffer
	if err := dailyPage.Execute(&b, v); err != nil {
		return "", fmt.Errorf("daily report: %w", err)
	}
	return b.String(), nil
}
