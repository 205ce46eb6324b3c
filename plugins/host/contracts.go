package host

import (
	"context"
	"errors"
	"maps"
	"net/url"
	"slices"
	"time"

	"github.com/faultline/faultline/plugins/base"
	"github.com/faultline/faultline/plugins/input"
	"github.com/faultline/faultline/plugins/notify"
	"github.com/faultline/faultline/plugins/rpc"
	"github.com/faultline/faultline/plugins/ticket"
)

// Bounds of what a desk may say.
const (
	maxRef     = 500
	maxURL     = 2048
	maxUpdates = 1000
	maxUpdate  = 16 << 10
	maxCursor  = 4096
)

// checkTime is how long a plugin may take to look at a target's settings.
const checkTime = 5 * time.Second

// inputPlugin is an input.Input whose work a plugin does.
type inputPlugin struct{ unit *unit }

var (
	_ input.Checker   = inputPlugin{}
	_ ticket.Follower = deskPlugin{}
	_ notify.Channel  = channelPlugin{}
)

// Name returns the plugin's name in the configuration.
func (p inputPlugin) Name() string { return p.unit.spec.Name }

// CheckTarget asks the plugin. One that does not run now refuses nothing.
func (p inputPlugin) CheckTarget(t base.Target) error {
	u := p.unit
	u.mu.Lock()
	ask := u.client != nil && u.about.Checks
	u.mu.Unlock()
	if !ask {
		return nil
	}
	u.capture.hide(secretsOf(t.Options)...)
	ctx, cancel := context.WithTimeout(context.Background(), checkTime)
	defer cancel()
	var verdict error
	if err := u.call(ctx, func(ctx context.Context, c *rpc.Client) error {
		ok, err := c.CheckTarget(ctx, t)
		if ok {
			verdict = err
			return nil
		}
		return err
	}); err != nil {
		u.log.Warn("target not checked", "target", t.ID, "err", err)
		return nil
	}
	return u.said(verdict)
}

// Gather has the plugin read the target. The plugin is told a deadline a little
// before ours, so that one that keeps it is told from one that hangs.
func (p inputPlugin) Gather(ctx context.Context, t base.Target, sink input.Sink) error {
	u := p.unit
	u.capture.hide(secretsOf(t.Options)...)
	told := t
	told.Labels, told.Options = maps.Clone(t.Labels), maps.Clone(t.Options)
	told.Timeout = u.limits.Deadline
	if d, ok := ctx.Deadline(); ok {
		told.Timeout = min(told.Timeout, time.Until(d))
	}
	told.Timeout -= min(max(told.Timeout/10, 50*time.Millisecond), time.Second)
	told.Timeout = max(told.Timeout, time.Millisecond)
	s := &sieve{plugin: u.spec.Name, target: t, devices: u.spec.Devices, now: time.Now(), limit: u.limits.Samples, refuse: u.refuse, to: sink, names: map[string]bool{},
		allow: func(n int) bool { return u.flow.AllowN(time.Now(), n) }}
	var verdict error
	err := u.call(ctx, func(ctx context.Context, c *rpc.Client) error {
		err, broken := c.Gather(ctx, told, s, u.limits.Answer)
		if broken {
			return err
		}
		verdict = err
		return nil
	})
	u.mu.Lock()
	u.samples += uint64(s.taken) //nolint:gosec // a count
	u.mu.Unlock()
	if err != nil {
		return err
	}
	return u.said(verdict)
}

// said is a plugin's own error as people may see it: short, on one line,
// without secrets.
func (u *unit) said(err error) error {
	if err == nil {
		return nil
	}
	var partial input.Partial
	if errors.As(err, &partial) {
		return input.Partial{Err: errors.New(u.words(partial.Err.Error()))}
	}
	return errors.New(u.words(err.Error()))
}

func (u *unit) words(text string) string { return u.capture.masked(cut(printable(text), maxLine)) }

// saidOfCall is the same for a desk or channel.
func (u *unit) saidOfCall(err error) error {
	var e *ticket.Error
	if err == nil || errors.Is(err, ticket.ErrCannotSearch) || !errors.As(err, &e) {
		return err
	}
	said := &ticket.Error{Op: u.words(cut(e.Op, 64)), Retryable: e.Retryable, Ambiguous: e.Ambiguous, Hint: u.words(cut(e.Hint, 300))}
	if later := (*ticket.Later)(nil); errors.As(e.Err, &later) {
		said.Err = &ticket.Later{After: later.After, Err: errors.New(u.words(later.Err.Error()))}
		return said
	}
	said.Err = errors.New(u.words(e.Err.Error()))
	return said
}

// failure is a call that went wrong by the plugin's fault: it may be repeated,
// and unless it was never made, nobody knows what became of it.
func (u *unit) failure(err error) error {
	e := &ticket.Error{Op: "plugin call", Retryable: true, Ambiguous: true, Err: err, Hint: "see the plugin's state and last words in the log"}
	if down := (*Down)(nil); errors.As(err, &down) {
		e.Ambiguous = false
	}
	return e
}

// deskPlugin is a ticket.Desk whose work a plugin does.
type deskPlugin struct{ unit *unit }

// Name returns the plugin's name in the configuration.
func (p deskPlugin) Name() string { return p.unit.spec.Name }

// Send implements ticket.Desk.
func (p deskPlugin) Send(ctx context.Context, t ticket.Ticket) (ticket.Ref, error) {
	var ref ticket.Ref
	var verdict error
	if err := p.unit.call(ctx, func(ctx context.Context, c *rpc.Client) (callErr error) {
		ref, verdict, callErr = c.Send(ctx, t)
		return callErr
	}); err != nil {
		return ticket.Ref{}, p.unit.failure(err)
	}
	if verdict != nil {
		return ticket.Ref{}, p.unit.saidOfCall(verdict)
	}
	ref, ok := p.unit.ref(ref)
	if !ok {
		return ticket.Ref{}, &ticket.Error{Op: "plugin answer", Retryable: true, Ambiguous: true, Err: errors.New("the plugin took the ticket and does not say under which id"),
			Hint: "look for the ticket at the vendor's desk"}
	}
	return ref, nil
}

// ref is a reference as people may follow it; false: there is none.
func (u *unit) ref(r ticket.Ref) (ticket.Ref, bool) {
	if len(r.ID) > maxRef || r.ID != printable(r.ID) {
		u.refuse("ticket id", 1)
		return ticket.Ref{}, false
	}
	if r.URL != "" {
		if at, err := url.Parse(r.URL); err != nil || len(r.URL) > maxURL || at.Host == "" || at.User != nil || at.Scheme != "https" && at.Scheme != "http" {
			u.refuse("ticket url", 1)
			r.URL = ""
		}
	}
	return r, r.ID != ""
}

// Find implements ticket.Desk.
func (p deskPlugin) Find(ctx context.Context, messageKey string) (ticket.Ref, bool, error) {
	var ref ticket.Ref
	var found bool
	var verdict error
	if err := p.unit.call(ctx, func(ctx context.Context, c *rpc.Client) (callErr error) {
		ref, found, verdict, callErr = c.Find(ctx, messageKey)
		return callErr
	}); err != nil {
		return ticket.Ref{}, false, p.unit.failure(err)
	}
	if verdict != nil || !found {
		return ticket.Ref{}, false, p.unit.saidOfCall(verdict)
	}
	ref, ok := p.unit.ref(ref)
	if !ok {
		return ticket.Ref{}, false, ticket.ErrCannotSearch
	}
	return ref, true, nil
}

// Updates implements ticket.Follower.
func (p deskPlugin) Updates(ctx context.Context, cursor string) ([]ticket.Update, string, error) {
	u := p.unit
	u.mu.Lock()
	none := u.client != nil && !u.about.Updates
	u.mu.Unlock()
	if none {
		return nil, cursor, nil
	}
	var updates []ticket.Update
	var next string
	var verdict error
	if err := u.call(ctx, func(ctx context.Context, c *rpc.Client) (callErr error) {
		updates, next, verdict, callErr = c.Updates(ctx, cursor)
		return callErr
	}); err != nil {
		return nil, cursor, u.failure(err)
	}
	if verdict != nil {
		return nil, cursor, u.saidOfCall(verdict)
	}
	if len(next) > maxCursor || len(updates) > maxUpdates {
		u.refuse("updates", max(len(updates), 1))
		return nil, cursor, u.failure(errors.New("the plugin answered with more than it may"))
	}
	return slices.DeleteFunc(updates, func(up ticket.Update) bool { return !u.update(up) }), next, nil
}

// update tells whether an update can be taken.
func (u *unit) update(up ticket.Update) bool {
	ok := up.ID != "" && len(up.ID) <= maxRef && len(up.Ref) <= maxRef && len(up.Key) <= maxRef && len(up.By) <= maxRef && len(up.Text) <= maxUpdate &&
		(up.Ref != "" || up.Key != "") && (up.Status == "" || slices.Contains(ticket.Statuses(), up.Status)) && up.At.Before(time.Now().Add(tooNew))
	if !ok {
		u.refuse("update", 1)
	}
	return ok
}

// channelPlugin is a notify.Channel whose work a plugin does.
type channelPlugin struct{ unit *unit }

// Name returns the plugin's name in the configuration.
func (p channelPlugin) Name() string { return p.unit.spec.Name }

// Deliver implements notify.Channel.
func (p channelPlugin) Deliver(ctx context.Context, n notify.Notice) error {
	var verdict error
	if err := p.unit.call(ctx, func(ctx context.Context, c *rpc.Client) (callErr error) {
		verdict, callErr = c.Deliver(ctx, n)
		return callErr
	}); err != nil {
		return p.unit.failure(err)
	}
	return p.unit.saidOfCall(verdict)
}
