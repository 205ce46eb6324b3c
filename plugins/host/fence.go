package host

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// fence holds a plugin's memory: by a cgroup of its own where this process may
// make one, else by the watch that looks at it.
type fence struct {
	memory int64
	dir    string   // of the cgroup; "" is none
	fd     *os.File // open directory of the cgroup; nil: none
}

// newFence makes a fence; parent is the cgroup below which it may make others,
// "" is none.
func newFence(parent, name string, memory int64, processes int) *fence {
	f := &fence{memory: memory}
	if parent == "" {
		return f
	}
	dir := filepath.Join(parent, "faultline-plugin-"+name)
	if err := makeGroup(parent, dir, memory, processes); err != nil {
		return f
	}
	d, err := os.Open(dir)
	if err != nil {
		return f
	}
	f.dir, f.fd = dir, d
	return f
}

// makeGroup makes one cgroup below parent and sets its bounds.
func makeGroup(parent, dir string, memory int64, processes int) error {
	have, err := os.ReadFile(filepath.Join(parent, "cgroup.subtree_control"))
	if err != nil {
		return fmt.Errorf("cgroup %s: %w", parent, err)
	}
	for _, c := range []string{"memory", "pids"} {
		if !strings.Contains(" "+strings.TrimSpace(string(have))+" ", " "+c+" ") {
			if err := os.WriteFile(filepath.Join(parent, "cgroup.subtree_control"), []byte("+"+c), 0o600); err != nil {
				return fmt.Errorf("cgroup %s: %w", parent, err)
			}
		}
	}
	if err := os.Mkdir(dir, 0o755); err != nil && !os.IsExist(err) {
		return fmt.Errorf("cgroup %s: %w", dir, err)
	}
	for _, s := range []struct {
		file, value string
		must        bool
	}{{"memory.max", strconv.FormatInt(memory, 10), true}, {"memory.swap.max", "0", false}, {"memory.oom.group", "1", false}, {"pids.max", strconv.Itoa(processes), true}} {
		if err := os.WriteFile(filepath.Join(dir, s.file), []byte(s.value), 0o600); err != nil && s.must {
			return fmt.Errorf("cgroup %s: %w", dir, err)
		}
	}
	return nil
}

// by says what holds the memory.
func (f *fence) by() string {
	switch {
	case f == nil:
		return "none"
	case f.fd != nil:
		return "cgroup"
	}
	return watchName
}

// kill ends everything in the cgroup, processes that left their group included.
func (f *fence) kill() {
	if f != nil && f.dir != "" {
		_ = os.WriteFile(filepath.Join(f.dir, "cgroup.kill"), []byte("1"), 0o600)
	}
}

// overrun is how often the kernel stopped the plugin at its bound.
func (f *fence) overrun() uint64 {
	if f == nil || f.dir == "" {
		return 0
	}
	b, err := os.ReadFile(filepath.Join(f.dir, "memory.events"))
	if err != nil {
		return 0
	}
	for line := range strings.Lines(string(b)) {
		if rest, ok := strings.CutPrefix(strings.TrimSpace(line), "oom_kill "); ok {
			n, _ := strconv.ParseUint(rest, 10, 64)
			return n
		}
	}
	return 0
}

// remove gives the cgroup back; what is left in it stays until it ends.
func (f *fence) remove() {
	if f != nil && f.fd != nil {
		_ = f.fd.Close()
		_ = os.Remove(f.dir)
		f.fd = nil
	}
}
