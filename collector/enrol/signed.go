package enrol

import (
	"crypto/sha256"
	"crypto/x509"
	"sync"

	"github.com/faultline/faultline/internal/pki"
)

// signedLimit is how many certificates are remembered; when there are more all
// are forgotten and looked at again.
const signedLimit = 4096

// signed remembers which certificates bear the authority's signature, which does
// not change. Times and revocation are looked at for each request.
type signed struct {
	mu sync.Mutex // guards m
	m  map[[sha256.Size]byte]pki.Identity
}

func (s *signed) agent(a *pki.Authority, c *x509.Certificate) (pki.Identity, error) {
	sum := sha256.Sum256(c.Raw)
	s.mu.Lock()
	id, ok := s.m[sum]
	s.mu.Unlock()
	if ok {
		return id, nil
	}
	id, err := a.SignedAgent(c)
	if err != nil {
		return pki.Identity{}, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.m == nil || len(s.m) >= signedLimit {
		s.m = map[[sha256.Size]byte]pki.Identity{}
	}
	s.m[sum] = id
	return id, nil
}
