package alertmanager

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/faultline/faultline/collector/alert"
)

// States of a silence.
const (
	Pending = "pending"
	Active  = "active"
	Expired = "expired"
)

// Silence keeps alerts that match all its matchers from opening incidents, for a
// time.
type Silence struct {
	ID        string    `json:"id"`
	Matchers  []Matcher `json:"matchers"`
	StartsAt  time.Time `json:"startsAt"`
	EndsAt    time.Time `json:"endsAt"`
	CreatedBy string    `json:"createdBy"`
	Comment   string    `json:"comment"`
	UpdatedAt time.Time `json:"updatedAt"`
	Sites     []string  `json:"sites,omitempty"` // of who made it; empty: all. Alerts elsewhere are none of its business
}

// State tells where the silence stands.
func (s Silence) State(now time.Time) string {
	switch {
	case !now.Before(s.EndsAt):
		return Expired
	case now.Before(s.StartsAt):
		return Pending
	}
	return Active
}

// Mutes tells whether the silence is active and meant for the labels.
func (s Silence) Mutes(labels map[string]string, now time.Time) bool {
	return s.State(now) == Active && len(s.Matchers) > 0 && matchAll(s.Matchers, labels) &&
		(len(s.Sites) == 0 || slices.Contains(s.Sites, labels[alert.LabelSite]))
}

// Bounds of silences.
const (
	maxSilences = 5000
	maxText     = 4000 // of a comment, in bytes
	// remembered is how long an expired silence is shown.
	remembered = 120 * time.Hour
)

// check returns the silence ready for use, or what is wrong with it.
func (s Silence) check() (Silence, error) {
	if len(s.Matchers) == 0 {
		return s, errors.New("at least one matcher is required")
	}
	all := true
	for i, m := range s.Matchers {
		c, err := m.compiled()
		if err != nil {
			return s, err
		}
		s.Matchers[i] = c
		all = all && c.Matches(nil)
	}
	switch {
	case all:
		return s, errors.New("at least one matcher must not match the empty string")
	case s.StartsAt.IsZero() || s.EndsAt.IsZero():
		return s, errors.New("startsAt and endsAt are required")
	case !s.StartsAt.Before(s.EndsAt):
		return s, errors.New("start time must be before end time")
	case s.CreatedBy == "" || s.Comment == "":
		return s, errors.New("createdBy and comment are required")
	case len(s.Comment) > maxText || len(s.CreatedBy) > 256:
		return s, errors.New("comment or createdBy is too long")
	}
	return s, nil
}

// Silences keep silences.
type Silences interface {
	// Silences returns all that are kept, expired ones included, in no order.
	Silences(ctx context.Context) ([]Silence, error)
	// PutSilences writes silences by their IDs, all or none.
	PutSilences(ctx context.Context, s ...Silence) error
	// DropSilences forgets silences.
	DropSilences(ctx context.Context, ids ...string) error
}

// Mute says which of the firing alerts may not open incidents. An alert that an
// open incident owns already stays: a silence suppresses creation, never
// resolution. It is pure.
func Mute(firing []alert.Alert, silences []Silence, owned func(fingerprint string) bool, now time.Time) (kept, muted []alert.Alert) {
	for _, a := range firing {
		if len(mutedBy(silences, a.Labels, now)) > 0 && (owned == nil || !owned(a.Fingerprint)) {
			muted = append(muted, a)
			continue
		}
		kept = append(kept, a)
	}
	return kept, muted
}

// mutedBy returns the IDs of the silences that mute the labels.
func mutedBy(silences []Silence, labels map[string]string, now time.Time) []string {
	ids := []string{}
	for _, s := range silences {
		if s.Mutes(labels, now) {
			ids = append(ids, s.ID)
		}
	}
	return ids
}

// errPast is in Alertmanager's words.
var errPast = errors.New("Failed to create silence: end time can't be in the past")

// tick is what clients keep of a time; a finer one would make every silence that
// they send back another than it was.
const tick = time.Millisecond

// change returns what is to be written so that the silence asked for comes to
// be: a new one; the one it names, changed; or, where its matchers or its past
// would be another's, that one expired and a new one. It is pure but for the ID.
func change(have []Silence, s Silence, now time.Time) (write []Silence, id string, err error) {
	if s, err = s.check(); err != nil {
		return nil, "", &badRequest{fmt.Errorf("silence invalid: %w", err)}
	}
	if s.EndsAt.Before(now) {
		return nil, "", &badRequest{errPast}
	}
	s.StartsAt, s.EndsAt, s.UpdatedAt = s.StartsAt.Truncate(tick).UTC(), s.EndsAt.Truncate(tick).UTC(), now
	if s.ID != "" {
		at := slices.IndexFunc(have, func(x Silence) bool { return x.ID == s.ID })
		if at < 0 {
			return nil, "", errUnknown
		}
		old := have[at]
		s.Sites = old.Sites
		if sameMatchers(old.Matchers, s.Matchers) && mayChange(old, s, now) {
			return []Silence{s}, s.ID, nil
		}
		if old.State(now) != Expired {
			write = append(write, expire(old, now))
		}
	}
	if len(have) >= maxSilences {
		return nil, "", &badRequest{fmt.Errorf("%d silences are kept already", len(have))}
	}
	if s.StartsAt.Before(now) {
		s.StartsAt = now.Truncate(tick)
	}
	s.ID = newID()
	return append(write, s), s.ID, nil
}

// mayChange tells whether the silence can become the other without a lie about
// its past.
func mayChange(old, s Silence, now time.Time) bool {
	switch old.State(now) {
	case Active:
		return s.StartsAt.Equal(old.StartsAt)
	case Pending:
		return !s.StartsAt.Before(now)
	}
	return false
}

// expire ends a silence now; one that never began ends where it would begin.
func expire(s Silence, now time.Time) Silence {
	if s.State(now) == Pending {
		s.StartsAt = now
	}
	s.EndsAt, s.UpdatedAt = now, now
	return s
}

func sameMatchers(a, b []Matcher) bool {
	key := func(ms []Matcher) string {
		var all []string
		for _, m := range ms {
			all = append(all, m.String())
		}
		slices.Sort(all)
		return strings.Join(all, ",")
	}
	return key(a) == key(b)
}

// newID is a random UUID (version 4).
func newID() string {
	var b [16]byte
	_, _ = rand.Read(b[:]) // crypto/rand.Read never fails since Go 1.24
	b[6], b[8] = b[6]&0x0f|0x40, b[8]&0x3f|0x80
	return fmt.Sprintf("%x-%x-%x-%x-%x", b[0:4], b[4:6], b[6:8], b[8:10], b[10:])
}

// Memory keeps silences in memory alone, for tests.
type Memory struct {
	mu  sync.Mutex
	all map[string]Silence
}

// Silences implements Silences.
func (m *Memory) Silences(context.Context) ([]Silence, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	var out []Silence
	for _, s := range m.all {
		out = append(out, s)
	}
	return out, nil
}

// PutSilences implements Silences.
func (m *Memory) PutSilences(_ context.Context, list ...Silence) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.all == nil {
		m.all = map[string]Silence{}
	}
	for _, s := range list {
		m.all[s.ID] = s
	}
	return nil
}

// DropSilences implements Silences.
func (m *Memory) DropSilences(_ context.Context, ids ...string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, id := range ids {
		delete(m.all, id)
	}
	return nil
}

// KV keeps small texts by name; sqlstore.Store is one.
type KV interface {
	KVList(ctx context.Context, prefix string) (map[string]string, error)
	KVPutAll(ctx context.Context, values map[string]string) error
	KVDelete(ctx context.Context, names ...string) error
}

// silencePrefix of the names in the store.
const silencePrefix = "silence/"

// Stored keeps silences in the collector's database.
type Stored struct{ KV KV }

// Silences implements Silences. One that cannot be read is an error: leaving it
// out would open what it holds back.
func (s Stored) Silences(ctx context.Context) ([]Silence, error) {
	values, err := s.KV.KVList(ctx, silencePrefix)
	if err != nil {
		return nil, fmt.Errorf("read silences: %w", err)
	}
	var out []Silence
	for name, raw := range values {
		var x Silence
		if err = json.Unmarshal([]byte(raw), &x); err == nil {
			x, err = x.check()
		}
		if err != nil {
			return nil, fmt.Errorf("read %s: %w", name, err)
		}
		out = append(out, x)
	}
	return out, nil
}

// PutSilences implements Silences.
func (s Stored) PutSilences(ctx context.Context, list ...Silence) error {
	values := map[string]string{}
	for _, x := range list {
		raw, err := json.Marshal(x)
		if err != nil {
			return fmt.Errorf("write silence %s: %w", x.ID, err)
		}
		values[silencePrefix+x.ID] = string(raw)
	}
	return s.KV.KVPutAll(ctx, values)
}

// DropSilences implements Silences.
func (s Stored) DropSilences(ctx context.Context, ids ...string) error {
	names := make([]string, len(ids))
	for i, id := range ids {
		names[i] = silencePrefix + id
	}
	return s.KV.KVDelete(ctx, names...)
}
