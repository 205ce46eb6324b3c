// Package knowledge is how faults were solved: entries with an owner and a
// review date, drafts made from closed incidents, and suggestions for a new one
// by class, device model and symptoms, in Chinese and English. The database
// finds candidates by full text (FTS5 on SQLite, tsvector on PostgreSQL) over
// words this package makes; it ranks them itself, so that both databases give
// the same order. It opens no database and closes no incident.
package knowledge

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/faultline/faultline/internal/lang"
)

// States of an entry.
const (
	Draft     = "draft"     // written from an incident; nobody is shown it but its owner's side
	Published = "published" // suggested
	Retired   = "retired"   // kept, not suggested
)

// Bounds of an entry, in characters and elements.
const (
	maxText   = 20_000
	maxList   = 50
	maxReview = 3 * 366 * 24 * time.Hour
)

// Entry is one piece of knowledge. Times are in UTC.
type Entry struct {
	ID         string    `json:"id"`
	Version    int64     `json:"version"` // 1, 2, ...: Put refuses one that is not the newest
	State      string    `json:"state"`
	Title      lang.Text `json:"title"`
	Symptoms   lang.Text `json:"symptoms"`
	Cause      lang.Text `json:"cause"`
	Solution   lang.Text `json:"solution"`
	Class      string    `json:"class,omitempty"` // class of the incident; "" any
	DeviceKind string    `json:"device_kind,omitempty"`
	Vendor     string    `json:"vendor,omitempty"` // maker
	Models     []string  `json:"models,omitempty"`
	Tags       []string  `json:"tags,omitempty"`
	Sites      []string  `json:"sites,omitempty"`     // shown there only; empty everywhere
	Owner      string    `json:"owner"`               // person or role that answers for it
	ReviewBy   time.Time `json:"review_by"`           // after it the entry says that it is due for review
	Incidents  []string  `json:"incidents,omitempty"` // numbers of incidents it comes from or helped in
	Helpful    int       `json:"helpful,omitempty"`
	Useless    int       `json:"useless,omitempty"`
	Public     bool      `json:"public,omitempty"`   // shown to reporters without an account as well
	Practice   bool      `json:"practice,omitempty"` // 演练: suggested in practice only
	CreatedAt  time.Time `json:"created_at"`
	UpdatedAt  time.Time `json:"updated_at"`
	UpdatedBy  string    `json:"updated_by"`
}

// Fault is what is wrong with an entry, by field.
type Fault struct{ Field, What string }

// Error says the field and what is wrong.
func (f *Fault) Error() string { return "knowledge entry: " + f.Field + " " + f.What }

// Check returns what keeps the entry from being stored, or nil.
func (e Entry) Check(now time.Time) error {
	texts := map[string]lang.Text{"title": e.Title, "symptoms": e.Symptoms, "cause": e.Cause, "solution": e.Solution}
	for _, name := range []string{"title", "symptoms", "cause", "solution"} {
		if len([]rune(texts[name].ZH)) > maxText || len([]rune(texts[name].EN)) > maxText {
			return &Fault{name, fmt.Sprintf("is longer than %d characters", maxText)}
		}
	}
	switch {
	case e.ID == "" || len(e.ID) > 200:
		return &Fault{"id", "is empty or longer than 200 bytes"}
	case !slices.Contains([]string{Draft, Published, Retired}, e.State):
		return &Fault{"state", fmt.Sprintf("%q: want draft, published or retired", e.State)}
	case e.Title.IsZero():
		return &Fault{"title", "is empty"}
	case e.UpdatedBy == "":
		return &Fault{"updated_by", "is empty: somebody wrote it"}
	case len(e.Models) > maxList || len(e.Tags) > maxList || len(e.Sites) > 1000:
		return &Fault{"models, tags, sites", "are too many"}
	case e.State != Published:
		return nil
	case e.Owner == "":
		return &Fault{"owner", "is empty: a published entry has somebody who answers for it"}
	case e.Solution.IsZero():
		return &Fault{"solution", "is empty: a published entry says what to do"}
	case e.ReviewBy.IsZero() || e.ReviewBy.After(now.Add(maxReview)):
		return &Fault{"review_by", "is missing or more than three years away"}
	}
	return nil
}

// Due tells whether the entry has to be reviewed.
func (e Entry) Due(now time.Time) bool {
	return e.State == Published && now.After(e.ReviewBy)
}

// field is a part of an entry that is searched, and how much a word there counts.
type field struct {
	text   string
	weight float64
	mark   byte // A to D: PostgreSQL's weight
}

// fields are the entry's searched parts.
func (e Entry) fields() [4]field {
	both := func(t lang.Text) string { return t.ZH + "\n" + t.EN }
	return [4]field{
		{both(e.Title) + "\n" + strings.Join(e.Models, " ") + "\n" + strings.Join(e.Tags, " "), 3, 'A'},
		{both(e.Symptoms), 2.5, 'B'},
		{both(e.Cause), 1.5, 'C'},
		{both(e.Solution), 1, 'D'},
	}
}
