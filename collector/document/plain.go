package document

import (
	"bytes"
	"context"
	_ "embed" // for the form below
	"fmt"
	"html/template"
	"strings"
	"time"

	"github.com/faultline/faultline/collector/incident"
	"github.com/faultline/faultline/internal/lang"
)

//go:embed plain.html
var plainForm string

var form = template.Must(template.New("plain").Parse(plainForm))

// titles are what the kinds are called on paper.
var titles = map[string]lang.Text{
	"incident_report": {ZH: "事故总结报告", EN: "Incident report"},
	"kb_draft":        {ZH: "处理经验（知识库草稿）", EN: "How it was solved (draft for the knowledge base)"},
	KindRemedyOutput:  {ZH: "处置输出", EN: "Output of a remedy"},
	"config_record":   {ZH: "设备配置参数登记表", EN: "Record of device configuration"},
}

// Title is what a kind of draft is called on paper.
func Title(kind string) lang.Text {
	if t, ok := titles[kind]; ok {
		return t
	}
	return lang.Same(kind)
}

// Plain writes any kind of document from the incident's log: what, where, when,
// how it was judged, who did what, the limits, the tickets and the papers. It is
// one page of HTML that prints.
func Plain(kind string) Writer {
	return func(_ context.Context, s Source) (Draft, error) {
		p := paper{Source: s, Kind: kind}
		if p.Zone == nil {
			p.Zone = time.UTC
		}
		var b bytes.Buffer
		if err := form.Execute(&b, p); err != nil {
			return Draft{}, err
		}
		name := fmt.Sprintf("%s-%s.html", s.Incident.Number, strings.ReplaceAll(Title(kind).In(s.Language), " ", "-"))
		return Draft{Name: name, Media: "text/html; charset=utf-8", Body: b.Bytes()}, nil
	}
}

// paper is what the form is given.
type paper struct {
	Source
	Kind string
}

// Title is the paper's heading.
func (p paper) Title() string { return p.In(Title(p.Kind)) }

// In returns the text in the paper's language.
func (p paper) In(t lang.Text) string { return t.In(p.Language) }

// T returns one of two texts by the paper's language.
func (p paper) T(zh, en string) string { return lang.Text{ZH: zh, EN: en}.In(p.Language) }

// Time is the moment in the site's zone.
func (p paper) Time(t time.Time) string {
	if t.IsZero() {
		return "–"
	}
	return t.In(p.Zone).Format("2006-01-02 15:04:05")
}

// Took is how long the fault lasted.
func (p paper) Took() string {
	i := p.Incident
	from, to := i.FaultAt, i.VerifiedAt
	if from.IsZero() {
		from = i.OpenedAt
	}
	if to.IsZero() {
		to = i.ClosedAt
	}
	if to.IsZero() {
		to = p.Now
	}
	return to.Sub(from).Round(time.Second).String()
}

// Entry is one line of the course of events.
type Entry struct {
	At, Who, What string
}

// told are the kinds of events that a reader of the paper needs.
var told = map[incident.Kind]lang.Text{
	incident.Opened: {ZH: "开单", EN: "opened"}, incident.Diagnosed: {ZH: "判断", EN: "diagnosed"}, incident.Entered: {ZH: "进入环节", EN: "step"},
	incident.Acked: {ZH: "响应", EN: "acknowledged"}, incident.Decided: {ZH: "决定", EN: "decided"}, incident.Approved: {ZH: "批准", EN: "approved"},
	incident.Rejected: {ZH: "驳回", EN: "rejected"}, incident.Done: {ZH: "处理完成", EN: "work done"}, incident.Commented: {ZH: "说明", EN: "comment"},
	incident.Attached: {ZH: "提交文件", EN: "document"}, incident.ClockPaused: {ZH: "时限暂停", EN: "clock paused"}, incident.ClockResumed: {ZH: "时限继续", EN: "clock goes on"},
	incident.ClockBreached: {ZH: "超出时限", EN: "limit exceeded"}, incident.VendorReported: {ZH: "外部单位答复", EN: "vendor says"},
	incident.RecoverySeen: {ZH: "观测到恢复", EN: "recovery seen"}, incident.RecoveryLost: {ZH: "再次失败", EN: "fails again"}, incident.Verified: {ZH: "恢复已核实", EN: "recovery proven"},
	incident.Closed: {ZH: "关闭", EN: "closed"}, incident.Reopened: {ZH: "重新打开", EN: "opened again"}, incident.Folded: {ZH: "并入其他事件", EN: "part of another incident"},
}

// Course is the course of events, oldest first.
func (p paper) Course() []Entry {
	var out []Entry
	for _, e := range p.Events {
		kind, ok := told[e.Kind]
		if !ok {
			continue
		}
		out = append(out, Entry{At: p.Time(e.At), Who: p.who(e.Actor), What: strings.TrimSpace(p.In(kind) + "  " + p.says(e))})
	}
	return out
}

func (p paper) who(a incident.Actor) string {
	name := a.Name
	if name == "" {
		name = a.ID
	}
	if name == "" {
		return p.T("系统", "system")
	}
	if a.Role != "" && p.RoleTitle != nil {
		name += " (" + p.In(p.RoleTitle(a.Role)) + ")"
	}
	return name
}

func (p paper) says(e incident.Event) string {
	var words []string
	switch {
	case e.Diagnosis != nil:
		words = append(words, p.In(e.Diagnosis.Title))
	case e.Kind == incident.Entered && p.StepTitle != nil:
		words = append(words, p.In(p.StepTitle(e.Step)))
	case e.Attachment != nil:
		words = append(words, e.Attachment.Name)
	case e.Clock != nil:
		words = append(words, p.clock(e.Clock))
	case e.Choice != "" && p.ChoiceTitle != nil && e.Kind == incident.Decided:
		words = append(words, p.In(p.ChoiceTitle(e.Choice)))
	case e.Choice != "":
		words = append(words, e.Choice)
	case !e.Proof.IsZero():
		words = append(words, p.In(e.Proof))
	}
	if e.Comment != "" {
		words = append(words, "“"+e.Comment+"”")
	}
	return strings.Join(words, "  ")
}

func (p paper) clock(k *incident.Clock) string {
	title := k.Title
	for _, c := range p.Incident.Clocks {
		if c.Name == k.Name && title.IsZero() {
			title = c.Title
		}
	}
	if title.IsZero() {
		return k.Name
	}
	return p.In(title)
}
