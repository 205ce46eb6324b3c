// Package release is a signed release of the agent: its manifest, the signature
// over it, and the order of versions. It is what head office makes and what an
// agent checks before it replaces anything. It reads no clock and no network.
package release

import (
	"bytes"
	"crypto/ed25519"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"time"
)

// SpoolFormat is the format of the agent's store on disk: an agent takes only a
// release that reads and writes the same, so that going back loses nothing.
const SpoolFormat = 1

// Manifest is what is signed. Its bytes are kept as they were signed.
type Manifest struct {
	Version   string    `json:"version"`             // as the program says of itself
	Sequence  int64     `json:"sequence"`            // grows with every release signed; seconds since 1970
	Downgrade bool      `json:"downgrade,omitempty"` // it may replace a later version
	Spool     int       `json:"spool"`               // SpoolFormat of the programs
	Made      time.Time `json:"made"`
	Files     []File    `json:"files"`
}

// File is one program of a release.
type File struct {
	OS     string `json:"os"`
	Arch   string `json:"arch"`
	Name   string `json:"name"`   // in the release's directory
	SHA256 string `json:"sha256"` // hexadecimal
	Size   int64  `json:"size"`   // bytes
}

// Names of the files of a release's directory.
const (
	ManifestFile  = "manifest.json"
	SignatureFile = "manifest.sig"
)

// Bounds of what is taken.
const (
	MaxManifest = 64 << 10
	MaxProgram  = 128 << 20
)

// Errors of Verify and Allowed.
var (
	ErrSignature = errors.New("the release is not signed by a key that this agent knows")
	ErrOld       = errors.New("not later than what runs, and not signed as a downgrade")
	ErrReplayed  = errors.New("signed before a release that ran here already")
	ErrSpool     = errors.New("it keeps its store on disk in another format: going back would lose what was not sent")
)

// purpose keeps signatures over releases apart from any other use of the key.
const purpose = "faultline release v1\x00"

// Sign makes the manifest's text and its signature.
func Sign(key ed25519.PrivateKey, m Manifest) (text, signature []byte, err error) {
	if err := m.validate(); err != nil {
		return nil, nil, err
	}
	text, err = json.MarshalIndent(m, "", " ")
	if err != nil {
		return nil, nil, err
	}
	return text, ed25519.Sign(key, append([]byte(purpose), text...)), nil
}

// Verify checks the signature before it reads anything of the manifest.
func Verify(keys []ed25519.PublicKey, text, signature []byte) (Manifest, error) {
	if len(text) > MaxManifest {
		return Manifest{}, fmt.Errorf("manifest of %d bytes, at most %d", len(text), MaxManifest)
	}
	signed := false
	for _, k := range keys {
		signed = signed || len(k) == ed25519.PublicKeySize && ed25519.Verify(k, append([]byte(purpose), text...), signature)
	}
	if !signed {
		return Manifest{}, ErrSignature
	}
	var m Manifest
	d := json.NewDecoder(bytes.NewReader(text))
	d.DisallowUnknownFields()
	if err := d.Decode(&m); err != nil {
		return Manifest{}, fmt.Errorf("manifest cannot be read: %w", err)
	}
	return m, m.validate()
}

var (
	versionPattern = regexp.MustCompile(`^[0-9A-Za-z][0-9A-Za-z.+~-]{0,63}$`)
	hashPattern    = regexp.MustCompile(`^[0-9a-f]{64}$`)
	namePattern    = regexp.MustCompile(`^[0-9A-Za-z][0-9A-Za-z._-]{0,99}$`)
)

// ValidVersion tells whether a version can be the name of a directory.
func ValidVersion(v string) bool { return versionPattern.MatchString(v) && !strings.Contains(v, "..") }

func (m Manifest) validate() error {
	if !ValidVersion(m.Version) || m.Sequence <= 0 || len(m.Files) == 0 || len(m.Files) > 100 {
		return errors.New("manifest: version, sequence or files are missing")
	}
	for _, f := range m.Files {
		if f.OS == "" || f.Arch == "" || !hashPattern.MatchString(f.SHA256) || !namePattern.MatchString(f.Name) || f.Size <= 0 || f.Size > MaxProgram {
			return fmt.Errorf("manifest: file %s/%s: system, checksum, name or size is wrong", f.OS, f.Arch)
		}
	}
	return nil
}

// For is the program for a system.
func (m Manifest) For(system, arch string) (File, bool) {
	for _, f := range m.Files {
		if f.OS == system && f.Arch == arch {
			return f, true
		}
	}
	return File{}, false
}

// Allowed tells why a release may not replace a running program: version is what
// runs, sequence that of the latest release that ran well here, 0 for none.
func (m Manifest) Allowed(version string, sequence int64) error {
	switch {
	case m.Spool != SpoolFormat:
		return ErrSpool
	case m.Sequence <= sequence:
		return ErrReplayed
	case !m.Downgrade && Compare(m.Version, version) <= 0:
		return ErrOld
	}
	return nil
}

// Compare orders versions number by number: 0.1.9 before 0.1.10, and a version
// before the same with something behind it. Text is compared as text and counts
// less than a number.
func Compare(a, b string) int {
	x, y := split(a), split(b)
	for i := range max(len(x), len(y)) {
		if i >= len(x) {
			return -1
		}
		if i >= len(y) {
			return 1
		}
		if c := comparePart(x[i], y[i]); c != 0 {
			return c
		}
	}
	return 0
}

func split(v string) []string {
	return strings.FieldsFunc(strings.TrimPrefix(v, "v"), func(r rune) bool { return strings.ContainsRune(".-+~", r) })
}

func comparePart(a, b string) int {
	x, errX := strconv.ParseUint(a, 10, 64)
	y, errY := strconv.ParseUint(b, 10, 64)
	switch {
	case errX == nil && errY == nil && x < y, errX != nil && errY == nil:
		return -1
	case errX == nil && errY == nil && x > y, errX == nil && errY != nil:
		return 1
	case errX == nil:
		return 0
	}
	return strings.Compare(a, b)
}

// EncodePublic is a key as configurations and identities name it.
func EncodePublic(k ed25519.PublicKey) string { return base64.StdEncoding.EncodeToString(k) }

// ParsePublic reads what EncodePublic wrote.
func ParsePublic(s string) (ed25519.PublicKey, error) {
	b, err := base64.StdEncoding.DecodeString(strings.TrimSpace(s))
	if err != nil || len(b) != ed25519.PublicKeySize {
		return nil, errors.New("not a key of releases: want what `faultline-collector release keygen` printed")
	}
	return b, nil
}
