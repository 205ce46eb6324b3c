// Package imap watches a mailbox: it hands each new mail to a function, in
// order, and remembers how far it came, across lost connections, restarts and
// mailboxes made anew. It reads nothing in the mails (package mailin does).
package imap

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"net"
	"slices"
	"strings"
	"time"

	goimap "github.com/emersion/go-imap/v2"
	"github.com/emersion/go-imap/v2/imapclient"
	"github.com/prometheus/client_golang/prometheus"
)

// Modes of TLS.
const (
	TLSImplicit = "implicit" // before IMAP, port 993
	TLSStart    = "starttls"
	TLSNone     = "none"
)

// Store keeps the place in the mailbox; sqlstore.Store does. KVGet returns
// Options.NotFound for a name that is not there.
type Store interface {
	KVGet(ctx context.Context, name string) (string, error)
	KVPut(ctx context.Context, name, value string) error
}

// Options configure a Watcher. Addr, User, Take, Store and NotFound are required.
type Options struct {
	Addr     string // host:port
	User     string
	Password string
	TLS      string         // "" is implicit
	RootCAs  *x509.CertPool // nil: the system's
	Mailbox  string         // "" is INBOX
	// Take files a mail; after an error it is handed the same again, after a
	// while. at is when the mailbox had it.
	Take func(ctx context.Context, raw []byte, at time.Time) error
	// Give is handed a mail that Take has refused Tries times; then the next is taken.
	Give       func(ctx context.Context, raw []byte, at time.Time, problem string) error
	Tries      int // 0 is 8
	Store      Store
	NotFound   error
	MaxBytes   int64         // read of one mail; 0 is 25 MiB
	Timeout    time.Duration // of one command; 0 is 60 s
	Idle       time.Duration // an IDLE lasts so long at most, then the mailbox is looked at; 0 is 1 min
	Poll       time.Duration // where the server knows no IDLE; 0 is 20 s
	Backlog    time.Duration // how old mails are taken at the first start and from a mailbox made anew; 0 is 7 days
	First      time.Duration // pause after the first failed connection; it doubles to 5 min; 0 is 1 s
	Now        func() time.Time
	Logger     *slog.Logger
	Registerer prometheus.Registerer // optional
}

// Watcher watches one mailbox.
type Watcher struct {
	o         Options
	host      string
	connected prometheus.Gauge
	failures  prometheus.Counter
	tries     map[goimap.UID]int // failed attempts at mails; only Run touches it and taken
	taken     int                // mails taken
}

// maxPause is the longest pause between attempts to connect.
const maxPause = 5 * time.Minute

// New checks the options; it does not connect.
func New(o Options) (*Watcher, error) {
	o = withDefaults(o)
	host, _, err := net.SplitHostPort(o.Addr)
	if err != nil {
		return nil, fmt.Errorf("imap server %q: not host:port", o.Addr)
	}
	if o.User == "" || o.Take == nil || o.Store == nil || o.NotFound == nil {
		return nil, errors.New("imap: user, take, store and not-found are required")
	}
	if !slices.Contains([]string{TLSImplicit, TLSStart, TLSNone}, o.TLS) {
		return nil, fmt.Errorf("imap tls %q: want implicit, starttls or none", o.TLS)
	}
	w := &Watcher{o: o, host: host, tries: map[goimap.UID]int{},
		connected: prometheus.NewGauge(prometheus.GaugeOpts{Name: "faultline_mailin_connected_bool", Help: "1 while the mailbox is watched."}),
		failures:  prometheus.NewCounter(prometheus.CounterOpts{Name: "faultline_mailin_connection_failures_total", Help: "Connections to the mailbox that failed or were lost."})}
	if o.Registerer != nil {
		for _, c := range []prometheus.Collector{w.connected, w.failures} {
			if err := o.Registerer.Register(c); err != nil {
				return nil, fmt.Errorf("imap: %w", err)
			}
		}
	}
	return w, nil
}

func withDefaults(o Options) Options {
	def := func(d *time.Duration, v time.Duration) {
		if *d <= 0 {
			*d = v
		}
	}
	def(&o.Timeout, time.Minute)
	def(&o.Idle, time.Minute)
	def(&o.Poll, 20*time.Second)
	def(&o.Backlog, 7*24*time.Hour)
	def(&o.First, time.Second)
	if o.TLS == "" {
		o.TLS = TLSImplicit
	}
	if o.Mailbox == "" {
		o.Mailbox = "INBOX"
	}
	if o.MaxBytes <= 0 {
		o.MaxBytes = 25 << 20
	}
	if o.Tries <= 0 {
		o.Tries = 8
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Logger == nil {
		o.Logger = slog.Default()
	}
	return o
}

// Run watches until ctx ends. Lost connections are made again, ever slower.
func (w *Watcher) Run(ctx context.Context) error {
	pause := w.o.First
	for {
		began := w.o.Now()
		err := w.session(ctx)
		w.connected.Set(0)
		if ctx.Err() != nil {
			return nil
		}
		w.failures.Inc()
		if w.o.Now().Sub(began) > 2*w.o.Timeout {
			pause = w.o.First // it had been well for a while
		}
		w.o.Logger.Warn("mailbox lost", "server", w.o.Addr, "err", err, "again_in", pause)
		timer := time.NewTimer(time.Duration(float64(pause) * (0.8 + 0.4*rand.Float64())))
		select {
		case <-ctx.Done():
			timer.Stop()
			return nil
		case <-timer.C:
		}
		pause = min(2*pause, maxPause)
	}
}

// session is one connection from greeting to loss.
func (w *Watcher) session(ctx context.Context) error {
	news := make(chan struct{}, 1)
	c, err := w.connect(ctx, news)
	if err != nil {
		return err
	}
	defer func() { _ = c.Close() }()
	// The library's calls know no context: end them by ending the connection.
	defer context.AfterFunc(ctx, func() { _ = c.Close() })()
	if err := w.limit(c, func() error { return c.Login(w.o.User, w.o.Password).Wait() }); err != nil {
		return fmt.Errorf("imap login as %s: %w", w.o.User, err)
	}
	var box *goimap.SelectData
	if err := w.limit(c, func() (err error) { box, err = c.Select(w.o.Mailbox, nil).Wait(); return err }); err != nil {
		return fmt.Errorf("imap select %s: %w", w.o.Mailbox, err)
	}
	w.connected.Set(1)
	for begins := true; ctx.Err() == nil; begins = false {
		before := w.taken
		if err := w.drain(ctx, c, box.UIDValidity); err != nil {
			return err
		}
		if err := w.wait(ctx, c, news, begins || w.taken > before); err != nil {
			return err
		}
	}
	return ctx.Err()
}

// connect dials and speaks TLS as configured. news is told of new mails.
func (w *Watcher) connect(ctx context.Context, news chan<- struct{}) (*imapclient.Client, error) {
	ctx, cancel := context.WithTimeout(ctx, w.o.Timeout)
	defer cancel()
	var d net.Dialer
	conn, err := d.DialContext(ctx, "tcp", w.o.Addr)
	if err != nil {
		return nil, fmt.Errorf("imap connect: %w", err)
	}
	conf := &tls.Config{ServerName: w.host, RootCAs: w.o.RootCAs, MinVersion: tls.VersionTLS12}
	opts := &imapclient.Options{TLSConfig: conf, UnilateralDataHandler: &imapclient.UnilateralDataHandler{
		Mailbox: func(data *imapclient.UnilateralDataMailbox) {
			if data.NumMessages != nil {
				select {
				case news <- struct{}{}:
				default:
				}
			}
		}}}
	stop := context.AfterFunc(ctx, func() { _ = conn.Close() })
	defer stop()
	switch w.o.TLS {
	case TLSImplicit:
		t := tls.Client(conn, conf)
		if err := t.HandshakeContext(ctx); err != nil {
			_ = conn.Close()
			return nil, fmt.Errorf("imap tls: %w", err)
		}
		conn = t
	case TLSStart:
		c, err := imapclient.NewStartTLS(conn, opts)
		if err != nil {
			_ = conn.Close()
			return nil, fmt.Errorf("imap starttls: %w", err)
		}
		return c, nil
	}
	c := imapclient.New(conn, opts)
	if err := c.WaitGreeting(); err != nil {
		_ = c.Close()
		return nil, fmt.Errorf("imap greeting: %w", err)
	}
	return c, nil
}

// limit ends the connection when a command takes too long.
func (w *Watcher) limit(c *imapclient.Client, command func() error) error {
	t := time.AfterFunc(w.o.Timeout, func() { _ = c.Close() })
	defer t.Stop()
	return command()
}

// drain takes all mails after the place that was reached. A mailbox made anew
// (another UIDVALIDITY) is read from its beginning, as far back as the backlog:
// who files the mails knows those he had.
func (w *Watcher) drain(ctx context.Context, c *imapclient.Client, validity uint32) error {
	p, known, err := w.place(ctx)
	if err != nil {
		return err
	}
	criteria := &goimap.SearchCriteria{}
	if !known || p.Validity != validity {
		p = place{Validity: validity}
		criteria.Since = w.o.Now().Add(-w.o.Backlog)
	} else {
		criteria.UID = []goimap.UIDSet{{goimap.UIDRange{Start: p.UID + 1}}}
	}
	var found *goimap.SearchData
	if err := w.limit(c, func() (err error) { found, err = c.UIDSearch(criteria, nil).Wait(); return err }); err != nil {
		return fmt.Errorf("imap search: %w", err)
	}
	uids := found.AllUIDs()
	slices.Sort(uids)
	for _, uid := range uids {
		if uid <= p.UID { // n:* always names the last mail
			continue
		}
		if err := w.one(ctx, c, uid); err != nil {
			return err
		}
		p.UID = uid
		if err := w.keep(ctx, p); err != nil {
			return err
		}
	}
	if !known && len(uids) == 0 {
		return w.keep(ctx, p)
	}
	return nil
}

// one takes one mail.
func (w *Watcher) one(ctx context.Context, c *imapclient.Client, uid goimap.UID) error {
	var raw []byte
	var at time.Time
	if err := w.limit(c, func() (err error) { raw, at, err = w.fetch(c, uid); return err }); err != nil {
		return fmt.Errorf("imap fetch %d: %w", uid, err)
	}
	if len(raw) == 0 {
		return nil // gone meanwhile
	}
	err := w.o.Take(ctx, raw, at)
	if err != nil {
		w.tries[uid]++
		if w.tries[uid] < w.o.Tries || w.o.Give == nil || ctx.Err() != nil {
			return fmt.Errorf("take mail %d: %w", uid, err)
		}
		if err := w.o.Give(ctx, raw, at, err.Error()); err != nil {
			return fmt.Errorf("give up mail %d: %w", uid, err)
		}
	}
	delete(w.tries, uid)
	w.taken++
	// Read mails are for people who look into the mailbox; whether it works decides nothing.
	_ = w.limit(c, func() error {
		return c.Store(goimap.UIDSetNum(uid), &goimap.StoreFlags{Op: goimap.StoreFlagsAdd, Silent: true, Flags: []goimap.Flag{goimap.FlagSeen}}, nil).Close()
	})
	return nil
}

// fetch reads a mail, one byte more than allowed at most.
func (w *Watcher) fetch(c *imapclient.Client, uid goimap.UID) (raw []byte, at time.Time, err error) {
	section := &goimap.FetchItemBodySection{Peek: true, Partial: &goimap.SectionPartial{Offset: 0, Size: w.o.MaxBytes + 1}}
	cmd := c.Fetch(goimap.UIDSetNum(uid), &goimap.FetchOptions{UID: true, InternalDate: true, BodySection: []*goimap.FetchItemBodySection{section}})
	for msg := cmd.Next(); msg != nil; msg = cmd.Next() {
		for item := msg.Next(); item != nil; item = msg.Next() {
			switch item := item.(type) {
			case imapclient.FetchItemDataBodySection:
				if item.Literal == nil {
					continue
				}
				if raw, err = io.ReadAll(io.LimitReader(item.Literal, w.o.MaxBytes+1)); err != nil {
					_ = cmd.Close()
					return nil, at, err
				}
			case imapclient.FetchItemDataInternalDate:
				at = item.Time.UTC()
			}
		}
	}
	if at.IsZero() {
		at = w.o.Now()
	}
	return raw, at, cmd.Close()
}

// wait returns when there may be new mail: the server says so (IDLE), or it is
// time to look. Some servers forget to tell of mail that came just before IDLE:
// where mail came a moment ago, or the connection is new, the next look is soon.
func (w *Watcher) wait(ctx context.Context, c *imapclient.Client, news <-chan struct{}, lively bool) error {
	long := w.o.Idle
	if lively {
		long = min(long, 3*time.Second)
	}
	idles := c.Caps().Has(goimap.CapIdle)
	if !idles {
		long = min(long, w.o.Poll)
	}
	var idle *imapclient.IdleCommand
	if idles {
		if err := w.limit(c, func() (err error) { idle, err = c.Idle(); return err }); err != nil {
			return fmt.Errorf("imap idle: %w", err)
		}
	}
	timer := time.NewTimer(long)
	defer timer.Stop()
	select {
	case <-news:
	case <-timer.C:
	case <-ctx.Done():
		return ctx.Err()
	case <-c.Closed():
		return errors.New("imap: the server ended the connection")
	}
	if idle == nil {
		return w.limit(c, func() error { return c.Noop().Wait() })
	}
	if err := w.limit(c, func() error { return errors.Join(idle.Close(), idle.Wait()) }); err != nil {
		return fmt.Errorf("imap idle: %w", strip(err))
	}
	return nil
}

// strip keeps an error's text on one line.
func strip(err error) error { return errors.New(strings.ReplaceAll(err.Error(), "\n", "; ")) }
