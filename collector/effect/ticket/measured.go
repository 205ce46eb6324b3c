package ticket

import (
	"slices"
	"time"

	"github.com/faultline/faultline/collector/effect"
	"github.com/faultline/faultline/collector/incident"
	"github.com/faultline/faultline/collector/inventory"
	"github.com/faultline/faultline/internal/lang"
)

// side is what was seen from one place.
type side struct {
	Name  string // of the site; "" where nobody knows from where
	Items []seen
}

// seen is one observation in words, with its time.
type seen struct {
	Text string
	Bad  bool
}

// sides groups the evidence by the site it was seen from: what both ends of a
// line say is the proof a carrier believes. Bad news comes first.
func sides(g *inventory.Graph, all []incident.Observation, l string, zone *time.Location) []side {
	var out []side
	for _, bad := range []bool{true, false} {
		for _, o := range all {
			if (o.Truth == "bad") != bad {
				continue
			}
			name := siteName(g, o.Vantage, l)
			at := slices.IndexFunc(out, func(s side) bool { return s.Name == name })
			if at < 0 {
				at = len(out)
				out = append(out, side{Name: name})
			}
			out[at].Items = append(out[at].Items, seen{observed(o, l, zone), bad})
		}
	}
	return out
}

func siteName(g *inventory.Graph, vantage, l string) string {
	a, ok := g.Agent(vantage)
	if !ok {
		return ""
	}
	if s, ok := g.Site(a.Site); ok {
		return s.Name.In(l)
	}
	return a.Site
}

func observed(o incident.Observation, l string, zone *time.Location) string {
	text := o.Text.In(l)
	if text == "" {
		text = o.Subject + ": " + o.Truth
	}
	if !o.At.IsZero() {
		text += " [" + clock(o.At, zone) + "]"
	}
	return text
}

// asks tells whether a message asks the vendor to do something.
func asks(reason string) bool {
	return slices.Contains([]string{effect.ReasonOpened, effect.ReasonReclassified, effect.ReasonReopened, effect.ReasonNotConfirmed, effect.ReasonVendorLate}, reason)
}

// repairBy is when the vendor's clock runs out; zero where none runs.
func repairBy(i incident.Incident) time.Time {
	for _, c := range i.Clocks {
		if c.Name == "vendor" && c.State == "running" {
			return c.DueAt
		}
	}
	return time.Time{}
}

func kindOf(in Input) string {
	if k := in.Effect.Params[effect.VendorKind]; k != "" {
		return k
	}
	return in.Vendor.Kind
}

// What vendors are asked to answer. The examples are words that package mailin
// understands.
var (
	answerNumber  = lang.Text{ZH: "受理单号", EN: "your ticket number"}
	answerWhen    = lang.Text{ZH: "预计恢复时间（如直接回复：已派单，预计14:30）", EN: "the expected time of repair (e.g. reply: dispatched, ETA 14:30)"}
	answerArrive  = lang.Text{ZH: "工程师姓名、电话和到场时间（如：已派单，预计14:30到场）", EN: "name and phone of the engineer and time of arrival (e.g. dispatched, ETA 14:30)"}
	answerCause   = lang.Text{ZH: "修复后：故障原因和处理结果（如：已修复，原因……），恢复以监测数据为准", EN: "after the repair: cause and remedy (e.g. fixed, because …); measurements decide"}
	answerReports = lang.Text{ZH: "修复后：故障检测报告、正常运行报告（附件 PDF、Word 或照片）", EN: "after the repair: the fault-inspection report and the normal-running report (PDF, Word or photos attached)"}
	answerData    = lang.Text{ZH: "需要我方提供的日志和数据", EN: "the logs and data you need from us"}
)

// answersFor are the answers that a kind of vendor owes.
func answersFor(kind, l string) []string {
	want := []lang.Text{answerNumber, answerArrive, answerCause, answerReports}
	switch kind {
	case incident.VendorCarrier:
		want = []lang.Text{answerNumber, answerWhen, answerCause}
	case incident.VendorDB:
		want = []lang.Text{answerNumber, answerWhen, answerData, answerCause}
	}
	out := make([]string, len(want))
	for n, t := range want {
		out[n] = t.In(l)
	}
	return out
}
