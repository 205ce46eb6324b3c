package notify

import (
	"fmt"
	"strings"

	"github.com/faultline/faultline/collector/effect"
	"github.com/faultline/faultline/collector/outbox"
	"github.com/faultline/faultline/internal/lang"
)

// message is what a person reads, and its parts.
type message struct{ subject, body, site, tag string }

// reason is what a message is about: a tag for the subject and a sentence, in
// which %s is the detail that the reason carries.
type reason struct {
	tag, sentence lang.Text
	detail        string // key of Params
}

// reasons are the texts by effect.Reason…; others read as an update.
var reasons = map[string]reason{
	effect.ReasonOpened:       {tag: lang.Text{ZH: "新故障", EN: "New fault"}, sentence: lang.Text{ZH: "监测发现新的故障。", EN: "A new fault was found."}},
	effect.ReasonEntered:      {tag: lang.Text{ZH: "待处理", EN: "Your turn"}, sentence: lang.Text{ZH: "故障单进入您负责的环节，请处理。", EN: "The incident has reached a step that is yours. Please act."}},
	effect.ReasonReclassified: {tag: lang.Text{ZH: "类别更正", EN: "Re-classified"}, sentence: lang.Text{ZH: "新的测量数据改变了故障判断。", EN: "New measurements changed the diagnosis."}},
	effect.ReasonRecovered:    {tag: lang.Text{ZH: "恢复已核实", EN: "Recovery verified"}, sentence: lang.Text{ZH: "测量数据证明故障已恢复，请确认。", EN: "Measurements prove recovery. Please confirm."}},
	effect.ReasonWithdrawn:    {tag: lang.Text{ZH: "工单撤回", EN: "Ticket withdrawn"}, sentence: lang.Text{ZH: "已撤回厂商工单。", EN: "The vendor's ticket was withdrawn."}},
	effect.ReasonFolded: {tag: lang.Text{ZH: "已合并", EN: "Merged"}, detail: effect.ParentID,
		sentence: lang.Text{ZH: "本故障由另一故障引起，已并入故障单 %s，无需单独处理。", EN: "This fault is part of another one, incident %s. Nothing is to be done here."}},
	effect.ReasonReopened: {tag: lang.Text{ZH: "重新打开", EN: "Reopened"}, sentence: lang.Text{ZH: "故障单被重新打开。", EN: "The incident was reopened."}},
	effect.ReasonClosed:   {tag: lang.Text{ZH: "已关闭", EN: "Closed"}, sentence: lang.Text{ZH: "故障单已关闭。", EN: "The incident is closed."}},
	effect.ReasonTimeout:  {tag: lang.Text{ZH: "超时未处理", EN: "No answer"}, sentence: lang.Text{ZH: "当前环节超过规定时间无人处理。", EN: "Nobody has acted in the present step in time."}},
	effect.ReasonWarn: {tag: lang.Text{ZH: "时限将到", EN: "Limit near"}, detail: effect.Clock,
		sentence: lang.Text{ZH: "时限“%s”即将用完。", EN: "The limit %q is nearly used up."}},
	effect.ReasonBreach: {tag: lang.Text{ZH: "超过时限", EN: "Limit broken"}, detail: effect.Clock,
		sentence: lang.Text{ZH: "已超过时限“%s”。", EN: "The limit %q is broken."}},
	effect.ReasonLate: {tag: lang.Text{ZH: "严重超时", EN: "Long overdue"}, detail: effect.Clock,
		sentence: lang.Text{ZH: "超过时限“%s”已久，请督办。", EN: "The limit %q was broken long ago. Please see to it."}},
	effect.ReasonVendorSays: {tag: lang.Text{ZH: "厂商反馈", EN: "Vendor's answer"}, detail: effect.Says,
		sentence: lang.Text{ZH: "厂商反馈：%s。", EN: "The vendor says: %s."}},
	effect.ReasonVendorAsks: {tag: lang.Text{ZH: "厂商来信", EN: "Word from the vendor"}, sentence: lang.Text{ZH: "厂商有问题或说明，请查看并答复。", EN: "The vendor asks or explains something. Please look and answer."}},
	effect.ReasonVendorLate: {tag: lang.Text{ZH: "厂商未响应", EN: "Vendor silent"}, sentence: lang.Text{ZH: "厂商未在约定时间内答复，已转至其上级联系人，请电话跟进。", EN: "The vendor has not answered in the time agreed; the next contact was told. Please telephone."}},
	effect.ReasonVendorAway: {tag: lang.Text{ZH: "厂商无人值守", EN: "Vendor's contacts off duty"}, detail: effect.Away,
		sentence: lang.Text{ZH: "厂商未在约定时间内答复，其上级联系人目前均不在服务时间（%s），到时自动转至。紧急时请直接拨打电话。", EN: "The vendor has not answered in the time agreed, and none of its further contacts is on duty now (%s); whoever is first will be told then. If it cannot wait, please telephone."}},
	effect.ReasonVendorUnknown: {tag: lang.Text{ZH: "未知厂商", EN: "Vendor unknown"}, detail: effect.VendorKind,
		sentence: lang.Text{ZH: "台账中找不到应联系的厂商（%s），工单没有发出，请人工联系并补充台账。", EN: "The inventory names no vendor to call (%s): no ticket was sent. Please call by hand and complete the inventory."}},
	effect.ReasonTicketFailed: {tag: lang.Text{ZH: "工单未送达", EN: "Ticket not delivered"}, detail: effect.Problem,
		sentence: lang.Text{ZH: "发给厂商的工单未能送达：%s。请电话联系。", EN: "The ticket to the vendor could not be delivered: %s. Please telephone."}},
	effect.ReasonVerifyFailed: {tag: lang.Text{ZH: "未能核实恢复", EN: "Recovery not verified"}, sentence: lang.Text{ZH: "测量数据未能证明故障已恢复。", EN: "Measurements did not prove recovery."}},
	effect.ReasonWaitOver:     {tag: lang.Text{ZH: "等待到期", EN: "Waiting is over"}, sentence: lang.Text{ZH: "等待时间已到，时限继续计时，请处理或再次说明。", EN: "The time to wait is over and the clocks go on. Please act, or say again what is waited for."}},
	effect.ReasonNoData:       {tag: lang.Text{ZH: "无测量数据", EN: "Nothing measured"}, sentence: lang.Text{ZH: "没有可证明恢复的测量数据，请到现场确认。", EN: "Nothing is measured that could prove recovery. Please look on site."}},
	effect.ReasonMigrated:     {tag: lang.Text{ZH: "流程版本更新", EN: "New version of the process"}, sentence: lang.Text{ZH: "本故障单已转入流程的新版本，请查看当前环节。", EN: "The incident goes on in another version of its process. Please see at which step."}},
	effect.ReasonRemedyProposed: {tag: lang.Text{ZH: "处置待批准", EN: "Remedy to approve"}, detail: effect.Remedy,
		sentence: lang.Text{ZH: "有处置（%s）等待批准，请查看试运行结果后决定。", EN: "A remedy (%s) waits for approval. Please look at its dry run and decide."}},
	effect.ReasonRemedyEnded: {tag: lang.Text{ZH: "处置结束", EN: "Remedy ended"}, detail: effect.Remedy,
		sentence: lang.Text{ZH: "处置已结束：%s。", EN: "The remedy has ended: %s."}},
	effect.ReasonRemedyUnknown: {tag: lang.Text{ZH: "处置结果不明", EN: "Remedy's end unknown"}, detail: effect.Remedy,
		sentence: lang.Text{ZH: "处置（%s）是否执行无法确定，不会自动重试。请到现场或设备上确认，并在故障单中说明。", EN: "Nobody knows whether the remedy (%s) ran, and it is not run again. Please find out and say so on the incident."}},
	effect.ReasonEscalated: {tag: lang.Text{ZH: "升级", EN: "Escalated"}, detail: effect.Problem,
		sentence: lang.Text{ZH: "故障单无人处理，按升级链通知您（%s）。", EN: "Nobody acts on the incident: the escalation has reached you (%s)."}},
	effect.ReasonReminder: {tag: lang.Text{ZH: "接手提醒", EN: "Reminder"}, detail: effect.Problem,
		sentence: lang.Text{ZH: "您已接手该故障单，但一段时间没有进展（%s）。请处理，或说明情况；否则将继续升级。", EN: "You took this incident and nothing was seen of it for a while (%s). Please act or comment; otherwise the escalation goes on."}},
	effect.ReasonProgress: {tag: lang.Text{ZH: "进展通报", EN: "Progress"}, detail: effect.Problem,
		sentence: lang.Text{ZH: "紧急情况进展通报，第 %s 期。", EN: "How the emergency goes on, notice %s."}},
	effect.ReasonCalendarUnknown: {tag: lang.Text{ZH: "缺少工作日历", EN: "No calendar"}, detail: effect.Problem,
		sentence: lang.Text{ZH: "时限无法计算：%s。", EN: "A limit cannot be computed: %s."}},
}

var update = reason{tag: lang.Text{ZH: "更新", EN: "Update"}, sentence: lang.Text{ZH: "故障单有更新。", EN: "There is news about the incident."}}

// vendorSays are the vendor's answers in words.
var vendorSays = map[string]lang.Text{
	"accepted":       {ZH: "已受理", EN: "accepted"},
	"reported_fixed": {ZH: "已修复，等待测量核实", EN: "repaired; measurements will tell"},
	"done":           {ZH: "执行成功", EN: "went through"},
	"failed":         {ZH: "执行失败", EN: "failed"},
	"stopped":        {ZH: "中途终止", EN: "was ended in the middle"},
	"not_run":        {ZH: "未执行", EN: "was not begun"},
	"returned":       {ZH: "不属于其范围，退回", EN: "not theirs, returned"},
}

// labels are the captions of a message's lines.
var labels = map[string]lang.Text{
	"number": {ZH: "故障单号：", EN: "Incident: "},
	"site":   {ZH: "站点：", EN: "Site: "},
	"fault":  {ZH: "故障：", EN: "Fault: "},
	"proof":  {ZH: "判断依据：", EN: "How we know: "},
	"since":  {ZH: "开始：", EN: "Since: "},
	"step":   {ZH: "当前环节：", EN: "Step: "},
	"vendor": {ZH: "厂商：", EN: "Vendor: "},
	"note":   {ZH: "说明：", EN: "Note: "},
}

// write makes the message in a language; Chinese when none is set.
func (e *Executor) write(j outbox.Job, language string) message {
	l := lang.EN
	if language == "" || strings.HasPrefix(strings.ToLower(language), "zh") {
		l = lang.ZH
	}
	i, g := j.Incident, e.o.Graph()
	r, ok := reasons[j.Effect.Params[effect.Reason]]
	if !ok {
		r = update
	}
	drill := ""
	if i.Practice {
		drill = lang.Text{ZH: "【演练】", EN: "[DRILL 演练] "}.In(l)
	}
	site := i.Diagnosis.Site
	if s, ok := g.Site(site); ok && s.Name.In(l) != "" {
		site = s.Name.In(l)
	}
	lines := []string{drill + r.text(remedyTitled(j, l), l), ""}
	add := func(key, value string) {
		if value != "" {
			lines = append(lines, labels[key].In(l)+value)
		}
	}
	add("number", i.Number)
	add("site", site)
	add("fault", i.Diagnosis.Title.In(l))
	add("proof", i.Diagnosis.Proof.In(l))
	if !i.FaultAt.IsZero() {
		add("since", i.FaultAt.In(g.Location(i.Diagnosis.Site)).Format("2006-01-02 15:04:05 -07:00"))
	}
	add("step", e.stepTitle(j, l))
	add("vendor", i.VendorName)
	add("note", j.Effect.Params[effect.Comment])
	subject := "[FL#" + i.Number + "] " + drill + r.tag.In(l) + lang.Text{ZH: "：", EN: ": "}.In(l) + i.Diagnosis.Title.In(l)
	return message{subject: strings.Join(strings.Fields(subject), " "), body: strings.Join(lines, "\n") + "\n", site: site, tag: drill + r.tag.In(l)}
}

// text is the reason's sentence with its detail.
func (r reason) text(params map[string]string, l string) string {
	s := r.sentence.In(l)
	if r.detail == "" {
		return s
	}
	detail := params[r.detail]
	if t, ok := vendorSays[detail]; ok && r.detail == effect.Says {
		detail = t.In(l)
	}
	return fmt.Sprintf(s, detail)
}

// stepTitle is what people call the step the message is about.
func (e *Executor) stepTitle(j outbox.Job, l string) string {
	step := j.Effect.Params[effect.Step]
	if step == "" {
		step = j.Incident.Step
	}
	if e.o.StepTitle != nil {
		if t := e.o.StepTitle(j.Incident, step).In(l); t != "" {
			return t
		}
	}
	return step
}
