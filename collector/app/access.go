package app

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"time"

	"github.com/faultline/faultline/collector/account"
	"github.com/faultline/faultline/collector/web"
)

// accessEvery is how soon a change of somebody's access that was made elsewhere, at
// another collector or by a command, counts for pages that are open here.
const accessEvery = time.Second

// watchAccess makes changes of access that were made elsewhere count here, until ctx
// ends. Requests read the account anew by themselves; a page's live connection is one
// long request.
func (a *App) watchAccess(ctx context.Context) error {
	tick := time.NewTicker(accessEvery)
	defer tick.Stop()
	last, failing := "", false
	for {
		now, err := accessStamp(ctx, a.accounts)
		if err != nil && ctx.Err() == nil && !failing {
			a.log.Warn("see whose access changed", "err", err)
		}
		if failing = err != nil; !failing {
			if last != "" && now != last {
				a.accessChanged(ctx)
			}
			last = now
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return nil
		}
	}
}

// accessChanged makes open pages and the directory of people look again.
func (a *App) accessChanged(ctx context.Context) {
	a.hub.Publish(web.Change{})
	if err := a.duty.Refresh(ctx); err != nil && ctx.Err() == nil {
		a.log.Warn("who is on call after a change of access", "err", err)
	}
}

// accounts reads who may sign in; account.Service does.
type accounts interface {
	Users(ctx context.Context) ([]account.User, error)
}

// accessStamp is another text whenever anybody may sign in who might not, or not who
// might, or may see or do something else.
func accessStamp(ctx context.Context, from accounts) (string, error) {
	users, err := from.Users(ctx)
	if err != nil {
		return "", err
	}
	type access struct {
		Name         string
		Roles, Sites []string
		Off, Change  bool
	}
	all := make([]access, len(users))
	for n, u := range users {
		all[n] = access{u.Name, u.Roles, u.Sites, u.Disabled, u.MustChange}
	}
	b, err := json.Marshal(all)
	if err != nil {
		return "", err
	}
	sum := sha256.Sum256(b)
	return string(sum[:]), nil
}
