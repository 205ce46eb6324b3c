// Package mail sends e-mail: vendors' tickets (a ticket.Desk) and notices to
// our own people (a notify.Channel) over one SMTP account. It writes no text of
// its own but a mark on repeats, and it does not read answers.
package mail

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/mail"
	"net/textproto"
	"strconv"
	"strings"
	"time"

	gomail "github.com/wneessen/go-mail"
	"github.com/wneessen/go-mail/smtp"

	"github.com/faultline/faultline/collector/lease"
	"github.com/faultline/faultline/plugins/ticket"
)

// Modes of TLS.
const (
	TLSMandatory     = "mandatory"     // STARTTLS or nothing
	TLSOpportunistic = "opportunistic" // STARTTLS where offered
	TLSNone          = "none"
)

// implicitTLSPort is the one port where TLS comes before SMTP.
const implicitTLSPort = 465

// Options configure a Mailer. Addr, From and Secret are required.
type Options struct {
	Addr     string // host:port; on port 465 TLS comes first
	From     string // address, or Name <address>
	User     string // "" signs in nowhere
	Password string
	TLS      string         // "" is mandatory
	RootCAs  *x509.CertPool // nil: the system's
	// ReplyTo takes the vendors' answers: each ticket gets an address of its own,
	// faultline+TOKEN@… for faultline@…; "" leaves answers to From.
	ReplyTo string
	Secret  []byte        // keys Message-IDs and reply tokens; never changes
	Timeout time.Duration // of one delivery; 0 is 20 s
	Now     func() time.Time
	Logger  *slog.Logger
}

// Mailer sends mail. Its methods may be called from several goroutines.
type Mailer struct {
	o      Options
	host   string
	port   int
	domain string // of From: the right-hand side of Message-IDs
}

// New checks the options; it does not connect.
func New(o Options) (*Mailer, error) {
	if o.Timeout == 0 {
		o.Timeout = 20 * time.Second
	}
	if o.TLS == "" {
		o.TLS = TLSMandatory
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Logger == nil {
		o.Logger = slog.Default()
	}
	m := &Mailer{o: o}
	var errs []error
	host, port, err := net.SplitHostPort(o.Addr)
	if err == nil {
		m.host = host
		m.port, err = strconv.Atoi(port)
	}
	if err != nil {
		errs = append(errs, fmt.Errorf("server %q: not host:port", o.Addr))
	}
	from, err := mail.ParseAddress(o.From)
	if err != nil {
		errs = append(errs, fmt.Errorf("from %q: %w", o.From, err))
	} else {
		_, m.domain, _ = strings.Cut(from.Address, "@")
	}
	if o.ReplyTo != "" {
		if _, err := mail.ParseAddress(o.ReplyTo); err != nil {
			errs = append(errs, fmt.Errorf("reply_to %q: %w", o.ReplyTo, err))
		}
	}
	switch o.TLS {
	case TLSMandatory, TLSOpportunistic, TLSNone:
	default:
		errs = append(errs, fmt.Errorf("tls %q: want mandatory, opportunistic or none", o.TLS))
	}
	if len(o.Secret) < 16 {
		errs = append(errs, errors.New("secret: at least 16 bytes"))
	}
	if err := errors.Join(errs...); err != nil {
		return nil, fmt.Errorf("mail options: %w", err)
	}
	return m, nil
}

// mac is a short code that only we can make.
func (m *Mailer) mac(what, s string) string {
	h := hmac.New(sha256.New, m.o.Secret)
	h.Write([]byte(what + "\x00" + s))
	return hex.EncodeToString(h.Sum(nil)[:8])
}

// message begins a mail with the headers all of ours have.
func (m *Mailer) message(to []string) (*gomail.Msg, error) {
	msg := gomail.NewMsg(gomail.WithCharset(gomail.CharsetUTF8), gomail.WithEncoding(gomail.EncodingB64), gomail.WithNoDefaultUserAgent())
	if err := msg.From(m.o.From); err != nil {
		return nil, fmt.Errorf("sender: %w", err)
	}
	if len(to) == 0 {
		return nil, errors.New("no recipient")
	}
	if err := msg.To(to...); err != nil {
		return nil, fmt.Errorf("recipient: %w", err)
	}
	msg.SetGenHeader("Auto-Submitted", "auto-generated") // RFC 3834: no answers by machine, please
	msg.SetGenHeader(gomail.HeaderXAutoResponseSuppress, "All")
	return msg, nil
}

// send delivers the message. Errors are *ticket.Error.
func (m *Mailer) send(ctx context.Context, msg *gomail.Msg) error {
	ctx, cancel := context.WithTimeout(ctx, m.o.Timeout)
	defer cancel()
	var conn net.Conn
	client, err := gomail.NewClient(m.host, append(m.clientOptions(), gomail.WithDialContextFunc(
		func(ctx context.Context, network, addr string) (net.Conn, error) {
			var err error
			conn, err = m.dial(ctx, network, addr)
			return conn, err
		}))...)
	if err != nil {
		return &ticket.Error{Op: "smtp client", Err: err}
	}
	c, err := client.DialToSMTPClientWithContext(ctx)
	if conn != nil {
		defer func() { _ = conn.Close() }()
		// The library does not look at ctx once it is connected.
		defer context.AfterFunc(ctx, func() { _ = conn.Close() })()
	}
	if err != nil {
		return m.dialError(err)
	}
	if err := m.transact(ctx, c, msg); err != nil {
		return err
	}
	_ = client.CloseWithSMTPClient(c) // QUIT: the mail is taken whatever comes of it
	return nil
}

// dial connects, and speaks TLS first on the port for that.
func (m *Mailer) dial(ctx context.Context, network, addr string) (net.Conn, error) {
	if m.port == implicitTLSPort {
		d := tls.Dialer{Config: m.tlsConfig()}
		return d.DialContext(ctx, network, addr)
	}
	var d net.Dialer
	return d.DialContext(ctx, network, addr)
}

func (m *Mailer) tlsConfig() *tls.Config {
	return &tls.Config{ServerName: m.host, RootCAs: m.o.RootCAs, MinVersion: tls.VersionTLS12}
}

func (m *Mailer) clientOptions() []gomail.Option {
	policy := gomail.TLSMandatory
	switch {
	case m.o.TLS == TLSNone || m.port == implicitTLSPort:
		policy = gomail.NoTLS
	case m.o.TLS == TLSOpportunistic:
		policy = gomail.TLSOpportunistic
	}
	opts := []gomail.Option{gomail.WithPort(m.port), gomail.WithTimeout(m.o.Timeout), gomail.WithHELO(m.domain),
		gomail.WithTLSPolicy(policy), gomail.WithTLSConfig(m.tlsConfig())}
	if m.o.User != "" {
		auth := gomail.SMTPAuthAutoDiscover
		if m.port == implicitTLSPort {
			auth = gomail.SMTPAuthPlainNoEnc // the library does not see that dial encrypted already
		}
		opts = append(opts, gomail.WithSMTPAuth(auth), gomail.WithUsername(m.o.User), gomail.WithPassword(m.o.Password))
	}
	return opts
}

// transact runs MAIL, RCPT and DATA. A recipient who is refused does not keep
// the others from being told.
func (m *Mailer) transact(ctx context.Context, c *smtp.Client, msg *gomail.Msg) error {
	from, err := msg.GetSender(false)
	if err != nil {
		return &ticket.Error{Op: "smtp mail", Err: err}
	}
	to, err := msg.GetRecipients()
	if err != nil {
		return &ticket.Error{Op: "smtp rcpt", Err: err}
	}
	if err := c.Mail(from); err != nil {
		return replied("smtp mail", err, "may this account send from "+from+"?")
	}
	var refused error
	accepted := 0
	for _, r := range to {
		if err := c.Rcpt(r); err != nil {
			m.o.Logger.Warn("mail recipient refused", "to", r, "err", err)
			refused = worse(refused, replied("smtp rcpt "+r, err, "is the address in the inventory right?"))
			continue
		}
		accepted++
	}
	if accepted == 0 {
		return refused
	}
	w, err := c.Data()
	if err != nil {
		return replied("smtp data", err, "")
	}
	if _, err := msg.WriteTo(w); err != nil {
		// Without the final dot the server must not deliver what it has.
		return &ticket.Error{Op: "smtp data", Retryable: true, Err: err}
	}
	if err := lease.Begin(ctx); err != nil { // what went before is no mail yet; the dot cannot be taken back
		return &ticket.Error{Op: "smtp data", Retryable: true, Err: err}
	}
	if err := w.Close(); err != nil {
		e := replied("smtp data", err, "")
		e.Ambiguous = !isReply(err) // it had the dot: it may have taken the mail
		return e
	}
	return nil
}

// dialError tells what went wrong before the first mail command.
func (m *Mailer) dialError(err error) *ticket.Error {
	e := replied("smtp connect "+m.o.Addr, err, "is the server reachable?")
	var unknown x509.UnknownAuthorityError
	var name x509.HostnameError
	var invalid x509.CertificateInvalidError
	switch {
	case errors.As(err, &unknown), errors.As(err, &name), errors.As(err, &invalid):
		e.Hint = "the server's certificate is not trusted: set ca_file, or the name it is issued for"
	case isReply(err):
		e.Hint = "are user and password right?"
	case strings.Contains(err.Error(), "STARTTLS"):
		e.Hint = "the server offers no encryption: set tls to opportunistic if that is acceptable"
	}
	// All of this is for people to mend; the ticket waits until they have.
	e.Retryable = true
	return e
}

// replied makes the error of a command: 4xx and broken connections may be
// retried, 5xx not.
func replied(op string, err error, hint string) *ticket.Error {
	var p *textproto.Error
	if errors.As(err, &p) {
		return &ticket.Error{Op: op, Retryable: p.Code < 500, Hint: hint, Err: err}
	}
	return &ticket.Error{Op: op, Retryable: true, Err: err}
}

func isReply(err error) bool {
	var p *textproto.Error
	return errors.As(err, &p)
}

// worse keeps, of several refusals, one that may be retried.
func worse(a error, b *ticket.Error) error {
	var kept *ticket.Error
	if errors.As(a, &kept) && kept.Retryable {
		return a
	}
	return b
}
