// Package program makes a program of a service-desk system: a ticket plugin that
// reads its settings and hands tickets to the system, whose own protocol is the
// affair of the package that calls Serve. Its book begins empty at each start;
// what an earlier one left is asked of the system.
package program

import (
	"context"
	"errors"
	"sync/atomic"

	"github.com/faultline/faultline/plugins/desk"
	"github.com/faultline/faultline/plugins/rpc"
	"github.com/faultline/faultline/plugins/ticket"
)

// Make makes the system that settings speak of.
type Make func(s *desk.Settings) (desk.Remote, error)

// Serve runs the plugin until its host ends it; a program's main calls nothing
// else. The setting lag (how long the system's search may miss what it took,
// 30s) is read for all of them.
func Serve(name, version string, from Make) {
	l := &late{name: name}
	rpc.Serve(rpc.Plugin{Version: version, Desk: l, Configure: func(_ context.Context, values map[string]string) error {
		return l.configure(values, from)
	}})
}

// late is a desk that knows its system once its settings came.
type late struct {
	name string
	desk atomic.Pointer[desk.Desk]
}

var _ ticket.Follower = (*late)(nil)

func (l *late) configure(values map[string]string, from Make) error {
	s := desk.NewSettings(values)
	lag := s.Span("lag")
	remote, err := from(s)
	if err = errors.Join(err, s.Err()); err != nil {
		return err
	}
	d, err := desk.New(desk.Options{Name: l.name, Remote: remote, Lag: lag})
	if err != nil {
		return err
	}
	l.desk.Store(d)
	return nil
}

// Name implements ticket.Desk.
func (l *late) Name() string { return l.name }

var errEarly = errors.New("the settings have not come yet")

// Send implements ticket.Desk.
func (l *late) Send(ctx context.Context, t ticket.Ticket) (ticket.Ref, error) {
	if d := l.desk.Load(); d != nil {
		return d.Send(ctx, t)
	}
	return ticket.Ref{}, &ticket.Error{Op: l.name, Retryable: true, Err: errEarly}
}

// Find implements ticket.Desk.
func (l *late) Find(ctx context.Context, messageKey string) (ticket.Ref, bool, error) {
	if d := l.desk.Load(); d != nil {
		return d.Find(ctx, messageKey)
	}
	return ticket.Ref{}, false, &ticket.Error{Op: l.name, Retryable: true, Err: errEarly}
}

// Updates implements ticket.Follower.
func (l *late) Updates(ctx context.Context, cursor string) ([]ticket.Update, string, error) {
	if d := l.desk.Load(); d != nil {
		return d.Updates(ctx, cursor)
	}
	return nil, cursor, &ticket.Error{Op: l.name, Retryable: true, Err: errEarly}
}
