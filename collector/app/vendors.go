package app

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"net/http"
	"net/mail"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/faultline/faultline/collector/document"
	"github.com/faultline/faultline/collector/effect/ticket"
	"github.com/faultline/faultline/collector/effect/ticket/follow"
	smtp "github.com/faultline/faultline/collector/effect/ticket/mail"
	"github.com/faultline/faultline/collector/engine"
	"github.com/faultline/faultline/collector/mailin"
	"github.com/faultline/faultline/collector/mailin/imap"
	"github.com/faultline/faultline/collector/mailin/shelf"
	"github.com/faultline/faultline/collector/vendorpage"
	"github.com/faultline/faultline/plugins/host"
	desk "github.com/faultline/faultline/plugins/ticket"
)

// vendors is all that comes back from vendors: mails, what desks say, answers on
// pages; and the plugins on the way to them.
type vendors struct {
	shelf   *shelf.Shelf
	inbox   *mailin.Inbox
	matcher *mailin.Matcher
	mailbox *imap.Watcher   // nil: no mail comes in
	follow  *follow.Service // what desks say
	plugins *host.Host      // nil: none
	mailer  *smtp.Mailer    // nil: no mail server
	links   *vendorpage.Links
	server  *http.Server // of the doors' own listener; nil: they are at the console's
}

// openVendors makes the ways back from vendors, after the ways to them.
func (a *App) openVendors(context.Context) error {
	var err error
	if a.vendors.shelf, err = shelf.Open(filepath.Join(a.cfg.Data, "mail")); err != nil {
		return err
	}
	return a.openMailIn()
}

// openMailIn makes the inbox and, with a server, what watches it.
func (a *App) openMailIn() error {
	v, c := &a.vendors, a.cfg.MailIn
	replyTo := ""
	if a.vendors.mailer != nil {
		if at, err := mail.ParseAddress(a.cfg.Mail.ReplyTo); err == nil {
			replyTo = at.Address
		}
	}
	v.matcher = &mailin.Matcher{Incidents: a.store, KV: a.store, NotFound: engine.ErrNotFound, ReplyTo: replyTo, Senders: a.senders,
		Token: func(number, key string) string {
			if a.vendors.mailer == nil {
				return ""
			}
			return a.vendors.mailer.ReplyToken(number, key)
		}}
	var err error
	v.inbox, err = mailin.New(mailin.Options{Matcher: v.matcher, Papers: papersOf{a.store}, Queue: v.shelf.Queue(), Handle: a.engine.Handle, Zone: a.graph().Location(""), Registerer: a.reg})
	if err != nil || c.Host == "" {
		return err
	}
	if replyTo == "" {
		a.log.Warn("mail comes in, but mail.reply_to is not set: answers are matched by Message-ID and subject only")
	}
	roots, err := rootCAs("mail_in.ca_file", c.CAFile)
	if err != nil {
		return err
	}
	v.mailbox, err = imap.New(imap.Options{Addr: c.Host, User: c.User, Password: c.Password.Reveal(), TLS: c.TLS, RootCAs: roots, Mailbox: c.Mailbox,
		Take: a.takeMail, Give: v.inbox.Give, Store: a.store, NotFound: engine.ErrNotFound, Logger: a.log, Registerer: a.reg})
	return err
}

// takeMail files one mail.
func (a *App) takeMail(ctx context.Context, raw []byte, at time.Time) error {
	e, outcome, err := a.vendors.inbox.Take(ctx, raw, at)
	if err == nil {
		a.log.Info("mail in", "outcome", outcome, "matched", e.Match.By, "number", e.Match.Ticket.Number, "says", e.Meaning.Says, "from", e.From)
	}
	return err
}

// rootCAs reads a file of certificates; nil, the system's, without one.
func rootCAs(what, path string) (*x509.CertPool, error) {
	if path == "" {
		return nil, nil
	}
	pem, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", what, err)
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(pem) {
		return nil, fmt.Errorf("%s: no certificate in %s", what, path)
	}
	return pool, nil
}

// papersOf keeps what vendors send with the incidents' documents.
type papersOf struct{ store document.Store }

// Keep implements mailin.Papers.
func (p papersOf) Keep(ctx context.Context, x mailin.Paper) error {
	return p.store.PutDocument(ctx, document.Checked(document.Upload{IncidentID: x.IncidentID, Kind: x.Kind, Name: x.Name, Body: x.Data, By: x.By, At: x.At}, x.Type))
}

// senders are the addresses a vendor writes from.
func (a *App) senders(id string) []string {
	v, _ := a.graph().Vendor(id)
	return v.Emails
}

// ticketOptions are what tickets are written from and where they go.
func (a *App) ticketOptions(desks []desk.Desk) ticket.Options {
	return ticket.Options{Desks: desks, Graph: a.graph, Now: time.Now, Logger: a.log, Charts: a.ticketCharts, OnSite: a.onSite, Page: a.pageURL}
}

// hear takes what vendors say, on the holder of the lease, until ctx ends.
func (a *App) hear(ctx context.Context) error {
	var g errgroup.Group
	if a.vendors.mailbox != nil {
		g.Go(func() error { return a.vendors.mailbox.Run(ctx) })
	}
	if a.vendors.follow != nil {
		g.Go(func() error { return a.vendors.follow.Run(ctx) })
	}
	return g.Wait()
}

// pruneVendors forgets what people dealt with long ago.
func (a *App) pruneVendors(ctx context.Context) error {
	err := a.vendors.shelf.Queue().Prune(ctx, time.Now().Add(-shelf.KeepHandled))
	if err != nil {
		err = errors.Join(errors.New("mails dealt with"), err)
	}
	return err
}
