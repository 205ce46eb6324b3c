package app

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/faultline/faultline/collector/engine"
	"github.com/faultline/faultline/collector/fleet"
	"github.com/faultline/faultline/collector/people"
	"github.com/faultline/faultline/collector/rollout"
	"github.com/faultline/faultline/internal/lang"
)

// takenBackTold is where it is kept of which roll-out people were told last, by kind.
const takenBackTold = "fleet/told/"

// tellTakenBack tells head office of each roll-out that was taken back by itself:
// agents go on as before, so that nothing else would. It runs on the holder of the
// lease; the same roll-out is told once whatever restarts, since messages have keys.
func (a *App) tellTakenBack(ctx context.Context, now time.Time) error {
	if a.fleet == nil {
		return nil
	}
	var errs []error
	for _, v := range a.fleet.Rollouts() {
		if v.Phase != rollout.RolledBack {
			continue
		}
		stamp := v.Release + " " + v.Since.UTC().Format(time.RFC3339)
		told, err := a.store.KVGet(ctx, takenBackTold+v.Kind)
		if err != nil && !errors.Is(err, engine.ErrNotFound) || told == stamp {
			errs = append(errs, ignoreNotFound(err))
			continue
		}
		because := lang.Text{ZH: "您负责代理的下发", EN: "you answer for what agents are handed"}
		if err := a.post.Send(ctx, takenBack(v, a.cfg.ExternalURL, now), a.readersOf(a.cfg.Agents.NotifyRoles, because, now)); err != nil {
			errs = append(errs, err)
			continue
		}
		errs = append(errs, a.store.KVPut(ctx, takenBackTold+v.Kind, stamp))
	}
	return errors.Join(errs...)
}

func ignoreNotFound(err error) error {
	if errors.Is(err, engine.ErrNotFound) {
		return nil
	}
	return err
}

// takenBack is what people are told of a roll-out that was taken back.
func takenBack(v fleet.RolloutView, url string, now time.Time) people.Happening {
	what := lang.Text{ZH: "代理设置", EN: "Settings of agents"}
	if v.Kind == fleet.Program {
		what = lang.Text{ZH: "代理程序", EN: "Program of agents"}
	}
	return people.Happening{ID: "taken-back/" + v.Kind + "/" + v.Release + "/" + v.Since.UTC().Format(time.RFC3339), Event: "taken_back", Priority: 3, At: now.UTC(),
		Title: lang.Text{ZH: what.ZH + "的下发已自动撤回：" + v.Release, EN: what.EN + ": roll-out taken back: " + v.Release},
		Text: lang.Text{
			ZH: "代理继续使用之前的版本，撤回的版本不会自行再次下发。\n原因：" + v.Reason + "\n改正后重新下发，或在页面上重试：" + url + "/agents",
			EN: "Agents go on with the version before; what was taken back does not come again by itself.\nReason: " + v.Reason + "\nMend it, or retry on the page: " + url + "/agents",
		}}
}

// readersOf are the people of some roles who are there and see all sites.
func (a *App) readersOf(roles []string, because lang.Text, now time.Time) []people.Told {
	dir := a.directory()
	var out []people.Told
	for _, p := range dir.People {
		if !dir.Present(p.ID, now) || people.See(people.Viewer{Kind: "person", Roles: p.Roles, Sites: p.Sites}, people.Subject{}) != people.Whole {
			continue
		}
		if slices.ContainsFunc(p.Roles, func(r string) bool { return slices.Contains(roles, r) }) {
			out = append(out, people.Told{Person: p.ID, Because: because})
		}
	}
	return out
}
