package app

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"syscall"
)

// lockData makes the data directory and keeps a second collector out of it.
func (a *App) lockData(context.Context) error {
	if err := os.MkdirAll(a.cfg.Data, 0o700); err != nil {
		return err
	}
	f, err := os.OpenFile(filepath.Join(a.cfg.Data, "lock"), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return err
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		_ = f.Close()
		if errors.Is(err, syscall.EWOULDBLOCK) {
			return fmt.Errorf("%s is in use by another collector: stop it, or give this one another data directory", a.cfg.Data)
		}
		return err
	}
	a.data = f
	return nil
}
