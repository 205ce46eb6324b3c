package snmp

import (
	"errors"
	"fmt"
	"strings"

	"github.com/faultline/faultline/internal/secret"
)

// Auth is an authentication protocol of version 3.
type Auth uint8

// The authentication protocols (RFC 3414, RFC 7860).
const (
	NoAuth Auth = iota
	MD5
	SHA1
	SHA224
	SHA256
	SHA384
	SHA512
)

// Priv is a privacy protocol of version 3.
type Priv uint8

// The privacy protocols. AES192 and AES256 lengthen the key as
// draft-blumenthal-aes-usm-04 says, those with a C as Cisco does
// (draft-reeder-snmpv3-usm-3desede).
const (
	NoPriv Priv = iota
	DES
	AES128
	AES192
	AES256
	AES192C
	AES256C
)

// User is whom a Session of version 3 asks as, and how secure.
type User struct {
	Name         string
	Auth         Auth
	AuthPassword secret.String
	Priv         Priv // needs Auth
	PrivPassword secret.String
}

// shortestPassword is what RFC 3414, section 11.2 asks for.
const shortestPassword = 8

func (u User) validate() error {
	switch {
	case u.Name == "" || len(u.Name) > 32:
		return fmt.Errorf("user %q: want 1 to 32 bytes", u.Name)
	case u.Auth > SHA512 || u.Priv > AES256C:
		return errors.New("authentication or privacy protocol is unknown")
	case u.Priv != NoPriv && u.Auth == NoAuth:
		return errors.New("privacy needs authentication")
	case u.Auth != NoAuth && len(u.AuthPassword) < shortestPassword:
		return fmt.Errorf("authentication password: want at least %d characters", shortestPassword)
	case u.Priv != NoPriv && len(u.PrivPassword) < shortestPassword:
		return fmt.Errorf("privacy password: want at least %d characters", shortestPassword)
	}
	return nil
}

// ParseAuth reads the name of an authentication protocol, in the spellings of RFCs
// and makers: MD5, SHA, SHA1, SHA-256 … "" is NoAuth.
func ParseAuth(s string) (Auth, error) {
	switch plain(s) {
	case "":
		return NoAuth, nil
	case "MD5":
		return MD5, nil
	case "SHA", "SHA1":
		return SHA1, nil
	case "SHA224":
		return SHA224, nil
	case "SHA256":
		return SHA256, nil
	case "SHA384":
		return SHA384, nil
	case "SHA512":
		return SHA512, nil
	}
	return 0, fmt.Errorf("%q: want MD5, SHA, SHA224, SHA256, SHA384 or SHA512", s)
}

// ParsePriv reads the name of a privacy protocol: DES, AES, AES128, AES-192,
// AES256C … "" is NoPriv.
func ParsePriv(s string) (Priv, error) {
	switch plain(s) {
	case "":
		return NoPriv, nil
	case "DES":
		return DES, nil
	case "AES", "AES128":
		return AES128, nil
	case "AES192":
		return AES192, nil
	case "AES256":
		return AES256, nil
	case "AES192C":
		return AES192C, nil
	case "AES256C":
		return AES256C, nil
	}
	return 0, fmt.Errorf("%q: want DES, AES, AES192, AES256, AES192C or AES256C", s)
}

func plain(s string) string { return strings.ToUpper(strings.NewReplacer("-", "", "_", "").Replace(s)) }

// flags are the msgFlags of the user's level (RFC 3412, section 6.4).
func (u User) flags() byte {
	var f byte
	if u.Auth != NoAuth {
		f |= flagAuth
	}
	if u.Priv != NoPriv {
		f |= flagPriv
	}
	return f
}
