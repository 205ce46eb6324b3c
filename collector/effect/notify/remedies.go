package notify

import (
	"maps"
	"slices"

	"github.com/faultline/faultline/collector/effect"
	"github.com/faultline/faultline/collector/incident"
	"github.com/faultline/faultline/collector/outbox"
	"github.com/faultline/faultline/internal/lang"
)

// remedyEnds are how a remedy's run or dry run ended, in words.
var remedyEnds = map[string]lang.Text{
	incident.RemedyDone: {ZH: "执行成功", EN: "went through"}, incident.RemedyFailed: {ZH: "执行失败", EN: "failed"},
	incident.RemedyStopped:  {ZH: "中途终止，已做的部分不会撤销", EN: "was ended in the middle; what it had done is not undone"},
	incident.RemedyNotBegun: {ZH: "未执行", EN: "was not begun"}, incident.RemedyUnknown: {ZH: "结果不明", EN: "nobody knows how it ended"},
}

// remedyTitled are the effect's parameters in which a remedy has the title that
// people read in place of its name in the configuration, and how it ended.
func remedyTitled(j outbox.Job, l string) map[string]string {
	name := j.Effect.Params[effect.Remedy]
	if name == "" {
		return j.Effect.Params
	}
	params := maps.Clone(j.Effect.Params)
	for _, m := range slices.Backward(j.Incident.Remedies) {
		if title := m.Title.In(l); m.Name == name && title != "" {
			params[effect.Remedy] = title
			break
		}
	}
	if end, ok := remedyEnds[params[effect.Says]]; ok && params[effect.Reason] == effect.ReasonRemedyEnded {
		params[effect.Remedy] += lang.Text{ZH: "，", EN: ": "}.In(l) + end.In(l)
	}
	return params
}
