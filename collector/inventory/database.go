package inventory

import (
	"cmp"
	"fmt"
	"maps"
	"net"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/faultline/faultline/internal/secret"
)

// Database is a database server on a device, logged in to by an agent: a target
// of the input database in fewer words (docs/databases.md).
type Database struct {
	Agent        string            `yaml:"agent"`
	Kind         string            `yaml:"kind"` // postgresql, mysql or mariadb
	Port         int               `yaml:"port"` // 0: the kind's own
	User         string            `yaml:"user"`
	Name         string            `yaml:"name"` // database that is logged in to
	Password     secret.String     `yaml:"password"`
	PasswordFile string            `yaml:"password_file"` // on the agent
	PasswordEnv  string            `yaml:"password_env"`  // of the agent
	TLS          string            `yaml:"tls"`
	Component    string            `yaml:"component"` // "" is kind:port
	Interval     time.Duration     `yaml:"interval"`
	Timeout      time.Duration     `yaml:"timeout"` // 0: 4 s
	Options      map[string]string `yaml:"options"` // the input's others
}

// databasePorts are the ports by kind.
var databasePorts = map[string]int{"postgresql": 5432, "mysql": 3306, "mariadb": 3306}

// target spells a database out.
func (b Database) target(d *Device) Target {
	port := strconv.Itoa(cmp.Or(b.Port, databasePorts[b.Kind]))
	t := Target{Agent: b.Agent, Input: "database", Role: RoleDatabase, Component: cmp.Or(b.Component, b.Kind+":"+port),
		Interval: b.Interval, Timeout: cmp.Or(b.Timeout, 4*time.Second), Options: maps.Clone(b.Options)}
	if len(d.Addresses) > 0 {
		t.Address = net.JoinHostPort(d.Addresses[0], port)
	}
	if t.Options == nil {
		t.Options = map[string]string{}
	}
	for k, v := range map[string]string{"kind": b.Kind, "user": b.User, "database": b.Name, "password": b.Password.Reveal(),
		"password_file": b.PasswordFile, "password_env": b.PasswordEnv, "tls": b.TLS} {
		if v != "" {
			t.Options[k] = v
		}
	}
	return t
}

// targets are all of a device's, databases among them.
func (d *Device) targets() []Target {
	out := slices.Clone(d.Targets)
	for _, b := range d.Databases {
		out = append(out, b.target(d))
	}
	return out
}

func (a *assembly) checkDatabases(w at, d Device) {
	for i, b := range d.Databases {
		w := w.field("databases[%d]", i)
		a.agent(w.field("agent"), b.Agent)
		if databasePorts[b.Kind] == 0 {
			a.bad(w.field("kind"), "kind %q is not one of postgresql, mysql, mariadb", b.Kind)
		}
		if b.Port < 0 || b.Port > 65535 {
			a.bad(w.field("port"), "%d is no port", b.Port)
		}
		if len(d.Addresses) == 0 {
			a.bad(w, "its device has no address")
		}
		said := 0
		for _, s := range []string{b.Password.Reveal(), b.PasswordFile, b.PasswordEnv} {
			if s != "" {
				said++
			}
		}
		if said > 1 {
			a.bad(w, "password, password_file and password_env exclude each other")
		}
		for _, k := range []string{"kind", "user", "database", "password", "password_file", "password_env", "tls"} {
			if b.Options[k] != "" {
				a.bad(w.field("options").field("%s", k), "%s is a field of the database, not an option", k)
			}
		}
		if b.Interval < 0 || b.Timeout < 0 {
			a.bad(w, "interval and timeout cannot be negative")
		}
	}
}

// Warnings says what the inventory may do harm by although it is not wrong.
func (inv *Inventory) Warnings() []string {
	var out []string
	for _, v := range inv.Vendors {
		if _, err := ParseHours(v.Hours); err != nil {
			out = append(out, fmt.Sprintf("vendor %s: %v; contacts without hours of their own are told at any hour", v.ID, err))
		}
		for _, c := range v.Contacts {
			if _, err := ParseHours(c.Hours); err != nil {
				out = append(out, fmt.Sprintf("vendor %s: contact %s: %v; the contact is told at any hour", v.ID, c.Name, err))
			}
		}
	}
	for _, d := range inv.Devices {
		for _, t := range d.Targets {
			if t.Input == "probe" && t.Options["module"] == "tcp" && looksLikeMySQL(t) {
				out = append(out, fmt.Sprintf("%s: a TCP probe of %s (%s): MySQL and MariaDB refuse everybody who comes from the agent's host after 100 connections that log in to nothing; use the input database",
					d.ID, t.Address, t.Component))
			}
		}
	}
	return out
}

func looksLikeMySQL(t Target) bool {
	address := t.Address
	if u, err := url.Parse(address); err == nil && u.Host != "" {
		address = u.Host
	}
	_, port, _ := net.SplitHostPort(address)
	return port == "3306" || strings.Contains(t.Component, "mysql") || strings.Contains(t.Component, "mariadb")
}
