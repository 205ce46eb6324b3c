package uplink

import (
	"bufio"
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"math"
	"math/rand/v2"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/net/icmp"
	"golang.org/x/net/ipv4"
	"golang.org/x/sys/unix"

	"github.com/faultline/faultline/agent/link"
	"github.com/faultline/faultline/agent/spool"
	"github.com/faultline/faultline/internal/lab/need"
	"github.com/faultline/faultline/internal/selfmetric"
)

const (
	cutSendTo = "UPLINK_TEST_SEND_TO" // tells a copy of this program where to send
	cutBeat   = 250 * time.Millisecond
	cutServer = "10.98.2.2"
)

// TestCutSender is the copy's part: an uplink that has something to send four times
// a second, and tells of its requests. By itself it has nothing to do.
func TestCutSender(t *testing.T) {
	url := os.Getenv(cutSendTo)
	if url == "" {
		return
	}
	client, err := link.New(link.Options{URL: url, TLS: &tls.Config{InsecureSkipVerify: true, MinVersion: tls.VersionTLS12}})
	if err != nil {
		t.Fatal(err)
	}
	s, err := spool.Open(spool.Options{Dir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	u, err := New(Options{Spool: s, Link: client})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	go func() { _, _ = io.Copy(io.Discard, os.Stdin); cancel() }()
	var all sync.WaitGroup
	all.Go(func() { tellRequests(ctx, u.met) })
	all.Go(func() {
		for n := 0; ctx.Err() == nil; n++ {
			addSample(t, s, "m", float64(n))
			pause(ctx, cutBeat)
		}
	})
	if err := u.Run(ctx); err != nil {
		t.Error(err)
	}
	all.Wait()
}

// tellRequests prints each request's seconds and whether it was answered.
func tellRequests(ctx context.Context, m *meters) {
	total, failed := 0.0, 0.0
	for ; ctx.Err() == nil; pause(ctx, 5*time.Millisecond) {
		seconds, none := selfmetric.Sum(m.seconds), selfmetric.Sum(m.requests.WithLabelValues("samples", "none"))
		if seconds != total {
			fmt.Printf("request %.3f %v\n", seconds-total, none == failed)
		}
		total, failed = seconds, none
	}
}

func pause(ctx context.Context, d time.Duration) {
	select {
	case <-ctx.Done():
	case <-time.After(d):
	}
}

// TestSilentLineCut cuts a routed line without a word, mends it, and measures from
// the first ping across it to the first accepted request. FAULTLINE_CUTS is how
// often (1); the length of a cut is random, up to FAULTLINE_CUT_SECONDS (3).
func TestSilentLineCut(t *testing.T) {
	n := newCutNetwork(t)
	received := make(chan time.Time, 1000)
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		(&receiver{}).ServeHTTP(w, r)
		received <- time.Now()
	}))
	_ = server.Listener.Close()
	n.inside("server", func() (err error) {
		server.Listener, err = net.Listen("tcp4", cutServer+":0")
		return err
	})
	server.StartTLS()
	defer server.Close()
	requests := n.sender(server.URL)
	pings := n.ping(cutServer)
	await(t, received, time.Now())
	cuts, longest := setting(t, "FAULTLINE_CUTS", 1), setting(t, "FAULTLINE_CUT_SECONDS", 3)
	var worst time.Duration
	for range cuts {
		pause(t.Context(), time.Duration(rand.IntN(1000))*time.Millisecond)
		n.run("ip -n " + n.name("router") + " route add blackhole " + cutServer + "/32")
		cut := time.Now()
		silent(t, pings)
		length := time.Duration(1000+rand.IntN(1000*max(longest-1, 1))) * time.Millisecond
		pause(t.Context(), length)
		mended := time.Now()
		n.run("ip -n " + n.name("router") + " route del blackhole " + cutServer + "/32")
		pinged := await(t, pings, mended)
		again := await(t, received, mended)
		delay := max(again.Sub(pinged), 0)
		t.Logf("cut for %.1f s: sending again %.2f s after the first ping", mended.Sub(cut).Seconds(), delay.Seconds())
		worst = max(worst, delay)
	}
	var failed []time.Duration
	for len(requests) > 0 {
		failed = append(failed, <-requests)
	}
	slices.Sort(failed)
	if len(failed) == 0 {
		failed = []time.Duration{0} // a cut of few seconds is over before a request is given up
	}
	slowest := failed[len(failed)-1]
	t.Logf("%d cuts: sending again at most %.2f s after a ping; %d requests without an answer: half took at most %.2f s, all at most %.2f s",
		cuts, worst.Seconds(), len(failed), failed[len(failed)/2].Seconds(), slowest.Seconds())
	if worst > 20*time.Second || slowest > 20*time.Second { // a loaded machine is slow, not wrong: the figures are in docs/figures.md
		t.Errorf("%v and %v", worst, slowest)
	}
}

func setting(t *testing.T, name string, normal int) int {
	n, err := strconv.Atoi(os.Getenv(name))
	if err != nil && os.Getenv(name) != "" {
		t.Fatalf("%s: %v", name, err)
	}
	if n == 0 {
		return normal
	}
	return n
}

// await returns the first moment after since.
func await(t *testing.T, moments <-chan time.Time, since time.Time) time.Time {
	t.Helper()
	deadline := time.After(time.Minute)
	for {
		select {
		case at := <-moments:
			if at.After(since) {
				return at
			}
		case <-deadline:
			t.Fatal("nothing came across the line within a minute")
		}
	}
}

// silent returns when no ping has been answered for half a second.
func silent(t *testing.T, pings <-chan time.Time) {
	t.Helper()
	deadline := time.After(30 * time.Second)
	for {
		select {
		case <-pings:
		case <-time.After(500 * time.Millisecond):
			return
		case <-deadline:
			t.Fatal("pings go on: the line is not cut")
		}
	}
}

// cutNetwork is an agent's namespace, a router's and a collector's.
type cutNetwork struct{ t *testing.T }

func newCutNetwork(t *testing.T) cutNetwork {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("network namespaces need root")
	}
	if _, err := exec.LookPath("ip"); err != nil {
		need.Missing(t, "ip is not installed (Debian package iproute2)")
	}
	n := cutNetwork{t}
	for _, name := range []string{"agent", "router", "server"} {
		n.run("ip netns add " + n.name(name) + " && ip -n " + n.name(name) + " link set lo up")
		t.Cleanup(func() { _ = exec.Command("ip", "netns", "del", n.name(name)).Run() })
	}
	for i, end := range []string{"agent", "server"} {
		n.run(fmt.Sprintf(`ip -n %[1]s link add v0 type veth peer name v%[3]d netns %[2]s
			ip -n %[1]s addr add 10.98.%[3]d.2/24 dev v0; ip -n %[2]s addr add 10.98.%[3]d.1/24 dev v%[3]d
			ip -n %[1]s link set v0 up; ip -n %[2]s link set v%[3]d up
			ip -n %[1]s route add default via 10.98.%[3]d.1`, n.name(end), n.name("router"), i+1))
	}
	n.run("ip netns exec " + n.name("router") + " sh -c 'echo 1 >/proc/sys/net/ipv4/ip_forward'")
	return n
}

func (n cutNetwork) name(short string) string { return fmt.Sprintf("flcut%d-%s", os.Getpid(), short) }

func (n cutNetwork) run(command string) {
	n.t.Helper()
	if out, err := exec.Command("sh", "-ec", command).CombinedOutput(); err != nil {
		n.t.Fatalf("%s: %v\n%s", command, err, out)
	}
}

// inside runs fn in a namespace; sockets it opens stay there.
func (n cutNetwork) inside(short string, fn func() error) {
	n.t.Helper()
	done := make(chan error)
	go func() { // the thread ends with the goroutine, locked
		runtime.LockOSThread()
		there, err := os.Open("/run/netns/" + n.name(short))
		if err == nil {
			defer there.Close()
			if err = unix.Setns(int(there.Fd()), unix.CLONE_NEWNET); err == nil {
				err = fn()
			}
		}
		done <- err
	}()
	if err := <-done; err != nil {
		n.t.Fatalf("namespace %s: %v", short, err)
	}
}

// sender starts the copy and returns how long requests without an answer took.
func (n cutNetwork) sender(url string) <-chan time.Duration {
	cmd := exec.Command("ip", "netns", "exec", n.name("agent"), os.Args[0], "-test.run=^TestCutSender$", "-test.v")
	cmd.Env = append(os.Environ(), cutSendTo+"="+url)
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
	failed, read := make(chan time.Duration, 10000), make(chan struct{})
	go func() {
		defer close(read)
		for lines := bufio.NewScanner(out); lines.Scan(); {
			f := strings.Fields(lines.Text())
			if len(f) == 3 && f[0] == "request" && f[2] == "false" {
				s, _ := strconv.ParseFloat(f[1], 64)
				failed <- time.Duration(math.Round(s * float64(time.Second)))
			}
		}
	}()
	n.t.Cleanup(func() {
		_ = in.Close()
		<-read
		if err := cmd.Wait(); err != nil {
			n.t.Errorf("sender: %v", err)
		}
	})
	return failed
}

// ping asks for an echo twenty times a second and returns when answers came.
func (n cutNetwork) ping(address string) <-chan time.Time {
	var c *icmp.PacketConn
	n.inside("agent", func() (err error) {
		c, err = icmp.ListenPacket("ip4:icmp", "0.0.0.0")
		return err
	})
	ctx, cancel := context.WithCancel(n.t.Context())
	var both sync.WaitGroup
	answers := make(chan time.Time, 100000)
	both.Go(func() {
		for i := 0; ctx.Err() == nil; i++ {
			m := icmp.Message{Type: ipv4.ICMPTypeEcho, Body: &icmp.Echo{ID: os.Getpid() & 0xffff, Seq: i & 0xffff}}
			if b, err := m.Marshal(nil); err == nil {
				_, _ = c.WriteTo(b, &net.IPAddr{IP: net.ParseIP(address)})
			}
			pause(ctx, 50*time.Millisecond)
		}
	})
	both.Go(func() {
		for b := make([]byte, 1500); ctx.Err() == nil; {
			size, from, err := c.ReadFrom(b)
			if err == nil && size > 0 && b[0] == byte(ipv4.ICMPTypeEchoReply) && from.String() == address {
				answers <- time.Now()
			}
		}
	})
	n.t.Cleanup(func() { cancel(); _ = c.Close(); both.Wait() })
	return answers
}
