package app

import (
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/faultline/faultline/collector/api"
	"github.com/faultline/faultline/collector/enrol"
	"github.com/faultline/faultline/collector/heartbeat"
	"github.com/faultline/faultline/collector/ingest"
	"github.com/faultline/faultline/collector/inventory"
	"github.com/faultline/faultline/internal/pki"
	"github.com/faultline/faultline/internal/seal"
	"github.com/faultline/faultline/internal/wire"
)

// openEnrolment prepares the authority that agents get their certificates from,
// where agents have a listener of their own.
func (a *App) openEnrolment(context.Context) error {
	c := a.cfg.Agents
	if c.Listen == "" {
		return nil
	}
	authority, err := enrol.OpenAuthority(filepath.Join(a.cfg.Data, "authority"), time.Now(), a.log)
	if err != nil {
		return err
	}
	o := enrol.Options{Store: a.store, Authority: authority, Names: c.Names, Life: c.CertificateLife, ReleaseKey: c.ReleaseKey, Logger: a.log, Registerer: a.reg,
		SiteOf: func(id string) (string, bool) { g, ok := a.graph().Agent(id); return g.Site, ok }}
	if address := cmp.Or(c.URL, a.cfg.ExternalURL); address != "" {
		o.Installer, err = enrol.NewInstaller(address, cmp.Or(c.Files, filepath.Join(a.cfg.Data, "agents")), pki.Fingerprint(authority.Certificate))
		if err != nil {
			return fmt.Errorf("agents.url: %w", err)
		}
	}
	a.enrol, err = enrol.New(o)
	return err
}

// AgentPaths are all that the agents' listener serves, as patterns of
// http.ServeMux.
func AgentPaths() []string {
	all := []string{ingest.PathWrite, ingest.PathEvents}
	for _, path := range api.Paths() {
		if strings.Contains(path, " /api/v1/agents/self") {
			all = append(all, path)
		}
	}
	return append(all, enrol.Paths()...)
}

// agentServer answers what agents ask for: AgentPaths, and nothing else.
func (a *App) agentServer(in, programs http.Handler) *http.Server {
	mux := http.NewServeMux()
	own := a.enrol.Handler()
	for _, path := range AgentPaths() {
		switch {
		case path == ingest.PathWrite || path == ingest.PathEvents:
			mux.Handle(path, in)
		case slices.Contains(enrol.Paths(), path):
			mux.Handle(path, own)
		default:
			mux.Handle(path, programs)
		}
	}
	return &http.Server{Handler: a.enrol.Gate(mux), ReadHeaderTimeout: 10 * time.Second, IdleTimeout: 2 * time.Minute, MaxHeaderBytes: 64 << 10}
}

// serveAgents runs the agents' listener until ctx ends.
func (a *App) serveAgents(ctx context.Context, g *errgroup.Group) error {
	if a.agents == nil {
		return nil
	}
	ln, err := (&net.ListenConfig{}).Listen(ctx, "tcp", a.cfg.Agents.Listen)
	if err != nil {
		return fmt.Errorf("agents.listen: %w", err)
	}
	g.Go(func() error { return a.enrol.Run(ctx) })
	g.Go(func() error {
		err := a.agents.Serve(tls.NewListener(ln, a.enrol.TLSConfig(nil))) // ServeTLS would offer HTTP/2
		if errors.Is(err, http.ErrServerClosed) {
			return nil
		}
		return fmt.Errorf("serve agents: %w", err)
	})
	g.Go(func() error { return stopServer(ctx, a.agents) })
	a.log.Info("collector serves agents", "listen", a.cfg.Agents.Listen)
	return nil
}

// stopServer lets answers under way finish when ctx ends; streams and long polls
// are cut.
func stopServer(ctx context.Context, s *http.Server) error {
	<-ctx.Done()
	stop, cancel := context.WithTimeout(context.WithoutCancel(ctx), 2*time.Second)
	defer cancel()
	if err := s.Shutdown(stop); err != nil {
		return s.Close()
	}
	return nil
}

// work hands out what agents measure. One that has enrolled and that the inventory
// does not name yet waits: it sends what its own file says.
type work struct {
	*inventory.Desk
	alive *heartbeat.Monitor // is told whose connection stands
}

// Poll waits for work newer than after.
func (w work) Poll(ctx context.Context, agent string, after int64, known string) (wire.Work, error) {
	w.alive.Connected(agent, true)
	defer func() {
		if errors.Is(ctx.Err(), context.Canceled) {
			w.alive.Connected(agent, false)
		}
	}()
	got, err := w.Desk.PollFor(ctx, agent, after, known)
	if errors.Is(err, inventory.ErrUnknownAgent) {
		<-ctx.Done()
		return wire.Work{}, ctx.Err()
	}
	if who, ok := enrol.From(ctx); ok && err == nil {
		return seal.Work(who.Key, agent, got)
	}
	return got, err
}
