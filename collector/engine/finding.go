package engine

import (
	"time"

	"github.com/faultline/faultline/internal/lang"
)

// Advice says what a person does about a kind of finding. An unknown kind has
// none.
func Advice(kind string) lang.Text {
	switch kind {
	case FoundForgotten:
		return lang.Text{ZH: "打开故障单，在当前环节作出决定，或用“备注”说明由谁负责；没有可做的动作时，把流程版本迁移到有时限的版本",
			EN: "open the incident and decide its present step, or say in a comment who takes it; if nothing is offered there, move it to a version of its process that has a limit there"}
	case FoundOverdue:
		return lang.Text{ZH: "查看采集中心日志中的“judge”错误和数据库是否可写；恢复后定时器按顺序各触发一次，并注明迟到多久",
			EN: "look for “judge” errors in the collector's log and whether the database can be written; timers then fire once each, in order, and say how late they are"}
	case FoundUntold:
		return lang.Text{ZH: "在故障单时间线中核对通知和工单，缺少的由人补发；然后导出日志并用 faultline-collector verify 检查，数据库可能被改动过",
			EN: "compare notices and tickets in the incident's timeline and send by hand what is missing; then export the log and check it with faultline-collector verify: rows may have been changed in the database"}
	case FoundStuck:
		return lang.Text{ZH: "查看“通知记录”和厂商工单的状态，检查邮件服务器、机器人或服务台是否可达；急事先打电话",
			EN: "look at the messages and the vendor's ticket, and whether the mail server, robot or desk can be reached; telephone meanwhile if it is urgent"}
	case FoundProcess:
		return lang.Text{ZH: "把该流程版本的文件放回规则目录并重新加载，或在“流程”页把故障单迁移到现行版本",
			EN: "put the file of that version back into the rules directory and reload, or move the incident to the version in force on the page Processes"}
	}
	return lang.Text{}
}

// Carry gives each finding the moment of the first pass that found it: that of
// the same kind about the same incident before, or now. It is pure.
func Carry(found, before []Finding, now time.Time) []Finding {
	type key struct{ kind, incident string }
	since := make(map[key]time.Time, len(before))
	for _, f := range before {
		k := key{kind: f.Kind, incident: f.IncidentID}
		if first, known := since[k]; !known || f.Since.Before(first) {
			since[k] = f.Since
		}
	}
	out := make([]Finding, len(found))
	for n, f := range found {
		f.Since = now
		if first, known := since[key{kind: f.Kind, incident: f.IncidentID}]; known && !first.IsZero() {
			f.Since = first
		}
		out[n] = f
	}
	return out
}
