package enrol

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"os"
	"path/filepath"
	"time"

	"github.com/faultline/faultline/agent/link"
	"github.com/faultline/faultline/internal/pki"
)

// Pace of renewal. There is a third of the certificate's life to succeed in.
const (
	lookEvery  = time.Hour
	retryFirst = time.Minute
	retryLast  = time.Hour
)

// Run renews the certificate when it is due, until ctx ends; it returns nil. The
// link must have this identity as its credential.
func (i *Identity) Run(ctx context.Context, client *link.Client, log *slog.Logger) error {
	retry := time.Duration(0)
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-timer.C:
		}
		wait := i.next()
		if wait <= 0 {
			err := i.Renew(ctx, client)
			switch {
			case ctx.Err() != nil:
				return nil
			case err != nil:
				retry = min(max(2*retry, retryFirst), retryLast)
				wait = retry/2 + rand.N(retry/2)
				log.Warn("enrol: certificate is not renewed", "expires", i.Status().Expires, "again_in", wait.Round(time.Second), "err", err)
			default:
				retry, wait = 0, i.next()
				log.Info("enrol: certificate renewed", "expires", i.Status().Expires)
			}
		}
		timer.Reset(min(max(wait, time.Second), lookEvery))
	}
}

// next is how long until the renewal is due, by the collector's clock.
func (i *Identity) next() time.Duration {
	return pki.RenewAt(i.held.Load().cert.Leaf).Sub(i.collectorNow())
}

// Renew asks for a certificate for a new key and puts both in force. Until the
// file is complete on disk the present one stays.
func (i *Identity) Renew(ctx context.Context, client *link.Client) error {
	h := i.held.Load()
	pending := pendingKey{filepath.Join(filepath.Dir(i.path), "renew.key")}
	key, keyText, err := pending.get()
	if err != nil {
		return fmt.Errorf("renew certificate: %w", err)
	}
	csr, err := pki.NewRequest(key)
	if err != nil {
		return err
	}
	host, _ := os.Hostname()
	reply, err := request(ctx, client, pki.PathRenew, pki.Request{CSR: csr, Host: host, Machine: h.meta.Machine, Now: i.now()}, "")
	if err != nil {
		var refused *RefusedError
		if errors.As(err, &refused) && !refused.Retryable {
			pending.done()
		}
		return fmt.Errorf("renew certificate: %w", err)
	}
	leaf, err := accept(reply, key, h.authority)
	if err == nil && (reply.Agent != h.who.Agent || reply.Site != h.who.Site) {
		err = fmt.Errorf("the certificate is for agent %s of site %s", reply.Agent, reply.Site)
	}
	if err != nil {
		pending.done()
		return fmt.Errorf("renew certificate: %w", err)
	}
	text, err := encode(h.meta, keyText, leaf, h.authority)
	if err != nil {
		return fmt.Errorf("renew certificate: %w", err)
	}
	next, err := parse(text)
	if err != nil {
		return fmt.Errorf("renew certificate: %w", err)
	}
	if err := i.keepKey(h); err != nil {
		return fmt.Errorf("renew certificate: keep the last key: %w", err)
	}
	if err := writePrivate(i.path, text); err != nil {
		return fmt.Errorf("renew certificate: write identity: %w", err)
	}
	pending.done()
	i.held.Store(next)
	return nil
}
