// Package evidence keeps the latest reading of every element of every subject:
// what each vantage point last saw, when, and since when it has been so. It is
// fed by samples and events and judges nothing; package diagnose does.
package evidence

import (
	"time"

	"github.com/faultline/faultline/collector/truth"
)

// Elements of a site's evidence vector (classification.md).
const (
	Agent       = "A" // agent → HQ session
	Gateway     = "L" // agent → LAN gateway
	WANRouter   = "W" // HQ → branch WAN router
	Line        = "P" // across one line, far end answers (loss, delay are its values)
	Device      = "D" // agent → device ICMP or TCP
	SNMP        = "S" // agent → device SNMP
	Port        = "N" // a port's oper status, as its own device says
	UPS         = "U" // UPS on mains
	Environment = "T" // temperature and the like within limits
	Restart     = "R" // restarted lately
	BMC         = "H" // power as the BMC or hypervisor says
	Configured  = "C" // configuration as declared (bad: changed, refused)
	Database    = "B" // database answers
	Resource    = "F" // a host's resource: file system, CPU, memory, clock
	Service     = "Q" // a service answers: DNS, NTP, HTTP
	Security    = "X" // an attempt against security
	LastGasp    = "G" // a sender said that it expects to vanish
	Part        = "E" // a part of a device, as that reports it: power supply, fan, module
)

// Key says what a reading is about. Two vantage points give two readings.
type Key struct {
	Element   string
	Subject   string // inventory name of device, line, site or agent
	Component string // port, mount point, database, sensor; "" for the whole
	Vantage   string // the agent that saw it
}

// Reading is what was last seen. The zero Reading is unknown, never seen.
type Reading struct {
	Truth truth.Truth
	Value float64
	At    time.Time // when it was measured
	Since time.Time // the first observation of the present truth
	// Before is the last reading of another truth, for "last known before":
	// BeforeAt is when that was last seen, BeforeSince since when it had been so.
	Before      truth.Truth
	BeforeAt    time.Time
	BeforeSince time.Time
	Changes     int               // changes of truth within the last two minutes: flapping
	Attrs       map[string]string // unit, port's admin status, reason, ...; not to be changed
}

// View is a consistent picture of the readings at one moment.
type View interface {
	// Now is the moment of the picture.
	Now() time.Time
	// Get returns the reading; a reading older than its element's horizon has
	// Truth Unknown but keeps At, Value and, in Before, what it last was.
	Get(k Key) Reading
	// Find returns the keys that match; empty fields of the pattern match all.
	Find(pattern Key) []Key
}
