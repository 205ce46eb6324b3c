package trap

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/faultline/faultline/internal/secret"
	"github.com/faultline/faultline/plugins/base"
)

// TestSNMPD receives what Debian's snmpd sends of itself: that it starts, that
// somebody asked with a wrong community, what its monitors found, that it stops.
func TestSNMPD(t *testing.T) {
	bin, err := exec.LookPath("/usr/sbin/snmpd")
	if err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatal("snmpd is not installed (Debian package snmpd)")
		}
		t.Skip("snmpd is not installed (Debian package snmpd)")
	}
	x := run(t, Options{Communities: []secret.String{"traps"}})
	addr := listenRaw(t)
	agent := addr.LocalAddr().String()
	_ = addr.Close()
	dir := t.TempDir()
	conf := []string{"agentAddress udp:" + agent, "rocommunity right", "authtrapenable 1", "trap2sink " + x.addr + " traps",
		"createUser watch SHA " + authPassword, "rouser watch auth", "iquerySecName watch", // as whom its monitors ask
		`monitor -r 1 -I -o 1.3.6.1.2.1.1.5.0 "the answer" 1.3.6.1.2.1.2.1.0 >= 0`,
		"monitor -r 1 -e _linkUp up 1.3.6.1.2.1.2.2.1.8 != 2"}
	file := filepath.Join(dir, "agent.conf")
	if err := os.WriteFile(file, []byte(strings.Join(conf, "\n")+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(bin, "-f", "-m", "", "-Lf", filepath.Join(dir, "log"), "-C", "-c", file, "-p", filepath.Join(dir, "pid"), "-x", filepath.Join(dir, "agentx"))
	cmd.Env = append(os.Environ(), "SNMP_PERSISTENT_DIR="+dir, "MIBS=")
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	running := true
	t.Cleanup(func() {
		if running {
			_ = cmd.Process.Kill()
			_ = cmd.Wait()
		}
	})
	got := map[string]base.Event{}
	hear := func(name string) {
		t.Helper()
		for {
			if _, ok := got[name]; ok {
				return
			}
			e := x.next(t)
			got[e.Attrs["name"]] = e
		}
	}
	hear("coldStart")
	hear("mteTriggerFired")
	if e := got["mteTriggerFired"]; e.Attrs["mteHotTrigger"] != "the answer" || !strings.HasPrefix(e.Text, "the answer: 1.3.6.1.2.1.2.1.0 is ") {
		t.Errorf("event %+v", e)
	}
	hear("linkUp")
	if e := got["linkUp"]; e.Attrs["ifOperStatus"] == "" || e.Attrs["ifIndex"] == "" || e.Attrs["severity"] != "ok" || e.Attrs["clears"] != "linkDown" {
		t.Errorf("event %+v", e)
	}
	_ = send(t, dir, "snmpget", "-v2c", "-c", "wrong", "-r", "0", "-t", "0.1", agent, "1.3.6.1.2.1.1.5.0")
	hear("authenticationFailure")
	if err := cmd.Process.Signal(os.Interrupt); err != nil {
		t.Fatal(err)
	}
	hear("nsNotifyShutdown")
	running = false
	if err := cmd.Wait(); err != nil && cmd.ProcessState == nil {
		t.Error(err)
	}
	for name, e := range got {
		if e.Attrs["version"] != "2c" || e.Attrs["severity"] == "" || e.Text == "" || e.Attrs["source"] != "127.0.0.1" {
			t.Errorf("%s: %s", name, fmt.Sprintf("%+v", e))
		}
	}
}
