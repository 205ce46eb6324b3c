// Package desk makes a ticket.Desk of a service-desk system, so that no ticket
// doubles and none is lost: the call is reserved before it is made, after an
// attempt without a known end the system is searched before anything is sent,
// and a search is believed only once the system has had time to index what it
// took. What a system is told and asked, and how, is its Remote's affair (the
// packages below this one); when a ticket is sent is the process's and the
// outbox's. It imports the contract only, so that plugins can use it as well.
package desk

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/faultline/faultline/plugins/ticket"
)

// Remote is a service-desk system. Its methods may be called from several
// goroutines. Errors are *ticket.Error; what the system may have taken all the
// same is Ambiguous.
type Remote interface {
	// Open makes the ticket.
	Open(ctx context.Context, t ticket.Ticket) (ticket.Ref, error)
	// Add adds a message to the ticket with the id that Open returned, and moves
	// it where the message's reason asks for it (closed, withdrawn).
	Add(ctx context.Context, id string, t ticket.Ticket) error
	// FindTicket looks for the ticket with the Key.
	FindTicket(ctx context.Context, key string) (ticket.Ref, bool, error)
	// FindMessage looks for a message in the ticket with the id.
	FindMessage(ctx context.Context, id, messageKey string) (bool, error)
}

// Follower is a Remote that can say what became of its tickets; see ticket.Follower.
type Follower interface {
	Updates(ctx context.Context, cursor string) ([]ticket.Update, string, error)
}

// Reservation is what is kept of a call from before it is made.
type Reservation struct {
	Ticket string     `json:"ticket"`           // Ticket.Key
	Parent string     `json:"parent,omitempty"` // id of the ticket the message is added to, "" opens one; of a ticket, the message that opens it
	At     time.Time  `json:"at"`               // of the last attempt
	Ref    ticket.Ref `json:"ref,omitzero"`     // once known
}

// Book keeps reservations for good. Its methods may be called from several
// goroutines and processes.
type Book interface {
	// Reserve keeps r under the name unless there is one, and returns what is there then.
	Reserve(ctx context.Context, name string, r Reservation) (kept Reservation, fresh bool, err error)
	// Note replaces what is kept under the name.
	Note(ctx context.Context, name string, r Reservation) error
	// Look returns what is kept under the name.
	Look(ctx context.Context, name string) (r Reservation, known bool, err error)
}

// Options configure a Desk. Name and Remote are required.
type Options struct {
	Name   string // the word vendors choose the desk by
	Remote Remote
	Book   Book             // nil: in memory, forgotten at the end of the program; the system is asked for what an earlier one may have left
	Lag    time.Duration    // how long the system may take until a search finds what it took; 0 is 30 s, negative none
	Now    func() time.Time // nil: the clock
}

// Desk is a service-desk system as the core knows it.
type Desk struct {
	o       Options
	forgets bool // its book began with this program

	mu    sync.Mutex          // guards the fields below
	until time.Time           // the system asked not to be called before
	busy  map[string]struct{} // tickets with a call under way
}

var (
	_ ticket.Desk     = (*Desk)(nil)
	_ ticket.Follower = (*Desk)(nil)
)

// New returns a Desk.
func New(o Options) (*Desk, error) {
	if o.Name == "" || o.Remote == nil {
		return nil, errors.New("desk: name and remote are required")
	}
	forgets := o.Book == nil
	if forgets {
		o.Book = NewMemory()
	}
	if o.Lag == 0 {
		o.Lag = 30 * time.Second
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	return &Desk{o: o, forgets: forgets, busy: map[string]struct{}{}}, nil
}

// Name implements ticket.Desk.
func (d *Desk) Name() string { return d.o.Name }

// Send implements ticket.Desk. It may be called again for the same MessageKey
// whatever became of the last call: it never sends twice what was taken once.
func (d *Desk) Send(ctx context.Context, t ticket.Ticket) (ticket.Ref, error) {
	release, err := d.enter(t.Key)
	if err != nil {
		return ticket.Ref{}, err
	}
	defer release()
	name := d.name(t.MessageKey)
	r := Reservation{Ticket: t.Key, Parent: parent(t.Thread)}
	if found, err := d.recall(ctx, &r, t); err != nil || found {
		return r.Ref, d.note(err)
	}
	r.At = d.o.Now()
	r, fresh, err := d.o.Book.Reserve(ctx, name, r)
	if err != nil {
		return ticket.Ref{}, &ticket.Error{Op: d.o.Name + " reserve", Retryable: true, Err: err}
	}
	if r.Ref.ID != "" {
		return r.Ref, nil
	}
	switch {
	case !fresh:
		// Where nothing can be searched, repeats do no harm, or say what they are.
		if found, err := d.search(ctx, &r, t.MessageKey); found || err != nil && !errors.Is(err, ticket.ErrCannotSearch) {
			return r.Ref, d.note(err)
		}
	case t.Repeat && d.forgets && d.young(r.At): // when it was tried is not known: the latest is just now
		if r.Parent == "" {
			err = d.adopt(ctx, &r, t) // it is the one that opens, if any did
		}
		return ticket.Ref{}, d.note(cmp.Or(err, d.later(r.At)))
	}
	if r.Parent == "" {
		// The ticket may be there though its first message's end was never known.
		if err := d.adopt(ctx, &r, t); err != nil {
			return ticket.Ref{}, d.note(err)
		}
	}
	r.At = d.o.Now()
	if err := d.o.Book.Note(ctx, name, r); err != nil {
		return ticket.Ref{}, &ticket.Error{Op: d.o.Name + " reserve", Retryable: true, Err: err}
	}
	ref, err := d.call(ctx, r.Parent, t)
	if err != nil {
		return ticket.Ref{}, d.note(d.unsent(ctx, name, r, err))
	}
	r.Ref = ref
	d.known(context.WithoutCancel(ctx), r, t.MessageKey)
	return ref, nil
}

// call makes the one call that changes something.
func (d *Desk) call(ctx context.Context, id string, t ticket.Ticket) (ticket.Ref, error) {
	if id == "" {
		return d.o.Remote.Open(ctx, t)
	}
	return ticket.Ref{ID: messageRef(id, t.MessageKey)}, d.o.Remote.Add(ctx, id, t)
}

// adopt looks whether the ticket exists already: known from an earlier message,
// or found at the system.
func (d *Desk) adopt(ctx context.Context, r *Reservation, t ticket.Ticket) error {
	known, ok, err := d.o.Book.Look(ctx, d.ticketName(t.Key))
	if err != nil {
		return &ticket.Error{Op: d.o.Name + " reserve", Retryable: true, Err: err}
	}
	if ok && known.Ref.ID != "" {
		r.Parent = known.Ref.ID
		return nil
	}
	first := Reservation{Ticket: t.Key, At: d.o.Now(), Parent: t.MessageKey}
	kept, fresh, err := d.o.Book.Reserve(ctx, d.ticketName(t.Key), first)
	if err != nil {
		return &ticket.Error{Op: d.o.Name + " reserve", Retryable: true, Err: err}
	}
	if fresh || kept.Parent == t.MessageKey {
		return nil // nobody else can have opened it
	}
	ref, found, err := d.o.Remote.FindTicket(ctx, t.Key)
	if err != nil && !errors.Is(err, ticket.ErrCannotSearch) {
		return err
	}
	if found {
		r.Parent = ref.ID
		return nil
	}
	if d.young(kept.At) {
		return d.later(kept.At)
	}
	return nil
}

// known keeps what was found of a message, and of the ticket where the message
// opened it. If it is lost, the next attempt finds it again.
func (d *Desk) known(ctx context.Context, r Reservation, messageKey string) {
	_ = d.o.Book.Note(ctx, d.name(messageKey), r)
	to := Reservation{Ticket: r.Ticket, At: r.At, Ref: ticket.Ref{ID: r.Parent}}
	if r.Parent == "" {
		to.Parent, to.Ref = messageKey, r.Ref
	} else if _, there, err := d.o.Book.Look(ctx, d.ticketName(r.Ticket)); err != nil || there {
		return
	}
	_ = d.o.Book.Note(ctx, d.ticketName(r.Ticket), to)
}

// unsent forgets when an attempt was made that surely came to nothing, so that
// the next need not wait for the search to be sure.
func (d *Desk) unsent(ctx context.Context, name string, r Reservation, err error) error {
	var te *ticket.Error
	if errors.As(err, &te) && !te.Ambiguous {
		r.At = time.Time{}
		_ = d.o.Book.Note(context.WithoutCancel(ctx), name, r)
	}
	return err
}

// Find implements ticket.Desk: whether the system has the message.
func (d *Desk) Find(ctx context.Context, messageKey string) (ticket.Ref, bool, error) {
	r, known, err := d.o.Book.Look(ctx, d.name(messageKey))
	if err != nil {
		return ticket.Ref{}, false, &ticket.Error{Op: d.o.Name + " reserve", Retryable: true, Err: err}
	}
	if !known {
		return ticket.Ref{}, false, ticket.ErrCannotSearch // another program's, or this one forgot
	}
	if r.Ref.ID != "" {
		return r.Ref, true, nil
	}
	if err := d.gate(); err != nil {
		return ticket.Ref{}, false, err
	}
	found, err := d.search(ctx, &r, messageKey)
	return r.Ref, found, d.note(err)
}

// Updates implements ticket.Follower; a system that cannot say has none.
func (d *Desk) Updates(ctx context.Context, cursor string) ([]ticket.Update, string, error) {
	f, ok := d.o.Remote.(Follower)
	if !ok {
		return nil, cursor, nil
	}
	if err := d.gate(); err != nil {
		return nil, cursor, err
	}
	ups, next, err := f.Updates(ctx, cursor)
	return ups, next, d.note(err)
}

// enter lets one call for a ticket in at a time, and none while the system asked
// to be left alone.
func (d *Desk) enter(key string) (func(), error) {
	if err := d.gate(); err != nil {
		return nil, err
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if _, under := d.busy[key]; under {
		return nil, &ticket.Error{Op: d.o.Name, Retryable: true, Err: errors.New("another message of this ticket is under way")}
	}
	d.busy[key] = struct{}{}
	return func() {
		d.mu.Lock()
		defer d.mu.Unlock()
		delete(d.busy, key)
	}, nil
}

// gate is closed while the system asked for time.
func (d *Desk) gate() error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if wait := d.until.Sub(d.o.Now()); wait > 0 {
		return &ticket.Error{Op: d.o.Name, Retryable: true, Err: again(wait, "the system asked for time")}
	}
	return nil
}

// note closes the gate when an error says for how long.
func (d *Desk) note(err error) error {
	var l *Later
	if errors.As(err, &l) && l.Gate {
		d.mu.Lock()
		d.until = d.o.Now().Add(min(l.After, maxWait))
		d.mu.Unlock()
	}
	return err
}

// maxWait is how long a system may keep us away.
const maxWait = 10 * time.Minute

func (d *Desk) young(at time.Time) bool {
	return !at.IsZero() && d.o.Lag > 0 && d.o.Now().Sub(at) < d.o.Lag
}

func (d *Desk) later(at time.Time) error {
	return &ticket.Error{Op: d.o.Name + " search", Retryable: true, Ambiguous: true,
		Err: again(d.o.Lag-d.o.Now().Sub(at), "not found yet; the system may still be indexing it")}
}

// again is a cause that asks for time for one call alone.
func again(after time.Duration, why string) error {
	return &Later{Later: ticket.Later{After: after, Err: errors.New(why)}}
}

func (d *Desk) name(messageKey string) string { return "desk/" + d.o.Name + "/m/" + messageKey }
func (d *Desk) ticketName(key string) string  { return "desk/" + d.o.Name + "/t/" + key }

// Later is a ticket.Later that may hold for every call to the system.
type Later struct {
	ticket.Later
	Gate bool
}

// Mark is a word by which a system finds a key again: letters and digits only.
func Mark(key string) string {
	h := sha256.Sum256([]byte(key))
	return "flm" + hex.EncodeToString(h[:8])
}

// parent is the ticket's id among the refs of its messages.
func parent(thread []string) string {
	for _, ref := range slices.Backward(thread) {
		if id, _, _ := strings.Cut(ref, "#"); id != "" && !strings.HasPrefix(id, "<") {
			return id
		}
	}
	return ""
}

// messageRef names a message within a ticket.
func messageRef(id, messageKey string) string { return id + "#" + Mark(messageKey) }

// Ends tells whether a message's reason ends the ticket for the vendor.
func Ends(t ticket.Ticket) bool {
	return slices.Contains([]string{"closed", "withdrawn", "folded"}, t.Fields["reason"])
}

// Severity is the ticket's severity; major when it is not said.
func Severity(t ticket.Ticket) string { return cmp.Or(t.Fields["severity"], "major") }
