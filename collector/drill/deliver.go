package drill

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/faultline/faultline/collector/effect"
	"github.com/faultline/faultline/collector/effect/ticket"
	"github.com/faultline/faultline/collector/effect/verify"
	"github.com/faultline/faultline/collector/incident"
	"github.com/faultline/faultline/collector/inventory"
	"github.com/faultline/faultline/collector/outbox"
	desk "github.com/faultline/faultline/plugins/ticket"
)

// HeldDesk is the desk of tickets that no vendor receives.
const HeldDesk = "drill"

// heldPrefix is where they are kept, by drill and message.
const heldPrefix = "drill-ticket/"

// Ways are how the effects of drills are carried out.
type Ways struct {
	Real     map[string]outbox.Executor // those of real incidents, by kind
	Graph    func() *inventory.Graph
	Lookback time.Duration // see verify.Options
	Mailbox  string        // address that receives what is held; "": it is only kept
	Mail     desk.Desk     // sends to the mailbox; nil: nobody does
}

// Executors puts drills' own ways before the real ones: recovery is proved by the
// drill's evidence, agents are asked nothing, and tickets are held unless vendors
// take part. What is of no drill passes.
func (d *Desk) Executors(w Ways) (map[string]outbox.Executor, error) {
	held, err := d.holder(w)
	if err != nil {
		return nil, err
	}
	out := maps.Clone(w.Real)
	put := func(kind string, drill outbox.Func) {
		real := w.Real[kind]
		if real == nil {
			return
		}
		out[kind] = outbox.Func(func(ctx context.Context, j outbox.Job) (outbox.Outcome, error) {
			if j.Incident.Drill == "" {
				return real.Execute(ctx, j)
			}
			return drill(ctx, j)
		})
	}
	put(incident.EffectVerify, func(ctx context.Context, j outbox.Job) (outbox.Outcome, error) { return d.verify(ctx, j, w.Lookback) })
	put(incident.EffectAsk, func(context.Context, outbox.Job) (outbox.Outcome, error) {
		return outbox.Finish(effect.OutcomeSent, map[string]string{"drill": "nothing real is asked"}), nil
	})
	put(incident.EffectTicket, func(ctx context.Context, j outbox.Job) (outbox.Outcome, error) {
		r, err := d.read(ctx, j.Incident.Drill)
		if err != nil {
			return outbox.Outcome{}, err
		}
		if r.Vendors {
			return w.Real[incident.EffectTicket].Execute(ctx, j)
		}
		return held.Execute(context.WithValue(ctx, drillKey{}, j.Incident.Drill), j)
	})
	return out, nil
}

// verify proves recovery by the drill's own measurements.
func (d *Desk) verify(ctx context.Context, j outbox.Job, lookback time.Duration) (outbox.Outcome, error) {
	live, rec := d.live(j.Incident.Drill)
	if live == nil {
		return outbox.Again(every), nil
	}
	if rec.Hold > 0 {
		j.Effect.Params = maps.Clone(j.Effect.Params)
		j.Effect.Params[effect.Hold], j.Effect.Params[effect.MaxWait] = rec.Hold.String(), (2 * rec.Hold).String()
	}
	v, err := verify.New(verify.Options{Querier: live, Lookback: lookback, Now: d.o.Now})
	if err != nil {
		return outbox.Outcome{}, err
	}
	return v.Execute(ctx, j)
}

// holder writes tickets as the real one does, and keeps them.
func (d *Desk) holder(w Ways) (outbox.Executor, error) {
	graph := func() *inventory.Graph {
		inv := *w.Graph().Inventory()
		inv.Vendors = slices.Clone(inv.Vendors)
		for n := range inv.Vendors {
			v := &inv.Vendors[n]
			v.Desk, v.DeskOptions, v.Emails = HeldDesk, nil, nil
			if w.Mailbox != "" {
				v.Emails = []string{w.Mailbox}
			}
		}
		return inventory.NewGraph(&inv)
	}
	return ticket.New(ticket.Options{Desks: []desk.Desk{holding{d.o.Store, w}}, Graph: graph, Now: d.o.Now, Logger: d.o.Logger})
}

// drillKey carries the drill's id to the desk.
type drillKey struct{}

// Held is a message to a vendor that was kept back.
type Held struct {
	Key     string    `json:"key"`
	At      time.Time `json:"at"`
	Number  string    `json:"number"`
	Vendor  string    `json:"vendor"` // inventory id
	Subject string    `json:"subject"`
	Body    string    `json:"body"`
	Mailed  bool      `json:"mailed,omitempty"` // to the drills' mailbox
}

// holding is the desk.
type holding struct {
	store Store
	w     Ways
}

// Name implements desk.Desk.
func (h holding) Name() string { return HeldDesk }

// Send keeps the message, and sends it to the drills' mailbox where there is one.
func (h holding) Send(ctx context.Context, t desk.Ticket) (desk.Ref, error) {
	id, _ := ctx.Value(drillKey{}).(string)
	if id == "" {
		return desk.Ref{}, errors.New("hold a ticket: it is of no drill")
	}
	m := Held{Key: t.MessageKey, At: t.At.UTC(), Number: t.Number, Vendor: t.Fields["vendor"], Subject: t.Subject, Body: t.Body}
	if h.w.Mail != nil && len(t.To) > 0 {
		if _, err := h.w.Mail.Send(ctx, t); err != nil {
			return desk.Ref{}, err
		}
		m.Mailed = true
	}
	b, err := json.Marshal(m)
	if err != nil {
		return desk.Ref{}, fmt.Errorf("hold a ticket: %w", err)
	}
	return desk.Ref{ID: HeldDesk + ":" + t.MessageKey}, h.store.KVPut(ctx, heldPrefix+id+"/"+t.MessageKey, string(b))
}

// Find implements desk.Desk: a message that is kept was taken.
func (h holding) Find(context.Context, string) (desk.Ref, bool, error) {
	return desk.Ref{}, false, desk.ErrCannotSearch
}

// Tickets are the messages of a drill that were kept back, oldest first.
func (d *Desk) Tickets(ctx context.Context, id string) ([]Held, error) {
	kept, err := d.o.Store.KVList(ctx, heldPrefix+id+"/")
	if err != nil {
		return nil, err
	}
	out := []Held{}
	for name, text := range kept {
		var m Held
		if err := json.Unmarshal([]byte(text), &m); err != nil {
			return nil, fmt.Errorf("setting %s: %w", name, err)
		}
		out = append(out, m)
	}
	slices.SortFunc(out, func(a, b Held) int { return a.At.Compare(b.At) })
	return out, nil
}
