package probe_test

import (
	"fmt"
	"net"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// dnsmasq starts Debian's dnsmasq as a DHCP server on a namespace's device.
func (n *networks) dnsmasq(name, device, first, last, gateway string) {
	n.t.Helper()
	bin := program(n.t, "dnsmasq", "dnsmasq-base")
	dir := n.t.TempDir()
	cmd := exec.Command("ip", "netns", "exec", n.prefix+name, bin, "-k", "--conf-file=/dev/null", "--port=0", "--no-daemon", "--user=root", "--pid-file=",
		"--interface="+device, "--bind-interfaces", fmt.Sprintf("--dhcp-range=%s,%s,10m", first, last), "--dhcp-option=3,"+gateway, "--no-ping",
		"--dhcp-leasefile="+filepath.Join(dir, "leases"), "--log-facility="+filepath.Join(dir, "log"))
	if err := cmd.Start(); err != nil {
		n.t.Fatal(err)
	}
	n.t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	})
}

// TestDHCP asks real servers in a network of namespaces.
func TestDHCP(t *testing.T) {
	n := newNetworks(t, "client", "good", "rogue", "bridge")
	n.in("bridge", "ip link add br0 type bridge; ip link set br0 up")
	for i, name := range []string{"client", "good", "rogue"} {
		n.run(fmt.Sprintf("ip link add p%d netns %sbridge type veth peer name lan netns %s%s", i, n.prefix, n.prefix, name))
		n.in("bridge", fmt.Sprintf("ip link set p%d master br0; ip link set p%d up", i, i))
		n.in(name, "ip link set lan up")
	}
	n.in("good", "ip addr add 10.77.0.1/24 dev lan")
	n.in("rogue", "ip addr add 10.77.0.66/24 dev lan")
	tg := target("", "module", "dhcp", "interface", "lan", "servers", "10.77.0.1", "wait", "1500ms")

	s := n.probe("client", tg)
	want(t, s, 0, "probe_success")
	want(t, s, 0, "faultline_dhcp_servers")
	want(t, s, 1, "faultline_probe_failure_info", "reason", "timeout")

	n.dnsmasq("good", "lan", "10.77.0.100", "10.77.0.120", "10.77.0.1")
	for begin := time.Now(); time.Since(begin) < 20*time.Second; {
		if s = n.probe("client", tg); has(s, "probe_success", 1) {
			break
		}
	}
	want(t, s, 1, "probe_success")
	want(t, s, 1, "faultline_dhcp_servers")
	want(t, s, 0, "faultline_dhcp_unexpected_servers")
	want(t, s, 1, "faultline_dhcp_offer_info", "server", "10.77.0.1")
	if v, ok := s.value("faultline_dhcp_offer_seconds"); !ok || v <= 0 || v > 1.5 {
		t.Errorf("offered after %v %v", v, ok)
	}

	n.dnsmasq("rogue", "lan", "10.77.0.200", "10.77.0.220", "10.77.0.66")
	for begin := time.Now(); time.Since(begin) < 20*time.Second; {
		if s = n.probe("client", tg); has(s, "faultline_dhcp_servers", 2) {
			break
		}
	}
	want(t, s, 1, "probe_success")
	want(t, s, 1, "faultline_dhcp_unexpected_servers")
	found := false
	for _, sm := range s.samples {
		if sm.Labels.Name() == "faultline_dhcp_offer_info" && sm.Labels.Get("server") == "10.77.0.66" {
			_, err := net.ParseMAC(sm.Labels.Get("mac"))
			found = err == nil && sm.Labels.Get("expected") == "false" && sm.Labels.Get("gateway") == "10.77.0.66"
		}
	}
	if !found {
		t.Errorf("the stranger is not named: %v", s.samples)
	}
	// Without saying which, the only interface is taken; a wrong name is said.
	want(t, n.probe("client", target("", "module", "dhcp", "wait", "1s")), 1, "probe_success")
	wrong := n.command("client", order{Target: target("nosuch0", "module", "dhcp")})
	wrong.Stderr = nil
	if out, err := wrong.CombinedOutput(); err == nil || !strings.Contains(string(out), `no interface "nosuch0"`) {
		t.Errorf("a wrong interface: %v %s", err, out)
	}
}
