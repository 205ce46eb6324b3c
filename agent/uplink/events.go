package uplink

import (
	"context"
	"encoding/json"
	"net/http"
	"slices"

	"github.com/faultline/faultline/agent/spool"
	"github.com/faultline/faultline/internal/wire"
	"github.com/faultline/faultline/plugins/base"
)

// eventItem is one record of the events lane, decoded.
type eventItem struct {
	at     spool.Range
	events []base.Event
}

// sendEvents sends the next events and tells whether there may be more.
func (u *Uplink) sendEvents(ctx context.Context) bool {
	var items []eventItem
	check := false
	records := u.peek(u.events, spool.EventsOldest)
	for _, r := range records {
		events, err := wire.DecodeEvents(r.Data)
		if err != nil {
			u.quarantine(r.Range, err.Error())
			continue
		}
		check = check || slices.ContainsFunc(events, func(e base.Event) bool { return e.Kind == base.EventCheckDone })
		items = append(items, eventItem{r.Range, events})
	}
	if len(items) == 0 {
		return len(records) > 0
	}
	if check {
		u.drainLive(ctx)
	}
	return u.deliverEvents(ctx, items)
}

// drainLive sends what live samples there are: the answer to a check request
// follows the samples it is about.
func (u *Uplink) drainLive(ctx context.Context) {
	for range 16 {
		if n, ok := u.sendSamples(ctx, spool.SamplesLive); n == 0 || !ok {
			return
		}
	}
}

// deliverEvents posts the items as one array; refused ones are halved until the
// one that is at fault is found. It tells whether the way is still open.
func (u *Uplink) deliverEvents(ctx context.Context, items []eventItem) bool {
	ranges := make([]spool.Range, len(items))
	all := []base.Event{}
	for i, it := range items {
		ranges[i] = it.at
		all = append(all, it.events...)
	}
	if !u.ready(u.events) {
		u.takeBack(ranges)
		return false
	}
	body, err := json.Marshal(all)
	if err != nil { // a time that JSON cannot hold
		return u.splitEvents(ctx, items, err.Error())
	}
	a, err := u.post(ctx, u.events, body, http.Header{"Content-Type": {"application/json"}})
	if err != nil {
		u.takeBack(ranges)
		u.unanswered(ctx, u.events, err)
		return false
	}
	v := judge(a.Status)
	u.answered(u.events, a, v)
	switch v {
	case accepted:
		u.met.events.Add(float64(len(all)))
		u.delivered(u.events, a.Header, ranges)
		return true
	case refused, tooLarge:
		return u.splitEvents(ctx, items, a.Text())
	default:
		u.takeBack(ranges)
		return false
	}
}

func (u *Uplink) splitEvents(ctx context.Context, items []eventItem, reason string) bool {
	if len(items) == 1 {
		u.quarantine(items[0].at, reason)
		u.refusedOne(u.events)
		return true
	}
	half := len(items) / 2
	first := u.deliverEvents(ctx, items[:half])
	return u.deliverEvents(ctx, items[half:]) && first
}

// takeBack returns ranges that were not delivered to the spool.
func (u *Uplink) takeBack(ranges []spool.Range) {
	for _, r := range ranges {
		u.opt.Spool.Return(r)
	}
}
