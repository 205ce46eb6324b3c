package log

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/faultline/faultline/agent/input/inputtest"
)

// TestRealJournal follows a service's lines through Debian's systemd, journald and
// journalctl: from where the target is first read each line once and in order, also
// by an agent that starts again in between.
func TestRealJournal(t *testing.T) {
	const alone = "[Unit]\nDefaultDependencies=no\n"
	root := inputtest.Systemd(t, map[string]string{
		"systemd-journald.socket":  alone + "IgnoreOnIsolate=yes\n[Socket]\nListenStream=/run/systemd/journal/stdout\nListenDatagram=/run/systemd/journal/socket\nPassCredentials=yes\n",
		"systemd-journald.service": alone + "Requires=systemd-journald.socket\nAfter=systemd-journald.socket\n[Service]\nType=notify\nExecStart=/lib/systemd/systemd-journald\nSockets=systemd-journald.socket\n",
		"shop.service":             alone + "[Service]\nSyslogIdentifier=shop\nExecStart=/bin/sh -c 'i=0; while :; do i=$((i+1)); echo \"<3>order $$i is lost\"; echo \"<6>all is well\"; sleep 0.05; done'\n",
		"other.service":            alone + "[Service]\nExecStart=/bin/sh -c 'while :; do echo \"<3>no business of ours\"; sleep 0.05; done'\n",
	})
	program := filepath.Join(inputtest.Write(t, map[string]string{"journalctl": fmt.Sprintf("#!/bin/sh\nexec %s --directory=%s/run/log/journal \"$@\"\n", inputtest.Program(t, "journalctl", "systemd"), root)}), "journalctl")
	if err := os.Chmod(program, 0o755); err != nil {
		t.Fatal(err)
	}
	var h heard
	state := filepath.Join(t.TempDir(), "state.json")
	tg := target("journal", "true", "units", "shop.service", "level", "3")
	var lines []string
	read := func(in *Input) {
		r, err := inputtest.Gather(t, in, tg)
		if err != nil && len(lines) > 0 { // before there is a journal journalctl refuses
			t.Fatal(err, r.Values)
		}
		if got := h.took(); got != "" {
			lines = append(lines, strings.Split(got, "|")...)
		}
	}
	in := New(Options{Hear: h.hear, Journalctl: program, State: state})
	inputtest.Until(t, "twenty lines", func() bool { read(in); return len(lines) >= 20 })
	in = New(Options{Hear: h.hear, Journalctl: program, State: state})
	inputtest.Until(t, "twenty more", func() bool { read(in); return len(lines) >= 40 })
	begin := 0
	if _, err := fmt.Sscanf(lines[0], "shop: order %d is lost", &begin); err != nil {
		t.Fatalf("%q: %v", lines[0], err)
	}
	for n, line := range lines {
		if want := fmt.Sprintf("shop: order %d is lost", begin+n); line != want {
			t.Fatalf("line %d is %q, want %q", n, line, want)
		}
	}
}
