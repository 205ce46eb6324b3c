package vendorpage

import "github.com/faultline/faultline/internal/lang"

// words are the page's, by language.
var words = map[string]map[string]string{
	lang.ZH: {
		"other": "English", "drill": "演练（DRILL）：这是演练工单，不是真实故障，请勿派工。",
		"state.open": "处理中", "state.verified": "监测证实已恢复", "state.closed": "已关闭", "state.withdrawn": "工单已撤回",
		"withdrawn": "经核实，此故障不属于贵方处理范围，工单已撤回，请停止派工。给您带来不便，敬请谅解。",
		"verified":  "监测数据证实故障已恢复。请补充故障原因和检查报告。", "closed": "此故障已关闭，感谢配合。仍可补交报告。",
		"claimed": "您已反馈修复，但监测数据尚未证实恢复。请继续处理；恢复后系统会自动确认，无需再次反馈。",
		"accept":  "受理工单", "update": "更新预计时间", "when": "预计恢复或到场", "choose": "请选择", "or": "或填写时间", "eg": "14:30", "note": "备注（可不填）",
		"in.30m": "30 分钟内", "in.1h": "1 小时内", "in.2h": "2 小时内", "in.4h": "4 小时内", "in.8h": "8 小时内", "in.24h": "24 小时内",
		"fixed": "反馈已修复", "fixed.text": "故障原因和处理结果", "fixed.note": "恢复以监测数据为准。",
		"upload": "上传报告", "upload.kind": "文件类别", "upload.note": "PDF、Word、Excel 或照片，每个不超过 10 MB", "upload.send": "上传",
		"file.inspection_report": "故障检测报告", "file.running_report": "正常运行报告", "file.photo": "照片", "file.other": "其他",
		"question": "提问或说明", "question.send": "发送", "how": "判断依据", "first": "目前为初步判断。", "measured": "监测数据", "none": "暂无此设备或线路的监测数据。", "shaded": "底色部分为故障时段",
		"from": "%s侧", "call": "现场联系人", "until": "可联系至", "answer": "请告知", "said": "贵方已反馈", "files": "已收到的文件", "expected": "预计时间",
		"said.accepted": "已受理", "said.reported_fixed": "反馈已修复", "said.returned": "退回",
		"done.accept": "已受理，谢谢。", "done.question": "已发送，我方人员会看到。", "done.upload": "文件已收到。", "done.fixed": "已记录。系统将根据监测数据确认是否恢复。",
		"foot": "此页面仅用于本工单，链接有效至 %s。请勿转发给无关人员。", "back": "返回", "title": "工单",
	},
	lang.EN: {
		"other": "中文", "drill": "DRILL (演练): this ticket belongs to a drill, nothing real has failed. Do not dispatch anybody.",
		"state.open": "In progress", "state.verified": "Recovered, by measurement", "state.closed": "Closed", "state.withdrawn": "Taken back",
		"withdrawn": "This fault turned out not to be yours: the ticket is taken back, please stop any dispatch. We apologise for the trouble.",
		"verified":  "Measurements prove that the fault is gone. Please add its cause and the inspection report.", "closed": "This fault is closed, thank you. A report may still be handed in.",
		"claimed": "You said it is fixed, but measurements do not show it yet. Please carry on; once it has recovered this is confirmed by itself.",
		"accept":  "Accept the ticket", "update": "Change the expected time", "when": "Expected repair or arrival", "choose": "choose", "or": "or a time", "eg": "14:30", "note": "Note (optional)",
		"in.30m": "within 30 minutes", "in.1h": "within 1 hour", "in.2h": "within 2 hours", "in.4h": "within 4 hours", "in.8h": "within 8 hours", "in.24h": "within 24 hours",
		"fixed": "Say it is fixed", "fixed.text": "Cause and remedy", "fixed.note": "Measurements decide.",
		"upload": "Hand in a report", "upload.kind": "Kind of file", "upload.note": "PDF, Word, Excel or photos, at most 10 MB each", "upload.send": "Upload",
		"file.inspection_report": "Fault-inspection report", "file.running_report": "Normal-running report", "file.photo": "Photo", "file.other": "Other",
		"question": "Ask or explain", "question.send": "Send", "how": "How we know", "first": "This is a first judgement.", "measured": "Measurements", "none": "Nothing was measured of this device or line yet.", "shaded": "shaded: while the fault lasted",
		"from": "Seen from %s", "call": "Contact on site", "until": "until", "answer": "Please tell us", "said": "What you told us", "files": "Files received", "expected": "Expected",
		"said.accepted": "Accepted", "said.reported_fixed": "Said to be fixed", "said.returned": "Returned",
		"done.accept": "Accepted, thank you.", "done.question": "Sent; our people will see it.", "done.upload": "The file was received.", "done.fixed": "Noted. Measurements will show whether it has recovered.",
		"foot": "This page is for this ticket only; the link is good until %s. Please do not pass it on.", "back": "Back", "title": "Ticket",
	},
}
