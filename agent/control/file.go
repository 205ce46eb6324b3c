package control

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"

	"github.com/faultline/faultline/internal/wire"
)

func (c *Control) file() string { return filepath.Join(c.opt.Dir, "work.json") }

// load reads the remembered work; none yet is no error.
func (c *Control) load() (wire.Work, error) {
	b, err := os.ReadFile(c.file())
	if errors.Is(err, fs.ErrNotExist) {
		return wire.Work{}, nil
	}
	if err != nil {
		return wire.Work{}, fmt.Errorf("read last work: %w", err)
	}
	var w wire.Work
	if err := json.Unmarshal(b, &w); err != nil {
		return wire.Work{}, errors.Join(fmt.Errorf("read last work %s: %w", c.file(), err), os.Rename(c.file(), c.file()+".bad"))
	}
	w.Checks = nil
	return w, nil
}

// save replaces the remembered work in one step that survives a power cut. The
// file holds secrets of targets: only the agent's user may read it.
func (c *Control) save(w wire.Work) error {
	b, err := json.Marshal(w)
	if err != nil {
		return fmt.Errorf("save work: %w", err)
	}
	if err := os.MkdirAll(c.opt.Dir, 0o700); err != nil {
		return fmt.Errorf("save work: %w", err)
	}
	tmp := c.file() + ".tmp"
	if err := writeSynced(tmp, b); err != nil {
		return fmt.Errorf("save work: %w", err)
	}
	if err := os.Rename(tmp, c.file()); err != nil {
		return fmt.Errorf("save work: %w", err)
	}
	return syncDir(c.opt.Dir)
}

func writeSynced(name string, b []byte) error {
	f, err := os.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	if _, err = f.Write(b); err == nil {
		err = f.Sync()
	}
	return errors.Join(err, f.Close())
}

func syncDir(dir string) error {
	if runtime.GOOS == "windows" {
		return nil // a directory cannot be flushed there
	}
	f, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), f.Close())
}
