package lab

import (
	"fmt"
	"net"
	"sync"
)

// gate is a TCP address that answers while it is open and refuses at once while
// it is shut. What connects is closed again: only the connecting matters.
type gate struct {
	address string // host:port, the same for the gate's life

	mu       sync.Mutex // guards the fields below
	listener net.Listener
	done     chan struct{} // closed when the accepting goroutine has ended
}

func openGate(host string) (*gate, error) {
	g := &gate{address: net.JoinHostPort(host, "0")}
	if err := g.set(true); err != nil {
		return nil, err
	}
	g.address = g.listener.Addr().String()
	return g, nil
}

// set opens or shuts the gate.
func (g *gate) set(open bool) error {
	if !open {
		return g.shut()
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.listener != nil {
		return nil
	}
	l, err := net.Listen("tcp", g.address)
	if err != nil {
		return fmt.Errorf("open TCP path: %w", err)
	}
	done := make(chan struct{})
	g.listener, g.done = l, done
	go func() {
		defer close(done)
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			_ = c.Close()
		}
	}()
	return nil
}

func (g *gate) shut() error {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.listener == nil {
		return nil
	}
	err := g.listener.Close()
	<-g.done
	g.listener = nil
	return err
}
