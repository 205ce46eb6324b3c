//go:build !unix

package app

import (
	"fmt"
	"os"
	"path/filepath"
)

// lockDir makes the data directory. Opening the file for writing keeps a second
// agent out on systems that share no open files.
func lockDir(dir string) (*os.File, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("data directory: %w", err)
	}
	f, err := os.OpenFile(filepath.Join(dir, "lock"), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, fmt.Errorf("data directory: %w", err)
	}
	return f, nil
}
