package faultlab

import (
	"context"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"testing"
)

// node makes a network namespace as the lab does, with its loopback up.
func node(t *testing.T) string {
	t.Helper()
	_, err := exec.LookPath("ip")
	if (err != nil || os.Geteuid() != 0) && os.Getenv("CI") == "true" {
		t.Fatal("network namespaces need root and ip (Debian package iproute2)")
	}
	if err != nil || os.Geteuid() != 0 {
		t.Skip("network namespaces need root and ip (Debian package iproute2)")
	}
	name := fmt.Sprintf("test%d", os.Getpid())
	for _, args := range [][]string{{"netns", "add", "flab-" + name}, {"-n", "flab-" + name, "link", "set", "lo", "up"}} {
		if out, err := exec.CommandContext(t.Context(), "ip", args...).CombinedOutput(); err != nil {
			t.Fatalf("ip %v: %v %s", args, err, out)
		}
	}
	t.Cleanup(func() {
		if out, err := exec.CommandContext(context.Background(), "ip", "netns", "del", "flab-"+name).CombinedOutput(); err != nil {
			t.Errorf("%v %s", err, out)
		}
	})
	return name
}

func TestRelay(t *testing.T) {
	name := node(t)
	var inside net.Listener
	if err := inNode(name, func() (err error) {
		inside, err = net.Listen("tcp", "127.0.0.1:0")
		return err
	}); err != nil {
		t.Fatal(err)
	}
	defer inside.Close()
	go func() {
		for {
			c, err := inside.Accept()
			if err != nil {
				return
			}
			_, _ = io.Copy(c, c)
			_ = c.Close()
		}
	}()
	if c, err := net.Dial("tcp", inside.Addr().String()); err == nil {
		c.Close()
		t.Fatal("the node's loopback is ours")
	}
	r, err := openRelay(name, inside.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- r.run(ctx) }()
	for i := range 3 {
		c, err := net.Dial("tcp", r.listener.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		fmt.Fprintf(c, "hello %d", i)
		_ = c.(*net.TCPConn).CloseWrite()
		if got, err := io.ReadAll(c); string(got) != fmt.Sprintf("hello %d", i) {
			t.Errorf("echo %d: %q %v", i, got, err)
		}
		_ = c.Close()
	}
	cancel()
	if err := <-ended; err != nil {
		t.Errorf("end of the relay: %v", err)
	}
}

func TestNoSuchNode(t *testing.T) {
	if err := inNode("absent", func() error { return nil }); err == nil {
		t.Error("entered a node that is not there")
	}
}
