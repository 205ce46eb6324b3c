// Package inventory is what the company has: sites, devices, lines, vendors,
// contracts, people and agents, read from YAML, and the dependency graph over
// them. It is plain data; nothing here polls or judges.
package inventory

import (
	"time"

	"github.com/faultline/faultline/internal/lang"
)

// Inventory is one loaded, validated set. It is immutable once loaded.
type Inventory struct {
	Company   string     `yaml:"company"`
	Sites     []Site     `yaml:"sites"`
	Devices   []Device   `yaml:"devices"`
	Lines     []Line     `yaml:"lines"`
	Vendors   []Vendor   `yaml:"vendors"`
	Contracts []Contract `yaml:"contracts"`
	Agents    []Agent    `yaml:"agents"`
	People    []Person   `yaml:"people"`
	// Certificates and Patches are of the register (register.go).
	Certificates []Certificate `yaml:"certificates"`
	Patches      []Patch       `yaml:"patches"`
}

// Site is head office or a branch.
type Site struct {
	ID       string    `yaml:"id"`
	Name     lang.Text `yaml:"name"`
	Kind     string    `yaml:"kind"` // hq or branch
	Zone     string    `yaml:"zone"` // IANA time zone; "" is Asia/Shanghai
	Calendar string    `yaml:"calendar"`
	Address  string    `yaml:"address"`
	Contact  string    `yaml:"contact"` // whom to call on site
	Practice bool      `yaml:"practice"`
}

// Device is anything with an address or a name that can fail.
type Device struct {
	ID        string             `yaml:"id"`
	Name      lang.Text          `yaml:"name"`
	Site      string             `yaml:"site"`
	Kind      string             `yaml:"kind"`      // router, switch, firewall, server, ups, environment, cooling, database, dns, pdu, other
	Roles     []string           `yaml:"roles"`     // gateway, core, ...
	Addresses []string           `yaml:"addresses"` // the first is the one to poll (a router's loopback)
	Vendor    string             `yaml:"vendor"`    // maker, free text
	Model     string             `yaml:"model"`
	Serial    string             `yaml:"serial"`
	DependsOn []Dependency       `yaml:"depends_on"`
	Ports     []Port             `yaml:"ports"`
	Host      string             `yaml:"host"` // device a database or service runs on
	Targets   []Target           `yaml:"targets"`
	Databases []Database         `yaml:"databases"`
	Limits    map[string]float64 `yaml:"limits"` // temperature_celsius, humidity_percent, ...
}

// Dependency is a redundancy group: the device is unreachable only when every
// member is down. Several dependencies must all hold.
type Dependency struct {
	AnyOf []string `yaml:"any_of"` // inventory names of devices or lines
	For   string   `yaml:"for"`    // network or power
}

// Port is a named port and what hangs on it.
type Port struct {
	Name string `yaml:"name"` // ifName
	To   string `yaml:"to"`   // device or line
	Peer string `yaml:"peer"` // port at the other end
}

// Line is a leased line or other link between sites.
type Line struct {
	ID      string    `yaml:"id"` // carrier-a:line-2
	Name    lang.Text `yaml:"name"`
	Site    string    `yaml:"site"`    // the branch it serves
	Carrier string    `yaml:"carrier"` // vendor id
	Circuit string    `yaml:"circuit"` // the carrier's number: SH-0231
	Role    string    `yaml:"role"`    // main or backup
	AEnd    End       `yaml:"a_end"`   // HQ's end
	BEnd    End       `yaml:"b_end"`   // the branch's end
	Mbps    float64   `yaml:"mbps"`
	Targets []Target  `yaml:"targets"`
	// What the carrier promised; see register.go.
	Availability float64 `yaml:"availability"` // percent of a month; 0: nothing agreed
	Respond      string  `yaml:"respond"`      // 30m
	Repair       string  `yaml:"repair"`       // 4h
	From         string  `yaml:"from"`         // date the contract begins
	Until        string  `yaml:"until"`        // date it ends; "" is open-ended
}

// End is where a line is plugged in.
type End struct {
	Device    string `yaml:"device"`
	Interface string `yaml:"interface"`
	Address   string `yaml:"address"`
}

// Target is a measurement an agent makes of the thing it stands under. Labels
// job, instance, site, device and role are added by the inventory.
type Target struct {
	Agent     string            `yaml:"agent"`   // agent id
	Input     string            `yaml:"input"`   // snmp, probe, host, ...
	Address   string            `yaml:"address"` // "" is the device's first address
	Role      string            `yaml:"role"`    // line, gateway, wan_router, device, service, ...; becomes the label role
	Interval  time.Duration     `yaml:"interval"`
	Timeout   time.Duration     `yaml:"timeout"`
	Component string            `yaml:"component"`
	Options   map[string]string `yaml:"options"`
	Labels    map[string]string `yaml:"labels"`
}

// Vendor is a carrier, supplier, UPS maintainer or database vendor.
type Vendor struct {
	ID          string            `yaml:"id"`
	Kind        string            `yaml:"kind"` // carrier, equipment supplier, UPS maintainer, db vendor
	Name        lang.Text         `yaml:"name"`
	Language    string            `yaml:"language"` // zh-CN or en
	Emails      []string          `yaml:"emails"`
	Phone       string            `yaml:"phone"`
	Desk        string            `yaml:"desk"` // email, webhook, ...
	DeskOptions map[string]string `yaml:"desk_options"`
	Hours       string            `yaml:"hours"`    // when its people are reached whose own hours nothing says: 7x24
	Contacts    []Contact         `yaml:"contacts"` // by level
}

// Contract says who repairs what until when.
type Contract struct {
	ID      string   `yaml:"id"`
	Vendor  string   `yaml:"vendor"`
	Kind    string   `yaml:"kind"`    // warranty or maintenance
	Sites   []string `yaml:"sites"`   // empty: all
	Devices []string `yaml:"devices"` // empty: all of the kinds below
	Kinds   []string `yaml:"kinds"`   // device kinds
	Until   string   `yaml:"until"`   // date, 2027-12-31; "" is open-ended
	// The terms; see register.go.
	Number   string `yaml:"number"`   // on paper
	From     string `yaml:"from"`     // date; "" has always been
	Respond  string `yaml:"respond"`  // 30m
	Repair   string `yaml:"repair"`   // 8h
	Calendar string `yaml:"calendar"` // the limits run in work or always; "" is always
	Note     string `yaml:"note"`
}

// Agent is one installed agent.
type Agent struct {
	ID        string        `yaml:"id"`
	Site      string        `yaml:"site"`
	Device    string        `yaml:"device"` // the host it runs on
	Interval  time.Duration `yaml:"interval"`
	Host      bool          `yaml:"host"`         // measures its own host
	TokenHash string        `yaml:"token_sha256"` // hex; the agent's bearer token

	Roles  []string          `yaml:"roles"`  // by which settings are assigned to it
	Labels map[string]string `yaml:"labels"` // the same
}

// Person is a member of staff with roles of processes.md.
type Person struct {
	ID       string   `yaml:"id"`
	Name     string   `yaml:"name"`
	Email    string   `yaml:"email"`
	Roles    []string `yaml:"roles"`
	Sites    []string `yaml:"sites"` // empty: all
	Language string   `yaml:"language"`
}
