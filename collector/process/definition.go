// Package process is the documented fault processes: definitions, which are
// data that people read and change, and Step, which says what an incident's
// next fact leads to. It is pure: it is handed the time, does no I/O and
// starts nothing; effects are returned for others to carry out.
package process

import (
	"fmt"
	"maps"
	"strings"

	"github.com/faultline/faultline/collector/sla"
	"github.com/faultline/faultline/internal/lang"
)

// Definition is one version of a process. It is immutable once loaded.
type Definition struct {
	APIVersion string            `yaml:"apiVersion"`
	Kind       string            `yaml:"kind"`
	ID         string            `yaml:"id"`
	Version    int               `yaml:"version"`
	Type       string            `yaml:"type"` // fault, or request: nothing measured proves its end
	Title      lang.Text         `yaml:"title"`
	Source     Source            `yaml:"source"`
	Calendars  map[string]string `yaml:"calendars"` // word used below → calendar id; "work" is the site's own where it has one
	Owner      string            `yaml:"owner"`     // role that answers for the whole process
	Roles      []Role            `yaml:"roles"`
	Reasons    []Reason          `yaml:"reasons"` // why clocks may wait
	Clocks     []Clock           `yaml:"clocks"`
	Steps      []StepDef         `yaml:"steps"` // the first one is entered first

	hash  string
	text  []byte
	steps map[string]*StepDef
	roles map[string]*Role
	guard *StepDef // the step that verifies recovery
}

// Source is the document the definition restates.
type Source struct {
	Document string `yaml:"document"`
	Section  string `yaml:"section"`
}

// Role is a lane.
type Role struct {
	ID       string    `yaml:"id"`
	Title    lang.Text `yaml:"title"`
	External bool      `yaml:"external"` // outside the company: told by tickets, not by notices
	Single   bool      `yaml:"single"`   // held by one person: nobody else of the role can stand in
}

// Clock is a limit. It starts and stops at steps, by their ids, or at words:
// opened, reopened, acked, ticket_opened, ticket_withdrawn, verified. A clock that was
// stopped and starts again goes on where it was; another vendor's starts anew.
// A final step stops every clock.
type Clock struct {
	ID         string    `yaml:"id"`
	Title      lang.Text `yaml:"title"`
	Target     string    `yaml:"target"`
	Calendar   string    `yaml:"calendar"`
	Role       string    `yaml:"role"` // whose limit it is; "" the vendor's
	Starts     []string  `yaml:"starts"`
	Stops      []string  `yaml:"stops"`
	Pauses     []Pause   `yaml:"pauses"`
	Asked      []string  `yaml:"asked"` // reasons for which a person may let it wait
	Warn       string    `yaml:"warn"`  // share of the target: 80%
	Breach     Outcome   `yaml:"breach"`
	Late       Rung      `yaml:"late"`        // after the breach
	Measured   bool      `yaml:"measured"`    // from the fault's beginning to its measured end
	ReportOnly bool      `yaml:"report_only"` // tells nobody

	target sla.Span
	warn   float64
	late   sla.Span
}

// Pause says in which steps a clock waits, for whom and why.
type Pause struct {
	In     []string `yaml:"in"`
	Owner  string   `yaml:"owner"`
	Reason string   `yaml:"reason"` // of the definition's reasons; "" the step's own title says it
}

// Reason is why clocks wait. Those that a person may give have an owner, who is
// waited for, and a time after which the clock goes on by itself.
type Reason struct {
	ID       string    `yaml:"id"`
	Title    lang.Text `yaml:"title"`
	Owner    string    `yaml:"owner"`
	AtMost   string    `yaml:"at_most"`
	Calendar string    `yaml:"calendar"`

	atMost sla.Span
}

// Outcome is what follows when time is up.
type Outcome struct {
	Notify []string `yaml:"notify"`
	To     string   `yaml:"to"`
}

// Rung is one rung of an escalation: after this time, this follows.
type Rung struct {
	After    string   `yaml:"after"`
	Calendar string   `yaml:"calendar"`
	Notify   []string `yaml:"notify"`
	To       string   `yaml:"to"`
	Mark     string   `yaml:"mark"` // reason recorded, e.g. auto_confirmed

	after sla.Span
}

// StepDef is one step.
type StepDef struct {
	ID        string    `yaml:"id"`
	Title     lang.Text `yaml:"title"`
	Role      string    `yaml:"role"`
	RACI      RACI      `yaml:"raci"`
	Notify    []string  `yaml:"notify"` // told on entering, besides the step's own role
	Ticket    *Ticket   `yaml:"ticket"`
	Suggest   []Suggest `yaml:"suggest"`
	Decide    *Decide   `yaml:"decide"`
	Approve   *Approve  `yaml:"approve"`
	Remedy    *Remedy   `yaml:"remedy"`
	Done      lang.Text `yaml:"done"`      // offers "the work is done" under this title
	Documents []string  `yaml:"documents"` // kinds that are asked for here
	Needs     []Need    `yaml:"needs"`     // documents without which "done" needs a comment
	Timeout   []Rung    `yaml:"timeout"`
	Guard     *Guard    `yaml:"guard"`
	Next      []Next    `yaml:"next"`
	Final     bool      `yaml:"final"`
	Produce   []string  `yaml:"produce"`
	Reopen    *Reopen   `yaml:"reopen"`
}

// RACI says who is accountable, consulted and informed; responsible is Role.
type RACI struct {
	A string   `yaml:"A"`
	C []string `yaml:"C"`
	I []string `yaml:"I"`
}

// Ticket tells the vendor at once when the step is entered, without a person,
// and follows the diagnosis from then on.
type Ticket struct {
	When       string            `yaml:"when"`        // "" always
	VendorKind string            `yaml:"vendor_kind"` // "" the diagnosis's
	Templates  map[string]string `yaml:"templates"`   // by vendor kind

	when guard
}

// Suggest proposes a choice from the evidence; the first that holds counts.
type Suggest struct {
	When   string `yaml:"when"`
	Choice string `yaml:"choice"`

	when guard
}

// Decide is a decision of a person.
type Decide struct {
	Prompt     lang.Text `yaml:"prompt"`
	Choices    []Choice  `yaml:"choices"`
	OnOverride string    `yaml:"on_override"` // comment_required or ""
}

// Choice is one answer and where it leads.
type Choice struct {
	ID      string    `yaml:"id"`
	Title   lang.Text `yaml:"title"`
	To      string    `yaml:"to"`
	Reopens bool      `yaml:"reopens"` // says that the fault is not gone
	Comment string    `yaml:"comment"` // required: the choice is explained, e.g. by the symptoms
	Needs   []Need    `yaml:"needs"`
}

// Need is a document without which a choice needs a comment that says why.
type Need struct {
	Document string `yaml:"document"`
	When     string `yaml:"when"`

	when guard
}

// Approve is a decision that another person confirms.
type Approve struct {
	By       string `yaml:"by"`
	Min      int    `yaml:"min"`
	DenySelf bool   `yaml:"deny_self"` // not by who asked for it

	Delegates []string `yaml:"delegates"` // roles that may stand in; they say why in a comment
}

// Guard makes the step the one that proves recovery: the diagnosis's recovery
// expression must hold on fresh samples for the time.
type Guard struct {
	Hold     string `yaml:"hold"`
	OnNoData string `yaml:"on_no_data"` // unknown: no data proves nothing; person: besides, the step's role is told to look
	Failed   string `yaml:"failed"`     // back (the step that was left) or a step

	hold sla.Span
}

// Next leads on when its guard holds.
type Next struct {
	When  string    `yaml:"when"`
	To    string    `yaml:"to"`
	Label lang.Text `yaml:"label"`

	when guard
}

// Reopen says how long and where a closed incident may be opened again.
type Reopen struct {
	Within string `yaml:"within"`
	To     string `yaml:"to"`

	within sla.Span
}

// Ref names the definition for ever: id@version#hash of its content.
func (d *Definition) Ref() string {
	return fmt.Sprintf("%s@%d#%s", d.ID, d.Version, d.hash)
}

// Text is the file the definition was read from.
func (d *Definition) Text() string { return string(d.text) }

// Step returns the step with the id.
func (d *Definition) Step(id string) (*StepDef, bool) {
	s, ok := d.steps[id]
	return s, ok
}

// Reason returns the reason with the id.
func (d *Definition) Reason(id string) (*Reason, bool) {
	for n := range d.Reasons {
		if d.Reasons[n].ID == id {
			return &d.Reasons[n], true
		}
	}
	return nil, false
}

// Guard returns the step that proves recovery; requests have none.
func (d *Definition) Guard() (*StepDef, bool) { return d.guard, d.guard != nil }

// Request tells whether nothing measured proves the end.
func (d *Definition) Request() bool { return d.Type == TypeRequest }

// Role returns the role with the id.
func (d *Definition) Role(id string) (*Role, bool) {
	r, ok := d.roles[id]
	return r, ok
}

// Clock returns the clock with the id.
func (d *Definition) Clock(id string) (*Clock, bool) {
	for n := range d.Clocks {
		if d.Clocks[n].ID == id {
			return &d.Clocks[n], true
		}
	}
	return nil, false
}

// choice returns the choice with the id.
func (s *StepDef) choice(id string) (*Choice, bool) {
	if s.Decide == nil {
		return nil, false
	}
	for n := range s.Decide.Choices {
		if s.Decide.Choices[n].ID == id {
			return &s.Decide.Choices[n], true
		}
	}
	return nil, false
}

// Set is the loaded processes, possibly several versions of each.
type Set struct {
	latest map[string]*Definition
	byRef  map[string]*Definition
}

// Latest returns the highest version of the process.
func (s *Set) Latest(id string) (*Definition, bool) {
	d, ok := s.latest[id]
	return d, ok
}

// Version returns the definition that Ref named, if it is loaded unchanged.
func (s *Set) Version(ref string) (*Definition, bool) {
	d, ok := s.byRef[ref]
	return d, ok
}

// With returns a set that also holds the definition as an older version, for
// incidents that opened on it before its file changed.
func (s *Set) With(d *Definition) *Set {
	out := &Set{latest: maps.Clone(s.latest), byRef: maps.Clone(s.byRef)}
	out.byRef[d.Ref()] = d
	if _, ok := out.latest[d.ID]; !ok {
		out.latest[d.ID] = d
	}
	return out
}

// Replacing returns a set in which the definition is the one in force, as a
// draft that is tried would be.
func (s *Set) Replacing(d *Definition) *Set {
	out := &Set{latest: maps.Clone(s.latest), byRef: maps.Clone(s.byRef)}
	out.byRef[d.Ref()], out.latest[d.ID] = d, d
	return out
}

// Keeping returns a set that also holds every version of an older set, so that
// incidents opened on one of them go on with it.
func (s *Set) Keeping(older *Set) *Set {
	out := s
	for _, ref := range sortedKeys(older.byRef) {
		if _, ok := out.byRef[ref]; !ok {
			out = out.With(older.byRef[ref])
		}
	}
	return out
}

// IDs returns the processes' ids, sorted.
func (s *Set) IDs() []string { return sortedKeys(s.latest) }

// Types of processes.
const (
	TypeFault   = "fault"
	TypeRequest = "request"
)

// words are what clocks may start and stop at besides steps.
var words = []string{wordOpened, wordReopened, wordAcked, wordTicketOpened, wordTicketWithdrawn, wordVerified}

const (
	wordOpened          = "opened"
	wordReopened        = "reopened"
	wordAcked           = "acked"
	wordTicketOpened    = "ticket_opened"
	wordTicketWithdrawn = "ticket_withdrawn"
	wordVerified        = "verified"
)

// quote joins ids for messages.
func quote(ids []string) string { return strings.Join(ids, ", ") }
