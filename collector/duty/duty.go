// Package duty keeps what people change about who is on call between two
// readings of the files: overrides, swaps, absences, imported calendars and
// hand-over notes. It lays them over a people.Directory, together with who lost
// access; who acts is answered there. It sends nothing.
package duty

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/faultline/faultline/collector/people"
	"github.com/faultline/faultline/internal/lang"
)

// Kinds of changes.
const (
	Override = "override" // somebody serves for a time
	Swap     = "swap"     // two serve each other's duty, once the other agreed
	Absence  = "absence"  // somebody is away
	Calendar = "calendar" // a rota's shifts come from a calendar that was imported
)

// States of a change.
const (
	Asked  = "asked"  // a swap that the other has not agreed to
	InUse  = "in_use" // it counts
	Undone = "undone"
)

// Change is one change. Times of From and To are wall times, as in the files.
type Change struct {
	ID        string           `json:"id"`
	Kind      string           `json:"kind"`
	State     string           `json:"state"`
	Rota      string           `json:"rota,omitempty"`
	Override  *people.Override `json:"override,omitempty"`
	Absence   *people.Absence  `json:"absence,omitempty"`
	First     string           `json:"first,omitempty"` // of swaps: who asks, and when that person serves
	FirstAt   time.Time        `json:"first_at,omitzero"`
	Second    string           `json:"second,omitempty"`
	SecondAt  time.Time        `json:"second_at,omitzero"`
	ICS       string           `json:"ics,omitempty"`
	Reason    string           `json:"reason,omitempty"`
	By        string           `json:"by"`
	At        time.Time        `json:"at"`
	ChangedBy string           `json:"changed_by,omitempty"` // who agreed to it or undid it last
	ChangedAt time.Time        `json:"changed_at,omitzero"`
	Problem   string           `json:"problem,omitempty"` // why it does not count although in use: its rota is gone
}

// Store keeps small settings; *sqlstore.Store is one.
type Store interface {
	KVGet(ctx context.Context, name string) (string, error)
	KVPut(ctx context.Context, name, value string) error
	KVList(ctx context.Context, prefix string) (map[string]string, error)
	KVDelete(ctx context.Context, names ...string) error
}

// Options configure a Book. All but Access are required.
type Options struct {
	Store Store
	Base  func() *people.Directory // as the files say
	// Access returns who may sign in, by the person's id; who has no account is not
	// in it. Nil: everybody.
	Access func(ctx context.Context) (map[string]bool, error)
	// Audit writes down what a person did, before it counts.
	Audit func(ctx context.Context, by, action, object, detail string) error
	Now   func() time.Time
}

// Book is the current Directory and what was changed in it. Its methods may be
// called from several goroutines.
type Book struct {
	o       Options
	current atomic.Pointer[people.Directory]

	mu      sync.Mutex // serialises changes on this node; guards changes
	changes []Change
}

const (
	changePrefix = "duty/change/"
	notePrefix   = "duty/handover/"
	// Keep is how long changes and notes stay after they are over.
	Keep = 400 * 24 * time.Hour
	// maxChanges bounds what is laid over the files.
	maxChanges = 2000
)

// Open reads what is stored.
func Open(ctx context.Context, o Options) (*Book, error) {
	if o.Store == nil || o.Base == nil || o.Audit == nil || o.Now == nil {
		return nil, errors.New("duty: store, base, audit and clock are required")
	}
	b := &Book{o: o}
	return b, b.Refresh(ctx)
}

// Directory is everybody as of the last Refresh.
func (b *Book) Directory() *people.Directory { return b.current.Load() }

// Changes returns all changes, the newest first.
func (b *Book) Changes() []Change {
	b.mu.Lock()
	defer b.mu.Unlock()
	return slices.Clone(b.changes)
}

// Refresh reads changes and access anew. Call it after accounts changed, and now
// and then for what other nodes changed.
func (b *Book) Refresh(ctx context.Context) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.refreshLocked(ctx)
}

func (b *Book) refreshLocked(ctx context.Context) error {
	raw, err := b.o.Store.KVList(ctx, changePrefix)
	if err != nil {
		return fmt.Errorf("duty: %w", err)
	}
	var list []Change
	for _, name := range slices.Sorted(maps.Keys(raw)) {
		var c Change
		if err := json.Unmarshal([]byte(raw[name]), &c); err != nil {
			return fmt.Errorf("duty: %s: %w", name, err)
		}
		list = append(list, c)
	}
	slices.SortStableFunc(list, func(x, y Change) int { return x.At.Compare(y.At) })
	d := b.o.Base()
	if b.o.Access != nil {
		access, err := b.o.Access(ctx)
		if err != nil {
			return fmt.Errorf("duty: %w", err)
		}
		d = d.With(access)
	}
	for n := range list {
		list[n].Problem = ""
		if list[n].State != InUse {
			continue
		}
		next, err := list[n].apply(d)
		if err != nil {
			list[n].Problem = err.Error()
			continue
		}
		d = next
	}
	slices.Reverse(list)
	b.changes = list
	b.current.Store(d)
	return nil
}

// apply lays the change over the directory.
func (c Change) apply(d *people.Directory) (*people.Directory, error) {
	switch c.Kind {
	case Absence:
		return d.WithAbsence(*c.Absence)
	case Override:
		return d.WithOverride(c.Rota, *c.Override)
	}
	r, ok := d.Rota(c.Rota)
	if !ok {
		return nil, fmt.Errorf("no rota %q", c.Rota)
	}
	var err error
	switch c.Kind {
	case Calendar:
		r, err = d.FromICS(*r, []byte(c.ICS))
	case Swap:
		r, err = r.Swap(people.SwapRequest{ID: c.ID, First: c.First, FirstAt: c.FirstAt, Second: c.Second, SecondAt: c.SecondAt, Agreed: true, By: c.By, Reason: c.Reason})
	default:
		err = fmt.Errorf("no change of kind %q", c.Kind)
	}
	if err != nil {
		return nil, err
	}
	return d.WithRota(r), nil
}

// ErrNone says that there is no such change.
var ErrNone = errors.New("no such change")

// Refused says why a change was not made, to the person who asked for it.
type Refused struct{ Text lang.Text }

// Error returns the text in English.
func (r *Refused) Error() string { return r.Text.EN }

func refuse(zh, en string) error { return &Refused{lang.Text{ZH: zh, EN: en}} }

// Add makes the change, which has no ID, State, By or At yet, and returns it. A
// swap is only asked for; Agree makes it count. *Refused says what is wrong.
func (b *Book) Add(ctx context.Context, by string, c Change) (Change, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if len(b.changes) >= maxChanges {
		return c, refuse("变更过多，请先把长期安排写入值班表文件", "too many changes: write lasting ones into the rota's file")
	}
	c.ID, c.By, c.At, c.State = "c-"+strings.ToLower(rand.Text()[:12]), by, b.o.Now().UTC(), InUse
	if c.Override != nil {
		c.Override.ID, c.Override.By, c.Override.Reason = c.ID, by, c.Reason
	}
	_, err := c.apply(b.current.Load())
	switch {
	case errors.Is(err, people.ErrSpan):
		return c, refuse("起止时间不完整，或结束不晚于开始", "from and until are not both given, or the end is not after the beginning")
	case err != nil:
		return c, refuse("不能这样安排："+err.Error(), err.Error())
	}
	if c.Kind == Swap {
		c.State = Asked
	}
	return c, b.putLocked(ctx, by, c, c.Kind)
}

// Agree makes a swap count; only the one who was asked can.
func (b *Book) Agree(ctx context.Context, by, id string) error {
	return b.change(ctx, by, id, "agreed", func(c *Change) error {
		if c.Kind != Swap || c.State != Asked {
			return refuse("没有待同意的换班", "there is no swap to agree to")
		}
		if by != c.Second {
			return refuse("只有被请求的人可以同意换班", "only the person who was asked can agree to the swap")
		}
		if _, err := c.apply(b.current.Load()); err != nil {
			return refuse("不能换班："+err.Error(), err.Error())
		}
		c.State = InUse
		return nil
	})
}

// Undo ends the change. What was decided while it counted stays decided.
func (b *Book) Undo(ctx context.Context, by, id string) error {
	return b.change(ctx, by, id, "undone", func(c *Change) error {
		if c.State == Undone {
			return refuse("已经撤销", "it is undone already")
		}
		c.State = Undone
		return nil
	})
}

func (b *Book) change(ctx context.Context, by, id, action string, do func(*Change) error) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if err := b.refreshLocked(ctx); err != nil { // another node may have been first
		return err
	}
	n := slices.IndexFunc(b.changes, func(c Change) bool { return c.ID == id })
	if n < 0 {
		return ErrNone
	}
	c := b.changes[n]
	if err := do(&c); err != nil {
		return err
	}
	c.ChangedBy, c.ChangedAt = by, b.o.Now().UTC()
	return b.putLocked(ctx, by, c, c.Kind+"_"+action)
}

func (b *Book) putLocked(ctx context.Context, by string, c Change, action string) error {
	body, err := json.Marshal(c)
	if err != nil {
		return fmt.Errorf("duty: %w", err)
	}
	detail := c
	detail.ICS = "" // a calendar is too long for an audit entry
	told, err := json.Marshal(detail)
	if err != nil {
		return fmt.Errorf("duty: %w", err)
	}
	if err := b.o.Audit(ctx, by, "duty."+action, c.ID, string(told)); err != nil {
		return err
	}
	if err := b.o.Store.KVPut(ctx, changePrefix+c.ID, string(body)); err != nil {
		return fmt.Errorf("duty: %w", err)
	}
	return b.refreshLocked(ctx)
}

// Prune deletes changes and notes that have been over for longer than Keep.
func (b *Book) Prune(ctx context.Context) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	before := b.o.Now().Add(-Keep)
	var old []string
	for _, c := range b.changes {
		if c.over(before) {
			old = append(old, changePrefix+c.ID)
		}
	}
	notes, err := b.o.Store.KVList(ctx, notePrefix)
	if err != nil {
		return fmt.Errorf("duty: %w", err)
	}
	for name, raw := range notes {
		var h people.HandOver
		if json.Unmarshal([]byte(raw), &h) != nil || h.At.Before(before) {
			old = append(old, name)
		}
	}
	if len(old) == 0 {
		return nil
	}
	if err := b.o.Store.KVDelete(ctx, old...); err != nil {
		return fmt.Errorf("duty: %w", err)
	}
	return b.refreshLocked(ctx)
}

// over tells whether the change says nothing about any time after the moment. A
// calendar says something until it is undone.
func (c Change) over(before time.Time) bool {
	if c.State == Undone {
		return c.ChangedAt.Before(before)
	}
	switch c.Kind {
	case Override:
		return ended(c.Override.To, before)
	case Absence:
		return ended(c.Absence.To, before)
	case Swap:
		return c.FirstAt.Before(before) && c.SecondAt.Before(before)
	}
	return false
}

// ended reads a wall time generously: a day more covers every zone.
func ended(wall string, before time.Time) bool {
	for _, layout := range []string{"2006-01-02T15:04:05", "2006-01-02T15:04", "2006-01-02"} {
		if t, err := time.Parse(layout, wall); err == nil {
			return t.Add(24 * time.Hour).Before(before)
		}
	}
	return false
}
