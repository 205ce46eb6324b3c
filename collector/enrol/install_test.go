//go:build unix

package enrol_test

import (
	"context"
	"crypto/sha256"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/alecthomas/kong"

	agentenrol "github.com/faultline/faultline/agent/enrol"
	"github.com/faultline/faultline/collector/enrol"
	"github.com/faultline/faultline/internal/pki"
	"github.com/faultline/faultline/internal/secret"
)

// TestMain lets this test program play the agent that installers fetch: the real
// enrolment, without the rest of an agent.
func TestMain(m *testing.M) {
	if os.Getenv("FAULTLINE_TEST_AGENT") == "" {
		os.Exit(m.Run())
	}
	var c struct {
		Enrol struct {
			URL, Data, Config, Name, Proxy string
		} `cmd:""`
	}
	kong.Parse(&c)
	tok, err := pki.ParseToken(os.Getenv("FAULTLINE_ENROL_TOKEN"))
	if err == nil {
		_, err = agentenrol.Enrol(context.Background(), agentenrol.Options{URL: c.Enrol.URL, Token: tok, Dir: c.Enrol.Data, Name: c.Enrol.Name, Proxy: secret.String(c.Enrol.Proxy), Patience: time.Nanosecond})
	}
	if err == nil {
		err = os.WriteFile(c.Enrol.Config, []byte("agent: "+c.Enrol.Name+"\n"), 0o644)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	os.Exit(0)
}

// withInstaller adds an installer whose program is this test.
func withInstaller(t testing.TB, f *fixture, o *enrol.Options) string {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	program := "#!/bin/sh\nFAULTLINE_TEST_AGENT=1 exec '" + self + "' \"$@\"\n"
	if err := os.WriteFile(filepath.Join(dir, "faultline-agent-linux-"+runtime.GOARCH), []byte(program), 0o644); err != nil {
		t.Fatal(err)
	}
	address := "https://" + f.srv.Listener.Addr().String()
	if f.installer, err = enrol.NewInstaller(address, dir, pki.Fingerprint(f.authority.Certificate)); err != nil {
		t.Fatal(err)
	}
	o.Installer = f.installer
	return dir
}

func run(t *testing.T, name string, args ...string) (string, error) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), name, args...)
	cmd.Env = append(os.Environ(), "LC_ALL=C.UTF-8", "HTTPS_PROXY=", "https_proxy=")
	out, err := cmd.CombinedOutput()
	return string(out), err
}

// The whole line that a person pastes, but for sudo: it fetches the script over
// TLS, compares its checksum, installs below a directory and enrols for real.
func TestInstallLine(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("the installer is for Linux")
	}
	var dir string
	f := newFixture(t, func(f *fixture, o *enrol.Options) { dir = withInstaller(t, f, o) })
	root := t.TempDir()
	line := func(tok pki.Token, more string) string {
		s, err := f.installer.Line("linux", tok)
		if err != nil {
			t.Fatal(err)
		}
		return strings.Replace(s, "sudo sh", "sh", 1) + " --root " + root + " " + more
	}
	tok := f.token("branch-1", "")
	if out, err := run(t, "sh", "-c", line(tok, "--name box-1")); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	id, err := agentenrol.Open(filepath.Join(root, "var/lib/faultline-agent"))
	if err != nil {
		t.Fatal(err)
	}
	if agent, site := id.Agent(); agent != "box-1" || site != "branch-1" {
		t.Errorf("enrolled as %s of %s", agent, site)
	}
	if a, err := get(f.link(id), workPath); err != nil || string(a.Body) != "box-1 of branch-1" {
		t.Errorf("the installed agent: %v %s", err, a.Text())
	}
	if fi, err := os.Stat(filepath.Join(root, "var/lib/faultline-agent")); err != nil || fi.Mode().Perm() != 0o700 {
		t.Errorf("data directory: %v %v", fi.Mode(), err)
	}
	before, _ := os.ReadFile(filepath.Join(root, "var/lib/faultline-agent/identity.pem"))
	// Again without a token: an upgrade. Identity and configuration stay.
	script, err := f.installer.Script(enrol.PathInstallSh)
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "i.sh")
	if err := os.WriteFile(path, script, 0o644); err != nil {
		t.Fatal(err)
	}
	if out, err := run(t, "sh", path, "--root", root); err != nil || !strings.Contains(out, "already enrolled") {
		t.Errorf("upgrade: %v\n%s", err, out)
	}
	if after, _ := os.ReadFile(filepath.Join(root, "var/lib/faultline-agent/identity.pem")); string(after) != string(before) {
		t.Error("an upgrade changed the identity")
	}
	for _, c := range []struct{ name, line, want string }{
		{"used token", line(tok, "--name box-2"), "token has been used"},
		{"a script that was changed on the way", strings.Replace(line(f.token("branch-1", ""), ""), "echo \"", "echo \"0", 1), "sha256sum"},
		{"another collector's token", line(pki.NewToken(strings.Repeat("0", 64), time.Now()), ""), "another collector"},
		{"unknown option", line(f.token("branch-1", ""), "--what"), "unknown option"},
	} {
		if out, err := run(t, "sh", "-c", c.line); err == nil || !strings.Contains(out, c.want) {
			t.Errorf("%s: %v, want %q\n%s", c.name, err, c.want, out)
		}
	}
	// A file that is not what the script was made with.
	name := filepath.Join(dir, "faultline-agent-linux-"+runtime.GOARCH)
	if err := os.WriteFile(name, []byte("#!/bin/sh\necho other\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	if out, err := run(t, "sh", path, "--root", root); err == nil || !strings.Contains(out, "wrong checksum") {
		t.Errorf("a changed program was installed: %v\n%s", err, out)
	}
	if b, _ := os.ReadFile(filepath.Join(root, "usr/local/bin/faultline-agent")); !strings.Contains(string(b), "FAULTLINE_TEST_AGENT") {
		t.Error("the program in place was replaced by one of a wrong checksum")
	}
}

// In a mount namespace with a root of its own the script runs as it does for
// real: its own paths, its own user.
func TestInstallInNamespace(t *testing.T) {
	if os.Getuid() != 0 || runtime.GOOS != "linux" {
		t.Skip("needs root on Linux, for a mount namespace")
	}
	f := newFixture(t, func(f *fixture, o *enrol.Options) { withInstaller(t, f, o) })
	line, err := f.installer.Line("linux", f.token("branch-1", "ns-1"))
	if err != nil {
		t.Fatal(err)
	}
	line = strings.Replace(line, "sudo sh", "sh", 1) + " --no-service"
	base := t.TempDir()
	inside := `set -e
mount -t tmpfs none "$1"
mkdir "$1/up" "$1/work" "$1/root"
mount -t overlay overlay -o "lowerdir=/,upperdir=$1/up,workdir=$1/work" "$1/root"
mount --rbind /proc "$1/root/proc"
mount --rbind /dev "$1/root/dev"
mount --bind /tmp "$1/root/tmp"
chroot "$1/root" sh -c "$2"
chroot "$1/root" stat -c '%a %U' /var/lib/faultline-agent /var/lib/faultline-agent/identity.pem /usr/local/bin/faultline-agent`
	out, err := run(t, "unshare", "--mount", "--propagation", "private", "sh", "-c", inside, "sh", base, line)
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	if !strings.Contains(out, "700 faultline-agent\n600 faultline-agent\n755 root\n") {
		t.Errorf("modes and owners:\n%s", out)
	}
	if _, err := f.store.EnrolledAgent(t.Context(), "ns-1"); err != nil {
		t.Error(err)
	}
	if _, err := os.Stat("/usr/local/bin/faultline-agent"); err == nil {
		t.Error("the namespace leaked into this machine")
	}
}

// The script parses under each shell there is, and is clean to shellcheck where
// that is installed.
func TestInstallScriptIsSound(t *testing.T) {
	f := newFixture(t, func(f *fixture, o *enrol.Options) { withInstaller(t, f, o) })
	script, err := f.installer.Script(enrol.PathInstallSh)
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "install.sh")
	if err := os.WriteFile(path, script, 0o644); err != nil {
		t.Fatal(err)
	}
	checks := [][]string{{"sh", "-n", path}, {"dash", "-n", path}, {"bash", "-n", path}, {"busybox", "sh", "-n", path}, {"shellcheck", "-s", "sh", path}}
	for _, c := range checks {
		if _, err := exec.LookPath(c[0]); err != nil {
			t.Logf("%s is not installed", c[0])
			continue
		}
		if out, err := run(t, c[0], c[1:]...); err != nil {
			t.Errorf("%s: %v\n%s", strings.Join(c[:len(c)-1], " "), err, out)
		}
	}
	ps, err := f.installer.Script(enrol.PathInstallPs1)
	if err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string]string{"install.sh": string(script), "install.ps1": string(ps)} {
		if !strings.Contains(text, f.svc.Pin()) || !strings.Contains(text, f.srv.Listener.Addr().String()) || strings.Contains(text, "{{") {
			t.Errorf("%s is not filled in", name)
		}
	}
	for _, pair := range []string{"()", "{}", "[]"} {
		if strings.Count(string(ps), pair[:1]) != strings.Count(string(ps), pair[1:]) {
			t.Errorf("install.ps1: %s do not match", pair)
		}
	}
	line, err := f.installer.Line("windows", f.token("branch-1", ""))
	if err != nil || !strings.Contains(line, fmt.Sprintf("%X", sha256.Sum256(ps))) {
		t.Errorf("the line for Windows lacks the script's checksum: %s %v", line, err)
	}
}

func TestInstallerServes(t *testing.T) {
	var dir string
	f := newFixture(t, func(f *fixture, o *enrol.Options) { dir = withInstaller(t, f, o) })
	if err := os.WriteFile(filepath.Join(filepath.Dir(dir), "secret"), []byte("x"), 0o600); err != nil {
		t.Fatal(err)
	}
	c := f.link(credential{authority: f.authority})
	name := "faultline-agent-linux-" + runtime.GOARCH
	want, err := os.ReadFile(filepath.Join(dir, name))
	if err != nil {
		t.Fatal(err)
	}
	for _, x := range []struct {
		path   string
		status int
		body   string
	}{
		{"/install/" + name, 200, string(want)},
		{"/install/SHA256SUMS", 200, fmt.Sprintf("%x  %s\n", sha256.Sum256(want), name)},
		{"/install/..%2fsecret", 404, ""}, {"/install/.hidden", 404, ""}, {"/install/none", 404, ""},
	} {
		a, err := get(c, x.path)
		if err != nil || a.Status != x.status || x.body != "" && string(a.Body) != x.body {
			t.Errorf("%s: %v %d %s, want %d", x.path, err, a.Status, a.Text(), x.status)
		}
	}
	for _, bad := range []string{"http://hq:1", "https://hq/$(x)", "https://hq/'x", "", "https://"} {
		if _, err := enrol.NewInstaller(bad, dir, f.svc.Pin()); err == nil {
			t.Errorf("%q was taken as the collector's address", bad)
		}
	}
}

// Through a proxy that alone knows the collector's name, as HTTPS_PROXY says and
// as an option says; the token goes only through the tunnel.
func TestProxy(t *testing.T) {
	f := newFixture(t, nil)
	var tunnels atomic.Int32
	proxy := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodConnect || r.Host != "hq.example:443" {
			t.Errorf("the proxy was asked for %s %s", r.Method, r.Host)
			http.Error(w, "no", http.StatusForbidden)
			return
		}
		tunnels.Add(1)
		tunnel(w, f.srv.Listener.Addr().String())
	}))
	defer proxy.Close()
	dir, machine := t.TempDir(), ""
	if _, err := agentenrol.Enrol(t.Context(), agentenrol.Options{URL: "https://hq.example", Token: f.token("branch-1", ""), Dir: dir, Name: "p1", Machine: &machine,
		Proxy: secret.String(proxy.URL), Patience: time.Nanosecond}); err != nil {
		t.Fatal(err)
	}
	id, err := agentenrol.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	if url, through := id.URL(); url != "https://hq.example" || through.Reveal() != proxy.URL {
		t.Errorf("the way is not remembered: %s", url)
	}
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), self, "enrol", "--url=https://hq.example:443", "--data="+t.TempDir(), "--config="+filepath.Join(t.TempDir(), "c"), "--name=p2")
	cmd.Env = append(os.Environ(), "FAULTLINE_TEST_AGENT=1", "FAULTLINE_ENROL_TOKEN="+f.token("branch-1", "").Text(), "HTTPS_PROXY="+proxy.URL, "NO_PROXY=")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Errorf("%v\n%s", err, out)
	}
	if _, err := f.store.EnrolledAgent(t.Context(), "p2"); err != nil || tunnels.Load() < 2 {
		t.Errorf("as HTTPS_PROXY says: %v, %d tunnels", err, tunnels.Load())
	}
}

func tunnel(w http.ResponseWriter, to string) {
	up, err := net.Dial("tcp", to)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadGateway)
		return
	}
	defer func() { _ = up.Close() }()
	down, buf, err := http.NewResponseController(w).Hijack()
	if err != nil {
		return
	}
	defer func() { _ = down.Close() }()
	_, _ = io.WriteString(down, "HTTP/1.1 200 Connection established\r\n\r\n")
	go func() {
		_, _ = io.Copy(up, buf)
		_ = up.Close()
	}()
	_, _ = io.Copy(down, up)
}
