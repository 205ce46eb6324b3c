package enrol

import (
	"cmp"
	"context"
	"crypto"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/faultline/faultline/collector/account"
	"github.com/faultline/faultline/collector/engine"
	"github.com/faultline/faultline/internal/pki"
)

// NewToken is what a token is made for.
type NewToken struct {
	Site  string
	Agent string        // "": the agent says its name
	Valid time.Duration // zero: a day
	Actor string        // who asks for it
}

// Bounds of a token's life.
const (
	defaultTokenLife = 24 * time.Hour
	maxTokenLife     = 30 * 24 * time.Hour
)

// IssueToken makes a one-time token for a site and returns it: the only moment
// it can be read. It is a function so that a command line can do it beside a
// running collector.
func IssueToken(ctx context.Context, store Store, a *pki.Authority, n NewToken, now time.Time) (pki.Token, error) {
	n.Valid = cmp.Or(n.Valid, defaultTokenLife)
	switch {
	case n.Site == "":
		return pki.Token{}, errors.New("issue token: which site is it for?")
	case n.Agent != "" && !pki.NamePattern.MatchString(n.Agent):
		return pki.Token{}, fmt.Errorf("issue token: agent %q: letters, digits, . _ - only, at most 63", n.Agent)
	case n.Valid < time.Minute || n.Valid > maxTokenLife:
		return pki.Token{}, fmt.Errorf("issue token: valid for %s, want a minute to 30 days", n.Valid)
	}
	t := pki.NewToken(pki.Fingerprint(a.Certificate), now)
	err := store.PutEnrolToken(ctx, Token{ID: t.ID, Hash: pki.HashSecret(t.Secret), Site: n.Site, Agent: n.Agent, IssuedBy: n.Actor, IssuedAt: now, Expires: now.Add(n.Valid)})
	if err != nil {
		return pki.Token{}, err
	}
	return t, store.Audit(ctx, account.AuditEntry{At: now.UTC(), Actor: n.Actor, Action: "agent_token_issued", Object: t.ID,
		Detail: strings.TrimSpace(fmt.Sprintf("site %s, until %s %s", n.Site, now.Add(n.Valid).UTC().Format(time.RFC3339), n.Agent))})
}

// Revoke takes an agent's certificates away at once. A collector that runs in
// another process cuts the agent's open requests within two seconds.
func Revoke(ctx context.Context, store Store, agent, actor, why string, now time.Time) error {
	if err := store.RevokeAgent(ctx, agent, why, now); err != nil {
		return err
	}
	return store.Audit(ctx, account.AuditEntry{At: now.UTC(), Actor: actor, Action: "agent_revoked", Object: agent, Detail: why})
}

// RevokeToken makes an unused token worthless.
func RevokeToken(ctx context.Context, store Store, id, actor, why string, now time.Time) error {
	if err := store.RevokeEnrolToken(ctx, id, now); err != nil {
		return err
	}
	return store.Audit(ctx, account.AuditEntry{At: now.UTC(), Actor: actor, Action: "agent_token_revoked", Object: id, Detail: why})
}

// Revoke takes an agent's certificates away and cuts its open requests here.
func (s *Service) Revoke(ctx context.Context, agent, actor, why string) error {
	if err := Revoke(ctx, s.opt.Store, agent, actor, why, s.opt.Now()); err != nil {
		return err
	}
	return s.cutRevoked(ctx)
}

// enrol answers a first contact.
func (s *Service) enrol(ctx context.Context, q pki.Request, remote string) (pki.Reply, error) {
	key, err := pki.RequestedKey(q.CSR)
	if err != nil {
		return pki.Reply{}, refuse(pki.BadRequest, err.Error())
	}
	now, keyHash := s.opt.Now(), pki.KeyHash(key)
	t, err := s.opt.Store.EnrolToken(ctx, q.TokenID)
	if err != nil && !errors.Is(err, engine.ErrNotFound) {
		return pki.Reply{}, err
	}
	if !pki.SecretMatches(t.Hash, q.Secret) { // compared also when there is no such token
		return pki.Reply{}, refuse(pki.TokenUnknown, "")
	}
	name := cmp.Or(t.Agent, q.Name)
	repeat, ref := checkToken(t, keyHash, now)
	if ref != nil {
		ref.Agent = name
		return pki.Reply{}, ref
	}
	if repeat {
		return s.again(ctx, t, q, now)
	}
	if !pki.NamePattern.MatchString(name) {
		return pki.Reply{}, refuse(pki.BadRequest, fmt.Sprintf("name %q: letters, digits, . _ - only, at most 63", shorten(name)))
	}
	v, err := s.judge(ctx, t, name, q.Machine, now)
	if err != nil {
		return pki.Reply{}, err
	}
	if v.refusal != nil {
		v.refusal.Agent = name
		return pki.Reply{}, v.refusal
	}
	a := agentOf(q, remote, now)
	a.ID, a.Site, a.EnrolledAt = name, t.Site, now
	return s.admit(ctx, t, a, key, v)
}

// admit issues the certificate, uses the token and tells the audit.
func (s *Service) admit(ctx context.Context, t Token, a Agent, key crypto.PublicKey, v verdict) (pki.Reply, error) {
	now := a.EnrolledAt
	c, err := s.sign(key, a, now)
	if err != nil {
		return pki.Reply{}, err
	}
	err = s.opt.Store.Redeem(ctx, t.ID, a, c, v.replace)
	switch {
	case errors.Is(err, ErrTokenUsed):
		return pki.Reply{}, &Refusal{Reason: pki.TokenUsed, Detail: "token " + t.ID + ", by another request at the same moment", Agent: a.ID}
	case errors.Is(err, ErrNameTaken):
		return pki.Reply{}, &Refusal{Reason: pki.NameTaken, Detail: err.Error(), Agent: a.ID}
	case err != nil:
		return pki.Reply{}, err
	}
	s.met.issued.WithLabelValues("enrol").Inc()
	detail := fmt.Sprintf("site %s, token %s, certificate %s, host %s, clock %s", a.Site, t.ID, c.Serial, a.Host, aheadText(a.Skew))
	for _, w := range v.warnings {
		detail += "; " + w.EN
	}
	s.log.Info("enrol: agent enrolled", "agent", a.ID, "site", a.Site, "host", a.Host, "from", a.Remote, "replaced", v.replace, "warnings", len(v.warnings))
	err = s.audit.granted(ctx, account.AuditEntry{Actor: a.ID, Action: "agent_enrolled", Object: a.ID, Detail: detail, Remote: a.Remote})
	return s.reply(c, a.Skew, now, v.warnings), err
}

// judge gathers what decide needs.
func (s *Service) judge(ctx context.Context, t Token, name, machine string, now time.Time) (verdict, error) {
	n := newcomer{token: t, name: name, machine: machine, now: now}
	n.site, n.known = s.opt.SiteOf(name)
	existing, err := s.opt.Store.EnrolledAgent(ctx, name)
	switch {
	case err == nil:
		if at, remote, ok := s.seen.of(name); ok && at.After(existing.SeenAt) {
			existing.SeenAt, existing.Remote = at, remote
		}
		n.existing = &existing
	case !errors.Is(err, engine.ErrNotFound):
		return verdict{}, err
	}
	if machine != "" {
		same, err := s.opt.Store.EnrolledAgents(ctx, machine)
		if err != nil {
			return verdict{}, err
		}
		for _, a := range same {
			if a.ID != name && a.Revoked.IsZero() {
				n.sameBox = append(n.sameBox, a)
			}
		}
	}
	return decide(n), nil
}

// again gives the certificate to the one who has it already.
func (s *Service) again(ctx context.Context, t Token, q pki.Request, now time.Time) (pki.Reply, error) {
	c, err := s.opt.Store.CertificateByKey(ctx, t.UsedBy, t.KeyHash)
	if errors.Is(err, engine.ErrNotFound) {
		return pki.Reply{}, &Refusal{Reason: pki.TokenUsed, Detail: "token " + t.ID, Agent: t.UsedBy}
	}
	if err != nil {
		return pki.Reply{}, err
	}
	if !c.Revoked.IsZero() {
		return pki.Reply{}, &Refusal{Reason: pki.Revoked, Detail: "certificate " + c.Serial, Agent: t.UsedBy}
	}
	s.met.issued.WithLabelValues("repeat").Inc()
	return s.reply(c, skewOf(q.Now, now), now, nil), nil
}

// renew gives a known agent its next certificate. A key that has one that still
// holds gets that one: the answer was lost on the line.
func (s *Service) renew(ctx context.Context, who Caller, q pki.Request, remote string) (pki.Reply, error) {
	key, err := pki.RequestedKey(q.CSR)
	if err != nil {
		return pki.Reply{}, &Refusal{Reason: pki.BadRequest, Detail: err.Error(), Agent: who.Agent}
	}
	now := s.opt.Now()
	a := agentOf(q, remote, now)
	a.ID, a.Site = who.Agent, who.Site
	had, err := s.opt.Store.CertificateByKey(ctx, who.Agent, pki.KeyHash(key))
	if err == nil && had.Revoked.IsZero() && had.Site == who.Site && now.Sub(had.IssuedAt) < repeatFor {
		s.met.issued.WithLabelValues("repeat").Inc()
		return s.reply(had, a.Skew, now, nil), nil
	}
	if err != nil && !errors.Is(err, engine.ErrNotFound) {
		return pki.Reply{}, err
	}
	if !s.renewalDue(who.Agent, now) {
		return pki.Reply{}, &Refusal{Reason: pki.Busy, Detail: "renewed a moment ago", Agent: who.Agent}
	}
	c, err := s.sign(key, a, now)
	if err != nil {
		return pki.Reply{}, err
	}
	err = s.opt.Store.AddCertificate(ctx, a, c)
	if errors.Is(err, engine.ErrNotFound) {
		return pki.Reply{}, &Refusal{Reason: pki.Revoked, Agent: who.Agent}
	}
	if err != nil {
		return pki.Reply{}, err
	}
	s.met.issued.WithLabelValues("renew").Inc()
	err = s.audit.granted(ctx, account.AuditEntry{Actor: a.ID, Action: "agent_renewed", Object: a.ID,
		Detail: fmt.Sprintf("site %s, certificate %s after %s, clock %s", a.Site, c.Serial, who.Serial, aheadText(a.Skew)), Remote: remote})
	return s.reply(c, a.Skew, now, nil), err
}

// renewalDue notes a renewal unless the agent had one a moment ago.
func (s *Service) renewalDue(agent string, now time.Time) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if last, ok := s.renewed[agent]; ok && now.Sub(last) < renewPace {
		return false
	}
	for other, at := range s.renewed {
		if now.Sub(at) >= renewPace {
			delete(s.renewed, other)
		}
	}
	s.renewed[agent] = now
	return true
}

func (s *Service) sign(key crypto.PublicKey, a Agent, now time.Time) (Certificate, error) {
	c, err := s.opt.Authority.IssueAgent(key, pki.Identity{Agent: a.ID, Site: a.Site}, now, s.opt.Life)
	if err != nil {
		return Certificate{}, err
	}
	return Certificate{Serial: pki.SerialText(c.SerialNumber), Agent: a.ID, Site: a.Site, KeyHash: pki.KeyHash(key), IssuedAt: now, Expires: c.NotAfter, DER: c.Raw}, nil
}

func (s *Service) reply(c Certificate, skew time.Duration, now time.Time, w []pki.Warning) pki.Reply {
	return pki.Reply{Agent: c.Agent, Site: c.Site, Certificate: c.DER, Authority: s.opt.Authority.Certificate.Raw, Now: now.UTC(), Skew: skew.Seconds(), Warnings: w, ReleaseKey: s.opt.ReleaseKey}
}

// agentOf is what a request tells of its sender, bounded.
func agentOf(q pki.Request, remote string, now time.Time) Agent {
	return Agent{Machine: shorten(q.Machine), Host: shorten(q.Host), Version: shorten(q.Version), Skew: skewOf(q.Now, now), SeenAt: now, Remote: remote}
}

// skewOf is how far a clock is ahead; one that was not told counts as right.
func skewOf(theirs, ours time.Time) time.Duration {
	if theirs.IsZero() {
		return 0
	}
	return theirs.Sub(ours).Round(time.Millisecond)
}

// aheadText is a skew for people; seconds are the way's delay.
func aheadText(d time.Duration) string {
	switch {
	case d.Abs() < 5*time.Second:
		return "right"
	case d > 0:
		return d.Round(time.Second).String() + " ahead"
	default:
		return (-d).Round(time.Second).String() + " behind"
	}
}

// shorten bounds what a stranger tells.
func shorten(s string) string {
	if len(s) > 128 {
		s = s[:128]
	}
	return strings.ToValidUTF8(strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f {
			return -1
		}
		return r
	}, s), "")
}
