package main

import (
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"slices"
	"strconv"
	"syscall"
	"time"
)

// private is a server of our own on the loopback; its user is not root.
type private struct {
	dir  string // holds its data and its log
	port int
	user string
	args []string
	cmd  *exec.Cmd
	done chan struct{}
}

// newPrivate prepares a directory that the user owns, and a port.
func newPrivate(name string) (*private, error) {
	dir, err := os.MkdirTemp("", "foreignrules-"+name+"-")
	if err != nil {
		return nil, err
	}
	p := &private{dir: dir, user: name}
	if attr := p.attr(); attr.Credential != nil {
		err = os.Chown(dir, int(attr.Credential.Uid), int(attr.Credential.Gid))
	}
	if err != nil {
		return nil, err
	}
	if err := os.Chmod(dir, 0o755); err != nil {
		return nil, err
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	p.port = l.Addr().(*net.TCPAddr).Port
	return p, l.Close()
}

func (p *private) address() string { return net.JoinHostPort("127.0.0.1", strconv.Itoa(p.port)) }

// attr has programs run as the server's user where we are root.
func (p *private) attr() *syscall.SysProcAttr {
	u, err := user.Lookup(p.user)
	if os.Geteuid() != 0 || err != nil {
		return &syscall.SysProcAttr{}
	}
	uid, _ := strconv.Atoi(u.Uid)
	gid, _ := strconv.Atoi(u.Gid)
	return &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}}
}

// tool runs a program of the server's to its end.
func (p *private) tool(ctx context.Context, env []string, name string, args ...string) error {
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Dir, cmd.SysProcAttr, cmd.Env = p.dir, p.attr(), append(os.Environ(), env...)
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("%s: %w: %s", filepath.Base(name), err, out)
	}
	return nil
}

// start runs the server until ready finds that it answers.
func (p *private) start(ctx context.Context, ready func(context.Context) error, more ...string) error {
	log, err := os.OpenFile(filepath.Join(p.dir, "log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		return err
	}
	defer func() { _ = log.Close() }()
	args := slices.Concat(p.args, more)
	p.cmd = exec.Command(args[0], args[1:]...)
	p.cmd.Dir, p.cmd.SysProcAttr, p.cmd.Stdout, p.cmd.Stderr = p.dir, p.attr(), log, log
	if err := p.cmd.Start(); err != nil {
		return err
	}
	p.done = make(chan struct{})
	go func(cmd *exec.Cmd, done chan struct{}) { _ = cmd.Wait(); close(done) }(p.cmd, p.done)
	deadline := time.Now().Add(time.Minute)
	for {
		err := ready(ctx)
		if err == nil {
			return nil
		}
		select {
		case <-p.done:
			return fmt.Errorf("%s ended: %w; see %s", args[0], err, log.Name())
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(50 * time.Millisecond):
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("%s does not answer: %w; see %s", args[0], err, log.Name())
		}
	}
}

// stop ends the server and waits for its end.
func (p *private) stop(sig syscall.Signal) {
	if p.cmd == nil {
		return
	}
	_ = p.cmd.Process.Signal(sig)
	select {
	case <-p.done:
	case <-time.After(30 * time.Second):
		_ = p.cmd.Process.Kill()
		<-p.done
	}
	p.cmd = nil
}

// remove ends the server and takes its files away.
func (p *private) remove() {
	p.stop(syscall.SIGKILL)
	_ = os.RemoveAll(p.dir)
}

// program finds the newest program that matches a pattern.
func program(pattern, hint string) (string, error) {
	found, _ := filepath.Glob(pattern)
	if len(found) == 0 {
		return "", fmt.Errorf("no %s (Debian package %s)", pattern, hint)
	}
	slices.Sort(found)
	return found[len(found)-1], nil
}
