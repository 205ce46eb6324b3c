package config

import (
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"time"

	"github.com/faultline/faultline/plugins/base"
)

// state is what is known of a device's configuration.
type state struct {
	Hash      string      `json:"hash"`    // of the text with its secrets
	Version   string      `json:"version"` // file of the masked text
	ReadAt    time.Time   `json:"read_at"`
	ChangedAt time.Time   `json:"changed_at,omitzero"`
	Untold    *base.Event `json:"untold,omitempty"` // of the last change, told once more at the next reading
}

// versions is the directory of one target's configurations, oldest first by
// name. Their secrets are masked.
type versions struct {
	dir   string
	keep  int
	state state
}

func (v *versions) load() error {
	b, err := os.ReadFile(filepath.Join(v.dir, "state.json"))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("read state: %w", err)
	}
	if err := json.Unmarshal(b, &v.state); err != nil {
		// A reading is worth more than the memory of the last one.
		v.state = state{}
		return os.Rename(filepath.Join(v.dir, "state.json"), filepath.Join(v.dir, "state.json.bad"))
	}
	return nil
}

// read returns an earlier version, "" if it is gone.
func (v *versions) read(name string) (string, error) {
	if name == "" {
		return "", nil
	}
	b, err := os.ReadFile(filepath.Join(v.dir, filepath.Base(name)))
	if errors.Is(err, fs.ErrNotExist) {
		return "", nil
	}
	if err != nil {
		return "", fmt.Errorf("read version: %w", err)
	}
	return string(b), nil
}

// write keeps a version and forgets the oldest.
func (v *versions) write(at time.Time, hash, text string) error {
	if err := os.MkdirAll(v.dir, 0o700); err != nil {
		return fmt.Errorf("keep version: %w", err)
	}
	name := at.UTC().Format("20060102T150405.000Z") + "-" + hash[:12] + ".txt"
	if err := replaceFile(filepath.Join(v.dir, name), []byte(text)); err != nil {
		return fmt.Errorf("keep version: %w", err)
	}
	v.state.Version = name
	all, err := filepath.Glob(filepath.Join(v.dir, "2*.txt"))
	if err != nil {
		return err
	}
	slices.Sort(all)
	for len(all) > v.keep {
		if err := os.Remove(all[0]); err != nil {
			return fmt.Errorf("forget version: %w", err)
		}
		all = all[1:]
	}
	return nil
}

func (v *versions) save() error {
	b, err := json.Marshal(v.state)
	if err != nil {
		return fmt.Errorf("save state: %w", err)
	}
	if err := os.MkdirAll(v.dir, 0o700); err != nil {
		return fmt.Errorf("save state: %w", err)
	}
	if err := replaceFile(filepath.Join(v.dir, "state.json"), b); err != nil {
		return fmt.Errorf("save state: %w", err)
	}
	return nil
}

// replaceFile writes a file in one step that survives a power cut, for the
// agent's user only.
func replaceFile(name string, b []byte) error {
	tmp := name + ".tmp"
	f, err := os.OpenFile(tmp, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	if _, err = f.Write(b); err == nil {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err != nil {
		return err
	}
	if err := os.Rename(tmp, name); err != nil {
		return err
	}
	if runtime.GOOS == "windows" {
		return nil // a directory cannot be flushed there
	}
	d, err := os.Open(filepath.Dir(name))
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

// maskKey reads the key of masks, or makes it.
func maskKey(file string) ([]byte, error) {
	const size = 32
	key, err := os.ReadFile(file)
	if err == nil && len(key) == size {
		return key, nil
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("config: key of masks: %w", err)
	}
	key = make([]byte, size)
	rand.Read(key)
	if err := replaceFile(file, key); err != nil {
		return nil, fmt.Errorf("config: key of masks: %w", err)
	}
	return key, nil
}

var unsafe = regexp.MustCompile(`[^A-Za-z0-9_-]`)

// fileName makes a directory's name of a target's id; two ids give two names.
func fileName(id string) string {
	safe := unsafe.ReplaceAllString(id, "_")
	const most = 80
	if len(safe) > most {
		safe = safe[:most]
	}
	return strings.ToLower(safe) + "-" + digest(id)[:8]
}
