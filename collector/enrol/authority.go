package enrol

import (
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"time"

	"github.com/faultline/faultline/internal/pki"
)

// authorityFile holds the authority's certificate and key in one piece, so that
// never one is there without the other.
const authorityFile = "authority.pem"

// OpenAuthority reads the collector's authority from the directory or, at the
// first start, makes it there, readable by its owner alone. Collectors of a
// cluster share a copy. Whoever has the file can make agents.
func OpenAuthority(dir string, now time.Time, log *slog.Logger) (*pki.Authority, error) {
	path := filepath.Join(dir, authorityFile)
	text, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		if err := makeAuthority(dir, path, now); err != nil {
			return nil, fmt.Errorf("make authority %s: %w", path, err)
		}
		log.Info("enrol: made the authority that signs agents' certificates; keep a copy of it: without it all agents have to enrol again", "file", path)
		text, err = os.ReadFile(path)
	}
	if err != nil {
		return nil, fmt.Errorf("read authority: %w", err)
	}
	if fi, err := os.Stat(path); err == nil && fi.Mode().Perm()&0o077 != 0 {
		log.Warn("enrol: others could read the authority's key; closing it to them", "file", path, "mode", fi.Mode().Perm())
		if err := os.Chmod(path, 0o600); err != nil {
			return nil, fmt.Errorf("close authority to others: %w", err)
		}
	}
	a, err := pki.ParseAuthority(text)
	if err != nil {
		return nil, fmt.Errorf("authority %s: %w; bring it back from a copy, or remove it and enrol all agents again", path, err)
	}
	return a, nil
}

// makeAuthority writes a new authority unless another process was first: a hard
// link to a finished file appears whole or not at all, and never over another.
func makeAuthority(dir, path string, now time.Time) error {
	a, err := pki.NewAuthority(now)
	if err != nil {
		return err
	}
	key, err := pki.EncodeKey(a.Key)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	f, err := os.CreateTemp(dir, ".authority-*") // mode 0600
	if err != nil {
		return err
	}
	defer func() { _ = os.Remove(f.Name()) }()
	_, err = f.Write(append(pki.EncodeCertificate(a.Certificate), key...))
	if err == nil {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err != nil {
		return err
	}
	if err := os.Link(f.Name(), path); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}
