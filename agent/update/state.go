package update

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
)

// Slot is a release on disk.
type Slot struct {
	SHA256   string `json:"sha256,omitempty"`
	Version  string `json:"version,omitempty"`
	Sequence int64  `json:"sequence,omitempty"`
}

// Failure is a release that was not taken.
type Failure struct {
	Version string `json:"version,omitempty"`
	Why     string `json:"why,omitempty"`
}

// State is what survives a power cut.
type State struct {
	Base     string  `json:"base,omitempty"`  // version of the installed program that Active replaced
	Active   Slot    `json:"active,omitzero"` // proven; started in place of the installed program
	Trial    Slot    `json:"trial,omitzero"`  // being tried; found at a start it was interrupted
	Tried    string  `json:"tried,omitempty"` // SHA-256 of the release that was tried last
	Tries    int     `json:"tries,omitempty"` // of Tried
	Sequence int64   `json:"sequence"`        // of the latest release that was proven here
	Failed   Failure `json:"failed,omitzero"`
}

// file is the state on disk.
type file struct {
	dir string

	mu sync.Mutex // guards s
	s  State
}

const stateName = "state.json"

func openFile(dir string) (*file, error) {
	f := &file{dir: dir}
	b, err := os.ReadFile(filepath.Join(dir, stateName))
	if errors.Is(err, fs.ErrNotExist) {
		return f, nil
	}
	if err != nil {
		return nil, fmt.Errorf("update: read state: %w", err)
	}
	if err := json.Unmarshal(b, &f.s); err != nil {
		return nil, fmt.Errorf("update: state %s: %w; remove it: the installed program goes on", filepath.Join(dir, stateName), err)
	}
	return f, nil
}

func (f *file) get() State {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.s
}

// change writes the state in one step that survives a power cut.
func (f *file) change(with func(*State)) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	next := f.s
	with(&next)
	b, err := json.MarshalIndent(next, "", " ")
	if err != nil {
		return err
	}
	if err := replaceFile(filepath.Join(f.dir, stateName), b); err != nil {
		return fmt.Errorf("update: write state: %w", err)
	}
	f.s = next
	return nil
}

func replaceFile(path string, b []byte) error {
	t, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+"-*")
	if err != nil {
		return err
	}
	defer func() { _ = os.Remove(t.Name()) }()
	if _, err = t.Write(b); err == nil {
		err = t.Sync()
	}
	if err = errors.Join(err, t.Close()); err != nil {
		return err
	}
	if err := os.Rename(t.Name(), path); err != nil {
		return err
	}
	return syncDir(filepath.Dir(path))
}

// program is where a slot's program lies.
func (f *file) program(s Slot) string { return filepath.Join(f.dir, s.SHA256, "faultline-agent") }

// intact tells whether the slot's program is still what was signed.
func (f *file) intact(s Slot) bool {
	sum, err := sumOf(f.program(s))
	return err == nil && sum == s.SHA256
}

func sumOf(path string) (string, error) {
	src, err := os.Open(path)
	if err != nil {
		return "", err
	}
	defer func() { _ = src.Close() }()
	h := sha256.New()
	if _, err := io.Copy(h, src); err != nil {
		return "", err
	}
	return hex.EncodeToString(h.Sum(nil)), nil
}
