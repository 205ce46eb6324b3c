package diagnose

import "reflect"

// The facts are what conditions of rules may ask, by scope. A name that is not
// here is an error when the rules are loaded.

// Values for conditions: states are compared with these.
type values struct {
	OK      string `expr:"ok"`
	Bad     string `expr:"bad"`
	Unknown string `expr:"unknown"`
	None    string `expr:"none"`
}

var theValues = values{isOK, isBad, isUnknown, isNone}

// symptomFacts says which symptoms fire about a subject.
type symptomFacts struct {
	Dead        bool `expr:"dead"`
	Lossy       bool `expr:"lossy"`
	Slow        bool `expr:"slow"`
	Silent      bool `expr:"silent"`
	Mute        bool `expr:"mute"`
	NotServing  bool `expr:"not_serving"`
	Down        bool `expr:"down"`
	AdminDown   bool `expr:"admin_down"`
	Flapping    bool `expr:"flapping"`
	Errors      bool `expr:"errors"`
	OnBattery   bool `expr:"on_battery"`
	BatteryLow  bool `expr:"battery_low"`
	Bypass      bool `expr:"bypass"`
	Hot         bool `expr:"hot"`
	Humid       bool `expr:"humid"`
	Cooling     bool `expr:"cooling"`
	Door        bool `expr:"door"`
	Leak        bool `expr:"leak"`
	Part        bool `expr:"part"`
	Full        bool `expr:"full"`
	Busy        bool `expr:"busy"`
	Skewed      bool `expr:"skewed"`
	Guessed     bool `expr:"guessed"`
	Blocked     bool `expr:"blocked"`
	Exhausted   bool `expr:"exhausted"`
	Refused     bool `expr:"refused"`
	Replication bool `expr:"replication"`
	SNMPRefused bool `expr:"snmp_refused"` // the monitoring credentials
	LargeLost   bool `expr:"large_lost"`   // packets of full size, which passed before
	Rerouted    bool `expr:"rerouted"`     // traffic takes another way than the declared one
	Changed     bool `expr:"changed"`      // its configuration
	Overload    bool `expr:"overload"`     // of a UPS or PDU
	Smoke       bool `expr:"smoke"`        //
	Heating     bool `expr:"heating"`      // at this pace a limit is reached soon
	Starved     bool `expr:"starved"`      // of memory
	Filling     bool `expr:"filling"`      // at this pace a disk is full soon
	ReadOnly    bool `expr:"read_only"`    // a file system
	Stopped     bool `expr:"stopped"`      // a service, as its host says
	Expiring    bool `expr:"expiring"`     // a certificate
	Logged      bool `expr:"logged"`       // a line of a log that was watched for
	Worn        bool `expr:"worn"`         // a disk, by what it says of itself
	Storm       bool `expr:"storm"`        // of broadcasts
	Miswired    bool `expr:"miswired"`     // a port leads elsewhere than the inventory says
	Neglected   bool `expr:"neglected"`    // the collector's own work: incidents stand still, changes are refused
	Conflict    bool `expr:"conflict"`     // an address used twice
	Duplex      bool `expr:"duplex"`       // two ends disagree
	Dim         bool `expr:"dim"`          // light at an optic
	Stranger    bool `expr:"stranger"`     // a device nobody knows
	SecondDHCP  bool `expr:"rogue_dhcp"`   // a DHCP server nobody knows
	Unmeasured  bool `expr:"unmeasured"`   // what an input should read does not answer it
	Overdue     bool `expr:"overdue"`      // a backup or a file that should be younger
	Failing     bool `expr:"failing"`      // a disk or an array, as its host says
	Hardware    bool `expr:"hardware"`     // a part of a server, as its controller (BMC) says
	PoweredOff  bool `expr:"powered_off"`  // a server, as its controller says
	Other       bool `expr:"other"`
}

// companyFacts are about all sites together.
type companyFacts struct {
	Sites   int    `expr:"sites"`    // branches seen from outside
	Cut     int    `expr:"cut"`      // of them, how many nothing reaches
	AtOnce  bool   `expr:"at_once"`  // they were cut within a minute
	Core    string `expr:"core"`     // head office's own network devices: bad when one is
	Awaited bool   `expr:"awaited"`  // the core was well before and is looked at again soon
	CoreBad string `expr:"core_bad"` // the one most depends on, "" when none is bad
}

// carrierFacts are about the lines of one carrier.
type carrierFacts struct {
	DeadLines int  `expr:"dead_lines"`
	DeadSites int  `expr:"dead_sites"`
	OthersBad bool `expr:"others_bad"` // lines of other carriers are dead too
	AtOnce    bool `expr:"at_once"`    // they died within a minute
}

// siteFacts are about one site as the rest of the company sees it.
type siteFacts struct {
	Kind            string `expr:"kind"`   // hq or branch
	Cut             bool   `expr:"cut"`    // nothing that leads there answers
	WasCut          bool   `expr:"wascut"` // the alerts say so, whatever is back by now
	Agent           string `expr:"agent"`  // any of its agents measured since the onset
	Router          string `expr:"router"` // its router shows any sign of life since the onset
	Lines           string `expr:"lines"`  // ok: one at least; bad: all
	LineCount       int    `expr:"line_count"`
	LinesAtOnce     bool   `expr:"lines_at_once"` // all dead, and within a minute
	OnBattery       bool   `expr:"on_battery"`
	BatteryBefore   bool   `expr:"battery_before"`   // the last word of its UPS, and the runtime was not over
	PowerGasp       bool   `expr:"power_gasp"`       // an agent said that power was going
	RouterRestarted string `expr:"router_restarted"` // since the onset: bad is yes, ok is no
	OthersRestarted string `expr:"others_restarted"` // bad: all of the other devices; ok: not all
	Awaited         bool   `expr:"awaited"`

	site    string
	routers []string
	lines   []string // by role, main first
	ups     string
	since   moment
}

// portFacts are about one port.
type portFacts struct {
	Oper     string       `expr:"oper"`
	Admin    string       `expr:"admin"` // up, down, unknown
	Flapping bool         `expr:"flapping"`
	Carries  bool         `expr:"carries"` // something known is plugged in
	Far      string       `expr:"far"`     // what is plugged in shows life since the onset
	Awaited  bool         `expr:"awaited"`
	Symptom  symptomFacts `expr:"symptom"` // at this port
	known    bool
	since    moment
}

// lineFacts are about one line.
type lineFacts struct {
	Dead   bool   `expr:"dead"`   // nothing comes back across it
	Near   string `expr:"near"`   // the device at head office's end
	Far    string `expr:"far"`    // the device at the branch's end
	Steady bool   `expr:"steady"` // what it leads to, or another line of the site, has been well without a break since before it died
	Others string `expr:"others"` // the site's other lines: ok when one is
	Latest bool   `expr:"latest"` // it died after the others
	// Its answers come back over another line of the site, the one that is
	// preferred; and that one is as lossy or slow itself.
	ReturnsElsewhere bool `expr:"returns_elsewhere"`
	ByReturn         bool `expr:"by_return"`

	APort   portFacts    `expr:"a_port"`
	BPort   portFacts    `expr:"b_port"`
	Awaited bool         `expr:"awaited"`
	Symptom symptomFacts `expr:"symptom"`
}

// deviceFacts are about one device.
type deviceFacts struct {
	Kind     string `expr:"kind"`
	Network  bool   `expr:"network"`  // router, switch or firewall
	Facility bool   `expr:"facility"` // UPS, environment, cooling, PDU
	State    string `expr:"state"`    // any sign of life since the onset
	Probe    string `expr:"probe"`    // answers ICMP or TCP
	Steady   bool   `expr:"steady"`   // it has answered probes without a break since before SNMP or its agent fell silent
	SNMP     string `expr:"snmp"`
	Agent    string `expr:"agent"` // the agent that runs on it
	// Connection is the agent's own: open, closed (by it) or none; a silent agent
	// that keeps it hangs, one that closed it has ended.
	Connection string       `expr:"connection"`
	Port       portFacts    `expr:"port"`      // the neighbour's port towards it
	Up         string       `expr:"up"`        // the next device or line on the way to it
	Behind     int          `expr:"behind"`    // devices reached through it alone
	BehindOK   bool         `expr:"behind_ok"` // one of them shows life since the onset
	Awaited    bool         `expr:"awaited"`
	Symptom    symptomFacts `expr:"symptom"`
}

// alertFacts are about one alert by itself.
type alertFacts struct {
	Element   string       `expr:"element"`
	Symptom   symptomFacts `expr:"symptom"`
	OnLine    bool         `expr:"on_line"` // its subject is a line
	Known     bool         `expr:"known"`   // its subject is in the inventory
	Component string       `expr:"component"`
	// What agents of other sites find of the same service: ok when one of them had
	// an answer since the alert began.
	Elsewhere string `expr:"elsewhere"`
}

type (
	companyEnv struct {
		values
		Company companyFacts `expr:"company"`
	}
	carrierEnv struct {
		values
		Carrier carrierFacts `expr:"carrier"`
		Company companyFacts `expr:"company"`
	}
	siteEnv struct {
		values
		Site    siteFacts    `expr:"site"`
		Company companyFacts `expr:"company"`
	}
	lineEnv struct {
		values
		Line    lineFacts    `expr:"line"`
		Site    siteFacts    `expr:"site"`
		Company companyFacts `expr:"company"`
	}
	deviceEnv struct {
		values
		Device  deviceFacts  `expr:"device"`
		Site    siteFacts    `expr:"site"`
		Company companyFacts `expr:"company"`
	}
	portEnv struct {
		values
		Port   portFacts   `expr:"port"`
		Device deviceFacts `expr:"device"`
		Site   siteFacts   `expr:"site"`
	}
	alertEnv struct {
		values
		Alert  alertFacts  `expr:"alert"`
		Device deviceFacts `expr:"device"`
		Site   siteFacts   `expr:"site"`
	}
)

// environments are what conditions are checked against, by scope.
var environments = map[string]any{
	"company": companyEnv{}, "carrier": carrierEnv{}, "site": siteEnv{}, "line": lineEnv{},
	"device": deviceEnv{}, "port": portEnv{}, "alert": alertEnv{},
}

// symptomFields are the fields of symptomFacts by the words of alerts.
var symptomFields = func() map[string]int {
	out, t := map[string]int{}, reflect.TypeFor[symptomFacts]()
	for i := range t.NumField() {
		out[t.Field(i).Tag.Get("expr")] = i
	}
	return out
}()

// set marks a symptom; one that is not known is marked as other.
func (f *symptomFacts) set(symptom string) {
	i, known := symptomFields[symptom]
	if !known {
		i = symptomFields["other"]
	}
	reflect.ValueOf(f).Elem().Field(i).SetBool(true)
}
