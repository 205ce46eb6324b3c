// Package diff says what changed between two versions of a process, in the words
// of a manager: limits, people, ways and proofs; not lines of a file. It is pure.
package diff

import (
	"fmt"
	"slices"
	"strings"

	"github.com/faultline/faultline/collector/process"
	"github.com/faultline/faultline/collector/sla"
	"github.com/faultline/faultline/internal/lang"
)

// Change is one thing that is otherwise in the new version.
type Change struct {
	Part string    // step, clock, role or process
	ID   string    // of the part
	Text lang.Text // what changed, from what to what
}

// differ compares two definitions.
type differ struct {
	old, new *process.Definition
	out      []Change
	part, id string
}

// Compare returns what changed, in the order of the new version; what is gone
// comes last. Comments and the order of lines are no change.
func Compare(old, new *process.Definition) []Change {
	d := &differ{old: old, new: new}
	d.process()
	d.roles()
	d.reasons()
	for n := range new.Clocks {
		k := &new.Clocks[n]
		d.part, d.id = "clock", k.ID
		if o, ok := old.Clock(k.ID); ok {
			d.clock(o, k)
		} else {
			d.say("新增时限“%s”：%s", "new limit %q: %s", k.Title, limit(k.Target, k.Calendar))
		}
	}
	for n := range new.Steps {
		s := &new.Steps[n]
		d.part, d.id = "step", s.ID
		if o, ok := old.Step(s.ID); ok {
			d.step(o, s)
		} else {
			d.say("新增环节“%s”，由%s负责", "new step %q, done by %s", s.Title, d.role(s.Role))
		}
	}
	d.gone()
	return d.out
}

func (d *differ) gone() {
	for n := range d.old.Steps {
		if s := &d.old.Steps[n]; !has(d.new.Step(s.ID)) {
			d.part, d.id = "step", s.ID
			d.say("取消环节“%s”", "step %q is gone", s.Title)
		}
	}
	for n := range d.old.Clocks {
		if k := &d.old.Clocks[n]; !has(d.new.Clock(k.ID)) {
			d.part, d.id = "clock", k.ID
			d.say("取消时限“%s”", "limit %q is gone", k.Title)
		}
	}
}

func has[T any](_ T, ok bool) bool { return ok }

// say adds a line; arguments that are texts are put in in each language.
func (d *differ) say(zh, en string, args ...any) {
	z, e := slices.Clone(args), slices.Clone(args)
	for n, a := range args {
		if t, ok := a.(lang.Text); ok {
			z[n], e[n] = t.In(lang.ZH), t.In(lang.EN)
		}
	}
	d.out = append(d.out, Change{d.part, d.id, lang.Text{ZH: fmt.Sprintf(zh, z...), EN: fmt.Sprintf(en, e...)}})
}

// from says "what: a → b" when they differ.
func (d *differ) from(zh, en string, a, b lang.Text, args ...any) {
	if a != b {
		none := lang.Text{ZH: "无", EN: "none"}
		if a.IsZero() {
			a = none
		}
		if b.IsZero() {
			b = none
		}
		d.say(zh+"：由“%s”改为“%s”", en+": from %s to %s", append(args, a, b)...)
	}
}

func (d *differ) process() {
	d.part, d.id = "process", d.new.ID
	d.from("流程名称", "name of the process", d.old.Title, d.new.Title)
	d.from("流程类型", "type of the process", lang.Same(d.old.Type), lang.Same(d.new.Type))
	d.from("流程负责角色", "who answers for the process", d.role(d.old.Owner), d.role(d.new.Owner))
	for _, word := range []string{"work", "always"} {
		d.from("日历“%s”", "calendar %q", lang.Same(d.old.Calendars[word]), lang.Same(d.new.Calendars[word]), lang.Same(word))
	}
	d.from("制度依据", "document it restates", lang.Same(d.old.Source.Document+" "+d.old.Source.Section), lang.Same(d.new.Source.Document+" "+d.new.Source.Section))
	if d.old.Steps[0].ID != d.new.Steps[0].ID {
		d.from("起始环节", "first step", d.title(d.old.Steps[0].ID), d.title(d.new.Steps[0].ID))
	}
}

func (d *differ) roles() {
	d.part = "role"
	for _, r := range d.new.Roles {
		d.id = r.ID
		o, ok := d.old.Role(r.ID)
		if !ok {
			d.say("新增参与角色：%s", "takes part now: %s", r.Title)
			continue
		}
		d.from("角色名称", "name of the role", o.Title, r.Title)
		d.from("“%s”是否外部单位", "%s is outside the company", yes(o.External), yes(r.External), r.Title)
		d.from("“%s”是否只有一人", "%s is held by one person", yes(o.Single), yes(r.Single), r.Title)
	}
	for _, r := range d.old.Roles {
		if d.id = r.ID; !has(d.new.Role(r.ID)) {
			d.say("不再参与的角色：%s", "takes no part any more: %s", r.Title)
		}
	}
}

func (d *differ) reasons() {
	d.part = "reason"
	for _, r := range d.new.Reasons {
		d.id = r.ID
		o, ok := d.old.Reason(r.ID)
		if !ok {
			d.say("新增暂停原因：%s", "new reason to wait: %s", r.Title)
			continue
		}
		d.from("暂停原因名称", "name of the reason to wait", o.Title, r.Title)
		d.from("因“%s”暂停时等待", "waiting because of %q, for", d.role(o.Owner), d.role(r.Owner), r.Title)
		d.from("因“%s”最多暂停", "waiting because of %q, at most", limit(o.AtMost, o.Calendar), limit(r.AtMost, r.Calendar), r.Title)
	}
	for _, r := range d.old.Reasons {
		if d.id = r.ID; !has(d.new.Reason(r.ID)) {
			d.say("取消暂停原因：%s", "no reason to wait any more: %s", r.Title)
		}
	}
}

func (d *differ) clock(a, b *process.Clock) {
	t := b.Title
	d.from("时限名称", "name of the limit", a.Title, b.Title)
	d.from("时限“%s”", "limit %q", limit(a.Target, a.Calendar), limit(b.Target, b.Calendar), t)
	d.from("时限“%s”的责任角色", "whose limit %q is", d.role(a.Role), d.role(b.Role), t)
	d.from("时限“%s”开始于", "limit %q starts at", d.moments(a.Starts), d.moments(b.Starts), t)
	d.from("时限“%s”结束于", "limit %q stops at", d.moments(a.Stops), d.moments(b.Stops), t)
	d.from("时限“%s”暂停于", "limit %q waits in", d.pauses(a), d.pauses(b), t)
	d.from("时限“%s”可由人员暂停的原因", "people may let limit %q wait because of", d.reasonsOf(a.Asked), d.reasonsOf(b.Asked), t)
	d.from("时限“%s”预警", "warning before limit %q", lang.Same(a.Warn), lang.Same(b.Warn), t)
	d.from("时限“%s”超时后通知", "told when limit %q is over", d.people(a.Breach.Notify), d.people(b.Breach.Notify), t)
	d.from("时限“%s”超时后转入", "step entered when limit %q is over", d.title(a.Breach.To), d.title(b.Breach.To), t)
	d.from("时限“%s”超时后再延误", "lateness after limit %q", limit(a.Late.After, a.Calendar), limit(b.Late.After, b.Calendar), t)
	d.from("时限“%s”延误后通知", "told when limit %q runs late", d.people(a.Late.Notify), d.people(b.Late.Notify), t)
	d.from("时限“%s”仅用于统计", "limit %q only reports", yes(a.ReportOnly), yes(b.ReportOnly), t)
	d.from("时限“%s”按故障实际起止计", "limit %q is measured from fault to recovery", yes(a.Measured), yes(b.Measured), t)
}

// Words of the new version first: a part that was renamed is named as it is now.

func (d *differ) role(id string) lang.Text {
	for _, def := range []*process.Definition{d.new, d.old} {
		if r, ok := def.Role(id); ok {
			return r.Title
		}
	}
	switch id {
	case process.OwnerSystem:
		return lang.Text{ZH: "系统测量", EN: "measurements"}
	case process.OwnerUser:
		return lang.Text{ZH: "用户", EN: "the user"}
	}
	return lang.Same(id)
}

func (d *differ) title(id string) lang.Text {
	for _, def := range []*process.Definition{d.new, d.old} {
		if s, ok := def.Step(id); ok {
			return s.Title
		}
	}
	return lang.Same(id)
}

var momentWords = map[string]lang.Text{
	"opened": {ZH: "开单", EN: "opening"}, "reopened": {ZH: "重新打开", EN: "opening again"}, "acked": {ZH: "响应", EN: "acknowledgement"},
	"ticket_opened": {ZH: "工单发出", EN: "the ticket"}, "ticket_withdrawn": {ZH: "工单撤回", EN: "the ticket's withdrawal"}, "verified": {ZH: "恢复核实", EN: "proven recovery"},
}

func (d *differ) moments(list []string) lang.Text {
	return joined(list, func(id string) lang.Text {
		if t, ok := momentWords[id]; ok {
			return t
		}
		return d.title(id)
	})
}

func (d *differ) people(list []string) lang.Text { return joined(list, d.role) }

func (d *differ) reasonsOf(list []string) lang.Text {
	return joined(list, func(id string) lang.Text {
		for _, def := range []*process.Definition{d.new, d.old} {
			if r, ok := def.Reason(id); ok {
				return r.Title
			}
		}
		return lang.Same(id)
	})
}

func (d *differ) pauses(k *process.Clock) lang.Text {
	var zh, en []string
	for _, p := range k.Pauses {
		in, who, why := joined(p.In, d.title), d.role(p.Owner), d.reasonsOf([]string{p.Reason})
		zh = append(zh, in.ZH+"（等待"+who.ZH+"，"+why.ZH+"）")
		en = append(en, in.EN+" (for "+who.EN+", "+why.EN+")")
	}
	slices.Sort(zh)
	slices.Sort(en)
	return lang.Text{ZH: strings.Join(zh, "；"), EN: strings.Join(en, "; ")}
}

func joined(list []string, word func(string) lang.Text) lang.Text {
	var zh, en []string
	for _, id := range list {
		zh, en = append(zh, word(id).ZH), append(en, word(id).EN)
	}
	slices.Sort(zh)
	slices.Sort(en)
	return lang.Text{ZH: strings.Join(zh, "、"), EN: strings.Join(en, ", ")}
}

func yes(b bool) lang.Text {
	if b {
		return lang.Text{ZH: "是", EN: "yes"}
	}
	return lang.Text{ZH: "否", EN: "no"}
}

// limit writes a span of a calendar as people say it: 4 h working time.
func limit(span, calendar string) lang.Text {
	s, err := sla.ParseSpan(span)
	if err != nil {
		return lang.Same(span)
	}
	word := map[string]lang.Text{"work": {ZH: "（工作时间）", EN: " working time"}, "always": {ZH: "（全天候）", EN: " day and night"}}[calendar]
	if s.Days > 0 && calendar == "work" {
		unit := "working days"
		if s.Days == 1 {
			unit = "working day"
		}
		return lang.Text{ZH: fmt.Sprintf("%d 个工作日", s.Days), EN: fmt.Sprintf("%d %s", s.Days, unit)}
	}
	zh, en := strings.NewReplacer("h", " 小时 ", "m", " 分钟 ", "s", " 秒 ", "d", " 天 "), strings.NewReplacer("h", " h ", "m", " min ", "s", " s ", "d", " d ")
	return lang.Text{ZH: strings.TrimSpace(zh.Replace(s.String())) + word.ZH, EN: strings.TrimSpace(en.Replace(s.String())) + word.EN}
}
