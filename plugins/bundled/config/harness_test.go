package config_test

import (
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"encoding/pem"
	"fmt"
	"net"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"testing"
	"time"

	"golang.org/x/crypto/ssh"

	"github.com/faultline/faultline/plugins/base"
	"github.com/faultline/faultline/plugins/bundled/config"
)

// sink keeps what a reading tells.
type sink struct {
	samples []base.Sample
	events  []base.Event
}

func (s *sink) Sample(sm base.Sample) { s.samples = append(s.samples, sm) }

// Block keeps nothing: configurations are no tables.
func (s *sink) Block(base.Block) {}

func (s *sink) Event(e base.Event) { s.events = append(s.events, e) }

func (s *sink) value(name string) (float64, bool) {
	for _, sm := range s.samples {
		if sm.Labels.Name() == name {
			return sm.Value, true
		}
	}
	return 0, false
}

func want(t *testing.T, s *sink, value float64, name string) {
	t.Helper()
	if v, ok := s.value(name); !ok || v != value {
		t.Errorf("%s = %v %v, want %v", name, v, ok, value)
	}
}

// program returns the path of a Debian program, or skips; in CI its absence is a
// failure.
func program(t *testing.T, name, pkg string) string {
	t.Helper()
	for _, dir := range []string{"", "/usr/sbin/", "/sbin/", "/usr/lib/frr/"} {
		if p, err := exec.LookPath(dir + name); err == nil {
			return p
		}
	}
	if os.Getenv("CI") == "true" {
		t.Fatalf("%s is not installed (Debian package %s)", name, pkg)
	}
	t.Skipf("%s is not installed (Debian package %s)", name, pkg)
	return ""
}

// device is Debian's sshd in the place of a device's.
type device struct {
	t       *testing.T
	dir     string
	addr    string
	keyFile string
	cmd     *exec.Cmd
}

// newKey writes a private key and returns its public half in authorized_keys form.
func newKey(t *testing.T, file string) []byte {
	t.Helper()
	public, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	block, err := ssh.MarshalPrivateKey(private, "")
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, pem.EncodeToMemory(block), 0o600); err != nil {
		t.Fatal(err)
	}
	key, err := ssh.NewPublicKey(public)
	if err != nil {
		t.Fatal(err)
	}
	return ssh.MarshalAuthorizedKey(key)
}

// start starts sshd with a command in place of the shell.
func start(t *testing.T, command string) *device {
	t.Helper()
	program(t, "sshd", "openssh-server")
	d := &device{t: t, dir: t.TempDir()}
	d.keyFile = filepath.Join(d.dir, "user_key")
	d.write("authorized_keys", string(newKey(t, d.keyFile)))
	newKey(t, filepath.Join(d.dir, "host_key"))
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	d.addr = l.Addr().String()
	l.Close()
	_, port, _ := net.SplitHostPort(d.addr)
	d.write("sshd_config", fmt.Sprintf("ListenAddress 127.0.0.1\nPort %s\nHostKey %s/host_key\nPidFile none\nUsePAM no\nStrictModes no\nPermitRootLogin yes\nPasswordAuthentication no\n"+
		"AuthorizedKeysFile %s/authorized_keys\nSetEnv ROUTER=%s\nForceCommand %s\n", port, d.dir, d.dir, d.dir, command))
	if os.Geteuid() == 0 {
		if err := os.MkdirAll("/run/sshd", 0o755); err != nil { // sshd insists
			t.Fatal(err)
		}
	}
	d.run()
	return d
}

// run starts the server, again after stop.
func (d *device) run() {
	d.t.Helper()
	d.cmd = exec.Command(program(d.t, "sshd", "openssh-server"), "-D", "-e", "-f", filepath.Join(d.dir, "sshd_config"))
	log, err := os.Create(filepath.Join(d.dir, "sshd.log"))
	if err != nil {
		d.t.Fatal(err)
	}
	d.cmd.Stderr = log
	if err := d.cmd.Start(); err != nil {
		d.t.Fatal(err)
	}
	d.t.Cleanup(d.stop)
	for begin := time.Now(); time.Since(begin) < 20*time.Second; time.Sleep(10 * time.Millisecond) {
		if c, err := net.Dial("tcp", d.addr); err == nil {
			c.Close()
			return
		}
	}
	b, _ := os.ReadFile(log.Name())
	d.t.Fatalf("sshd does not listen: %s", b)
}

func (d *device) stop() {
	_ = d.cmd.Process.Kill()
	_ = d.cmd.Wait()
}

func (d *device) write(name, text string) {
	d.t.Helper()
	if err := os.WriteFile(filepath.Join(d.dir, name), []byte(text), 0o600); err != nil {
		d.t.Fatal(err)
	}
}

// router starts the emulated command line.
func router(t *testing.T, style, text string) *device {
	t.Helper()
	program(t, "bash", "bash")
	script, err := filepath.Abs("testdata/router.sh")
	if err != nil {
		t.Fatal(err)
	}
	d := start(t, "/bin/bash "+script)
	d.write("style", style)
	d.write("enable", "en4ble")
	d.write("config", text)
	return d
}

func (d *device) target(vendor string, options ...string) base.Target {
	u, err := user.Current()
	if err != nil {
		d.t.Fatal(err)
	}
	o := map[string]string{"vendor": vendor, "username": u.Username, "key_file": d.keyFile}
	for i := 0; i < len(options); i += 2 {
		o[options[i]] = options[i+1]
	}
	return base.Target{ID: "core1/config", Input: "config", Address: d.addr, Options: o, Labels: map[string]string{"device": "core1"}}
}

func open(t *testing.T, o config.Options) *config.Input {
	t.Helper()
	if o.Dir == "" {
		o.Dir = filepath.Join(t.TempDir(), "config")
	}
	in, err := config.New(o)
	if err != nil {
		t.Fatal(err)
	}
	return in
}

func gather(t *testing.T, in *config.Input, tg base.Target) (*sink, error) {
	t.Helper()
	if err := in.CheckTarget(tg); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	s := &sink{}
	err := in.Gather(ctx, tg, s)
	return s, err
}

// mustGather gathers from a device that answers.
func mustGather(t *testing.T, in *config.Input, tg base.Target) *sink {
	t.Helper()
	s, err := gather(t, in, tg)
	if err != nil {
		t.Fatal(err)
	}
	return s
}
