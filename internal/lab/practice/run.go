package main

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/faultline/faultline/internal/lab"
	"github.com/faultline/faultline/internal/lab/control"
	"github.com/faultline/faultline/internal/lab/mailbox"
)

// run starts everything, prints where it is, and waits for ctx or a failure.
func run(ctx context.Context, s settings, out io.Writer) error {
	if err := os.MkdirAll(s.Data, 0o700); err != nil {
		return fmt.Errorf("data directory: %w", err)
	}
	if err := portFree(ctx, s.Port); err != nil {
		return err
	}
	token, err := keptToken(filepath.Join(s.Data, "agent.token"))
	if err != nil {
		return err
	}
	g, ctx := errgroup.WithContext(ctx)
	f := files{settings: s, agentToken: token, controlToken: newToken()}
	if s.Practice {
		if err := startPractice(ctx, g, &f); err != nil {
			return err
		}
	} else if f.inventory, err = plainInventory(f.hash()); err != nil {
		return err
	}
	if err := f.write(); err != nil {
		return err
	}
	collector := &child{name: "collector", path: filepath.Join(s.Bin, "faultline-collector"), args: []string{"serve", "--config", f.path("collector.yaml")}, log: f.path("collector.log")}
	agent := &child{name: "agent", path: filepath.Join(s.Bin, "faultline-agent"), args: []string{"run", "--config", f.path("agent.yaml")}, log: f.path("agent.log")}
	g.Go(func() error { return collector.run(ctx) })
	if err := waitReady(ctx, f.url()+"/-/ready"); err != nil {
		return errors.Join(err, g.Wait())
	}
	g.Go(func() error { return agent.run(ctx) })
	f.announce(out)
	if err := g.Wait(); err != nil && !errors.Is(err, context.Canceled) {
		return err
	}
	fmt.Fprintln(out, "stopped; everything is kept in", s.Data)
	return nil
}

// startPractice brings up the simulated branch, its mailbox and its control.
func startPractice(ctx context.Context, g *errgroup.Group, f *files) error {
	opts := f.branch
	opts.AgentHash = f.hash()
	branch, err := lab.Start(ctx, opts)
	if err != nil {
		return fmt.Errorf("practice branch: %w", err)
	}
	g.Go(func() error { <-ctx.Done(); return branch.Close() })
	if f.inventory, err = branch.Inventory(); err != nil {
		return fmt.Errorf("practice branch: %w", err)
	}
	box, err := mailbox.Open("127.0.0.1:0", f.path("mailbox"))
	if err != nil {
		return err
	}
	f.smtp = box.Addr()
	g.Go(func() error { return box.Run(ctx) })
	mux := http.NewServeMux()
	mux.Handle("GET /mailbox", box)
	mux.Handle("/", control.Handler(branch, f.controlToken))
	srv := &http.Server{Handler: mux, ReadHeaderTimeout: 5 * time.Second}
	ln, err := (&net.ListenConfig{}).Listen(ctx, "tcp", fmt.Sprintf("127.0.0.1:%d", f.Port+1))
	if err != nil {
		return fmt.Errorf("practice mailbox: %w", err)
	}
	g.Go(func() error {
		if err := srv.Serve(ln); !errors.Is(err, http.ErrServerClosed) {
			return err
		}
		return nil
	})
	g.Go(func() error { <-ctx.Done(); return srv.Close() })
	return nil
}

func portFree(ctx context.Context, port int) error {
	ln, err := (&net.ListenConfig{}).Listen(ctx, "tcp", fmt.Sprintf("127.0.0.1:%d", port))
	if err != nil {
		return fmt.Errorf("port %d is taken: stop what runs there, or choose another with make run PORT=9470 DATA=./data2", port)
	}
	return ln.Close()
}

// keptToken returns the token in the file, made at the first start.
func keptToken(path string) (string, error) {
	b, err := os.ReadFile(path)
	if err == nil && len(strings.TrimSpace(string(b))) >= 32 {
		return strings.TrimSpace(string(b)), nil
	}
	token := newToken()
	if err := os.WriteFile(path, []byte(token+"\n"), 0o600); err != nil {
		return "", fmt.Errorf("agent token: %w", err)
	}
	return token, nil
}

func newToken() string {
	var b [32]byte
	_, _ = rand.Read(b[:]) // crypto/rand.Read never fails since Go 1.24
	return hex.EncodeToString(b[:])
}

func hashOf(token string) string {
	h := sha256.Sum256([]byte(token))
	return hex.EncodeToString(h[:])
}

// waitReady asks until the collector says it is ready.
func waitReady(ctx context.Context, url string) error {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	for {
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
		if err != nil {
			return err
		}
		if res, err := http.DefaultClient.Do(req); err == nil {
			_ = res.Body.Close()
			if res.StatusCode == http.StatusOK {
				return nil
			}
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return errors.New("the collector did not become ready: see collector.log in the data directory")
		}
	}
}
