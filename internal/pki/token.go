package pki

import (
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base32"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"regexp"
	"strings"
	"time"
)

// Token is a one-time permission to enrol: id.secret.fingerprint. The id begins
// with the moment of issue, so that the bearer knows a moment that has passed
// whatever its clock says. The fingerprint is the authority's: by it the bearer
// knows the collector before it says the secret.
type Token struct {
	ID          string // 13 letters and digits; not secret
	Secret      string // 32 letters and digits, 160 bits
	Fingerprint string // of the authority, 64 hexadecimal digits
}

var tokenEncoding = base32.StdEncoding.WithPadding(base32.NoPadding)

var tokenPattern = regexp.MustCompile(`^[a-z2-7]{13}\.[a-z2-7]{32}\.[0-9a-f]{64}$`)

// NewToken makes a token.
func NewToken(authority string, now time.Time) Token {
	var id [8]byte
	var secret [20]byte
	_, _ = rand.Read(id[4:]) // crypto/rand.Read never fails since Go 1.24
	_, _ = rand.Read(secret[:])
	binary.BigEndian.PutUint32(id[:4], uint32(now.Unix()))
	low := func(b []byte) string { return strings.ToLower(tokenEncoding.EncodeToString(b)) }
	return Token{ID: low(id[:]), Secret: low(secret[:]), Fingerprint: authority}
}

// ParseToken reads a token as people paste it. The error never quotes it.
func ParseToken(s string) (Token, error) {
	s = strings.ToLower(strings.TrimSpace(s))
	if !tokenPattern.MatchString(s) {
		return Token{}, errors.New("this is no enrolment token: it has three parts with dots between them, 111 characters in all; copy it whole")
	}
	id, rest, _ := strings.Cut(s, ".")
	secret, fingerprint, _ := strings.Cut(rest, ".")
	return Token{ID: id, Secret: secret, Fingerprint: fingerprint}, nil
}

// Text is the token as people paste it.
func (t Token) Text() string { return t.ID + "." + t.Secret + "." + t.Fingerprint }

// String keeps the secret out of logs.
func (t Token) String() string { return t.ID + ".<secret>" }

// GoString keeps the secret out of logs.
func (t Token) GoString() string { return t.String() }

// IssuedAt is when the token was made, to the second.
func (t Token) IssuedAt() time.Time {
	b, err := tokenEncoding.DecodeString(strings.ToUpper(t.ID))
	if err != nil || len(b) < 4 {
		return time.Time{}
	}
	return time.Unix(int64(binary.BigEndian.Uint32(b)), 0)
}

// HashSecret is what the collector keeps of a secret. The secret is random, so
// a plain hash cannot be guessed back.
func HashSecret(secret string) string {
	sum := sha256.Sum256([]byte("faultline enrolment\x00" + secret))
	return hex.EncodeToString(sum[:])
}

// SecretMatches compares in constant time.
func SecretMatches(hash, secret string) bool {
	return subtle.ConstantTimeCompare([]byte(hash), []byte(HashSecret(secret))) == 1
}
