package app

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"time"
)

// serveStatus shows targets and own metrics on the loopback address.
func (a *App) serveStatus(ctx context.Context) error {
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", a.reg)
	mux.Handle("GET /{$}", localOnly(a.status))
	mux.Handle("GET /status.json", localOnly(a.statusJSON))
	mux.Handle("GET /tail", localOnly(a.tail))
	ln, err := (&net.ListenConfig{}).Listen(ctx, "tcp", a.cfg.Listen)
	if err != nil {
		return fmt.Errorf("status page: %w", err)
	}
	srv := &http.Server{Handler: mux, ReadHeaderTimeout: 5 * time.Second}
	stop := context.AfterFunc(ctx, func() { _ = srv.Close() })
	defer stop()
	if err := srv.Serve(ln); !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("status page: %w", err)
	}
	return nil
}

// status lists the targets as plain text.
func (a *App) status(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	fmt.Fprintf(w, "agent %s  collector %s\n\n%-40s %-8s %-5s %-9s %s\n", a.cfg.Agent, a.cfg.Collector.URL, "target", "input", "up", "took", "last problem")
	for _, s := range a.schedule.Status() {
		fmt.Fprintf(w, "%-40s %-8s %-5t %-9s %s\n", s.ID, s.Input, s.Up, s.Took.Round(time.Millisecond), s.Error)
	}
}
