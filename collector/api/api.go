// Package api is the collector's HTTP for programs: incidents, actions on them,
// reports of faults, agents' work, health, and the description of all of it. It
// checks who asks and what they may see, and translates; it decides nothing
// about incidents (engine does) and draws no page but /docs (web does).
package api

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/faultline/faultline/collector/account"
	"github.com/faultline/faultline/collector/document"
	"github.com/faultline/faultline/collector/handbook"
	"github.com/faultline/faultline/collector/incident"
	"github.com/faultline/faultline/collector/topology"
	"github.com/faultline/faultline/internal/lang"
	"github.com/faultline/faultline/internal/wire"
)

// Query selects incidents. Empty fields select all.
type Query struct {
	States []string
	Sites  []string
	Class  string
	Limit  int    // 0: all
	Cursor string // what an earlier answer called next
}

// Incidents reads incidents.
type Incidents interface {
	// Incident returns one incident, or engine.ErrNotFound.
	Incident(ctx context.Context, id string) (incident.Incident, error)
	// Incidents returns the incidents that match, newest first, and the cursor of
	// the next page, "" on the last.
	Incidents(ctx context.Context, q Query) (found []incident.Incident, next string, err error)
	// Events returns an incident's log from its first event.
	Events(ctx context.Context, id string) ([]incident.Event, error)
}

// Action is something a person or program does to an incident.
type Action struct {
	ID         string // idempotence key; a repeat changes nothing
	IncidentID string
	Kind       string // one of the Action words below
	Choice     string // of ActDecide and ActPause
	Comment    string
	Attachment *incident.Attachment // of ActAttach: the document as it was stored
	Actor      incident.Actor
	At         time.Time
}

// Report is a fault that a person or program tells of.
type Report struct {
	ID       string // idempotence key
	Site     string // inventory name
	Device   string // inventory name of a device or line; "" when the reporter does not know
	Category string // one of reporter.Categories; "" is other
	Symptoms string
	Name     string // of the reporter, where it is not the actor
	Contact  string // how the reporter is reached
	Language string
	Join     string   // an open incident that the reporter recognised; "new": none of them
	Photos   [][]byte // JPEG or PNG
	Remote   string   // address of the client
	Actor    incident.Actor
	At       time.Time
}

// Reported is what became of a Report.
type Reported struct {
	IncidentID string
	Joined     bool   // it belongs to an incident that was open already
	Link       string // path of the reporter's private page; "" has none
}

// Engine takes what people and programs do. A *Refusal says it did not.
type Engine interface {
	// Act carries the action out before it returns.
	Act(ctx context.Context, a Action) error
	// Report opens an incident or joins one.
	Report(ctx context.Context, r Report) (Reported, error)
}

// Work hands agents their configuration and checks.
type Work interface {
	// Poll returns at once when there is something newer than after, else when
	// there is, or when ctx ends; then with the error of ctx.
	// known is the wanted release that the agent knows of already.
	Poll(ctx context.Context, agentID string, after int64, known string) (wire.Work, error)
}

// Practice breaks and mends the simulated practice branch.
type Practice interface {
	// Faults returns what can be broken, in the order it is shown.
	Faults() []string
	// Broken returns what is broken now.
	Broken() []string
	// Break breaks it; an unknown fault is a *Refusal.
	Break(ctx context.Context, fault string) error
	// Mend makes everything whole again.
	Mend(ctx context.Context) error
}

// Offer is an action that somebody may take now.
type Offer struct {
	Kind         string
	Choice       string // of ActDecide and ActPause: one Offer for each choice
	Title        lang.Text
	Prompt       lang.Text // of ActDecide: the question
	Suggested    bool      // of ActDecide: the choice is what the evidence says
	NeedsComment bool      // e.g. overrules what the evidence suggests
	Missing      []string  // kinds of documents that are to be handed in first; a comment may say why there are none
	Documents    []string  // of ActAttach: kinds that this step asks for
}

// Reasons for a Refusal.
const (
	Forbidden = "forbidden" // not this person's to do
	NotNow    = "not_now"   // the incident is not where this can be done
	Invalid   = "invalid"   // the request itself is wrong
	TooMany   = "too_many"  // too much came at once
)

// Refusal says why something was not done, to the person who asked for it.
type Refusal struct {
	Why  string // Forbidden, NotNow, Invalid or TooMany
	Text lang.Text
	Hint lang.Text // what the person can do instead
}

// Error returns the text in English.
func (r *Refusal) Error() string { return r.Text.EN }

// Options are what the API needs.
type Options struct {
	Accounts  *account.Service
	Sessions  *account.Sessions // nil: bearer tokens only
	Incidents Incidents
	Engine    Engine
	Work      Work
	// Offers returns what somebody with these roles may do now. Administrators
	// are asked for with every role. Nil: each action goes to Engine, which decides.
	Offers     func(i incident.Incident, roles []string) []Offer
	Documents  document.Store                  // papers of incidents; nil: none can be handed in or read
	Handbook   *handbook.Handbook              // how processes change; nil: they do not
	KnownSite  func(site string) bool          // of the inventory; nil: any name is taken
	SiteOf     func(thing string) string       // site of an inventory name; nil: what other sites are affected is not known
	Noticed    Noticed                         // nil: nobody is shown other sites' incidents
	Topology   func() topology.Found           // nil: neighbours are not compared
	Practice   Practice                        // nil: no practice branch
	Remedies   Remedies                        // nil: nothing is carried out against faults
	Drills     *Drills                         // nil: no drills
	JudgedBy   Judged                          // nil: judgements are not counted
	Quiet      *QuietGate                      // nil: no quiet times are kept
	Ready      func(ctx context.Context) error // nil: always ready
	Now        func() time.Time                // nil: time.Now
	Registerer prometheus.Registerer           // nil: no metrics
	Logger     *slog.Logger                    // nil: slog.Default

	// Requests opens what people ask for; nil: nothing can be asked for.
	Requests func(ctx context.Context, r Request) (Reported, error)
	// Changes are those made before an incident; nil: nobody knows.
	Changes func(ctx context.Context, i incident.Incident) ([]Changed, error)

	// Elsewhere answers what is counted or written by others: ReportRows, Register,
	// Scoreboard, Inspections, Trail. A request comes with its principal; an error
	// is answered as a problem. What is missing is not found.
	Elsewhere map[string]func(w http.ResponseWriter, r *http.Request) error

	// Priority is whom to serve first, 1 to 4; nil: not known.
	Priority func(i incident.Incident) int
	// Clocks reads one incident's clocks as they stand now; nil: as at the last event.
	Clocks func(i incident.Incident) []ClockDetail
	// Fleet is what agents are to have and have; nil: nobody keeps it.
	Fleet *FleetGate
	// Auditor is what the auditor last found; nil: there is none.
	Auditor Auditor
}

// What Options.Elsewhere may have.
const (
	ReportRows  = "report"
	Register    = "register"
	Scoreboard  = "scoreboard"
	Inspections = "inspections"
	Trail       = "trail"
)

func (o *Options) validate() error {
	if o.Accounts == nil || o.Incidents == nil || o.Engine == nil || o.Work == nil {
		return errors.New("api options: Accounts, Incidents, Engine and Work are required")
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Logger == nil {
		o.Logger = slog.Default()
	}
	return nil
}

// server carries the options to the handlers.
type server struct {
	Options
	requests *prometheus.CounterVec
}

// Handler returns the handler of /api/v1/ (except the paths of ingest), /docs
// and /-/.
func Handler(o Options) (http.Handler, error) {
	if err := o.validate(); err != nil {
		return nil, err
	}
	s := &server{Options: o, requests: prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "faultline_api_requests_total", Help: "Requests answered, by route and status.",
	}, []string{"route", "code"})}
	if o.Registerer != nil {
		if err := o.Registerer.Register(s.requests); err != nil {
			return nil, err
		}
	}
	mux := http.NewServeMux()
	for _, r := range s.routes() {
		mux.Handle(r.method+" "+r.path, s.guarded(r))
	}
	mux.HandleFunc("/api/", s.unknownPath)
	h := http.NewCrossOriginProtection().Handler(mux)
	if o.Sessions == nil {
		return h, nil
	}
	return o.Sessions.Middleware(h), nil
}
