package app

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strings"
	"time"

	"github.com/faultline/faultline/internal/lang"
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

// status is the page for people, as plain text in the first language that the
// browser asks for, else English.
func (a *App) status(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.Header().Set("Vary", "Accept-Language")
	language := lang.EN
	if strings.HasPrefix(r.Header.Get("Accept-Language"), "zh") {
		language = lang.ZH
	}
	_ = a.now().Print(w, language) // the browser may be gone; there is nobody to tell
}
