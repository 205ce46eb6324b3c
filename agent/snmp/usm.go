package snmp

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/des"
	"crypto/hmac"
	"crypto/md5"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/binary"
	"errors"
	"hash"
	"strings"
)

// hashOf returns the hash that an authentication protocol stands on.
func hashOf(a Auth) func() hash.Hash {
	switch a {
	case MD5:
		return md5.New
	case SHA1:
		return sha1.New
	case SHA224:
		return sha256.New224
	case SHA256:
		return sha256.New
	case SHA384:
		return sha512.New384
	}
	return sha512.New
}

// macSize is how many bytes of the HMAC a message carries (RFC 3414, sections 6
// and 7; RFC 7860, section 4).
func macSize(a Auth) int {
	return [...]int{NoAuth: 0, MD5: 12, SHA1: 12, SHA224: 16, SHA256: 24, SHA384: 32, SHA512: 48}[a]
}

// passwordKey makes a key of a password (RFC 3414, appendix A.2): the hash of the
// password repeated up to a mebibyte.
func passwordKey(a Auth, password string) []byte {
	const size = 1 << 20
	h := hashOf(a)()
	chunk := strings.Repeat(password, max(4096/len(password), 1))
	left := size
	for ; left >= len(chunk); left -= len(chunk) {
		h.Write([]byte(chunk))
	}
	h.Write([]byte(chunk[:left]))
	return h.Sum(nil)
}

// localize binds a key to an engine (RFC 3414, section 2.6).
func localize(a Auth, key []byte, engineID string) []byte {
	h := hashOf(a)()
	h.Write(key)
	h.Write([]byte(engineID))
	h.Write(key)
	return h.Sum(nil)
}

// privacyKey makes the localized key of a privacy protocol from that of its
// password, as long as the protocol wants it.
func privacyKey(p Priv, a Auth, localized []byte, engineID string) []byte {
	key := localized
	switch p {
	case AES192, AES256:
		h := hashOf(a)()
		h.Write(localized)
		key = h.Sum(append([]byte(nil), localized...))
	case AES192C, AES256C:
		key = append(append([]byte(nil), localized...), localize(a, passwordKey(a, string(localized)), engineID)...)
	}
	return key[:[...]int{NoPriv: 0, DES: 16, AES128: 16, AES192: 24, AES256: 32, AES192C: 24, AES256C: 32}[p]]
}

// sealer authenticates and encrypts for one user at one engine.
type sealer struct {
	mac     hash.Hash // nil: no authentication
	macSize int
	block   cipher.Block // nil: no privacy
	des     bool
	preIV   [8]byte // of DES

	sum           [64]byte // scratch
	stream, chain [aes.BlockSize]byte
}

// newSealer makes the keys; password gives the key of a password.
func newSealer(u User, engineID string, password func(Auth, string) []byte) *sealer {
	s := &sealer{}
	if u.Auth == NoAuth {
		return s
	}
	s.mac = hmac.New(hashOf(u.Auth), localize(u.Auth, password(u.Auth, u.AuthPassword.Reveal()), engineID))
	s.macSize = macSize(u.Auth)
	if u.Priv == NoPriv {
		return s
	}
	key := privacyKey(u.Priv, u.Auth, localize(u.Auth, password(u.Auth, u.PrivPassword.Reveal()), engineID), engineID)
	if s.des = u.Priv == DES; s.des {
		copy(s.preIV[:], key[8:])
		s.block, _ = des.NewCipher(key[:8]) // no error: the length is right
	} else {
		s.block, _ = aes.NewCipher(key) // no error: the length is right
	}
	return s
}

// digest returns the MAC of a message whose place for it is zero. It is valid
// until the next call.
func (s *sealer) digest(message []byte) []byte {
	s.mac.Reset()
	s.mac.Write(message)
	return s.mac.Sum(s.sum[:0])[:s.macSize]
}

// authentic tells whether a message carries the right MAC at its place, which it
// zeroes.
func (s *sealer) authentic(message, place []byte) bool {
	if s.mac == nil || len(place) != s.macSize {
		return false
	}
	var got [64]byte
	n := copy(got[:], place)
	clear(place)
	return hmac.Equal(got[:n], s.digest(message))
}

// encrypt encrypts b in place, padding it as DES needs; salt has 8 bytes.
func (s *sealer) encrypt(b []byte, salt []byte, boots, time uint32) []byte {
	if s.des {
		for len(b)%des.BlockSize != 0 {
			b = append(b, 0)
		}
		s.cbc(b, salt, false)
		return b
	}
	s.cfb(b, salt, boots, time, false)
	return b
}

var errCiphertext = errors.New("not a whole number of blocks, or no salt of 8 bytes")

// decrypt decrypts b in place.
func (s *sealer) decrypt(b []byte, salt []byte, boots, time uint32) error {
	if len(salt) != 8 || s.des && len(b)%des.BlockSize != 0 {
		return errCiphertext
	}
	if s.des {
		s.cbc(b, salt, true)
	} else {
		s.cfb(b, salt, boots, time, true)
	}
	return nil
}

// cfb is AES in CFB128 mode (RFC 3826, section 3.1).
func (s *sealer) cfb(b, salt []byte, boots, time uint32, open bool) {
	iv := &s.chain
	binary.BigEndian.PutUint32(iv[:], boots)
	binary.BigEndian.PutUint32(iv[4:], time)
	copy(iv[8:], salt)
	for len(b) > 0 {
		s.block.Encrypt(s.stream[:], iv[:])
		n := min(len(b), aes.BlockSize)
		for i := range n {
			in := b[i]
			b[i] ^= s.stream[i]
			if iv[i] = b[i]; open {
				iv[i] = in
			}
		}
		b = b[n:]
	}
}

// cbc is DES in CBC mode (RFC 3414, section 8.1.1).
func (s *sealer) cbc(b, salt []byte, open bool) {
	chain, in := s.chain[:des.BlockSize], s.stream[:des.BlockSize]
	for i := range chain {
		chain[i] = s.preIV[i] ^ salt[i]
	}
	for ; len(b) > 0; b = b[des.BlockSize:] {
		part := b[:des.BlockSize]
		copy(in, part)
		if open {
			s.block.Decrypt(part, part)
		}
		for i := range part {
			part[i] ^= chain[i]
		}
		if !open {
			s.block.Encrypt(part, part)
			copy(in, part)
		}
		copy(chain, in)
	}
}
