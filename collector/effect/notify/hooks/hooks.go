// Package hooks tells other programs about incidents, by webhooks they know
// already: PagerDuty's (version 3, signed) or Alertmanager's (version 4). What to
// tell follows from the incidents' own logs, so nothing is queued twice: for each
// subscriber it remembers how far it got in each log. Delivery is at least once,
// in order within an incident, and given up after 48 hours; what may come twice
// says so (RepeatHeader).
package hooks

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"golang.org/x/sync/errgroup"

	"github.com/faultline/faultline/collector/alertmanager"
	"github.com/faultline/faultline/collector/incident"
	"github.com/faultline/faultline/collector/lease"
	"github.com/faultline/faultline/collector/pagerduty"
	"github.com/faultline/faultline/internal/lang"
	"github.com/faultline/faultline/internal/outgoing"
	"github.com/faultline/faultline/internal/secret"
)

// Formats of webhooks.
const (
	PagerDuty    = "pagerduty"
	Alertmanager = "alertmanager"
)

// Subscriber is a program that is told.
type Subscriber struct {
	Name     string          `yaml:"name"`
	Format   string          `yaml:"format"`
	URL      secret.String   `yaml:"url"`
	Keys     []secret.String `yaml:"keys"`  // all of them sign: X-PagerDuty-Signature
	Token    secret.String   `yaml:"token"` // sent as Authorization: Bearer; "" is none
	Sites    []string        `yaml:"sites"` // empty: all
	Language string          `yaml:"language"`
}

// Validate returns what is wrong with the settings.
func (s Subscriber) Validate() error {
	var errs []error
	bad := func(text string) { errs = append(errs, fmt.Errorf("webhook subscriber %s: %s", s.Name, text)) }
	if s.Name == "" || strings.Contains(s.Name, "/") {
		bad("the name is missing or has a slash")
	}
	if s.Format != PagerDuty && s.Format != Alertmanager {
		bad("format is not pagerduty or alertmanager")
	}
	if u, err := url.Parse(s.URL.Reveal()); err != nil || u.Host == "" || u.Scheme != "https" && u.Scheme != "http" {
		bad("url is not a http or https address")
	}
	if s.Format == PagerDuty && len(s.Keys) == 0 {
		bad("keys: PagerDuty's webhooks are signed")
	}
	for _, k := range s.Keys {
		if len(k.Reveal()) < 16 {
			bad("a key is shorter than 16 characters")
		}
	}
	return errors.Join(errs...)
}

// Source reads incidents.
type Source interface {
	// Recent returns the incidents that are open, and those closed within the last
	// 48 hours.
	Recent(ctx context.Context) ([]incident.Incident, error)
	// Events returns an incident's log from its first event.
	Events(ctx context.Context, id string) ([]incident.Event, error)
}

// Store keeps small texts by name; sqlstore.Store is one.
type Store interface {
	KVList(ctx context.Context, prefix string) (map[string]string, error)
	KVPut(ctx context.Context, name, value string) error
	KVDelete(ctx context.Context, names ...string) error
}

// Options configure a Service. Subscribers, Source and Store are required.
type Options struct {
	Subscribers []Subscriber
	Source      Source
	Store       Store
	URL         func(incidentID string) string // where people see the incident
	Client      *http.Client                   // nil: one of our own, which follows no redirects
	Poll        time.Duration                  // how often logs are read without a Wake; 0 is 10 s
	Now         func() time.Time
	Logger      *slog.Logger
	Registerer  prometheus.Registerer
}

// Bounds of delivery.
const (
	timeout = 5 * time.Second
	giveUp  = 48 * time.Hour
	maxBack = 10 * time.Minute
)

// Service tells all subscribers.
type Service struct {
	o     Options
	feeds []*feed
	sent  *prometheus.CounterVec // subscriber, result
}

// New returns a Service; Run makes it work.
func New(o Options) (*Service, error) {
	if o.Source == nil || o.Store == nil {
		return nil, errors.New("webhook subscribers: a source and a store are required")
	}
	if o.Client == nil {
		o.Client = outgoing.Client()
	}
	if o.Poll <= 0 {
		o.Poll = 10 * time.Second
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Logger == nil {
		o.Logger = slog.Default()
	}
	if o.URL == nil {
		o.URL = func(string) string { return "" }
	}
	s := &Service{o: o, sent: prometheus.NewCounterVec(prometheus.CounterOpts{Name: "faultline_webhooks_total",
		Help: "Webhooks to subscribers by result (taken, failed, refused, expired)."}, []string{"subscriber", "result"})}
	var errs []error
	names := map[string]bool{}
	for _, sub := range o.Subscribers {
		errs = append(errs, sub.Validate())
		if names[sub.Name] {
			errs = append(errs, fmt.Errorf("webhook subscriber %s: the name is taken", sub.Name))
		}
		names[sub.Name] = true
		if sub.Language == "" {
			sub.Language = lang.ZH
		}
		s.feeds = append(s.feeds, &feed{sub: sub, o: &s.o, sent: s.sent, wake: make(chan struct{}, 1)})
	}
	if o.Registerer != nil {
		errs = append(errs, o.Registerer.Register(s.sent))
	}
	return s, errors.Join(errs...)
}

// Wake makes Run look at once: call it after a commit. It never blocks.
func (s *Service) Wake() {
	for _, f := range s.feeds {
		select {
		case f.wake <- struct{}{}:
		default:
		}
	}
}

// Run tells subscribers until ctx ends; on the holder of the lease only.
func (s *Service) Run(ctx context.Context) error {
	g, ctx := errgroup.WithContext(ctx)
	for _, f := range s.feeds {
		g.Go(func() error { return f.run(ctx) })
	}
	return g.Wait()
}

// message is one webhook.
type message struct {
	seq  int64 // of the event that is told when it arrived
	at   time.Time
	id   string
	body []byte
}

// messages returns what the subscriber has to be told after the event numbered
// since; began is when it became a subscriber.
func (s Subscriber) messages(i incident.Incident, log []incident.Event, since int64, began time.Time, url string) ([]message, error) {
	var out []message
	if s.Format == PagerDuty {
		bodies, err := pagerduty.Webhooks(log, since, url, s.Language)
		for _, b := range bodies {
			if !b.At.Before(began) {
				out = append(out, message{b.Seq, b.At, b.ID, b.JSON})
			}
		}
		return out, err
	}
	// Alertmanager's webhook tells how things are, not what happened: one message,
	// if anything changed that it shows.
	for _, e := range slices.Backward(log) {
		if e.Seq <= since || e.At.Before(began) {
			break
		}
		if slices.Contains(shows, e.Kind) {
			at := log[len(log)-1]
			w := alertmanager.WebhookOf(i, url, s.Language)
			return []message{{at.Seq, e.At, i.ID + "/" + strconv.FormatInt(at.Seq, 10), w.JSON()}}, nil
		}
	}
	return nil, nil
}

// shows are the events that change what Alertmanager's webhook says.
var shows = []incident.Kind{incident.Opened, incident.Diagnosed, incident.AlertJoined, incident.AlertResolved, incident.AlertLeft, incident.AlertsJoined,
	incident.AlertsResolved, incident.Verified, incident.Closed, incident.Reopened, incident.Folded}

// post sends one message. answered is true when it is known whether it arrived,
// final when sending it again is useless.
func (f *feed) post(ctx context.Context, m message) (answered, final bool, err error) {
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	body := m.body
	if f.maybe == m.id {
		body = marked(body)
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, f.sub.URL.Reveal(), bytes.NewReader(body))
	if err != nil {
		return true, true, errors.New("the address is not one")
	}
	outgoing.Once(req)
	if len(body) > len(m.body) {
		req.Header.Set(RepeatHeader, "yes")
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("User-Agent", "Faultline")
	req.Header.Set("Idempotency-Key", m.id)
	if len(f.sub.Keys) > 0 {
		var keys []string
		for _, k := range f.sub.Keys {
			keys = append(keys, k.Reveal())
		}
		req.Header.Set(pagerduty.SignatureHeader, pagerduty.Sign(body, keys...))
		req.Header.Set("X-Webhook-Id", f.sub.Name)
	}
	if f.sub.Token != "" {
		req.Header.Set("Authorization", "Bearer "+f.sub.Token.Reveal())
	}
	resp, err := outgoing.Do(f.o.Client.Do, req, func() error { return lease.Check(ctx) })
	if err != nil {
		if !outgoing.NeverConnected(err) && !errors.Is(err, lease.ErrLost) {
			f.maybe = m.id // it left, and nobody says whether it arrived
		}
		var u *url.Error
		if errors.As(err, &u) {
			err = u.Err // the address may hold a secret
		}
		var op *net.OpError
		if errors.As(err, &op) {
			return false, false, fmt.Errorf("%s: %w", op.Op, op.Err)
		}
		return false, false, err
	}
	defer func() { _ = resp.Body.Close() }()
	_, _ = io.Copy(io.Discard, io.LimitReader(resp.Body, 64<<10)) // lets the connection be used again
	switch {
	case resp.StatusCode/100 == 2:
		return true, false, nil
	case resp.StatusCode == http.StatusTooManyRequests, resp.StatusCode == http.StatusRequestTimeout, resp.StatusCode >= 500:
		return true, false, fmt.Errorf("answered %d", resp.StatusCode)
	}
	return true, true, fmt.Errorf("answered %d", resp.StatusCode)
}
