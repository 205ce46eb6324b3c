// Package chat delivers notices through group robots: it keeps what waits on
// disk, spends each robot's budget (package budget), folds what is too much into
// digests, and raises the alarm when a robot refuses or loses its place. How a
// robot is spoken to is package robot's affair, who is told what is the
// executor's (package notify).
//
// Delivery is at least once: a notice is stored before Deliver returns and
// forgotten after a robot took it. One that was on its way when the collector
// died is said again with the mark 重发.
package chat

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"golang.org/x/sync/errgroup"

	"github.com/faultline/faultline/collector/effect/notify/robot"
	"github.com/faultline/faultline/internal/lang"
	"github.com/faultline/faultline/internal/outgoing"
	"github.com/faultline/faultline/plugins/ticket"
)

// Store keeps small texts by name; sqlstore.Store is one. Writes are safe when
// they return.
type Store interface {
	// KVList returns all names that begin with the prefix, with their values.
	KVList(ctx context.Context, prefix string) (map[string]string, error)
	// KVPut writes one.
	KVPut(ctx context.Context, name, value string) error
	// KVDelete deletes those that are there.
	KVDelete(ctx context.Context, names ...string) error
}

// Notice is what a robot is to say about one thing.
type Notice struct {
	Key    string `json:"key"` // unique; a repeat has the same
	Number string `json:"number,omitempty"`
	Site   string `json:"site,omitempty"`  // in words
	Fault  string `json:"fault,omitempty"` // in words
	Tag    string `json:"tag,omitempty"`   // what the notice is about in a word: 新故障, 恢复已核实
	Title  string `json:"title"`
	Text   string `json:"text"`
	Short  string `json:"short,omitempty"` // for SMS and voice
	URL    string `json:"url,omitempty"`
	Level  string `json:"level"`
	Repeat bool   `json:"repeat,omitempty"`
	// Buttons are shown by apps; a digest has none.
	Buttons []robot.Button    `json:"buttons,omitempty"`
	Fields  map[string]string `json:"fields,omitempty"`
	At      time.Time         `json:"at"`
}

// urgent tells whether the notice may use the reserve.
func (n Notice) urgent() bool { return n.Level == robot.Critical }

// Alarm says that a robot does not speak for us.
type Alarm struct {
	Robot   string
	Since   time.Time
	Until   time.Time // when we try again; zero: it is over
	Waiting int       // notices
	Problem string    // the robot's words
	Text    lang.Text // all of it, for people
}

// Undelivered are notices that a robot will not say.
type Undelivered struct {
	Robot   string
	Notices []Notice
	Problem string
}

// Options configure a Service. Robots and Store are required.
type Options struct {
	Robots []robot.Settings
	Store  Store
	Client *http.Client // nil: one of our own, which follows no redirects
	// Alarm is told once when a robot begins to refuse or to fail, and once when
	// it speaks again; it is called again until it returns nil. Nil: log and
	// metrics only.
	Alarm func(ctx context.Context, a Alarm) error
	// Fallback gets what a robot refuses for good or has not taken for GiveUp; it
	// is called again until it returns nil. Nil: tried for ever.
	Fallback func(ctx context.Context, u Undelivered) error
	// Fence tells whether this collector may still speak and keep what was said;
	// it is asked right before each. Nil: it always may.
	Fence      func(ctx context.Context) error
	GiveUp     time.Duration // 0 is 30 min
	List       string        // address of the list of incidents, for digests
	Now        func() time.Time
	Logger     *slog.Logger
	Registerer prometheus.Registerer
}

// Service is all robots. Deliver may be called from several goroutines.
type Service struct {
	o      Options
	robots map[string]*speaker
	m      *metrics
}

// New returns a Service; nothing is sent before Run.
func New(o Options) (*Service, error) {
	if o.Store == nil {
		return nil, errors.New("chat: a store is required")
	}
	if o.Client == nil {
		o.Client = outgoing.Client()
	}
	if o.GiveUp <= 0 {
		o.GiveUp = 30 * time.Minute
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Logger == nil {
		o.Logger = slog.Default()
	}
	s := &Service{o: o, robots: map[string]*speaker{}, m: newMetrics()}
	var errs []error
	for _, r := range o.Robots {
		errs = append(errs, r.Validate())
		if s.robots[r.Name] != nil {
			errs = append(errs, fmt.Errorf("robot %s: the name is taken", r.Name))
		}
		s.robots[r.Name] = newSpeaker(r, &s.o, s.m)
	}
	if o.Registerer != nil {
		errs = append(errs, s.m.register(o.Registerer))
	}
	if err := errors.Join(errs...); err != nil {
		return nil, fmt.Errorf("chat: %w", err)
	}
	return s, nil
}

// Robots returns the robots' settings.
func (s *Service) Robots() []robot.Settings { return s.o.Robots }

// Deliver stores the notice for the robot; nil means that it is on disk and will
// be said, in a message of its own or in a digest. A repeat of a notice that
// waits or was said already changes nothing. It fails with a *ticket.Error.
func (s *Service) Deliver(ctx context.Context, name string, n Notice) error {
	r, ok := s.robots[name]
	if !ok {
		return &ticket.Error{Op: "chat", Err: fmt.Errorf("there is no robot %q", name), Hint: "see chat.robots in the collector's configuration"}
	}
	return r.accept(ctx, n)
}

// Run speaks until ctx ends. Only one collector may run it at a time: the holder
// of the lease. What waits is read from the store when it begins.
func (s *Service) Run(ctx context.Context) error {
	g, ctx := errgroup.WithContext(ctx)
	for _, r := range s.robots {
		g.Go(func() error { return r.run(ctx) })
	}
	return g.Wait()
}

// metrics are the service's own; the label robot is a name of the configuration.
type metrics struct {
	waiting  *prometheus.GaugeVec
	muted    *prometheus.GaugeVec
	messages *prometheus.CounterVec // robot, result
	notices  *prometheus.CounterVec // robot, how
	full     *prometheus.CounterVec
	store    *prometheus.CounterVec
}

func newMetrics() *metrics {
	l := []string{"robot"}
	return &metrics{
		waiting: prometheus.NewGaugeVec(prometheus.GaugeOpts{Name: "faultline_chat_waiting_notices", Help: "Notices that wait for a robot."}, l),
		muted:   prometheus.NewGaugeVec(prometheus.GaugeOpts{Name: "faultline_chat_muted", Help: "1 while the robot refuses or fails: people are not told."}, l),
		messages: prometheus.NewCounterVec(prometheus.CounterOpts{Name: "faultline_chat_messages_total",
			Help: "Messages by robot and result (taken, refused, failed)."}, []string{"robot", "result"}),
		notices: prometheus.NewCounterVec(prometheus.CounterOpts{Name: "faultline_chat_notices_total",
			Help: "Notices by robot and how they were told (single, digest, fallback)."}, []string{"robot", "how"}),
		full:  prometheus.NewCounterVec(prometheus.CounterOpts{Name: "faultline_chat_full_total", Help: "Notices not taken because too many wait; they stay with the sender."}, l),
		store: prometheus.NewCounterVec(prometheus.CounterOpts{Name: "faultline_chat_store_errors_total", Help: "Failed writes; each is repeated."}, l),
	}
}

func (m *metrics) register(r prometheus.Registerer) error {
	for _, c := range []prometheus.Collector{m.waiting, m.muted, m.messages, m.notices, m.full, m.store} {
		if err := r.Register(c); err != nil {
			return err
		}
	}
	return nil
}
