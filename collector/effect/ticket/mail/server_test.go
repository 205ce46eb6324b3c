package mail

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"net"
	"net/http/httptest"
	"sync"
	"testing"

	"github.com/emersion/go-sasl"
	"github.com/emersion/go-smtp"
	"github.com/jhillyerd/enmime/v2"
)

// server is a real SMTP server that collects mail and misbehaves on demand.
type server struct {
	addr  string
	roots *x509.CertPool

	mu      sync.Mutex
	mails   []received
	rcpt    map[string]error // answers to RCPT
	data    error            // answer after the dot
	hang    chan struct{}    // the dot is answered when it is closed
	drop    bool             // the connection is cut after the dot
	secrets [][2]string      // what was signed in with
}

type received struct {
	to  []string
	raw []byte
	tls bool
}

type serverOption func(*smtp.Server)

func withoutTLS(s *smtp.Server) { s.TLSConfig = nil }

// start runs a server with STARTTLS that lets user:password send and nobody else,
// unless it has no TLS: then it takes mail from anybody.
func start(t *testing.T, opts ...serverOption) *server {
	t.Helper()
	certs := httptest.NewTLSServer(nil)
	defer certs.Close()
	s := &server{roots: x509.NewCertPool(), rcpt: map[string]error{}}
	s.roots.AddCert(certs.Certificate())
	srv := smtp.NewServer(smtp.BackendFunc(func(c *smtp.Conn) (smtp.Session, error) { return &session{s: s, c: c}, nil }))
	srv.TLSConfig = &tls.Config{Certificates: certs.TLS.Certificates}
	srv.Domain = "mx.test"
	for _, o := range opts {
		o(srv)
	}
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s.addr = ln.Addr().String()
	done := make(chan struct{})
	go func() { defer close(done); _ = srv.Serve(ln) }()
	// Close may come before Serve knows the listener.
	t.Cleanup(func() { _, _ = srv.Close(), ln.Close(); <-done })
	return s
}

func (s *server) script(change func(*server)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	change(s)
}

// received returns the mails so far.
func (s *server) received() []received {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]received(nil), s.mails...)
}

// one returns the only mail, parsed as a mail program would.
func (s *server) last(t *testing.T) (received, *enmime.Envelope) {
	t.Helper()
	all := s.received()
	if len(all) == 0 {
		t.Fatal("no mail arrived")
	}
	m := all[len(all)-1]
	env, err := enmime.ReadEnvelope(bytes.NewReader(m.raw))
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range env.Errors {
		t.Errorf("mail is malformed: %v", e)
	}
	return m, env
}

type session struct {
	s  *server
	c  *smtp.Conn
	in bool
	to []string
}

func (x *session) AuthMechanisms() []string { return []string{sasl.Plain} }

func (x *session) Auth(string) (sasl.Server, error) {
	return sasl.NewPlainServer(func(_, user, password string) error {
		x.s.script(func(s *server) { s.secrets = append(s.secrets, [2]string{user, password}) })
		if user != "user" || password != "password" {
			return &smtp.SMTPError{Code: 535, EnhancedCode: smtp.EnhancedCode{5, 7, 8}, Message: "bad credentials"}
		}
		x.in = true
		return nil
	}), nil
}

func (x *session) encrypted() bool { _, ok := x.c.TLSConnectionState(); return ok }

func (x *session) Mail(string, *smtp.MailOptions) error {
	if x.encrypted() && !x.in {
		return smtp.ErrAuthRequired
	}
	return nil
}

func (x *session) Rcpt(to string, _ *smtp.RcptOptions) error {
	x.s.mu.Lock()
	defer x.s.mu.Unlock()
	if err := x.s.rcpt[to]; err != nil {
		return err
	}
	x.to = append(x.to, to)
	return nil
}

func (x *session) Data(r io.Reader) error {
	raw, err := io.ReadAll(r)
	if err != nil {
		return err
	}
	x.s.mu.Lock()
	answer, hang, drop := x.s.data, x.s.hang, x.s.drop
	if answer == nil {
		x.s.mails = append(x.s.mails, received{append([]string(nil), x.to...), raw, x.encrypted()})
	}
	x.s.mu.Unlock()
	if drop {
		_ = x.c.Conn().Close()
		return errors.New("cut")
	}
	if hang != nil {
		<-hang
	}
	return answer
}

func (x *session) Reset()        { x.to = nil }
func (x *session) Logout() error { return nil }
