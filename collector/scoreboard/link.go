package scoreboard

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"strings"
	"time"
)

// Link lets somebody without an account, a vendor, see its part of one month.
type Link struct {
	Hash    string    `json:"hash"` // SHA-256 of the token, hex; the token itself is shown once
	Vendor  string    `json:"vendor"`
	Month   string    `json:"month"` // 2026-11
	By      string    `json:"by"`
	At      time.Time `json:"at"`
	Expires time.Time `json:"expires"`
	Revoked bool      `json:"revoked,omitempty"`
}

// LinkStore keeps links. LinkByHash returns an error when there is none.
type LinkStore interface {
	PutLink(ctx context.Context, l Link) error
	LinkByHash(ctx context.Context, hash string) (Link, error)
	// Links returns those that have not expired at now, newest first.
	Links(ctx context.Context, now time.Time) ([]Link, error)
}

// linkLife is how long a link is valid.
const linkLife = 30 * 24 * time.Hour

// ErrLink says that a link is unknown, revoked or expired; which of these is
// nobody's business.
var ErrLink = errors.New("this link is not valid")

// NewLink makes a link and returns the token that opens it.
func NewLink(vendor, month, by string, now time.Time) (token string, l Link) {
	token = strings.ToLower(rand.Text() + rand.Text())
	return token, Link{Hash: hashOf(token), Vendor: vendor, Month: month, By: by, At: now.UTC(), Expires: now.Add(linkLife).UTC()}
}

// hashOf is compared by the store's lookup: of the token only this is kept, so
// that time tells nothing about it.
func hashOf(token string) string {
	sum := sha256.Sum256([]byte(token))
	return hex.EncodeToString(sum[:])
}

// Open returns the link of a token while it is valid.
func Open(ctx context.Context, s LinkStore, token string, now time.Time) (Link, error) {
	if len(token) != 52 {
		return Link{}, ErrLink
	}
	l, err := s.LinkByHash(ctx, hashOf(token))
	if err != nil || l.Revoked || !now.Before(l.Expires) {
		return Link{}, ErrLink
	}
	return l, nil
}
