package host

import (
	"context"
	"io/fs"
	"os"
	"path/filepath"
)

// reboot tells whether an upgrade waits for one, under the name that the usual
// textfile script gives it. Debian and its kin leave a file; others leave none,
// and of them nothing is said.
func (l *linux) reboot(_ context.Context, e *emitter) error {
	if _, err := os.Stat(filepath.Join(l.opts.Root, "etc/debian_version")); err != nil {
		return fs.ErrNotExist
	}
	_, err := os.Stat(filepath.Join(l.opts.Root, "run/reboot-required"))
	e.put("node_reboot_required", truth(err == nil))
	return nil
}
