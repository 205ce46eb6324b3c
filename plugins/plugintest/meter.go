package plugintest

import (
	"context"
	"fmt"
	"net"

	"github.com/faultline/faultline/plugins/base"
)

// Meters are thermometers that answer one line over TCP, for the templates: two
// that answer, one that is silent, one that is not there.
type Meters struct {
	listeners []net.Listener
	closed    string
}

// NewMeters starts them on free loopback ports; Close ends them.
func NewMeters() (*Meters, error) {
	m := &Meters{}
	for i, line := range []string{"21.5 43\n", "-3.25 88\n", "", "gone"} {
		ln, err := (&net.ListenConfig{}).Listen(context.Background(), "tcp", "127.0.0.1:0")
		if err != nil {
			return nil, fmt.Errorf("meter %d: %w", i, err)
		}
		if line == "gone" { // the port was free a moment ago
			m.closed = ln.Addr().String()
			_ = ln.Close()
			continue
		}
		m.listeners = append(m.listeners, ln)
		go serve(ln, line)
	}
	return m, nil
}

// serve answers connections with a line; without one it keeps them open.
func serve(ln net.Listener, line string) {
	var open []net.Conn
	defer func() {
		for _, c := range open {
			_ = c.Close()
		}
	}()
	for {
		c, err := ln.Accept()
		if err != nil {
			return
		}
		if line == "" {
			open = append(open, c)
			continue
		}
		_, _ = c.Write([]byte(line))
		_ = c.Close()
	}
}

// Close ends the meters.
func (m *Meters) Close() {
	for _, ln := range m.listeners {
		_ = ln.Close()
	}
}

// Case fills in the targets of a case.
func (m *Meters) Case(c InputCase) InputCase {
	target := func(id, address string) base.Target {
		return base.Target{ID: id, Input: c.Input.Name(), Address: address, Labels: map[string]string{"device": id}}
	}
	c.Targets = []base.Target{target("meter-1", m.listeners[0].Addr().String()), target("meter-2", m.listeners[1].Addr().String())}
	c.Silent, c.Closed = target("meter-3", m.listeners[2].Addr().String()), target("meter-4", m.closed)
	c.Bad = []base.Target{target("meter-5", "no port")}
	return c
}
