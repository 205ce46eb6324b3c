// Package mailbox is the practice company's mail server: it takes every mail by
// SMTP on loopback, keeps each as a file, and shows them on a page. Practice
// runs and tests send the vendors' tickets here. It is no mail server for
// anything else: it relays nothing and knows no users.
package mailbox

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/emersion/go-smtp"
	"github.com/jhillyerd/enmime/v2"
)

const maxMail = 16 << 20

// Mail is one received message.
type Mail struct {
	At        time.Time
	From      string
	To        []string
	Subject   string
	MessageID string
	Header    map[string]string // In-Reply-To, References, Auto-Submitted, Reply-To
	Text      string
	Raw       []byte
}

// Box receives mail. Its methods may be called from several goroutines.
type Box struct {
	dir    string
	server *smtp.Server
	ln     net.Listener

	mu      sync.Mutex // guards the fields below
	mails   []Mail
	before  func(Mail)    // see Before
	arrived chan struct{} // closed and replaced at each arrival
}

// Open listens on addr (127.0.0.1:0 for any free port) and keeps mails in dir;
// what lies there already is read.
func Open(addr, dir string) (*Box, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("mailbox: %w", err)
	}
	b := &Box{dir: dir, arrived: make(chan struct{})}
	if err := b.readDir(); err != nil {
		return nil, err
	}
	ln, err := (&net.ListenConfig{}).Listen(context.Background(), "tcp", addr)
	if err != nil {
		return nil, fmt.Errorf("mailbox: %w", err)
	}
	b.ln = ln
	b.server = smtp.NewServer(smtp.BackendFunc(func(*smtp.Conn) (smtp.Session, error) { return &session{box: b}, nil }))
	b.server.Domain, b.server.MaxMessageBytes, b.server.MaxRecipients = "mailbox.practice.invalid", maxMail, 50
	b.server.ReadTimeout, b.server.WriteTimeout = 30*time.Second, 30*time.Second
	return b, nil
}

// Addr is where it listens.
func (b *Box) Addr() string { return b.ln.Addr().String() }

// Before makes the box call f with each mail it has stored and not yet
// acknowledged, from the goroutine of its sender's connection; nil: nothing.
func (b *Box) Before(f func(Mail)) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.before = f
}

// Run serves until ctx ends.
func (b *Box) Run(ctx context.Context) error {
	// Close may come before Serve knows the listener.
	stop := context.AfterFunc(ctx, func() { _, _ = b.server.Close(), b.ln.Close() })
	defer stop()
	if err := b.server.Serve(b.ln); err != nil && ctx.Err() == nil && !errors.Is(err, smtp.ErrServerClosed) {
		return fmt.Errorf("mailbox: %w", err)
	}
	return nil
}

// Mails returns what has arrived, oldest first.
func (b *Box) Mails() []Mail {
	b.mu.Lock()
	defer b.mu.Unlock()
	return slices.Clone(b.mails)
}

// Wait returns the mails once there are at least n, or ctx's error.
func (b *Box) Wait(ctx context.Context, n int) ([]Mail, error) {
	for {
		b.mu.Lock()
		mails, arrived := slices.Clone(b.mails), b.arrived
		b.mu.Unlock()
		if len(mails) >= n {
			return mails, nil
		}
		select {
		case <-arrived:
		case <-ctx.Done():
			return mails, fmt.Errorf("mailbox has %d mails, want %d: %w", len(mails), n, ctx.Err())
		}
	}
}

func (b *Box) readDir() error {
	files, err := filepath.Glob(filepath.Join(b.dir, "*.eml"))
	if err != nil {
		return fmt.Errorf("mailbox: %w", err)
	}
	slices.Sort(files)
	for _, f := range files {
		raw, err := os.ReadFile(f)
		if err != nil {
			return fmt.Errorf("mailbox: %w", err)
		}
		at := time.Time{}
		if fi, err := os.Stat(f); err == nil {
			at = fi.ModTime()
		}
		b.mails = append(b.mails, parse(raw, "", nil, at))
	}
	return nil
}

// take stores a mail before it is acknowledged.
func (b *Box) take(from string, to []string, raw []byte) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	now := time.Now()
	path := filepath.Join(b.dir, fmt.Sprintf("%s-%04d.eml", now.UTC().Format("20060102T150405.000"), len(b.mails)+1))
	if err := os.WriteFile(path, raw, 0o600); err != nil {
		return err
	}
	b.mails = append(b.mails, parse(raw, from, to, now))
	close(b.arrived)
	b.arrived = make(chan struct{})
	return nil
}

// parse reads a mail as its receiver's program would.
func parse(raw []byte, from string, to []string, at time.Time) Mail {
	m := Mail{At: at, From: from, To: to, Raw: raw, Header: map[string]string{}}
	env, err := enmime.ReadEnvelope(bytes.NewReader(raw))
	if err != nil {
		slog.Warn("mailbox: unreadable mail", "err", err)
		return m
	}
	m.Subject, m.MessageID, m.Text = env.GetHeader("Subject"), env.GetHeader("Message-Id"), env.Text
	if m.From == "" {
		m.From = env.GetHeader("From")
	}
	if m.To == nil {
		m.To = strings.Split(env.GetHeader("To"), ",")
	}
	for _, h := range []string{"In-Reply-To", "References", "Auto-Submitted", "Reply-To", "Date", "From", "To", "X-Auto-Response-Suppress"} {
		m.Header[h] = env.GetHeader(h)
	}
	return m
}

// session is one SMTP dialogue.
type session struct {
	box  *Box
	from string
	to   []string
}

func (s *session) Mail(from string, _ *smtp.MailOptions) error { s.from = from; return nil }
func (s *session) Rcpt(to string, _ *smtp.RcptOptions) error   { s.to = append(s.to, to); return nil }
func (s *session) Reset()                                      { s.from, s.to = "", nil }
func (s *session) Logout() error                               { return nil }

func (s *session) Data(r io.Reader) error {
	raw, err := io.ReadAll(io.LimitReader(r, maxMail+1))
	if err != nil {
		return err
	}
	if err := s.box.take(s.from, s.to, raw); err != nil {
		return err
	}
	s.box.mu.Lock()
	before := s.box.before
	s.box.mu.Unlock()
	if before != nil {
		before(parse(raw, s.from, s.to, time.Now()))
	}
	return nil
}
