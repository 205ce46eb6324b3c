package config

import (
	"errors"
	"fmt"
	"net"
	"regexp"
	"time"

	"github.com/faultline/faultline/internal/secret"
	"github.com/faultline/faultline/plugins/host/spec"
)

// MailIn is the mailbox where the vendors' answers arrive: mail.reply_to leads there.
type MailIn struct {
	Host         string        `yaml:"host"` // host:port of the IMAP server; "" is none
	User         string        `yaml:"user"`
	Password     secret.String `yaml:"password"`
	PasswordFile string        `yaml:"password_file"`
	TLS          string        `yaml:"tls"` // implicit (default), starttls, none
	CAFile       string        `yaml:"ca_file"`
	Mailbox      string        `yaml:"mailbox"` // "" is INBOX
}

// VendorPages are the pages /t/… where vendors answer without an account, and
// the doors where their systems tell what became of tickets.
type VendorPages struct {
	Listen string        `yaml:"listen"` // host:port of a listener of their own; "" has them at the console's
	URL    string        `yaml:"url"`    // how vendors reach them; "" is external_url
	Life   time.Duration `yaml:"life"`   // of a link; 0 is 30 days
	Off    bool          `yaml:"off"`    // no pages: tickets carry no link
}

// Desk is a service-desk system that vendors may choose; one of its blocks is set.
type Desk struct {
	Name            string           `yaml:"name"` // the word vendors choose it by
	Poll            time.Duration    `yaml:"poll"` // how often it is asked what became of tickets; 0 is 30 s
	Lag             time.Duration    `yaml:"lag"`  // how long it may take until a search finds what it took; 0 is 30 s
	Jira            *Jira            `yaml:"jira"`
	ITop            *ITop            `yaml:"itop"`
	ServiceDeskPlus *ServiceDeskPlus `yaml:"servicedeskplus"`
	PagerDuty       *PagerDuty       `yaml:"pagerduty"`
	Webhook         *WebhookDesk     `yaml:"webhook"`
}

// Jira is a Jira project.
type Jira struct {
	URL             string            `yaml:"url"`
	User            string            `yaml:"user"` // "" signs in with a personal access token
	Token           secret.String     `yaml:"token"`
	TokenFile       string            `yaml:"token_file"`
	Project         string            `yaml:"project"`
	IssueType       string            `yaml:"issue_type"`
	Version         int               `yaml:"version"`    // of the API: 2 (default) or 3
	Priorities      map[string]string `yaml:"priorities"` // by severity
	CloseTransition string            `yaml:"close_transition"`
	Statuses        map[string]string `yaml:"statuses"` // accepted, working, ... by the status's name
}

// ITop is a Combodo iTop.
type ITop struct {
	URL          string            `yaml:"url"`
	User         string            `yaml:"user"`
	Password     secret.String     `yaml:"password"`
	PasswordFile string            `yaml:"password_file"`
	Organization string            `yaml:"organization"`
	Caller       string            `yaml:"caller"` // by e-mail
	Class        string            `yaml:"class"`
	Fields       map[string]string `yaml:"fields"`
	Stimulus     string            `yaml:"stimulus"`
	Statuses     map[string]string `yaml:"statuses"`
}

// ServiceDeskPlus is a ManageEngine ServiceDesk Plus.
type ServiceDeskPlus struct {
	URL        string            `yaml:"url"`
	Key        secret.String     `yaml:"key"`
	KeyFile    string            `yaml:"key_file"`
	Cloud      bool              `yaml:"cloud"`
	Requester  string            `yaml:"requester"`
	KeyField   string            `yaml:"key_field"`
	Priorities map[string]string `yaml:"priorities"`
	Closes     bool              `yaml:"closes"`
	Statuses   map[string]string `yaml:"statuses"`
}

// PagerDuty is an integration of PagerDuty, Flashduty or another that speaks
// PagerDuty's Events API.
type PagerDuty struct {
	URL            string          `yaml:"url"`  // "" is PagerDuty's
	Path           string          `yaml:"path"` // "" is /v2/enqueue
	RoutingKey     secret.String   `yaml:"routing_key"`
	RoutingKeyFile string          `yaml:"routing_key_file"`
	Secrets        []secret.String `yaml:"secrets"` // of the webhooks coming back, newest first
}

// WebhookDesk is a system of one's own, reached by signed JSON.
type WebhookDesk struct {
	URL    string          `yaml:"url"`
	Search string          `yaml:"search"` // address that tells what is there; "" cannot be asked
	Keys   []secret.String `yaml:"keys"`   // newest first; all of them sign, any of them is believed
}

// Plugins of the contracts a collector uses: ticket, notify and remedy.
type Plugins []spec.Plugin

var deskName = regexp.MustCompile(`^[a-z][a-z0-9-]{0,39}$`)

// vendors reads the secrets of what leads to vendors and back, and checks it.
func (c *Config) vendors() error {
	var errs []error
	bad := func(format string, args ...any) { errs = append(errs, fmt.Errorf(format, args...)) }
	read := func(what string, to *secret.String, path string) {
		v, err := to.OrFile(path)
		if err != nil {
			bad("%s: %w", what, err)
		}
		*to = v
	}
	if m := &c.MailIn; m.Host != "" {
		read("mail_in.password_file", &m.Password, m.PasswordFile)
		if _, _, err := net.SplitHostPort(m.Host); err != nil {
			bad("mail_in.host: %q is not host:port", m.Host)
		}
		if m.User == "" {
			bad("mail_in.user: whose mailbox is it?")
		}
		switch m.TLS {
		case "", "implicit", "starttls", "none":
		default:
			bad("mail_in.tls: %q is not implicit, starttls or none", m.TLS)
		}
	}
	if l := c.VendorPages.Listen; l != "" {
		if _, _, err := net.SplitHostPort(l); err != nil {
			bad("vendor_pages.listen: %q is not an address with a port", l)
		}
	}
	if c.VendorPages.Life < 0 || c.VendorPages.Life > 400*24*time.Hour {
		bad("vendor_pages.life: %s is not between 0 and 9600h", c.VendorPages.Life)
	}
	if err := spec.Validate(c.Plugins); err != nil {
		errs = append(errs, err)
	}
	var runners []string
	for _, p := range c.Plugins {
		if p.Contract == spec.Remedy {
			runners = append(runners, p.Name)
		}
	}
	if err := c.Remedies.Validate(runners); err != nil {
		errs = append(errs, err)
	}
	taken := map[string]bool{"email": true, "webhook": true} // always there
	for _, p := range c.Plugins {
		if p.Contract == spec.Input {
			bad("plugins: %s is an input: agents run those", p.Name)
		}
		taken[p.Name] = taken[p.Name] || p.Contract == spec.Ticket
	}
	for n := range c.Desks {
		c.Desks[n].check(taken, read, bad)
	}
	return errors.Join(errs...)
}

// check reads a desk's secrets and tells what is wrong with its form; what it
// needs besides is its own package's affair.
func (d *Desk) check(taken map[string]bool, read func(string, *secret.String, string), bad func(string, ...any)) {
	where := "desks " + d.Name
	switch {
	case !deskName.MatchString(d.Name):
		bad("desks: name %q: lower-case letters, digits and hyphens, at most 40", d.Name)
	case taken[d.Name]:
		bad("%s: there is a desk of this name already", where)
	}
	taken[d.Name] = true
	if d.Poll != 0 && d.Poll < 5*time.Second {
		bad("%s.poll: %s is below 5s", where, d.Poll)
	}
	if d.Lag < 0 || d.Lag > 10*time.Minute {
		bad("%s.lag: %s is not between 0 and 10m", where, d.Lag)
	}
	kinds := 0
	if d.Jira != nil {
		kinds++
		read(where+".jira.token_file", &d.Jira.Token, d.Jira.TokenFile)
	}
	if d.ITop != nil {
		kinds++
		read(where+".itop.password_file", &d.ITop.Password, d.ITop.PasswordFile)
	}
	if d.ServiceDeskPlus != nil {
		kinds++
		read(where+".servicedeskplus.key_file", &d.ServiceDeskPlus.Key, d.ServiceDeskPlus.KeyFile)
	}
	if d.PagerDuty != nil {
		kinds++
		read(where+".pagerduty.routing_key_file", &d.PagerDuty.RoutingKey, d.PagerDuty.RoutingKeyFile)
	}
	if d.Webhook != nil {
		kinds++
	}
	if kinds != 1 {
		bad("%s: one of jira, itop, servicedeskplus, pagerduty and webhook says what it is; there are %d", where, kinds)
	}
}
