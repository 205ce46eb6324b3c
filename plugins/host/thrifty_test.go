//go:build linux

package host_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/faultline/faultline/plugins/host/spec"
)

// A plugin's program keeps few pages of its file once it serves (package thrift):
// it holds what makes the kernel bring back no others.
func TestPluginStaysSmall(t *testing.T) {
	const userModeOnly = 1
	fd, _, errno := unix.Syscall(unix.SYS_USERFAULTFD, unix.O_CLOEXEC|userModeOnly, 0, 0)
	if errno != 0 {
		t.Logf("no userfaultfd here (%v): plugins keep the pages around those that they use", errno)
		return
	}
	_ = unix.Close(int(fd)) //nolint:gosec // a file descriptor
	var system unix.Utsname
	if err := unix.Uname(&system); err != nil {
		t.Fatal(err)
	}
	major, minor := 0, 0
	if _, err := fmt.Sscanf(unix.ByteSliceToString(system.Release[:]), "%d.%d", &major, &minor); err != nil || major < 6 || major == 6 && minor < 7 {
		t.Logf("Linux %d.%d: plugins keep the pages around those that they use", major, minor)
		return
	}
	r := start(t, rogue(t, "ok"))
	r.await(t, spec.Input)
	s := r.until(t, "running", func(s spec.Status) bool { return s.PID != 0 })
	for deadline := time.Now().Add(30 * time.Second); ; time.Sleep(10 * time.Millisecond) {
		files, err := filepath.Glob(fmt.Sprintf("/proc/%d/fd/*", s.PID))
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range files {
			if to, err := os.Readlink(f); err == nil && strings.Contains(to, "userfaultfd") {
				return
			}
		}
		if time.Now().After(deadline) {
			t.Fatal("the plugin does not give back its program's pages")
		}
	}
}
