package config_test

import (
	"crypto/ed25519"
	"crypto/rand"
	"crypto/rsa"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/fstest"

	"golang.org/x/crypto/ssh"

	"github.com/faultline/faultline/plugins/base"
	"github.com/faultline/faultline/plugins/bundled/config"
)

// oldDevice is an SSH server in this program, for what sshd cannot be made to
// do without changing the host's accounts: passwords, old algorithms.
type oldDevice struct {
	config ssh.ServerConfig
	answer string // to any command
}

func (o *oldDevice) start(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go o.serve(c)
		}
	}()
	return l.Addr().String()
}

func (o *oldDevice) serve(c net.Conn) {
	defer c.Close()
	_, channels, requests, err := ssh.NewServerConn(c, &o.config)
	if err != nil {
		return
	}
	go ssh.DiscardRequests(requests)
	for nc := range channels {
		ch, requests, err := nc.Accept()
		if err != nil {
			return
		}
		for r := range requests {
			_ = r.Reply(r.Type == "exec", nil)
			if r.Type == "exec" {
				_, _ = io.WriteString(ch, o.answer)
				_, _ = ch.SendRequest("exit-status", false, []byte{0, 0, 0, 0})
				ch.Close()
			}
		}
	}
}

func newOldDevice(t *testing.T) *oldDevice {
	t.Helper()
	_, key, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	signer, err := ssh.NewSignerFromKey(key)
	if err != nil {
		t.Fatal(err)
	}
	o := &oldDevice{answer: "# 2026-11-22 10:11:12 by RouterOS 7.16\r\n/interface bridge\r\nadd name=b\r\n"}
	o.config.AddHostKey(signer)
	return o
}

func target(addr string, options ...string) base.Target {
	o := map[string]string{"vendor": "mikrotik", "username": "admin"}
	for i := 0; i < len(options); i += 2 {
		o[options[i]] = options[i+1]
	}
	return base.Target{ID: "t", Input: "config", Address: addr, Options: o}
}

var errNo = errors.New("no")

func TestPasswords(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "password"), []byte("hunter2\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	plain := newOldDevice(t)
	plain.config.PasswordCallback = func(c ssh.ConnMetadata, p []byte) (*ssh.Permissions, error) {
		if c.User() != "admin" || string(p) != "hunter2" {
			return nil, errNo
		}
		return nil, nil
	}
	asking := newOldDevice(t)
	asking.config.KeyboardInteractiveCallback = func(_ ssh.ConnMetadata, ask ssh.KeyboardInteractiveChallenge) (*ssh.Permissions, error) {
		answers, err := ask("", "", []string{"Login domain: ", "Password: "}, []bool{true, false})
		if err != nil || answers[0] != "" || answers[1] != "hunter2" {
			return nil, errNo
		}
		return nil, nil
	}
	for name, o := range map[string]*oldDevice{"password": plain, "keyboard-interactive": asking} {
		addr := o.start(t)
		for _, options := range [][]string{{"password", "hunter2"}, {"password_file", "password"}, {"password_file", filepath.Join(dir, "password")}} {
			s := mustGather(t, open(t, config.Options{SecretDir: dir}), target(addr, options...))
			want(t, s, 2, "faultline_config_lines")
		}
		_, err := gather(t, open(t, config.Options{}), target(addr, "password", "wrong"))
		if err == nil || !strings.Contains(err.Error(), "refuses user admin") || strings.Contains(err.Error(), "wrong") {
			t.Errorf("%s: error %v", name, err)
		}
	}
	for _, file := range []string{"../password", "/etc/hostname", "nothing"} {
		if _, err := gather(t, open(t, config.Options{SecretDir: dir}), target("127.0.0.1:1", "password_file", file)); err == nil || !strings.Contains(err.Error(), "password_file") {
			t.Errorf("%s: error %v", file, err)
		}
	}
}

// TestLegacy logs in to a device that knows old algorithms only.
func TestLegacy(t *testing.T) {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	signer, err := ssh.NewSignerFromKey(key)
	if err != nil {
		t.Fatal(err)
	}
	old, err := ssh.NewSignerWithAlgorithms(signer.(ssh.AlgorithmSigner), []string{ssh.KeyAlgoRSA})
	if err != nil {
		t.Fatal(err)
	}
	o := &oldDevice{answer: "#\n/x\n"}
	o.config.AddHostKey(old)
	o.config.NoClientAuth = true
	o.config.KeyExchanges, o.config.Ciphers, o.config.MACs = []string{"diffie-hellman-group1-sha1"}, []string{"aes128-cbc"}, []string{"hmac-sha1-96"}
	addr := o.start(t)
	if _, err := gather(t, open(t, config.Options{}), target(addr, "password", "x")); err == nil || !strings.Contains(err.Error(), "option legacy") {
		t.Errorf("error %v", err)
	}
	in := open(t, config.Options{})
	mustGather(t, in, target(addr, "password", "x", "legacy", "true"))
	mustGather(t, in, target(addr, "password", "x", "legacy", "true")) // by the key it now knows
}

func TestBounds(t *testing.T) {
	o := newOldDevice(t)
	o.config.NoClientAuth = true
	dir := filepath.Join(t.TempDir(), "config")
	in := open(t, config.Options{Dir: dir, MaxBytes: 2000, Keep: 3})
	addr := o.start(t)
	tg := target(addr, "password", "x")
	for i := range 6 {
		o.answer = fmt.Sprintf("#\n/x\nadd n=%d\n", i)
		mustGather(t, in, tg)
	}
	checkFiles(t, dir, 3)
	o.answer = strings.Repeat("#\n", 2000)
	if _, err := gather(t, in, tg); err == nil || !strings.Contains(err.Error(), "larger than 2000 bytes") {
		t.Errorf("error %v", err)
	}
	o.answer = ""
	if _, err := gather(t, in, tg); err == nil || !strings.Contains(err.Error(), "says nothing") {
		t.Errorf("error %v", err)
	}
	// A state that cannot be read costs the memory of the last reading only.
	state, err := filepath.Glob(filepath.Join(dir, "versions", "*", "state.json"))
	if err != nil || len(state) != 1 {
		t.Fatal(state, err)
	}
	if err := os.WriteFile(state[0], []byte("{"), 0o600); err != nil {
		t.Fatal(err)
	}
	o.answer = "#\n/x\n"
	if s := mustGather(t, in, tg); len(s.events) > 0 {
		t.Errorf("events %v", s.events)
	}
}

// TestOwnVendor adds a vendor of the operator's.
func TestOwnVendor(t *testing.T) {
	o := newOldDevice(t)
	o.config.NoClientAuth = true
	o.answer = "uptime 5\nname x\n"
	in := open(t, config.Options{Vendors: fstest.MapFS{"acme.yaml": {Data: []byte("names: [acme]\nmode: exec\ncommand: print config\nvolatile: ['^uptime ']\n")}}})
	tg := target(o.start(t), "vendor", "acme", "password", "x")
	mustGather(t, in, tg)
	o.answer = "uptime 6\nname x\n"
	if s := mustGather(t, in, tg); len(s.events) > 0 {
		t.Errorf("events %v", s.events)
	}
}

func TestCheckTarget(t *testing.T) {
	in := open(t, config.Options{})
	for _, c := range []struct {
		name   string
		target base.Target
		want   string
	}{
		{"fine", target("h", "password", "x"), ""},
		{"vendor", target("h", "password", "x", "vendor", "acme"), `vendor "acme": want one of arista-eos, cisco-asa`},
		{"no secret", target("h"), "one of password, password_file and key_file"},
		{"two", target("h", "password", "x", "password_file", "y"), "only one of"},
		{"user", target("h", "password", "x", "username", ""), "username is missing"},
		{"typo", target("h", "password", "x", "hostkey", "y"), `option "hostkey"`},
		{"host key", target("h", "password", "x", "host_key", "MD5:aa"), "want a fingerprint"},
		{"legacy", target("h", "password", "x", "legacy", "maybe"), "legacy"},
		{"address", target("", "password", "x"), "address"},
		{"port", target("h:0", "password", "x"), "address"},
	} {
		err := in.CheckTarget(c.target)
		if c.want == "" && err != nil || c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)) {
			t.Errorf("%s: error %v, want %q", c.name, err, c.want)
		}
	}
	for name, o := range map[string]config.Options{"no directory": {}, "too small": {Dir: t.TempDir(), MaxBytes: 1}, "one version": {Dir: t.TempDir(), Keep: 1}} {
		if _, err := config.New(o); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}
