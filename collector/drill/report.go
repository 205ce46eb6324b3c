package drill

import (
	"fmt"
	"strconv"
	"time"

	"github.com/faultline/faultline/collector/process"
	"github.com/faultline/faultline/collector/scenario"
	"github.com/faultline/faultline/collector/writeup"
	"github.com/faultline/faultline/internal/lang"
)

// Kind is the drill report's kind of document.
const Kind = "drill_report"

// mark is what every page of a drill's papers says.
var mark = lang.Text{ZH: "演练 DRILL", EN: "DRILL 演练"}

// Names are what the report calls things; functions may be nil.
type Names struct {
	Zone   *time.Location
	Site   func(id string) lang.Text
	Role   func(role string) lang.Text
	Word   func(group, word string) string // classes, kinds of vendor and of documents, in the report's language
	Step   func(number, step string) lang.Text
	Choice func(number, choice string) lang.Text
	Clock  func(number, clock string) lang.Text
}

// reporter writes the report of one drill in one language.
type reporter struct {
	r        Record
	n        Names
	language string
}

// Report is the drill in writing, in a language: what was played, how it went, the
// score, and the hashes by which an auditor checks all of it.
func (r Record) Report(n Names, now time.Time, language string) writeup.Document {
	if n.Zone == nil {
		n.Zone = time.UTC
	}
	w := reporter{r, n, language}
	d := writeup.Document{Kind: Kind, Language: language, Title: w.say("演练报告：", "Drill report: ") + r.Title.In(language), Number: r.ID, IncidentID: r.ID, Version: int64(len(r.Log)),
		At: now.UTC(), Practice: true, Mark: mark.In(language)}
	d.Made = fmt.Sprintf(w.say("本报告由演练记录第 %d 条生成（%s）。", "Made of entry %d of the drill's log (%s)."), len(r.Log), w.head())
	d.Sections = []writeup.Section{w.summary()}
	if r.Score != nil {
		d.Sections = append(d.Sections, w.score(), w.people(), w.decisions(), w.clocks(), w.papers())
	}
	d.Sections = append(d.Sections, w.log(), w.chains())
	return d
}

func (w reporter) say(zh, en string) string { return lang.Text{ZH: zh, EN: en}.In(w.language) }

func (w reporter) head() string {
	if n := len(w.r.Log); n > 0 {
		return w.r.Log[n-1].Hash
	}
	return ""
}

func (w reporter) time(t time.Time) string {
	if t.IsZero() {
		return w.say("无", "none")
	}
	return t.In(w.n.Zone).Format("2006-01-02 15:04:05 -07:00")
}

func (w reporter) word(group, word string) string {
	if w.n.Word == nil || word == "" {
		return word
	}
	return w.n.Word(group, word)
}

func (w reporter) named(f func(string) lang.Text, id string) string {
	if f == nil {
		return id
	}
	if t := f(id).In(w.language); t != "" {
		return t
	}
	return id
}

func (w reporter) of(f func(a, b string) lang.Text, a, b string) string {
	if f == nil {
		return b
	}
	if t := f(a, b).In(w.language); t != "" {
		return t
	}
	return b
}

// truth is the story's fault in words.
func (w reporter) truth(t scenario.Truth) string {
	return fmt.Sprintf("%s · %s · %s", w.word("class", t.Class), t.Device, w.word("vendor", t.Vendor))
}

func (w reporter) summary() writeup.Section {
	r := w.r
	s := writeup.Section{ID: "summary", Title: w.say("概况", "Summary")}
	fact := func(zh, en, value string) {
		if value != "" {
			s.Facts = append(s.Facts, [2]string{w.say(zh, en), value})
		}
	}
	fact("编号", "Drill", r.ID)
	fact("站点", "Site", w.named(w.n.Site, r.Site))
	fact("情景", "Story", r.Title.In(w.language)+" ("+r.Story+")")
	fact("内容", "What happens", r.Brief.In(w.language))
	fact("真实原因（按情景）", "The truth, by the story", w.truth(r.Truth))
	fact("负责人", "Led by", r.Leader)
	fact("开始", "Started", w.time(r.StartedAt))
	fact("修复", "Repaired", w.time(r.MendedAt))
	fact("结束", "Ended", w.time(r.EndedAt))
	fact("结束方式", "How it ended", w.reason())
	fact("厂商参与", "Vendors take part", map[bool]string{true: w.say("是", "yes"), false: w.say("否，工单未发出", "no, tickets were held")}[r.Vendors])
	return s
}

func (w reporter) reason() string {
	t := map[string]lang.Text{ReasonFinished: {ZH: "所有故障单走完流程", EN: "every incident went to its end"}, ReasonLimit: {ZH: "时间已到", EN: "its time was over"},
		ReasonStopped: {ZH: "提前终止", EN: "it was stopped"}}[w.r.Reason].In(w.language)
	if w.r.Words != "" {
		t += ": " + w.r.Words
	}
	return t
}

// PartTitle is what a part of the score is called.
func PartTitle(id string) lang.Text {
	return map[string]lang.Text{PartAnswer: {ZH: "响应", EN: "Acknowledging"}, PartDecisions: {ZH: "判断", EN: "Decisions"}, PartClocks: {ZH: "时限", EN: "Limits"}, PartEnd: {ZH: "恢复与确认", EN: "Recovery and its confirmation"}}[id]
}

func (w reporter) score() writeup.Section {
	x := *w.r.Score
	s := writeup.Section{ID: "score", Title: w.say("评分", "Score"), Head: []string{w.say("项目", "Part"), w.say("得分", "Points"), w.say("满分", "At most")}}
	s.Facts = append(s.Facts, [2]string{w.say("总分（百分制）", "Points of 100"), strconv.Itoa(x.Points)})
	for _, p := range x.Parts {
		got := strconv.Itoa(p.Points)
		if p.Most == 0 {
			got = w.say("无可评项", "nothing to judge")
		}
		s.Rows = append(s.Rows, []string{PartTitle(p.ID).In(w.language), got, strconv.Itoa(p.Most)})
	}
	if x.FoundIn != nil {
		s.Facts = append(s.Facts, [2]string{w.say("开单用时", "Opened after"), x.FoundIn.String()}, [2]string{w.say("系统判断", "Diagnosed as"), w.word("class", x.FoundAs) + " " + w.yes(x.FoundIt)})
	}
	return s
}

// String is the length for people.
func (s Seconds) String() string {
	return (time.Duration(float64(s) * float64(time.Second))).Round(time.Second).String()
}

func (w reporter) yes(b bool) string {
	if b {
		return "✓"
	}
	return "✕"
}

func (w reporter) people() writeup.Section {
	s := writeup.Section{ID: "people", Title: w.say("人员", "People"), Head: []string{w.say("人员", "Who"), w.say("角色", "Role"), w.say("响应用时", "Acknowledged after"), w.say("判断 对/错/未评", "Decisions right/wrong/not judged"),
		w.say("否决建议", "Overruled"), w.say("审批", "Approvals"), w.say("文件", "Papers")}}
	for _, p := range w.r.Score.People {
		ack := ""
		if p.FirstAck != nil {
			ack = p.FirstAck.String()
		}
		s.Rows = append(s.Rows, []string{p.Name, w.named(w.n.Role, p.Role), ack, fmt.Sprintf("%d / %d / %d", p.Right, p.Wrong, p.Unjudged), strconv.Itoa(p.Overruled), strconv.Itoa(p.Approvals), strconv.Itoa(p.Papers)})
	}
	return w.orNone(s)
}

func (w reporter) decisions() writeup.Section {
	s := writeup.Section{ID: "decisions", Title: w.say("判断", "Decisions"), Head: []string{w.say("时间", "When"), w.say("故障单", "Incident"), w.say("环节", "Step"), w.say("人员", "Who"), w.say("选择", "Choice"), w.say("正确答案", "By the truth"), w.say("评价", "Worth"), w.say("说明", "Why")}}
	worth := map[string]string{Right: "✓", Wrong: "✕", Unjudged: "–"}
	for _, d := range w.r.Score.Decisions {
		why := d.Comment
		if d.Overruled {
			why = w.say("否决建议；", "against the evidence; ") + why
		}
		s.Rows = append(s.Rows, []string{w.time(d.At), d.Number, w.of(w.n.Step, d.Number, d.Step), d.By, w.of(w.n.Choice, d.Number, d.Choice), w.of(w.n.Choice, d.Number, d.Truth), worth[d.Worth], why})
	}
	return w.orNone(s)
}

func (w reporter) clocks() writeup.Section {
	s := writeup.Section{ID: "clocks", Title: w.say("时限", "Limits"), Head: []string{w.say("故障单", "Incident"), w.say("时限", "Limit"), w.say("角色", "Role"), w.say("目标", "Target"), w.say("用时", "Used"), w.say("遵守", "Kept"), w.say("计分", "Counted")}}
	for _, c := range w.r.Score.Clocks {
		s.Rows = append(s.Rows, []string{c.Number, w.of(w.n.Clock, c.Number, c.Name), w.named(w.n.Role, c.Role), process.SpanWords(c.Target).In(w.language), c.Used.String(), w.yes(c.Kept), w.yes(c.Counted)})
	}
	return w.orNone(s)
}

func (w reporter) papers() writeup.Section {
	s := writeup.Section{ID: "papers", Title: w.say("提交的文件", "Papers handed in"), Head: []string{w.say("故障单", "Incident"), w.say("种类", "Kind"), w.say("文件", "File"), w.say("人员", "Who"), w.say("时间", "When")}}
	for _, p := range w.r.Score.Papers {
		s.Rows = append(s.Rows, []string{p.Number, w.word("document", p.Kind), p.Name, p.By, w.time(p.At)})
	}
	return w.orNone(s)
}

// orNone says that a table is empty.
func (w reporter) orNone(s writeup.Section) writeup.Section {
	if len(s.Rows) == 0 {
		s.Head, s.Paragraphs = nil, []string{w.say("无", "none")}
	}
	return s
}

func (w reporter) log() writeup.Section {
	s := writeup.Section{ID: "log", Title: w.say("演练记录", "The drill's log"), Head: []string{"#", w.say("时间", "When"), w.say("人员", "Who"), w.say("动作", "Act"), w.say("内容", "Detail"), "SHA-256"}}
	for _, e := range w.r.Log {
		s.Rows = append(s.Rows, []string{strconv.Itoa(e.Seq), w.time(e.At), e.By, ActTitle(e.Act).In(w.language), e.Detail, e.Hash})
	}
	return s
}

// ActTitle is what an entry of the log is called.
func ActTitle(act string) lang.Text {
	return map[string]lang.Text{ActStarted: {ZH: "开始", EN: "started"}, ActRepaired: {ZH: "故障修复", EN: "repaired"}, ActStopped: {ZH: "终止", EN: "stopped"}, ActEnded: {ZH: "结束", EN: "ended"}, ActScored: {ZH: "评分", EN: "scored"}, ActSigned: {ZH: "签发", EN: "signed"}}[act]
}

// chains are the incidents' logs: who exports them finds these heads.
func (w reporter) chains() writeup.Section {
	s := writeup.Section{ID: "chains", Title: w.say("故障单日志", "The incidents' logs"), Head: []string{w.say("故障单", "Incident"), w.say("条数", "Events"), "SHA-256"}}
	for _, c := range w.r.Incidents {
		s.Rows = append(s.Rows, []string{c.Number, strconv.FormatInt(c.Version, 10), c.Head})
	}
	return w.orNone(s)
}
