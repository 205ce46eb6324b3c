// Package pki is what agent and collector both know of certificates: keys, the
// collector's own authority, certificate requests, the name a certificate
// gives an agent, the one-time token, and the messages of first contact. It is
// pure: it reads no clock, opens no file and speaks to nobody.
package pki

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"encoding/pem"
	"errors"
	"fmt"
)

// ALPN is the protocol that agents offer in the TLS handshake (RFC 7301). By it
// one port serves agents with the collector's own certificate and browsers with
// a public one. It is offered beside http/1.1, which is chosen and spoken.
const ALPN = "faultline/1"

// Types of PEM blocks.
const (
	blockKey         = "PRIVATE KEY" // PKCS #8
	blockCertificate = "CERTIFICATE"
)

// NewKey makes a P-256 key: every TLS library and every middle-box knows it.
func NewKey() (*ecdsa.PrivateKey, error) { return ecdsa.GenerateKey(elliptic.P256(), rand.Reader) }

// EncodeKey is the key as PEM of PKCS #8.
func EncodeKey(key crypto.Signer) ([]byte, error) {
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return nil, fmt.Errorf("encode key: %w", err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: blockKey, Bytes: der}), nil
}

// EncodeCertificate is the certificate as PEM.
func EncodeCertificate(c *x509.Certificate) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: blockCertificate, Bytes: c.Raw})
}

// Blocks are what a PEM text holds: at most one key, certificates in their
// order, and blocks of other types.
type Blocks struct {
	Key          crypto.Signer // nil: none
	Certificates []*x509.Certificate
	Other        map[string][]byte // by type; the last of a type wins
}

// Decode reads a PEM text. Text between blocks is passed over.
func Decode(text []byte) (Blocks, error) {
	out := Blocks{Other: map[string][]byte{}}
	for {
		var b *pem.Block
		if b, text = pem.Decode(text); b == nil {
			return out, nil
		}
		switch b.Type {
		case blockKey:
			key, err := x509.ParsePKCS8PrivateKey(b.Bytes)
			if err != nil {
				return Blocks{}, errors.New("key cannot be read: not PKCS #8")
			}
			signer, ok := key.(crypto.Signer)
			if !ok || out.Key != nil {
				return Blocks{}, errors.New("key cannot be used: not for signatures, or more than one")
			}
			out.Key = signer
		case blockCertificate:
			c, err := x509.ParseCertificate(b.Bytes)
			if err != nil {
				return Blocks{}, fmt.Errorf("certificate cannot be read: %w", err)
			}
			out.Certificates = append(out.Certificates, c)
		default:
			out.Other[b.Type] = b.Bytes
		}
	}
}

// Fingerprint is the SHA-256 of the certificate in hexadecimal, as
// `openssl x509 -fingerprint -sha256` prints it but for the colons.
func Fingerprint(c *x509.Certificate) string {
	sum := sha256.Sum256(c.Raw)
	return hex.EncodeToString(sum[:])
}

// KeyHash is the SHA-256 of a public key (its SubjectPublicKeyInfo) in
// hexadecimal, "" for a key that cannot be written.
func KeyHash(pub crypto.PublicKey) string {
	der, err := x509.MarshalPKIXPublicKey(pub)
	if err != nil {
		return ""
	}
	sum := sha256.Sum256(der)
	return hex.EncodeToString(sum[:])
}

// Belongs tells whether the certificate is of the key.
func Belongs(c *x509.Certificate, key crypto.Signer) bool {
	h := KeyHash(key.Public())
	return h != "" && h == KeyHash(c.PublicKey)
}

// NewRequest is a certificate request (PKCS #10, DER) that proves that its
// sender has the key. The names in a certificate are the authority's to choose.
func NewRequest(key crypto.Signer) ([]byte, error) {
	der, err := x509.CreateCertificateRequest(rand.Reader, &x509.CertificateRequest{}, key)
	if err != nil {
		return nil, fmt.Errorf("make certificate request: %w", err)
	}
	return der, nil
}

// RequestedKey checks a certificate request's signature and returns its key: a
// P-256 or an Ed25519 key, nothing weaker and nothing costlier.
func RequestedKey(der []byte) (crypto.PublicKey, error) {
	r, err := x509.ParseCertificateRequest(der)
	if err != nil {
		return nil, fmt.Errorf("certificate request cannot be read: %w", err)
	}
	switch k := r.PublicKey.(type) {
	case *ecdsa.PublicKey:
		if k.Curve != elliptic.P256() {
			return nil, fmt.Errorf("certificate request: curve %s, want P-256", k.Curve.Params().Name)
		}
	case ed25519.PublicKey:
	default:
		return nil, fmt.Errorf("certificate request: %s key, want P-256 or Ed25519", r.PublicKeyAlgorithm)
	}
	if err := r.CheckSignature(); err != nil {
		return nil, fmt.Errorf("certificate request is not signed by its own key: %w", err)
	}
	return r.PublicKey, nil
}
