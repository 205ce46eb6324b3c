package faultlab

import (
	"context"
	"fmt"
	"io"
	"net"
	"os"
	"runtime"
	"sync"

	"golang.org/x/sys/unix"
)

// inNode runs fn in the network namespace of one of the lab's nodes. Sockets
// that fn opens stay in that namespace and may be used from anywhere.
func inNode(node string, fn func() error) error {
	runtime.LockOSThread() // a thread that cannot go back stays locked and ends with its goroutine
	home, err := os.Open("/proc/thread-self/ns/net")
	if err != nil {
		return fmt.Errorf("enter node %s: %w", node, err)
	}
	defer home.Close()
	there, err := os.Open("/run/netns/flab-" + node)
	if err != nil {
		runtime.UnlockOSThread()
		return fmt.Errorf("enter node %s: %w", node, err)
	}
	defer there.Close()
	if err := unix.Setns(int(there.Fd()), unix.CLONE_NEWNET); err != nil {
		runtime.UnlockOSThread()
		return fmt.Errorf("enter node %s: %w", node, err)
	}
	err = fn()
	if back := unix.Setns(int(home.Fd()), unix.CLONE_NEWNET); back != nil {
		return fmt.Errorf("leave node %s: %w", node, back)
	}
	runtime.UnlockOSThread()
	return err
}

// dialFrom connects to a numeric address as a program in the node would.
func dialFrom(ctx context.Context, node, address string) (net.Conn, error) {
	var conn net.Conn
	err := inNode(node, func() (err error) {
		conn, err = (&net.Dialer{}).DialContext(ctx, "tcp4", address)
		return err
	})
	return conn, err
}

// relay makes an address of a node's network reachable on loopback here.
type relay struct {
	node, address string
	listener      net.Listener
}

func openRelay(node, address string) (*relay, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("relay: %w", err)
	}
	return &relay{node: node, address: address, listener: l}, nil
}

// run serves until ctx ends, and waits for its connections.
func (r *relay) run(ctx context.Context) error {
	stop := context.AfterFunc(ctx, func() { _ = r.listener.Close() })
	defer stop()
	var open sync.WaitGroup
	defer open.Wait()
	for {
		c, err := r.listener.Accept()
		if ctx.Err() != nil {
			return nil
		}
		if err != nil {
			return fmt.Errorf("relay: %w", err)
		}
		open.Go(func() { r.carry(ctx, c) })
	}
}

func (r *relay) carry(ctx context.Context, near net.Conn) {
	defer near.Close()
	far, err := dialFrom(ctx, r.node, r.address)
	if err != nil {
		return // the caller sees the connection closed, as with a collector that is down
	}
	defer far.Close()
	stop := context.AfterFunc(ctx, func() { _ = near.Close(); _ = far.Close() })
	defer stop()
	done := make(chan struct{})
	go func() {
		defer close(done)
		_, _ = io.Copy(far, near)
		_ = far.(*net.TCPConn).CloseWrite()
	}()
	_, _ = io.Copy(near, far)
	_ = near.Close()
	<-done
}
