package writeup

import "github.com/faultline/faultline/internal/lang"

// words are the documents' words by key.
var words = map[string]lang.Text{
	"title." + Emergency:      {ZH: "紧急情况报告", EN: "Emergency report"},
	"title." + IncidentReport: {ZH: "事故总结报告", EN: "Incident report"},
	"title." + ConfigRecord:   {ZH: "设备配置变更记录", EN: "Record of a configuration change"},
	"practice":                {ZH: "演练", EN: "DRILL"},
	"made":                    {ZH: "%s 由系统根据故障单第 %d 版生成（记录链 %.12s）", EN: "Made %s from version %d of the incident (chain %.12s)"},
	"none":                    {ZH: "无", EN: "none"}, "unknown": {ZH: "未知", EN: "not known"}, "separator": {ZH: "、", EN: ", "},
	"length": {ZH: "%d 小时 %d 分钟", EN: "%d h %d min"}, "more": {ZH: "另有 %d 条，见故障单", EN: "%d more, see the incident"},
	"list": {ZH: "%d：%s", EN: "%d: %s"}, "actor_role": {ZH: "%s（%s）", EN: "%s (%s)"}, "colon": {ZH: "：", EN: ": "}, "said": {ZH: "：“%s”", EN: ": “%s”"},
	"reported": {ZH: "%s 上报：%s", EN: "Reported by %s: %s"}, "provisional": {ZH: "暂定结论。", EN: "Provisional."}, "proof": {ZH: "恢复依据：", EN: "Proof of recovery: "},
	"to_write": {ZH: "（待填写）", EN: "(to be written)"}, "signed": {ZH: "签发：%s，%s", EN: "Signed off by %s, %s"}, "not_signed": {ZH: "未签发（草稿）", EN: "Not signed off (draft)"},
	"signature": {ZH: "签字：", EN: "Signature: "}, "version": {ZH: "第 %d 版", EN: "Version %d"},

	"section.when": {ZH: "时间与地点", EN: "Time and place"}, "section.symptoms": {ZH: "故障现象", EN: "Symptoms"}, "section.scope": {ZH: "影响范围", EN: "Scope of impact"},
	"section.measured": {ZH: "测量结果", EN: "What was measured"}, "section.cause": {ZH: "事故原因", EN: "Cause"}, "section.impact": {ZH: "业务影响", EN: "Impact on the business"},
	"section.course": {ZH: "处理经过", EN: "Course"}, "section.clocks": {ZH: "时限执行情况", EN: "Limits"}, "section.vendors": {ZH: "外部单位", EN: "Vendors"},
	"section.upward": {ZH: "通报情况", EN: "Who was told"}, "section.lessons": {ZH: "经验教训", EN: "Lessons"}, "section.improvements": {ZH: "改进措施", EN: "Improvements"},
	"section.measures": {ZH: "正在采取的措施", EN: "What is being done"}, "section.next": {ZH: "下次报告", EN: "Next report"},
	"section.change": {ZH: "变更内容", EN: "What was changed"}, "section.backup": {ZH: "配置备份", EN: "Backup of the configuration"}, "section.changes": {ZH: "判断与操作", EN: "Decisions and work"},

	"number": {ZH: "故障单号", EN: "Incident"}, "subject": {ZH: "事件", EN: "What"}, "place": {ZH: "地点", EN: "Place"}, "thing": {ZH: "设备或专线", EN: "Device or line"},
	"circuit": {ZH: "电路编号", EN: "Circuit"}, "class": {ZH: "类别", EN: "Class"}, "severity": {ZH: "级别", EN: "Severity"},
	"fault_at": {ZH: "故障开始", EN: "Fault began"}, "opened_at": {ZH: "发现时间", EN: "Found"}, "acked_by": {ZH: "响应人", EN: "Taken by"},
	"recovered_at": {ZH: "告警消除", EN: "Alerts gone"}, "verified_at": {ZH: "恢复核实", EN: "Recovery proven"}, "closed_at": {ZH: "关闭时间", EN: "Closed"},
	"lasted": {ZH: "持续时间", EN: "Lasted"}, "lasts": {ZH: "已持续", EN: "Has lasted"},
	"affected.site": {ZH: "受影响机构", EN: "Sites"}, "affected.line": {ZH: "受影响专线", EN: "Lines"}, "affected.device": {ZH: "受影响设备与系统", EN: "Devices and systems"},
	"nothing_else": {ZH: "未发现其他受影响的设备", EN: "nothing else was found to be down"}, "users": {ZH: "受影响用户数", EN: "Users"}, "children": {ZH: "合并的故障单", EN: "Incidents folded into it"},
	"by_measurement": {ZH: "测量得出的原因", EN: "Cause by measurement"}, "first_class": {ZH: "最初判断", EN: "First taken for"},

	"col.subject": {ZH: "对象", EN: "Subject"}, "col.state": {ZH: "状态", EN: "State"}, "col.says": {ZH: "内容", EN: "What it says"}, "col.at": {ZH: "时间", EN: "Time"},
	"col.who": {ZH: "人员", EN: "Who"}, "col.what": {ZH: "内容", EN: "What"}, "col.clock": {ZH: "时限", EN: "Limit"}, "col.target": {ZH: "规定", EN: "Target"},
	"col.used": {ZH: "已用", EN: "Used"}, "col.waited": {ZH: "等待原因", EN: "Waited for"}, "col.kept": {ZH: "结果", EN: "Kept"}, "col.vendor": {ZH: "单位", EN: "Vendor"},
	"col.ticket": {ZH: "工单", EN: "Ticket"}, "col.role": {ZH: "对象", EN: "Whom"}, "col.reason": {ZH: "事由", EN: "About"},

	"kept": {ZH: "未超时", EN: "kept"}, "breached": {ZH: "超时", EN: "passed"}, "running": {ZH: "计时中", EN: "runs"}, "clock_unknown": {ZH: "无法判断（缺日历）", EN: "not known (no calendar)"},
	"notice.queued": {ZH: "待发送", EN: "to be sent"}, "notice.held": {ZH: "暂缓", EN: "held"}, "notice.sending": {ZH: "发送中", EN: "being sent"}, "notice.sent": {ZH: "已通知", EN: "told"},
	"notice.confirmed": {ZH: "已读", EN: "seen"}, "notice.maybe": {ZH: "可能已通知", EN: "perhaps told"}, "notice.failed": {ZH: "未送达", EN: "not told"}, "notice.suppressed": {ZH: "未发送", EN: "not sent"},
	"told": {ZH: "已通知：%s", EN: "told: %s"}, "not_told": {ZH: "未送达：%s", EN: "not told: %s"},

	"did.opened": {ZH: "发现：%s", EN: "Found: %s"}, "did.diagnosed": {ZH: "判断为：%s", EN: "Diagnosed: %s"}, "did.entered": {ZH: "进入环节“%s” %s", EN: "Step “%s” %s"},
	"did.decided": {ZH: "决定：%s", EN: "Decided: %s"}, "did.vendor": {ZH: "外部单位%s", EN: "Vendor %s"}, "did.attached": {ZH: "提交%s %s", EN: "Handed in %s %s"},
	"did.ticket.sent": {ZH: "已通知 %s：%s", EN: "%s was told: %s"}, "did.ticket.failed": {ZH: "未能通知 %s：%s", EN: "%s could not be told: %s"},
	"did.breached": {ZH: "超时：%s", EN: "Limit passed: %s"}, "did.paused": {ZH: "时限暂停：%s（%s）", EN: "Clock paused: %s (%s)"}, "did.verified": {ZH: "测量证实恢复：%s", EN: "Recovery proven: %s"},
	"did.acked": {ZH: "响应", EN: "Took it"}, "did.approved": {ZH: "批准", EN: "Approved"}, "did.rejected": {ZH: "驳回", EN: "Rejected"}, "did.done": {ZH: "完成本环节", EN: "Did the work of the step"},
	"did.recovery_seen": {ZH: "告警全部消除", EN: "All alerts gone"}, "did.recovery_lost": {ZH: "故障再次出现", EN: "It failed again"}, "did.closed": {ZH: "关闭", EN: "Closed"},
	"did.reopened": {ZH: "重新打开", EN: "Opened again"}, "did.folded": {ZH: "并入其他故障单", EN: "Folded into another incident"}, "did.adopted": {ZH: "合并其他故障单", EN: "Took in another incident"},
	"did.rerouted": {ZH: "转入其他流程", EN: "Moved to another process"}, "did.commented": {ZH: "备注", EN: "Noted"},

	"truth.ok": {ZH: "正常", EN: "ok"}, "truth.bad": {ZH: "异常", EN: "bad"}, "truth.unknown": {ZH: "未知", EN: "unknown"},
	"severity.critical": {ZH: "严重", EN: "critical"}, "severity.major": {ZH: "重要", EN: "major"}, "severity.minor": {ZH: "一般", EN: "minor"},
	"class.carrier_line": {ZH: "专线故障", EN: "carrier line"}, "class.device": {ZH: "设备故障", EN: "device"}, "class.power": {ZH: "电力故障", EN: "power"},
	"class.configuration": {ZH: "配置问题", EN: "configuration"}, "class.server": {ZH: "服务器故障", EN: "server"}, "class.database": {ZH: "数据库故障", EN: "database"},
	"class.environment": {ZH: "环境异常", EN: "environment"}, "class.security": {ZH: "安全事件", EN: "security"},
	"actor.system": {ZH: "系统", EN: "system"}, "actor.person": {ZH: "人员", EN: "person"}, "actor.program": {ZH: "程序", EN: "program"}, "actor.vendor": {ZH: "外部单位", EN: "vendor"}, "actor.agent": {ZH: "代理", EN: "agent"},
	"vendor_says.accepted": {ZH: "已受理", EN: "accepted it"}, "vendor_says.reported_fixed": {ZH: "报告已修复", EN: "reports it fixed"}, "vendor_says.returned": {ZH: "退回", EN: "returned it"},
	"attachment.inspection_report": {ZH: "检查报告", EN: "inspection report"}, "attachment.running_report": {ZH: "正常运行报告", EN: "normal-running report"},
	"attachment.photo": {ZH: "照片", EN: "photo"}, "attachment.config_backup": {ZH: "配置备份", EN: "configuration backup"}, "attachment.other": {ZH: "文件", EN: "file"},
	"ticket.sent": {ZH: "已发出", EN: "sent"}, "ticket.queued": {ZH: "待发送", EN: "queued"}, "ticket.failed": {ZH: "发送失败", EN: "failed"}, "ticket.answered": {ZH: "已答复", EN: "answered"},
	"ticket.closed": {ZH: "已关闭", EN: "closed"}, "ticket.withdrawn": {ZH: "已撤回", EN: "withdrawn"},
	"calendar.work": {ZH: "（工作时间）", EN: "(working time)"}, "calendar.always": {ZH: "（全天）", EN: "(day and night)"},
	"reason.opened": {ZH: "故障发生", EN: "opened"}, "reason.entered": {ZH: "进入环节", EN: "step"}, "reason.reclassified": {ZH: "重新判断", EN: "re-classified"}, "reason.recovered": {ZH: "恢复", EN: "recovered"},
	"reason.closed": {ZH: "关闭", EN: "closed"}, "reason.reopened": {ZH: "重新打开", EN: "opened again"}, "reason.timeout": {ZH: "环节超时", EN: "step late"}, "reason.clock_warn": {ZH: "即将超时", EN: "limit near"},
	"reason.clock_breach": {ZH: "超时", EN: "limit passed"}, "reason.clock_late": {ZH: "严重超时", EN: "far past its limit"}, "reason.folded": {ZH: "合并", EN: "folded"}, "reason.vendor_says": {ZH: "外部单位答复", EN: "vendor answered"},
	"reason.verify_failed": {ZH: "核实未通过", EN: "recovery not proven"}, "reason.ticket_failed": {ZH: "工单未送达", EN: "ticket failed"}, "reason.vendor_unknown": {ZH: "无外部单位资料", EN: "no vendor known"},
}

// Word returns a word of the documents, e.g. of a field: Word("section.lessons", "en").
func Word(key, language string) string {
	if t, ok := words[key]; ok {
		return t.In(language)
	}
	return key
}
