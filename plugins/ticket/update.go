package ticket

import (
	"context"
	"time"
)

// Follower is a Desk that can say what became of the tickets it took.
type Follower interface {
	// Updates returns what happened at the desk after the cursor, oldest first,
	// and the cursor for the next call; the empty cursor is the beginning. The
	// same cursor gives the same updates again, so that a caller who lost them
	// may ask once more; known ones are told by their ID.
	Updates(ctx context.Context, cursor string) (updates []Update, next string, err error)
}

// What a desk may say of a ticket's state.
const (
	StatusAccepted = "accepted" // somebody has taken it on
	StatusWorking  = "working"  // somebody is at it, or on the way
	StatusWaiting  = "waiting"  // the vendor waits for us or for a third party
	StatusFixed    = "fixed"    // the vendor says it is repaired; measurements decide
	StatusClosed   = "closed"   // the desk has closed it
	StatusRefused  = "refused"  // the vendor does not take it on
)

// Statuses are all words that Update.Status may have, besides none.
func Statuses() []string {
	return []string{StatusAccepted, StatusWorking, StatusWaiting, StatusFixed, StatusClosed, StatusRefused}
}

// Update is one thing that a desk says of a ticket.
type Update struct {
	ID     string    // unique for all time at this desk
	Ref    string    // Ref.ID of the ticket or of one of its messages
	Key    string    // Ticket.Key, when the desk knows it
	Status string    // one of Statuses, or empty for a mere message
	Text   string    // in the vendor's words
	By     string    // who said it
	At     time.Time // when
}
