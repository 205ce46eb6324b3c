package app

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/faultline/faultline/collector/account"
	"github.com/faultline/faultline/collector/config"
	"github.com/faultline/faultline/collector/handbook"
	"github.com/faultline/faultline/collector/incident"
	"github.com/faultline/faultline/collector/process"
	"github.com/faultline/faultline/collector/process/lint"
	"github.com/faultline/faultline/collector/process/versions"
	"github.com/faultline/faultline/collector/sqlstore"
)

// ExportPast writes the events of incidents opened since the time, as
// process simulate --incidents reads them, and returns how many incidents.
func ExportPast(ctx context.Context, cfg config.Config, w io.Writer, since time.Time) (n int, err error) {
	err = withStore(ctx, cfg, func(s *sqlstore.Store) error {
		list, _, err := s.Incidents(ctx, sqlstore.Query{Since: since})
		if err != nil {
			return err
		}
		if _, err := io.WriteString(w, `{"incidents":[`); err != nil {
			return err
		}
		for _, i := range list {
			events, err := s.Events(ctx, i.ID)
			if err != nil {
				return err
			}
			b, err := json.Marshal(map[string][]incident.Event{"events": events})
			if err != nil {
				return fmt.Errorf("export incident %s: %w", i.Number, err)
			}
			if n > 0 {
				b = append([]byte(",\n"), b...)
			}
			if _, err := w.Write(b); err != nil {
				return err
			}
			n++
		}
		_, err = io.WriteString(w, "]}\n")
		return err
	})
	return n, err
}

// Person is somebody who signs in at the command line.
type Person struct{ Name, Password string }

// PublishProcess publishes a version in the person's name and returns its ref.
func PublishProcess(ctx context.Context, cfg config.Config, who Person, text, comment string) (ref string, err error) {
	err = withHandbook(ctx, cfg, who, func(h *handbook.Handbook, w handbook.Who) error {
		v, err := h.Publish(ctx, w, text, comment)
		ref = v.Ref
		return err
	})
	return ref, err
}

// ApproveProcess approves a version in the person's name and returns its ref.
func ApproveProcess(ctx context.Context, cfg config.Config, who Person, id string, number int) (ref string, err error) {
	err = withHandbook(ctx, cfg, who, func(h *handbook.Handbook, w handbook.Who) error {
		v, err := h.Decide(ctx, w, id, number, true, "")
		ref = v.Ref
		return err
	})
	return ref, err
}

// withHandbook opens the handbook on the database, for somebody who gave the
// right password. It moves no incidents: only a running collector does.
func withHandbook(ctx context.Context, cfg config.Config, who Person, do func(*handbook.Handbook, handbook.Who) error) error {
	b, err := readBasis(cfg)
	if err != nil {
		return err
	}
	return withStore(ctx, cfg, func(s *sqlstore.Store) error {
		accounts, err := account.New(account.Options{Store: s})
		if err != nil {
			return err
		}
		u, err := accounts.SignIn(ctx, who.Name, who.Password, "command line")
		if err != nil {
			return err
		}
		if u.MustChange {
			return errors.New("sign in at the console first and set a password of your own")
		}
		set := b.rules.processes
		if err := approvedInto(ctx, s, &set); err != nil {
			return err
		}
		h, err := handbook.New(handbook.Options{Store: s.ProcessVersions(), Record: accounts.Record, Set: func() *process.Set { return set }, Now: time.Now,
			Lint: func() lint.Options { return lint.Options{Calendars: b.rules.calendars} }, Apply: func(context.Context) error { return nil },
			Incidents: s.OpenIncidents, Move: func(context.Context, string, handbook.Move) error {
				return errors.New("a running collector moves incidents")
			}})
		if err != nil {
			return err
		}
		return do(h, handbook.Who{Principal: account.PrincipalOf(u), Remote: "command line"})
	})
}

// approvedInto puts the versions that people approved over those from files.
func approvedInto(ctx context.Context, s *sqlstore.Store, set **process.Set) error {
	list, err := s.ProcessVersions().Versions(ctx, "")
	if err != nil {
		return err
	}
	all, latest, err := versions.Definitions(list)
	for _, d := range all {
		*set = (*set).With(d)
	}
	for _, d := range latest {
		*set = (*set).Replacing(d)
	}
	return err
}
