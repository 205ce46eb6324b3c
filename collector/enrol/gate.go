package enrol

import (
	"context"
	"crypto"
	"crypto/x509"
	"errors"
	"fmt"
	"net/http"
	"strings"

	"github.com/faultline/faultline/collector/account"
	"github.com/faultline/faultline/collector/engine"
	"github.com/faultline/faultline/internal/pki"
)

// Caller is an agent that has proven by its certificate who it is.
type Caller struct {
	Agent  string
	Site   string // the only site it may write for and read of
	Serial string // of the certificate shown
	Key    crypto.PublicKey
}

type callerKey struct{}

// From returns the agent of a request that Gate let through by its certificate.
func From(ctx context.Context) (Caller, bool) {
	c, ok := ctx.Value(callerKey{}).(Caller)
	return c, ok
}

// agentPaths are the paths that nobody but agents and programs with tokens asks
// for.
var agentPaths = []string{"/api/v1/write", "/api/v1/events", "/api/v1/agents/"}

// Gate judges the certificate of every request that shows one, and refuses
// requests for agents' paths over TLS that show none and bring no bearer token.
// What it lets through by certificate has a Caller and an account.Principal of
// kind agent in its context. All other requests pass untouched: people, and
// agents with tokens. A request that is under way is cut
// when its certificate is revoked.
func (s *Service) Gate(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.TLS == nil {
			next.ServeHTTP(w, r)
			return
		}
		if len(r.TLS.PeerCertificates) == 0 {
			if needsCertificate(r) {
				s.refuse(w, r, refuse(pki.NoCertificate, r.URL.Path))
				return
			}
			next.ServeHTTP(w, r)
			return
		}
		who, err := s.know(r, r.TLS.PeerCertificates[0])
		if err != nil {
			s.fail(w, r, err)
			return
		}
		s.pass(w, r, who, next)
	})
}

// needsCertificate tells whether the request is for agents and names nobody.
func needsCertificate(r *http.Request) bool {
	if r.Header.Get("Authorization") != "" {
		return false
	}
	for _, p := range agentPaths {
		if strings.HasPrefix(r.URL.Path, p) {
			return true
		}
	}
	return r.URL.Path == pki.PathRenew
}

// know tells who shows the certificate. It asks the store each time, so that a
// revocation counts from the next request on, on every collector.
func (s *Service) know(r *http.Request, c *x509.Certificate) (Caller, error) {
	now := s.opt.Now()
	id, err := s.signed.agent(s.opt.Authority, c)
	if err == nil {
		err = pki.InTime(c, now)
	}
	if err != nil {
		return Caller{}, refusalOf(err, id, c)
	}
	who := Caller{Agent: id.Agent, Site: id.Site, Serial: pki.SerialText(c.SerialNumber), Key: c.PublicKey}
	stored, agent, err := s.opt.Store.Certificate(r.Context(), who.Serial)
	no := func(reason, detail string) (Caller, error) {
		return Caller{}, &Refusal{Reason: reason, Detail: detail, Agent: id.Agent}
	}
	switch {
	case errors.Is(err, engine.ErrNotFound):
		return no(pki.Unknown, "certificate "+who.Serial)
	case err != nil:
		return Caller{}, fmt.Errorf("look up certificate: %w", err)
	case !stored.Revoked.IsZero() || !agent.Revoked.IsZero():
		return no(pki.Revoked, "certificate "+who.Serial+", site "+id.Site)
	case stored.Agent != id.Agent || stored.Site != id.Site || agent.Site != id.Site:
		return no(pki.OtherSite, fmt.Sprintf("certificate of site %s, the agent is enrolled at %s", id.Site, agent.Site))
	}
	if site, ok := s.opt.SiteOf(id.Agent); ok && site != id.Site {
		return no(pki.OtherSite, fmt.Sprintf("certificate of site %s, the inventory has the agent at %s", id.Site, site))
	}
	if site := r.Header.Get(pki.HeaderSite); site != "" && site != id.Site {
		return no(pki.OtherSite, fmt.Sprintf("certificate of site %s, the request is for %s", id.Site, shorten(site)))
	}
	return who, nil
}

func refusalOf(err error, id pki.Identity, c *x509.Certificate) *Refusal {
	r := &Refusal{Agent: id.Agent, Detail: "certificate " + shorten(pki.SerialText(c.SerialNumber))}
	switch {
	case errors.Is(err, pki.ErrForeign):
		r.Reason, r.Detail = pki.ForeignCA, ""
	case errors.Is(err, pki.ErrExpired):
		r.Reason = pki.Expired
	case errors.Is(err, pki.ErrEarly):
		r.Reason = pki.NotYetValid
	default:
		r.Reason = pki.WrongPurpose
	}
	if known, errKnown := pki.IdentityOf(c); errKnown == nil && r.Reason != pki.ForeignCA {
		r.Agent = known.Agent // its signature is ours
	}
	return r
}

// pass hands the request on, with its agent, until it ends or is cut.
func (s *Service) pass(w http.ResponseWriter, r *http.Request, who Caller, next http.Handler) {
	if twin := s.seen.note(who.Agent, r.Header.Get(pki.HeaderInstance), account.Remote(r), s.opt.Now()); twin != nil {
		s.foundTwin(r.Context(), *twin)
	}
	ctx, cancel := context.WithCancel(r.Context())
	defer cancel()
	ctx = context.WithValue(ctx, callerKey{}, who)
	ctx = account.With(ctx, account.Principal{Kind: account.KindAgent, ID: who.Agent, Name: who.Agent, AgentID: who.Agent, Sites: []string{who.Site}})
	r = r.WithContext(ctx)
	cw := &cutWriter{ResponseWriter: w, cancel: cancel}
	cw.refuse = func() {
		s.refuse(w, r, &Refusal{Reason: pki.Revoked, Detail: "certificate " + who.Serial + ", site " + who.Site, Agent: who.Agent})
	}
	s.open.add(who.Serial, cw)
	defer s.open.remove(who.Serial, cw)
	next.ServeHTTP(cw, r)
	cw.finish()
}

// foundTwin names two running programs with one identity.
func (s *Service) foundTwin(ctx context.Context, t Twin) {
	s.log.Error("enrol: one identity is used by two running agents: one of them is a copy; enrol the copy anew with a token of its own", "agent", t.Agent, "one", t.One.String(), "other", t.Other.String())
	s.audit.refused(ctx, account.AuditEntry{Actor: t.Agent, Action: "agent_twice", Object: t.Agent, Detail: t.One.String() + " and " + t.Other.String()})
}

// fail answers what know or issue returned.
func (s *Service) fail(w http.ResponseWriter, r *http.Request, err error) {
	var ref *Refusal
	if errors.As(err, &ref) {
		s.refuse(w, r, ref)
		return
	}
	if r.Context().Err() == nil {
		s.log.Error("enrol: request", "path", r.URL.Path, "err", err)
	}
	unavailable(w, r)
}

// refuse answers with the reason, counts it and tells the audit.
func (s *Service) refuse(w http.ResponseWriter, r *http.Request, ref *Refusal) {
	s.met.refused.WithLabelValues(ref.Reason).Inc()
	if ref.Reason != pki.Busy {
		s.audit.refused(r.Context(), account.AuditEntry{Actor: ref.Agent, Action: "agent_refused", Object: ref.Agent,
			Detail: strings.TrimSuffix(ref.Reason+": "+ref.Detail, ": "), Remote: account.Remote(r)})
	}
	writeRefusal(w, r, ref)
}
