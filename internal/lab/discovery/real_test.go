package discovery

import (
	"context"
	"encoding/json"
	"fmt"
	"io/fs"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/faultline/faultline/agent/discover"
	"github.com/faultline/faultline/internal/profile"
	"github.com/faultline/faultline/rules"
)

// inside tells the test program that it runs in a namespace, and where to write
// what it finds there.
const inside = "FAULTLINE_DISCOVER_INSIDE"

// program returns the path of a Debian program, or skips the test; in CI its
// absence is a failure.
func program(t *testing.T, name, pkg string) string {
	t.Helper()
	for _, dir := range []string{"", "/usr/sbin/", "/sbin/"} {
		if p, err := exec.LookPath(dir + name); err == nil {
			return p
		}
	}
	missing(t, name+" is not installed (Debian package "+pkg+")")
	return ""
}

func missing(t *testing.T, what string) {
	t.Helper()
	if os.Getenv("CI") == "true" {
		t.Fatal(what)
	}
	t.Skip(what)
}

// site is a network of namespaces: a router, a switch that is a Linux bridge, and
// a server, each with snmpd and with lldpd as its AgentX agent.
type site struct {
	t      *testing.T
	dir    string
	prefix string
	snmpd  string
	lldpd  string
}

func (s *site) sh(args ...string) {
	s.t.Helper()
	if out, err := exec.CommandContext(s.t.Context(), args[0], args[1:]...).CombinedOutput(); err != nil {
		s.t.Fatalf("%s: %v\n%s", strings.Join(args, " "), err, out)
	}
}

// ip runs ip in a node.
func (s *site) ip(node string, args ...string) {
	s.t.Helper()
	s.sh(append([]string{"ip", "-n", s.prefix + node}, args...)...)
}

func (s *site) node(name string) {
	s.t.Helper()
	s.sh("ip", "netns", "add", s.prefix+name)
	s.t.Cleanup(func() { _ = exec.CommandContext(context.Background(), "ip", "netns", "del", s.prefix+name).Run() })
	s.ip(name, "link", "set", "lo", "up")
}

func (s *site) wire(a, ai, b, bi string) {
	s.t.Helper()
	s.sh("ip", "link", "add", ai, "netns", s.prefix+a, "type", "veth", "peer", "name", bi, "netns", s.prefix+b)
	s.ip(a, "link", "set", ai, "up")
	s.ip(b, "link", "set", bi, "up")
}

// start runs a command in a node with a /run of its own until the test ends. The
// node's name stands in its /etc/hosts: lldpd asks for it every time it looks at
// itself, and stands still while no server of names answers.
func (s *site) start(node, command string) {
	s.t.Helper()
	hosts := filepath.Join(s.dir, node+".hosts")
	if err := os.WriteFile(hosts, []byte("127.0.0.1 localhost "+node+"\n"), 0o644); err != nil {
		s.t.Fatal(err)
	}
	log, err := os.OpenFile(filepath.Join(s.dir, node+".log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		s.t.Fatal(err)
	}
	defer log.Close()
	cmd := exec.Command("ip", "netns", "exec", s.prefix+node, "unshare", "--uts", "--pid", "--fork", "--kill-child", "--mount-proc", "sh", "-c",
		"hostname "+node+"; mount --bind "+hosts+" /etc/hosts; mount -t tmpfs tmpfs /run; mkdir -p /run/lldpd; "+command)
	cmd.Stdout, cmd.Stderr = log, log
	if err := cmd.Start(); err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
		if s.t.Failed() {
			text, _ := os.ReadFile(log.Name())
			s.t.Logf("%s:\n%s", node, text)
		}
	})
}

// serve starts snmpd and lldpd in a node.
func (s *site) serve(node, descr string) {
	s.t.Helper()
	dir := filepath.Join(s.dir, node)
	if err := os.MkdirAll(dir, 0o755); err != nil {
		s.t.Fatal(err)
	}
	conf := fmt.Sprintf("agentAddress udp:161\nsysName %s\nsysDescr %s\nrocommunity labpub\nmaster agentx\nagentXSocket %s/agentx\nagentXPerms 0777 0777\n", node, descr, dir)
	if err := os.WriteFile(filepath.Join(dir, "snmpd.conf"), []byte(conf), 0o600); err != nil {
		s.t.Fatal(err)
	}
	s.start(node, fmt.Sprintf("export SNMP_PERSISTENT_DIR=%[1]s MIBS=; %[2]s -f -m '' -Lo -C -c %[1]s/snmpd.conf & i=0; while [ $i -lt 100 ] && ! [ -S %[1]s/agentx ]; do sleep 0.1; i=$((i+1)); done; "+
		"%[3]s -d -x -X %[1]s/agentx -u %[1]s/lldpd.socket & while sleep 2; do lldpcli -u %[1]s/lldpd.socket update; done", dir, s.snmpd, s.lldpd))
}

// newSite brings the network up.
func newSite(t *testing.T) *site {
	if os.Geteuid() != 0 {
		missing(t, "network namespaces need root")
	}
	program(t, "ip", "iproute2")
	program(t, "lldpcli", "lldpd")
	// Short names: interfaces and sockets have little room for them.
	dir, err := os.MkdirTemp("", "fldisc")
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(dir, 0o755); err != nil { // lldpd's helper is another user
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	s := &site{t: t, dir: dir, prefix: fmt.Sprintf("fldisc%d-", os.Getpid()), snmpd: program(t, "snmpd", "snmpd"), lldpd: program(t, "lldpd", "lldpd")}
	for _, n := range []string{"rtr", "sw", "srv"} {
		s.node(n)
	}
	s.wire("rtr", "lan0", "sw", "p1")
	s.wire("srv", "eth0", "sw", "p2")
	s.ip("sw", "link", "add", "br0", "type", "bridge", "stp_state", "0")
	s.ip("sw", "link", "set", "br0", "up")
	s.ip("sw", "link", "set", "p1", "master", "br0")
	s.ip("sw", "link", "set", "p2", "master", "br0")
	s.ip("sw", "addr", "add", "10.77.0.2/24", "dev", "br0")
	s.ip("sw", "route", "add", "default", "via", "10.77.0.1")
	s.ip("rtr", "addr", "add", "10.77.0.1/24", "dev", "lan0")
	s.ip("rtr", "addr", "add", "10.78.0.1/32", "dev", "lo")
	s.sh("ip", "netns", "exec", s.prefix+"rtr", "sysctl", "-qw", "net.ipv4.ip_forward=1")
	s.ip("srv", "addr", "add", "10.77.0.3/24", "dev", "eth0")
	s.ip("srv", "route", "add", "default", "via", "10.77.0.1")
	s.serve("rtr", "Linux router")
	s.serve("sw", "Linux switch")
	s.serve("srv", "Linux server")
	return s
}

// finding is what the program inside writes.
type finding struct {
	Devices []struct {
		ID, Kind  string
		Roles     []string
		Addresses []string
		Self      bool
		Parents   []struct {
			AnyOf      []string `json:"any_of"`
			Confidence string
		}
	}
	Links []struct {
		A, B       struct{ Device, Port string }
		Confidence string
	}
	Conflicts []struct{ Text string }
	Strangers []struct{ Name string }
}

func (f *finding) told() []string {
	var lines []string
	for _, d := range f.Devices {
		lines = append(lines, fmt.Sprintf("%s %s %v %v self=%v", d.ID, d.Kind, d.Roles, d.Addresses, d.Self))
		for _, p := range d.Parents {
			lines = append(lines, fmt.Sprintf("%s by %s %s", d.ID, strings.Join(p.AnyOf, "|"), p.Confidence))
		}
	}
	for _, l := range f.Links {
		lines = append(lines, fmt.Sprintf("%s %s - %s %s %s", l.A.Device, l.A.Port, l.B.Device, l.B.Port, l.Confidence))
	}
	for _, c := range f.Conflicts {
		lines = append(lines, "conflict "+c.Text)
	}
	for _, s := range f.Strangers {
		lines = append(lines, "stranger "+s.Name)
	}
	return lines
}

// TestRealNeighbours sweeps snmpd and lldpd from the server's namespace.
func TestRealNeighbours(t *testing.T) {
	if out := os.Getenv(inside); out != "" {
		sweepInside(t, out)
		return
	}
	s := newSite(t)
	want := []string{
		"rtr router [gateway] [10.78.0.1 10.77.0.1] self=false",
		"sw switch [] [10.77.0.2] self=false", "sw by rtr high",
		"srv server [] [10.77.0.3] self=true", "srv by sw high",
		"rtr lan0 - sw p1 high", "sw p2 - srv eth0 high",
	}
	slices.Sort(want)
	var got []string
	for begin := time.Now(); time.Since(begin) < 60*time.Second; { // lldpd needs a while to tell its neighbours to snmpd
		out := filepath.Join(s.dir, "found.json")
		cmd := exec.CommandContext(t.Context(), "ip", "netns", "exec", s.prefix+"srv", os.Args[0], "-test.run", "^TestRealNeighbours$", "-test.v")
		cmd.Env = append(os.Environ(), inside+"="+out)
		if text, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("inside: %v\n%s", err, text)
		}
		raw, err := os.ReadFile(out)
		if err != nil {
			t.Fatal(err)
		}
		var f finding
		if err := json.Unmarshal(raw, &f); err != nil {
			t.Fatal(err)
		}
		got = f.told()
		slices.Sort(got)
		if slices.Equal(got, want) {
			return
		}
	}
	t.Errorf("-want +got\n%s", cmp.Diff(want, got))
}

func sweepInside(t *testing.T, out string) {
	dir, err := fs.Sub(rules.FS(), "profiles")
	if err != nil {
		t.Fatal(err)
	}
	profiles, err := profile.Load(dir)
	if err != nil {
		t.Fatal(err)
	}
	r, err := discover.Run(t.Context(), discover.Options{Networks: []netip.Prefix{netip.MustParsePrefix("10.77.0.0/29"), netip.MustParsePrefix("10.78.0.1/32")},
		Credentials: []discover.Credential{{Community: "labpub"}}, Profiles: profiles, NoNames: true, Timeout: 700 * time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	text, err := r.Write(r.Propose(""), discover.Paper{JSON: true, Now: time.Now()})
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(out, text, 0o600); err != nil {
		t.Fatal(err)
	}
}
