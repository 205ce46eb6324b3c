package chat

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/faultline/faultline/collector/effect/notify/robot"
	"github.com/faultline/faultline/internal/lang"
)

// group is all notices of one incident in a digest.
type group struct {
	number, line string
	tags         []string
	last         string // tag
	level        string
}

var digestTitle = lang.Text{ZH: "【汇总】%d 条通知，涉及 %d 个故障单", EN: "[Digest] %d notices on %d incidents"}

// digest tells of as many of the lane's notices as fit into so many bytes: a line
// for each incident while that fits, else the incidents' numbers by what the
// notices are about. It returns how many it tells of, at least one. Each number
// is written out, so that no notice is swallowed.
func digest(lane []*entry, language string, limit int) (int, robot.Message) {
	text, n := "", len(lane)
	if t := strings.Join(lines(groups(lane)), "\n"); len(t) <= limit {
		text = t
	} else {
		n, text = dense(lane, language, limit)
	}
	told := groups(lane[:n])
	m := robot.Message{Key: "digest/" + lane[0].Key, Title: fmt.Sprintf(digestTitle.In(language), n, len(told)), Text: text, Digest: n,
		Level: robot.Info, Fields: map[string]string{}}
	var keys []string
	order := []string{robot.Info, robot.Minor, robot.Major, robot.Critical}
	for _, e := range lane[:n] {
		if slices.Index(order, e.Level) > slices.Index(order, m.Level) {
			m.Level = e.Level
		}
		m.Repeat = m.Repeat || e.Repeat
		keys = append(keys, e.Key)
	}
	m.Fields["keys"] = strings.Join(keys, " ")
	return n, m
}

// groups folds notices by incident, in order of their first notice.
func groups(lane []*entry) []*group {
	var out []*group
	by := map[string]*group{}
	for _, e := range lane {
		id := e.Number
		if id == "" {
			id = "\x00" + e.Key // stands alone
		}
		g := by[id]
		if g == nil {
			g = &group{number: e.Number, level: e.Level}
			by[id] = g
			out = append(out, g)
		}
		g.line = strings.Join(strings.Fields(e.Site+" "+e.Fault), " ")
		if e.Number == "" {
			g.line = e.Title
		}
		if e.Tag != "" && e.Tag != g.last {
			g.tags, g.last = append(g.tags, e.Tag), e.Tag
		}
	}
	return out
}

// lines is one line for each incident: what happened to it, in order.
func lines(gs []*group) []string {
	out := make([]string, len(gs))
	for i, g := range gs {
		line := "• "
		if g.number != "" {
			line += "[FL#" + g.number + "] "
		}
		line += robot.Cut(strings.Join(strings.Fields(g.line), " "), 160)
		if len(g.tags) > 0 {
			line += " — " + strings.Join(g.tags, " → ")
		}
		out[i] = line
	}
	return out
}

// dense lists the numbers by the last word on each; it cuts the lane where the
// text is full.
func dense(lane []*entry, language string, limit int) (int, string) {
	n := len(lane)
	for {
		text := strings.Join(denseLines(groups(lane[:n]), language), "\n")
		if len(text) <= limit || n == 1 {
			return n, robot.Cut(text, limit)
		}
		n = max(1, min(n-1, n*limit/len(text)))
	}
}

func denseLines(gs []*group, language string) []string {
	var order []string
	by := map[string][]string{}
	var alone []*group
	for _, g := range gs {
		if g.number == "" {
			alone = append(alone, g)
			continue
		}
		if _, ok := by[g.last]; !ok {
			order = append(order, g.last)
		}
		by[g.last] = append(by[g.last], g.number)
	}
	out := lines(alone)
	for _, tag := range order {
		head := tag
		if head == "" {
			head = lang.Text{ZH: "通知", EN: "Notices"}.In(language)
		}
		out = append(out, fmt.Sprintf("• %s ×%d: FL# %s", head, len(by[tag]), strings.Join(by[tag], " ")))
	}
	return out
}

// alarmText says what an alarm means, in both languages.
func alarmText(a Alarm) lang.Text {
	if a.Until.IsZero() {
		return lang.Text{ZH: fmt.Sprintf("机器人“%s”恢复发送。", a.Robot), EN: fmt.Sprintf("The robot %q speaks again.", a.Robot)}
	}
	until := a.Until.UTC().Format(time.RFC3339)
	return lang.Text{
		ZH: fmt.Sprintf("机器人“%s”拒收消息，群内暂时收不到通知：%s。等待发送 %d 条，%s 后重试。请通过其他方式关注故障。", a.Robot, a.Problem, a.Waiting, until),
		EN: fmt.Sprintf("The robot %q takes no messages, so its group is told nothing for now: %s. %d notices wait; the next try is at %s. Please follow incidents another way.", a.Robot, a.Problem, a.Waiting, until),
	}
}
