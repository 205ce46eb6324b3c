package update

import (
	"context"
	"errors"
	"log/slog"
)

// A Windows program cannot start another in its own place, and its service is the
// package's: there the package is upgraded.
const canReplace = false

// Launch does nothing.
func Launch(string, string, *slog.Logger) error { return nil }

// Try refuses.
func (u *Updater) Try(context.Context, *Trial) error {
	return errors.New("programs are not replaced on this system")
}

// OnTrial does nothing.
func OnTrial(context.Context, func(), func() bool) {}

func syncDir(string) error { return nil }
