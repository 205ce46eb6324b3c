package app

import (
	"context"
	"net/netip"
	"sync"

	"github.com/faultline/faultline/agent/syslog"
)

// lines takes what the input log reads. When the agent hears syslog, the same
// receiver takes it; else one without sockets is made with the first line, since
// the patterns cost memory that an agent without logs need not have.
type lines struct {
	app *App

	mu       sync.Mutex // guards the fields below
	receiver *syslog.Receiver
	fault    error
	made     chan struct{} // closed when receiver is one of our own
}

func newLines(a *App) *lines { return &lines{app: a, made: make(chan struct{})} }

// hear takes one line of a device's log.
func (l *lines) hear(device, site string, line syslog.Local) (bool, error) {
	r, err := l.of()
	if err != nil {
		return false, err
	}
	if d, ok := l.app.sender(netip.Addr{}, device); ok {
		line.Device = d
	} else {
		line.Device = syslog.Device{Name: device, Site: site}
	}
	return r.Hear(line), nil
}

func (l *lines) of() (*syslog.Receiver, error) {
	if r := l.app.hear.syslog; r != nil {
		return r, nil
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.receiver == nil && l.fault == nil {
		if l.receiver, l.fault = l.app.newSyslog(true); l.fault == nil {
			close(l.made)
		}
	}
	return l.receiver, l.fault
}

// run runs the receiver, once there is one, until ctx ends.
func (l *lines) run(ctx context.Context) error {
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-l.made:
	}
	l.mu.Lock()
	r := l.receiver
	l.mu.Unlock()
	return r.Run(ctx)
}
