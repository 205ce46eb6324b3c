package app

import (
	"cmp"
	"context"
	"crypto/ecdsa"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/faultline/faultline/collector/account"
	"github.com/faultline/faultline/collector/api"
	"github.com/faultline/faultline/collector/assign"
	"github.com/faultline/faultline/collector/fleet"
	"github.com/faultline/faultline/collector/inventory"
	"github.com/faultline/faultline/collector/releases"
	"github.com/faultline/faultline/collector/rollout"
	"github.com/faultline/faultline/internal/pki"
	"github.com/faultline/faultline/internal/wire"
)

// readSettings reads the operator's settings of agents over the inventory; dir ""
// is none.
func readSettings(dir string, inv *inventory.Inventory) (*assign.Set, error) {
	var fsys fs.FS = embed.FS{}
	if dir != "" {
		if _, err := os.Stat(dir); err != nil {
			return nil, fmt.Errorf("agents.settings: %w", err)
		}
		fsys = os.DirFS(dir)
	}
	set, err := assign.Load(fsys, inv)
	if err != nil {
		return nil, err
	}
	set.Intervals(inv)
	return set, nil
}

// openFleet opens what is kept of agents and lets it decide what they are handed.
func (a *App) openFleet(ctx context.Context) error {
	key, err := fleetKey(filepath.Join(a.cfg.Data, "fleet.pem"))
	if err != nil {
		return err
	}
	a.fleet, err = fleet.Open(ctx, fleet.Options{Store: a.store, Key: key, Leads: a.leads, Find: a.findRelease, Wake: a.desk.Wake, Note: a.noteRollout, Now: time.Now, Logger: a.log, Registerer: a.reg})
	if err != nil {
		return err
	}
	a.assignWork(a.basis.Load())
	a.desk.Follow(source{a.fleet})
	return nil
}

// source hands out what the fleet says.
type source struct{ f *fleet.Fleet }

// Work implements inventory.Source.
func (s source) Work(agent string) (wire.Work, bool) { return s.f.Work(agent) }

// Wanted implements inventory.Source.
func (s source) Wanted(agent string) *wire.Program { return s.f.Wanted(agent) }

// assignWork says what agents are to have from now on.
func (a *App) assignWork(b *basis) {
	inv := b.graph.Inventory()
	handouts := make([]assign.Handout, 0, len(inv.Agents))
	for _, g := range inv.Agents {
		if h, ok := b.assign.Handout(inv, g.ID); ok {
			handouts = append(handouts, h)
		}
	}
	a.fleet.Set(handouts, b.assign.Rollout(), b.assign.Programs())
}

// leads tells whether this collector holds the lease.
func (a *App) leads(ctx context.Context) bool { return a.fence(ctx) == nil }

// noteRollout writes what happened by itself into the audit trail: what a person
// did stands there already.
func (a *App) noteRollout(ctx context.Context, kind string, n rollout.Note, by string) {
	if by != "" {
		return
	}
	if err := a.accounts.Record(ctx, account.AuditEntry{Actor: "collector", Action: "rollout." + n.Kind, Object: kind, Detail: n.Text}); err != nil {
		a.log.Error("roll-out is not in the audit trail", "kind", kind, "err", err)
	}
}

func (a *App) fleetGate() *api.FleetGate {
	return &api.FleetGate{Accounts: a.accounts, Fleet: a.fleet, Program: a.releases().Open}
}

// releases are the signed programs that agents may be given.
func (a *App) releases() releases.Dir {
	return releases.Dir(cmp.Or(a.cfg.Agents.Releases, filepath.Join(a.cfg.Data, "releases")))
}

// findRelease is a release by its version.
func (a *App) findRelease(version string) (wire.Program, bool) {
	p, err := a.releases().Find(version)
	if err != nil {
		if !errors.Is(err, os.ErrNotExist) {
			a.log.Warn("release cannot be read", "version", version, "err", err)
		}
		return wire.Program{}, false
	}
	return p, true
}

// fleetKey reads the key that seals what is stored of agents' work, and makes it
// at the first start.
func fleetKey(path string) (*ecdsa.PrivateKey, error) {
	text, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		key, err := pki.NewKey()
		if err != nil {
			return nil, err
		}
		if text, err = pki.EncodeKey(key); err != nil {
			return nil, err
		}
		return key, os.WriteFile(path, text, 0o600)
	}
	if err != nil {
		return nil, err
	}
	b, err := pki.Decode(text)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	key, ok := b.Key.(*ecdsa.PrivateKey)
	if !ok {
		return nil, fmt.Errorf("%s: not the key that was made here", path)
	}
	return key, nil
}
