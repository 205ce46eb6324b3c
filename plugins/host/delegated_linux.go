package host

import (
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"
)

const watchName = "watch"

// delegated is the cgroup below which this process may make others: the parent
// of its own, when systemd has handed that one over (Delegate=yes with
// DelegateSubgroup=, so that no process stands in it). "" is none.
func delegated(root, procFile string) string {
	b, err := os.ReadFile(procFile)
	if err != nil {
		return ""
	}
	for line := range strings.Lines(string(b)) {
		own, ok := strings.CutPrefix(strings.TrimSpace(line), "0::")
		if !ok || own == "/" || own == "" {
			continue
		}
		parent := filepath.Join(root, filepath.Dir(own))
		if isDelegated(parent) && offers(parent, "memory") && offers(parent, "pids") {
			return parent
		}
	}
	return ""
}

func isDelegated(dir string) bool {
	value := make([]byte, 8)
	for _, name := range []string{"trusted.delegate", "user.delegate"} {
		if n, err := unix.Getxattr(dir, name, value); err == nil && string(value[:n]) == "1" {
			return true
		}
	}
	return false
}

func offers(dir, controller string) bool {
	b, err := os.ReadFile(filepath.Join(dir, "cgroup.controllers"))
	return err == nil && strings.Contains(" "+strings.TrimSpace(string(b))+" ", " "+controller+" ")
}

func ownGroup() string { return delegated("/sys/fs/cgroup", "/proc/self/cgroup") }
