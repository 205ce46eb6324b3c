// Package pgwire is one login to a PostgreSQL server that asks simple queries,
// on top of the messages of pgx's package pgproto3. It exists because the whole
// of pgx costs an agent 1.2 MB and this 0.2 MB. It has no pool, no parameters,
// no types and no second connection: TLS is negotiated on the connection it is
// given. Authentication is trust, SCRAM-SHA-256, MD5, and clear text where the
// caller allows it.
package pgwire

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"strings"
	"time"

	"github.com/jackc/pgx/v5/pgproto3"
)

// Config says who logs in and how.
type Config struct {
	User, Password string
	Database       string
	Application    string      // shown as application_name
	TLS            *tls.Config // nil: plain
	TLSOptional    bool        // go on in plain when the server has no TLS
	ClearText      bool        // the password may be sent as it is when the server asks for that
}

// Error is an error that the server sent.
type Error struct {
	Code    string // SQLSTATE
	Message string
	Hint    string
}

// Error returns the server's message with its code.
func (e *Error) Error() string { return fmt.Sprintf("%s (SQLSTATE %s)", e.Message, e.Code) }

// Errors that callers tell apart.
var (
	ErrNoTLS     = errors.New("the server offers no TLS")
	ErrClearText = errors.New("the server asks for the password in clear text, which is sent over verified TLS only")
	ErrMethod    = errors.New("the server asks for a way of authentication that is not supported")
	ErrLost      = errors.New("connection lost")
)

// Bounds on what a server may send.
const (
	maxMessage = 4 << 20 // bytes of one message
	maxResult  = 8 << 20 // bytes of one result
	maxRows    = 10_000
)

// Conn is a login. It is used from one goroutine at a time; Close may be called
// twice.
type Conn struct {
	net        net.Conn
	front      *pgproto3.Frontend
	parameters map[string]string
	status     byte // of the transaction: I idle, T in one, E in a failed one
	broken     bool
}

// Result is the rows of a query as text.
type Result struct {
	Names []string
	Rows  [][]Value
}

// Value is one cell.
type Value struct {
	Text  string
	Valid bool // not NULL
}

// Login logs in over nc, which it closes when it fails.
func Login(ctx context.Context, nc net.Conn, cfg Config) (*Conn, error) {
	c := &Conn{net: nc, parameters: map[string]string{}}
	err := c.within(ctx, func() error {
		if err := c.secure(ctx, cfg); err != nil {
			return err
		}
		c.front = pgproto3.NewFrontend(c.net, c.net)
		c.front.SetMaxBodyLen(maxMessage)
		return c.startup(cfg)
	})
	if err != nil {
		_ = c.net.Close()
		return nil, err
	}
	return c, nil
}

// within runs f, interrupted when ctx ends. Whatever f was interrupted at, the
// connection is no longer of use then.
func (c *Conn) within(ctx context.Context, f func() error) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	deadline, _ := ctx.Deadline()
	if err := c.net.SetDeadline(deadline); err != nil {
		return c.lost(err)
	}
	raw := c.net
	stop := context.AfterFunc(ctx, func() { _ = raw.SetDeadline(time.Unix(1, 0)) })
	err := f()
	if !stop() && err == nil {
		err = ctx.Err()
		c.broken = true
	}
	if c.broken && ctx.Err() != nil {
		err = fmt.Errorf("%w: %w", ErrLost, ctx.Err())
	}
	return err
}

// lost marks the connection as broken.
func (c *Conn) lost(err error) error {
	c.broken = true
	return fmt.Errorf("%w: %w", ErrLost, err)
}

// secure asks for TLS and shakes hands. The answer is one byte, read by itself,
// so that nothing sent in plain behind it can pass for encrypted.
func (c *Conn) secure(ctx context.Context, cfg Config) error {
	if cfg.TLS == nil {
		return nil
	}
	request, err := (&pgproto3.SSLRequest{}).Encode(nil)
	if err != nil {
		return err
	}
	if _, err := c.net.Write(request); err != nil {
		return c.lost(err)
	}
	var answer [1]byte
	if _, err := c.net.Read(answer[:]); err != nil {
		return c.lost(err)
	}
	switch {
	case answer[0] == 'S':
		secured := tls.Client(c.net, cfg.TLS)
		if err := secured.HandshakeContext(ctx); err != nil {
			c.broken = true
			return &TLSError{err}
		}
		c.net = secured
		return nil
	case answer[0] == 'N' && cfg.TLSOptional:
		return nil
	case answer[0] == 'N':
		return &TLSError{ErrNoTLS}
	default:
		return c.lost(fmt.Errorf("answer %q to the request for TLS: is this PostgreSQL?", answer[0]))
	}
}

// TLSError says that no secure connection came about.
type TLSError struct{ Err error }

// Error returns the cause.
func (e *TLSError) Error() string { return "tls: " + e.Err.Error() }

// Unwrap returns the cause.
func (e *TLSError) Unwrap() error { return e.Err }

// startup sends who we are and authenticates until the server is ready.
func (c *Conn) startup(cfg Config) error {
	err := c.send(&pgproto3.StartupMessage{ProtocolVersion: pgproto3.ProtocolVersion30, Parameters: map[string]string{
		"user": cfg.User, "database": cfg.Database, "application_name": cfg.Application, "client_encoding": "UTF8"}})
	if err != nil {
		return err
	}
	a := authenticator{conn: c, cfg: cfg}
	for {
		msg, err := c.receive()
		if err != nil {
			return err
		}
		switch m := msg.(type) {
		case *pgproto3.ErrorResponse:
			return errorOf(m)
		case *pgproto3.ReadyForQuery:
			if !a.done {
				return c.lost(errors.New("ready before authentication"))
			}
			return nil
		case *pgproto3.NegotiateProtocolVersion, *pgproto3.BackendKeyData:
		default:
			if err := a.answer(msg); err != nil {
				return err
			}
		}
	}
}

// send writes one message.
func (c *Conn) send(m pgproto3.FrontendMessage) error {
	c.front.Send(m)
	if err := c.front.Flush(); err != nil {
		return c.lost(err)
	}
	return nil
}

// receive returns the next message that is not merely a notice.
func (c *Conn) receive() (pgproto3.BackendMessage, error) {
	for {
		msg, err := c.front.Receive()
		if err != nil {
			return nil, c.lost(err)
		}
		switch m := msg.(type) {
		case *pgproto3.ParameterStatus:
			c.parameters[m.Name] = m.Value
		case *pgproto3.NoticeResponse, *pgproto3.NotificationResponse:
		case *pgproto3.ReadyForQuery:
			c.status = m.TxStatus
			return m, nil
		default:
			return msg, nil
		}
	}
}

func errorOf(m *pgproto3.ErrorResponse) *Error {
	return &Error{Code: m.Code, Message: strings.ToValidUTF8(m.Message, "?"), Hint: strings.ToValidUTF8(m.Hint, "?")}
}

// Parameter returns what the server reported of itself, such as server_version.
func (c *Conn) Parameter(name string) string { return c.parameters[name] }

// Secure tells whether the connection is encrypted.
func (c *Conn) Secure() bool {
	_, ok := c.net.(*tls.Conn)
	return ok
}

// Broken tells whether the connection is of no more use.
func (c *Conn) Broken() bool { return c.broken }

// Query runs statements, separated by semicolons, and returns the rows of the
// last one that has any. An *Error leaves the connection usable, any other
// error does not. A transaction that failed is rolled back.
func (c *Conn) Query(ctx context.Context, sql string) (Result, error) {
	if c.broken {
		return Result{}, ErrLost
	}
	var r Result
	err := c.within(ctx, func() (err error) {
		r, err = c.ask(sql)
		if err != nil && !c.broken && c.status != 'I' {
			_, back := c.ask("ROLLBACK")
			err = errors.Join(err, back)
		}
		return err
	})
	return r, err
}

// ask sends the statements and reads up to the server's readiness for more.
func (c *Conn) ask(sql string) (Result, error) {
	var r Result
	if err := c.send(&pgproto3.Query{String: sql}); err != nil {
		return r, err
	}
	var failed error
	size := 0
	for {
		msg, err := c.receive()
		if err != nil {
			return Result{}, errors.Join(failed, err)
		}
		switch m := msg.(type) {
		case *pgproto3.RowDescription:
			r, size = Result{Names: names(m)}, 0
		case *pgproto3.DataRow:
			for _, v := range m.Values {
				size += len(v) + 16
			}
			if len(r.Rows) >= maxRows || size > maxResult {
				return Result{}, c.lost(errors.New("the result is larger than anything asked for"))
			}
			r.Rows = append(r.Rows, values(m))
		case *pgproto3.ErrorResponse:
			failed = errorOf(m)
		case *pgproto3.ReadyForQuery:
			return r, failed
		}
	}
}

func names(m *pgproto3.RowDescription) []string {
	out := make([]string, len(m.Fields))
	for i, f := range m.Fields {
		out[i] = string(f.Name)
	}
	return out
}

// values copies a row out of the read buffer.
func values(m *pgproto3.DataRow) []Value {
	out := make([]Value, len(m.Values))
	for i, v := range m.Values {
		if v != nil {
			out[i] = Value{Text: strings.ToValidUTF8(string(v), "\uFFFD"), Valid: true}
		}
	}
	return out
}

// Close says goodbye, within a second, and closes the connection.
func (c *Conn) Close() {
	if !c.broken {
		_ = c.net.SetDeadline(time.Now().Add(time.Second))
		_ = c.send(&pgproto3.Terminate{})
	}
	c.broken = true
	_ = c.net.Close()
}
