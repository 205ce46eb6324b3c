package diff

import (
	"slices"
	"strings"

	"github.com/faultline/faultline/collector/process"
	"github.com/faultline/faultline/internal/lang"
)

func (d *differ) step(a, b *process.StepDef) {
	t := b.Title
	d.from("环节名称", "name of the step", a.Title, b.Title)
	d.from("“%s”由谁负责", "who does %q", d.role(a.Role), d.role(b.Role), t)
	d.from("“%s”由谁问责", "who is accountable for %q", d.role(a.RACI.A), d.role(b.RACI.A), t)
	d.from("“%s”征询", "who is consulted in %q", d.people(a.RACI.C), d.people(b.RACI.C), t)
	d.from("“%s”知会", "who is informed of %q", d.people(a.RACI.I), d.people(b.RACI.I), t)
	d.from("进入“%s”时通知", "told when %q begins", d.people(a.Notify), d.people(b.Notify), t)
	d.from("“%s”完成的说法", "how %q is done", a.Done, b.Done, t)
	d.from("“%s”要求的文件", "documents asked for in %q", documents(a.Documents), documents(b.Documents), t)
	d.from("“%s”完成前必须提交", "documents without which %q is not done", needs(a.Needs), needs(b.Needs), t)
	d.timeouts(a, b)
	d.decide(a, b)
	d.approve(a, b)
	d.remedy(a, b)
	d.guard(a, b)
	d.next(a, b)
	d.ticket(a, b)
	d.end(a, b)
}

// timeouts compares the ladders rung by rung: those with the same consequence
// are the same rung, whose time may have changed.
func (d *differ) timeouts(a, b *process.StepDef) {
	old := slices.Clone(a.Timeout)
	same := func(same func(x, y process.Rung) bool, y process.Rung) (process.Rung, bool) {
		n := slices.IndexFunc(old, func(x process.Rung) bool { return same(x, y) })
		if n < 0 {
			return process.Rung{}, false
		}
		x := old[n]
		old = slices.Delete(old, n, n+1)
		return x, true
	}
	var left []process.Rung
	for _, y := range b.Timeout { // what follows is the same
		x, ok := same(func(x, y process.Rung) bool {
			return x.To == y.To && slices.Equal(x.Notify, y.Notify)
		}, y)
		if !ok {
			left = append(left, y)
			continue
		}
		d.from("“%s”的时限（%s）", "limit of step %q (%s)", limit(x.After, x.Calendar), limit(y.After, y.Calendar), b.Title, d.follows(y))
		d.from("“%s”超时的记录", "record of the timeout of %q", lang.Same(x.Mark), lang.Same(y.Mark), b.Title)
	}
	for _, y := range left { // the time is the same
		x, ok := same(func(x, y process.Rung) bool { return x.After == y.After && x.Calendar == y.Calendar }, y)
		if ok {
			d.from("“%s”超过%s后", "what follows in %q after %s", d.follows(x), d.follows(y), b.Title, limit(y.After, y.Calendar))
			continue
		}
		d.say("“%s”新增时限 %s：%s", "new limit of step %q, %s: %s", b.Title, limit(y.After, y.Calendar), d.follows(y))
	}
	for _, x := range old {
		d.say("“%s”取消时限 %s：%s", "no limit any more of step %q, %s: %s", b.Title, limit(x.After, x.Calendar), d.follows(x))
	}
}

func (d *differ) follows(r process.Rung) lang.Text {
	var out lang.Text
	if len(r.Notify) > 0 {
		p := d.people(r.Notify)
		out = lang.Text{ZH: "通知" + p.ZH, EN: "tell " + p.EN}
	}
	if r.To != "" {
		to := d.title(r.To)
		if !out.IsZero() {
			out.ZH, out.EN = out.ZH+"，", out.EN+", "
		}
		out.ZH, out.EN = out.ZH+"转入“"+to.ZH+"”", out.EN+"go on to “"+to.EN+"”"
	}
	return out
}

func (d *differ) decide(a, b *process.StepDef) {
	x, y := a.Decide, b.Decide
	if x == nil {
		x = &process.Decide{}
	}
	if y == nil {
		y = &process.Decide{}
	}
	t := b.Title
	d.from("“%s”的问题", "question of %q", x.Prompt, y.Prompt, t)
	d.from("“%s”推翻证据建议时", "overruling the evidence in %q", override(x), override(y), t)
	d.from("“%s”的证据建议", "what the evidence suggests in %q", suggests(a), suggests(b), t)
	choice := func(list []process.Choice, id string) (process.Choice, bool) {
		n := slices.IndexFunc(list, func(c process.Choice) bool { return c.ID == id })
		if n < 0 {
			return process.Choice{}, false
		}
		return list[n], true
	}
	for _, c := range y.Choices {
		o, ok := choice(x.Choices, c.ID)
		if !ok {
			d.say("“%s”新增选项“%s”，转入“%s”", "new answer in %q: %q, leads to %q", t, c.Title, d.title(c.To))
			continue
		}
		d.from("“%s”选项的说法", "wording of an answer in %q", o.Title, c.Title, t)
		d.from("“%s”中“%s”之后", "in %q, after %q", d.title(o.To), d.title(c.To), t, c.Title)
		d.from("“%s”中“%s”必须说明", "in %q, %q needs a comment", yes(o.Comment != ""), yes(c.Comment != ""), t, c.Title)
		d.from("“%s”中“%s”表示故障仍在", "in %q, %q says that the fault is not gone", yes(o.Reopens), yes(c.Reopens), t, c.Title)
		d.from("“%s”中“%s”必须提交", "in %q, documents without which %q needs a reason", needs(o.Needs), needs(c.Needs), t, c.Title)
	}
	for _, o := range x.Choices {
		if !has(choice(y.Choices, o.ID)) {
			d.say("“%s”取消选项“%s”", "no answer any more in %q: %q", t, o.Title)
		}
	}
}

func override(x *process.Decide) lang.Text {
	if x.OnOverride == "" {
		return lang.Text{}
	}
	return lang.Text{ZH: "必须说明理由", EN: "needs a comment"}
}

func suggests(s *process.StepDef) lang.Text {
	var out []string
	for _, g := range s.Suggest {
		out = append(out, g.When+" ⇒ "+g.Choice)
	}
	return lang.Same(strings.Join(out, "; "))
}

func (d *differ) approve(a, b *process.StepDef) {
	x, y, t := a.Approve, b.Approve, b.Title
	if x == nil {
		x = &process.Approve{}
	}
	if y == nil {
		y = &process.Approve{}
	}
	d.from("“%s”由谁批准", "who confirms %q", d.role(x.By), d.role(y.By), t)
	d.from("“%s”谁可代为批准", "who may confirm %q in place", d.people(x.Delegates), d.people(y.Delegates), t)
	if x.Min != y.Min {
		d.say("“%s”所需批准人数：由 %d 改为 %d", "how many confirm %q: from %d to %d", t, x.Min, y.Min)
	}
	d.from("“%s”申请人不得自批", "who asks may not confirm %q", yes(x.DenySelf), yes(y.DenySelf), t)
}

func (d *differ) guard(a, b *process.StepDef) {
	x, y, t := a.Guard, b.Guard, b.Title
	if x == nil {
		x = &process.Guard{}
	}
	if y == nil {
		y = &process.Guard{}
	}
	d.from("“%s”恢复须保持", "how long recovery must hold in %q", limit(x.Hold, ""), limit(y.Hold, ""), t)
	d.from("“%s”没有数据时", "without data in %q", lang.Same(x.OnNoData), lang.Same(y.OnNoData), t)
	d.from("“%s”未通过时转入", "step after %q fails", d.title(x.Failed), d.title(y.Failed), t)
}

func (d *differ) next(a, b *process.StepDef) {
	find := func(list []process.Next, when string) (process.Next, bool) {
		n := slices.IndexFunc(list, func(x process.Next) bool { return x.When == when })
		if n < 0 {
			return process.Next{}, false
		}
		return list[n], true
	}
	for _, y := range b.Next {
		x, ok := find(a.Next, y.When)
		if !ok {
			d.say("“%s”新增去向：%s 时转入“%s”", "new way out of %q: %s leads to %q", b.Title, condition(y), d.title(y.To))
			continue
		}
		d.from("“%s”在%s后", "after %q, when %s", d.title(x.To), d.title(y.To), b.Title, condition(y))
		d.from("“%s”去向的说法", "wording of a way out of %q", x.Label, y.Label, b.Title)
	}
	for _, x := range a.Next {
		if !has(find(b.Next, x.When)) {
			d.say("“%s”取消去向：%s", "no way any more out of %q: %s", b.Title, condition(x))
		}
	}
}

func condition(n process.Next) lang.Text {
	if n.Label.IsZero() {
		return lang.Same(n.When)
	}
	return n.Label
}

func (d *differ) ticket(a, b *process.StepDef) {
	words := func(t *process.Ticket) lang.Text {
		if t == nil {
			return lang.Text{}
		}
		var out []string
		for kind, template := range t.Templates {
			out = append(out, kind+": "+template)
		}
		slices.Sort(out)
		text := strings.Join(out, ", ")
		if t.VendorKind != "" {
			text = t.VendorKind + " (" + text + ")"
		}
		if t.When != "" {
			text += " ⇐ " + t.When
		}
		return lang.Same(text)
	}
	d.from("“%s”向外部发出的工单", "ticket to outsiders in %q", words(a.Ticket), words(b.Ticket), b.Title)
}

func (d *differ) end(a, b *process.StepDef) {
	d.from("“%s”是否为结束", "%q is an end", yes(a.Final), yes(b.Final), b.Title)
	d.from("“%s”产生的文件", "documents that %q produces", documents(a.Produce), documents(b.Produce), b.Title)
	x, y := a.Reopen, b.Reopen
	if x == nil {
		x = &process.Reopen{}
	}
	if y == nil {
		y = &process.Reopen{}
	}
	d.from("“%s”后可重新打开的时限", "how long after %q it may be opened again", limit(x.Within, ""), limit(y.Within, ""), b.Title)
	d.from("“%s”后重新打开进入", "step entered when it is opened again after %q", d.title(x.To), d.title(y.To), b.Title)
}

var documentWords = map[string]lang.Text{
	"inspection_report": {ZH: "检查报告", EN: "inspection report"}, "running_report": {ZH: "正常运行报告", EN: "normal-running report"},
	"photo": {ZH: "照片", EN: "photo"}, "config_backup": {ZH: "配置备份", EN: "configuration backup"}, "load_data": {ZH: "负载数据", EN: "load data"},
	"opinion": {ZH: "可行性意见", EN: "opinion on feasibility"}, "plan": {ZH: "方案", EN: "plan"}, "test_report": {ZH: "测试报告", EN: "test report"},
	"incident_summary": {ZH: "事故总结报告", EN: "incident report"}, "incident_report": {ZH: "事件报告", EN: "report of the incident"},
	"kb_draft": {ZH: "知识库条目草稿", EN: "draft for the knowledge base"}, "report_row": {ZH: "报表记录", EN: "row of the report"},
	"config_record": {ZH: "设备参数登记", EN: "record of device parameters"}, "other": {ZH: "其他文件", EN: "other document"},
}

func documents(list []string) lang.Text {
	return joined(list, func(id string) lang.Text {
		if t, ok := documentWords[id]; ok {
			return t
		}
		return lang.Same(id)
	})
}

func needs(list []process.Need) lang.Text {
	var zh, en []string
	for _, n := range list {
		t := documents([]string{n.Document})
		if n.When != "" {
			t.ZH, t.EN = t.ZH+"（"+n.When+"）", t.EN+" ("+n.When+")"
		}
		zh, en = append(zh, t.ZH), append(en, t.EN)
	}
	return lang.Text{ZH: strings.Join(zh, "、"), EN: strings.Join(en, ", ")}
}
