// Package outgoing is what all HTTP that leaves the collector has in common: a
// client that carries no key elsewhere, and what its errors mean and may say. It
// knows no receiver and decides no retry.
package outgoing

import (
	"errors"
	"net"
	"net/http"
	"net/url"
)

// Client returns a client that follows no redirects: they would carry keys to
// where nobody put them.
func Client() *http.Client {
	return &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
}

// Once keeps the client from sending the request again by itself: Go's does so
// when a kept connection breaks and the request has an Idempotency-Key, which
// only promises that we may. Whether to repeat is decided by who knows what the
// receiver has.
func Once(r *http.Request) { r.GetBody = nil }

// NeverConnected tells whether the request of a client's error certainly did not
// leave: no connection came to be.
func NeverConnected(err error) bool {
	var op *net.OpError
	var dns *net.DNSError
	return errors.As(err, &op) && op.Op == "dial" || errors.As(err, &dns)
}

// Bare drops the address, which may hold a key, from a client's error.
func Bare(err error) error {
	var u *url.Error
	if errors.As(err, &u) {
		return u.Err
	}
	return err
}
