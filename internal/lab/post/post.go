// Package post is a real mail server for tests: Debian's Postfix takes mail by
// SMTP and puts it into Maildirs, Debian's Dovecot hands it out by IMAP over
// TLS. Both run privately, on free loopback ports, in a directory of their own,
// and end with the test. It is no part of the product.
package post

import (
	"bytes"
	"fmt"
	"net"
	"net/http/httptest"
	"net/smtp"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"crypto/x509"
	"encoding/pem"

	"github.com/jhillyerd/enmime/v2"

	"github.com/faultline/faultline/internal/lab/need"
)

// The two mailboxes, and the password of both.
const (
	Ours     = "ours"
	Vendors  = "vendors"
	Password = "not-a-secret"
)

// Office is a running mail server.
type Office struct {
	SMTP   string // host:port, without TLS
	IMAP   string // host:port, TLS first
	CAFile string // certificate that IMAP's is signed by
	dir    string
	t      testing.TB
}

// Open starts the server. Mail for ours (an address, with or without +something)
// goes to the mailbox Ours, all other to Vendors.
func Open(t testing.TB, ours string) *Office {
	t.Helper()
	if os.Geteuid() != 0 {
		need.Missing(t, "Postfix and Dovecot start as root only")
	}
	for _, p := range []string{"postfix", "dovecot"} {
		if _, err := exec.LookPath(p); err != nil {
			need.Missing(t, "%s is not installed: apt-get install postfix dovecot-imapd", p)
		}
	}
	// Not t.TempDir: its parents are closed to the servers' own users, and its
	// path is too long for their sockets.
	dir, err := os.MkdirTemp("", "post-")
	if err != nil {
		t.Fatal(err)
	}
	o := &Office{dir: dir, t: t, SMTP: free(t), IMAP: free(t), CAFile: filepath.Join(dir, "ca.pem")}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	o.must(os.Chmod(dir, 0o755))
	owner, err := user.Lookup("nobody")
	o.must(err)
	o.must(os.MkdirAll(filepath.Join(dir, "mail"), 0o777))
	o.must(os.Chmod(filepath.Join(dir, "mail"), 0o777))
	o.certificate()
	o.postfix(ours, owner)
	o.dovecot(owner)
	for _, addr := range []string{o.SMTP, o.IMAP} {
		o.answers(addr)
	}
	return o
}

func (o *Office) must(err error) {
	o.t.Helper()
	if err != nil {
		o.t.Fatal(err)
	}
}

func (o *Office) path(parts ...string) string {
	return filepath.Join(append([]string{o.dir}, parts...)...)
}

func (o *Office) write(name, text string) {
	o.t.Helper()
	o.must(os.MkdirAll(filepath.Dir(o.path(name)), 0o755))
	o.must(os.WriteFile(o.path(name), []byte(text), 0o644))
}

// free is a loopback address nobody listens on.
func free(t testing.TB) string {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = ln.Close() }()
	return ln.Addr().String()
}

// certificate is the one Go's tests have, for 127.0.0.1.
func (o *Office) certificate() {
	o.t.Helper()
	s := httptest.NewTLSServer(nil)
	defer s.Close()
	c := s.TLS.Certificates[0]
	key, err := x509.MarshalPKCS8PrivateKey(c.PrivateKey)
	o.must(err)
	pub := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: c.Certificate[0]})
	o.write("ca.pem", string(pub))
	o.write("key.pem", string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: key})))
}

// postfix writes its configuration and starts it.
func (o *Office) postfix(ours string, owner *user.User) {
	o.t.Helper()
	name, domain, _ := strings.Cut(ours, "@")
	o.write("etc/boxes", "/^"+regexp.QuoteMeta(name)+`(\+.*)?@`+regexp.QuoteMeta(domain)+"$/ "+Ours+"/\n")
	o.write("etc/main.cf", strings.Join([]string{"compatibility_level = 3.6", "queue_directory = " + o.path("spool"), "data_directory = " + o.path("lib"), "maillog_file = " + o.path("postfix.log"),
		"maillog_file_prefixes = /", "inet_interfaces = 127.0.0.1", "inet_protocols = ipv4", "mydestination =", "myhostname = mx.test", "mynetworks = 127.0.0.0/8", "local_recipient_maps =",
		"virtual_mailbox_domains = static:all", "virtual_mailbox_maps = regexp:" + o.path("etc", "boxes") + ", static:" + Vendors + "/", "virtual_mailbox_base = " + o.path("mail"),
		"virtual_uid_maps = static:" + owner.Uid, "virtual_gid_maps = static:" + owner.Gid, "virtual_minimum_uid = 1", "prepend_delivered_header = file, forward", "smtpd_recipient_restrictions = permit_mynetworks, reject",
		"alias_maps =", "alias_database =", "smtputf8_enable = yes", ""}, "\n"))
	_, port, _ := net.SplitHostPort(o.SMTP)
	o.write("etc/master.cf", "127.0.0.1:"+port+` inet n - n - - smtpd
postlog unix-dgram n - n - 1 postlogd
pickup unix n - n 60 1 pickup
cleanup unix n - n - 0 cleanup
qmgr unix n - n 300 1 qmgr
rewrite unix - - n - - trivial-rewrite
bounce unix - - n - 0 bounce
defer unix - - n - 0 bounce
trace unix - - n - 0 bounce
verify unix - - n - 1 verify
flush unix n - n 1000? 0 flush
proxymap unix - - n - - proxymap
error unix - - n - - error
retry unix - - n - - error
discard unix - - n - - discard
virtual unix - n n - - virtual
anvil unix - - n - 1 anvil
scache unix - - n - 1 scache
`)
	o.must(os.MkdirAll(o.path("spool"), 0o755))
	o.must(os.MkdirAll(o.path("lib"), 0o755))
	if u, err := user.Lookup("postfix"); err == nil {
		out, err := exec.Command("chown", u.Uid, o.path("lib")).CombinedOutput()
		if err != nil {
			o.t.Fatalf("chown: %s", out)
		}
	}
	o.run("postfix.out", "postfix", "-c", o.path("etc"), "start-fg")
	o.t.Cleanup(func() { // its master has a process group of its own
		out, err := exec.Command("postfix", "-c", o.path("etc"), "abort").CombinedOutput()
		if err != nil {
			o.t.Logf("end postfix: %v %s", err, out)
		}
	})
}

// dovecot writes its configuration and starts it.
func (o *Office) dovecot(owner *user.User) {
	o.t.Helper()
	_, port, _ := net.SplitHostPort(o.IMAP)
	o.write("dovecot.conf", fmt.Sprintf(`base_dir = %[1]s/run
state_dir = %[1]s/state
log_path = %[1]s/dovecot.log
protocols = imap
listen = 127.0.0.1
ssl = required
ssl_cert = <%[1]s/ca.pem
ssl_key = <%[1]s/key.pem
mail_location = maildir:%[1]s/mail/%%n
first_valid_uid = 1
mailbox_list_index = no
passdb {
  driver = static
  args = password=%[4]s
}
userdb {
  driver = static
  args = uid=%[2]s gid=%[3]s home=%[1]s/mail/%%n
}
service imap-login {
  chroot =
  inet_listener imap {
    port = 0
  }
  inet_listener imaps {
    address = 127.0.0.1
    port = %[5]s
  }
}
`, o.dir, owner.Uid, owner.Gid, Password, port))
	o.run("dovecot.out", "dovecot", "-F", "-c", o.path("dovecot.conf"))
}

// run starts a program that ends with the test.
func (o *Office) run(log, program string, args ...string) {
	o.t.Helper()
	out, err := os.Create(o.path(log))
	o.must(err)
	cmd := exec.Command(program, args...)
	cmd.Stdout, cmd.Stderr = out, out
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	o.must(cmd.Start())
	o.t.Cleanup(func() {
		_ = syscall.Kill(-cmd.Process.Pid, syscall.SIGTERM)
		gone := make(chan struct{})
		go func() { defer close(gone); _ = cmd.Wait() }()
		select {
		case <-gone:
		case <-time.After(10 * time.Second):
			_ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL)
			<-gone
		}
		_ = out.Close()
		if o.t.Failed() {
			for _, name := range []string{log, strings.TrimSuffix(log, ".out") + ".log"} {
				if b, err := os.ReadFile(o.path(name)); err == nil {
					o.t.Logf("%s:\n%s", name, b[max(0, len(b)-3000):])
				}
			}
		}
	})
}

// answers waits until somebody listens.
func (o *Office) answers(addr string) {
	o.t.Helper()
	deadline := time.Now().Add(60 * time.Second)
	for {
		c, err := net.DialTimeout("tcp", addr, time.Second)
		if err == nil {
			_ = c.Close()
			return
		}
		if time.Now().After(deadline) {
			o.t.Fatalf("mail server: %v", err)
		}
		time.Sleep(20 * time.Millisecond)
	}
}

// Mail is one mail in a mailbox.
type Mail struct {
	At  time.Time // when it was put there
	Raw []byte
	*enmime.Envelope
}

// Mails are those of a mailbox, oldest first, as their reader's program sees them.
func (o *Office) Mails(box string) []Mail {
	o.t.Helper()
	var out []Mail
	for _, dir := range []string{"new", "cur"} {
		names, err := filepath.Glob(o.path("mail", box, dir, "*"))
		o.must(err)
		for _, name := range names {
			raw, err := os.ReadFile(name)
			info, errStat := os.Stat(name)
			if err != nil || errStat != nil {
				continue // just being moved
			}
			env, err := enmime.ReadEnvelope(bytes.NewReader(raw))
			o.must(err)
			out = append(out, Mail{info.ModTime(), raw, env})
		}
	}
	slices.SortFunc(out, func(a, b Mail) int { return a.At.Compare(b.At) })
	return out
}

// Send hands a mail to the server as a mail program does.
func (o *Office) Send(from, to string, raw []byte) {
	o.t.Helper()
	o.must(smtp.SendMail(o.SMTP, nil, from, []string{to}, raw))
}

// Answer sends what a mail program makes of "reply": to the Reply-To, with the
// message answered and quoted.
func (o *Office) Answer(m Mail, from, text string) {
	o.t.Helper()
	to := m.GetHeader("Reply-To")
	if to == "" {
		to = m.GetHeader("From")
	}
	to = strings.Trim(to[strings.LastIndex(to, "<")+1:], "<> ")
	id := m.GetHeader("Message-ID")
	var b strings.Builder
	fmt.Fprintf(&b, "From: =?UTF-8?B?5byg5bel?= <%s>\r\nTo: %s\r\nSubject: =?UTF-8?B?5Zue5aSNOg==?=\r\nMessage-ID: <%d.answer@%s>\r\nIn-Reply-To: %s\r\nReferences: %s\r\nDate: %s\r\nMIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n\r\n%s\r\n\r\n------------------ 原始邮件 ------------------\r\n",
		from, to, time.Now().UnixNano(), "vendor.test", id, id, time.Now().Format(time.RFC1123Z), text)
	for line := range strings.Lines(m.Text) {
		b.WriteString("> " + strings.TrimRight(line, "\r\n") + "\r\n")
	}
	o.Send(from, to, []byte(b.String()))
}
