package redfish

import (
	"bytes"
	"encoding/json"
	"math"
	"strconv"
	"strings"
	"time"
)

// number is a number that may be missing: null, absent, or what some services say
// instead ("N/A"). Numbers in quotes are taken.
type number struct {
	v  float64
	ok bool
}

// UnmarshalJSON never fails: a value that is no number is a missing one.
func (n *number) UnmarshalJSON(b []byte) error {
	v, err := strconv.ParseFloat(strings.Trim(string(b), `" `), 64)
	if err == nil && !math.IsNaN(v) && !math.IsInf(v, 0) {
		*n = number{v, true}
	}
	return nil
}

// text is a text that may be given as a number.
type text string

// UnmarshalJSON never fails.
func (t *text) UnmarshalJSON(b []byte) error {
	var s string
	switch {
	case json.Unmarshal(b, &s) == nil:
		*t = text(strings.TrimSpace(s))
	case len(b) > 0 && len(b) < 100 && !bytes.ContainsAny(b, "{[n"):
		*t = text(b)
	}
	return nil
}

// link is a reference to another resource.
type link struct {
	ID string `json:"@odata.id"`
}

// collection lists resources.
type collection struct {
	Members []link `json:"Members"`
}

// condition is the object Status that most resources have.
type condition struct {
	State  text `json:"State"`
	Health text `json:"Health"`
	Rollup text `json:"HealthRollup"`
}

// service is the root.
type service struct {
	Systems, Chassis, Managers link
	Name, RedfishVersion       text
}

// summary is what a system says of all its processors or memory.
type summary struct{ Status condition }

// system is a ComputerSystem.
type system struct {
	ID                                       text `json:"Id"`
	PowerState, Manufacturer, Model          text
	SerialNumber, SKU, HostName, BiosVersion text
	Status                                   condition
	ProcessorSummary, MemorySummary          summary
	Storage, LogServices                     link
}

// storage is one storage subsystem with its controllers (within it, as before
// 2023, or as a collection) and drives.
type storage struct {
	ID                 text `json:"Id"`
	Name               text
	Status             condition
	StorageControllers []part
	Drives             []link
	Volumes            link
}

// part is anything with a name and a condition.
type part struct {
	ID       text `json:"Id"`
	MemberID text `json:"MemberId"`
	Name     text
	FanName  text
	Status   condition
	Reading  number  // of a fan
	Units    text    `json:"ReadingUnits"`
	Percent  reading `json:"SpeedPercent"` // with the revolutions
}

// reading is a sensor's value within another resource.
type reading struct {
	Reading  number
	SpeedRPM number
}

// drive is a Drive.
type drive struct {
	ID                                           text `json:"Id"`
	Name, Manufacturer, Model, SerialNumber      text
	MediaType, Protocol                          text
	Status                                       condition
	CapacityBytes, PredictedMediaLifeLeftPercent number
	FailurePredicted                             *bool
}

// chassis is a Chassis with its old resources and those of 2020.4.
type chassis struct {
	ID                                                   text `json:"Id"`
	Status                                               condition
	Thermal, Power                                       link
	ThermalSubsystem, PowerSubsystem, EnvironmentMetrics link
}

// temperature is one of Thermal.
type temperature struct {
	part
	ReadingCelsius                                                         number
	UpperThresholdNonCritical, UpperThresholdCritical, UpperThresholdFatal number
	LowerThresholdNonCritical, LowerThresholdCritical, LowerThresholdFatal number
}

// thermal is Thermal.
type thermal struct {
	Temperatures []temperature
	Fans         []part
}

// supply is a power supply of Power, or a resource of its own.
type supply struct {
	part
	PowerCapacityWatts, PowerInputWatts, PowerOutputWatts, LastPowerOutputWatts, LineInputVoltage number
	Metrics                                                                                       link
}

// power is Power.
type power struct {
	PowerControl []struct {
		part
		PowerConsumedWatts, PowerCapacityWatts number
	}
	PowerSupplies []supply
}

// subsystem is ThermalSubsystem or PowerSubsystem.
type subsystem struct {
	Fans, ThermalMetrics, PowerSupplies link
	CapacityWatts                       number
}

// supplyMetrics are the numbers of a power supply.
type supplyMetrics struct {
	InputPowerWatts, OutputPowerWatts, InputVoltage reading
}

// thermalMetrics are the temperatures of a chassis.
type thermalMetrics struct {
	TemperatureReadingsCelsius []struct {
		Reading       number
		DeviceName    text
		DataSourceURI text `json:"DataSourceUri"`
	}
}

// environment is EnvironmentMetrics.
type environment struct {
	TemperatureCelsius, PowerWatts reading
}

// manager is the controller itself.
type manager struct {
	ID                     text `json:"Id"`
	Model, FirmwareVersion text
	ManagerType            text
	Status                 condition
	LogServices            link
}

// logService is one log.
type logService struct {
	ID      text `json:"Id"`
	Entries link
}

// entries are a log's.
type entries struct {
	Count   number `json:"Members@odata.count"`
	Members []entry
}

// entry is one line of a log.
type entry struct {
	ID                string `json:"Id"`
	Created           text
	Severity, Message text
}

// at is when the entry was made; false when it does not say so.
func (e entry) at() (time.Time, bool) {
	t, err := time.Parse(time.RFC3339, string(e.Created))
	return t, err == nil
}
