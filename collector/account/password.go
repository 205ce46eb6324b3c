package account

import (
	"crypto/rand"
	"crypto/subtle"
	"encoding/base64"
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"

	"golang.org/x/crypto/argon2"

	"github.com/faultline/faultline/internal/lang"
)

// Params are the costs of one argon2id hash. They are stored in each hash, so
// they can be raised at any time; a hash with other costs is renewed at the
// next sign-in.
type Params struct {
	MemoryKiB uint32
	Time      uint32
	Threads   uint8
}

// DefaultParams are the second recommended option of RFC 9106, section 4.
func DefaultParams() Params { return Params{MemoryKiB: 64 * 1024, Time: 3, Threads: 4} }

const (
	saltLen = 16
	keyLen  = 32
)

// errHash says a stored hash cannot be read: the account cannot sign in.
var errHash = errors.New("stored password hash is not argon2id in PHC form")

// Hash returns the argon2id hash of the password in PHC form, with a new salt.
func (p Params) Hash(password string) string {
	salt := make([]byte, saltLen)
	rand.Read(salt) // never fails: crypto/rand ends the program instead
	key := argon2.IDKey([]byte(password), salt, p.Time, p.MemoryKiB, p.Threads, keyLen)
	b64 := base64.RawStdEncoding
	return fmt.Sprintf("$argon2id$v=%d$m=%d,t=%d,p=%d$%s$%s", argon2.Version,
		p.MemoryKiB, p.Time, p.Threads, b64.EncodeToString(salt), b64.EncodeToString(key))
}

// Verify tells whether the password belongs to the hash and which costs the
// hash was made with. The comparison takes the same time wherever it differs.
func Verify(hash, password string) (bool, Params, error) {
	p, salt, want, err := parseHash(hash)
	if err != nil {
		return false, p, err
	}
	got := argon2.IDKey([]byte(password), salt, p.Time, p.MemoryKiB, p.Threads, uint32(len(want)))
	return subtle.ConstantTimeCompare(got, want) == 1, p, nil
}

// parseHash reads the PHC form and refuses costs that would harm the collector.
func parseHash(hash string) (p Params, salt, key []byte, err error) {
	parts := strings.Split(hash, "$")
	if len(parts) != 6 || parts[0] != "" || parts[1] != "argon2id" || parts[2] != fmt.Sprintf("v=%d", argon2.Version) {
		return p, nil, nil, errHash
	}
	if _, err := fmt.Sscanf(parts[3], "m=%d,t=%d,p=%d", &p.MemoryKiB, &p.Time, &p.Threads); err != nil {
		return p, nil, nil, errHash
	}
	if p.MemoryKiB < 8 || p.MemoryKiB > 1<<20 || p.Time < 1 || p.Time > 16 || p.Threads < 1 {
		return p, nil, nil, errHash
	}
	if salt, err = base64.RawStdEncoding.DecodeString(parts[4]); err != nil || len(salt) < 8 || len(salt) > 64 {
		return p, nil, nil, errHash
	}
	if key, err = base64.RawStdEncoding.DecodeString(parts[5]); err != nil || len(key) < 16 || len(key) > 64 {
		return p, nil, nil, errHash
	}
	return p, salt, key, nil
}

// Limits of passwords.
const (
	MinPassword = 10  // characters
	MaxPassword = 256 // bytes
)

// WeakPasswordError says why a password was not accepted.
type WeakPasswordError struct{ Reason lang.Text }

// Error returns the reason in English.
func (e *WeakPasswordError) Error() string { return "password not accepted: " + e.Reason.EN }

// CheckPassword returns a *WeakPasswordError when the password is too easy to
// guess for the user of that name. Length counts, not punctuation.
func CheckPassword(name, password string) error {
	lower, distinct := strings.ToLower(password), map[rune]bool{}
	for _, r := range password {
		distinct[r] = true
	}
	weak := func(zh, en string) error { return &WeakPasswordError{lang.Text{ZH: zh, EN: en}} }
	switch {
	case utf8.RuneCountInString(password) < MinPassword:
		return weak(fmt.Sprintf("至少 %d 个字符", MinPassword), fmt.Sprintf("at least %d characters", MinPassword))
	case len(password) > MaxPassword:
		return weak(fmt.Sprintf("最多 %d 字节", MaxPassword), fmt.Sprintf("at most %d bytes", MaxPassword))
	case len(distinct) < 5:
		return weak("至少 5 个不同的字符", "at least 5 different characters")
	case len(name) >= 3 && strings.Contains(lower, strings.ToLower(name)):
		return weak("不能包含用户名", "it must not contain the user name")
	case common(lower):
		return weak("这是常见密码", "it is a common password")
	}
	return nil
}

// common tells whether the password is little more than a word everybody tries.
func common(lower string) bool {
	rest := lower
	for _, w := range []string{"password", "passw0rd", "p@ssw0rd", "p@ssword", "qwertyuiop", "qwerty", "1q2w3e4r5t", "1q2w3e4r", "1qaz2wsx",
		"admin", "faultline", "welcome", "iloveyou", "letmein", "abcdefghij", "abc", "1234567890", "0123456789", "123456789", "12345678", "123456", "123", "huawei", "changeme", "woaini", "5201314"} {
		rest = strings.ReplaceAll(rest, w, "")
	}
	return utf8.RuneCountInString(strings.Trim(rest, "!@#$%.0123456789-_ ")) < 4
}

// newSecret returns n random bytes in unpadded URL-safe base64.
func newSecret(n int) string {
	b := make([]byte, n)
	rand.Read(b)
	return base64.RawURLEncoding.EncodeToString(b)
}

// newOneTimePassword returns a password that a person can type from a screen:
// 20 letters and digits, none of them 0, 1, 8 or 9, in groups of five, 100 bits.
func newOneTimePassword() string {
	t := strings.ToLower(rand.Text())
	return t[0:5] + "-" + t[5:10] + "-" + t[10:15] + "-" + t[15:20]
}
