package app

import (
	"context"
	"crypto/rand"
	"embed"
	"encoding/hex"
	"fmt"
	"io/fs"
	"os"
	"time"

	"github.com/faultline/faultline/collector/account"
	"github.com/faultline/faultline/collector/config"
	"github.com/faultline/faultline/collector/duty"
	"github.com/faultline/faultline/collector/inventory"
	"github.com/faultline/faultline/collector/people"
	"github.com/faultline/faultline/collector/process"
	"github.com/faultline/faultline/internal/lang"
)

// dutyEvery is how often what other nodes changed about people is read.
const dutyEvery = 5 * time.Second

// readPeople reads the files of kind People in the configured directory, if any,
// over the inventory's persons.
func readPeople(cfg config.Config, inv *inventory.Inventory, set *process.Set) (*people.Directory, error) {
	var fsys fs.FS = embed.FS{}
	if dir := cfg.People; dir != "" {
		if _, err := os.Stat(dir); err != nil {
			return nil, fmt.Errorf("people: %w", err)
		}
		fsys = os.DirFS(dir)
	}
	o := people.Options{Base: people.FromInventory(inv.People), Channels: []string{people.Email}}
	for _, g := range cfg.Chat.Gateways {
		o.Channels = append(o.Channels, g.Name)
	}
	for _, s := range inv.Sites {
		o.Sites = append(o.Sites, s.ID)
	}
	o.Titles = map[string]lang.Text{}
	for _, r := range account.Roles() {
		o.Roles, o.Titles[r.ID] = append(o.Roles, r.ID), r.Title
	}
	for _, id := range set.IDs() {
		def, _ := set.Latest(id)
		for _, r := range def.Roles {
			o.Roles = append(o.Roles, r.ID)
			if _, ok := o.Titles[r.ID]; !ok && !r.Title.IsZero() {
				o.Titles[r.ID] = r.Title
			}
		}
	}
	return people.Load(fsys, o)
}

// openDuty lays what people changed and who lost access over the files.
func (a *App) openDuty(ctx context.Context) error {
	fresh := make([]byte, 32)
	_, _ = rand.Read(fresh) // crypto/rand.Read never fails since Go 1.24
	kept, err := a.store.KVInit(ctx, "duty-feed-key", hex.EncodeToString(fresh))
	if err != nil {
		return err
	}
	a.feedKey = []byte(kept)
	a.duty, err = duty.Open(ctx, duty.Options{Store: a.store, Base: func() *people.Directory { return a.basis.Load().people }, Access: a.access, Now: time.Now,
		Audit: func(ctx context.Context, by, action, object, detail string) error {
			return a.accounts.Record(ctx, account.AuditEntry{Actor: by, Action: action, Object: object, Detail: detail})
		}})
	return err
}

// access tells who may sign in: a person and an account belong together when the
// person's id is the sign-in name.
func (a *App) access(ctx context.Context) (map[string]bool, error) {
	users, err := a.store.Users(ctx)
	if err != nil {
		return nil, err
	}
	may := map[string]bool{}
	for _, u := range users {
		may[u.Name] = !u.Disabled
	}
	return may, nil
}

// directory is everybody as things stand.
func (a *App) directory() *people.Directory { return a.duty.Directory() }

// keepDuty reads changes of other nodes until ctx ends.
func (a *App) keepDuty(ctx context.Context) error {
	tick := time.NewTicker(dutyEvery)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
		case <-ctx.Done():
			return nil
		}
		if err := a.duty.Refresh(ctx); err != nil && ctx.Err() == nil {
			a.log.Warn("read who is on call", "err", err)
		}
	}
}
