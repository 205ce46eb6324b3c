// Command faultline-collector stores what agents measure, decides what failed,
// and drives each incident through its documented process.
package main

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"os/signal"
	"syscall"

	"github.com/alecthomas/kong"

	"github.com/faultline/faultline/collector/app"
	"github.com/faultline/faultline/collector/config"
	"github.com/faultline/faultline/dashboards"
)

// version is set by the build.
var version = "dev"

type cli struct {
	Serve    serveCmd         `cmd:"" help:"Run the collector until stopped; SIGHUP reads inventory and rules again."`
	Check    checkCmd         `cmd:"" help:"Check configuration, inventory, rules and processes; every fault with file and line."`
	Migrate  migrateCmd       `cmd:"" help:"Bring the database to this version's schema."`
	User     userCmd          `cmd:"" help:"Add a person who may sign in, or give them a new first password."`
	Token    tokenCmd         `cmd:"" help:"Issue an API token for a program, such as a Grafana."`
	Agent    agentCmd         `cmd:"" help:"Let agents in, list them, take their certificates away."`
	Release  releaseCmd       `cmd:"" help:"Sign and add releases of the agent."`
	Boards   boardsCmd        `cmd:"" help:"Write the Grafana boards and provisioning files into a directory."`
	Process  processCmd       `cmd:"" help:"Check, compare, draw, try out or export the documented processes."`
	Calendar calendarCmd      `cmd:"" help:"Say which years are entered in the working calendars; import a new one."`
	Trail    trailCmd         `cmd:"" help:"Export the log of all incidents with its proof."`
	Verify   verifyCmd        `cmd:"" help:"Prove an exported log: every row that was altered, removed or moved is named."`
	Practice practiceCmd      `cmd:"" help:"Break or mend something on the practice branch."`
	Version  kong.VersionFlag `help:"Print the version."`
}

// configFlag is what every command that works on the data directory takes.
type configFlag struct {
	Config string `help:"Configuration file." default:"/etc/faultline/collector.yaml" type:"path"`
}

func (f configFlag) load() (config.Config, error) { return config.Load(f.Config) }

type serveCmd struct {
	configFlag
	Debug bool `help:"Log more."`
}

// Run starts the collector and returns when it was told to stop.
func (c *serveCmd) Run() error {
	cfg, err := c.load()
	if err != nil {
		return err
	}
	level := slog.LevelInfo
	if c.Debug {
		level = slog.LevelDebug
	}
	log := slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: level}))
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	reload := make(chan os.Signal, 1)
	signal.Notify(reload, syscall.SIGHUP)
	defer signal.Stop(reload)
	a, err := app.New(ctx, cfg, app.Options{Logger: log, Version: version, Reload: reload})
	if err != nil {
		return err
	}
	return a.Run(ctx)
}

type checkCmd struct{ configFlag }

// Run reads everything the collector would read and reports every fault.
func (c *checkCmd) Run() error {
	cfg, err := c.load()
	if err != nil {
		return err
	}
	sum, err := app.Check(cfg)
	if err != nil {
		return err
	}
	fmt.Println(sum)
	return nil
}

type migrateCmd struct{ configFlag }

// Run migrates the database.
func (c *migrateCmd) Run() error {
	cfg, err := c.load()
	if err != nil {
		return err
	}
	return app.Migrate(context.Background(), cfg)
}

type userCmd struct {
	configFlag
	Name  string   `arg:"" help:"Sign-in name."`
	Roles []string `help:"Roles: admin, branch_it, hq_network, hq_facility, hq_dba, hq_dev, hq_it_manager, hq_security, business_owner, it_committee, user, viewer." default:"viewer"`
	Sites []string `help:"Sites the person sees; none means all."`
}

// Run writes the user and prints a first password, to be changed at sign-in.
func (c *userCmd) Run() error {
	cfg, err := c.load()
	if err != nil {
		return err
	}
	password, err := app.AddUser(context.Background(), cfg, app.NewUser{Name: c.Name, Roles: c.Roles, Sites: c.Sites})
	if err != nil {
		return err
	}
	fmt.Printf("%s may sign in with the first password %s and will be asked to change it\n", c.Name, password)
	return nil
}

type tokenCmd struct {
	configFlag
	Name  string   `arg:"" help:"What the program is called in the audit."`
	Roles []string `help:"Roles, as of people." default:"viewer"`
}

// Run issues the token and prints it: it is kept as a hash only.
func (c *tokenCmd) Run() error {
	cfg, err := c.load()
	if err != nil {
		return err
	}
	token, err := app.AddToken(context.Background(), cfg, app.NewUser{Name: c.Name, Roles: c.Roles})
	if err != nil {
		return err
	}
	fmt.Println(token)
	return nil
}

type boardsCmd struct {
	Dir     string `arg:"" help:"Directory to write into." type:"path"`
	Console string `help:"The console's address, for links from boards to incidents." default:"http://127.0.0.1:8470"`
}

// Run writes the files.
func (c *boardsCmd) Run() error { return dashboards.Write(c.Dir, c.Console) }

type practiceCmd struct {
	Break practiceBreakCmd `cmd:"" help:"Break ups, line, router or heat."`
	Mend  practiceMendCmd  `cmd:"" help:"Mend everything."`
}

// practiceTarget is how client commands reach a running collector.
type practiceTarget struct {
	URL   string `help:"The collector." env:"FAULTLINE_URL" default:"http://127.0.0.1:8470"`
	Token string `help:"API token; make run writes one to data/admin.token." env:"FAULTLINE_TOKEN"`
}

type practiceBreakCmd struct {
	practiceTarget
	What string `arg:"" help:"ups, line, router or heat."`
}

// Run breaks one thing.
func (c *practiceBreakCmd) Run() error {
	return app.Practice(context.Background(), app.PracticeCall{URL: c.URL, Token: c.Token, Action: "break", What: c.What})
}

type practiceMendCmd struct{ practiceTarget }

// Run mends everything.
func (c *practiceMendCmd) Run() error {
	return app.Practice(context.Background(), app.PracticeCall{URL: c.URL, Token: c.Token, Action: "mend"})
}

func main() {
	var c cli
	k := kong.Parse(&c, kong.Name("faultline-collector"), kong.Description("Stores what agents measure, decides what failed, and drives each incident to its proven end."),
		kong.Vars{"version": version}, kong.UsageOnError())
	if err := k.Run(); err != nil {
		fmt.Fprintln(os.Stderr, "faultline-collector:", err)
		os.Exit(1)
	}
}
