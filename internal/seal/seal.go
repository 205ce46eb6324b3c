// Package seal encrypts what only one agent may read to the key of that agent's
// certificate, by HPKE (RFC 9180: DHKEM of P-256 with HKDF-SHA256, ChaCha20-Poly1305,
// base mode; the connection says who sealed it). It knows no storage and no network.
package seal

import (
	"crypto"
	"crypto/ecdh"
	"crypto/ecdsa"
	"crypto/hpke"
	"encoding/base64"
	"errors"
	"fmt"
)

// ErrKey says that the key cannot receive secrets: only P-256 keys can, which all
// agents make.
var ErrKey = errors.New("the certificate's key cannot receive secrets: enrol the agent again, which makes a P-256 key")

// ErrOpen says that the text was not sealed to this key for this purpose, or was
// changed on the way.
var ErrOpen = errors.New("sealed for another key or purpose, or changed on the way")

// To seals plain to the holder of a key. It can be opened with the same purpose
// only, so that what was meant for one agent or use cannot be passed off as
// another's.
func To(pub crypto.PublicKey, purpose string, plain []byte) (string, error) {
	k, ok := pub.(*ecdsa.PublicKey)
	if !ok {
		return "", ErrKey
	}
	point, err := k.ECDH()
	if err != nil || point.Curve() != ecdh.P256() {
		return "", ErrKey
	}
	to, err := hpke.NewDHKEMPublicKey(point)
	if err != nil {
		return "", fmt.Errorf("seal: %w", err)
	}
	b, err := hpke.Seal(to, hpke.HKDFSHA256(), hpke.ChaCha20Poly1305(), []byte(purpose), plain)
	if err != nil {
		return "", fmt.Errorf("seal: %w", err)
	}
	return base64.StdEncoding.EncodeToString(b), nil
}

// Open opens what was sealed to one of the keys.
func Open(keys []crypto.PrivateKey, purpose, text string) ([]byte, error) {
	b, err := base64.StdEncoding.DecodeString(text)
	if err != nil {
		return nil, ErrOpen
	}
	for _, key := range keys {
		k, ok := key.(*ecdsa.PrivateKey)
		if !ok {
			continue
		}
		own, err := k.ECDH()
		if err != nil {
			continue
		}
		from, err := hpke.NewDHKEMPrivateKey(own)
		if err != nil {
			continue
		}
		if plain, err := hpke.Open(from, hpke.HKDFSHA256(), hpke.ChaCha20Poly1305(), []byte(purpose), b); err == nil {
			return plain, nil
		}
	}
	return nil, ErrOpen
}
