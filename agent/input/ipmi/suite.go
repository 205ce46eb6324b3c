package ipmi

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha1" //nolint:gosec // the specification's cipher suite 3
	"crypto/sha256"
	"errors"
	"hash"
)

// suite is a cipher suite of IPMI 2.0 (table 22-20): how a login is proven, and how
// messages are signed; all that are known here encrypt with AES-CBC-128.
type suite struct {
	id              int
	auth, integrity byte // algorithm numbers
	hash            func() hash.Hash
	signature       int // bytes of a message's signature
}

// suites are those offered, the better one first.
var suites = []suite{
	{17, 3, 4, sha256.New, 16},
	{3, 1, 1, sha1.New, 12},
}

// sum is an HMAC over the parts. An empty key is that of an empty password.
func (s suite) sum(key []byte, parts ...[]byte) []byte {
	h := hmac.New(s.hash, key)
	for _, p := range parts {
		_, _ = h.Write(p)
	}
	return h.Sum(nil)
}

// encrypt returns IV and ciphertext (13.29).
func encrypt(key, plain []byte) []byte {
	pad := (aes.BlockSize - (len(plain)+1)%aes.BlockSize) % aes.BlockSize
	text := append(make([]byte, 0, len(plain)+pad+1), plain...)
	for i := range pad {
		text = append(text, byte(i+1))
	}
	text = append(text, byte(pad))
	out := make([]byte, aes.BlockSize+len(text))
	_, _ = rand.Read(out[:aes.BlockSize]) // never fails (crypto/rand)
	block, err := aes.NewCipher(key)
	if err != nil {
		panic("ipmi: " + err.Error()) // the key's length is a constant
	}
	cipher.NewCBCEncrypter(block, out[:aes.BlockSize]).CryptBlocks(out[aes.BlockSize:], text) //nolint:gosec // signed as well
	return out
}

var errPayload = errors.New("an encrypted message is not in form")

// decrypt undoes encrypt.
func decrypt(key, sealed []byte) ([]byte, error) {
	if len(sealed) < 2*aes.BlockSize || len(sealed)%aes.BlockSize != 0 {
		return nil, errPayload
	}
	block, err := aes.NewCipher(key)
	if err != nil {
		panic("ipmi: " + err.Error())
	}
	text := make([]byte, len(sealed)-aes.BlockSize)
	cipher.NewCBCDecrypter(block, sealed[:aes.BlockSize]).CryptBlocks(text, sealed[aes.BlockSize:])
	pad := int(text[len(text)-1])
	if pad >= aes.BlockSize || pad+1 > len(text) {
		return nil, errPayload
	}
	return text[:len(text)-1-pad], nil
}
