package trap

import (
	"hash/maphash"
	"net/netip"

	"golang.org/x/time/rate"
)

// gates is how many limiters all addresses share.
const gates = 4096

// gate bounds the datagrams of one address that are looked at at all, before it
// is known whether they are worth it. Its memory does not depend on how many
// addresses send. It is safe for concurrent use.
type gate struct {
	seed     maphash.Seed
	limiters [gates]*rate.Limiter
}

func newGate(perSecond float64) *gate {
	g := &gate{seed: maphash.MakeSeed()}
	for i := range g.limiters {
		g.limiters[i] = rate.NewLimiter(rate.Limit(perSecond), int(2*max(perSecond, 1)))
	}
	return g
}

// allow tells whether a datagram of the address is looked at.
func (g *gate) allow(a netip.Addr) bool {
	return g.limiters[maphash.Comparable(g.seed, a)%gates].Allow()
}
