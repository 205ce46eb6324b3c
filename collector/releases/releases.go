// Package releases keeps signed releases of the agent in a directory, one below
// it for each version. It hands them out as they were signed; whether a signature
// is good is the agents' to judge, and package release's to say.
package releases

import (
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"time"

	"github.com/faultline/faultline/internal/release"
	"github.com/faultline/faultline/internal/wire"
)

// Dir is the directory.
type Dir string

var hashPattern = regexp.MustCompile(`^[0-9a-f]{64}$`)

// Find is a release by its version; os.ErrNotExist: there is none.
func (d Dir) Find(version string) (wire.Program, error) {
	if !release.ValidVersion(version) {
		return wire.Program{}, os.ErrNotExist
	}
	text, err := os.ReadFile(filepath.Join(string(d), version, release.ManifestFile))
	if err != nil {
		return wire.Program{}, err
	}
	sig, err := os.ReadFile(filepath.Join(string(d), version, release.SignatureFile))
	if err != nil {
		return wire.Program{}, err
	}
	return wire.Program{Version: version, Manifest: text, Signature: sig}, nil
}

// Open opens a program of any release by its SHA-256; os.ErrNotExist: there is none.
func (d Dir) Open(sha string) (*os.File, error) {
	if !hashPattern.MatchString(sha) {
		return nil, os.ErrNotExist
	}
	names, err := filepath.Glob(filepath.Join(string(d), "*", release.ManifestFile))
	if err != nil {
		return nil, err
	}
	for _, name := range names {
		text, err := os.ReadFile(name)
		if err != nil {
			continue
		}
		var m release.Manifest
		if json.Unmarshal(text, &m) != nil {
			continue
		}
		for _, f := range m.Files {
			if f.SHA256 == sha {
				return os.Open(filepath.Join(filepath.Dir(name), filepath.Base(f.Name)))
			}
		}
	}
	return nil, os.ErrNotExist
}

// programPattern is how .ci/package names bare programs.
var programPattern = regexp.MustCompile(`^faultline-agent-(linux|windows)-([a-z0-9]+?)(\.exe)?$`)

// Sign makes a release of the bare programs in from, signs it and puts it in the
// directory. It is there whole or not at all.
func (d Dir) Sign(key ed25519.PrivateKey, from, version string, downgrade bool, now time.Time) (release.Manifest, error) {
	m := release.Manifest{Version: version, Sequence: now.Unix(), Downgrade: downgrade, Spool: release.SpoolFormat, Made: now.UTC()}
	entries, err := os.ReadDir(from)
	if err != nil {
		return m, fmt.Errorf("sign release: %w", err)
	}
	tmp, err := d.fresh()
	if err != nil {
		return m, fmt.Errorf("sign release: %w", err)
	}
	defer func() { _ = os.RemoveAll(tmp) }()
	for _, e := range entries {
		parts := programPattern.FindStringSubmatch(e.Name())
		if parts == nil {
			continue
		}
		f, err := copyProgram(filepath.Join(from, e.Name()), filepath.Join(tmp, e.Name()))
		if err != nil {
			return m, fmt.Errorf("sign release: %w", err)
		}
		f.OS, f.Arch, f.Name = parts[1], parts[2], e.Name()
		m.Files = append(m.Files, f)
	}
	if len(m.Files) == 0 {
		return m, fmt.Errorf("sign release: %s has no faultline-agent-SYSTEM-ARCHITECTURE: make package makes them", from)
	}
	text, sig, err := release.Sign(key, m)
	if err != nil {
		return m, fmt.Errorf("sign release: %w", err)
	}
	if err := errors.Join(os.WriteFile(filepath.Join(tmp, release.ManifestFile), text, 0o644), os.WriteFile(filepath.Join(tmp, release.SignatureFile), sig, 0o644)); err != nil {
		return m, fmt.Errorf("sign release: %w", err)
	}
	return m, d.put(tmp, version)
}

// Add takes a release that was signed elsewhere, after checking it.
func (d Dir) Add(keys []ed25519.PublicKey, from string) (release.Manifest, error) {
	text, err := os.ReadFile(filepath.Join(from, release.ManifestFile))
	if err != nil {
		return release.Manifest{}, fmt.Errorf("add release: %w", err)
	}
	sig, err := os.ReadFile(filepath.Join(from, release.SignatureFile))
	if err != nil {
		return release.Manifest{}, fmt.Errorf("add release: %w", err)
	}
	m, err := release.Verify(keys, text, sig)
	if err != nil {
		return m, fmt.Errorf("add release: %w", err)
	}
	tmp, err := d.fresh()
	if err != nil {
		return m, fmt.Errorf("add release: %w", err)
	}
	defer func() { _ = os.RemoveAll(tmp) }()
	for _, f := range m.Files {
		got, err := copyProgram(filepath.Join(from, f.Name), filepath.Join(tmp, f.Name))
		if err != nil || got.SHA256 != f.SHA256 {
			return m, fmt.Errorf("add release: %s is not the program that was signed", f.Name)
		}
	}
	if err := errors.Join(os.WriteFile(filepath.Join(tmp, release.ManifestFile), text, 0o644), os.WriteFile(filepath.Join(tmp, release.SignatureFile), sig, 0o644)); err != nil {
		return m, fmt.Errorf("add release: %w", err)
	}
	return m, d.put(tmp, m.Version)
}

// fresh makes a directory beside the releases.
func (d Dir) fresh() (string, error) {
	if err := os.MkdirAll(string(d), 0o755); err != nil {
		return "", err
	}
	return os.MkdirTemp(string(d), ".new-")
}

// put moves a finished release in place. A version that is there stays as it is:
// agents may be fetching it.
func (d Dir) put(tmp, version string) error {
	to := filepath.Join(string(d), version)
	if _, err := os.Stat(to); err == nil {
		return fmt.Errorf("release %s is there already; a signed version does not change: remove %s first", version, to)
	}
	if err := os.Chmod(tmp, 0o755); err != nil {
		return err
	}
	return os.Rename(tmp, to)
}

// copyProgram copies a program and says its checksum and size.
func copyProgram(from, to string) (release.File, error) {
	src, err := os.Open(from)
	if err != nil {
		return release.File{}, err
	}
	defer func() { _ = src.Close() }()
	dst, err := os.OpenFile(to, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
	if err != nil {
		return release.File{}, err
	}
	sum := sha256.New()
	n, err := io.Copy(io.MultiWriter(dst, sum), io.LimitReader(src, release.MaxProgram+1))
	if err = errors.Join(err, dst.Sync(), dst.Close()); err != nil {
		return release.File{}, err
	}
	return release.File{SHA256: hex.EncodeToString(sum.Sum(nil)), Size: n}, nil
}

// List are the versions that are there.
func (d Dir) List() ([]string, error) {
	names, err := filepath.Glob(filepath.Join(string(d), "*", release.ManifestFile))
	if err != nil {
		return nil, err
	}
	var out []string
	for _, n := range names {
		if v := filepath.Base(filepath.Dir(n)); !strings.HasPrefix(v, ".") {
			out = append(out, v)
		}
	}
	return out, nil
}
