package rpc

import (
	"context"
	"errors"
	"time"

	"github.com/faultline/faultline/plugins/notify"
	"github.com/faultline/faultline/plugins/rpc/pluginpb"
	"github.com/faultline/faultline/plugins/ticket"
)

// ticketServer serves a ticket.Desk in the plugin's process.
type ticketServer struct {
	pluginpb.UnimplementedTicketServer
	desk ticket.Desk
}

// notifyServer serves a notify.Channel in the plugin's process.
type notifyServer struct {
	pluginpb.UnimplementedNotifyServer
	channel notify.Channel
}

// failure is an error as it goes over the wire. What a plugin does not say to
// be harmless is taken to be ambiguous: nobody knows whether the desk has it.
func failure(err error) *pluginpb.Failure {
	if err == nil {
		return nil
	}
	var e *ticket.Error
	if !errors.As(err, &e) {
		return &pluginpb.Failure{Op: "plugin", Retryable: true, Ambiguous: true, Cause: valid(err.Error())}
	}
	f := &pluginpb.Failure{Op: valid(e.Op), Retryable: e.Retryable, Ambiguous: e.Ambiguous, Hint: valid(e.Hint)}
	if e.Err != nil {
		f.Cause = valid(e.Err.Error())
	}
	var later interface{ RetryAfter() time.Duration }
	if errors.As(err, &later) {
		f.RetryAfterMs = max(later.RetryAfter(), 0).Milliseconds()
	}
	return f
}

// maxRetryAfter bounds what a desk may ask for: more would not fit the clock.
const maxRetryAfter = 24 * time.Hour

// failed is a failure as Go callers know it.
func failed(f *pluginpb.Failure) error {
	if f == nil {
		return nil
	}
	cause := f.GetCause()
	if cause == "" {
		cause = "no reason given"
	}
	e := &ticket.Error{Op: f.GetOp(), Retryable: f.GetRetryable(), Ambiguous: f.GetAmbiguous(), Hint: f.GetHint(), Err: errors.New(cause)}
	if ms := f.GetRetryAfterMs(); ms > 0 {
		e.Err = &ticket.Later{After: time.Duration(min(ms, maxRetryAfter.Milliseconds())) * time.Millisecond, Err: e.Err}
	}
	return e
}

// Send implements pluginpb.TicketServer.
func (s *ticketServer) Send(ctx context.Context, r *pluginpb.SendRequest) (*pluginpb.SendReply, error) {
	t := ticket.Ticket{Key: r.GetKey(), MessageKey: r.GetMessageKey(), Number: r.GetNumber(), To: r.GetTo(), Subject: r.GetSubject(), Body: r.GetBody(), HTML: r.GetHtml(),
		Thread: r.GetThread(), Repeat: r.GetRepeat(), Fields: r.GetFields(), At: time.UnixMilli(r.GetAtMs())}
	for _, a := range r.GetAttachments() {
		t.Attachments = append(t.Attachments, ticket.Attachment{Name: a.GetName(), ContentType: a.GetContentType(), Data: a.GetData()})
	}
	ref, err := s.desk.Send(ctx, t)
	if err != nil {
		return &pluginpb.SendReply{Failure: failure(err)}, nil
	}
	return &pluginpb.SendReply{Ref: &pluginpb.Ref{Id: valid(ref.ID), Url: valid(ref.URL)}}, nil
}

// Find implements pluginpb.TicketServer.
func (s *ticketServer) Find(ctx context.Context, r *pluginpb.FindRequest) (*pluginpb.FindReply, error) {
	ref, found, err := s.desk.Find(ctx, r.GetMessageKey())
	switch {
	case errors.Is(err, ticket.ErrCannotSearch):
		return &pluginpb.FindReply{CannotSearch: true}, nil
	case err != nil:
		return &pluginpb.FindReply{Failure: failure(err)}, nil
	case !found:
		return &pluginpb.FindReply{}, nil
	}
	return &pluginpb.FindReply{Found: true, Ref: &pluginpb.Ref{Id: valid(ref.ID), Url: valid(ref.URL)}}, nil
}

// Updates implements pluginpb.TicketServer.
func (s *ticketServer) Updates(ctx context.Context, r *pluginpb.UpdatesRequest) (*pluginpb.UpdatesReply, error) {
	f, ok := s.desk.(ticket.Follower)
	if !ok {
		return &pluginpb.UpdatesReply{Next: r.GetCursor()}, nil
	}
	updates, next, err := f.Updates(ctx, r.GetCursor())
	if err != nil {
		return &pluginpb.UpdatesReply{Failure: failure(err)}, nil
	}
	out := &pluginpb.UpdatesReply{Next: valid(next)}
	for _, u := range updates {
		out.Updates = append(out.Updates, &pluginpb.Update{Id: valid(u.ID), Ref: valid(u.Ref), Key: valid(u.Key), Status: valid(u.Status),
			Text: valid(u.Text), By: valid(u.By), AtMs: u.At.UnixMilli()})
	}
	return out, nil
}

// Deliver implements pluginpb.NotifyServer.
func (s *notifyServer) Deliver(ctx context.Context, r *pluginpb.DeliverRequest) (*pluginpb.DeliverReply, error) {
	err := s.channel.Deliver(ctx, notify.Notice{Key: r.GetKey(), To: r.GetTo(), Subject: r.GetSubject(), Body: r.GetBody(), URL: r.GetUrl(),
		Severity: r.GetSeverity(), Repeat: r.GetRepeat()})
	return &pluginpb.DeliverReply{Failure: failure(err)}, nil
}

// Send has the plugin take a ticket. callErr says that the call itself failed:
// nobody knows whether the desk has the ticket.
func (c *Client) Send(ctx context.Context, t ticket.Ticket) (ref ticket.Ref, err, callErr error) {
	r := &pluginpb.SendRequest{Key: valid(t.Key), MessageKey: valid(t.MessageKey), Number: valid(t.Number), Subject: valid(t.Subject), Body: valid(t.Body), Html: valid(t.HTML),
		Repeat: t.Repeat, Fields: validMap(t.Fields), AtMs: t.At.UnixMilli()}
	for _, to := range t.To {
		r.To = append(r.To, valid(to))
	}
	for _, id := range t.Thread {
		r.Thread = append(r.Thread, valid(id))
	}
	for _, a := range t.Attachments {
		r.Attachments = append(r.Attachments, &pluginpb.Attachment{Name: valid(a.Name), ContentType: valid(a.ContentType), Data: a.Data})
	}
	reply, err := c.ticket.Send(ctx, r)
	if err != nil {
		return ticket.Ref{}, nil, err
	}
	if reply.GetFailure() != nil {
		return ticket.Ref{}, failed(reply.GetFailure()), nil
	}
	return ticket.Ref{ID: reply.GetRef().GetId(), URL: reply.GetRef().GetUrl()}, nil, nil
}

// Find asks the plugin for a message.
func (c *Client) Find(ctx context.Context, messageKey string) (ref ticket.Ref, found bool, err, callErr error) {
	reply, err := c.ticket.Find(ctx, &pluginpb.FindRequest{MessageKey: valid(messageKey)})
	switch {
	case err != nil:
		return ticket.Ref{}, false, nil, err
	case reply.GetCannotSearch():
		return ticket.Ref{}, false, ticket.ErrCannotSearch, nil
	case reply.GetFailure() != nil:
		return ticket.Ref{}, false, failed(reply.GetFailure()), nil
	case !reply.GetFound():
		return ticket.Ref{}, false, nil, nil
	}
	return ticket.Ref{ID: reply.GetRef().GetId(), URL: reply.GetRef().GetUrl()}, true, nil, nil
}

// Updates asks the plugin what happened to its tickets.
func (c *Client) Updates(ctx context.Context, cursor string) (updates []ticket.Update, next string, err, callErr error) {
	reply, err := c.ticket.Updates(ctx, &pluginpb.UpdatesRequest{Cursor: cursor})
	if err != nil {
		return nil, "", nil, err
	}
	if reply.GetFailure() != nil {
		return nil, "", failed(reply.GetFailure()), nil
	}
	for _, u := range reply.GetUpdates() {
		updates = append(updates, ticket.Update{ID: u.GetId(), Ref: u.GetRef(), Key: u.GetKey(), Status: u.GetStatus(), Text: u.GetText(), By: u.GetBy(), At: time.UnixMilli(u.GetAtMs())})
	}
	return updates, reply.GetNext(), nil, nil
}

// Deliver has the plugin take a notice.
func (c *Client) Deliver(ctx context.Context, n notify.Notice) (err, callErr error) {
	reply, err := c.notify.Deliver(ctx, &pluginpb.DeliverRequest{Key: valid(n.Key), To: valid(n.To), Subject: valid(n.Subject), Body: valid(n.Body), Url: valid(n.URL),
		Severity: valid(n.Severity), Repeat: n.Repeat})
	if err != nil {
		return nil, err
	}
	return failed(reply.GetFailure()), nil
}
