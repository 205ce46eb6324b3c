package app

import (
	"context"
	"errors"
	"fmt"
	"log/slog"

	"github.com/faultline/faultline/collector/account"
	"github.com/faultline/faultline/collector/config"
	"github.com/faultline/faultline/collector/sqlstore"
)

// Check reads everything the collector would read at start and sums it up in a
// line; the error names every fault with file and line.
func Check(cfg config.Config) (string, error) {
	b, err := readBasis(cfg)
	if err != nil {
		return "", err
	}
	played, err := checkScenarios(context.Background(), cfg, b)
	if err != nil {
		return "", err
	}
	inv, set := b.graph.Inventory(), b.rules
	said := fmt.Sprintf("ok: %d sites, %d devices, %d lines, %d agents, %d vendors; %d alert rules; processes %v; %d scenarios as expected",
		len(inv.Sites), len(inv.Devices), len(inv.Lines), len(inv.Agents), len(inv.Vendors), len(set.alerts.List), set.processes.IDs(), played)
	said += fmt.Sprintf("; %d people, %d rotas, %d escalation chains", len(b.people.People), len(b.people.Rotas), len(b.people.Chains))
	for _, w := range inv.Warnings() {
		said += "\nwarning: " + w
	}
	return said, nil
}

// Migrate brings the database to this version's schema.
func Migrate(ctx context.Context, cfg config.Config) error {
	return withStore(ctx, cfg, func(*sqlstore.Store) error { return nil })
}

// NewUser is a person, or a program with a token, to be added.
type NewUser struct {
	Name         string
	Roles, Sites []string
}

// AddUser adds a person, or resets the password of one that exists, and returns
// the first password.
func AddUser(ctx context.Context, cfg config.Config, u NewUser) (string, error) {
	var password string
	err := withStore(ctx, cfg, func(s *sqlstore.Store) error {
		accounts, err := account.New(account.Options{Store: s})
		if err != nil {
			return err
		}
		if _, err := accounts.User(ctx, u.Name); err == nil {
			password, err = accounts.ResetPassword(ctx, "command line", u.Name)
			return err
		}
		password, err = accounts.CreateUser(ctx, "command line", account.User{Name: u.Name, Roles: u.Roles, Sites: u.Sites})
		return err
	})
	return password, err
}

// AddToken issues an API token with the name, for programs such as a Grafana.
// The token can be read this once.
func AddToken(ctx context.Context, cfg config.Config, t NewUser) (string, error) {
	var token string
	err := withStore(ctx, cfg, func(s *sqlstore.Store) error {
		accounts, err := account.New(account.Options{Store: s})
		if err != nil {
			return err
		}
		token, err = accounts.IssueToken(ctx, "command line", account.Token{Name: t.Name, Roles: t.Roles, Sites: t.Sites})
		return err
	})
	return token, err
}

func withStore(ctx context.Context, cfg config.Config, do func(*sqlstore.Store) error) error {
	s, err := sqlstore.Open(ctx, sqlstore.Options{URL: cfg.DatabaseURL(), Logger: slog.Default()})
	if err != nil {
		return err
	}
	return errors.Join(s.Migrate(ctx), do(s), s.Close())
}
