package enrol

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"

	"crypto"

	"github.com/faultline/faultline/internal/pki"
)

// writePrivate replaces a file in one step that survives a power cut; only its
// owner may read it.
func writePrivate(path string, b []byte) error {
	f, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+"-*") // mode 0600
	if err != nil {
		return err
	}
	defer func() { _ = os.Remove(f.Name()) }() // fails once it was renamed, as it should
	if _, err = f.Write(b); err == nil {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err != nil {
		return err
	}
	if err := os.Rename(f.Name(), path); err != nil {
		return err
	}
	if runtime.GOOS == "windows" {
		return nil // a directory cannot be flushed there
	}
	d, err := os.Open(filepath.Dir(path))
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

// pendingKey is a key that waits for its certificate. It is on disk before it
// is asked for, so that an answer lost on the line can be asked for again.
type pendingKey struct{ path string }

// get returns the key that waits, or a new one.
func (p pendingKey) get() (crypto.Signer, []byte, error) {
	text, err := os.ReadFile(p.path)
	if err == nil {
		if b, err := pki.Decode(text); err == nil && b.Key != nil {
			return b.Key, text, nil
		}
	} else if !errors.Is(err, fs.ErrNotExist) {
		return nil, nil, fmt.Errorf("read key: %w", err)
	}
	key, err := pki.NewKey()
	if err != nil {
		return nil, nil, fmt.Errorf("make key: %w", err)
	}
	if text, err = pki.EncodeKey(key); err != nil {
		return nil, nil, err
	}
	if err := writePrivate(p.path, text); err != nil {
		return nil, nil, fmt.Errorf("write key: %w", err)
	}
	return key, text, nil
}

// done forgets the key: it is in the identity now, or worth nothing.
func (p pendingKey) done() { _ = os.Remove(p.path) }
