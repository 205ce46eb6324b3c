package probe_test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/faultline/faultline/agent/input/probe"
	"github.com/faultline/faultline/agent/reflect"
	"github.com/faultline/faultline/plugins/base"
)

// insideEnv tells a copy of this test program what to do in a namespace.
const insideEnv = "FAULTLINE_PROBE_INSIDE"

// order is what a copy is to do: reflect at an address, or probe a target.
type order struct {
	Reflect string
	Target  base.Target
}

// TestInside is the copy's part; by itself it has nothing to do.
func TestInside(t *testing.T) {
	text := os.Getenv(insideEnv)
	if text == "" {
		return
	}
	var o order
	if err := json.Unmarshal([]byte(text), &o); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	if o.Reflect != "" {
		r, err := reflect.New(reflect.Options{Listen: o.Reflect, Token: reflectToken})
		if err != nil {
			t.Fatal(err)
		}
		fmt.Println("ready")
		go func() {
			_, _ = io.Copy(io.Discard, os.Stdin)
			cancel()
		}()
		if err := r.Run(ctx); !errors.Is(err, context.Canceled) {
			t.Fatal(err)
		}
		return
	}
	s := &sink{}
	if err := probe.New(probe.Options{}).Gather(ctx, o.Target, s); err != nil {
		t.Fatal(err)
	}
	out, err := json.Marshal(s.samples)
	if err != nil {
		t.Fatal(err)
	}
	fmt.Printf("samples %s\n", out)
}

// networks are namespaces of one test.
type networks struct {
	t      *testing.T
	prefix string
}

// newNetworks makes namespaces by their short names; it needs root.
func newNetworks(t *testing.T, names ...string) *networks {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("network namespaces need root")
	}
	for _, name := range []string{"ip", "nft"} {
		if _, err := exec.LookPath(name); err != nil {
			if os.Getenv("CI") == "true" {
				t.Fatalf("%s is not installed (Debian packages iproute2, nftables)", name)
			}
			t.Skipf("%s is not installed (Debian packages iproute2, nftables)", name)
		}
	}
	n := &networks{t: t, prefix: fmt.Sprintf("flprobe%d-", os.Getpid())}
	for _, name := range names {
		n.run("ip netns add " + n.prefix + name)
		t.Cleanup(func() { _ = exec.Command("ip", "netns", "del", n.prefix+name).Run() })
		n.in(name, "ip link set lo up")
	}
	return n
}

func (n *networks) run(command string) {
	n.t.Helper()
	if out, err := exec.Command("sh", "-ec", command).CombinedOutput(); err != nil {
		n.t.Fatalf("%s: %v\n%s", command, err, out)
	}
}

// in runs commands, one a line, in a namespace.
func (n *networks) in(name, commands string) {
	n.t.Helper()
	n.run("ip netns exec " + n.prefix + name + " sh -ec '" + commands + "'")
}

// join connects two namespaces; an end is "namespace device address".
func (n *networks) join(a, b string) {
	n.t.Helper()
	x, y := strings.Fields(a), strings.Fields(b)
	n.run(fmt.Sprintf("ip link add %s netns %s type veth peer name %s netns %s", x[1], n.prefix+x[0], y[1], n.prefix+y[0]))
	for _, e := range [][]string{x, y} {
		n.in(e[0], fmt.Sprintf("ip addr add %s dev %s; ip link set %s up", e[2], e[1], e[1]))
	}
}

func (n *networks) command(name string, o order) *exec.Cmd {
	text, err := json.Marshal(o)
	if err != nil {
		n.t.Fatal(err)
	}
	cmd := exec.Command("ip", "netns", "exec", n.prefix+name, os.Args[0], "-test.run=^TestInside$")
	cmd.Env = append(os.Environ(), insideEnv+"="+string(text))
	cmd.Stderr = os.Stderr
	return cmd
}

// probe probes from a namespace and returns what was found.
func (n *networks) probe(name string, tg base.Target) *sink {
	n.t.Helper()
	out, err := n.command(name, order{Target: tg}).Output()
	if err != nil {
		n.t.Fatalf("probe from %s: %v\n%s", name, err, out)
	}
	s := &sink{}
	for line := range bytes.Lines(out) {
		if rest, ok := bytes.CutPrefix(line, []byte("samples ")); ok {
			if err := json.Unmarshal(rest, &s.samples); err != nil {
				n.t.Fatal(err)
			}
		}
	}
	if len(s.samples) == 0 {
		n.t.Fatalf("probe from %s: %s", name, out)
	}
	return s
}

// start runs a command until the test ends; it ends with its standard input.
func (n *networks) start(cmd *exec.Cmd, ready string) {
	n.t.Helper()
	in, err := cmd.StdinPipe()
	if err != nil {
		n.t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		n.t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		n.t.Fatal(err)
	}
	n.t.Cleanup(func() {
		in.Close()
		_ = cmd.Wait()
	})
	lines := bufio.NewScanner(out)
	for lines.Scan() {
		if strings.Contains(lines.Text(), ready) {
			go func() { _, _ = io.Copy(io.Discard, out) }()
			return
		}
	}
	n.t.Fatalf("%v ended", cmd.Args)
}

// company is head office, a branch, and two lines between their routers; the
// branch answers over line a always.
func company(t *testing.T) *networks {
	n := newNetworks(t, "hq", "r1", "r2", "far")
	n.join("hq lan 10.0.9.10/24", "r1 lan 10.0.9.1/24")
	n.join("r1 wa 172.16.9.1/30", "r2 wa 172.16.9.2/30")
	n.join("r1 wb 172.17.9.1/30", "r2 wb 172.17.9.2/30")
	n.join("r2 lan 10.9.9.1/24", "far lan 10.9.9.10/24")
	for _, r := range []string{"r1", "r2"} {
		n.in(r, "sysctl -qw net.ipv4.ip_forward=1 net.ipv4.conf.all.rp_filter=0; nft add table ip t; nft add chain ip t f { type filter hook forward priority 0 \\; }; nft add chain ip t o { type filter hook output priority 0 \\; }")
	}
	n.in("hq", "ip route add default via 10.0.9.1")
	n.in("far", "ip route add default via 10.9.9.1")
	n.in("r1", "ip route add 10.9.9.0/24 via 172.16.9.2")
	n.in("r2", "ip route add 10.0.9.0/24 via 172.16.9.1")
	n.start(n.command("far", order{Reflect: ":8862"}), "ready")
	return n
}

// flush takes the rules of a router away.
func (n *networks) flush(router string) {
	n.in(router, "nft flush chain ip t f; nft flush chain ip t o")
}

func near(t *testing.T, s *sink, value, off float64, name string) {
	t.Helper()
	if v, ok := s.value(name); !ok || v < value-off || v > value+off {
		t.Errorf("%s = %v %v, want %v", name, v, ok, value)
	}
}

// TestNetworks has the kernel lose, cut and divert packets between namespaces.
func TestNetworks(t *testing.T) {
	n := company(t)
	branch := target("10.9.9.10", "module", "line", "count", "50", "spacing", "5ms", "timeout", "300ms", "reflect_port", "8862", "token", reflectToken)

	t.Run("sound", func(t *testing.T) {
		s := n.probe("hq", branch)
		for _, name := range []string{"faultline_probe_loss_ratio", "faultline_probe_loss_to_ratio", "faultline_probe_loss_from_ratio", "faultline_probe_large_loss_ratio", "faultline_probe_large_loss_to_ratio", "faultline_probe_large_loss_from_ratio"} {
			want(t, s, 0, name)
		}
		want(t, s, 1500, "faultline_probe_path_mtu_bytes")
	})
	t.Run("detour", func(t *testing.T) {
		tg := target("10.9.9.10", "module", "line", "count", "2", "elsewhere", "172.17.9.1,172.17.9.2")
		want(t, n.probe("hq", tg), 0, "faultline_probe_detour")
		n.in("r2", "ip route replace 10.0.9.0/24 via 172.17.9.1")
		defer n.in("r2", "ip route replace 10.0.9.0/24 via 172.16.9.1")
		s := n.probe("hq", tg)
		want(t, s, 1, "faultline_probe_detour")
		want(t, s, 1, "faultline_probe_recorded_route_info", "route", "10.0.9.10 172.16.9.1 10.9.9.1 10.9.9.10 10.9.9.10 172.17.9.2 10.0.9.1 10.0.9.10")
	})
	t.Run("loss there", func(t *testing.T) {
		defer n.flush("r1")
		for _, protocol := range []string{"udp", "icmp"} {
			n.in("r1", "nft add rule ip t f ip daddr 10.9.9.10 meta l4proto "+protocol+" numgen inc mod 5 == 0 drop")
		}
		s := n.probe("hq", branch)
		near(t, s, 0.2, 0.03, "faultline_probe_loss_ratio")
		near(t, s, 0.2, 0.03, "faultline_probe_loss_to_ratio")
		near(t, s, 0, 0, "faultline_probe_loss_from_ratio")
	})
	t.Run("loss back", func(t *testing.T) {
		defer n.flush("r2")
		for _, protocol := range []string{"udp", "icmp"} {
			n.in("r2", "nft add rule ip t f ip daddr 10.0.9.10 meta l4proto "+protocol+" numgen inc mod 10 \\< 3 drop")
		}
		s := n.probe("hq", branch)
		near(t, s, 0.3, 0.05, "faultline_probe_loss_ratio")
		near(t, s, 0, 0, "faultline_probe_loss_to_ratio")
		near(t, s, 0.3, 0.05, "faultline_probe_loss_from_ratio")
	})
	t.Run("large packets vanish there", func(t *testing.T) {
		defer n.flush("r1")
		n.in("r1", "nft add rule ip t f ip daddr 10.9.9.10 meta length \\> 1437 drop")
		s := n.probe("hq", branch)
		want(t, s, 0, "faultline_probe_loss_ratio")
		want(t, s, 1, "faultline_probe_large_loss_ratio")
		want(t, s, 1437, "faultline_probe_path_mtu_bytes")
		want(t, s, 1, "faultline_probe_large_loss_to_ratio")
	})
	t.Run("large packets vanish on the way back", func(t *testing.T) {
		defer n.flush("r2")
		n.in("r2", "nft add rule ip t f ip daddr 10.0.9.10 meta length \\> 1400 drop")
		s := n.probe("hq", branch)
		want(t, s, 1400, "faultline_probe_path_mtu_bytes")
		want(t, s, 0, "faultline_probe_large_loss_to_ratio")
		want(t, s, 1, "faultline_probe_large_loss_from_ratio")
	})
	t.Run("a smaller MTU on the line", func(t *testing.T) {
		n.in("r1", "ip link set wa mtu 1400")
		n.in("r2", "ip link set wa mtu 1400")
		want(t, n.probe("hq", branch), 1400, "faultline_probe_path_mtu_bytes")
	})
}
