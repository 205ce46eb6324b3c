package app

import (
	"context"
	"fmt"
	"time"

	"github.com/faultline/faultline/collector/handbook"
	"github.com/faultline/faultline/collector/incident"
	"github.com/faultline/faultline/collector/process"
	"github.com/faultline/faultline/collector/process/lint"
	"github.com/faultline/faultline/collector/process/versions"
)

// versionsEvery is how often what other nodes approved is read.
const versionsEvery = 5 * time.Second

// openHandbook makes the service by which processes change.
func (a *App) openHandbook(context.Context) error {
	var err error
	a.handbook, err = handbook.New(handbook.Options{Store: a.store.ProcessVersions(), Record: a.accounts.Record, Set: func() *process.Set { return a.rules().processes },
		Lint: func() lint.Options { return lint.Options{Calendars: a.rules().calendars} }, Apply: a.applyVersions, Now: time.Now,
		Incidents: func(ctx context.Context) ([]incident.Incident, error) { return a.store.OpenIncidents(ctx) },
		Move: func(ctx context.Context, id string, m handbook.Move) error {
			return a.engine.Move(ctx, id, m)
		}})
	return err
}

// signedProcesses puts the versions that people approved in the place of those
// from files: once a process is signed for, only a signature changes it.
func (a *App) signedProcesses(ctx context.Context, set *process.Set) (*process.Set, error) {
	list, err := a.store.ProcessVersions().Versions(ctx, "")
	if err != nil {
		return nil, err
	}
	all, latest, err := versions.Definitions(list)
	if err != nil {
		return nil, fmt.Errorf("approved processes: %w", err)
	}
	for _, d := range all {
		set = set.With(d)
	}
	for _, d := range latest {
		if file, ok := set.Latest(d.ID); ok && file.Ref() != d.Ref() && file.Version >= d.Version {
			a.log.Warn("a process file differs from the approved version, which stays in force: publish the file's text to change it", "process", d.ID, "approved", d.Ref(), "file", file.Ref())
		}
		set = set.Replacing(d)
	}
	a.approved.Store(stamp(list))
	return set, nil
}

// stamp changes whenever a version is approved.
func stamp(list []versions.Version) string {
	s := ""
	for _, v := range list {
		if v.State == versions.Approved {
			s += v.Ref + " "
		}
	}
	return s
}

// applyVersions brings what is approved into force.
func (a *App) applyVersions(ctx context.Context) error {
	a.basisMu.Lock()
	defer a.basisMu.Unlock()
	next, set := *a.basis.Load(), *a.rules()
	var err error
	if set.processes, err = a.keepProcesses(ctx, set.processes); err != nil {
		return err
	}
	next.rules = &set
	a.engine.Replace(set.processes, set.calendars)
	a.basis.Store(&next)
	a.log.Info("processes in force", "refs", refs(set.processes))
	return nil
}

func refs(set *process.Set) []string {
	var out []string
	for _, id := range set.IDs() {
		d, _ := set.Latest(id)
		out = append(out, d.Ref())
	}
	return out
}

// watchVersions takes over what was approved elsewhere: at another node, or by
// the command on this one.
func (a *App) watchVersions(ctx context.Context) error {
	tick := time.NewTicker(versionsEvery)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
		case <-ctx.Done():
			return nil
		}
		list, err := a.store.ProcessVersions().Versions(ctx, "")
		if err == nil && stamp(list) != a.approved.Load() {
			err = a.applyVersions(ctx)
		}
		if err != nil && ctx.Err() == nil {
			a.log.Error("read versions of processes", "err", err)
		}
	}
}
