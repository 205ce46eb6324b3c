// Package enrol lets agents in: it keeps the collector's own certificate
// authority and its one-time tokens, answers first contact and renewal, knows
// at every request whose certificate was shown and whether it still counts, and
// serves the installers. It does not know what an agent may do beyond its site;
// ingest, api and inventory do. Agents with bearer tokens are package account's.
package enrol

import (
	"cmp"
	"context"
	"errors"
	"log/slog"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/faultline/faultline/collector/account"
	"github.com/faultline/faultline/internal/pki"
)

// Token is what is kept of a one-time token.
type Token struct {
	ID       string // not secret
	Hash     string // of the secret (pki.HashSecret)
	Site     string // the only site it can be used for
	Agent    string // the only agent it makes; "": the agent says its name
	IssuedBy string
	IssuedAt time.Time
	Expires  time.Time
	UsedAt   time.Time // zero: not yet
	UsedBy   string    // agent id
	KeyHash  string    // of the key that used it (pki.KeyHash)
	Revoked  time.Time // zero: not
}

// Agent is an enrolled agent.
type Agent struct {
	ID         string
	Site       string
	Machine    string // hash of the machine's own id; "" when it has none
	Host       string // host name it told
	Version    string
	Skew       time.Duration // how far its clock was ahead of ours when it last asked for a certificate
	EnrolledAt time.Time
	Revoked    time.Time // zero: not
	RevokedWhy string
	SeenAt     time.Time // zero: never since it enrolled
	Remote     string    // address it was seen at
}

// Certificate is a certificate issued to an agent.
type Certificate struct {
	Serial   string // pki.SerialText
	Agent    string
	Site     string
	KeyHash  string
	IssuedAt time.Time
	Expires  time.Time
	Revoked  time.Time // zero: not
	DER      []byte
}

// Sighting is the latest that was seen of an agent.
type Sighting struct {
	Agent, Remote string
	At            time.Time
}

// Errors of a Store's Redeem.
var (
	ErrTokenUsed = errors.New("the token was used, revoked or has expired meanwhile")
	ErrNameTaken = errors.New("an agent of that name enrolled meanwhile")
)

// Store keeps tokens, agents and certificates. What is not there is
// engine.ErrNotFound. All methods may be called from several goroutines and
// several collectors at once.
type Store interface {
	// PutEnrolToken writes a new token.
	PutEnrolToken(ctx context.Context, t Token) error
	// EnrolToken returns the token of that id.
	EnrolToken(ctx context.Context, id string) (Token, error)
	// EnrolTokens returns all tokens, newest first.
	EnrolTokens(ctx context.Context) ([]Token, error)
	// RevokeEnrolToken makes an unused token worthless.
	RevokeEnrolToken(ctx context.Context, id string, at time.Time) error
	// Redeem uses the token at c.IssuedAt and writes agent and certificate, all or
	// nothing. Of callers at the same time with one token one succeeds, the others
	// get ErrTokenUsed. With replace an agent of that id is replaced and its
	// earlier certificates are revoked; else it is ErrNameTaken.
	Redeem(ctx context.Context, tokenID string, a Agent, c Certificate, replace bool) error
	// AddCertificate writes a further certificate of an agent that is not revoked,
	// and its skew, host and version; engine.ErrNotFound if it is.
	AddCertificate(ctx context.Context, a Agent, c Certificate) error
	// Certificate returns the certificate of that serial and its agent.
	Certificate(ctx context.Context, serial string) (Certificate, Agent, error)
	// CertificateByKey returns the agent's newest certificate for a key.
	CertificateByKey(ctx context.Context, agent, keyHash string) (Certificate, error)
	// EnrolledAgent returns one agent.
	EnrolledAgent(ctx context.Context, id string) (Agent, error)
	// EnrolledAgents returns all agents by site and id; machine "" is any.
	EnrolledAgents(ctx context.Context, machine string) ([]Agent, error)
	// RevokeAgent revokes an agent and all its certificates.
	RevokeAgent(ctx context.Context, id, why string, at time.Time) error
	// RevokedSince returns the serials of certificates revoked after a moment.
	RevokedSince(ctx context.Context, since time.Time) ([]string, error)
	// AgentsSeen writes when and where agents were seen.
	AgentsSeen(ctx context.Context, seen []Sighting) error
	// PruneEnrolment forgets certificates and tokens that ended before a moment.
	PruneEnrolment(ctx context.Context, before time.Time) error
	// Audit appends to the audit trail.
	Audit(ctx context.Context, e account.AuditEntry) error
}

// Options are a Service's settings. Store and Authority are required.
type Options struct {
	Store     Store
	Authority *pki.Authority
	// SiteOf returns the site an agent of the inventory belongs to; ok is false for
	// agents it does not know, which may enrol all the same. Nil: it knows none.
	SiteOf func(agent string) (site string, ok bool)
	Names  []string      // the listener's host names and addresses, for people's programs
	Life   time.Duration // of agents' certificates; zero: a year
	// ReleaseKey is whose programs agents take in their own place, told to them at
	// first contact; "": nobody's.
	ReleaseKey string
	// Installer serves the installers; nil: none.
	Installer  *Installer
	Now        func() time.Time      // nil: time.Now
	Logger     *slog.Logger          // nil: slog.Default
	Registerer prometheus.Registerer // nil: no metrics
}

// Service answers agents. Its methods may be called from several goroutines.
type Service struct {
	opt     Options
	log     *slog.Logger
	met     *meters
	audit   *auditor
	open    openRequests
	seen    sightings
	signed  signed
	signing chan struct{} // one for each certificate being made
	shaking chan struct{} // one for each handshake of an agent that has its turn
	listen  listenCert

	mu      sync.Mutex           // guards renewed
	renewed map[string]time.Time // by agent: when it last got a certificate
}

// Bounds.
const (
	defaultLife = 365 * 24 * time.Hour
	leastLife   = time.Hour
	signAtOnce  = 16
	bodyLimit   = 16 << 10 // bytes of a request for a certificate

	// repeatFor is how long the one who used a token may ask for its certificate
	// again: the answer may have been lost on the line.
	repeatFor = time.Hour
	// renewPace is how soon an agent may ask for a further certificate.
	renewPace = 10 * time.Second
	// aliveFor is how long ago an agent that is running has been seen at most.
	aliveFor = 90 * time.Second
)

// New makes a Service. Run has to run beside it.
func New(o Options) (*Service, error) {
	if o.Store == nil || o.Authority == nil {
		return nil, errors.New("enrol options: store and authority are required")
	}
	o.Life = cmp.Or(o.Life, defaultLife)
	if o.Life < leastLife {
		return nil, errors.New("enrol options: certificates would live less than an hour")
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Logger == nil {
		o.Logger = slog.Default()
	}
	if o.SiteOf == nil {
		o.SiteOf = func(string) (string, bool) { return "", false }
	}
	s := &Service{opt: o, log: o.Logger, signing: make(chan struct{}, signAtOnce), shaking: make(chan struct{}, handshakesAtOnce), renewed: map[string]time.Time{}}
	s.met = newMeters(s, o.Registerer)
	s.audit = newAuditor(o.Store, o.Logger, o.Now, s.met.unaudited)
	return s, nil
}

// Pin is what tokens carry of the authority.
func (s *Service) Pin() string { return pki.Fingerprint(s.opt.Authority.Certificate) }

// Run cuts open requests of agents revoked by other processes, writes down which
// agents were seen and forgets what has ended, until ctx ends.
func (s *Service) Run(ctx context.Context) error {
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	for n := 0; ; n++ {
		select {
		case <-ctx.Done():
			s.flush(context.WithoutCancel(ctx))
			return nil
		case <-tick.C:
		}
		if err := s.cutRevoked(ctx); err != nil && ctx.Err() == nil {
			s.log.Warn("enrol: look for revoked agents", "err", err)
		}
		if n%30 == 29 {
			s.flush(ctx)
		}
		if n%3600 == 60 {
			if err := s.opt.Store.PruneEnrolment(ctx, s.opt.Now().Add(-90*24*time.Hour)); err != nil && ctx.Err() == nil {
				s.log.Warn("enrol: forget old certificates", "err", err)
			}
		}
	}
}

// flush writes the sightings and the audit entries that were held back.
func (s *Service) flush(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	if seen := s.seen.take(); len(seen) > 0 {
		if err := s.opt.Store.AgentsSeen(ctx, seen); err != nil {
			s.log.Warn("enrol: write down which agents were seen", "agents", len(seen), "err", err)
		}
	}
	s.audit.flush(ctx)
}

// cutRevoked cuts the open requests of certificates revoked of late. The overlap
// bears with clocks of other collectors that are minutes off.
func (s *Service) cutRevoked(ctx context.Context) error {
	if s.open.none() {
		return nil
	}
	serials, err := s.opt.Store.RevokedSince(ctx, s.opt.Now().Add(-10*time.Minute))
	for _, serial := range serials {
		s.open.cut(serial)
	}
	return err
}
