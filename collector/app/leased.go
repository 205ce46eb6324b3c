package app

import (
	"net/http"

	"github.com/faultline/faultline/collector/lease"
	"github.com/faultline/faultline/internal/outgoing"
)

// leasedClient is how built-in desks call their systems: nothing leaves in the
// name of a collector that lost its lease while the connection was being made.
func leasedClient() *http.Client {
	c := outgoing.Client()
	c.Transport = leased{http.DefaultTransport}
	return c
}

// leased asks for the lease of a request's context before anything of it leaves.
type leased struct{ next http.RoundTripper }

// RoundTrip implements http.RoundTripper.
func (l leased) RoundTrip(r *http.Request) (*http.Response, error) {
	ctx := r.Context()
	r = r.Clone(ctx)
	outgoing.Once(r) // another copy of the body would ask nothing
	return outgoing.Do(l.next.RoundTrip, r, func() error { return lease.Check(ctx) })
}
