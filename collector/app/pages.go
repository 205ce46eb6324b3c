package app

import (
	"cmp"
	"context"
	"crypto/rand"
	"encoding/hex"
	"net"
	"net/http"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/faultline/faultline/collector/effect/ticket/follow"
	"github.com/faultline/faultline/collector/engine"
	"github.com/faultline/faultline/collector/incident"
	"github.com/faultline/faultline/collector/vendorpage"
)

// linkLife is how long a vendor's link is good when nobody says otherwise.
const linkLife = 30 * 24 * time.Hour

// openLinks makes the key of the vendors' links; it outlives restarts, and with
// it the links.
func (a *App) openLinks(ctx context.Context) error {
	var fresh [32]byte
	_, _ = rand.Read(fresh[:]) // crypto/rand.Read never fails since Go 1.24
	kept, err := a.store.KVInit(ctx, "vendor-page-key", hex.EncodeToString(fresh[:]))
	if err != nil {
		return err
	}
	c := a.cfg.VendorPages
	a.vendors.links = &vendorpage.Links{Key: []byte(kept), Base: cmp.Or(c.URL, a.cfg.ExternalURL), Life: cmp.Or(c.Life, linkLife), KV: a.store, NotFound: engine.ErrNotFound, Now: time.Now}
	return nil
}

// pageURL is the vendor's page of a ticket; "" where there is none.
func (a *App) pageURL(i incident.Incident, _, ticketKey string) string {
	l := a.vendors.links
	if a.cfg.VendorPages.Off || l.Base == "" {
		return ""
	}
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	url, err := l.URL(ctx, ticketKey)
	if err != nil {
		a.log.Warn("ticket without a link", "number", i.Number, "err", err)
	}
	return url
}

// vendorDoors are what vendors and their systems may reach.
func (a *App) vendorDoors() (map[string]http.Handler, error) {
	doors := map[string]http.Handler{}
	if a.vendors.follow != nil {
		doors[follow.Prefix] = a.vendors.follow.Handler()
	}
	if a.cfg.VendorPages.Off {
		return doors, nil
	}
	h, err := vendorpage.New(vendorpage.Options{Links: a.vendors.links, Incident: a.store.Incident, Events: a.store.Events, Graph: a.graph, Handle: a.engine.Handle,
		Papers: papersOf{a.store}, Charts: a.ticketCharts, OnSite: a.onSite, Secure: a.cfg.TLS.CertFile != "" || strings.HasPrefix(a.vendors.links.Base, "https:"), Now: time.Now, Logger: a.log, Registerer: a.reg})
	doors[vendorpage.Prefix] = h
	return doors, err
}

// mountVendors puts the doors on the console's listener, or on one of their own.
func (a *App) mountVendors(mux *http.ServeMux) error {
	doors, err := a.vendorDoors()
	if err != nil {
		return err
	}
	if a.cfg.VendorPages.Listen != "" {
		mux = http.NewServeMux()
		a.vendors.server = &http.Server{Handler: mux, ReadHeaderTimeout: 10 * time.Second, ReadTimeout: 5 * time.Minute, IdleTimeout: 2 * time.Minute, MaxHeaderBytes: 64 << 10}
	}
	for path, h := range doors {
		mux.Handle(path, h)
	}
	return nil
}

// serveVendors opens the doors' own listener, where there is one.
func (a *App) serveVendors(ctx context.Context, g *errgroup.Group) error {
	if a.vendors.server == nil {
		return nil
	}
	ln, err := (&net.ListenConfig{}).Listen(ctx, "tcp", a.cfg.VendorPages.Listen)
	if err != nil {
		return err
	}
	g.Go(func() error { return a.serveOn(ln, a.vendors.server) })
	g.Go(func() error { return stopServer(ctx, a.vendors.server) })
	a.log.Info("vendor pages served", "listen", a.cfg.VendorPages.Listen)
	return nil
}
