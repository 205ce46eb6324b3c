//go:build linux

package database_test

import (
	"bytes"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

const (
	adminPassword   = "admin-password-of-tests"
	monitorPassword = "monitor-password-of-tests"
)

// scratch is where templates of servers lie for the time of the tests.
var scratch = sync.OnceValues(func() (string, error) {
	dir, err := os.MkdirTemp("", "faultline-database-")
	if err != nil {
		return "", err
	}
	return dir, os.Chmod(dir, 0o755) // servers run as other users
})

func TestMain(m *testing.M) {
	code := m.Run()
	if dir, err := scratch(); err == nil {
		_ = os.RemoveAll(dir)
	}
	os.Exit(code)
}

// errMissing says that a server's programs are not installed.
var errMissing = errors.New("missing")

// skipOrFail ends a test whose server could not be started.
func skipOrFail(t *testing.T, err error) {
	t.Helper()
	if errors.Is(err, errMissing) && os.Getenv("CI") != "true" {
		t.Skip(err)
	}
	t.Fatal(err)
}

// server is one private server.
type server struct {
	t    *testing.T
	dir  string // holds data and log
	port int
	args []string
	attr *syscall.SysProcAttr
	cmd  *exec.Cmd
	done chan struct{} // closed when cmd has ended
}

func (s *server) address() string { return net.JoinHostPort("127.0.0.1", strconv.Itoa(s.port)) }

// run starts the server's program and waits until ready says that it answers.
func (s *server) run(ready func() error) {
	s.t.Helper()
	s.launch()
	var err error
	deadline := time.Now().Add(30 * time.Second)
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for err = ready(); err != nil; err = ready() {
		select {
		case <-s.done:
			s.t.Fatalf("%s ended: %v\n%s", s.args[0], err, s.log())
		case <-tick.C:
		}
		if time.Now().After(deadline) {
			s.t.Fatalf("%s does not answer: %v\n%s", s.args[0], err, s.log())
		}
	}
}

// launch starts the program and does not wait.
func (s *server) launch() {
	s.t.Helper()
	log, err := os.OpenFile(filepath.Join(s.dir, "log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		s.t.Fatal(err)
	}
	defer log.Close()
	s.cmd = exec.Command(s.args[0], s.args[1:]...)
	s.cmd.Dir, s.cmd.SysProcAttr, s.cmd.Stdout, s.cmd.Stderr = s.dir, s.attr, log, log
	if err := s.cmd.Start(); err != nil {
		s.t.Fatal(err)
	}
	s.done = make(chan struct{})
	go func(cmd *exec.Cmd, done chan struct{}) { _ = cmd.Wait(); close(done) }(s.cmd, s.done)
}

// stop ends the server.
func (s *server) stop(sig syscall.Signal) {
	if s.cmd == nil {
		return
	}
	_ = s.cmd.Process.Signal(syscall.SIGCONT)
	_ = s.cmd.Process.Signal(sig)
	select {
	case <-s.done:
	case <-time.After(20 * time.Second):
		_ = s.cmd.Process.Kill()
		<-s.done
	}
	s.cmd = nil
}

func (s *server) log() string {
	b, _ := os.ReadFile(filepath.Join(s.dir, "log"))
	return string(b)
}

// freeze stops or continues the server and its children.
func (s *server) freeze(sig syscall.Signal) {
	s.t.Helper()
	for _, pid := range append(children(s.cmd.Process.Pid), s.cmd.Process.Pid) {
		if err := syscall.Kill(pid, sig); err != nil && !errors.Is(err, syscall.ESRCH) {
			s.t.Fatal(err)
		}
		until(s.t, "the process has stopped or goes on", func() bool {
			b, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
			return err != nil || bytes.Contains(b, []byte(") T ")) == (sig == syscall.SIGSTOP)
		})
	}
}

func children(pid int) []int {
	b, _ := os.ReadFile(fmt.Sprintf("/proc/%d/task/%d/children", pid, pid))
	var out []int
	for _, f := range bytes.Fields(b) {
		n, _ := strconv.Atoi(string(f))
		out = append(out, n)
	}
	return out
}

func freePort(t *testing.T) int {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port
}

// copyTree copies a server's data, owners and modes included.
func copyTree(t *testing.T, from, to string) {
	t.Helper()
	if out, err := exec.Command("cp", "-a", from, to).CombinedOutput(); err != nil {
		t.Fatalf("copy %s: %v: %s", from, err, out)
	}
}

// owner returns how to run a server that refuses to run as root, as the user.
func owner(name string) (*syscall.SysProcAttr, func(string) error, error) {
	if os.Geteuid() != 0 {
		return &syscall.SysProcAttr{}, func(string) error { return nil }, nil
	}
	u, err := user.Lookup(name)
	if err != nil {
		return nil, nil, fmt.Errorf("%w: user %s", errMissing, name)
	}
	uid, err1 := strconv.Atoi(u.Uid)
	gid, err2 := strconv.Atoi(u.Gid)
	attr := &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}}
	return attr, func(path string) error { return os.Chown(path, uid, gid) }, errors.Join(err1, err2)
}

// programs finds the newest directory that matches the pattern.
func programs(pattern, hint string) (string, error) {
	found, _ := filepath.Glob(pattern)
	if len(found) == 0 {
		return "", fmt.Errorf("%w: %s (apt-get install %s)", errMissing, pattern, hint)
	}
	slices.Sort(found)
	return filepath.Dir(found[len(found)-1]), nil
}

// serverDir makes a directory that a server's user may enter.
func serverDir(t *testing.T) string {
	t.Helper()
	top, err := scratch()
	if err != nil {
		t.Fatal(err)
	}
	dir, err := os.MkdirTemp(top, strings.Map(func(r rune) rune {
		if r == '/' || r == ' ' {
			return '-'
		}
		return r
	}, t.Name())+"-")
	if err == nil {
		err = os.Chmod(dir, 0o755)
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	return dir
}

// listen takes connections and says nothing.
func listen(t *testing.T) int { return serve(t, "") }

// serve sends a greeting to everybody and keeps the connection until the test
// ends.
func serve(t *testing.T, greeting string) int {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	t.Cleanup(func() { _ = l.Close(); <-done })
	go func() {
		defer close(done)
		var open []net.Conn
		for {
			c, err := l.Accept()
			if err != nil {
				break
			}
			_, _ = c.Write([]byte(greeting))
			open = append(open, c)
		}
		for _, c := range open {
			_ = c.Close()
		}
	}()
	return l.Addr().(*net.TCPAddr).Port
}
