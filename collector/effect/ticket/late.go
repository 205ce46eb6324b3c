package ticket

import (
	"fmt"
	"slices"
	"time"

	"github.com/faultline/faultline/collector/effect"
	"github.com/faultline/faultline/collector/incident"
	"github.com/faultline/faultline/collector/inventory"
	"github.com/faultline/faultline/internal/lang"
)

// late is what the vendor's next contact reads when nobody answered: what was
// asked when and of whom, what was measured since, and until when an answer is
// due.
type late struct {
	To       string   // whose turn it is; "" is not known by name
	AskedAt  string   // of the ticket's first message
	AskedOf  []string // the vendor's addresses, or its desk's number for the ticket
	Agreed   string   // the time agreed for an answer; "" where none is
	Waited   string   // since then without a word
	Called   []string // who was told before, and when
	Measured []string // what was found since
	AnswerBy string   // "" is not said
}

// lateOf returns what a message to the next contact says; nil for all others.
func lateOf(in Input, zone *time.Location) *late {
	i, l := in.Incident, language(in.Vendor)
	at := slices.IndexFunc(i.Tickets, func(t incident.Ticket) bool { return t.Key == Key(i.ID, in.Vendor.ID) })
	if reasonOf(in.Effect, i) != effect.ReasonVendorLate || at < 0 {
		return nil
	}
	t := i.Tickets[at]
	out := &late{To: in.Effect.Params[effect.ContactName], AskedAt: clock(t.OpenedAt, zone), AskedOf: askedOf(in, t), Waited: lasted(in.Now.Sub(t.OpenedAt), l)}
	respond, _ := in.Graph.RespondFor(i.Diagnosis.Device, in.Vendor.ID, in.Now)
	if agreed, err := inventory.ParseSpan(respond); err == nil && agreed > 0 {
		out.Agreed = lasted(agreed, l)
	}
	for _, m := range t.Messages {
		if m.Reason == effect.ReasonVendorLate && m.Key != in.Effect.Key && m.Contact != "" {
			out.Called = append(out.Called, m.Contact+" ["+clock(m.At, zone)+"]")
		}
	}
	if by, err := time.Parse(time.RFC3339, in.Effect.Params[effect.AnswerBy]); err == nil {
		out.AnswerBy = clock(by, zone)
	}
	out.Measured = measuredSince(i, t.OpenedAt, in.Now, l, zone)
	return out
}

// askedOf is where the first message went.
func askedOf(in Input, t incident.Ticket) []string {
	out := slices.Clone(in.Vendor.Emails)
	if deskName(in.Vendor) != "email" && t.Ref != "" {
		out = []string{t.Ref}
	}
	return out
}

// What became of an alert since the vendor was asked, after its own words.
var (
	saysUnknown = lang.Text{ZH: "%s：目前没有测量数据", EN: "%s: nothing is measured now"}
	saysFiring  = lang.Text{ZH: "%s：至 %s 仍未恢复", EN: "%s: still so at %s"}
	saysGone    = lang.Text{ZH: "%s：已于 %s 消失", EN: "%s: gone since %s"}
)

// measuredSince says how each alert stands that was there since the request. The
// observations behind them have a list of their own in every message.
func measuredSince(i incident.Incident, asked, now time.Time, l string, zone *time.Location) []string {
	var out []string
	for _, a := range i.Alerts {
		text := a.Summary.In(l)
		if text == "" {
			text = a.Name
		}
		switch {
		case a.Unknown:
			text = fmt.Sprintf(saysUnknown.In(l), text)
		case a.Firing:
			text = fmt.Sprintf(saysFiring.In(l), text, clock(now, zone))
		case a.ResolvedAt.After(asked):
			text = fmt.Sprintf(saysGone.In(l), text, clock(a.ResolvedAt, zone))
		default:
			continue
		}
		out = append(out, text)
	}
	return out[:min(len(out), maxAffected)]
}
