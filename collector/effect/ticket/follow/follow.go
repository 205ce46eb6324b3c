// Package follow turns what service desks say of our tickets into facts about
// incidents: it asks those that can be asked, and takes the posts of those that
// call. It believes no desk about a ticket that another has, and "fixed" is a
// word that measurements decide about (process.Step does). It opens nothing.
package follow

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/faultline/faultline/collector/incident"
	"github.com/faultline/faultline/collector/process"
	"github.com/faultline/faultline/plugins/ticket"
)

// KV keeps how far a desk was followed; sqlstore.Store does.
type KV interface {
	KVGet(ctx context.Context, name string) (string, error)
	KVPut(ctx context.Context, name, value string) error
}

// Desk is a service desk whose tickets are followed.
type Desk struct {
	Name     string
	Follower ticket.Follower // nil: it cannot be asked
	Receive  Receiver        // nil: it does not call
	Every    time.Duration   // how often it is asked; 0 is 30 s
}

// Options configure a Service. All are required but those that say otherwise.
type Options struct {
	Desks []Desk
	KV    KV
	// Incident returns an incident, or an error that is NotFound.
	Incident func(ctx context.Context, id string) (incident.Incident, error)
	// Recent returns open incidents and those closed lately.
	Recent   func(ctx context.Context) ([]incident.Incident, error)
	NotFound error // what Incident and KVGet return for what is not there
	// Handle takes a fact about an incident; one whose ID was taken before changes
	// nothing. engine.Engine.Handle does.
	Handle     func(ctx context.Context, fact incident.Event) error
	Now        func() time.Time      // optional
	Logger     *slog.Logger          // optional
	Registerer prometheus.Registerer // optional
}

// Service follows desks. Its methods may be called from several goroutines.
type Service struct {
	o       Options
	updates *prometheus.CounterVec // desk, result
}

// Results of an update.
const (
	resultTaken   = "taken"
	resultUnknown = "unknown" // of no ticket this desk has of ours
	resultRefused = "refused" // the process has no use for it
	resultOld     = "old"     // says the same state again, or is about a closed incident
)

// New returns a Service.
func New(o Options) (*Service, error) {
	if o.KV == nil || o.Incident == nil || o.Recent == nil || o.NotFound == nil || o.Handle == nil {
		return nil, errors.New("follow desks: KV, Incident, Recent, NotFound and Handle are required")
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Logger == nil {
		o.Logger = slog.Default()
	}
	s := &Service{o: o, updates: prometheus.NewCounterVec(prometheus.CounterOpts{Name: "faultline_desk_updates_total",
		Help: "What service desks said of tickets, by desk and what became of it (taken, unknown, refused, old)."}, []string{"desk", "result"})}
	if o.Registerer != nil {
		if err := o.Registerer.Register(s.updates); err != nil {
			return nil, fmt.Errorf("follow desks: %w", err)
		}
	}
	return s, nil
}

// Run asks every desk that can be asked until ctx ends.
func (s *Service) Run(ctx context.Context) error {
	done := make(chan struct{}, len(s.o.Desks))
	for _, d := range s.o.Desks {
		go func() {
			s.follow(ctx, d)
			done <- struct{}{}
		}()
	}
	for range s.o.Desks {
		<-done
	}
	return nil
}

func (s *Service) follow(ctx context.Context, d Desk) {
	if d.Follower == nil {
		return
	}
	every := d.Every
	if every <= 0 {
		every = 30 * time.Second
	}
	tick := time.NewTicker(every)
	defer tick.Stop()
	failing := false
	for {
		err := s.ask(ctx, d)
		if err != nil && ctx.Err() == nil && !failing {
			s.o.Logger.Warn("desk does not say what became of its tickets", "desk", d.Name, "err", err)
		}
		failing = err != nil
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
	}
}

// ask takes all that is new at a desk. Where it stops with an error the same is
// asked again.
func (s *Service) ask(ctx context.Context, d Desk) error {
	name := KeptPrefix + d.Name + "/cursor"
	cursor, err := s.o.KV.KVGet(ctx, name)
	if err != nil && !errors.Is(err, s.o.NotFound) {
		return err
	}
	updates, next, err := d.Follower.Updates(ctx, cursor)
	if err != nil {
		return err
	}
	for _, u := range updates {
		if _, err := s.Take(ctx, d.Name, u); err != nil {
			return err
		}
	}
	if next == cursor {
		return nil
	}
	return s.o.KV.KVPut(ctx, name, next)
}

// Take makes a fact of what a desk says; known is false when the desk has no
// ticket of ours that it could mean. After an error it shall be told again.
func (s *Service) Take(ctx context.Context, desk string, u ticket.Update) (known bool, err error) {
	i, t, found, err := s.find(ctx, desk, u)
	if err != nil {
		return false, fmt.Errorf("update %s of desk %s: %w", u.ID, desk, err)
	}
	if !found || u.ID == "" {
		s.updates.WithLabelValues(desk, resultUnknown).Inc()
		return false, nil
	}
	fresh, err := s.fresh(ctx, desk, t, u)
	if err != nil {
		return true, fmt.Errorf("update %s of desk %s: %w", u.ID, desk, err)
	}
	fact, says := Fact(desk, i, t, u, fresh)
	result := resultOld
	if says {
		err = s.o.Handle(ctx, fact)
		result = resultTaken
		var refused *process.Refusal
		switch {
		case errors.As(err, &refused):
			result = resultRefused
		case err != nil:
			return true, fmt.Errorf("update %s of desk %s: %w", u.ID, desk, err)
		}
	}
	s.updates.WithLabelValues(desk, result).Inc()
	if u.Status == "" || !fresh {
		return true, nil
	}
	return true, s.o.KV.KVPut(ctx, stateName(desk, t), u.Status)
}

// fresh tells whether an update brings another state than the last did: systems
// repeat the state with everything that changes at a ticket.
func (s *Service) fresh(ctx context.Context, desk string, t incident.Ticket, u ticket.Update) (bool, error) {
	if u.Status == "" {
		return false, nil
	}
	last, err := s.o.KV.KVGet(ctx, stateName(desk, t))
	if errors.Is(err, s.o.NotFound) {
		return true, nil
	}
	return last != u.Status, err
}

// KeptPrefix begins the names of what is kept about desks.
const KeptPrefix = "desk/"

const stateMark = "/state/"

func stateName(desk string, t incident.Ticket) string { return KeptPrefix + desk + stateMark + t.Key }

// IncidentOf returns the incident of a ticket whose last state is kept under the
// name; ok is false when the name is another thing's, as a desk's cursor.
func IncidentOf(name string) (id string, ok bool) {
	rest, ok := strings.CutPrefix(name, KeptPrefix)
	if !ok {
		return "", false
	}
	_, key, ok := strings.Cut(rest, stateMark)
	if !ok {
		return "", false
	}
	id, _, ok = strings.Cut(key, "/")
	return id, ok && id != ""
}

// Fact is what an update says about its incident; fresh tells whether its state
// is another than before. says is false when there is nothing to say. It is pure.
func Fact(desk string, i incident.Incident, t incident.Ticket, u ticket.Update, fresh bool) (fact incident.Event, says bool) {
	fact = incident.Event{IncidentID: i.ID, ID: "desk/" + desk + "/" + u.ID, At: u.At, Kind: incident.Commented,
		Actor: incident.Actor{Kind: "vendor", ID: t.Vendor, Name: u.By}, Comment: strings.TrimSpace(u.Text)}
	if fact.Actor.Name == "" {
		fact.Actor.Name = t.VendorName
	}
	choice := map[string]string{ticket.StatusAccepted: process.VendorAccepted, ticket.StatusWorking: process.VendorAccepted,
		ticket.StatusFixed: process.VendorFixed, ticket.StatusClosed: process.VendorFixed, ticket.StatusRefused: process.VendorReturned}[u.Status]
	if choice != "" && fresh && i.Open() && t.State != "withdrawn" {
		fact.Kind, fact.Choice = incident.VendorReported, choice
		return fact, true
	}
	if u.Status != "" && !fresh {
		return fact, false
	}
	return fact, fact.Comment != ""
}

// find looks for the ticket an update is about: by our key, else by what the
// desk calls it. Only tickets that this desk has count.
func (s *Service) find(ctx context.Context, desk string, u ticket.Update) (i incident.Incident, t incident.Ticket, found bool, err error) {
	mine := func(t incident.Ticket) bool { return t.Desk == desk }
	if id, _, ok := strings.Cut(u.Key, "/"); ok {
		i, err = s.o.Incident(ctx, id)
		if err != nil && !errors.Is(err, s.o.NotFound) {
			return i, t, false, err
		}
		for _, t := range i.Tickets {
			if t.Key == u.Key && mine(t) {
				return i, t, true, nil
			}
		}
	}
	if u.Ref == "" {
		return i, t, false, nil
	}
	recent, err := s.o.Recent(ctx)
	if err != nil {
		return i, t, false, err
	}
	for _, i := range recent {
		for _, t := range i.Tickets {
			if mine(t) && called(t, u.Ref) {
				return i, t, true, nil
			}
		}
	}
	return i, t, false, nil
}

// called tells whether the ticket, or one of its messages, bears the ref.
func called(t incident.Ticket, ref string) bool {
	same := func(r string) bool {
		id, _, _ := strings.Cut(r, "#") // a message's ref is the ticket's and a mark
		return r == ref || id == ref
	}
	return t.Ref != "" && same(t.Ref) || slices.ContainsFunc(t.Messages, func(m incident.TicketMessage) bool { return m.Ref != "" && same(m.Ref) })
}
