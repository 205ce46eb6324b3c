// Package engine is the only writer of incidents. It takes alert transitions,
// people's actions, effects' outcomes and timers; asks diagnose and route what
// they mean; lets process.Step decide; and commits incident, events, effects
// and alert state in one fenced transaction. It knows no SQL, no metric store
// and no plugin: those are interfaces that app fills.
package engine

import (
	"context"
	"errors"

	"github.com/faultline/faultline/collector/alert"
	"github.com/faultline/faultline/collector/incident"
)

// ErrFenced says the lease this writer holds is no longer the current one:
// nothing was written, and the writer must stop writing.
var ErrFenced = errors.New("lease lost: another collector writes now")

// ErrConflict says an incident was not at the version the commit was based on.
var ErrConflict = errors.New("incident changed meanwhile")

// ErrSeen says that a fact of a commit was taken before: nothing was written,
// and nothing is missing.
var ErrSeen = errors.New("fact was taken before")

// ErrNotFound says there is no such incident.
var ErrNotFound = errors.New("no such incident")

// Change is one incident's part of a Commit. Events are sealed and continue at
// Base+1; After is the fold of all its events.
type Change struct {
	Base    int64 // version the events continue; 0 for a new incident
	After   incident.Incident
	Events  []incident.Event
	Effects []incident.Effect // to be carried out; keys that exist already are ignored
	Cancel  []string          // keys of effects not yet done that shall not be done any more
}

// Commit is one transaction.
type Commit struct {
	Generation int64 // of the lease; the transaction fails with ErrFenced when it is not current
	Changes    []Change
	Alerts     []alert.Alert // upserted by fingerprint
	DropAlerts []string      // fingerprints to forget
	EffectDone []string      // keys of effects whose outcome is in Changes
	Memory     string        // what Store.Memory returns from then on; "": as before
	Seen       []string      // ids of agent events and actions, so that repeats are known
}

// empty tells whether there is nothing to be written.
func (c Commit) empty() bool {
	return len(c.Changes)+len(c.Alerts)+len(c.DropAlerts)+len(c.EffectDone)+len(c.Seen) == 0 && c.Memory == ""
}

// Store is what the engine needs of the relational state.
type Store interface {
	// Commit writes all or nothing. A fact id already seen, in an event's ID or
	// Seen, makes it a no-op that returns ErrSeen.
	Commit(ctx context.Context, c Commit) error
	// Incidents returns incidents that are not closed, oldest first.
	OpenIncidents(ctx context.Context) ([]incident.Incident, error)
	// Incident returns one incident in any state, or ErrNotFound.
	Incident(ctx context.Context, id string) (incident.Incident, error)
	// Alerts returns the stored alert states.
	Alerts(ctx context.Context) ([]alert.Alert, error)
	// Memory returns the Memory last committed, "" before the first.
	Memory(ctx context.Context) (string, error)
	// Numbers reserves the next n incident numbers of the day (20261121) and returns
	// the first of them; a day begins with 1.
	Numbers(ctx context.Context, day string, n int) (int, error)
}
