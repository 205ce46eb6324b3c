package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/user"
	"path/filepath"
	"slices"
	"text/tabwriter"
	"time"

	"github.com/faultline/faultline/collector/config"
	"github.com/faultline/faultline/collector/engine"
	"github.com/faultline/faultline/collector/enrol"
	"github.com/faultline/faultline/collector/inventory"
	"github.com/faultline/faultline/collector/sqlstore"
	"github.com/faultline/faultline/internal/pki"
)

// agentCmd is what head office does with agents' identities. It works on the
// database, beside a running collector or without one.
type agentCmd struct {
	Token  agentTokenCmd  `cmd:"" help:"Make a one-time token for a site and print the line to paste there."`
	List   agentListCmd   `cmd:"" help:"List agents, and tokens that can still be used."`
	Revoke agentRevokeCmd `cmd:"" help:"Take an agent's certificates away at once, or withdraw a token."`
}

// enrolDesk is the store and the authority of a collector.
type enrolDesk struct {
	cfg       config.Config
	store     *sqlstore.Store
	authority *pki.Authority
}

func openEnrolDesk(ctx context.Context, cfg config.Config) (*enrolDesk, error) {
	log := slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelWarn}))
	authority, err := enrol.OpenAuthority(filepath.Join(cfg.Data, "authority"), time.Now(), log)
	if err != nil {
		return nil, err
	}
	s, err := sqlstore.Open(ctx, sqlstore.Options{URL: cfg.DatabaseURL(), Logger: log})
	if err != nil {
		return nil, err
	}
	if err := s.Migrate(ctx); err != nil {
		return nil, errors.Join(err, s.Close())
	}
	return &enrolDesk{cfg: cfg, store: s, authority: authority}, nil
}

// actor is who sits at the command line, for the audit.
func actor() string {
	if name := os.Getenv("SUDO_USER"); name != "" {
		return "command line (" + name + ")"
	}
	if u, err := user.Current(); err == nil {
		return "command line (" + u.Username + ")"
	}
	return "command line"
}

type agentTokenCmd struct {
	configFlag
	Site  string        `required:"" help:"Site of the inventory; the agent can write for no other."`
	Agent string        `help:"The only agent it makes; replaces that agent's machine if there is one."`
	Valid time.Duration `help:"How long it can be used, at most 720h." default:"24h"`
	URL   string        `help:"How agents reach this collector; external_url if not said." env:"FAULTLINE_AGENTS_URL"`
	Files string        `help:"Directory of the programs that installers fetch; DATA/agents if not said." type:"path"`
	Bare  bool          `help:"Print the token alone."`
}

// Run makes the token and prints it: it is kept as a hash only.
func (c *agentTokenCmd) Run() error {
	cfg, err := c.load()
	if err != nil {
		return err
	}
	inv, err := inventory.Load(cfg.Inventory)
	if err != nil {
		return err
	}
	if !slices.ContainsFunc(inv.Sites, func(s inventory.Site) bool { return s.ID == c.Site }) {
		return fmt.Errorf("agent token: the inventory has no site %q", c.Site)
	}
	for _, a := range inv.Agents {
		if a.ID == c.Agent && a.Site != c.Site {
			return fmt.Errorf("agent token: the inventory has agent %s at site %s", a.ID, a.Site)
		}
	}
	ctx := context.Background()
	d, err := openEnrolDesk(ctx, cfg)
	if err != nil {
		return err
	}
	defer func() { _ = d.store.Close() }()
	t, err := enrol.IssueToken(ctx, d.store, d.authority, enrol.NewToken{Site: c.Site, Agent: c.Agent, Valid: c.Valid, Actor: actor()}, time.Now())
	if err != nil {
		return err
	}
	if c.Bare {
		fmt.Println(t.Text())
		return nil
	}
	return c.print(d, t)
}

func (c *agentTokenCmd) print(d *enrolDesk, t pki.Token) error {
	fmt.Printf("token %s for site %s, works once, until %s / 令牌仅可使用一次\n\n  %s\n", t.ID, c.Site, time.Now().Add(c.Valid).Format("2006-01-02 15:04 -07:00"), t.Text())
	address := cmp.Or(c.URL, d.cfg.Agents.URL, d.cfg.ExternalURL)
	in, err := enrol.NewInstaller(address, cmp.Or(c.Files, d.cfg.Agents.Files, filepath.Join(d.cfg.Data, "agents")), pki.Fingerprint(d.authority.Certificate))
	if err != nil {
		fmt.Printf("\nfaultline-agent enrol --url https://COLLECTOR:PORT --token …   (set external_url, or --url, for the lines that install as well)\n")
		return nil
	}
	for _, system := range []struct{ id, title string }{{"linux", "Linux"}, {"windows", "Windows (administrator / 管理员)"}} {
		line, err := in.Line(system.id, t)
		if err != nil {
			return err
		}
		fmt.Printf("\n%s:\n  %s\n", system.title, line)
	}
	return nil
}

type agentListCmd struct{ configFlag }

// Run prints agents and unused tokens.
func (c *agentListCmd) Run() error {
	cfg, err := c.load()
	if err != nil {
		return err
	}
	ctx := context.Background()
	d, err := openEnrolDesk(ctx, cfg)
	if err != nil {
		return err
	}
	defer func() { _ = d.store.Close() }()
	agents, err := d.store.EnrolledAgents(ctx, "")
	if err != nil {
		return err
	}
	tokens, err := d.store.EnrolTokens(ctx)
	if err != nil {
		return err
	}
	w := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', 0)
	_, _ = fmt.Fprintln(w, "SITE\tAGENT\tHOST\tADDRESS\tSEEN\tCLOCK\tVERSION\tSTATE")
	for _, a := range agents {
		state := "ok"
		if !a.Revoked.IsZero() {
			state = "revoked " + a.Revoked.Local().Format("2006-01-02 15:04 -07:00") + " " + a.RevokedWhy
		}
		_, _ = fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\n", a.Site, a.ID, a.Host, a.Remote, shortTime(a.SeenAt), a.Skew.Round(time.Second), a.Version, state)
	}
	now := time.Now()
	for _, t := range tokens {
		if t.UsedAt.IsZero() && t.Revoked.IsZero() && now.Before(t.Expires) {
			_, _ = fmt.Fprintf(w, "%s\t%s\t\t\t\t\t\ttoken %s until %s\n", t.Site, t.Agent, t.ID, shortTime(t.Expires))
		}
	}
	return w.Flush()
}

func shortTime(t time.Time) string {
	if t.IsZero() {
		return "never"
	}
	return t.Local().Format("2006-01-02 15:04:05 -07:00")
}

type agentRevokeCmd struct {
	configFlag
	Name string `arg:"" help:"An agent's name, or the id of an unused token."`
	Why  string `help:"Reason, for the audit."`
}

// Run revokes an agent or a token.
func (c *agentRevokeCmd) Run() error {
	cfg, err := c.load()
	if err != nil {
		return err
	}
	ctx := context.Background()
	d, err := openEnrolDesk(ctx, cfg)
	if err != nil {
		return err
	}
	defer func() { _ = d.store.Close() }()
	err = enrol.Revoke(ctx, d.store, c.Name, actor(), c.Why, time.Now())
	if !errors.Is(err, engine.ErrNotFound) {
		if err == nil {
			fmt.Printf("%s is revoked; it can come back only with a new token / 已吊销\n", c.Name)
		}
		return err
	}
	if err := enrol.RevokeToken(ctx, d.store, c.Name, actor(), c.Why, time.Now()); err != nil {
		if errors.Is(err, engine.ErrNotFound) {
			return fmt.Errorf("there is neither an agent nor an unused token %q", c.Name)
		}
		return err
	}
	fmt.Printf("token %s is withdrawn / 令牌已撤回\n", c.Name)
	return nil
}
