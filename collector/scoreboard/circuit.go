package scoreboard

import (
	"cmp"
	"slices"
	"time"

	"github.com/faultline/faultline/collector/incident"
	"github.com/faultline/faultline/collector/inventory"
	"github.com/faultline/faultline/internal/lang"
)

// span is a time, its end not within it.
type span struct{ from, to time.Time }

func (s span) within(o span) span {
	if s.from.Before(o.from) {
		s.from = o.from
	}
	if s.to.After(o.to) {
		s.to = o.to
	}
	return s
}

func (s span) empty() bool { return !s.to.After(s.from) }

func (s span) has(t time.Time) bool { return !t.Before(s.from) && t.Before(s.to) }

// claim says what a span of a circuit is.
type claim struct {
	span
	rank   int // the highest decides
	counts bool
	why    lang.Text
	c      *Case
	lasts  bool
}

// Ranks of claims: what is announced beats whose time it is, that beats what
// failed.
const (
	rankDegraded = iota + 1
	rankOther    // down because of something else
	rankDown
	rankPaused // the carrier waited for us
	rankWindow
)

// circuit counts one line.
func circuit(in Input, l inventory.Line, month span) Circuit {
	out := Circuit{Line: l.ID, Name: l.Name, Number: l.Circuit, Carrier: l.Carrier, Site: l.Site, Promised: l.Availability, Intervals: []Interval{}, Measured: 100, Kept: true}
	served := term(l, month, in.Zone)
	if served.empty() {
		return out
	}
	windows := windowsOf(in, l, served)
	claims := slices.Clone(windows)
	for i := range in.Cases {
		claims = append(claims, claimsOf(&in.Cases[i], l, served, in.Now)...)
	}
	out.Service = seconds(served)
	for _, w := range merged(windows) {
		out.Service -= seconds(w)
	}
	for _, x := range sweep(claims) {
		if x.Counts {
			out.Down += x.Seconds
		} else if x.down {
			out.Excluded += x.Seconds
		}
		if x.down {
			out.Intervals = append(out.Intervals, x.Interval)
		}
	}
	if out.Service > 0 {
		out.Measured = 100 * float64(out.Service-out.Down) / float64(out.Service)
	}
	out.Kept = out.Promised == 0 || out.Measured >= out.Promised
	return out
}

func seconds(s span) int64 {
	if s.empty() {
		return 0
	}
	return int64(s.to.Sub(s.from) / time.Second)
}

// term is the part of the month during which the line's contract holds.
func term(l inventory.Line, month span, zone *time.Location) span {
	out := span{from: month.from, to: month.to}
	if t, err := time.ParseInLocation(time.DateOnly, l.From, zone); err == nil {
		out = out.within(span{t, out.to})
	}
	if t, err := time.ParseInLocation(time.DateOnly, l.Until, zone); err == nil {
		out = out.within(span{out.from, t.AddDate(0, 0, 1)})
	}
	return out
}

func windowsOf(in Input, l inventory.Line, served span) []claim {
	var out []claim
	for _, w := range in.Windows {
		if len(w.Subjects) > 0 && !slices.ContainsFunc(w.Subjects, func(s string) bool {
			return slices.Contains([]string{l.ID, l.Carrier, l.Site, "site:" + l.Site, l.AEnd.Device, l.BEnd.Device}, s) && s != ""
		}) {
			continue
		}
		s := span{w.From, w.Until}
		if w.Until.IsZero() {
			s.to = in.Now
		}
		if s = whole(s).within(served); !s.empty() {
			out = append(out, claim{span: s, rank: rankWindow, why: lang.Text{ZH: "已公告的维护窗口：" + w.Reason, EN: "announced maintenance: " + w.Reason}})
		}
	}
	return out
}

// whole cuts a span to whole seconds: figures are counted in them.
func whole(s span) span {
	return span{s.from.Truncate(time.Second), s.to.Truncate(time.Second)}
}

// claimsOf is what an incident says of a line.
func claimsOf(c *Case, l inventory.Line, served span, now time.Time) []claim {
	d := c.Diagnosis
	root := d.Device == l.ID || d.Device == l.Carrier
	if !root && !slices.Contains(d.Affected, l.ID) {
		return nil
	}
	base := claim{c: c}
	switch {
	case !root || d.Class != incident.ClassCarrierLine:
		base.rank, base.why = rankOther, lang.Text{ZH: "原因不在线路（" + classWords[d.Class].ZH + "）：" + d.Title.ZH, EN: "not the circuit's fault (" + classWords[d.Class].EN + "): " + d.Title.EN}
	case !dead(c):
		base.rank, base.why = rankDegraded, lang.Text{ZH: "质量下降但未中断：" + d.Title.ZH, EN: "degraded, not down: " + d.Title.EN}
	default:
		base.rank, base.counts, base.why = rankDown, true, d.Title
	}
	var out []claim
	for _, s := range lost(c, now) {
		if in := whole(s.span).within(served); !in.empty() {
			x := base
			x.span, x.lasts = in, s.lasts && in.to.Equal(served.to)
			out = append(out, x)
		}
	}
	if base.counts {
		for _, s := range pauses(c, now) {
			if in := whole(s.span).within(served); !in.empty() {
				out = append(out, claim{span: in, rank: rankPaused, why: s.why, c: c})
			}
		}
	}
	return out
}

// classWords are the classes of faults as people call them.
var classWords = map[string]lang.Text{
	incident.ClassCarrierLine: {ZH: "专线", EN: "leased line"}, incident.ClassDevice: {ZH: "设备", EN: "device"}, incident.ClassPower: {ZH: "供电", EN: "power"},
	incident.ClassConfiguration: {ZH: "配置", EN: "configuration"}, incident.ClassServer: {ZH: "服务器", EN: "server"}, incident.ClassDatabase: {ZH: "数据库", EN: "database"},
	incident.ClassEnvironment: {ZH: "机房环境", EN: "environment"}, incident.ClassSecurity: {ZH: "安全", EN: "security"},
}

// dead tells whether the line was down and not merely bad: one of its alerts
// says so, or no measurement speaks of it, when a person or another system
// reported it.
func dead(c *Case) bool {
	spoken := false
	for _, a := range c.Alerts {
		switch a.Symptom {
		case "lossy", "large_lost", "slow", "rerouted":
			spoken = true
		case "":
		default:
			return true
		}
	}
	return !spoken
}

// lostSpan is a time of outage.
type lostSpan struct {
	span
	lasts bool
}

// lost are the times an incident's fault lasted: from its first evidence to the
// moment since which all alerts were gone, again from each relapse.
func lost(c *Case, now time.Time) []lostSpan {
	from := c.FaultAt
	if from.IsZero() {
		from = c.OpenedAt
	}
	var out []lostSpan
	down := true
	for _, e := range c.Events {
		switch {
		case e.Kind == incident.RecoverySeen && down:
			out, down = append(out, lostSpan{span: span{from, e.At}}), false
		case (e.Kind == incident.RecoveryLost || e.Kind == incident.Reopened) && !down:
			from, down = e.At, true
		case e.Kind == incident.Closed && down:
			out, down = append(out, lostSpan{span: span{from, e.At}}), false
		}
	}
	if !down {
		return out
	}
	for _, to := range []time.Time{c.RecoveredAt, c.VerifiedAt, c.ClosedAt} {
		if to.After(from) {
			return append(out, lostSpan{span: span{from, to}})
		}
	}
	return append(out, lostSpan{span{from, now}, true})
}

// pause is a time in which the vendor waited for us.
type pause struct {
	span
	why lang.Text
}

// pauses are the times that the vendor's clock stood because we were waited for.
func pauses(c *Case, now time.Time) []pause {
	clock, ok := c.ClockNamed("vendor")
	if !ok {
		return nil
	}
	var out []pause
	var at *incident.ClockMark
	end := func(to time.Time) {
		if at != nil && ours(at.Owner) {
			why := cmp.Or(at.Text, lang.Same(at.Reason))
			out = append(out, pause{span{at.At, to}, lang.Text{ZH: "等待我方：" + why.ZH, EN: "waiting for us: " + why.EN}})
		}
		at = nil
	}
	for i := range clock.Marks {
		switch m := &clock.Marks[i]; m.What {
		case incident.MarkPause:
			end(m.At)
			at = m
		default:
			end(m.At)
		}
	}
	end(now)
	return out
}

// ours tells whether the one who is waited for is on our side.
func ours(owner string) bool {
	return !slices.Contains([]string{"", "system", "carrier", "supplier", "db_vendor"}, owner)
}
