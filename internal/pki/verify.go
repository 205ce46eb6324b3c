package pki

import (
	"bytes"
	"crypto/sha256"
	"crypto/x509"
	"errors"
	"fmt"
	"slices"
	"time"
)

// Errors of verification.
var (
	ErrForeign = errors.New("the certificate is not from this collector's authority")
	ErrExpired = errors.New("the certificate has expired")
	ErrEarly   = errors.New("the certificate is not valid yet")
	ErrPurpose = errors.New("the certificate is for another purpose")
)

// VerifyAgent checks an agent's certificate against the authority at a moment
// of the collector's clock, and returns who it is.
func (a *Authority) VerifyAgent(c *x509.Certificate, now time.Time) (Identity, error) {
	id, err := a.SignedAgent(c)
	if err != nil {
		return Identity{}, err
	}
	return id, InTime(c, now)
}

// SignedAgent checks what never changes of an agent's certificate, signature and
// purpose, and returns who it is.
func (a *Authority) SignedAgent(c *x509.Certificate) (Identity, error) {
	if err := verify(c, a.Certificate, x509.ExtKeyUsageClientAuth); err != nil {
		return Identity{}, err
	}
	return IdentityOf(c)
}

// InTime checks a certificate's times.
func InTime(c *x509.Certificate, now time.Time) error {
	switch {
	case now.After(c.NotAfter):
		return fmt.Errorf("%w on %s", ErrExpired, c.NotAfter.UTC().Format(time.DateOnly))
	case now.Before(c.NotBefore):
		return fmt.Errorf("%w, only from %s", ErrEarly, c.NotBefore.UTC().Format(time.DateOnly))
	}
	return nil
}

// VerifyCollector checks what a listener shows against the pinned authority. No
// host name is compared: the authority signs nothing but this collector and its
// agents, and purposes keep these apart. Nor is the agent's own clock asked,
// since it may be wrong: the certificate must not have ended before floor, the
// latest moment that is known to have passed.
func VerifyCollector(shown []*x509.Certificate, authority *x509.Certificate, floor time.Time) error {
	if len(shown) == 0 {
		return ErrForeign
	}
	if err := verify(shown[0], authority, x509.ExtKeyUsageServerAuth); err != nil {
		return err
	}
	if shown[0].NotAfter.Before(floor) {
		return fmt.Errorf("%w on %s", ErrExpired, shown[0].NotAfter.UTC().Format(time.DateOnly))
	}
	return nil
}

// Pinned finds the authority with that fingerprint among what a listener shows.
func Pinned(shown []*x509.Certificate, fingerprint string) (*x509.Certificate, error) {
	for _, c := range shown {
		if c.IsCA && Fingerprint(c) == fingerprint {
			return c, nil
		}
	}
	return nil, ErrForeign
}

// verify checks signature and purpose; times are the callers' to judge. There is
// nothing between the authority and what it signs, so this is the whole chain.
func verify(c, authority *x509.Certificate, purpose x509.ExtKeyUsage) error {
	switch {
	case bytes.Equal(c.Raw, authority.Raw):
		return ErrPurpose
	case !bytes.Equal(c.RawIssuer, authority.RawSubject), c.CheckSignatureFrom(authority) != nil:
		return fmt.Errorf("%w (issuer %q)", ErrForeign, c.Issuer.CommonName)
	case c.IsCA, !slices.Contains(c.ExtKeyUsage, purpose), len(c.UnhandledCriticalExtensions) > 0:
		return ErrPurpose
	}
	return nil
}

// RenewAt is when an agent asks for its next certificate: at two thirds of the
// life, a twenty-fourth of it earlier or later. Which is told by the serial
// number, so that agents enrolled on one day do not renew in one minute and a
// restart does not change it.
func RenewAt(c *x509.Certificate) time.Time {
	issued := c.NotBefore.Add(BackDate)
	life := c.NotAfter.Sub(issued)
	spread := life / 24
	sum := sha256.Sum256(c.SerialNumber.Bytes())
	part := time.Duration(uint32(sum[0])<<8 | uint32(sum[1])) // 0 to 65535
	return issued.Add(life*2/3 - spread).Add(2 * spread / 65536 * part)
}

// IssuedAt is when the certificate was signed, by the authority's clock.
func IssuedAt(c *x509.Certificate) time.Time { return c.NotBefore.Add(BackDate) }
