package process

import (
	"fmt"
	"strings"

	"github.com/faultline/faultline/collector/sla"
	"github.com/faultline/faultline/internal/lang"
)

const (
	headH = 58.0 // of the sheet: name, version and document
	rowH  = 21.0 // of the table of clocks
)

// Sheet draws the process as a document of its own: its name, version and
// source, the lanes, and the table of its clocks below.
func Sheet(d *Definition, language string) string {
	l := arrange(d.Graph())
	l.width = max(l.width, 1040)
	for n := range l.laneY {
		l.laneY[n] += headH
	}
	for id, p := range l.places {
		p.y += headH
		l.places[id] = p
	}
	s := sheet{d: d, layout: l, language: language}
	table, height := s.table(l.height + headH + 8)
	return s.svg("", height, s.head(), table)
}

func (l sheet) head() string {
	var b strings.Builder
	fmt.Fprintf(&b, `<text class="head" x="%.0f" y="30">%s</text>`, margin+4, esc(l.d.Title.In(l.language)))
	source := lang.Text{ZH: "依据：《" + l.d.Source.Document + "》" + l.d.Source.Section + "　版本 " + l.d.Ref(), EN: "Source: " + l.d.Source.Document + ", " + l.d.Source.Section + "   Version " + l.d.Ref()}
	fmt.Fprintf(&b, `<text class="sub" x="%.0f" y="50">%s</text>`, margin+4, esc(source.In(l.language)))
	marks := lang.Text{ZH: "◇ 判断　✓ 批准　≈ 测量验证　≤ 时限，≥ 保持（工 = 工作时间）　+ 可提议处置　- - 超时或未通过　深色泳道 = 外部单位",
		EN: "◇ decision   ✓ approval   ≈ measured   ≤ limit, ≥ hold (w = working time)   + remedies   - - timeout or failed   darker lane = outside the company"}
	fmt.Fprintf(&b, `<text class="sub" x="%.0f" y="50" text-anchor="end">%s</text>`, l.width-margin-4, esc(marks.In(l.language)))
	return b.String()
}

// table lists the clocks below the drawing.
func (l sheet) table(y float64) (svg string, height float64) {
	var b strings.Builder
	columns, wide := []float64{}, l.width-2*margin-8
	for _, share := range []float64{0, .14, .25, .37, .58, .74} {
		columns = append(columns, margin+4+share*wide)
	}
	heads := []lang.Text{{ZH: "时限", EN: "Clock"}, {ZH: "限额", EN: "Limit"}, {ZH: "责任角色", EN: "Of"}, {ZH: "开始", EN: "Starts"}, {ZH: "结束", EN: "Stops"}, {ZH: "超时后", EN: "When it is over"}}
	row := func(class string, y float64, words []string) {
		for n, w := range words {
			room := 1e9
			if n+1 < len(columns) {
				room = columns[n+1] - columns[n]
			}
			fmt.Fprintf(&b, `<text class="%s" x="%.0f" y="%.1f"><title>%s</title>%s</text>`, class, columns[n], y, esc(w), esc(fitting(w, int(room/6.6))))
		}
	}
	var words []string
	for _, h := range heads {
		words = append(words, h.In(l.language))
	}
	row("th", y+14, words)
	for _, k := range l.d.Clocks {
		fmt.Fprintf(&b, `<path class="rule" d="M%.0f %.1fH%.0f"/>`, margin, y+rowH-2, l.width-margin)
		y += rowH
		row("", y+14, l.clockRow(k))
	}
	return b.String(), y + rowH + margin
}

func (l sheet) clockRow(k Clock) []string {
	after := l.people(k.Breach.Notify)
	if s, ok := l.d.Step(k.Breach.To); ok {
		after = strings.TrimSpace(after + " → " + s.Title.In(l.language))
	}
	if k.Late.After != "" {
		after += "; +" + limitWords(k.Late.After, k.Calendar).In(l.language) + ": " + l.people(k.Late.Notify)
	}
	if k.ReportOnly {
		after = lang.Text{ZH: "仅用于统计", EN: "only reported"}.In(l.language)
	}
	role := lang.Text{ZH: "外部单位", EN: "the vendor"}.In(l.language)
	if r, ok := l.d.Role(k.Role); ok {
		role = r.Title.In(l.language)
	} else if k.ReportOnly {
		role = "—"
	}
	return []string{k.Title.In(l.language), limitWords(k.Target, k.Calendar).In(l.language), role, l.moments(k.Starts), l.moments(k.Stops), after}
}

func (l sheet) people(ids []string) string {
	var out []string
	for _, id := range ids {
		if r, ok := l.d.Role(id); ok {
			out = append(out, r.Title.In(l.language))
		}
	}
	return strings.Join(out, ", ")
}

var momentTitles = map[string]lang.Text{
	wordOpened: {ZH: "开单", EN: "opened"}, wordReopened: {ZH: "重新打开", EN: "reopened"}, wordAcked: {ZH: "响应", EN: "acknowledged"},
	wordTicketOpened: {ZH: "工单发出", EN: "ticket sent"}, wordTicketWithdrawn: {ZH: "工单撤回", EN: "ticket withdrawn"}, wordVerified: {ZH: "恢复核实", EN: "recovery proven"},
}

func (l sheet) moments(list []string) string {
	var out []string
	for _, id := range list {
		if t, ok := momentTitles[id]; ok {
			out = append(out, t.In(l.language))
		} else if s, ok := l.d.Step(id); ok {
			out = append(out, s.Title.In(l.language))
		}
	}
	return strings.Join(out, ", ")
}

// limits are the step's own times, the guard's hold, and that something may be
// carried out.
func (l sheet) limits(id string) string {
	s, ok := l.d.Step(id)
	if !ok {
		return ""
	}
	var out []string
	if s.Guard != nil {
		out = append(out, "≥ "+limitShort(s.Guard.Hold, "", l.language))
	}
	for _, r := range s.Timeout {
		out = append(out, "≤ "+limitShort(r.After, r.Calendar, l.language))
	}
	if s.Remedy != nil {
		out = append(out, remedyWord.In(l.language))
	}
	return strings.Join(out, "  ")
}

// limitShort writes a limit for a box: 4 小时工, 4 h w.
func limitShort(after, calendar, language string) string {
	short := map[string]lang.Text{"work": {ZH: "（工）", EN: " w"}}[calendar].In(language)
	if span, err := sla.ParseSpan(after); err == nil && span.Days > 0 && calendar == "work" {
		n := strings.TrimSuffix(after, "d")
		return lang.Text{ZH: n + " 工作日", EN: n + " d w"}.In(language)
	}
	return SpanWords(after).In(language) + short
}

// limitWords writes a limit for the table.
func limitWords(after, calendar string) lang.Text {
	t := SpanWords(after)
	switch calendar {
	case "work":
		if strings.HasSuffix(after, "d") {
			n := strings.TrimSuffix(after, "d")
			return lang.Text{ZH: n + " 个工作日", EN: n + " working d"}
		}
		return lang.Text{ZH: t.ZH + " 工作时间", EN: t.EN + " working time"}
	}
	return lang.Text{ZH: t.ZH + " 全天候", EN: t.EN + " day and night"}
}

// SpanWords says a limit as processes write it, "10m" or "1h30m", with its units
// in words.
func SpanWords(after string) lang.Text {
	zh, en := strings.NewReplacer("h", " 小时 ", "m", " 分 ", "s", " 秒 ", "d", " 天 "), strings.NewReplacer("h", " h ", "m", " min ", "s", " s ", "d", " d ")
	return lang.Text{ZH: strings.TrimSpace(zh.Replace(after)), EN: strings.TrimSpace(en.Replace(after))}
}

// fitting cuts text to a number of columns.
func fitting(s string, room int) string {
	n := 0
	for at, r := range s {
		if n += columnsOf(string(r)); n > room {
			return strings.TrimSpace(s[:at]) + "…"
		}
	}
	return s
}
