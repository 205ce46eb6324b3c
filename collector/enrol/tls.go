package enrol

import (
	"context"
	"crypto/tls"
	"slices"
	"sync"
	"time"

	"github.com/faultline/faultline/internal/pki"
)

// listenLife is how long the listener's own certificate holds. Its key is only
// in memory; a new one is made at two thirds of the life and at every start.
const listenLife = 30 * 24 * time.Hour

type listenCert struct {
	mu   sync.Mutex // guards cert
	cert *tls.Certificate
}

// TLSConfig is how agents are listened to. With a public configuration beside
// it one port serves both: whoever offers the agents' protocol gets the
// collector's own certificate and is asked for one, everybody else gets public.
//
// Client certificates are asked for and not verified here: the handshake proves
// that the client has the key, and Gate judges the certificate at each request,
// so that a refusal has words.
func (s *Service) TLSConfig(public *tls.Config) *tls.Config {
	agents := &tls.Config{
		MinVersion: tls.VersionTLS12, // agents ask for 1.3; installers on old machines cannot
		ClientAuth: tls.RequestClientCert,
		ClientCAs:  s.opt.Authority.Pool(),
		NextProtos: []string{"http/1.1"},
		GetCertificate: func(*tls.ClientHelloInfo) (*tls.Certificate, error) {
			return s.listenCertificate()
		},
	}
	c := agents.Clone()
	if public != nil {
		c = public.Clone()
	}
	c.GetConfigForClient = func(h *tls.ClientHelloInfo) (*tls.Config, error) {
		if slices.Contains(h.SupportedProtos, pki.ALPN) {
			s.pace(h.Context())
			return agents, nil
		}
		return nil, nil
	}
	return c
}

// Handshakes of agents that are made at once, and how long one waits for its
// turn: when hundreds come back after a cut the signatures are made a few at a
// time, so that what has connected is served meanwhile. It is a pace and no
// gate: who waited long enough goes on, and nobody can block it by stalling.
const (
	handshakesAtOnce = 8
	handshakeTurn    = 1500 * time.Millisecond
)

// pace waits for the handshake's turn, which ends with the handshake.
func (s *Service) pace(handshake context.Context) {
	t := time.NewTimer(handshakeTurn)
	defer t.Stop()
	select {
	case s.shaking <- struct{}{}:
		context.AfterFunc(handshake, func() { <-s.shaking })
	case <-t.C:
	case <-handshake.Done():
	}
}

// listenCertificate is the listener's certificate with the authority behind it,
// so that first contact can compare its fingerprint.
func (s *Service) listenCertificate() (*tls.Certificate, error) {
	s.listen.mu.Lock()
	defer s.listen.mu.Unlock()
	now := s.opt.Now()
	if c := s.listen.cert; c != nil && now.Before(pki.RenewAt(c.Leaf)) && !now.Before(c.Leaf.NotBefore) {
		return c, nil
	}
	key, err := pki.NewKey()
	if err != nil {
		return nil, err
	}
	leaf, err := s.opt.Authority.IssueCollector(key.Public(), s.opt.Names, now, listenLife)
	if err != nil {
		return nil, err
	}
	s.listen.cert = &tls.Certificate{Certificate: [][]byte{leaf.Raw, s.opt.Authority.Certificate.Raw}, PrivateKey: key, Leaf: leaf}
	return s.listen.cert, nil
}
