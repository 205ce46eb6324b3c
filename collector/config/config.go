// Package config is the collector's YAML file. It opens nothing but the files
// the configuration names.
package config

import (
	"errors"
	"fmt"
	"net"
	"net/mail"
	"net/url"
	"os"
	"path/filepath"
	"time"

	"github.com/goccy/go-yaml"

	"github.com/faultline/faultline/collector/effect/notify/callback"
	"github.com/faultline/faultline/collector/effect/notify/gateway"
	"github.com/faultline/faultline/collector/effect/notify/hooks"
	"github.com/faultline/faultline/collector/effect/notify/robot"
	"github.com/faultline/faultline/collector/people"
	"github.com/faultline/faultline/collector/remedy"
	"github.com/faultline/faultline/internal/secret"
)

// Config is the collector's configuration with defaults filled in.
type Config struct {
	Data         string             `yaml:"data"`
	Listen       string             `yaml:"listen"`
	ExternalURL  string             `yaml:"external_url"` // how people and vendors reach the console
	GrafanaURL   string             `yaml:"grafana_url"`  // where people see the boards of dashboards/; "" is nowhere
	TLS          TLS                `yaml:"tls"`
	Agents       Agents             `yaml:"agents"`
	Database     string             `yaml:"database"`      // "" is SQLite under data; postgres://…
	DatabaseFile string             `yaml:"database_file"` // file that holds the address, when it has a password
	Inventory    string             `yaml:"inventory"`     // file or directory
	People       string             `yaml:"people"`        // directory of files of kind People; "" is none: the inventory's persons alone
	Rules        string             `yaml:"rules"`         // directory laid over the shipped rules, by file name
	Interval     time.Duration      `yaml:"interval"`      // of evaluating rules
	Retention    time.Duration      `yaml:"retention"`     // of samples
	Lease        Lease              `yaml:"lease"`
	Holds        Holds              `yaml:"holds"`
	Mail         Mail               `yaml:"mail"`
	Webhook      Webhook            `yaml:"webhook"`
	Influx       Influx             `yaml:"influx"`
	Practice     Practice           `yaml:"practice"`
	Drills       Drills             `yaml:"drills"`
	Chat         Chat               `yaml:"chat"`
	Daily        Daily              `yaml:"daily"`
	Webhooks     []hooks.Subscriber `yaml:"webhooks"` // programs that are told of incidents
	MailIn       MailIn             `yaml:"mail_in"`
	VendorPages  VendorPages        `yaml:"vendor_pages"`
	Desks        []Desk             `yaml:"desks"`    // service-desk systems of vendors
	Plugins      Plugins            `yaml:"plugins"`  // of the contracts ticket, notify and remedy
	Remedies     remedy.Catalog     `yaml:"remedies"` // what may be proposed and run against faults
}

// Daily is the technical report of each day to managers.
type Daily struct {
	At       string   `yaml:"at"`       // 18:00: the day ends and the report goes out; "" is never
	Zone     string   `yaml:"zone"`     // IANA; Asia/Shanghai if not said
	Roles    []string `yaml:"roles"`    // who reads it; hq_it_manager if not said
	Practice bool     `yaml:"practice"` // lines of practice sites are listed as well
}

// Drills is what drills need besides the rules.
type Drills struct {
	Mailbox string `yaml:"mailbox"` // address that receives the tickets held back from vendors; "": they are only kept
}

// Chat is how groups are told, and how people answer there.
type Chat struct {
	Robots []robot.Settings `yaml:"robots"`
	// Gateways reach single people by telephone: those whose channels name them.
	Gateways []robot.Settings `yaml:"gateways"`
	Apps     []callback.App   `yaml:"apps"`
	// Users are the accounts of people who answer: app:their ID there → sign-in name.
	Users map[string]string `yaml:"users"`
}

// TLS names the certificate; both empty is plain HTTP, for loopback only.
type TLS struct {
	CertFile string `yaml:"cert_file"`
	KeyFile  string `yaml:"key_file"`
}

// Agents is the listener at which agents enrol and send, each known by a
// certificate of the collector's own authority.
type Agents struct {
	Listen          string        `yaml:"listen"`           // host:port; "" is none: agents have tokens
	URL             string        `yaml:"url"`              // how agents reach it, for installers; "" is external_url
	Files           string        `yaml:"files"`            // directory of the programs installers fetch; "" is DATA/agents
	Names           []string      `yaml:"names"`            // host names and addresses in the listener's certificate
	CertificateLife time.Duration `yaml:"certificate_life"` // of agents; 0 is a year
	Settings        string        `yaml:"settings"`         // directory of settings by site, role and label; "" is none: the inventory alone
	ReleaseKey      string        `yaml:"release_key"`      // public key of releases, told to agents when they enrol; "" is none
	Releases        string        `yaml:"releases"`         // directory of signed programs; "" is DATA/releases
	NotifyRoles     []string      `yaml:"notify_roles"`     // who is told when a roll-out was taken back; hq_network and hq_it_manager if not said
}

// Lease says which of several collectors on one database rules and delivers.
type Lease struct {
	TTL time.Duration `yaml:"ttl"` // how long it outlives a collector that died or froze; renewed about three times as often
}

// Holds are waiting times that a company sets.
type Holds struct {
	Verify time.Duration `yaml:"verify"` // recovery must hold so long; 0 is each process's own
	Settle time.Duration `yaml:"settle"` // alerts may lag behind a recovery for so long
	Open   time.Duration `yaml:"open"`   // an undecided alert waits so long for more evidence
}

// Mail is the way out for tickets and notices.
type Mail struct {
	Host         string        `yaml:"host"` // host:port; "" is no mail
	From         string        `yaml:"from"`
	User         string        `yaml:"user"`
	Password     secret.String `yaml:"password"`
	PasswordFile string        `yaml:"password_file"`
	TLS          string        `yaml:"tls"` // mandatory (default), opportunistic, none
	CAFile       string        `yaml:"ca_file"`
	ReplyTo      string        `yaml:"reply_to"`
}

// Webhook signs outgoing webhooks.
type Webhook struct {
	Keys []secret.String `yaml:"keys"` // newest first; several while they rotate
}

// Influx is a mirror of all samples; "" URL is none.
type Influx struct {
	URL       string        `yaml:"url"`
	Org       string        `yaml:"org"`
	Bucket    string        `yaml:"bucket"`
	Token     secret.String `yaml:"token"`
	TokenFile string        `yaml:"token_file"`
	MaxBytes  int64         `yaml:"max_bytes"` // of the backlog on disk
}

// Practice is the control of a simulated practice branch; "" URL is none.
type Practice struct {
	URL       string        `yaml:"url"`
	Token     secret.String `yaml:"token"`
	TokenFile string        `yaml:"token_file"`
}

// Default returns the settings that a file need not name.
func Default() Config {
	return Config{Data: "/var/lib/faultline-collector", Listen: ":8470", Interval: time.Second, Retention: 400 * 24 * time.Hour,
		Lease: Lease{TTL: 10 * time.Second}, Holds: Holds{Settle: 20 * time.Second, Open: 3 * time.Second}, Mail: Mail{TLS: "mandatory"}, Influx: Influx{MaxBytes: 4 << 30},
		Agents: Agents{NotifyRoles: []string{"hq_network", "hq_it_manager"}},
		Daily:  Daily{Zone: "Asia/Shanghai", Roles: []string{"hq_it_manager"}}}
}

// Load reads and validates a file. Faults are all reported at once.
func Load(path string) (Config, error) {
	b, err := os.ReadFile(path)
	if err != nil {
		return Config{}, fmt.Errorf("collector configuration: %w", err)
	}
	return Parse(path, b)
}

// Parse reads and validates a configuration; name is used in messages.
func Parse(name string, b []byte) (Config, error) {
	c := Default()
	if err := yaml.UnmarshalWithOptions(b, &c, yaml.Strict()); err != nil {
		return Config{}, fmt.Errorf("%s: %s", name, yaml.FormatError(err, false, true))
	}
	if dir := os.Getenv("FAULTLINE_DATA"); dir != "" {
		c.Data = dir
	}
	if err := errors.Join(c.validate(), c.readSecrets(), c.vendors()); err != nil {
		return Config{}, fmt.Errorf("%s: %w", name, err)
	}
	return c, nil
}

// DatabaseURL returns the address sqlstore opens.
func (c Config) DatabaseURL() string {
	if c.Database != "" {
		return c.Database
	}
	return "sqlite:" + filepath.Join(c.Data, "faultline.db")
}

func (c *Config) readSecrets() error {
	var errs []error
	for _, s := range []struct {
		what string
		to   *secret.String
		path string
	}{{"mail.password_file", &c.Mail.Password, c.Mail.PasswordFile}, {"influx.token_file", &c.Influx.Token, c.Influx.TokenFile}, {"practice.token_file", &c.Practice.Token, c.Practice.TokenFile}} {
		v, err := s.to.OrFile(s.path)
		if err != nil {
			errs = append(errs, fmt.Errorf("%s: %w", s.what, err))
			continue
		}
		*s.to = v
	}
	for _, list := range [][]robot.Settings{c.Chat.Robots, c.Chat.Gateways} {
		for i := range list {
			r := &list[i]
			v, err := r.URL.OrFile(r.URLFile)
			if err != nil {
				errs = append(errs, fmt.Errorf("chat %s: %w", r.Name, err))
			}
			r.URL = v
		}
	}
	for _, r := range c.Chat.Robots {
		errs = append(errs, r.Validate())
	}
	named := map[string]bool{people.Email: true}
	for _, g := range c.Chat.Gateways {
		if errs = append(errs, gateway.Validate(g)); named[g.Name] {
			errs = append(errs, fmt.Errorf("gateway %s: the name is taken", g.Name))
		}
		named[g.Name] = true
	}
	for _, x := range c.Chat.Apps {
		errs = append(errs, x.Validate())
	}
	for _, x := range c.Webhooks {
		errs = append(errs, x.Validate())
	}
	db, err := secret.String(c.Database).OrFile(c.DatabaseFile)
	if err != nil {
		errs = append(errs, fmt.Errorf("database_file: %w", err))
	}
	c.Database = db.Reveal()
	return errors.Join(errs...)
}

func (c Config) validate() error {
	var errs []error
	bad := func(format string, args ...any) { errs = append(errs, fmt.Errorf(format, args...)) }
	if host, _, err := net.SplitHostPort(c.Listen); err != nil {
		bad("listen: %q is not an address with a port", c.Listen)
	} else if ip := net.ParseIP(host); c.TLS.CertFile == "" && (ip == nil || !ip.IsLoopback()) && os.Getenv("FAULTLINE_PLAIN_HTTP") == "" {
		bad("listen: %s without tls would send passwords in the clear: set tls.cert_file and tls.key_file, or listen on 127.0.0.1", c.Listen)
	}
	if (c.TLS.CertFile == "") != (c.TLS.KeyFile == "") {
		bad("tls: cert_file and key_file go together")
	}
	for what, raw := range map[string]string{"external_url": c.ExternalURL, "agents.url": c.Agents.URL, "grafana_url": c.GrafanaURL, "influx.url": c.Influx.URL, "practice.url": c.Practice.URL} {
		if u, err := url.Parse(raw); raw != "" && (err != nil || u.Host == "") {
			bad("%s: %q is not an address", what, raw)
		}
	}
	if _, _, err := net.SplitHostPort(c.Agents.Listen); c.Agents.Listen != "" && err != nil {
		bad("agents.listen: %q is not an address with a port", c.Agents.Listen)
	}
	if c.Agents.CertificateLife != 0 && c.Agents.CertificateLife < time.Hour {
		bad("agents.certificate_life: %s is below 1h", c.Agents.CertificateLife)
	}
	if c.Inventory == "" {
		bad("inventory: the file or directory of sites, devices and lines is missing")
	}
	if c.Interval < 100*time.Millisecond || c.Interval > time.Minute {
		bad("interval: %s is not between 100ms and 1m", c.Interval)
	}
	if c.Lease.TTL < time.Second || c.Lease.TTL > 5*time.Minute {
		bad("lease.ttl: %s is not between 1s and 5m", c.Lease.TTL)
	}
	if c.Retention < time.Hour {
		bad("retention: %s is below 1h", c.Retention)
	}
	if _, err := time.Parse("15:04", c.Daily.At); c.Daily.At != "" && err != nil {
		bad("daily.at: %q is not a time of day like 18:00", c.Daily.At)
	}
	if _, err := time.LoadLocation(c.Daily.Zone); err != nil || c.Daily.Zone == "Local" {
		bad("daily.zone: %q is no time zone", c.Daily.Zone)
	}
	if c.Mail.Host != "" && c.Mail.From == "" {
		bad("mail.from: the sender's address is missing")
	}
	if c.Drills.Mailbox != "" {
		if _, err := mail.ParseAddress(c.Drills.Mailbox); err != nil {
			bad("drills.mailbox: %q is no mail address", c.Drills.Mailbox)
		}
		if c.Mail.Host == "" {
			bad("drills.mailbox: mail.host is needed to send there")
		}
	}
	switch c.Mail.TLS {
	case "mandatory", "opportunistic", "none":
	default:
		bad("mail.tls: %q is not mandatory, opportunistic or none", c.Mail.TLS)
	}
	return errors.Join(errs...)
}
